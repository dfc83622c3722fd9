"""Faults of the program itself: an error response, and nothing is half done."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from goordinate.memory import namespace, work_spec
from goordinate.tests.exact import assert_exact
from goordinate.tests.jobserver.rpc import DONE, Rpc

MANY = [(b"new", {}), (b"more", {}, {b"priority": 2}), (b"a", {}), (b"late", {}, {b"delay": 5})]
FINISH = {b"status": 4, b"data": {b"output": [b"o", b"p"]}}
THREE = {b"work_unit_keys": [b"a", b"b", b"held"], b"priority": 5}

# In memory, where the test knows what to break.
pytestmark = pytest.mark.parametrize("backend", ["memory"], indirect=True)

# (where, what fails there, the call that comes upon it).
FAULTS: list[tuple[Any, str, str, list[Any]]] = [
    (work_spec, "chained_units", "update_work_unit", [b"s", b"held", FINISH]),
    (work_spec, "updated", "update_work_unit", [b"s", b"held", FINISH]),
    (work_spec, "added_again", "add_work_units", [b"s", MANY]),
    (work_spec, "is_number", "prioritize_work_units", [b"s", THREE]),
    (work_spec, "change_control", "control_work_spec", [b"s", {b"weight": 7}]),
    (namespace, "read_dictionary", "set_work_spec", [{b"name": b"s", b"weight": 7}]),
    (namespace, "read_dictionary", "set_work_spec", [{b"name": b"new"}]),
    (
        namespace.MemoryNamespace, "known_worker",
        "worker_heartbeat", [b"x", b"RUN", 60, {}, b"other parent"],
    ),
    (namespace.MemoryNamespace, "name_of_worker", "get_work", [b"v", {}]),
    (namespace.MemoryNamespace, "moment", "clear", []),
]  # fmt: skip


@pytest.fixture(autouse=True)
def state(rpc: Rpc) -> None:
    """A chain of two specs; a unit that a worker holds, and two that wait."""
    rpc.define(b"s", then=b"t", weight=5)
    rpc.define(b"t")
    for worker in (b"w", b"v"):
        rpc.expect(DONE, "worker_heartbeat", worker, b"RUN", 60, {}, b"p")
    rpc.add(b"s", b"held")
    assert rpc.taken(worker=b"w") == b"held"
    rpc.add(b"s", b"a")
    rpc.add(b"s", b"b", priority=-1)


def everything(rpc: Rpc) -> list[Any]:
    """All there is to see."""
    keys = [b"held", b"a", b"b", b"new", b"more", b"late"]
    seen = [
        rpc.call("list_work_specs", {}),
        rpc.call("list_worker_modes"),
        rpc.call("get_child_work_units", b"p"),
    ]
    for spec in (b"s", b"t"):
        seen += [
            rpc.call("get_work_spec_meta", spec),
            rpc.call("count_work_units", spec),
            rpc.call("get_work_units", spec, {b"state": [1, 3, 4, 5]}),
            rpc.call("get_work_unit_status", spec, keys),
        ]
    return seen


@pytest.mark.parametrize(("place", "name", "method", "params"), FAULTS)
def test_a_fault_of_the_program_leaves_nothing_half_done(
    rpc: Rpc,
    place: Any,
    name: str,
    method: str,
    params: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise ZeroDivisionError("in what nobody has thought of")

    before = everything(rpc)
    with monkeypatch.context() as broken:
        broken.setattr(place, name, fail)
        # A short message, and the rest in the log only.
        assert rpc.error(method, params) == f"internal error in {method}: ZeroDivisionError"
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert_exact(everything(rpc), before)
    # And the next call does what it should.
    rpc.call(method, *params)
    assert everything(rpc) != before
