"""What clients send that is hardly HTTP: each is answered rightly, and calls nobody by mistake."""

from __future__ import annotations

import gevent
import pytest

from goordinate.http import HttpLimits
from goordinate.tests.http.serving import Peer, Start, Things, request

GET = b"GET /thing/next HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(*headers: str, body: bytes = b"") -> bytes:
    lines = ["POST /thing HTTP/1.1", "Host: localhost", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# What is sent -> the status.  Each is followed by a second request, which must not be answered.
REFUSED = {
    "a length with an underscore": (post("Content-Length: 1_0", body=b"0123456789"), 400),
    "a length with a sign": (post("Content-Length: +10", body=b"0123456789"), 400),
    "a length that is none": (post("Content-Length: ten"), 400),
    "a negative length": (post("Content-Length: -1"), 400),
    "two lengths": (post("Content-Length: 10", "Content-Length: 5", body=b"0123456789"), 400),
    "two lengths in one": (post("Content-Length: 10, 5", body=b"0123456789"), 400),
    "two codings": (
        post("Transfer-Encoding: gzip, chunked", "Content-Length: 5", body=b"5\r\nhello"),
        501,
    ),
    "an unknown coding": (
        post("Transfer-Encoding: xchunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        501,
    ),
    "a space before the colon": (
        post("Transfer-Encoding : chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        400,
    ),
    "no host": (b"GET /thing/a HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /thing/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /thing/a\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "a folded header without a first line": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "a null byte in a header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
    "a chunk without a length": (post("Transfer-Encoding: chunked", body=b"zz\r\nhello\r\n"), 400),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_http_is_refused_and_ends_the_connection(start: Start, name: str) -> None:
    things = Things()
    server = start(things)
    sent, status = REFUSED[name]
    with Peer(server) as peer:
        peer.send(sent + GET)
        reply = peer.reply()
        assert (reply.status, set(reply.json())) == (status, {"error", "message", "request_id"})
        assert reply.headers["x-request-id"] == reply.json()["request_id"]
        assert peer.is_closed()
    assert things.seen == []
    assert server.counts.requests_malformed == 1


@pytest.mark.parametrize("sent", [b"GET /thing/a HTTP/1.1\r\nHost: loc", b"GET /th", b"G"])
def test_half_a_head_calls_nobody(start: Start, sent: bytes) -> None:
    things = Things()
    with Peer(start(things)) as peer:
        peer.send(sent)
        peer.shut()
        assert peer.reply().status == 400
        assert peer.is_closed()
    assert things.seen == []


def test_half_a_body_calls_nobody(start: Start) -> None:
    things = Things()
    with Peer(start(things)) as peer:
        peer.send(post("Content-Length: 10", body=b"01234"))
        peer.shut()
        assert peer.reply().status == 400
        assert peer.is_closed()
    assert things.seen == []


def test_a_head_is_bounded(start: Start) -> None:
    server = start()
    with Peer(server) as peer:
        header = b"X-Long: " + bytes(60_000).replace(b"\0", b"x") + b"\r\n"
        with pytest.raises((OSError, EOFError)):  # noqa: PT012
            peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            for _ in range(95):
                peer.send(header)
            assert peer.reply().status == 431
            raise EOFError  # it was answered before all was sent
    with Peer(server) as peer:
        assert peer.get("/thing/a").status == 200


@pytest.mark.parametrize("size", [10**12, 100_001])
def test_a_body_over_the_limit_is_refused_before_it_comes(start: Start, size: int) -> None:
    server = start()
    with Peer(server) as peer:
        peer.send(post(f"Content-Length: {size}", "Expect: 100-continue"))
        reply = peer.reply()
        assert (reply.status, reply.headers["connection"]) == (413, "close")
        peer.send(bytes(1000))
        peer.shut()
        assert peer.is_closed()
    assert server.counts.bodies_too_large == 1


def test_chunks_over_the_limit_are_refused_while_they_come(start: Start) -> None:
    things = Things()
    server = start(things)
    with Peer(server) as peer:
        peer.send(post("Transfer-Encoding: chunked"))
        for _ in range(101):
            peer.send(b"3e8\r\n" + bytes(1000) + b"\r\n")
        assert peer.reply().status == 413
    assert things.seen == []


def test_a_body_in_chunks_as_go_sends_it(start: Start) -> None:
    with Peer(start()) as peer:
        for _ in range(2):
            peer.send(post("Transfer-Encoding: chunked", body=b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"))
            assert peer.reply().json()["body"] == "hello!"


def test_a_body_byte_by_byte(start: Start) -> None:
    with Peer(start()) as peer:
        for byte in post("Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"):
            peer.send(bytes([byte]))
            gevent.sleep(0)
        assert peer.reply().json()["body"] == "hello"


def test_continue_is_sent_when_a_body_is_wanted(start: Start) -> None:
    with Peer(start()) as peer:
        peer.send(post("Content-Length: 5", "Expect: 100-continue"))
        assert peer.reply().status == 100
        peer.send(b"hello")
        assert peer.reply().json()["body"] == "hello"


def test_requests_that_come_together_are_answered_in_order(start: Start) -> None:
    with Peer(start()) as peer:
        peer.send(b"".join(request("GET", f"/thing/{n}") for n in range(20)))
        assert [peer.reply().json()["names"]["name"] for _ in range(20)] == [
            str(n) for n in range(20)
        ]


def test_head_has_no_body(start: Start) -> None:
    with Peer(start()) as peer:
        peer.send(request("HEAD", "/thing/a") + request("HEAD", "/stream/3") + GET)
        head = peer.reply(head_only=True)
        assert (head.status, int(head.headers["content-length"]) > 0) == (200, True)
        assert peer.reply(head_only=True).status == 200
        assert peer.reply().json()["names"] == {"name": "next"}


def test_a_target_that_is_absolute_is_split(start: Start) -> None:
    with Peer(start()) as peer:
        reply = peer.get("http://localhost/thing/a%2Fb?x=1")
        assert reply.json()["names"] == {"name": "a/b"}
        assert reply.json()["query"] == [["x", "1"]]
        assert peer.get("ftp://localhost/thing/a").status == 400


def test_http_1_0_ends_the_connection(start: Start) -> None:
    with Peer(start()) as peer:
        peer.send(b"GET /thing/a HTTP/1.0\r\n\r\n")
        assert peer.reply().status == 200
        assert peer.is_closed()


def test_a_connection_serves_so_many_requests(start: Start) -> None:
    with Peer(start(limits=HttpLimits(max_requests=2))) as peer:
        assert "connection" not in peer.get("/").headers
        assert peer.get("/").headers["connection"] == "close"
        assert peer.is_closed()


def test_a_stream_arrives_whole(start: Start) -> None:
    with Peer(start()) as peer:
        body = peer.get("/stream/20000").body
        assert body.split() == [b"%d" % number for number in range(20000)]
        assert peer.get("/steps/10").body == b"done"


def test_a_stream_that_fails_does_not_seem_whole(start: Start) -> None:
    server = start()
    with Peer(server) as peer:
        peer.send(request("GET", "/fault_in_a_stream"))
        with pytest.raises(EOFError):
            peer.reply()


def test_a_fault_of_the_application_tells_only_its_id(start: Start) -> None:
    server = start()
    with Peer(server) as peer:
        reply = peer.get("/fault")
        assert reply.status == 500
        assert b"secret" not in reply.body
        assert reply.json()["request_id"] == reply.headers["x-request-id"]
        assert peer.get("/").status == 200
    assert server.counts.internal_errors == 1


@pytest.mark.parametrize(
    ("sent", "counted"),
    [
        (b"GET / HTTP/1.1\r\n", "heads_unfinished"),
        (post("Content-Length: 5", body=b"1"), "bodies_unfinished"),
        (b"", None),
        (GET, None),
    ],
)
def test_slow_and_silent_clients_are_cut_off(
    start: Start, sent: bytes, counted: str | None
) -> None:
    limits = HttpLimits(idle_timeout=0.2, head_timeout=0.2, body_timeout=0.2)
    server = start(limits=limits)
    with Peer(server) as peer:
        peer.send(sent)
        if sent == GET:
            peer.reply()
        assert peer.is_closed()
    assert server.counts.heads_unfinished == (counted == "heads_unfinished")
    assert server.counts.bodies_unfinished == (counted == "bodies_unfinished")


def test_more_connections_than_allowed_are_refused(start: Start) -> None:
    server = start(limits=HttpLimits(max_connections=1))
    with Peer(server) as first:
        assert first.get("/").status == 200
        with Peer(server) as second:
            assert second.is_closed()
        assert first.get("/").status == 200
    assert server.counts.connections_refused == 1


def test_a_stop_answers_what_has_begun(start: Start) -> None:
    server = start()
    with Peer(server) as idle, Peer(server) as busy:
        assert idle.get("/").status == 200
        busy.send(post("Content-Length: 5", body=b"12"))
        gevent.sleep(0.05)
        stopping = gevent.spawn(server.stop, 10)
        gevent.sleep(0.05)
        busy.send(b"345")
        reply = busy.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert idle.is_closed()
        assert busy.is_closed()
        stopping.join()
