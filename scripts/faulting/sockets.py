"""A connection as a bad client has it: bytes out and bytes in, and ends of every kind."""

from __future__ import annotations

import struct
from types import TracebackType

from gevent import socket

from goordinate.cborrpc.framing import frame
from goordinate.cborrpc.requests import encode_request

READ_SIZE = 64 * 1024
SMALL_BUFFER = 4096
ANSWER_SECONDS = 60.0
_ABORT = struct.pack("ii", 1, 0)


class NoAnswer(Exception):
    """The daemon has closed the connection before all was received."""


class Connection:
    """A connection; `small_buffer`: the system keeps little for it of what is not read."""

    def __init__(self, port: int, *, small_buffer: bool = False) -> None:
        self._sock = socket.socket()
        try:
            if small_buffer:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            self._sock.settimeout(ANSWER_SECONDS)
            self._sock.connect(("127.0.0.1", port))
        except BaseException:
            self._sock.close()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sock.close()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._sock.settimeout(ANSWER_SECONDS)
        self._sock.sendall(data)

    def receive(self, size: int) -> None:
        """Receive so many bytes, or a few more, and forget them."""
        self._sock.settimeout(ANSWER_SECONDS)
        while size > 0:
            chunk = self._sock.recv(READ_SIZE)
            if not chunk:
                raise NoAnswer
            size -= len(chunk)

    def is_closed(self, within: float) -> bool:
        """Whether the daemon closes it before so many seconds are over; what comes is read."""
        self._sock.settimeout(within)
        try:
            return not self._sock.recv(READ_SIZE)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError:
            return True

    def is_lost(self) -> bool:
        """Whether the daemon has reset it; what has come is not read."""
        return bool(self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def reset(self) -> None:
        """End it with a reset."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self._sock.close()


def request(method: str, *params: object) -> bytes:
    """The frame of a request, whose id is 1."""
    return frame(encode_request(1, method, params))
