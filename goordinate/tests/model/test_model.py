"""The job server answers as the model does, and the comparison would find it if it did not.

Here 16 runs of 10 sequences, of 50 steps each or nearly, so some 7,800 steps, and about 40 answers
are compared after each. `scripts/check_model` goes on with others for as long as it is told to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from goordinate.coordinate import chaining, graph, lifecycle, new_units, scheduler
from goordinate.coordinate.states import AVAILABLE, FAILED, FINISHED
from goordinate.jobserver.locks import LockTree
from goordinate.memory import work_spec
from goordinate.memory.queues import UnitQueues
from goordinate.memory.work_spec import MemoryWorkSpec
from goordinate.memory.worker import MemoryWorker
from goordinate.tests.model.calls import CALLS
from goordinate.tests.model.comparison import SettableClock, job_server
from goordinate.tests.model.machine import Machine
from goordinate.tests.model.runs import SEQUENCES, draw, run

pytestmark = pytest.mark.once

RUNS, STEPS = 16, 50


@pytest.mark.parametrize("number", range(RUNS))
def test_the_job_server_answers_as_the_model(number: int) -> None:
    before = Machine.done["steps"]
    run(number, STEPS)
    # The first step of a sequence sets it up, and a sequence may end early.
    assert Machine.done["steps"] - before > 0.8 * SEQUENCES * STEPS


def test_the_model_has_every_rpc() -> None:
    assert {method.name for method in job_server(SettableClock()).methods} == set(CALLS)


Patch = pytest.MonkeyPatch


def stays_queued(patch: Patch) -> None:
    patch.setattr(UnitQueues, "pop_head", lambda self: next(self.by_priority([AVAILABLE], b"")))


def lasts(patch: Patch) -> None:
    due = MemoryWorkSpec.due
    patch.setattr(
        MemoryWorkSpec, "due", lambda self, key, now: None if key else due(self, key, now)
    )


def lives_on(patch: Patch) -> None:
    patch.setattr(MemoryWorker, "due", lambda self, key, now: None)


def chains_again(patch: Patch) -> None:
    patch.setitem(lifecycle.CHANGES, (FINISHED, FINISHED), lifecycle.FINISH)


def fails_after_all(patch: Patch) -> None:
    patch.setitem(lifecycle.CHANGES, (FINISHED, FAILED), lifecycle.FAIL)


def lowest_first(patch: Patch) -> None:
    for name in ("add", "remove"):
        patch.setattr(UnitQueues, name, with_priority_negated(getattr(UnitQueues, name)))


def with_priority_negated(change: Callable[..., None]) -> Callable[..., None]:
    return lambda self, key, state, priority: change(self, key, state, -priority)


def unlimited(patch: Patch) -> None:
    for name in ("offer", "hand_out"):
        patch.setattr(MemoryWorkSpec, name, without_max_running(getattr(MemoryWorkSpec, name)))


def without_max_running(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: MemoryWorkSpec, *args: Any) -> Any:
        control = self._control
        self._control = replace(control, max_running=None)
        try:
            return method(self, *args)
        finally:
            self._control = control

    return call


def prioritized_free(patch: Patch) -> None:
    change = MemoryWorkSpec.set_priorities

    def prioritize(self: MemoryWorkSpec, names: list[bytes], *args: Any, **options: Any) -> None:
        change(self, names, *args, **options)
        for unit in filter(None, self.get_work_units(names)):
            self.update_work_unit(unit.name, status=AVAILABLE)

    patch.setattr(MemoryWorkSpec, "set_priorities", prioritize)


def still_held(patch: Patch) -> None:
    add = MemoryWorkSpec.add_work_units
    patch.setattr(MemoryWorkSpec, "add_work_units", lambda self, units, restart: add(self, units))


def not_inherited(patch: Patch) -> None:
    read = chaining.chained_units
    patch.setattr(
        work_spec,
        "chained_units",
        lambda data: {
            key: unit._replace(priority=unit.priority or 0) for key, unit in read(data).items()
        },
    )


def not_counted(patch: Patch) -> None:
    archive = MemoryWorkSpec.archive

    def forget(self: MemoryWorkSpec, *limits: Any) -> None:
        archive(self, *limits)
        self._archived = {}

    patch.setattr(MemoryWorkSpec, "archive", forget)


def counted_late(patch: Patch) -> None:
    def count(self: MemoryWorkSpec) -> dict[int, int]:
        states = self.queues.counts
        counts = {state: states[state] + self._archived.get(state, 0) for state in states}
        return {state: number for state, number in counts.items() if number}

    patch.setattr(MemoryWorkSpec, "count_work_units", count)


def made_at_once(patch: Patch) -> None:
    make = MemoryWorkSpec._make_continuous

    def make_more(self: MemoryWorkSpec, *args: Any) -> bytes:
        key = make(self, *args)
        self._namespace.deadlines.discard((self, None), self._next_continuous)
        self._next_continuous = 0.0
        return key

    patch.setattr(MemoryWorkSpec, "_make_continuous", make_more)


def paths_reversed(patch: Patch) -> None:
    def classify(specs: Any) -> graph.Graph:
        found = graph.classify(specs)
        return replace(found, paths=[path[::-1] for path in found.paths])

    patch.setattr(scheduler, "classify", classify)


def alone_locked(patch: Patch) -> None:
    patch.setattr(LockTree, "is_free", lambda self, path: self.owner(path) is None)


def any_number(patch: Patch) -> None:
    patch.setattr(new_units, "is_number", lambda value: True)


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


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[fault](monkeypatch)
    with pytest.raises(AssertionError):
        draw_all()


def draw_all() -> None:
    """All runs, one after the other."""
    for number in range(RUNS):
        draw(number, STEPS)


def test_a_sequence_that_shows_a_fault_is_made_short(monkeypatch: pytest.MonkeyPatch) -> None:
    lasts(monkeypatch)
    with pytest.raises(AssertionError) as caught:
        run(0, STEPS)
    first, *actions, _ = str(caught.value).splitlines()
    assert first == "after"
    # A work spec is set, a unit is added and taken, or updated, and time passes.
    assert 3 <= len(actions) <= 4
