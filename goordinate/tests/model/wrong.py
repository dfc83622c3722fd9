"""Wrong calls: a right one with one thing in it replaced by what the RPC does not take.

Each is an error response, and changes nothing.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from goordinate.tests.model.calls import CALLS, some
from goordinate.tests.model.reading import key_of

NOT_A_NAME: list[Any] = [5, None, [b"a"], {}, 1.5, True]
NOT_NAMES: list[Any] = [5, b"a", {b"a": 1}, [5], [b"a", None], [[b"a"]]]
NOT_A_MAP: list[Any] = [5, b"a", [], (), True]
NOT_A_NUMBER: list[Any] = [b"x", [1], {}, True, float("nan"), float("inf"), -(10**400)]
NOT_SECONDS: list[Any] = [*NOT_A_NUMBER, -1, -0.25, b"-5"]
NOT_A_LIMIT: list[Any] = [*NOT_A_NUMBER, -1, b"-2"]
NOT_A_STATE: list[Any] = [b"1", 1.0, True, [1]]
NOT_HASHABLE: list[Any] = [[b"a"], {}]
NOT_PATHS: list[Any] = [5, b"a", [b"a"], [[]], [[5]], None]
NOT_UNITS: list[Any] = [
    5, b"k1", {b"k1": {}}, [b"k1"], [[]], [(b"k1",)], [(b"k1", {}, {}, 1, 2)], [(5, {})],
    [("k1", {}), (b"k2", {}, 5)], [(b"k1", {}, {b"priority": b"high"})], [(b"k1", {}, {}, b"x")],
    [(b"k1", {}, {b"delay": -1})], [("k1", {}), (b"k2", {}, {"delay": float("nan")})],
]  # fmt: skip

#: (RPC, number of the parameter, key in it if it is a map) -> values that it does not take.
WRONG: dict[tuple[str, int, str | None], list[Any]] = {
    ("set_work_spec", 0, None): [*NOT_A_MAP, {}, {b"weight": 1}],
    ("set_work_spec", 0, "name"): [*NOT_A_NAME, b"", ""],
    ("set_work_spec", 0, "interval"): NOT_SECONDS,
    ("set_work_spec", 0, "weight"): NOT_A_NUMBER,
    ("set_work_spec", 0, "max_running"): NOT_A_LIMIT,
    ("set_work_spec", 0, "max_getwork"): NOT_A_LIMIT,
    ("set_work_spec", 0, "max_retries"): NOT_A_LIMIT,
    ("set_work_spec", 0, "priority"): NOT_A_NUMBER,
    ("set_work_spec", 0, "then"): [5, [b"a"], True],
    ("set_work_spec", 0, "runtime"): [5, [b"a"], True],
    ("get_work_spec", 0, None): NOT_A_NAME,
    ("get_work_spec_meta", 0, None): NOT_A_NAME,
    ("control_work_spec", 0, None): NOT_A_NAME,
    ("control_work_spec", 1, None): NOT_A_MAP,
    ("control_work_spec", 1, "status"): [*NOT_A_STATE, 0, 3, None],
    ("control_work_spec", 1, "interval"): NOT_SECONDS,
    ("control_work_spec", 1, "max_running"): NOT_A_LIMIT,
    ("control_work_spec", 1, "weight"): [*NOT_A_NUMBER, None],
    ("list_work_specs", 0, None): NOT_A_MAP,
    ("list_work_specs", 0, "limit"): NOT_A_NUMBER,
    ("list_work_specs", 0, "start"): [5, [b"a"]],
    ("del_work_spec", 0, None): NOT_A_NAME,
    ("add_work_units", 0, None): NOT_A_NAME,
    ("add_work_units", 1, None): NOT_UNITS,
    ("count_work_units", 0, None): NOT_A_NAME,
    ("get_work_units", 0, None): NOT_A_NAME,
    ("get_work_units", 1, None): NOT_A_MAP,
    ("get_work_units", 1, "work_unit_keys"): NOT_NAMES,
    ("get_work_units", 1, "state"): [b"1", 1.5, [b"1"], {}, [None]],
    ("get_work_units", 1, "start"): NOT_HASHABLE,
    ("get_work_units", 1, "limit"): NOT_A_NUMBER,
    ("get_work_unit_status", 1, None): NOT_NAMES,
    ("prioritize_work_units", 1, None): NOT_A_MAP,
    ("prioritize_work_units", 1, "work_unit_keys"): NOT_NAMES,
    ("prioritize_work_units", 1, "priority"): NOT_A_NUMBER,
    ("prioritize_work_units", 1, "adjustment"): NOT_A_NUMBER,
    ("update_work_unit", 0, None): NOT_A_NAME,
    ("update_work_unit", 1, None): NOT_A_NAME,
    ("update_work_unit", 2, None): NOT_A_MAP,
    ("update_work_unit", 2, "status"): [*NOT_A_STATE, 0, 2, 6],
    ("update_work_unit", 2, "lease_time"): NOT_A_NUMBER,
    ("update_work_unit", 2, "delay"): NOT_SECONDS,
    ("update_work_unit", 2, "holder"): [5, [b"w"]],
    ("update_work_unit", 2, "worker_id"): [5, [b"w"]],
    ("del_work_units", 0, None): NOT_A_NAME,
    ("del_work_units", 1, None): NOT_A_MAP,
    ("del_work_units", 1, "work_unit_keys"): NOT_NAMES,
    ("del_work_units", 1, "state"): NOT_A_STATE,
    ("archive", 0, "work_spec_names"): NOT_NAMES,
    ("get_work", 0, None): NOT_A_NAME,
    ("get_work", 1, None): NOT_A_MAP,
    ("get_work", 1, "max_jobs"): NOT_A_NUMBER,
    ("get_work", 1, "lease_time"): NOT_A_NUMBER,
    ("get_work", 1, "work_spec_names"): NOT_NAMES,
    ("get_work", 1, "runtimes"): NOT_NAMES,
    ("worker_heartbeat", 0, None): NOT_A_NAME,
    ("worker_heartbeat", 1, None): NOT_HASHABLE,
    ("worker_heartbeat", 2, None): NOT_A_NUMBER,
    ("worker_heartbeat", 4, None): [5, [b"p"]],
    ("worker_unregister", 0, None): NOT_A_NAME,
    ("get_worker_info", 0, None): NOT_A_NAME,
    ("get_child_work_units", 0, None): NOT_A_NAME,
    ("lock", 0, None): NOT_A_NAME,
    ("lock", 1, None): NOT_SECONDS,
    ("lock", 2, None): NOT_PATHS,
    ("locksome", 1, None): NOT_SECONDS,
    ("renew", 1, None): NOT_SECONDS,
    ("renew", 2, None): NOT_PATHS,
    ("unlock", 1, None): NOT_PATHS,
    ("readlock", 0, None): NOT_PATHS,
    ("delete_namespace", 0, None): NOT_A_NAME,
}


@st.composite
def wrong_calls(draw: DrawFn) -> tuple[str, list[Any]]:
    """A wrong call."""
    method, number, key = place = draw(some(list(WRONG)))
    params = draw(CALLS[method])
    value = draw(some(WRONG[place]))
    if key is not None:
        others = {
            name: kept for name, kept in params[number].items() if key_of(name) != key_of(key)
        }
        value = {**others, key: value}
    params[number] = value
    return method, params


@st.composite
def misfits(draw: DrawFn) -> tuple[str, Any]:
    """A call with a parameter too many, too few, or of a name that it does not have."""
    method = draw(some(sorted(CALLS)))
    params = draw(CALLS[method])
    ways: list[Any] = [[*params, 5], {b"no such parameter": 5}, 5]
    if params and method != "archive":  # which takes its options or none
        ways.append(params[:-1])
    return method, draw(some(ways))
