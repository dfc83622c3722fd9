"""The job server answers as the model does, and the comparison would find it if it did not.

Here 16 runs of 10 sequences, of 50 steps each or nearly, so some 7,800 steps, and about 40 answers
are compared after each. `scripts/check_model` goes on with others for as long as it is told to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from goordinate.coordinate import control, graph, lifecycle, new_units, scheduler
from goordinate.coordinate.journal import WorkerRecord
from goordinate.coordinate.locks import LockTree
from goordinate.coordinate.records import STATUS
from goordinate.coordinate.states import AVAILABLE, FAILED, FINISHED, PENDING
from goordinate.memory import content, ends, store
from goordinate.memory.namespace import MemoryNamespace
from goordinate.memory.queues import UnitQueues
from goordinate.memory.units import Units
from goordinate.tests.backends import BACKENDS
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.jobserver.rpc import job_server
from goordinate.tests.model.calls import CALLS
from goordinate.tests.model.machine import Machine
from goordinate.tests.model.runs import SEQUENCES, run

pytestmark = pytest.mark.once

RUNS, STEPS, FEW_STEPS = 16, 50, 20


@pytest.mark.parametrize("number", range(RUNS))
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_job_server_answers_as_the_model(backend: str, number: int) -> None:
    before = Machine.done["steps"]
    run(backend, number, STEPS)
    # A sequence may leave out some, and end early.
    assert Machine.done["steps"] - before > 0.6 * SEQUENCES * STEPS


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("number", range(RUNS // 4))
def test_it_does_when_leases_end_together(
    monkeypatch: pytest.MonkeyPatch, number: int, steps: int
) -> None:
    end_together(monkeypatch, steps)
    run("memory", number, STEPS)


def end_together(patch: pytest.MonkeyPatch, steps: int) -> None:
    """Two leases in a second are many; what is left for later is done in so many steps a call."""
    patch.setattr(ends, "MANY", 1)
    patch.setattr(ends, "FEW", 0)
    patch.setattr(store, "CHORES_AT_ONCE", steps)
    patch.setattr(store, "NOTED_AT_ONCE", 1)


def test_the_model_has_every_rpc() -> None:
    clock = Clock()
    with BACKENDS["memory"](clock) as backend:
        methods = job_server(backend, clock).methods
    assert {method.name for method in methods} == set(CALLS)


Patch = pytest.MonkeyPatch


def stays_queued(patch: Patch) -> None:
    patch.setattr(UnitQueues, "pop_head", lambda self: None)


def lasts(patch: Patch) -> None:
    lapsed = lifecycle.lapsed
    patch.setattr(
        lifecycle,
        "lapsed",
        lambda record: record if record[STATUS] == PENDING else lapsed(record),
    )


def lives_on(patch: Patch) -> None:
    patch.setattr(WorkerRecord, "inactive", lambda self: self)


def chains_again(patch: Patch) -> None:
    patch.setitem(lifecycle.UPDATES, (FINISHED, FINISHED), lifecycle.FINISH)


def fails_after_all(patch: Patch) -> None:
    patch.setitem(lifecycle.UPDATES, (FINISHED, FAILED), lifecycle.FAIL)


def lowest_first(patch: Patch) -> None:
    for name in ("add", "remove"):
        patch.setattr(UnitQueues, name, with_priority_negated(getattr(UnitQueues, name)))


def with_priority_negated(change: Callable[..., None]) -> Callable[..., None]:
    return lambda self, key, state, priority: change(self, key, state, -priority)


def unlimited(patch: Patch) -> None:
    for name in ("offer", "how_many"):
        patch.setattr(control, name, without_max_running(getattr(control, name)))


def without_max_running(rule: Callable[..., Any]) -> Callable[..., Any]:
    return lambda values, *args: rule(replace(values, max_running=None), *args)


def prioritized_free(patch: Patch) -> None:
    change = MemoryNamespace.set_priorities

    def prioritize(self: Any, work_spec: Any, names: list[bytes], *args: Any, **kw: Any) -> None:
        change(self, work_spec, names, *args, **kw)
        for unit in filter(None, self.get_work_units(work_spec, names)):
            self.update_work_unit(work_spec, unit.name, status=AVAILABLE)

    patch.setattr(MemoryNamespace, "set_priorities", prioritize)


def still_held(patch: Patch) -> None:
    add = MemoryNamespace.add_work_units
    patch.setattr(
        MemoryNamespace, "add_work_units", lambda self, spec, units, restart: add(self, spec, units)
    )


def not_inherited(patch: Patch) -> None:
    patch.setattr(content, "inheriting", lambda units, priority: units)


def not_counted(patch: Patch) -> None:
    archive = MemoryNamespace.archive

    def forget(self: Any, *limits: Any) -> None:
        archive(self, *limits)
        for spec in self._specs.values():
            spec.record = replace(spec.record, archived=())

    patch.setattr(MemoryNamespace, "archive", forget)


def counted_late(patch: Patch) -> None:
    patch.setattr(MemoryNamespace, "count_work_units", lambda self, name: self._spec(name).counts())


def made_at_once(patch: Patch) -> None:
    patch.setattr(control, "next_made_up", lambda record: None)


def paths_reversed(patch: Patch) -> None:
    def classify(specs: Any) -> graph.Graph:
        found = graph.classify(specs)
        return replace(found, paths=[path[::-1] for path in found.paths])

    patch.setattr(scheduler, "classify", classify)


def alone_locked(patch: Patch) -> None:
    patch.setattr(LockTree, "is_free", lambda self, path: self.get(path) is None)


def any_number(patch: Patch) -> None:
    patch.setattr(new_units, "is_number", lambda value: True)


def not_seen_as_lapsed(patch: Patch) -> None:
    patch.setattr(Units, "_is_on_lapsed", lambda self, key, record: False)


def found_after_deletion(patch: Patch) -> None:
    patch.setattr(Units, "_deleted_with", lambda self, key, record: None)


def not_next(patch: Patch) -> None:
    patch.setattr(UnitQueues, "_head", lambda self: self.main[AVAILABLE].head())


#: Faults of the server.
FAULTS: dict[str, Callable[[Patch], None]] = {
    "a unit that is handed out stays in the queue": stays_queued,
    "a lease does not end": lasts,
    "a worker not heard from lives on": lives_on,
    "a unit that is finished again chains again": chains_again,
    "a late failure undoes a success": fails_after_all,
    "the lowest priority goes first": lowest_first,
    "max_running is ignored": unlimited,
    "a unit whose priority is set is available": prioritized_free,
    "a unit that is added again stays with its worker": still_held,
    "chained units do not inherit the priority": not_inherited,
    "archived units are not counted": not_counted,
    "a lease that is over is counted until somebody else looks": counted_late,
    "a continuous spec has no interval": made_at_once,
    "paths are walked from their end": paths_reversed,
    "a lock excludes no other path": alone_locked,
    "a priority may be anything": any_number,
}


#: Faults that are only seen as long as something is left for later.
LATE_FAULTS: dict[str, Callable[[Patch], None]] = {
    "a unit is pending until it is noted that it is not": not_seen_as_lapsed,
    "deleted units are found until they are dropped": found_after_deletion,
    "a lapsed unit is not the next to run": not_next,
}


@pytest.mark.parametrize("fault", LATE_FAULTS)
def test_a_fault_is_found_when_leases_end_together(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_together(monkeypatch, 0)
    LATE_FAULTS[fault](monkeypatch)
    with pytest.raises(AssertionError):
        run_all()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[fault](monkeypatch)
    with pytest.raises(AssertionError):
        run_all()


def run_all() -> None:
    """All runs, one after the other."""
    for number in range(RUNS):
        run("memory", number, STEPS, shrink=False)


def test_a_sequence_that_shows_a_fault_is_made_short(monkeypatch: pytest.MonkeyPatch) -> None:
    lasts(monkeypatch)
    with pytest.raises(AssertionError) as caught:
        run("memory", 0, FEW_STEPS)
    first, *actions, _ = str(caught.value).splitlines()
    assert first == "after"
    # Up to six work specs are set, a unit is added and taken, or updated, and time passes.
    actions = [action for action in actions if "set_work_spec" not in action]
    assert 2 <= len(actions) <= 4
