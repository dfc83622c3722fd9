"""A raw connection to a server: bytes out, bytes or messages in, and ends of every kind.

Only the greenlet that calls waits; a program without other greenlets may use it too.
"""

from __future__ import annotations

import struct

from gevent import socket

from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.requests import encode_request

READ_SIZE = 64 * 1024
SMALL_BUFFER = 4096
ANSWER_SECONDS = 60.0
_ABORT = struct.pack("ii", 1, 0)


class NoAnswer(Exception):
    """The server has closed the connection before all was received."""


class Connection:
    """A connection; `small_buffer`: the system keeps little for it of what is not read."""

    def __init__(
        self, port: int, *, small_buffer: bool = False, timeout: float = ANSWER_SECONDS
    ) -> None:
        self.sock = socket.socket()
        self.reader = FrameReader()
        self._timeout = timeout
        try:
            if small_buffer:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.settimeout(timeout)
            self.sock.connect(("127.0.0.1", port))
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *raised: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.sock.sendall(data)

    def receive(self, size: int) -> None:
        """Receive so many bytes, or a few more, and forget them. Raises NoAnswer."""
        while size > 0:
            size -= len(self._chunk())

    def exchange(self, request: bytes) -> list[bytes]:
        """Send a request; the messages that come back, at least one. Raises NoAnswer."""
        self.send(request)
        while not (messages := self.reader.feed(self._chunk())):
            pass
        return messages

    def _chunk(self) -> bytes:
        chunk: bytes = self.sock.recv(READ_SIZE)
        if not chunk:
            raise NoAnswer("the server closed the connection")
        return chunk

    def is_answered(self) -> bool:
        """Whether anything comes, rather than the end."""
        return bool(self.sock.recv(READ_SIZE))

    def is_closed(self, within: float) -> bool:
        """Whether the server closes it before so many seconds are over; what comes is read."""
        self.sock.settimeout(within)
        try:
            return not self.sock.recv(READ_SIZE)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError:
            return True
        finally:
            self.sock.settimeout(self._timeout)

    def is_lost(self) -> bool:
        """Whether the server has reset it; what has come is not read."""
        return bool(self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def reset(self) -> None:
        """End it with a reset, after which nothing of it is left in the system."""
        if not self.sock.closed:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            self.sock.close()


def request(method: str, *params: object) -> bytes:
    """The frame of a request, whose id is 1."""
    return frame(encode_request(1, method, params))
