"""What is true of the memory backend after every operation, whatever went before.

There is no model of the answers here: the tests look into the backend and check that all parts
of it tell the same story.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from goordinate.coordinate import lifecycle
from goordinate.coordinate.control import next_made_up
from goordinate.coordinate.handles import Worker as Handle
from goordinate.coordinate.lifecycle import ATTEMPTS_KEPT
from goordinate.coordinate.names import identity
from goordinate.coordinate.records import Record, compact, expand
from goordinate.coordinate.states import (
    AVAILABLE,
    DELAYED,
    EXPIRED,
    FAILED,
    FINISHED,
    PENDING,
    UNIT_STATES,
)
from goordinate.memory import ends
from goordinate.memory.spec import Spec
from goordinate.memory.workers import WORKER_ATTEMPTS_KEPT, Worker
from goordinate.tests.memory.operations import Operations, units_of


class Machine(Operations):
    """Operations, and what must hold after each."""

    @invariant()
    def each_unit_is_in_one_queue_and_counted(self) -> None:
        for spec in self.specs():
            units = units_of(spec)
            states = {key: record[1] for key, record in units.items()}
            for state in UNIT_STATES:
                keys = sorted(key for key in states if states[key] == state)
                assert list(spec.units.queues.by_key([state], b"")) == keys
                assert sorted(spec.units.queues.by_priority([state], b"")) == keys
                assert spec.units.queues.counts[state] == len(keys)
            order = [
                (-units[key][2], key) for key in spec.units.queues.by_priority(UNIT_STATES, b"")
            ]
            assert order == sorted(order)
            counts = Counter(states.values()) + Counter(dict(spec.record.archived))
            assert spec.counts() == counts
            counters = spec.tally.counters()
            assert sum(counters[:3]) - sum(counters[3:5]) == len(states)

    @invariant()
    def a_unit_is_kept_in_its_smallest_form(self) -> None:
        for spec in self.specs():
            for stored in spec.units.stored.values():
                record = expand(stored)
                assert stored == compact(record)
                past = record[7]
                assert len(past) + (record[5] is not None) <= ATTEMPTS_KEPT
                assert record[1] in (PENDING, FINISHED, FAILED) or record[5] is None
                numbers = [attempt[5] for attempt in past] + [record[9]] * (record[5] is not None)
                assert numbers == sorted(set(numbers))
                assert max(numbers, default=0) <= spec.units.highest_number

    @invariant()
    def what_ends_is_in_the_deadlines_and_nothing_else(self) -> None:
        expected: dict[Any, float] = {}
        for spec in self.specs():
            for state in (PENDING, DELAYED):
                self.check_ends(spec, state, expected)
            made_next = next_made_up(spec.record)
            if made_next is not None and made_next > self.clock.time:
                expected[spec.identity, None] = made_next
        for key, worker in self.inside._workers._live.items():
            expected[None, key] = worker.record.expiration
        deadlines = self.inside._deadlines
        waiting: dict[Any, float] = dict(deadlines._opened)
        for bucket in deadlines._buckets.values():
            assert not waiting.keys() & bucket.keys()
            waiting.update(bucket)
        assert waiting == expected
        assert deadlines.next <= min(waiting.values(), default=deadlines.next)
        # `units` has looked at the time, so nothing that is over is left.
        assert all(when > self.clock.time for when in waiting.values())

    def check_ends(self, spec: Spec, state: int, expected: dict[Any, float]) -> None:
        """What waits in a state is on the shelves, and the deadlines tell of the first."""
        ends = spec.units._ends[state]
        waiting = {
            key: record[3]
            for key, record in units_of(spec).items()
            if record[1] == state and record[3] is not None
        }
        shelved: dict[bytes, float] = {}
        for shelf in ends._shelves.values():
            assert not shelved.keys() & shelf.ends.keys()
            shelved.update(shelf.ends)
        assert shelved == waiting
        assert all(when > self.clock.time for when in waiting.values())
        if ends._armed < math.inf:
            expected[spec.identity, state] = ends._armed
        assert ends._armed <= min(waiting.values(), default=math.inf)
        assert sum(ends._divided.values()) == sum(
            shelf.order is not ends._main for shelf in ends._shelves.values()
        )

    @invariant()
    def workers_hold_what_is_pending(self) -> None:
        self.settle()
        held = {
            identity(name): list(worker.held)
            for name, worker in self.inside._workers._known.items()
            if worker.held
        }
        expected: dict[bytes, list[Any]] = {}
        for spec in self.specs():
            for key, stored in spec.units.stored.items():
                record = expand(stored)
                if record[1] == PENDING and record[4] is not None:
                    expected.setdefault(identity(record[4]), []).append((spec.identity, key))
        assert held.keys() == expected.keys()
        for name, places in held.items():
            assert set(places) == set(expected[name])
        for known in self.inside._workers._known.values():
            self.check_worker(known, Handle(self.inside, known.name))

    def check_worker(self, known: Worker, worker: Handle) -> None:
        """A worker tells of itself what the namespace tells of it."""
        active = worker.active_attempts()
        assert {attempt.status for attempt in active} <= {PENDING}
        assert len(active) == len(known.held)
        every = worker.all_attempts()
        assert set(active) <= set(every)
        assert len(set(every)) == len(every) <= WORKER_ATTEMPTS_KEPT + len(active)
        for attempt in every:
            assert attempt in attempt.work_unit.attempts
        workers, name = self.inside._workers, identity(known.name)
        live = name in workers._live
        assert worker.active is live
        assert (name in workers._inactive) is not (live or bool(known.held))
        parent = worker.parent
        assert live <= (parent is None or worker in parent.children())

    @invariant()
    def the_journal_knows_of_all_but_the_passing_of_time(self) -> None:
        for spec in self.specs():
            noted = self.mirror.specs.get(spec.identity, {})
            assert {
                key: lifecycle.lapsed(record) if self.is_over(record) else record
                for key, record in noted.items()
            } == units_of(spec)

    def is_over(self, record: Record) -> bool:
        """Whether the unit no longer waits for what it waited for."""
        return (
            record[1] in (PENDING, DELAYED)
            and record[3] is not None
            and record[3] <= self.clock.time
        )

    def settle(self) -> None:
        """Do all that is left for later."""
        while self.backend.tidy():
            pass

    @invariant()
    def a_lapse_is_kept_of_what_nobody_has_had_since(self) -> None:
        kept = {
            place: (identity(worker.name), *lapse)
            for worker in self.inside._workers._known.values()
            for place, lapse in worker.lapsed.items()
        }
        assert {worker for worker, _, _ in kept.values()} <= self.inside._workers._live.keys()
        for (spec_id, key), (worker, end, number) in kept.items():
            spec = self.inside._specs[spec_id]
            name, lapsed = spec.units._lapsed[key]
            assert (identity(name), lapsed) == (worker, number)
            record = expand(spec.units.stored[key])
            past_worker, _, past_end, status, _, _ = record[7][-1]
            assert (record[1], status) == (AVAILABLE, EXPIRED)
            assert past_worker is not None
            assert identity(past_worker) == worker
            assert past_end is not None
            assert end <= past_end <= self.clock.time
        for spec in self.specs():
            assert spec.units._lapsed.keys() <= spec.units.stored.keys()

    @invariant()
    def children_are_live_and_know_their_parent(self) -> None:
        workers = self.inside._workers
        for parent, children in workers._children.items():
            assert children
            for child in children:
                known = workers._live[child].record.parent
                assert known is not None
                assert identity(known) == parent

    @invariant()
    def a_finished_unit_goes_back_only_when_told_to(self) -> None:
        finished = {place for place, record in self.units().items() if record[1] == FINISHED}
        assert self.may_free or self.finished <= finished
        self.finished, self.may_free = finished, False

    def teardown(self) -> None:
        # Every lease has an end: in time, all that is pending under one comes back.
        leased = {
            place
            for place, record in self.units().items()
            if record[1] == DELAYED or (record[1] == PENDING and record[3] is not None)
        }
        self.clock.advance(1000)
        after = self.units()
        assert {after[place][1] for place in leased} <= {AVAILABLE}
        assert self.namespace.workers() == []
        assert self.namespace.parents_count() == 0
        self.each_unit_is_in_one_queue_and_counted()
        self.what_ends_is_in_the_deadlines_and_nothing_else()
        self.workers_hold_what_is_pending()


SETTINGS = settings(max_examples=100, stateful_step_count=50, deadline=None)


def test_the_invariants_hold() -> None:
    run_state_machine_as_test(Machine, settings=SETTINGS)


def test_they_hold_when_units_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "MANY", 1)
    monkeypatch.setattr(ends, "FEW", 0)
    run_state_machine_as_test(Machine, settings=SETTINGS)
