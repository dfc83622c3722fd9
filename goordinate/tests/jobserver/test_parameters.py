"""Parameters: by position and by name, and what is said of wrong ones, which change nothing."""

from __future__ import annotations

from typing import Any

import pytest

from goordinate.cborrpc.tags import Encoded, Tag
from goordinate.jobserver import locks, options
from goordinate.tests.exact import assert_exact
from goordinate.tests.jobserver.rpc import DONE, Rpc

#: Every RPC, with parameters that it takes, by name and in their order.
CALLS: dict[str, dict[str, Any]] = {
    "set_work_spec": {"work_spec": {b"name": b"n"}},
    "get_work_spec": {"work_spec_name": b"s"},
    "get_work_spec_meta": {"work_spec_name": b"s"},
    "control_work_spec": {"work_spec_name": b"s", "options": {b"weight": 3}},
    "list_work_specs": {"options": {}},
    "del_work_spec": {"work_spec_name": b"s"},
    "clear": {},
    "add_work_units": {"work_spec_name": b"s", "work_unit_key_vals": [(b"n", {})]},
    "count_work_units": {"work_spec_name": b"s"},
    "get_work_units": {"work_spec_name": b"s", "options": {}},
    "get_work_unit_status": {"work_spec_name": b"s", "work_unit_keys": [b"k"]},
    "prioritize_work_units": {
        "work_spec_name": b"s", "options": {b"work_unit_keys": [b"k"], b"priority": 1}
    },
    "update_work_unit": {
        "work_spec_name": b"s", "work_unit_key": b"k", "options": {b"status": 4}
    },
    "del_work_units": {"work_spec_name": b"s", "options": {b"all": True}},
    "archive": {"options": {}},
    "get_work": {"worker_id": b"w", "options": {}},
    "worker_heartbeat": {
        "worker_id": b"w", "mode": b"RUN", "expire_seconds": 60, "data": {}, "parent": None
    },
    "worker_unregister": {"worker_id": b"w"},
    "list_worker_modes": {},
    "get_worker_info": {"worker_id": b"w"},
    "mode_counts": {},
    "get_child_work_units": {"worker_id": b"w"},
    "worker_stats": {},
    "get_config": {},
    "now": {},
    "server_stats": {},
    "lock": {"locker_id": b"l", "timeout": 5, "keys": [[b"a"]]},
    "renew": {"locker_id": b"l", "timeout": 5, "keys": [[b"a"]]},
    "unlock": {"locker_id": b"l", "keys": [[b"a"]]},
    "locksome": {"locker_id": b"l", "timeout": 5, "keys": [[b"a"]]},
    "readlock": {"keys": [[b"a"]]},
    "delete_namespace": {"prefix": b"a"},
}  # fmt: skip

#: Of each reader of a parameter: what it expects, in words, and what it does not take.
NAMES: tuple[str, list[Any]] = ("string", [5, None, [b"s"], (b"s",), {}, 1.5, True, Tag(99, b"s")])
NAME_LISTS = ("", [5, b"k", {b"k": 1}, [5], [b"k", None], [[b"k"]]])
OPTION_MAPS = ("map", [5, b"o", [], (), True])
NUMBERS = ("number", [b"x", [1], {}, True, float("nan"), float("inf"), -(10**400), Tag(99, 1)])
LIMITS = ("expected a", [*NUMBERS[1], -1, -1.5, b"-3", -(10**300)])
TIMES = ("number", [*NUMBERS[1], -1, -0.5, b"-3", -(10**300), -1e300])
SPEC_NUMBERS = ("expected a", [b"x", [1], {}, True, float("nan"), -1e999])
SPEC_LIMITS = ("expected an integer, 0 or more", [*SPEC_NUMBERS[1], -1, -1.5, b"-3", -(10**50)])
SPEC_TIMES = ("number of seconds, 0 or more", [*SPEC_NUMBERS[1], -1, b"-0.5", b"nan", b"inf"])
PATHS = ("", [5, b"a", {b"a": 1}, [b"a"], [[]], [[b"a", 5]], [[[b"a"]]], [[b"b"], [None]]])
UNITS = (
    "",
    [
        5,
        b"k",
        {b"k": {}},
        [b"n"],
        [[]],
        [(b"n",)],
        [(b"n", {}, {}, 1, 2)],
        [(5, {})],
        [(None, {})],
        [(b"n", {}, 5)],
        [(b"n", {}, {b"priority": b"high"})],
        [(b"n", {}, {b"priority": float("nan")})],
        [(b"n", {}, {b"delay": [1]})],
        [(b"n", {}, {b"delay": 10**400})],
        [(b"n", {}, {b"delay": -1})],
        [(b"n", {}, {b"priority": 10**400})],
        [(b"n", {}, {}, b"x")],
        [(b"n", {}, {}, True)],
        [(b"n", {}), (b"k", {b"new": 1}), (5, {})],
        [*((b"n%d" % number, {}) for number in range(100)), 5],
    ],
)

