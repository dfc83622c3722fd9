"""A request and its answer, as an application sees them."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

Headers = Sequence[tuple[bytes, bytes]]


class HttpError(Exception):
    """A request that is answered with an error: the status, the word that clients look at, and a
    message for people.  `value` is the name that the error is about."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        error: str = "error",
        value: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.value = value
        self.headers = tuple(headers)


@dataclass(slots=True)
class Answer:
    """An answer.  `body` is bytes, or the pieces of an answer that is made while it is sent."""

    status: int = 200
    body: bytes | Iterator[bytes] = b""
    content_type: str | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)


Steps = Generator[None, None, Answer]
"""A request that takes several operations: others have their turn at each `yield`."""


@dataclass(slots=True)
class Request:
    """A request.

    headers: names in lower case.  peer: host:port.  names: what stands for the names in braces of
    the route's path, percent-decoded.  query: names and values, percent-decoded.  token: the name
    of the token it came with; None: there are no tokens.
    """

    method: str
    target: bytes
    headers: Headers = ()
    body: bytes = b""
    peer: str = ""
    secure: bool = False
    id: str = ""
    path: bytes = b""
    names: dict[str, bytes] = field(default_factory=dict)
    query: list[tuple[str, bytes]] = field(default_factory=list)
    token: str | None = None

    def header(self, name: bytes) -> bytes | None:
        """The value of a header; that of several of the same name is a list with commas."""
        values = [value for key, value in self.headers if key == name]
        return b", ".join(values) if values else None


def split_target(target: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """The path of a request's target as it came, and its query, decoded.

    Raises HttpError for a target that is no path.
    """
    if not target.startswith(b"/"):
        scheme, separator, rest = target.partition(b"://")
        if not separator or scheme.lower() not in (b"http", b"https"):
            raise HttpError(400, "the target of the request is no path")
        target = b"/" + rest.partition(b"/")[2]
    path, _, query = target.partition(b"?")
    pairs = [part.partition(b"=") for part in query.split(b"&") if part]
    try:
        return path, [(decoded(name).decode(), decoded(value)) for name, _, value in pairs]
    except UnicodeDecodeError:
        raise HttpError(400, "the name of a query parameter is not UTF-8") from None


def decoded(text: bytes) -> bytes:
    """A name or value of a query, percent-decoded."""
    return unquote_to_bytes(text.replace(b"+", b" ")) if text else text


def error_answer(fault: HttpError, request_id: str) -> Answer:
    """The answer that tells of an error."""
    document: dict[str, Any] = {"error": fault.error, "message": fault.message}
    if fault.value is not None:
        document["value"] = fault.value
    if request_id:
        document["request_id"] = request_id
    body = json.dumps(document).encode()
    return Answer(fault.status, body, "application/json", list(fault.headers))
