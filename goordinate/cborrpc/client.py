"""A client of the wire, on blocking sockets.

Rule: after a call, whatever becomes of it, the connection is either ready for the next one or
closed, so that an answer that comes too late is never taken for another call's.

Sockets are made by the `socket` module as it is when they are needed: in a process that
`gevent` has patched only the calling greenlet waits.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Final, TypeVar

from .decode import loads
from .encode import array_head
from .errors import CBORError, RPCError
from .framing import FrameReader, frame
from .requests import encode_request

_READ_SIZE: Final = 256 * 1024

T = TypeVar("T")


class RemoteError(RPCError):
    """The server answered a call with an error, whose message is the text."""

    def __init__(self, method: str, message: str) -> None:
        super().__init__(message)
        #: The method that was called.
        self.method = method


class Client:
    """Calls the methods of a server.

    address: "host:port", for IPv6 "[::1]:5932", or the pair (host, port).  timeout: seconds
    that connecting may take, and then a call, from the first byte sent to the last received.
    retries: how often a call is tried again, each time on a new connection, when a connection
    fails or ends.  base_retry_seconds: the wait before the first of these; it doubles.

    The connection is opened when it is first needed, and again after it was closed.  A call
    that is tried again may be served twice.  One whose answer takes too long is not tried
    again, because the server may still be at it.

    Parameters go out as what they are: str as text strings, bytes as byte strings; the server
    takes either for a name or key.  Answers are what the server sends: what it makes up is in
    byte strings (b"status"), and what a client stored comes back as it was.

    Only one thread or greenlet may use a client at a time.
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
        """Close the connection; the next call opens another."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def call(self, method: str, *params: object) -> Any:
        """The result of a method, called with positional parameters.

        RemoteError if the server answers with an error; TimeoutError if the answer takes too
        long; another OSError if the connection fails and all retries do; EncodeError if a
        parameter cannot be written; another CBORError if what comes back is no answer.
        """
        request_id = self._next_id()
        outcome = self._ask(
            encode_request(request_id, method, params),
            lambda answer: _outcome(answer, request_id, method),
        )
        if isinstance(outcome, RemoteError):
            raise outcome
        return outcome

    def call_many(self, calls: Iterable[tuple[str, Sequence[object]]]) -> list[Any]:
        """The results of calls, each a method and its parameters, sent as one batch.

        The server serves them in order.  One that it answers with an error has a RemoteError
        in the place of its result, and the others are served all the same.  Raises what
        `call` raises, but for RemoteError.
        """
        numbered = [(self._next_id(), method, params) for method, params in calls]
        if not numbered:
            return []
        requests = (encode_request(*call) for call in numbered)

        def read(answers: Any) -> list[Any]:
            if not isinstance(answers, list) or len(answers) != len(numbered):
                raise CBORError(f"a batch of {len(numbered)} was not answered with as many answers")
            return [
                _outcome(answer, request_id, method)
                for answer, (request_id, method, _) in zip(answers, numbered, strict=True)
            ]

        return self._ask(array_head(len(numbered)) + b"".join(requests), read)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _ask(self, message: bytes, read: Callable[[Any], T]) -> T:
        """What `read` makes of the answer to a message."""
        retries, wait = self._retries, self._base_retry_seconds
        while True:
            try:
                return read(loads(self._exchange(frame(message))))
            except BaseException as fault:
                self.close()
                lost = isinstance(fault, OSError) and not isinstance(fault, TimeoutError)
                if not lost or not retries:
                    raise
            retries -= 1
            time.sleep(wait)
            wait *= 2

    def _exchange(self, data: bytes) -> bytes:
        """Send a frame, and receive one; its message."""
        sock = self._connected()
        deadline = time.monotonic() + self._timeout
        reader = FrameReader()
        messages: list[bytes] = []
        try:
            sock.settimeout(self._timeout)
            sock.sendall(data)
            while not messages:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                sock.settimeout(left)
                chunk = sock.recv(_READ_SIZE)
                if not chunk:
                    raise ConnectionResetError("the server closed the connection")
                messages = reader.feed(chunk)
        except TimeoutError:
            raise TimeoutError(f"no answer within {self._timeout:g} s") from None
        if len(messages) > 1 or reader.pending:
            raise CBORError("more came back than one answer")
        return messages[0]

    def _connected(self) -> socket.socket:
        if self._sock is None:
            try:
                self._sock = socket.create_connection(self.address, self._timeout)
            except TimeoutError as fault:
                raise ConnectionError(f"no connection within {self._timeout:g} s") from fault
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._sock


def _parse_address(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"an address is host:port or [host]:port, not {address!r}")
    return host, int(port)


def _outcome(answer: Any, request_id: int, method: str) -> Any:
    """The result in the answer to a request, or its error as RemoteError."""
    if not isinstance(answer, dict) or answer.get(b"id") != request_id:
        raise CBORError(f"the answer to call {request_id} of {method} is not to this call")
    if b"result" in answer:
        return answer[b"result"]
    error = answer.get(b"error")
    message = error.get(b"message") if isinstance(error, dict) else None
    if isinstance(message, bytes):
        message = message.decode("utf-8", "backslashreplace")
    return RemoteError(method, message if isinstance(message, str) else f"{answer!r:.200}")