#: (method, parameter, option if it is one) -> what it expects, and what it does not take.
REFUSED: dict[tuple[str, str, str | None], tuple[str, list[Any]]] = {
    ("set_work_spec", "work_spec", None): ("map", [5, b"s", [], [(b"name", b"s")], (), None]),
    ("set_work_spec", "work_spec", "name"): (
        "name",
        [5, None, b"", "", [b"s"], {}, True],
    ),
    ("set_work_spec", "work_spec", "weight"): SPEC_NUMBERS,
    ("set_work_spec", "work_spec", "nice"): SPEC_NUMBERS,
    ("set_work_spec", "work_spec", "max_running"): SPEC_LIMITS,
    ("set_work_spec", "work_spec", "max_getwork"): SPEC_LIMITS,
    ("set_work_spec", "work_spec", "max_retries"): SPEC_LIMITS,
    ("set_work_spec", "work_spec", "priority"): SPEC_NUMBERS,
    ("set_work_spec", "work_spec", "interval"): SPEC_TIMES,
    ("set_work_spec", "work_spec", "then"): ("name of a work spec", [5, [b"t"], {}, True]),
    ("set_work_spec", "work_spec", "runtime"): ("string", [5, [b"r"], {}, True]),
    ("get_work_spec", "work_spec_name", None): NAMES,
    ("get_work_spec_meta", "work_spec_name", None): NAMES,
    ("control_work_spec", "work_spec_name", None): NAMES,
    ("control_work_spec", "options", None): OPTION_MAPS,
    ("control_work_spec", "options", "interval"): TIMES,
    ("control_work_spec", "options", "max_running"): LIMITS,
    ("control_work_spec", "options", "weight"): NUMBERS,
    ("control_work_spec", "options", "status"): ("integer", [b"1", 1.0, [1], True]),
    ("list_work_specs", "options", None): OPTION_MAPS,
    ("list_work_specs", "options", "limit"): NUMBERS,
    ("list_work_specs", "options", "start"): ("string", [[b"a"], {}]),
    ("del_work_spec", "work_spec_name", None): NAMES,
    ("add_work_units", "work_spec_name", None): NAMES,
    ("add_work_units", "work_unit_key_vals", None): UNITS,
    ("count_work_units", "work_spec_name", None): NAMES,
    ("get_work_units", "work_spec_name", None): NAMES,
    ("get_work_units", "options", None): OPTION_MAPS,
    ("get_work_units", "options", "work_unit_keys"): NAME_LISTS,
    ("get_work_units", "options", "state"): ("integer", [b"1", 1.5, [b"1"], {}, [None]]),
    ("get_work_units", "options", "start"): ("string", [[b"a"], {}]),
    ("get_work_units", "options", "limit"): NUMBERS,
    ("get_work_unit_status", "work_spec_name", None): NAMES,
    ("get_work_unit_status", "work_unit_keys", None): NAME_LISTS,
    ("prioritize_work_units", "work_spec_name", None): NAMES,
    ("prioritize_work_units", "options", None): OPTION_MAPS,
    ("prioritize_work_units", "options", "work_unit_keys"): NAME_LISTS,
    ("prioritize_work_units", "options", "priority"): NUMBERS,
    ("prioritize_work_units", "options", "adjustment"): NUMBERS,
    ("update_work_unit", "work_spec_name", None): NAMES,
    ("update_work_unit", "work_unit_key", None): NAMES,
    ("update_work_unit", "options", None): OPTION_MAPS,
    ("update_work_unit", "options", "lease_time"): NUMBERS,
    ("update_work_unit", "options", "delay"): TIMES,
    ("update_work_unit", "options", "holder"): ("string", [5, [b"w"]]),
    ("update_work_unit", "options", "status"): (
        "expected",
        [b"4", 4.0, [4], True, 0, 2, 6, 7, -1, 10**400],
    ),
    ("update_work_unit", "options", "worker_id"): ("string", [5, [b"w"]]),
    ("del_work_units", "work_spec_name", None): NAMES,
    ("del_work_units", "options", None): OPTION_MAPS,
    ("del_work_units", "options", "work_unit_keys"): NAME_LISTS,
    ("del_work_units", "options", "state"): ("integer", [b"1", 1.5, [1]]),
    ("archive", "options", None): OPTION_MAPS,
    ("archive", "options", "work_spec_names"): NAME_LISTS,
    ("get_work", "worker_id", None): NAMES,
    ("get_work", "options", None): OPTION_MAPS,
    ("get_work", "options", "lease_time"): NUMBERS,
    ("get_work", "options", "max_jobs"): NUMBERS,
    ("get_work", "options", "work_spec_names"): NAME_LISTS,
    ("get_work", "options", "runtimes"): NAME_LISTS,
    ("worker_heartbeat", "worker_id", None): NAMES,
    ("worker_heartbeat", "mode", None): (
        "",
        [[b"RUN"], {}, ([],), Encoded(b"\xd8\x80\x81" * 100 + b"\x00"), bytes(5000)],
    ),
    ("worker_heartbeat", "expire_seconds", None): NUMBERS,
    ("worker_heartbeat", "parent", None): ("string", [5, [b"p"]]),
    ("worker_unregister", "worker_id", None): NAMES,
    ("get_worker_info", "worker_id", None): NAMES,
    ("get_child_work_units", "worker_id", None): NAMES,
    ("lock", "locker_id", None): NAMES,
    ("lock", "timeout", None): TIMES,
    ("lock", "keys", None): PATHS,
    ("locksome", "locker_id", None): NAMES,
    ("locksome", "timeout", None): TIMES,
    ("locksome", "keys", None): PATHS,
    ("renew", "locker_id", None): NAMES,
    ("renew", "timeout", None): TIMES,
    ("renew", "keys", None): PATHS,
    ("unlock", "locker_id", None): NAMES,
    ("unlock", "keys", None): PATHS,
    ("readlock", "keys", None): PATHS,
    ("delete_namespace", "prefix", None): NAMES,
}


