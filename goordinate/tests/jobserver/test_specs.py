"""RPCs of work specs: set_work_spec, get_work_spec, get_work_spec_meta, control_work_spec."""

from __future__ import annotations

from typing import Any

import pytest

from goordinate.tests.jobserver.rpc import DONE, NOTHING, PAUSED, RUNNABLE, Rpc

META: dict[bytes, Any] = {
    b"status": RUNNABLE,
    b"continuous": False,
    b"interval": None,
    b"max_running": None,
    b"weight": 20,
}


def meta(**changes: object) -> dict[bytes, Any]:
    """The control values of a spec that has these beside the defaults."""
    return META | {key.encode(): value for key, value in changes.items()}


# key of the dictionary -> what get_work_spec_meta answers
DICTIONARIES: list[tuple[dict[Any, Any], dict[bytes, Any]]] = [
    ({}, meta()),
    ({b"disabled": True}, meta(status=PAUSED)),
    ({b"disabled": False}, meta()),
    ({b"weight": 7}, meta(weight=7)),
    ({b"weight": b"7"}, meta(weight=7)),
    ({b"weight": 2.9}, meta(weight=2)),
    ({b"weight": 0}, meta(weight=1)),
    ({b"weight": -3}, meta(weight=1)),
    ({b"weight": None, b"nice": 4}, meta(weight=16)),
    ({b"nice": 5}, meta(weight=15)),
    ({b"nice": -80}, meta(weight=100)),
    ({b"nice": 19}, meta(weight=1)),
    ({b"nice": 25}, meta(weight=1)),
    ({b"nice": 5, b"weight": 3}, meta(weight=3)),
    ({b"continuous": True}, meta(continuous=True)),
    ({b"continuous": True, b"interval": 60}, meta(continuous=True, interval=60)),
    ({b"interval": 1.5}, meta(interval=1.5)),
    ({b"interval": b"60"}, meta(interval=60.0)),
    ({b"interval": "2.5"}, meta(interval=2.5)),
    ({b"interval": None}, meta()),
    ({b"max_running": 4}, meta(max_running=4)),
    ({b"max_running": b"4"}, meta(max_running=4)),
    ({b"max_running": None}, meta()),
    ({b"max_getwork": 2, b"max_retries": 3, b"runtime": b"go", b"priority": 5}, meta()),
    ({b"then": b"next", b"then_preempts": False}, meta()),
    ({b"min_gb": 2, b"module": b"m", b"run_function": b"f", b"config": {b"x": 1}}, meta()),
    ({"weight": 9, "disabled": True}, meta(weight=9, status=PAUSED)),
]


@pytest.mark.parametrize(("keys", "expected"), DICTIONARIES, ids=lambda value: repr(value)[:60])
def test_control_values_come_from_the_dictionary(
    rpc: Rpc, keys: dict[bytes, Any], expected: dict[bytes, Any]
) -> None:
    rpc.expect(DONE, "set_work_spec", {b"name": b"s", **keys})
    rpc.expect((expected, None), "get_work_spec_meta", b"s")


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({b"interval": b"soon"}, "interval"),
        ({b"interval": [1]}, "interval"),
        ({b"weight": b"heavy"}, "weight"),
        ({b"nice": None}, "nice"),
        ({b"max_running": b"few"}, "max_running"),
        ({b"max_running": {}}, "max_running"),
        ({b"max_getwork": b"x"}, "max_getwork"),
        ({b"max_retries": b"x"}, "max_retries"),
        ({b"priority": b"high"}, "priority"),
        ({b"then": 5}, "then"),
        ({b"runtime": 5}, "runtime"),
    ],
)
def test_a_key_of_the_wrong_type_is_refused_and_nothing_changes(
    rpc: Rpc, keys: dict[bytes, Any], named: str
) -> None:
    rpc.refuse("set_work_spec", {b"name": b"new", **keys}, saying=("new", named, "expected"))
    rpc.expect(None, "get_work_spec", b"new")
    old = {b"name": b"old", b"weight": 3, b"own": 1}
    rpc.expect(DONE, "set_work_spec", old)
    rpc.expect(DONE, "control_work_spec", b"old", {b"status": PAUSED})
    rpc.refuse("set_work_spec", {b"name": b"old", **keys}, saying=("old", named, "expected"))
    rpc.expect(old, "get_work_spec", b"old")
    rpc.expect((meta(weight=3, status=PAUSED), None), "get_work_spec_meta", b"old")


