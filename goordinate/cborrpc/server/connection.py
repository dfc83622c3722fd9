"""One connection: reads what arrives, answers it, and ends with its client or by a limit.

Rule: at most one answer, or `SEND_SIZE` of small ones, waits for a client that does not read,
and nothing more is read from it meanwhile.  Of a frame that has begun no more is kept than
has arrived.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import socket
import sys
import termios
from time import monotonic
from typing import Final

import gevent
from gevent import get_hub

from ..decode import loads
from ..errors import CBORError, FrameError
from ..framing import FrameReader, frame
from ..limits import Limits
from ..messages import Dispatcher
from ..requests import NULL
from .buffers import Buffers, BuffersFull
from .listener import Peer, printable, reset_when_closed

rpc_log = logging.getLogger("goordinate.rpc")

TURN: Final = 0.001
"""Seconds for which a connection answers before the others have their turn."""

READ_SIZE: Final = 64 * 1024
"""How many bytes are read at once."""

SEND_SIZE: Final = 256 * 1024
"""So many bytes of answers are sent before more requests are looked at."""

_READABLE, _WRITABLE = 1, 2
_LOGGED_CHARACTERS: Final = 2000


class FrameUnfinished(FrameError):
    """A frame that had begun was not whole in time."""


class AnswerUnread(Exception):
    """An answer was not taken by the client in time."""


class Stopping(Exception):
    """Thrown into a connection that waits for requests when the server stops."""


class Connection:
    """One connection, and what its greenlet does.

    rpclog: log each message and its answer at debug level, on the logger `goordinate.rpc`.
    """

    __slots__ = (
        "_buffers",
        "_dispatcher",
        "_frame_timeout",
        "_greenlet",
        "_limits",
        "_peer",
        "_reader",
        "_rpclog",
        "_sock",
        "_turn_ends",
        "readable",
        "stopping",
    )

    def __init__(
        self,
        sock: socket.socket,
        peer: Peer,
        dispatcher: Dispatcher,
        limits: Limits,
        buffers: Buffers,
        *,
        rpclog: bool = False,
    ) -> None:
        self._sock = sock
        self._peer = peer
        self._dispatcher = dispatcher
        self._limits = limits
        self._buffers = buffers
        self._greenlet = gevent.getcurrent()
        self._rpclog = rpclog
        self._reader = FrameReader(limits.max_frame, max_depth=limits.max_depth)
        self._turn_ends = 0.0
        # Runs from the first byte of a frame to its last, and only while these are awaited.
        self._frame_timeout: gevent.Timeout | None = None
        #: What the greenlet waits on for requests; the server throws `Stopping` there.
        self.readable = get_hub().loop.io(sock.fileno(), _READABLE)
        #: Whether to answer what has arrived and end.
        self.stopping = False

    def __str__(self) -> str:
        return printable(self._peer)

    def serve(self) -> None:
        """Answer requests until the client goes or the server stops.

        FrameError if something comes that is no frame, or not all of it; AnswerUnread; OSError
        if the connection is lost.
        """
        readable = self.readable
        wait, receive = get_hub().wait, self._sock.recv
        try:
            # To wait and then read takes one system call; the usual read first, and wait if
            # there is nothing, takes two and an exception for nearly every request.
            while not self.stopping:
                wait(readable)
                try:
                    chunk = receive(READ_SIZE)
                except BlockingIOError:
                    continue
                if not self._take(chunk):
                    return
                del chunk  # or it would stay while the connection is idle
        except Stopping:
            pass
        self._finish()

    def close(self) -> None:
        """Let go of what is not the socket."""
        self._end_frame()
        self.readable.close()

    def cut_off(self, fault: BuffersFull) -> None:
        """End the connection with this fault, now or when it is its turn."""
        if gevent.getcurrent() is not self._greenlet:
            gevent.kill(self._greenlet, fault)
            return
        try:
            raise fault
        finally:
            del fault  # see `_send_rest`

    def _finish(self) -> None:
        """Answer what has arrived, then end the connection in such a way that it is noticed.

        The original's client takes the usual end of a connection for a lost answer and
        gives up; when the connection is reset it calls again.
        """
        arrived = self._in_kernel(termios.FIONREAD)
        while arrived > 0:
            chunk = self._sock.recv(min(arrived, READ_SIZE))
            if not self._take(chunk):
                return
            arrived -= len(chunk)
        self._end_frame()  # a half one is not waited for
        # A reset overtakes answers that the client's system has not acknowledged.
        while self._in_kernel(termios.TIOCOUTQ):
            gevent.sleep(0.01)
        reset_when_closed(self._sock)

    def _in_kernel(self, queue: int) -> int:
        """How many bytes the system holds that we have not read, or not got rid of."""
        return int.from_bytes(fcntl.ioctl(self._sock, queue, bytes(4)), sys.byteorder)

    def _take(self, chunk: bytes) -> bool:
        """Answer the messages that are whole with `chunk`; whether to go on afterwards."""
        if not chunk:
            return False
        self._turn_ends = monotonic() + TURN
        reader = self._reader
        messages = reader.feed(chunk)
        if messages and self._frame_timeout is not None:
            self._end_frame()
        while messages:
            if not self._answer(messages):
                return False
            messages = reader.feed(b"") if reader.pending else []
        if reader.pending:
            self._await_frame()
        return True

    def _await_frame(self) -> None:
        """Some of a frame has arrived, the rest has to follow in time."""
        if self._frame_timeout is None:
            seconds = self._limits.frame_timeout
            fault = FrameUnfinished(f"a frame not whole after {seconds:g} s")
            self._frame_timeout = gevent.Timeout.start_new(seconds, fault)
        self._buffers.hold(self, self._reader.pending)

    def _end_frame(self) -> None:
        """The frame is whole, or will never be."""
        if self._frame_timeout is not None:
            self._frame_timeout.close()
            self._frame_timeout = None
        self._buffers.hold(self, 0)

    def _answer(self, messages: list[bytes]) -> bool:
        """Send the answers to messages, in order; whether to go on afterwards."""
        respond = self._respond_and_log if self._rpclog else self._respond
        answers: list[bytes] = []
        size = 0
        going_on = True
        for message in messages:
            if message == NULL:
                going_on = False
                break
            answer = frame(respond(message))
            answers.append(answer)
            size += len(answer)
            if size > SEND_SIZE:
                self._send(b"".join(answers))
                answers, size = [], 0
            if monotonic() > self._turn_ends:
                self._give_way()
        if answers:
            self._send(b"".join(answers))
        return going_on

    def _respond(self, message: bytes) -> bytes:
        dispatcher = self._dispatcher
        if not dispatcher.is_batch(message):
            return dispatcher.answer(message, self)
        pieces = []
        for piece in dispatcher.batch(message, self):
            pieces.append(piece)
            if monotonic() > self._turn_ends:
                self._give_way()
        return b"".join(pieces)

    def _respond_and_log(self, message: bytes) -> bytes:
        if rpc_log.isEnabledFor(logging.DEBUG):
            rpc_log.debug("%s: request %s", self, _in_words(message))
        answer = self._respond(message)
        if rpc_log.isEnabledFor(logging.DEBUG):
            rpc_log.debug("%s: answer %s", self, _in_words(answer))
        return answer

    def _send(self, data: bytes) -> None:
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:])

    def _send_rest(self, rest: memoryview) -> None:
        """Send what the system had no room for, as the client takes it."""
        hub = get_hub()
        self._buffers.hold(self, len(rest))
        seconds = self._limits.answer_timeout
        # The fault has no name here: with one, it and this frame, which holds the answer, would
        # keep each other until the garbage collector comes by.
        with (
            gevent.Timeout(seconds, AnswerUnread(f"an answer not taken after {seconds:g} s")),
            hub.loop.io(self._sock.fileno(), _WRITABLE) as writable,
        ):
            while rest:
                hub.wait(writable)
                with contextlib.suppress(BlockingIOError):
                    rest = rest[self._sock.send(rest) :]
        self._buffers.hold(self, 0)
        self._turn_ends = monotonic() + TURN

    def _give_way(self) -> None:
        """Let each connection that has something to do have its turn.

        Not by gevent.sleep(0): what that wakes runs up to 50 times before the event loop looks
        at the sockets again.
        """
        hub = get_hub()
        with hub.loop.timer(0) as timer:
            hub.wait(timer)
        self._turn_ends = monotonic() + TURN


def _in_words(message: bytes) -> str:
    try:
        text = repr(loads(message))
    except CBORError:
        text = message.hex()
    return text if len(text) <= _LOGGED_CHARACTERS else f"{text[:_LOGGED_CHARACTERS]}..."
