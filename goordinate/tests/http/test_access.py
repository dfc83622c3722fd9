"""Tokens, and the rules that keep foreign web pages out."""

from __future__ import annotations

import logging

import pytest

from goordinate.http import ADMIN, READ, WORK, Token
from goordinate.http.access import TokenError, read_tokens, token
from goordinate.tests.http.serving import Peer, Start, request

READER, WORKER, OPERATOR = "r" * 16, "w" * 16, "o" * 20
TOKENS = [
    Token("reader", READ, READER),
    Token("worker", WORK, WORKER),
    Token("operator", ADMIN, OPERATOR),
]


@pytest.mark.parametrize(
    ("secret", "statuses"),
    [
        (None, (401, 401, 401)),
        ("nonsense", (401, 401, 401)),
        ("", (401, 401, 401)),
        (READER, (200, 403, 403)),
        (WORKER, (200, 200, 403)),
        (OPERATOR, (200, 200, 200)),
    ],
)
def test_a_role_may_do_what_the_roles_before_it_may(
    start: Start, secret: str | None, statuses: tuple[int, ...]
) -> None:
    server = start(tokens=TOKENS)
    headers = [] if secret is None else [f"Authorization: Bearer {secret}"]
    with Peer(server) as peer:
        for method, path, status in zip(
            ("GET", "POST", "PUT"), ("/thing/a", "/thing", "/thing/a"), statuses, strict=True
        ):
            peer.send(request(method, path, *headers))
            reply = peer.reply()
            assert reply.status == status
            assert ("www-authenticate" in reply.headers) == (status == 401)
        # What is for everybody asks for none.
        assert peer.get("/").status == 200
    assert server.counts.access_denied == sum(status != 200 for status in statuses)


@pytest.mark.parametrize("scheme", ["Basic", "bearer", "BEARER"])
def test_the_scheme_of_a_token(start: Start, scheme: str) -> None:
    with Peer(start(tokens=TOKENS)) as peer:
        reply = peer.get("/thing/a", f"Authorization: {scheme} {READER}")
        assert reply.status == (401 if scheme == "Basic" else 200)


def test_a_body_is_not_asked_for_without_a_token(start: Start) -> None:
    with Peer(start(tokens=TOKENS)) as peer:
        peer.send(request("POST", "/thing", "Content-Length: 5", "Expect: 100-continue"))
        assert peer.reply().status == 401
        assert peer.is_closed()


def test_a_change_is_logged_with_token_and_id_but_no_secret(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Peer(start(tokens=TOKENS)) as peer:
        peer.send(request("PUT", "/thing/a", f"Authorization: Bearer {OPERATOR}"))
        reply = peer.reply()
        assert reply.json()["token"] == "operator"
        peer.get("/thing/a", "Authorization: Bearer wrongwrongwrong0")
    assert f"{reply.headers['x-request-id']} PUT /thing/{{name}}, token operator" in caplog.text
    assert OPERATOR not in caplog.text
    assert "wrongwrongwrong0" not in caplog.text


def test_tokens_are_compared_as_digests_in_constant_time(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hmac

    compared: list[int] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(len(one))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    with Peer(start(tokens=TOKENS)) as peer:
        peer.get("/thing/a", f"Authorization: Bearer {READER}")
    # All of them, though the first was the right one.
    assert compared == [32, 32, 32]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:5980", 200),
        ("127.0.0.1:5980", 200),
        ("[::1]:5980", 200),
        ("queue.example", 200),
        ("queue.example:80", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
    ],
)
def test_hosts_without_tokens(start: Start, host: str, status: int) -> None:
    with Peer(start(hosts=["Queue.example"])) as peer:
        assert peer.get("/thing/a", f"Host: {host}").status == status
        # What is for everybody may be asked for under any name.
        assert peer.get("/", f"Host: {host}").status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 200),
        (("Origin: http://localhost",), 200),
        (("Origin: http://evil.example",), 403),
        (("Origin: https://localhost",), 403),
        (("Origin: http://localhost:81",), 403),
        (("Origin: null",), 403),
        (("Sec-Fetch-Site: same-origin", "Origin: http://localhost"), 200),
        (("Sec-Fetch-Site: none",), 200),
        (("Sec-Fetch-Site: cross-site",), 403),
        (("Sec-Fetch-Site: same-site",), 403),
        (("Sec-Fetch-Site: cross-site", "Origin: http://localhost"), 403),
    ],
)
@pytest.mark.parametrize("with_tokens", [False, True])
def test_changes_that_a_web_page_asks_for(
    start: Start, headers: tuple[str, ...], status: int, with_tokens: bool
) -> None:
    bearer = [f"Authorization: Bearer {OPERATOR}"] if with_tokens else []
    with Peer(start(tokens=TOKENS if with_tokens else None)) as peer:
        peer.send(request("POST", "/thing", *headers, *bearer))
        assert peer.reply().status == status
        # To look is no change.
        assert peer.get("/thing/a", *headers, *bearer).status == 200


def test_a_file_of_tokens() -> None:
    text = f"# who may\n\nreader read {READER}\n  operator   admin\t{OPERATOR}\n"
    assert read_tokens(text) == [TOKENS[0], TOKENS[2]]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("reader read", "line 1: expected a name, a role and a secret"),
        ("a b c d", "line 1: expected a name, a role and a secret"),
        (f"reader write {READER}", "the role is one of read, work, admin"),
        ("reader read short-secret", "16 printable characters"),
        (f"a read {READER}\na work {WORKER}", "'a' is there twice"),
    ],
)
def test_a_file_with_a_fault_tells_no_secret(line: str, told: str) -> None:
    with pytest.raises(TokenError, match=told) as raised:
        read_tokens(line)
    assert READER not in str(raised.value)
    assert "short-secret" not in str(raised.value)


def test_a_secret_has_no_odd_characters() -> None:
    with pytest.raises(TokenError):
        token("a", "read", "ä" * 20)
