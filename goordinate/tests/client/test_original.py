"""The client beside the original's, both in their own Python, on one daemon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goordinate.client import TaskMaster, WorkUnit, as_bytes, as_text
from goordinate.client.forms import Form, converted, form_of
from goordinate.client.running import work
from goordinate.testing import server
from goordinate.tests.client.python2 import Python2
from goordinate.tests.client.test_strings import python2_dumps, python2_values
from goordinate.tests.exact import difference

pytestmark = pytest.mark.original


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a daemon."""
    with server() as address:
        yield address


@pytest.fixture(scope="module")
def python2(address: str) -> Iterator[Python2]:
    """The original's client."""
    with Python2(address) as python2:
        yield python2


@pytest.fixture
def master(address: str) -> Iterator[TaskMaster]:
    """Our client, on an empty queue."""
    with TaskMaster(address) as master:
        empty(master)
        yield master


def empty(master: TaskMaster) -> None:
    master.clear()
    for worker in master.workers():
        master.worker_unregister(worker)


# (kind, name, arguments, options). The kinds are those of `Python2.call`. Byte strings are what a
# Python 2 program has; in Python 3 they are str.
Step = tuple[str, str, tuple[Any, ...], dict[str, Any]]

SPEC = {b"name": b"s", b"min_gb": 1, b"module": b"os.path", b"run_function": b"basename"}
DATA = {b"a": {b"x": 1}, b"b": {b"t": (1, [b"y"])}, b"c": {}}


def step(name: str, *args: Any, **kwargs: Any) -> Step:
    kind, _, name = name.rpartition(".")
    return kind or "master", name, args, kwargs


BEGIN = (step("update_bundle", SPEC, DATA),)
GOT = (*BEGIN, step("get_work", b"w"))

