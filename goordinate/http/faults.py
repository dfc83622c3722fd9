"""Why a connection ends."""

from __future__ import annotations


class HttpFault(Exception):
    """The client has not kept to a limit of time."""


class HeadUnfinished(HttpFault):
    """The line and the headers of a request, or a TLS handshake, took too long."""

    def __init__(self) -> None:
        super().__init__("the head of a request arrives too slowly")


class BodyUnfinished(HttpFault):
    """A body arrived too slowly."""

    def __init__(self) -> None:
        super().__init__("a body arrives too slowly")


class Idle(HttpFault):
    """No request came for a while; this is no fault, and is not logged."""

    def __init__(self) -> None:
        super().__init__("no request came")
