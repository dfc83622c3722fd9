"""Calls to both daemons that random ones would hardly make: messages, ends of leases, archive."""

from __future__ import annotations

import time
from typing import Any

import pytest

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.tags import UNDEFINED
from goordinate.tests.differential.conftest import StartPair
from goordinate.tests.differential.pair import Pair
from goordinate.tests.exact import assert_exact

pytestmark = pytest.mark.original

#: Seconds after which a lease that should have ended has not.
DEADLINE = 20.0

GET = {b"id": 7, b"method": b"get_work_spec", b"params": [b"none"]}

#: What a connection that the daemon has closed gives.
CLOSED = (EOFError, ConnectionResetError)

#: Messages that both answer alike, to the last type.
MESSAGES: list[Any] = [
    GET,
    {"id": 7, "method": "get_work_spec", "params": ["none"]},
    {**GET, b"id": None},
    {**GET, b"id": b"text"},
    {**GET, b"id": "téxt"},
    {**GET, b"id": (1, [b"x"])},
    {**GET, b"id": 2**64},
    {**GET, b"id": -1.5},
    {b"method": b"get_work_spec", b"params": [b"none"]},
    {**GET, b"params": {b"work_spec_name": b"none"}},
    {**GET, b"params": {"work_spec_name": b"none"}},
    {**GET, b"unheard of": [1]},
    [],
    [GET],
    [GET, {**GET, b"id": 8}, {**GET, b"id": 9, b"method": b"worker_stats", b"params": []}],
    [[GET], [], [[GET, GET]]],
]

#: Messages that both answer with an error; the rest of the answers is alike.
REFUSED_MESSAGES: list[Any] = [
    {**GET, b"method": b"none"},
    {**GET, b"method": b""},
    {**GET, b"method": None},
    {**GET, b"method": 5},
    {**GET, b"params": None},
    {**GET, b"params": 5},
    {**GET, b"params": b"none"},
    {**GET, b"params": (b"none",)},
    {**GET, b"params": []},
    {**GET, b"params": [b"none", b"none"]},
    {**GET, b"params": {b"work_spec_name": b"none", b"other": 1}},
    {**GET, b"params": {b"other": b"none"}},
    {b"id": 7},
    {},
    [{**GET, b"method": b"none"}, GET, {**GET, b"params": None}],
]


def without_message(answer: Any) -> Any:
    """The answer without the words of its errors."""
    if isinstance(answer, list):
        return [without_message(item) for item in answer]
    if b"error" in answer:
        assert answer[b"error"].keys() == {b"message"}
        return {**answer, b"error": {b"message": type(answer[b"error"][b"message"])}}
    if isinstance(answer.get(b"result"), dict):
        answer[b"result"].pop(b"num_children")
    return answer


@pytest.mark.parametrize("message", MESSAGES + REFUSED_MESSAGES, ids=repr)
def test_messages(pair: Pair, message: Any) -> None:
    original, ours = (loads(answer) for answer in pair.exchange(dumps(message)))
    assert_exact(without_message(ours), without_message(original))
    if message in REFUSED_MESSAGES and isinstance(message, dict):
        assert b"error" in ours


def test_null_ends_the_connection(pair: Pair) -> None:
    for connection in pair.new_connections():
        with connection, pytest.raises(CLOSED):
            connection.exchange(dumps(None))


@pytest.mark.parametrize("message", [5, b"bytes", UNDEFINED, "text", True, (GET,), [5]])
def test_a_message_that_is_no_request_is_answered(pair: Pair, message: Any) -> None:
    original, ours = pair.new_connections()
    with original, pytest.raises(CLOSED):
        original.exchange(dumps(message))
    with ours:
        answer = loads(ours.exchange(dumps(message)))
        refused = answer[0] if isinstance(message, list) else answer
        assert refused.keys() == {b"id", b"error"}
        assert refused[b"id"] is None
        assert loads(ours.exchange(dumps(GET)))[b"result"] is None


@pytest.mark.parametrize("seconds", [0, -1, -0.5, 0.25, 60, 86_400, 86_400.5, 10**9])
def test_the_note_about_expire_seconds(pair: Pair, seconds: float) -> None:
    pair.check("worker_heartbeat", b"w", b"RUN", seconds, {}, b"p")


def test_leases_and_workers_end_in_their_time(pair: Pair) -> None:
    pair.check("set_work_spec", {b"name": b"s"})
    pair.check("add_work_units", b"s", [(b"a", {}), (b"b", {})])
    pair.check("worker_heartbeat", b"w", b"RUN", 1, {b"n": 1}, b"p")
    begin = time.time()
    pair.check("get_work", b"w", {b"lease_time": 1})
    pair.check("get_work", b"w", {b"lease_time": 1000})
    ends: list[float] = []
    for side in (pair.original, pair.ours):
        while (
            side.call("count_work_units", [b"s"]) != ({1: 1, 3: 1}, None)
            or side.call("list_worker_modes", []) != ({}, None)
        ):  # fmt: skip
            assert time.time() < begin + DEADLINE
            time.sleep(0.01)
        ends.append(time.time() - begin)
    assert min(ends) >= 1
    pair.check("get_work_unit_status", b"s", [b"a", b"b"])
    pair.check("get_worker_info", b"w")
    pair.check("worker_stats")
    pair.check("worker_unregister", b"w")
    pair.check("update_work_unit", b"s", b"a", {b"status": 4, b"worker_id": b"w"})
    pair.check("get_work_unit_status", b"s", [b"a", b"b"])


