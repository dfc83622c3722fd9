"""RPCs of work specs: set_work_spec, get_work_spec, get_work_spec_meta, control_work_spec."""

from __future__ import annotations

from typing import Any

import pytest

from goordinate.tests.jobserver.rpc import DONE, PAUSED, RUNNABLE, Rpc

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


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, meta()),
        ({b"disabled": True, b"nice": 5}, meta(status=PAUSED, weight=15)),
        ({b"weight": 2.9, b"max_running": b"4"}, meta(weight=2, max_running=4)),
        ({"weight": 9, "continuous": True, "interval": b"60"},
         meta(weight=9, continuous=True, interval=60.0)),
        ({b"interval": 60}, meta(interval=60)),
        # The rest is not shown.
        ({b"max_getwork": 2, b"max_retries": 3, b"runtime": b"go", b"priority": 5}, meta()),
        ({b"then": b"next", b"then_preempts": False, b"min_gb": 2, b"config": {}}, meta()),
    ],
    ids=repr,
)  # fmt: skip
def test_get_work_spec_meta(rpc: Rpc, keys: dict[Any, Any], expected: dict[bytes, Any]) -> None:
    rpc.expect(DONE, "set_work_spec", {b"name": b"s", **keys})
    rpc.expect((expected, None), "get_work_spec_meta", b"s")


@pytest.mark.parametrize("dictionary", [{}, {b"weight": 1}, {b"name": None}, {b"name": 5}])
def test_a_spec_needs_a_name(rpc: Rpc, dictionary: object) -> None:
    rpc.refuse("set_work_spec", dictionary, saying=("work_spec", "name"))
    rpc.expect(([], None), "list_work_specs", {})


def test_a_key_of_the_wrong_type_is_named(rpc: Rpc) -> None:
    new = {b"name": b"new", b"interval": b"soon"}
    rpc.refuse("set_work_spec", new, saying=("'new'", "interval", "expected"))
    rpc.expect(None, "get_work_spec", b"new")


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

    def test_continuous_off_and_on(self, rpc: Rpc) -> None:
        rpc.define(b"s", continuous=True)
        for switch in (False, True):
            rpc.expect(DONE, "control_work_spec", b"s", {b"continuous": switch})
            rpc.expect((meta(continuous=switch), None), "get_work_spec_meta", b"s")

    def test_a_spec_not_defined_continuous_cannot_become_so(self, rpc: Rpc) -> None:
        rpc.define(b"s")
        answer = rpc.call("control_work_spec", b"s", {b"weight": 5, b"continuous": True})
        assert answer == (False, b"work_spec 's' was not defined as continuous")
        rpc.expect((META, None), "get_work_spec_meta", b"s")

    @pytest.mark.parametrize("changes", [{b"status": 3}, {b"status": None}, {b"weight": None}])
    def test_a_value_that_does_not_fit_is_named(self, rpc: Rpc, changes: dict[bytes, Any]) -> None:
        rpc.define(b"s")
        (option,) = changes
        others = {b"max_running": 3, **changes}
        rpc.refuse("control_work_spec", b"s", others, saying=(option.decode(), "expected"))
        rpc.expect((META, None), "get_work_spec_meta", b"s")
