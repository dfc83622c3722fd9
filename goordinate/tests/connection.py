"""A connection to a daemon that speaks CBOR-RPC: one message out, one message in, in turn."""

from __future__ import annotations

import socket
from collections import deque
from types import TracebackType

from goordinate.cborrpc.framing import FrameReader, frame

#: Seconds after which a daemon that does not answer is taken to hang.
TIMEOUT = 20.0


class Connection:
    """A TCP connection; raises EOFError when the daemon has closed it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = FrameReader()
        self._messages: deque[bytes] = deque()

    def exchange(self, message: bytes) -> bytes:
        """Send a message in a frame, and give the answer without its frame."""
        self._socket.sendall(frame(message))
        while not self._messages:
            chunk = self._socket.recv(1 << 16)
            if not chunk:
                raise EOFError("the daemon has closed the connection")
            self._messages.extend(self._reader.feed(chunk))
        return self._messages.popleft()

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