def test_archive(start_pair: StartPair) -> None:
    pair = start_pair({"coordinate": {"job_queue": {"limit_completed_count": 3}}})
    for name in (b"s", b"t"):
        pair.check("set_work_spec", {b"name": name})
        pair.check("add_work_units", name, [(b"%d" % number, {}) for number in range(16)])
        for number in range(12):
            state = 4 if number % 3 else 5
            key = b"%d" % (number * 7 % 12)
            pair.check("update_work_unit", name, key, {b"status": state})
        pair.check("get_work", b"w", {b"work_spec_names": [name]})

    def look() -> None:
        for name in (b"s", b"t"):
            pair.check("count_work_units", name)
            pair.check("get_work_units", name, {})
            pair.check("get_work_units", name, {b"state": [4, 5]})
            pair.check("get_work_unit_status", name, [b"%d" % number for number in range(16)])

    look()
    pair.check("archive", {b"work_spec_names": [b"s", b"none"]})
    look()
    pair.check("archive", {})
    look()
    pair.check("update_work_unit", b"s", b"13", {b"status": 4})
    pair.check("update_work_unit", b"s", b"0", {b"status": 4})  # archived: no such unit
    pair.check("add_work_units", b"s", [(b"0", {b"again": 1})])
    pair.check("archive")
    look()
    pair.check("del_work_units", b"s", {b"state": 4})
    pair.check("del_work_units", b"t", {b"work_unit_keys": [b"0", b"1", b"2"], b"state": 4})
    look()
    pair.check("del_work_units", b"t", {b"all": True})
    look()


CONFIGURATION = {
    "coordinate": {
        "server": {"port": 1234, "rpclog": False},
        "job_queue": {"limit_completed_age": 100.5, "joblog": False},
        "addr": ["localhost", 5932],
    },
    "other": {"text": "é", "list": [1, 2.5, None, True, "ascii"], "nested": {"1": {}}},
    "name": "site",
}


LIMITS = {
    *(b"max_frame", b"max_depth", b"max_batch", b"max_connections", b"frame_timeout"),
    b"max_buffered",
    *(b"answer_timeout", b"stop_timeout", b"hold_get_work", b"tags", b"allow", b"deny"),
}

#: The keys of ours about what is kept, and how.
KEEPING = {b"attempt_data", b"sync", b"sync_interval", b"restart_grace"}


def test_get_config(start_pair: StartPair) -> None:
    pair = start_pair(CONFIGURATION)
    original, ours = pair.both("get_config", [])
    # What the original's own libraries put there.
    del original[0][b"yakonfig"], original[0][b"logging"]
    # The original does not show what its command line says.
    assert original[0][b"coordinate"][b"server"].pop(b"port") == 1234
    assert original[0][b"coordinate"][b"server"].pop(b"host") == b"localhost"
    assert ours[0][b"coordinate"][b"server"].pop(b"port") not in (1234, 5932)
    assert ours[0][b"coordinate"][b"server"].pop(b"host") == b"127.0.0.1"
    for block, keys in ((b"server", LIMITS), (b"job_queue", KEEPING)):
        known = {*original[0][b"coordinate"][block]}
        of_ours = {key: ours[0][b"coordinate"][block].pop(key) for key in keys}
        assert not known & of_ours.keys()
    del ours[0][b"coordinate"][b"http"]
    assert_exact(ours, original)


def test_a_lease_that_is_over_is_shown_to_the_parent(pair: Pair) -> None:
    """The worker's parent ends a child by it. The lease is the shortest that get_work gives."""
    pair.check("set_work_spec", {b"name": b"s"})
    pair.check("add_work_units", b"s", [(b"k", {b"n": 1})])
    pair.check("worker_heartbeat", b"w", b"RUN", 60, {}, b"parent")
    pair.check("get_work", b"w", {b"lease_time": 1})
    time.sleep(1.5)
    for children, note in pair.both("get_child_work_units", [b"parent"]):
        (unit,) = children[b"w"]
        assert unit.pop(b"expires") < time.time()
        assert (unit.pop(b"work_unit_key"), unit.pop(b"work_unit_data")) == (b"k", {b"n": 1})
        assert (unit.pop(b"work_spec_name"), note) == (b"s", None)
    pair.check("get_work", b"v", {})
    _, (children, _) = pair.both("get_child_work_units", [b"parent"])
    assert children == {b"w": []}