@pytest.mark.parametrize(
    "dictionary",
    [{}, {b"weight": 1}, {b"name": None}, {b"name": b""}, {b"name": ""}, {b"name": 5}, [], None],
)
def test_a_spec_needs_a_name(rpc: Rpc, dictionary: object) -> None:
    rpc.refuse("set_work_spec", dictionary)
    rpc.expect(([], None), "list_work_specs", {})


def test_setting_again_replaces_the_dictionary_and_keeps_the_units(rpc: Rpc) -> None:
    rpc.define(b"s", weight=5, own=b"first")
    rpc.add(b"s", b"a", b"b")
    rpc.get(work_spec_names=[b"s"])
    rpc.define(b"s", own=b"second")
    rpc.expect({b"name": b"s", b"own": b"second"}, "get_work_spec", b"s")
    rpc.expect((META, None), "get_work_spec_meta", b"s")
    rpc.expect(({1: 1, 3: 1}, None), "count_work_units", b"s")


def test_setting_again_derives_all_control_values_anew(rpc: Rpc) -> None:
    dictionary = {b"name": b"s", b"weight": 5, b"continuous": True, b"interval": 9}
    rpc.expect(DONE, "set_work_spec", dictionary)
    changes = {
        b"status": PAUSED, b"weight": 9, b"continuous": False, b"interval": 1, b"max_running": 1
    }  # fmt: skip
    rpc.expect(DONE, "control_work_spec", b"s", changes)
    rpc.expect(DONE, "set_work_spec", dictionary)
    rpc.expect((meta(weight=5, continuous=True, interval=9), None), "get_work_spec_meta", b"s")


def test_the_dictionary_is_given_back_as_it_came(rpc: Rpc) -> None:
    dictionary = {b"name": "s", "text": b"bytes", b"t": (1, [2.0, "x"]), b"n": None, b"big": 2**70}
    rpc.expect(DONE, "set_work_spec", dictionary)
    rpc.expect(dictionary, "get_work_spec", b"s")
    rpc.expect(([dictionary], None), "list_work_specs", {})


def test_an_unknown_spec(rpc: Rpc) -> None:
    rpc.define(b"known")
    missing = b"no such work_spec 'x'"
    rpc.expect(None, "get_work_spec", b"x")
    rpc.expect((None, missing), "get_work_spec_meta", b"x")
    rpc.expect((False, missing), "control_work_spec", b"x", {b"weight": 1})
    rpc.expect((False, missing), "del_work_spec", b"x")
    rpc.expect((False, missing), "add_work_units", b"x", [(b"k", {})])
    rpc.expect((False, missing), "count_work_units", b"x")
    rpc.expect((None, missing), "get_work_units", b"x", {})
    rpc.expect((None, missing), "get_work_units", b"x", {b"work_unit_keys": [b"k"]})
    rpc.expect((None, missing), "get_work_unit_status", b"x", [b"k"])
    rpc.expect((False, missing), "prioritize_work_units", b"x", {b"work_unit_keys": [b"k"]})
    rpc.expect((False, missing), "prioritize_work_units", b"x", {})
    rpc.expect((False, missing), "update_work_unit", b"x", b"k", {b"status": 4})
    rpc.expect((False, missing), "update_work_unit", b"x", b"k", {})
    rpc.expect((0, missing), "del_work_units", b"x", {b"all": True})
    rpc.expect((0, missing), "del_work_units", b"x", {})
    # In the message, text and bytes look the same, and odd bytes are escaped.
    rpc.expect((False, b"no such work_spec 'text'"), "count_work_units", "text")
    rpc.expect((False, b"no such work_spec '\\n'"), "count_work_units", b"\n")
    rpc.expect((False, "no such work_spec 'é'".encode()), "count_work_units", "é")


