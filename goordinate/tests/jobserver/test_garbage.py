"""Nothing is left to the garbage collector, which seldom runs: no call, whatever becomes of it,
leaves its message or anything else in a cycle of references."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.api import Backend
from goordinate.tests.cborrpc.test_messages import MALFORMED, NO_REQUESTS, NOT_ONE_ITEM
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.jobserver.rpc import dispatcher_of, job_server
from goordinate.tests.jobserver.test_parameters import CALLS, REFUSED


@pytest.fixture
def collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def ask(method: str, params: object) -> bytes:
    return dumps({b"params": params, b"id": 1, b"method": method.encode()})


def refused() -> Iterator[bytes]:
    """Requests with a parameter that is refused."""
    for (method, parameter, option), (_, values) in REFUSED.items():
        for value in values:
            params = dict(CALLS[method])
            params[parameter] = value if option is None else {**params[parameter], option: value}
            yield ask(method, list(params.values()))
            yield ask(method, params)


MESSAGES = {
    "good": [ask(method, list(params.values())) for method, params in CALLS.items()],
    "by name": [ask(method, params) for method, params in CALLS.items()],
    "refused": [*refused()],
    "no such": [ask("nosuch", [bytes(1000)]), ask("now", [bytes(1000)]), ask("get_work", {})],
    "no requests": [bytes.fromhex(message) for message, _ in NO_REQUESTS],
    "malformed": [*MALFORMED, *NOT_ONE_ITEM, b"\x82" + b"".join(MALFORMED[:2])],
    "embedded": [
        ask("worker_heartbeat", [b"w", b"m", 60, {}, None]).replace(b"Am", mode)
        for mode in (b"\xd8\x18\x41\xff", b"\xd8\x18\x5f\x41\xff\xff", b"\xd8\x18\x42\x00\x00")
    ],
    "too deep": [b"\x81" * 300, ask("now", [[]]).replace(b"\x80", b"\x81" * 300 + b"\x80")],
}


@pytest.mark.usefixtures("collector")
@pytest.mark.parametrize("kind", MESSAGES)
def test_a_call_leaves_no_garbage(backend: Backend, clock: Clock, kind: str) -> None:
    dispatcher = dispatcher_of(job_server(backend, clock))
    for message in MESSAGES["good"]:
        dispatcher.answer(message)
    gc.collect()
    for message in MESSAGES[kind]:
        dispatcher.answer(message)
    assert gc.collect() == 0
