"""What goes in must come out: data that a client cannot read is refused wherever it is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.heads import MAX_DEPTH
from goordinate.cborrpc.messages import Dispatcher
from goordinate.cborrpc.requests import encode_request
from goordinate.cborrpc.tags import Encoded
from goordinate.jobserver.stored import DEEPEST
from goordinate.tests.jobserver.rpc import DONE, FINISHED, Rpc

UNIT = b"unit-7"
UNREADABLE = {
    "tag 2 over text": "c26161",
    "a uuid of 3 bytes": "d82543616263",
    "an array as a key": "a1800a",
    "a map as a key": "a1a00a",
    "a tuple with a list as a key": "a1d88081800a",
    "tag 24 over no CBOR": "d81841ff",
    "tag 24 over too much": "d818420101",
    "tag 128 over text": "d8806161",
}
NOT_FOR_ALL = {
    "a date": "c06a323031352d30312d3031",
    "a time": "c11a00000001",
    "a tag of its own": "d9123401",
    "a simple value": "f820",
    "a bignum of 24 bytes": "c25818" + 24 * "01",
}

Door = Callable[[Encoded], tuple[str, list[object]]]

# The calls that store, and what in them is stored.
DOORS: dict[str, Door] = {
    "add": lambda data: ("add_work_units", [b"s", [(b"other", {}), (UNIT, {b"d": data})]]),
    "add in a list": lambda data: ("add_work_units", [b"s", [[UNIT, [1, data]]]]),
    "add by a text key": lambda data: ("add_work_units", [b"s", [("unit-7", data)]]),
    "add with meta": lambda data: ("add_work_units", [b"s", [(UNIT, data, {b"priority": 1})]]),
    "add in unusual CBOR": lambda data: (
        "add_work_units",
        [b"s", [Encoded(b"\x9fFunit-7" + data + b"\xff")]],
    ),
    "update": lambda data: (
        "update_work_unit",
        [b"s", UNIT, {b"status": 1, b"data": {b"d": data}}],
    ),
    "finish with output": lambda data: (
        "update_work_unit",
        [b"s", UNIT, {b"status": FINISHED, b"data": {b"output": {b"o": data}}}],
    ),
    "lease": lambda data: ("update_work_unit", [b"s", UNIT, {b"lease_time": 60, b"data": [data]}]),
    "spec": lambda data: ("set_work_spec", [{b"name": b"s", b"config": {b"d": data}}]),
    "new spec": lambda data: ("set_work_spec", [{b"name": b"n", b"config": data}]),
    "worker": lambda data: ("worker_heartbeat", [b"w", b"RUN", 60, {b"d": data}, None]),
}


def state(rpc: Rpc) -> object:
    """All that could have been stored."""
    return (
        [rpc.encoded("get_work_units", spec, {}) for spec in (b"s", b"t")],
        rpc.encoded("get_work_unit_status", b"s", [UNIT, b"other"]),
        rpc.encoded("list_work_specs", {}),
        rpc.encoded("get_worker_info", b"w"),
        rpc.encoded("list_worker_modes"),
    )


@pytest.fixture
def stored(rpc: Rpc) -> Rpc:
    rpc.define(b"s", then=b"t")
    rpc.define(b"t")
    rpc.add(b"s", UNIT)
    rpc.expect(DONE, "worker_heartbeat", b"w", b"IDLE", 60, {}, None)
    return rpc


@pytest.mark.parametrize("any_tags", [False, True])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_nobody_can_read_is_refused(stored: Rpc, door: str, kind: str, any_tags: bool) -> None:
    stored.server.limits.any_tags = any_tags
    before = state(stored)
    method, params = DOORS[door](Encoded(bytes.fromhex(UNREADABLE[kind])))
    text = stored.error(method, params)
    assert text.startswith(f"{method}(): ")
    assert " at byte " in text
    assert (UNIT.decode() in text) == any(
        UNIT.decode() in str(param) for param in params
    ) or "spec" in door
    assert state(stored) == before


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", NOT_FOR_ALL)
def test_what_some_cannot_read_is_refused_unless_all_can(stored: Rpc, door: str, kind: str) -> None:
    before = state(stored)
    method, params = DOORS[door](Encoded(bytes.fromhex(NOT_FOR_ALL[kind])))
    text = stored.error(method, params)
    assert "which not all clients can read" in text or "that not all clients can read" in text
    assert " at byte " in text
    assert state(stored) == before
    stored.server.limits.any_tags = True
    assert stored.encoded(method, *params) == dumps(DONE)
    assert state(stored) != before


@pytest.mark.parametrize("method", ["add_work_units", "update_work_unit"])
def test_the_error_names_the_unit_and_the_byte(stored: Rpc, method: str) -> None:
    data = Encoded(b"\x82\x01\xd8\x25Cabc")
    params: list[Any] = [b"s", [(b"a", {}), (UNIT, data), (b"z", {})]]
    if method == "update_work_unit":
        params = [b"s", UNIT, {b"status": FINISHED, b"data": data}]
    request = dumps({b"id": 1, b"method": method.encode(), b"params": params})
    answer = loads(stored.exchange(request))
    what = "tag 37 is over a byte string of 16 bytes, not 3 bytes"
    where = request.index(b"Cabc")
    text = answer[b"error"][b"message"].decode()
    assert text.endswith(f"work unit 'unit-7': {what} at byte {where}")


def test_a_mode_is_one_that_all_can_read(stored: Rpc) -> None:
    for code in ("c06161", "e3", "d88081c101"):
        params = [b"w", Encoded(bytes.fromhex(code)), 60, {}, None]
        assert "not all clients can read" in stored.error("worker_heartbeat", params)
        stored.server.limits.any_tags = True
        assert stored.encoded("worker_heartbeat", *params) == dumps(DONE)
        stored.server.limits.any_tags = False
    for mode in (b"RUN", "RUN", 1, None, (1, b"x")):
        stored.expect(DONE, "worker_heartbeat", b"w", mode, 60, {}, None)


def test_a_tuple_as_a_key_is_stored(stored: Rpc) -> None:
    data = {(1, b"x", (None,)): [{b"k": (b"t",)}]}
    stored.add(b"s", UNIT, data=data)
    assert stored.units(b"s") == [(UNIT, data)]


def test_a_chained_unit_may_have_what_all_could_read_before(stored: Rpc) -> None:
    """Data that is stored already is no longer checked: it would be lost."""
    stored.server.limits.any_tags = True
    date = Encoded(b"\xc0" + dumps("2015-01-01"))
    stored.add(b"s", UNIT, data={b"output": {b"o": date}})
    stored.server.limits.any_tags = False
    stored.update(b"s", UNIT, status=FINISHED)
    assert stored.encoded("get_work_units", b"t", {}) == dumps(([(b"o", date)], None))


def levels(data: bytes) -> int:
    """How deep a message is nested."""
    for depth in range(4 * MAX_DEPTH):
        try:
            loads(data, max_depth=depth)
        except ValueError:
            continue
        return depth
    raise AssertionError("nested deeper than any message")


def nested(levels: int) -> Encoded:
    return Encoded(b"\x81" * levels + b"\x01")


def test_every_answer_can_be_read_whatever_was_stored(stored: Rpc) -> None:
    """The deepest that any call stores, in the deepest answers: those to a batch."""
    deepest = nested(DEEPEST)
    inside = Encoded(dumps({b"traceback": nested(DEEPEST - 1)}))
    tell: Any = stored.exchange
    for method, params in (
        ("add_work_units", [b"s", [(UNIT, deepest), (b"other", inside), (b"third", deepest)]]),
        ("update_work_unit", [b"s", b"third", {b"status": 1, b"data": deepest}]),
        ("set_work_spec", [{b"name": b"n", b"config": nested(DEEPEST - 1)}]),
        ("worker_heartbeat", [b"w", b"RUN", 60, deepest, b"p"]),
        ("get_work", [b"w", {b"work_spec_names": [b"s"]}]),
    ):
        stored.encoded(method, *params)
    asked: list[tuple[str, list[object]]] = [
        ("get_work", [b"v", {b"max_jobs": 2}]),
        ("get_work_units", [b"s", {}]),
        ("get_work_units", [b"s", {b"work_unit_keys": [UNIT]}]),
        ("get_work_unit_status", [b"s", [b"other"]]),
        ("get_child_work_units", [b"p"]),
        ("get_worker_info", [b"w"]),
        ("get_work_spec", [b"n"]),
        ("list_work_specs", [{}]),
    ]
    found = []
    for method, params in asked:
        answer = tell(b"\x81" + encode_request(1, method, params))
        assert loads(answer)[0].keys() == {b"id", b"result"}
        found.append(levels(answer))
    assert max(found) == MAX_DEPTH


@pytest.mark.parametrize("door", ["add", "add in a list", "update", "lease", "worker"])
def test_what_is_nested_one_level_deeper_is_refused(stored: Rpc, door: str) -> None:
    method, params = DOORS[door](nested(DEEPEST - 1))
    stored.encoded(method, *params)
    before = state(stored)
    method, params = DOORS[door](nested(DEEPEST))
    assert "nested deeper than the limit at byte " in stored.error(method, params)
    assert state(stored) == before


def test_the_limits_are_those_of_the_server(stored: Rpc) -> None:
    limits = stored.server.limits
    dispatcher = Dispatcher(stored.server.methods, limits=limits)
    date = Encoded(b"\xc0" + dumps("2015-01-01"))
    request = encode_request(1, "add_work_units", [b"s", [(UNIT, date)]])
    assert b"error" in loads(dispatcher.answer(request))
    limits.any_tags = True
    assert loads(dispatcher.answer(request))[b"result"] == DONE