@pytest.fixture(autouse=True)
def state(rpc: Rpc) -> None:
    """A spec with a unit that a worker holds, and a lock."""
    rpc.define(b"s", then=b"t", weight=5)
    rpc.add(b"s", b"k", data={b"output": [b"o"]})
    rpc.expect(DONE, "worker_heartbeat", b"w", b"RUN", 60, {}, b"p")
    rpc.get(worker=b"w")
    rpc.expect(DONE, "lock", b"l", 0, [[b"a"]])


def everything(rpc: Rpc) -> list[Any]:
    """All there is to see."""
    return [
        rpc.call("list_work_specs", {}),
        rpc.call("get_work_spec_meta", b"s"),
        rpc.call("get_work_units", b"s", {}),
        rpc.call("get_work_unit_status", b"s", [b"k"]),
        rpc.call("list_worker_modes"),
        rpc.call("get_child_work_units", b"p"),
        rpc.call("readlock", [[b"a"], [b"b"]]),
    ]


@pytest.mark.parametrize(("method", "parameter", "option"), REFUSED)
def test_a_value_that_is_refused(rpc: Rpc, method: str, parameter: str, option: str | None) -> None:
    expected, values = REFUSED[method, parameter, option]
    said = (parameter, expected) if option is None else (parameter, option, expected)
    before = everything(rpc)
    for value in values:
        params = dict(CALLS[method])
        params[parameter] = value if option is None else {**params[parameter], option: value}
        rpc.refuse(method, *params.values(), saying=said)
        assert_exact(everything(rpc), before)


def test_every_parameter_is_in_the_table() -> None:
    every = {(method, parameter) for method, params in CALLS.items() for parameter in params}
    # A worker may say of itself what it likes.
    assert every - {row[:2] for row in REFUSED} == {("worker_heartbeat", "data")}


def test_a_sum_of_priorities_that_is_too_large_changes_nothing(rpc: Rpc) -> None:
    rpc.add(b"s", b"a", b"large", priority=1e308)
    before = everything(rpc)
    options = {b"work_unit_keys": [b"k", b"large", b"a"], b"adjustment": 1e308}
    assert "'large'" in rpc.error("prioritize_work_units", [b"s", options])
    assert_exact(everything(rpc), before)
    assert rpc.taken(worker=b"v") == b"a"


