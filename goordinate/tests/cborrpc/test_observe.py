"""Each call is observed in one place: its method, its seconds, and whether it gave a result."""

from __future__ import annotations

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.messages import UNREAD, Dispatcher
from goordinate.cborrpc.tags import Encoded
from goordinate.tests.cborrpc.test_messages import Target, request

Seen = list[tuple[str, float, bool]]


@pytest.fixture
def seen() -> Seen:
    return []


@pytest.fixture
def dispatcher(seen: Seen) -> Dispatcher:
    return Dispatcher(
        Target().methods,
        limits=Limits(max_batch=5),
        observe=lambda name, seconds, ok: seen.append((name, seconds, ok)),
    )


def outcomes(seen: Seen) -> list[tuple[str, bool]]:
    assert all(0 <= seconds < 10 for _, seconds, _ in seen)
    return [(name, ok) for name, _, ok in seen]


@pytest.mark.parametrize(
    ("message", "observed"),
    [
        (dumps(request(b"now", [])), ("now", True)),
        (dumps(request("now", {})), ("now", True)),
        (dumps(request(b"echo", [1, 2])), ("echo", False)),
        (dumps(request(b"echo", None)), ("echo", False)),
        (dumps(request(b"fail", ["rpc"])), ("fail", False)),
        (dumps(request(b"fail", ["?"])), ("fail", False)),
        (dumps(request(b"fail", ["encode"])), ("fail", False)),
        (dumps(request(b"fail", ["decode"])), ("fail", False)),
        (dumps(request(b"broken", [1])), ("broken", False)),
        # No label of a metric comes from a client.
        (dumps(request(b"nope", [])), (UNREAD, False)),
        (dumps(request(7, [])), (UNREAD, False)),
        (dumps({b"id": 1}), (UNREAD, False)),
        (dumps(3), (UNREAD, False)),
        (b"", (UNREAD, False)),
        (b"\xff", (UNREAD, False)),
        (dumps(request(b"now", []))[:-1], (UNREAD, False)),
        (b"\x82" + dumps(request(b"now", [])), (UNREAD, False)),
        (b"\x88" + 8 * dumps(request(b"now", [])), (UNREAD, False)),
    ],
)
def test_a_message_is_observed_once(
    message: bytes, observed: tuple[str, bool], dispatcher: Dispatcher, seen: Seen
) -> None:
    dispatcher.answer(message)
    assert outcomes(seen) == [observed]


def test_each_request_of_a_batch_is_observed(dispatcher: Dispatcher, seen: Seen) -> None:
    asked = [request(b"now", []), request(b"nope", []), [request(b"echo", [])], None]
    dispatcher.answer(dumps(asked))
    assert outcomes(seen) == [("now", True), (UNREAD, False), ("echo", False), (UNREAD, False)]


def test_the_seconds_are_those_of_the_call(
    dispatcher: Dispatcher, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 12.5])
    monkeypatch.setattr("goordinate.cborrpc.messages.perf_counter", lambda: next(clock))
    dispatcher.answer(dumps(request(b"now", [])))
    assert seen == [("now", 2.5, True)]


def test_calls_that_nobody_observes_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goordinate.cborrpc.messages.perf_counter", lambda: 1 / 0)
    answer = Dispatcher(Target().methods).answer(dumps(request(b"echo", [Encoded(b"\x01")])))
    assert answer.endswith(b"result\x01")
