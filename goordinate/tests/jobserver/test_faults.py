"""Faults of the program itself: an error response, and nothing is half done.

Each function that decides something, or finds something for a decision, is broken in turn, and
an operation that needs it is called. Whatever is broken, all there is to see is as it was before.
"""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from goordinate.coordinate import chaining, control, lifecycle, locks
from goordinate.memory import content, namespace
from goordinate.memory.ended import EndedUnits
from goordinate.memory.queues import UnitQueues
from goordinate.memory.units import Units
from goordinate.memory.workers import Workers
from goordinate.tests.exact import assert_exact
from goordinate.tests.jobserver.rpc import DONE, Rpc

MANY = [(b"new", {}), (b"more", {}, {b"priority": 2}), (b"a", {}), (b"late", {}, {b"delay": 5})]
# There is a unit "o" in the next spec already.
FINISH = {b"status": 4, b"data": {b"output": [b"o", b"p"]}}
THREE = {b"work_unit_keys": [b"a", b"b", b"held"], b"priority": 5}
PICK = {b"max_jobs": 3, b"work_spec_names": [b"s"]}
NAMED = {b"status": 3, b"worker_id": b"v"}
PATHS = [[b"x", b"y"], [b"z"]]

#: (where, what fails there, the call that comes upon it, whether a lease is over by then).
FAULTS: list[tuple[Any, str, str, list[Any], bool]] = [
    # Finishing, with chaining into a unit that there is and one that there is not.
    (lifecycle, "updated", "update_work_unit", [b"s", b"held", FINISH], False),
    (lifecycle, "ended", "update_work_unit", [b"s", b"held", FINISH], False),
    (content, "chained_units", "update_work_unit", [b"s", b"held", FINISH], False),
    (content, "inheriting", "update_work_unit", [b"s", b"held", FINISH], False),
    (lifecycle, "added_again", "update_work_unit", [b"s", b"held", FINISH], False),
    (chaining, "read_name", "update_work_unit", [b"s", b"held", FINISH], False),
    # Other updates.
    (lifecycle, "released", "update_work_unit", [b"s", b"held", {b"status": 1}], False),
    (lifecycle, "leased", "update_work_unit", [b"s", b"a", {b"status": 3}], False),
    (Units, "find", "update_work_unit", [b"s", b"a", {b"status": 3}], False),
    (Workers, "name_of", "update_work_unit", [b"s", b"a", NAMED], False),
    # Adding.
    (lifecycle, "added_again", "add_work_units", [b"s", MANY], False),
    (lifecycle, "new", "add_work_units", [b"s", MANY], False),
    # Handing out, and giving up: "tired" has used up its leases.
    (lifecycle, "leased", "get_work", [b"v", PICK], False),
    (lifecycle, "given_up", "get_work", [b"v", PICK], False),
    (lifecycle, "with_traceback", "get_work", [b"v", PICK], False),
    (lifecycle, "ended", "get_work", [b"v", PICK], False),
    (control, "how_many", "get_work", [b"v", {}], False),
    (UnitQueues, "heads", "get_work", [b"v", {}], False),
    (Workers, "name_of", "get_work", [b"v", {}], False),
    (lifecycle, "made_up", "get_work", [b"v", {b"work_spec_names": [b"c"]}], False),
    (namespace, "replace", "get_work", [b"v", {b"work_spec_names": [b"c"]}], False),
    # Leases that are over.
    (lifecycle, "lapsed", "count_work_units", [b"s"], True),
    (lifecycle, "released", "count_work_units", [b"s"], True),
    (lifecycle, "remembered", "count_work_units", [b"s"], True),
    # Priorities, deletion, archive.
    (content, "is_number", "prioritize_work_units", [b"s", THREE], False),
    (lifecycle, "prioritized", "prioritize_work_units", [b"s", THREE], False),
    (Units, "find", "del_work_units", [b"s", {b"work_unit_keys": [b"a", b"held"]}], False),
    (content, "UnitsCleared", "del_work_units", [b"s", {b"state": 1}], False),
    (Units, "overdue", "archive", [{}], False),
    (EndedUnits, "doomed", "archive", [{}], False),
    # Work specs.
    (content, "change_control", "control_work_spec", [b"s", {b"weight": 7}], False),
    (content, "read_dictionary", "set_work_spec", [{b"name": b"s", b"weight": 7}], False),
    (content, "read_dictionary", "set_work_spec", [{b"name": b"new"}], False),
    (namespace.MemoryNamespace, "_catch_up", "clear", [], False),
    (namespace.MemoryNamespace, "_spec", "del_work_spec", [b"s"], False),
    # Workers and locks.
    (Workers, "name_of", "worker_heartbeat", [b"x", b"RUN", 60, {}, b"other parent"], False),
    (Workers, "find", "worker_unregister", [b"w"], False),
    (locks.LockTree, "is_free", "lock", [b"v", 10, PATHS], False),
    (locks.LockTree, "is_free", "locksome", [b"v", 10, PATHS], False),
    (locks, "_not_held", "renew", [b"w", 10, [[b"held"]]], False),
    (locks, "_not_held", "unlock", [b"w", [[b"held"]]], False),
    (locks.LockTree, "under", "delete_namespace", [b"held"], False),
]  # fmt: skip


