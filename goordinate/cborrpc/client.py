"""A client of the wire, on blocking sockets.

Rule: after a call, however it ends, the connection is either ready for the next call or closed.
So a late answer is never taken for the answer to another call.

The `socket` module is used as it is at the time of the call: in a process that `gevent` has
patched, only the calling greenlet waits.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Final, TypeVar

from .decode import Reader, decode_item, loads, read_list, read_map
from .encode import array_head
from .errors import CBORError, DecodeError, EncodeError, RPCError
from .framing import FrameReader, frame
from .heads import ARRAY, MAP
from .limits import ANSWERS
from .progress import CHECKS, Progress
from .queues import unacknowledged
from .requests import encode_request
from .shown import shown

_READ_SIZE: Final = 256 * 1024

T = TypeVar("T")


class RemoteError(RPCError):
    """The server answered with an error.  The text is its message."""

    def __init__(self, method: str | None, message: str) -> None:
        super().__init__(message)
        #: The method that was called; None if a whole batch was refused.
        self.method = method


class Client:
    """Calls the methods of a server.

    address: "host:port", for IPv6 "[::1]:5932", or the pair (host, port).  timeout: seconds that
    connecting may take, and that a call may take without progress; a request or answer that keeps
    `progress.STEADY` bytes a second is never too slow.  retries: how often a call is tried again,
    each time on a new connection, when a connection fails or ends.  base_retry_seconds: the wait
    before the first retry; it doubles with each.

    The connection is opened when it is first needed, and again after it was closed.  A call that
    is tried again may be served twice.  A call that timed out is not tried again, because the
    server may still be serving it.

    Parameters keep their types: str goes out as a text string, bytes as a byte string.  The server
    takes both for a name or key.  In an answer, the server's own words are byte strings
    (b"status"), and what a client has stored comes back as it was.

    Only one thread or greenlet may use a client at a time.  A forked child process may use the
    client of its parent: it gets a connection of its own.
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
        # The process that opened the connection.
        self._owner = 0
        self._half_closed = False
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
        """Close the connection.  The next call opens another."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def half_close(self) -> bool:
        """Tell the server that nothing more comes: a call that waits there is answered now.

        For a signal handler that interrupts a call.  The connection is closed when the answer has
        come, and the next call opens another.  Returns False if there is no connection.
        """
        if self._sock is None:
            return False
        self._half_closed = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        return True

    def call(
        self, method: str, *params: object, read: Reader[Any] = decode_item, wait: float = 0.0
    ) -> Any:
        """The result of a method, called with positional parameters.

        read: what takes the result out of the answer; `decode_item` gives its value.  wait: seconds
        for which the server may wait before it answers, added to the timeout.

        Raises RemoteError if the server answers with an error, TimeoutError if the call takes too
        long, another OSError if the connection fails and all retries fail, EncodeError if a
        parameter cannot be written, or not be read again, and another CBORError if what comes back
        is no answer.
        """
        request_id = self._next_id()
        outcome = self._ask(
            encode_request(request_id, method, params),
            lambda answer: _outcome(_message(answer, read), request_id, method),
            wait,
        )
        if isinstance(outcome, RemoteError):
            raise outcome
        return outcome

    def call_many(
        self,
        calls: Iterable[tuple[str, Sequence[object]]],
        *,
        read: Reader[Any] = decode_item,
        wait: float = 0.0,
    ) -> list[Any]:
        """The results of calls, each a method and its parameters, sent as one batch.

        read, wait: as in `call`, for all of them.

        The server serves them in order.  The result of a call that fails is a RemoteError, and the
        other calls are served all the same.  Raises what `call` raises; RemoteError if the server
        refuses the batch as a whole.
        """
        numbered = [(self._next_id(), method, params) for method, params in calls]
        if not numbered:
            return []
        requests = (encode_request(*call) for call in numbered)

        def outcomes(message: bytes) -> list[Any]:
            answers = _message(message, read)
            refused = _refusal(answers, None)
            if refused is not None:
                raise refused
            if not isinstance(answers, list) or len(answers) != len(numbered):
                raise CBORError(f"a batch of {len(numbered)} was not answered with as many answers")
            return [
                _outcome(answer, request_id, method)
                for answer, (request_id, method, _) in zip(answers, numbered, strict=True)
            ]

        return self._ask(array_head(len(numbered)) + b"".join(requests), outcomes, wait)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _ask(self, message: bytes, read: Callable[[bytes], T], wait_there: float) -> T:
        """What `read` makes of the answer to a message."""
        _check(message)
        retries, wait = self._retries, self._base_retry_seconds
        while True:
            try:
                return read(self.exchange(message, wait_there))
            except BaseException as fault:
                self.close()
                lost = isinstance(fault, OSError) and not isinstance(fault, TimeoutError)
                if not lost or not retries or self._half_closed:
                    raise
            retries -= 1
            time.sleep(wait)
            wait *= 2

    def exchange(self, message: bytes, wait: float = 0.0) -> bytes:
        """The answer to a message, once: both are encoded, without a frame.

        wait: as in `call`.  Raises OSError if the connection fails, CBORError if what comes back is
        no answer.
        """
        patience = _Patience(self._connected(), self._timeout + wait)
        reader = FrameReader(ANSWERS)
        messages: list[bytes] = []
        # Should the connection be lost, the server may have sent the reason before.
        with contextlib.suppress(ConnectionError):
            patience.send(frame(message))
        while not messages:
            chunk = patience.receive()
            if not chunk:
                raise ConnectionResetError("the server closed the connection")
            messages = reader.feed(chunk)
        if len(messages) > 1 or reader.pending:
            raise CBORError("more came back than one answer")
        if self._half_closed:
            self.close()
        return messages[0]

    def _connected(self) -> socket.socket:
        if self._owner != os.getpid():
            self.close()  # in this process only: the parent still uses the connection
            self._owner = os.getpid()
        if self._sock is None:
            try:
                self._sock = socket.create_connection(self.address, self._timeout)
            except TimeoutError as fault:
                raise ConnectionError(f"no connection within {self._timeout:g} s") from fault
            self._half_closed = False
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


class _Patience:
    """A request and its answer on a connection.  Raises TimeoutError if they are too slow.

    The progress is what the server's system has acknowledged, and what has been received.
    """

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self._sock = sock
        self._timeout = timeout
        self._progress = Progress(timeout, time.monotonic())
        self._sent_and_received = self._done = 0

    def send(self, data: bytes) -> None:
        """Send all."""
        rest = memoryview(data)
        while rest:
            sent = self._wait_for(functools.partial(self._sock.send, rest))
            rest = rest[sent:]
            self._sent_and_received += sent

    def receive(self) -> bytes:
        """Some of what the server sends; nothing if it has closed the connection."""
        chunk = self._wait_for(lambda: self._sock.recv(_READ_SIZE))
        self._sent_and_received += len(chunk)
        return chunk

    def _wait_for(self, operation: Callable[[], T]) -> T:
        """The result of an operation of the socket."""
        while True:
            now = time.monotonic()
            done = self._sent_and_received - unacknowledged(self._sock)
            self._progress.add(done - self._done, now)
            self._done = done
            left = self._progress.left(now)
            if left <= 0:
                raise TimeoutError(f"no answer within {self._timeout:g} s")
            self._sock.settimeout(min(left, self._timeout / CHECKS))
            with contextlib.suppress(TimeoutError):
                return operation()


def _check(message: bytes) -> None:
    """Raises EncodeError if a message cannot be read again: its readers would all fail.

    Such are a known tag over content that it cannot have, a map key that is not hashable, and an
    `Encoded` that is not well-formed.
    """
    try:
        loads(message)
    except DecodeError as fault:
        raise EncodeError(f"what would be sent cannot be read again: {fault}") from None


def _message(message: bytes, read: Reader[Any]) -> Any:
    """What a server sends, with each result as `read` takes it: the fields of an answer, the list
    of these for a batch, or any other value."""
    fields = {b"id": decode_item, b"error": decode_item, b"result": read}

    def fields_of(buf: bytes, pos: int, depth: int) -> tuple[dict[bytes, Any], int]:
        return read_map(buf, pos, depth, fields)

    major = message[0] >> 5 if message else None
    value: Any
    if major == MAP:
        value, end = fields_of(message, 0, ANSWERS.max_depth)
    elif major == ARRAY:
        value, end = read_list(message, 0, ANSWERS.max_depth, fields_of)
    else:
        value, end = decode_item(message, 0, ANSWERS.max_depth)
    if end < len(message):
        raise DecodeError("more bytes after the item", end)
    return value


def _outcome(answer: Any, request_id: int, method: str) -> Any:
    """The result in the answer to a request, or its error as RemoteError.

    Raises RemoteError if the error is about no request: then the server may have closed the
    connection, so it must not be kept.
    """
    refused = _refusal(answer, method)
    if refused is not None:
        raise refused
    if not isinstance(answer, dict) or answer.get(b"id") != request_id:
        raise CBORError(f"the answer to call {request_id} of {method} is not to this call")
    return answer[b"result"] if b"result" in answer else _error(answer, method)


def _refusal(answer: Any, method: str | None) -> RemoteError | None:
    """The error that a server gives instead of the answer to a message that it does not read."""
    if isinstance(answer, dict) and answer.get(b"id", b"") is None and b"error" in answer:
        return _error(answer, method)
    return None


def _error(answer: dict[Any, Any], method: str | None) -> RemoteError:
    error = answer.get(b"error")
    message = error.get(b"message") if isinstance(error, dict) else None
    if isinstance(message, bytes):
        message = message.decode("utf-8", "backslashreplace")
    return RemoteError(method, message if isinstance(message, str) else shown(answer))
