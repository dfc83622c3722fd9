"""The table of routes, the tree that is made of it, and the application that obeys it.

Rule: the tree is by segment of the path, and a segment is percent-decoded after the path is split,
so a name may have a slash in it (%2F).
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Callable, Iterable
from itertools import count
from secrets import token_hex
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from .access import READ, SAFE, Access
from .limits import HttpCounts
from .messages import Answer, HttpError, Request, Steps, error_answer, split_target

log = logging.getLogger(__name__)

SMALL_BODY: Final = 2**20
"""Bytes of a body, at most, unless the route says otherwise."""

_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Route(NamedTuple):
    """A row of the table.

    path: as /namespace/{namespace}.  role: what a token must have, one of `access`.  call: takes
    the request and returns the answer, or a generator of steps that does.  max_body: bytes; None:
    those of `HttpLimits`.  told: what a description of the interface has of it.
    """

    method: str
    path: str
    call: Callable[[Request], Answer | Steps]
    role: int = READ
    max_body: int | None = SMALL_BODY
    told: Any = None


class _Node:
    """A prefix of paths."""

    __slots__ = ("below", "name", "named", "routes")

    def __init__(self) -> None:
        self.below: dict[bytes, _Node] = {}
        #: What follows if the next segment is a name, and what the name is called.
        self.named: _Node | None = None
        self.name = ""
        self.routes: dict[str, Route] = {}


class Tree:
    """Finds the routes of a path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self.add(route)

    def add(self, route: Route) -> None:
        """Add a row.  Raises ValueError if there is one of the same method and path."""
        node = self._root
        for segment in route.path.split("/")[1:]:
            if segment.startswith("{"):
                if node.named is None:
                    node.named = _Node()
                    node.name = segment[1:-1]
                node = node.named
            elif segment or route.path != "/":
                node = node.below.setdefault(segment.encode(), _Node())
        if route.method in node.routes:
            raise ValueError(f"two routes for {route.method} {route.path}")
        node.routes[route.method] = route

    def find(self, path: bytes) -> tuple[dict[str, Route], dict[str, bytes]]:
        """The routes of a path by method, and the names in it.  Raises HttpError."""
        node, names = self._root, {}
        if path != b"/":
            for segment in path.split(b"/")[1:]:
                below = node.below.get(segment)
                if below is not None:
                    node = below
                elif node.named is not None and segment:
                    if b"%" in segment:
                        if _BAD_ESCAPE.search(segment):
                            raise HttpError(400, "a % in the path is not followed by two digits")
                        segment = unquote_to_bytes(segment)
                    names[node.name] = segment
                    node = node.named
                else:
                    raise _no_such_path()
        if not node.routes:
            raise _no_such_path()
        return node.routes, names


def _no_such_path() -> HttpError:
    return HttpError(404, "there is nothing under this path")


class Begun(NamedTuple):
    """A request whose head is in order: its route, and the bytes that its body may have."""

    route: Route
    max_body: int | None


class App:
    """An application made of a table of routes."""

    def __init__(
        self, routes: Iterable[Route], access: Access, counts: HttpCounts | None = None
    ) -> None:
        self.routes = list(routes)
        self.access = access
        self.counts = HttpCounts() if counts is None else counts
        self._tree = Tree(self.routes)
        self._ids = count(1)
        self._start = token_hex(4)

    def next_id(self) -> str:
        """The id of the next request: no two are the same, those of other runs included."""
        return f"{self._start}-{next(self._ids)}"

    def begin(self, request: Request) -> Begun | Answer:
        """Look at the head of a request, before its body is read: the answer, if it is refused."""
        try:
            request.path, request.query = split_target(request.target)
            moved = _cleaned(request)
            if moved is not None:
                return moved
            try:
                routes, request.names = self._tree.find(request.path)
            except HttpError:
                self.access.check(request, READ)  # what there is is not for everybody to know
                raise
            route = routes.get(request.method)
            if route is None and request.method == "HEAD":
                route = routes.get("GET")
            if route is None:
                allowed = sorted({*routes, *(["HEAD"] if "GET" in routes else [])})
                raise HttpError(
                    405,
                    f"the methods here are {', '.join(allowed)}",
                    headers=[("Allow", ", ".join(allowed))],
                )
            self.access.check(request, route.role)
        except HttpError as fault:
            if fault.status in (401, 403, 421):
                self.counts.access_denied += 1
            return error_answer(fault, request.id)
        return Begun(route, route.max_body)

    def call(self, begun: Begun, request: Request) -> Answer | Steps:
        """Do what a request asks for, now that its body is there."""
        if request.method not in SAFE:
            log.info(
                "%s %s %s, token %s, from %s",
                request.id, request.method, begun.route.path, request.token, request.peer,
            )  # fmt: skip
        try:
            answer = begun.route.call(request)
        except Exception as fault:
            return self.failed(request, fault)
        return answer if isinstance(answer, Answer) else self._stepwise(answer, request)

    def _stepwise(self, steps: Steps, request: Request) -> Steps:
        try:
            return (yield from steps)
        except Exception as fault:
            return self.failed(request, fault)

    def failed(self, request: Request, fault: Exception) -> Answer:
        """The answer to a request that has raised an error."""
        if not isinstance(fault, HttpError):
            self.counts.internal_errors += 1
            log.error("%s: request failed", request.id, exc_info=fault)
            fault = HttpError(500, "internal error; the server's log has more under this id")
        return error_answer(fault, request.id)


def _cleaned(request: Request) -> Answer | None:
    """The answer to a path that has an empty or a dot segment: where it leads, cleaned."""
    path = request.path
    if b"//" not in path and b"/." not in path:
        return None
    segments = path.split(b"/")
    if not any(segment in (b"", b".", b"..") for segment in segments[1:-1]) and (
        segments[-1] not in (b".", b"..")
    ):
        return None
    clean = posixpath.normpath(b"/" + path.lstrip(b"/"))
    _, mark, query = request.target.partition(b"?")
    fault = HttpError(
        301,
        "the path is not clean",
        headers=[("Location", (clean + mark + query).decode("latin-1"))],
    )
    return error_answer(fault, request.id)
