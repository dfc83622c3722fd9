"""A client of the wire, on blocking sockets.

Rule: a call is answered or raises, and after it the connection is either as good as new or
closed: an answer that comes too late is never taken for that of a later call.

Nothing here depends on gevent; the sockets are looked up when they are made, so that the
client works as well in a process that gevent has patched.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Final

from .decode import loads
from .encode import array_head
from .errors import CBORError, RPCError
from .framing import FrameReader, frame
from .messages import encode_request

_READ_SIZE: Final = 256 * 1024


class RemoteError(RPCError):
    """The server answered a call with an error; the text is its message."""

    def __init__(self, method: str, message: str) -> None:
        super().__init__(message)
        #: The method that was called.
        self.method = method


class Client:
    """Calls the methods of a server.

    address: "host:port" ("[::1]:5932" for IPv6), or host and port.  timeout: how many seconds
    connecting, and sending a call and reading its answer, may take.  retries, base_retry_seconds: how
    often a call is tried again, on a new connection, when the connection fails, and after how
    many seconds for the first time; each time twice as many.

    It connects when it is first used, and again whenever that is needed.  As a call is tried
    again when its answer is lost, the server may have served it twice.  It is not tried again
    when the answer is late, as the server may still be at it.

    Text goes out as text strings and bytes as byte strings; to the server both name the same
    thing.  What comes back is what the server stored or made up, and what it makes up, map
    keys such as `status` and messages, are byte strings: b"status".

    One thread, or greenlet, may use it at a time.
    """

    def __init__(
        self,
        address: str | tuple[str, int],
        *,
        timeout: float = 10.0,
        retries: int = 5,
        base_retry_seconds: float = 0.5,
    ) -> None:
        self.address = _parse_address(address) if isinstance(address, str) else address
        self._timeout = timeout
        self._retries = retries
        self._base_retry_seconds = base_retry_seconds
        self._sock: socket.socket | None = None
        self._last_id = 0

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def call(self, method: str, *params: object) -> Any:
        """Call a method with positional parameters; its result.

        RemoteError if the server answers with an error; TimeoutError if the answer takes too long; another OSError if
        the connection fails and so do all retries; EncodeError if a parameter cannot be
        written; another CBORError if what comes back is no answer to the call.
        """
        self._last_id += 1
        answer = self._exchange(encode_request(self._last_id, method, params))
        result = self._checked(lambda: _result(answer, self._last_id, method))
        if isinstance(result, RemoteError):
            raise result
        return result
