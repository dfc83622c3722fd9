"""Paths, methods and what goes with them."""

from __future__ import annotations

import pytest

from goordinate.http import Access, Answer, App, HttpError, Request, Route
from goordinate.http.accept import choose
from goordinate.http.etags import is_known, require_match
from goordinate.tests.http.serving import Peer, Start, Things, request


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/thing/a", {"name": "a"}),
        ("/thing/a%20b", {"name": "a b"}),
        ("/thing/a%2Fb", {"name": "a/b"}),
        ("/thing/a%252Fb", {"name": "a%2Fb"}),
        ("/thing/a+b", {"name": "a+b"}),
        ("/thing/part", {"name": "part"}),
        ("/thing/%2e%2e", {"name": ".."}),
        ("/thing/a%2Fb/part/c%3F", {"name": "a/b", "part": "c?"}),
    ],
)
def test_names_are_decoded_a_segment_at_a_time(
    start: Start, path: str, names: dict[str, str]
) -> None:
    with Peer(start()) as peer:
        assert peer.get(path).json()["names"] == names


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/thing", "/thing/", "/thing/a/", "/thing/a/part", "/thing/a/other/b", "/x/y"],
)
def test_an_unknown_path(start: Start, path: str) -> None:
    with Peer(start()) as peer:
        reply = peer.get(path)
        # A path that there is for another method only says so.
        assert reply.status == (405 if path == "/thing" else 404)
        assert reply.json()["error"] == "error"


@pytest.mark.parametrize("path", ["/thing/%", "/thing/%2", "/thing/a%zz"])
def test_a_broken_escape(start: Start, path: str) -> None:
    with Peer(start()) as peer:
        assert peer.get(path).status == 400


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("//thing/a?x=1", "/thing/a?x=1"),
        ("/thing//a", "/thing/a"),
        ("/thing/./a", "/thing/a"),
        ("/thing/b/../a", "/thing/a"),
        ("/..", "/"),
        ("//evil.example/", "/evil.example"),
    ],
)
def test_a_path_that_is_not_clean_leads_to_the_clean_one(
    start: Start, path: str, where: str
) -> None:
    with Peer(start()) as peer:
        reply = peer.get(path)
        assert (reply.status, reply.headers["location"]) == (301, where)


def test_a_method_that_there_is_not_names_those_there_are(start: Start) -> None:
    with Peer(start()) as peer:
        peer.send(request("DELETE", "/thing/a"))
        reply = peer.reply()
        assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD, PUT")
        peer.send(request("BREW", "/thing"))
        assert peer.reply().headers["allow"] == "POST"


def test_a_query(start: Start) -> None:
    with Peer(start()) as peer:
        reply = peer.get("/thing/a?x=1&x=2&y=a+b%2Bc&z&=e&")
        assert reply.json()["query"] == [
            ["x", "1"], ["x", "2"], ["y", "a b+c"], ["z", ""], ["", "e"],
        ]  # fmt: skip
        assert peer.get("/thing/a?%ff=1").status == 400


def test_two_rows_for_one_thing_are_a_mistake() -> None:
    def call(asked: Request) -> Answer:
        return Answer()

    row = Route("GET", "/a/{b}", call)
    with pytest.raises(ValueError, match="two routes"):
        App([row, row], Access())


def test_ids_of_requests_are_all_different(start: Start) -> None:
    things = Things()
    server = start(things)
    with Peer(server) as one, Peer(server) as two:
        ids = [peer.get("/").headers["x-request-id"] for peer in (one, two) for _ in range(5)]
    assert len(set(ids)) == 10


OFFERED = ["application/v1+json", "application/json", "text/json", "application/cbor", "text/plain"]


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/v1+json"),
        ("", "application/v1+json"),
        ("*/*", "application/v1+json"),
        ("application/*", "application/v1+json"),
        ("text/*", "text/json"),
        ("application/cbor", "application/cbor"),
        ("application/json;q=0.5, application/cbor;q=0.7", "application/cbor"),
        ("application/json, application/cbor", "application/json"),
        ("*/*, application/cbor", "application/cbor"),
        ("text/*, application/cbor;q=0.9", "text/json"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/v1+json"),
        ("application/v1+json;q=0, */*", "application/json"),
        ("APPLICATION/JSON; charset=utf-8", "application/json"),
    ],
)
def test_accept(accept: str | None, chosen: str) -> None:
    given = None if accept is None else accept.encode()
    assert choose(given, OFFERED, {"text": "text/json"}) == chosen


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("application/json;q=2", 400),
        ("application/json;q=-1", 400),
        ("application/json;q=x", 400),
        ("json", 400),
        ("*/json", 400),
        ("a/b/c", 400),
    ],
)
def test_accept_that_does_not_fit(accept: str, status: int) -> None:
    with pytest.raises(HttpError) as raised:
        choose(accept.encode(), OFFERED)
    assert raised.value.status == status


def asking(**headers: str) -> Request:
    return Request(
        "PUT", b"/", [(name.replace("_", "-").encode(), v.encode()) for name, v in headers.items()]
    )


@pytest.mark.parametrize(
    ("header", "matches"),
    [('"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ('W/"a"', False), ("", False)],
)
def test_if_match(header: str, matches: bool) -> None:
    if matches:
        require_match(asking(if_match=header), "a")
        return
    with pytest.raises(HttpError) as raised:
        require_match(asking(if_match=header), "a")
    assert raised.value.status == 412


def test_if_match_of_what_there_is_not() -> None:
    require_match(asking(), None)
    with pytest.raises(HttpError):
        require_match(asking(if_match="*"), None)


def test_if_none_match() -> None:
    assert not is_known(asking(), "a")
    for header in ('"a"', 'W/"a"', '"b", "a"', "*"):
        assert is_known(asking(if_none_match=header), "a")
    assert not is_known(asking(if_none_match='"b"'), "a")