@pytest.fixture(autouse=True)
def state(rpc: Rpc) -> None:
    """A chain of two specs with units in all states, a continuous one, workers, a lock."""
    rpc.define(b"s", then=b"t", weight=5, max_retries=1)
    rpc.define(b"t")
    rpc.define(b"c", continuous=True, interval=5)
    rpc.add(b"t", b"o")
    rpc.server.limit_completed_count = 0
    for worker in (b"w", b"v"):
        rpc.expect(DONE, "worker_heartbeat", worker, b"RUN", 60, {}, b"p")
    only = {b"work_spec_names": [b"s"]}
    for name in (b"done", b"failed"):
        rpc.add(b"s", name)
        rpc.call("get_work", b"w", only)
    rpc.call("update_work_unit", b"s", b"done", {b"status": 4})
    rpc.call("update_work_unit", b"s", b"failed", {b"status": 5})
    rpc.add(b"s", b"tired")
    rpc.call("get_work", b"w", {**only, b"lease_time": 1})
    rpc.clock.advance(1)
    rpc.call("control_work_spec", b"s", {b"status": 2})
    rpc.add(b"s", b"held", b"a")
    rpc.call("update_work_unit", b"s", b"held", {b"status": 3, b"lease_time": 9})
    rpc.call("update_work_unit", b"s", b"held", {b"status": 3, b"worker_id": b"w"})
    rpc.add(b"s", b"b", priority=-1)
    rpc.call("control_work_spec", b"s", {b"status": 1})
    rpc.expect(DONE, "lock", b"w", 100, [[b"held"]])


def everything(rpc: Rpc) -> list[Any]:
    """All there is to see."""
    keys = [b"held", b"a", b"b", b"new", b"more", b"late", b"done", b"failed", b"tired", b"o", b"p"]
    seen = [
        rpc.call("list_work_specs", {}),
        rpc.call("list_worker_modes"),
        rpc.call("get_child_work_units", b"p"),
        rpc.call("readlock", [[b"held"], *PATHS]),
    ]
    for spec in (b"s", b"t", b"c"):
        seen += [
            rpc.call("get_work_spec_meta", spec),
            rpc.call("count_work_units", spec),
            rpc.call("get_work_units", spec, {b"state": [1, 3, 4, 5]}),
            rpc.call("get_work_units", spec, {}),
            rpc.call("get_work_unit_status", spec, keys),
        ]
    return seen


@pytest.mark.parametrize(("place", "name", "method", "params", "lapses"), FAULTS)
def test_a_fault_of_the_program_leaves_nothing_half_done(
    rpc: Rpc,
    place: Any,
    name: str,
    method: str,
    params: list[Any],
    lapses: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise ZeroDivisionError("in what nobody has thought of")

    before = everything(rpc)
    if lapses:
        rpc.clock.advance(9)
    with monkeypatch.context() as broken:
        broken.setattr(place, name, fail)
        # A short message, and the rest in the log only.
        assert rpc.error(method, params) == f"internal error in {method}: ZeroDivisionError"
    assert [record.exc_info is not None for record in caplog.records] == [True]
    if lapses:
        # As if the time had not come yet: then it comes, and all that is due is done.
        rpc.clock.advance(-9)
        assert_exact(everything(rpc), before)
        rpc.clock.advance(9)
    else:
        assert_exact(everything(rpc), before)
    # And the next call does what it should.
    rpc.call(method, *params)
    # (Nobody is shown until when a lock is held.)
    assert method == "renew" or everything(rpc) != before
