"""How much of the server one HTTP client may take, and how often each limit was reached."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

MAX_HEAD: Final = 64 * 1024
"""Bytes of a request's line and headers."""

FEED: Final = 16 * 1024
"""Bytes that are received at once, so that no more than this is kept beyond a limit."""

DISCARDED: Final = 64 * 1024
"""Bytes that are read, at most, after an answer that ends a connection, so that its client can
read the answer."""


@dataclass(slots=True)
class HttpLimits:
    """What an HTTP server takes from its clients.  One object is shared; `change` changes it.

    max_body: bytes of a body, after its chunks are put together; a route may take less.
    max_connections: at once.  max_requests: on one connection.  max_buffered: bytes that bodies
    and unread answers of all connections may take together.  Timeouts in seconds: idle_timeout
    between two requests, head_timeout for a request's line and headers, and for a TLS handshake;
    body_timeout and answer_timeout by the rule of `cborrpc.progress`.
    """

    max_body: int = 64 * 2**20
    max_connections: int | None = 1000
    max_requests: int = 1000
    max_buffered: int = 256 * 2**20
    idle_timeout: float = 75
    head_timeout: float = 10
    body_timeout: float = 60
    answer_timeout: float = 60

    def change(self, limits: HttpLimits) -> None:
        """Take over all values of other limits."""
        for each in fields(self):
            setattr(self, each.name, getattr(limits, each.name))


@dataclass(slots=True)
class HttpCounts:
    """What has happened since the server was started."""

    #: Connections that were served, including those still open.
    connections_accepted: int = 0
    #: Connections closed at once: more than `HttpLimits.max_connections`.
    connections_refused: int = 0
    #: Connections closed at once: not from an allowed network.
    connections_denied: int = 0
    #: How often accepting paused because the system had no descriptor for a connection.
    accept_pauses: int = 0
    #: Requests that were answered, with whatever status.
    requests: int = 0
    #: Requests that are no HTTP, answered with 400, 431 or 501.
    requests_malformed: int = 0
    #: Connections closed because a request's line and headers came too slowly.
    heads_unfinished: int = 0
    #: Connections closed because a body came too slowly.
    bodies_unfinished: int = 0
    #: Bodies over a limit, answered with 413.
    bodies_too_large: int = 0
    #: Connections closed because an answer was read too slowly.
    answers_unread: int = 0
    #: Connections closed because all together took more than `HttpLimits.max_buffered`.
    buffers_full: int = 0
    #: TLS handshakes that failed, plain HTTP among them.
    handshakes_failed: int = 0
    #: Requests without a token that counts, or whose token may not do this.
    access_denied: int = 0
    #: Requests that failed by a fault of the server.
    internal_errors: int = 0
