"""An HTTP server under test, and clients that send it bytes; all greenlets of one process."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gevent
from gevent import socket

from goordinate.http import (
    ADMIN,
    PUBLIC,
    READ,
    WORK,
    Access,
    Answer,
    App,
    HttpError,
    HttpLimits,
    HttpServer,
    Request,
    Route,
    Token,
)
from goordinate.http.messages import Steps

DEADLINE = 30.0
"""Seconds after which a test gives up; a good run never comes near."""


class Things:
    """An application that tells what it was called with."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.routes = [
            Route("GET", "/", self.answer, PUBLIC),
            Route("GET", "/thing/{name}", self.answer, READ),
            Route("PUT", "/thing/{name}", self.answer, ADMIN),
            Route("POST", "/thing", self.answer, WORK, max_body=100_000),
            Route("GET", "/thing/{name}/part/{part}", self.answer, READ),
            Route("GET", "/stream/{pieces}", self.stream, READ),
            Route("GET", "/steps/{count}", self.steps, READ),
            Route("GET", "/fault", self.fault, READ),
            Route("GET", "/fault_in_a_stream", self.fault_in_a_stream, READ),
        ]

    def answer(self, request: Request) -> Answer:
        self.seen.append(request)
        document = {
            "method": request.method,
            "names": {name: value.decode() for name, value in request.names.items()},
            "query": [[name, value.decode()] for name, value in request.query],
            "body": request.body.decode("latin-1"),
            "token": request.token,
        }
        return Answer(200, json.dumps(document).encode(), "application/json")

    def stream(self, request: Request) -> Answer:
        pieces = int(request.names["pieces"])
        return Answer(200, (b"%d\n" % number for number in range(pieces)), "text/plain")

    def steps(self, request: Request) -> Steps:
        for _ in range(int(request.names["count"])):
            yield
        return Answer(200, b"done", "text/plain")

    def fault(self, request: Request) -> Answer:
        raise ZeroDivisionError("secret")

    def fault_in_a_stream(self, request: Request) -> Answer:
        def pieces() -> Iterator[bytes]:
            yield b"one"
            raise HttpError(500, "too late")

        return Answer(200, pieces(), "text/plain")


@dataclass
class Reply:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Peer:
    """A client that sends bytes and takes apart what comes back."""

    def __init__(self, server: HttpServer, tls: ssl.SSLContext | None = None) -> None:
        self.sock: Any = socket.create_connection(("127.0.0.1", server.port))
        self.sock.settimeout(DEADLINE)
        if tls is not None:
            from gevent.ssl import SSLSocket  # noqa: F401  (gevent's, so that it waits)

            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        self._received = b""

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def shut(self) -> None:
        """Send no more."""
        self.sock.shutdown(socket.SHUT_WR)

    def reply(self, *, head_only: bool = False) -> Reply:
        """The next answer, whole."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (li.partition(":") for li in lines)
        }
        status = int(first.split(" ", 2)[1])
        if head_only or status in (100, 204, 304):
            return Reply(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Reply(status, headers, self._chunks())
        return Reply(status, headers, self._exactly(int(headers["content-length"])))

    def get(self, path: str, *headers: str) -> Reply:
        self.send(request("GET", path, *headers))
        return self.reply()

    def is_closed(self) -> bool:
        """Whether the server ends the connection, with nothing more to read."""
        try:
            return not self._received and not self.sock.recv(1)
        except ConnectionResetError:
            return True

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            self._more()
        found, _, self._received = self._received.partition(end)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            self._more()
        found, self._received = self._received[:size], self._received[size:]
        return found

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._until(b"\r\n"), 16):
            body += self._exactly(size)
            assert self._exactly(2) == b"\r\n"
        assert self._until(b"\r\n") == b""
        return body

    def _more(self) -> None:
        chunk = self.sock.recv(1 << 16)
        if not chunk:
            raise EOFError(self._received)
        self._received += chunk


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """A request; a body has its length with it."""
    lines = [f"{method} {path} HTTP/1.1", *headers]
    if not any(re.match("host:", header, re.IGNORECASE) for header in headers):
        lines.append("Host: localhost")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


Start = Callable[..., HttpServer]


@contextlib.contextmanager
def starting() -> Iterator[Start]:
    """A function that starts a server; those that it has started end with the block."""
    servers: list[HttpServer] = []

    def start(
        things: Things | None = None,
        *,
        tokens: list[Token] | None = None,
        hosts: list[str] | None = None,
        limits: HttpLimits | None = None,
        **options: Any,
    ) -> HttpServer:
        routes = (things or Things()).routes
        app = App(routes, Access(tokens or (), hosts or ()))
        server = HttpServer(("127.0.0.1", 0), app, limits=limits, **options)
        servers.append(server)
        server.start()
        return server

    with gevent.Timeout(DEADLINE):
        yield start
    for server in servers:
        server.stop(1)