@pytest.mark.parametrize("form", [b"\x99\x03\xe9%b", b"\x9f%b\xff"])
def test_more_names_than_are_taken(rpc: Rpc, form: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a byte or two each, which take many times as much memory."""
    for reader in (options, locks):
        monkeypatch.setattr(reader, "MAX_NAMES", 1000)
    before = everything(rpc)
    names = Encoded(form % (b"\x40" * 1001))
    for method, params in (
        ("get_work_unit_status", [b"s", names]),
        ("get_work_units", [b"s", {b"work_unit_keys": names}]),
        ("get_work_units", [b"s", {b"state": Encoded(form % (b"\x01" * 1001))}]),
        ("del_work_units", [b"s", {b"work_unit_keys": names}]),
        ("get_work", [b"w", {b"work_spec_names": names}]),
        ("lock", [b"l", 5, [names]]),
        ("lock", [b"l", 5, Encoded(form % (b"\x81\x40" * 1001))]),
        ("lock", [b"l", 5, [[b"a"] * 600, [b"b"] * 600]]),
    ):
        rpc.refuse(method, *params, saying=("more than 1000",))
    assert_exact(everything(rpc), before)


def test_values_that_are_too_large_to_be_any(rpc: Rpc) -> None:
    """They are not decoded: an empty list of one byte takes 64."""
    before = everything(rpc)
    large = Encoded(b"\x99\x13\x88" + b"\x80" * 5000)
    tagged = Encoded(b"\xd8\x80" + large)
    for value in (large, tagged, Encoded(b"\xa1\x01" + large)):
        rpc.refuse("worker_heartbeat", b"w", value, 60, {}, None, saying=("mode",))
        rpc.refuse("worker_heartbeat", b"w", b"RUN", value, {}, None, saying=("expire_seconds",))
        rpc.refuse(
            "set_work_spec", {b"name": b"s", b"weight": value}, saying=("weight", "something else")
        )
        rpc.refuse("set_work_spec", {b"name": value}, saying=("name",))
        rpc.refuse("add_work_units", b"s", [(b"n", {}, {b"priority": value})], saying=("priority",))
        rpc.refuse("get_work_spec", value, saying=("work_spec_name",))
    assert_exact(everything(rpc), before)
    # What nobody reads is left alone.
    rpc.expect(DONE, "set_work_spec", {b"name": b"s", b"config": large})
    assert rpc.encoded("get_work_spec", b"s").endswith(large)
    assert rpc.get(worker=b"v", available_gb=large) is not None


def test_an_answer_that_would_take_all_memory(rpc: Rpc) -> None:
    rpc.add(b"s", b"large", data=bytes(10**6))
    again = [b"large"] * 100_000
    text = rpc.error("get_work_units", [b"s", {b"work_unit_keys": again}])
    assert "ask for less at once" in text
    assert len(rpc.units(b"s", work_unit_keys=again[:20])) == 20


def test_every_rpc_is_in_the_table(rpc: Rpc) -> None:
    names = {method.name: [one.name for one in method.parameters] for method in rpc.server.methods}
    assert names == {name: list(params) for name, params in CALLS.items()}


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("keys", [bytes, str])
def test_by_name(rpc: Rpc, method: str, keys: type) -> None:
    """In any order of the names, which may be bytes or text; CALLS is in that of position."""
    by_name = {
        name if keys is str else name.encode(): value
        for name, value in reversed(CALLS[method].items())
    }
    assert b"result" in rpc.request(method, by_name)


@pytest.mark.parametrize("method", CALLS)
def test_by_position(rpc: Rpc, method: str) -> None:
    assert b"result" in rpc.request(method, list(CALLS[method].values()))


@pytest.mark.parametrize("method", CALLS)
def test_a_wrong_number_of_parameters(rpc: Rpc, method: str) -> None:
    params = CALLS[method]
    before = everything(rpc)
    for wrong in ([*params.values(), None], list(params.values())[:-1]):
        if len(wrong) == len(params) or (method, wrong) == ("archive", []):
            continue
        text = rpc.error(method, wrong)
        for part in (method, *params):
            assert part in text
    assert_exact(everything(rpc), before)


@pytest.mark.parametrize("method", CALLS)
def test_a_wrong_name(rpc: Rpc, method: str) -> None:
    before = everything(rpc)
    text = rpc.error(method, {**CALLS[method], "wrong_name": 1})
    for part in (method, "wrong_name"):
        assert part in text
    assert_exact(everything(rpc), before)


@pytest.mark.parametrize(
    "method", ["nope", "_units", "archive_", "methods", "__init__", "snapshot", ""]
)
def test_no_such_method(rpc: Rpc, method: str) -> None:
    text = rpc.error(method, [])
    assert "no such method" in text
    assert method in text


@pytest.mark.parametrize("params", [5, b"abc", True, 1.5, None, ()])
def test_params_of_another_shape(rpc: Rpc, params: object) -> None:
    assert "now" in rpc.error("now", params)