#: Each row of calls begins on an empty queue.
ROWS: dict[str, tuple[Step, ...]] = {
    "validate": (
        step("validate_work_spec", SPEC),
        step("validate_work_spec", {b"min_gb": 1}),
        step("validate_work_spec", {b"name": b"s", b"min_gb": b"1"}),
    ),
    "specs": (
        step("set_work_spec", SPEC),
        step("set_work_spec", {b"name": b"t", b"min_gb": 0.5}),
        step("get_work_spec", b"s"),
        step("get_work_spec", b"nosuch"),
        step("list_work_specs"),
        step("list_work_specs", 1),
        step("list_work_specs", limit=1, start=b"t"),
        step("iter_work_specs"),
        step("iter_work_specs", start=b"t"),
        step("iter_work_specs", limit=2),
        step("del_work_spec", b"s"),
        step("del_work_spec", b"s"),
        step("clear"),
        step("clear"),
    ),
    "pause": (
        *BEGIN,
        step("pause_work_spec", b"s"),
        step("get_work", b"w"),
        step("pause_work_spec", b"s", paused=False),
        step("get_work", b"w"),
        step("pause_work_spec", b"nosuch"),
    ),
    "units": (
        *BEGIN,
        step("add_work_units", b"s", {b"d": {b"k": b"v"}}),
        step("add_work_units", b"s", [(b"e", {b"k": 1}), [b"f", {}, {b"priority": 2}]]),
        step("add_work_units", b"s", [(b"g", {}, None, 3)]),
        step("add_work_units", b"nosuch", {b"d": {}}),
        step("add_work_units", b"s", [(5, {})]),
        step("count_work_units", b"s"),
        step("count_work_units", b"nosuch"),
        step("status", b"s"),
        step("status", b"nosuch"),
        step("get_work_units", b"s"),
        step("get_work_units", b"s", [b"e", b"nosuch"]),
        step("get_work_units", b"s", limit=2, start=b"b"),
        step("get_work_units", b"s", state=1, limit=2),
        step("get_work_units", b"s", state=(3, 4)),
        step("get_work_units", b"nosuch"),
        step("list_work_units", b"s"),
        step("list_work_units", b"s", start=2, limit=2),
        step("list_work_units", b"nosuch"),
        step("list_finished_work_units", b"s"),
        step("update_bundle", SPEC, {b"h": {}}, nice=3),
    ),
    "status of units": (
        *GOT,
        step("get_work_unit_status", b"s", b"a"),
        step("get_work_unit_status", b"s", [b"a", b"b", b"nosuch"]),
        step("get_work_unit_status", b"s", b"nosuch"),
        step("get_work_unit_status", b"nosuch", [b"a"]),
        step("get_work_unit_status", b"nosuch", b"a"),
    ),
    "priorities": (
        *BEGIN,
        step("prioritize_work_units", b"s", [b"c"]),
        step("prioritize_work_units", b"s", [b"b"], priority=9),
        step("prioritize_work_units", b"s", [b"a"], adjustment=3),
        step("prioritize_work_units", b"nosuch", [b"a"]),
        step("get_work", b"w", max_jobs=5),
    ),
    "updates": (
        *BEGIN,
        step("update_work_unit", b"s", b"a", lease_time=10),
        step("update_work_unit", b"s", b"a", status=4, data={b"k": b"v"}),
        step("update_work_unit", b"s", b"a"),
        step("update_work_unit", b"s", b"nosuch", status=4),
        step("update_work_unit", b"nosuch", b"a", status=4),
        step("update_work_unit", b"s", b"b", status=77),
        step("update_work_unit", b"s", b"b", lease_time=100_000),
        step("retry", b"s", b"a"),
        step("retry", b"s", b"a", b"nosuch"),
        step("retry", b"nosuch", b"a"),
        step("count_work_units", b"s"),
        step("get_work_units", b"s"),
    ),
    "deletions": (
        *GOT,
        step("del_work_units", b"s"),
        step("del_work_units", b"s", work_unit_keys=[b"a", b"b"], state=3),
        step("del_work_units", b"s", [b"b"]),
        step("del_work_units", b"s", all=1),
        step("del_work_units", b"s", state=4),
        step("del_work_units", b"s", all=True),
        step("del_work_units", b"nosuch", all=True),
    ),
    "work": (
        step("get_work", b"w"),
        step("get_work", b"w", max_jobs=2),
        *BEGIN,
        step("get_work", b"w", available_gb=b"1"),
        step("get_work", b"w", max_jobs=b"1"),
        step("get_work", b"w", lease_time=100_000),
        step("get_work", b"w", work_spec_names=[b"nosuch"]),
        step("get_work", b"w", 1, 30, [b"s"]),
        step("get_work", b"w", max_jobs=None),
        step("get_work", b"w", max_jobs=2),
    ),
    "modes": (step("get_mode"), step("set_mode", b"IDLE"), step("get_mode")),
    "workers": (
        *BEGIN,
        step("worker_register", b"p", b"RUN", 100, {b"pid": 1}),
        step("worker_register", b"w", parent=b"p"),
        step("worker_heartbeat", b"w", b"IDLE", 100, {b"pid": 2, b"l": [b"x"]}, b"p"),
        step("workers"),
        step("mode_counts"),
        step("get_heartbeat", b"w"),
        step("get_heartbeat", b"nosuch"),
        step("get_child_work_units", b"p"),
        step("get_work", b"w"),
        step("get_child_work_units", b"p"),
        step("worker_unregister", b"w"),
        step("worker_unregister", b"nosuch"),
        step("workers"),
    ),
    "flow": (
        step(
            "add_flow",
            {
                b"first": {b"min_gb": 1, b"then": b"g.second", b"config": {b"a": {b"b": None}}},
                b"g": {b"second": {b"min_gb": 1}},
            },
            {b"a": {b"b": 1, b"c": 2}, b"d": 3},
        ),
        step("list_work_specs"),
        step("add_flow", {b"x": {b"min_gb": 1, b"then": b"nosuch"}}, {}),
        step("add_flow", {b"x": b"y"}, {}),
        step("list_work_specs"),
    ),
    "other calls": (
        step("_rpc", b"worker_stats", []),
        step("_rpc", b"nosuch", []),
        step("get_server_config"),
        step("close"),
        step("clear"),
    ),
    "a unit": (
        *GOT,
        step("unit.__getattribute__", b"spec"),
        step("unit.update"),
        step("unit.update", 30),
        step("get_work_unit_status", b"s", b"a"),
        step("unit.finish"),
        step("unit.finish"),
        step("unit.fail"),
        step("get_work_unit_status", b"s", b"a"),
        step("get_work_units", b"s", [b"a"]),
        step("get_work", b"w"),
        step("unit.update", 100_000),
        step("unit.fail"),
        step("get_work_unit_status", b"s", b"b"),
        step("get_work", b"w"),
        step("del_work_units", b"s", all=True),
        step("unit.update"),
        step("unit.finish"),
        step("unit.fail"),
    ),
    "a unit that another has": (
        *GOT,
        step("retry", b"s", b"a"),
        step("get_work", b"another", max_jobs=None),
        step("update_work_unit", b"s", b"a", status=4),
    ),
}

#: Where ours answers otherwise, and what: docs/client.md.
DIFFERENCES: dict[tuple[str, int], Any] = {
    ("pause", 1): True,
    ("pause", 3): True,
    ("pause", 5): False,
    ("units", 5): {"raised": "RemoteError"},
    ("units", 9): {"raised": "NoSuchWorkSpecError"},
    ("units", 17): {"c": {}, "d": {"k": "v"}},
    ("units", 18): {"raised": "NoSuchWorkSpecError"},
    ("status of units", 6): {"raised": "NoSuchWorkSpecError"},
    ("updates", 6): {"raised": "RemoteError"},
    ("updates", 7): {"raised": "ValueError"},
    ("work", 5): {"raised": "ValueError"},
    ("other calls", 1): {"raised": "RemoteError"},
    ("a unit", 12): True,
}