class TestControl:
    """control_work_spec."""

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({}, meta()),
            ({b"status": PAUSED}, meta(status=PAUSED)),
            ({b"status": RUNNABLE}, meta()),
            ({b"continuous": False}, meta()),
            ({b"interval": 5}, meta(interval=5)),
            ({b"interval": 0.5}, meta(interval=0.5)),
            ({b"interval": b"30"}, meta(interval=30.0)),
            ({b"max_running": 2}, meta(max_running=2)),
            ({b"max_running": 0}, meta(max_running=0)),
            ({b"weight": 3}, meta(weight=3)),
            ({b"weight": 0}, meta(weight=1)),
            ({"weight": 3, "status": PAUSED}, meta(weight=3, status=PAUSED)),
            ({b"max_getwork": 3, b"name": b"other", b"own": 1}, meta()),
        ],
        ids=repr,
    )
    def test_options(self, rpc: Rpc, changes: dict[Any, Any], expected: dict[bytes, Any]) -> None:
        rpc.define(b"s")
        rpc.expect(DONE, "control_work_spec", b"s", changes)
        rpc.expect((expected, None), "get_work_spec_meta", b"s")
        rpc.expect({b"name": b"s"}, "get_work_spec", b"s")

    def test_null_takes_a_limit_away(self, rpc: Rpc) -> None:
        rpc.define(b"s", interval=5, max_running=1)
        rpc.expect(DONE, "control_work_spec", b"s", {b"interval": None, b"max_running": None})
        rpc.expect((META, None), "get_work_spec_meta", b"s")

    def test_a_spec_defined_continuous_can_be_switched_off_and_on(self, rpc: Rpc) -> None:
        rpc.define(b"s", continuous=True)
        rpc.expect(DONE, "control_work_spec", b"s", {b"continuous": False})
        rpc.expect((META, None), "get_work_spec_meta", b"s")
        assert rpc.taken() is None
        rpc.expect(DONE, "control_work_spec", b"s", {b"continuous": True})
        rpc.expect((meta(continuous=True), None), "get_work_spec_meta", b"s")
        assert rpc.taken() is not None

    def test_a_spec_not_defined_continuous_cannot_become_so(self, rpc: Rpc) -> None:
        rpc.define(b"s")
        answer = rpc.call("control_work_spec", b"s", {b"weight": 5, b"continuous": True})
        assert answer == (False, b"work_spec 's' was not defined as continuous")
        rpc.expect((META, None), "get_work_spec_meta", b"s")

    @pytest.mark.parametrize(
        "changes",
        [
            {b"status": 3},
            {b"status": b"paused"},
            {b"status": None},
            {b"interval": b"soon"},
            {b"interval": [5]},
            {b"max_running": b"few"},
            {b"weight": b"heavy"},
            {b"weight": None},
            {b"weight": 2.5e400},
        ],
        ids=repr,
    )
    def test_a_bad_value_is_refused_and_nothing_changes(
        self, rpc: Rpc, changes: dict[bytes, Any]
    ) -> None:
        rpc.define(b"s", max_running=2)
        (option,) = changes
        others = {b"status": PAUSED, b"weight": 9, b"max_running": 3, **changes}
        rpc.refuse("control_work_spec", b"s", others, saying=(option.decode(), "expected"))
        rpc.expect((meta(max_running=2), None), "get_work_spec_meta", b"s")

    def test_a_paused_spec_gives_no_work_and_keeps_what_is_held(self, rpc: Rpc) -> None:
        rpc.define(b"s")
        rpc.add(b"s", b"a", b"b")
        assert rpc.taken() == b"a"
        rpc.expect(DONE, "control_work_spec", b"s", {b"status": PAUSED})
        rpc.expect(NOTHING, "get_work", b"w", {})
        rpc.update(b"s", b"a", status=4)
        rpc.expect(DONE, "control_work_spec", b"s", {b"status": RUNNABLE})
        assert rpc.taken() == b"b"
