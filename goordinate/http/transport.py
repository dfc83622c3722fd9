"""Bytes in and out of a connection, plain or by TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
from functools import partial
from typing import Any, Final

from gevent import get_hub

from goordinate.cborrpc.queues import unacknowledged
from goordinate.cborrpc.server.faults import AnswerUnread
from goordinate.cborrpc.server.slowness import CutOff

from .limits import FEED, HttpLimits

_READABLE, _WRITABLE = 1, 2


class Plain:
    """A connection without TLS.  Only its greenlet waits in it."""

    secure: bool = False

    def __init__(self, sock: socket.socket, limits: HttpLimits) -> None:
        self.sock = sock
        self._limits = limits
        #: What the greenlet waits on for bytes.
        self.readable: Any = get_hub().loop.io(sock.fileno(), _READABLE)

    def open(self) -> None:
        """Make it ready; nothing to do."""

    def receive(self) -> bytes:
        """The next bytes, at most `FEED`; none: the client sends no more.  Raises OSError."""
        return self._receive()

    def send(self, data: bytes) -> None:
        """Send all of it.  Raises AnswerUnread, OSError."""
        self._send(data)

    def finish(self) -> None:
        """Send no more."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def discard(self) -> int:
        """Receive what comes and forget it: how many bytes; 0: the client sends no more."""
        return len(self._receive())

    def close(self) -> None:
        """Release everything but the socket."""
        self.readable.close()

    def _receive(self) -> bytes:
        hub = get_hub()
        while True:
            hub.wait(self.readable)
            with contextlib.suppress(BlockingIOError):
                return self.sock.recv(FEED)

    def _send(self, data: bytes) -> None:
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:])

    def _send_rest(self, rest: memoryview) -> None:
        hub = get_hub()
        seconds, sock = self._limits.answer_timeout, self.sock
        fault = partial(AnswerUnread, seconds)
        with (
            CutOff(seconds, lambda: -len(rest) - unacknowledged(sock), fault),
            hub.loop.io(sock.fileno(), _WRITABLE) as writable,
        ):
            while rest:
                hub.wait(writable)
                with contextlib.suppress(BlockingIOError):
                    rest = rest[sock.send(rest) :]


RECORD: Final = 16 * 1024
"""Bytes that one TLS record can carry."""


class Secure(Plain):
    """A connection with TLS, by buffers in memory, so that it waits as a plain one does."""

    secure = True

    def __init__(self, sock: socket.socket, limits: HttpLimits, context: ssl.SSLContext) -> None:
        super().__init__(sock, limits)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def open(self) -> None:
        """Do the handshake.  Raises OSError, ssl.SSLError among them."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush()  # the alert that tells the client why
                raise
            else:
                self._flush()
                return

    def receive(self) -> bytes:
        while True:
            try:
                return self._tls.read(FEED)
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    def send(self, data: bytes) -> None:
        for start in range(0, len(data), 16 * RECORD):
            self._tls.write(data[start : start + 16 * RECORD])
            self._flush()

    def finish(self) -> None:
        with contextlib.suppress(OSError, AnswerUnread):
            self._tls.unwrap()
        with contextlib.suppress(OSError, AnswerUnread):
            self._flush()
        super().finish()

    def _feed(self) -> None:
        data = self._receive()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._send(data)