def ours(master: TaskMaster, kept: list[Any], step: Step) -> Any:
    """What our client answers, in the form of `Python2.call`, with str for bytes."""
    kind, name, args, kwargs = converted(list(step), as_text)

    def told(value: Any) -> Any:
        if isinstance(value, WorkUnit):
            kept[0] = value
            told_of = (value.work_spec_name, value.key, value.data, value.worker_id)
            return {"unit": (*told_of, value.expires, value.default_lease_time)}
        if isinstance(value, list | tuple):
            return type(value)(told(item) for item in value)
        if isinstance(value, dict):
            return {key: told(item) for key, item in value.items()}
        return value

    try:
        result = getattr(master if kind == "master" else kept[0], name)(*args, **kwargs)
        return told(list(result) if isinstance(result, Iterator) else result)
    except Exception as error:
        return {"raised": type(error).__name__}


@pytest.mark.filterwarnings("ignore:set_mode")
@pytest.mark.parametrize("row", ROWS)
def test_both_clients_get_the_same_answers(row: str, master: TaskMaster, python2: Python2) -> None:
    theirs = [
        converted(python2.call(kind, name, *args, **kwargs), as_text)
        for kind, name, args, kwargs in ROWS[row]
    ]
    empty(master)
    kept: list[Any] = [None]
    for place, (step, expected) in enumerate(zip(ROWS[row], theirs, strict=True)):
        actual = ours(master, kept, step)
        if (row, place) in DIFFERENCES:
            assert difference(actual, expected), f"no longer a difference: {row}, {place}"
            expected = DIFFERENCES[row, place]
        fault = difference(actual, expected, tolerance=10.0)
        assert not fault, f"{row}, {place}, {step}{fault}"


@settings(max_examples=40)
@given(st.lists(python2_values, max_size=30))
def test_the_originals_library_writes_as_the_tests_of_strings_say(values: list[Any]) -> None:
    written = LIBRARY[0].call("dump", "", *values)
    for value, item in zip(values, written, strict=True):
        assert in_order(form_of(item)) == in_order(form_of(python2_dumps(value)))


#: The process for the test above: Hypothesis does not take fixtures of a function.
LIBRARY: list[Python2] = []


@pytest.fixture(autouse=True, scope="module")
def library(python2: Python2) -> Iterator[None]:
    """Keep the process in LIBRARY."""
    LIBRARY.append(python2)
    yield
    LIBRARY.clear()


def in_order(form: Form) -> Any:
    """The bytes of a form, with the pairs of its maps sorted: Python 2 has no order of keys."""
    if form.pairs is not None:
        return sorted((raw, repr(in_order(item))) for _, raw, item in form.pairs)
    if form.items is not None:
        return form.is_tuple, [in_order(item) for item in form.items]
    return form.raw


MIXED = r"""{'a': 'caf\xc3\xa9', u'b': u'\xe9', 'l': ['x', u'y', ('t', 1)], 'bin': '\xff\x00'}"""


def add_a_key(unit: WorkUnit) -> None:
    assert unit.data["a"] == "café"
    assert as_bytes(unit.data["bin"]) == b"\xff\x00"
    assert unit.key_bytes == b"\x82\x01\xff"
    unit.data["new"] = "é"


def test_python2_gets_back_what_python3_did_not_change(
    master: TaskMaster, python2: Python2
) -> None:
    spec = {
        b"name": b"s",
        b"min_gb": 1,
        b"module": __name__.encode(),
        b"run_function": b"add_a_key",
    }
    python2.call("master", "set_work_spec", spec)
    python2.call("exec", rf"master.add_work_units('s', {{'\x82\x01\xff': {MIXED}}})")
    unit = master.get_work("w")
    assert unit is not None
    assert work(unit) is True
    python2.call("exec", r"global units; units = master.get_work_units('s')")
    same = rf"""[
        (key, dict((k, v) for k, v in data.items() if k != 'new') == {MIXED},
         [type(v).__name__ for k, v in sorted(data.items())],
         [type(v).__name__ for v in data['l']], type(data['l'][2][0]).__name__,
         data['new'])
        for key, data in master.get_work_units('s')]"""
    assert python2.call("eval", same) == [
        (
            b"\x82\x01\xff", True,
            [b"str", b"unicode", b"str", b"list", b"str"],
            [b"str", b"unicode", b"tuple"], b"str",
            "é".encode(),
        )
    ]  # fmt: skip


def test_bytes_of_python3_come_back(master: TaskMaster) -> None:
    data = {"digest": bytes(range(256))}
    master.update_bundle({"name": "s"}, {"k": data})
    assert master.get_work_units("s") == [("k", data)]
