"""What is true of the memory backend after every operation, whatever went before.

There is no model of the answers here: the tests look into the backend and check that all parts
of it tell the same story.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from goordinate.coordinate.lifecycle import ATTEMPTS_KEPT
from goordinate.coordinate.names import identity
from goordinate.coordinate.records import compact, expand
from goordinate.coordinate.states import AVAILABLE, DELAYED, FAILED, FINISHED, PENDING, UNIT_STATES
from goordinate.memory.worker import WORKER_ATTEMPTS_KEPT, MemoryWorker
from goordinate.tests.memory.operations import Operations


class Machine(Operations):
    """Operations, and what must hold after each."""

    @invariant()
    def each_unit_is_in_one_queue_and_counted(self) -> None:
        for spec in self.specs():
            states = {key: expand(stored)[1] for key, stored in spec.units.items()}
            for state in UNIT_STATES:
                keys = sorted(key for key in states if states[key] == state)
                assert list(spec.queues.by_key([state], b"")) == keys
                assert sorted(spec.queues.by_priority([state], b"")) == keys
                assert spec.queues.counts[state] == len(keys)
            order = [
                (-expand(spec.units[key])[2], key)
                for key in spec.queues.by_priority(UNIT_STATES, b"")
            ]
            assert order == sorted(order)
            counts = Counter(states.values()) + Counter(spec._archived)
            assert spec.count_work_units() == counts

    @invariant()
    def a_unit_is_kept_in_its_smallest_form(self) -> None:
        for spec in self.specs():
            for stored in spec.units.values():
                record = expand(stored)
                assert stored == compact(record)
                past = record[7]
                assert len(past) + (record[5] is not None) <= ATTEMPTS_KEPT
                assert record[1] in (PENDING, FINISHED, FAILED) or record[5] is None

    @invariant()
    def what_ends_is_in_the_deadlines_and_nothing_else(self) -> None:
        expected: dict[Any, float] = {}
        for spec in self.specs():
            for key, stored in spec.units.items():
                record = expand(stored)
                if record[1] in (PENDING, DELAYED) and record[3] is not None:
                    expected[spec, key] = record[3]
            if spec._next_continuous > self.clock.time:
                expected[spec, None] = spec._next_continuous
        for worker in self.namespace._live.values():
            expected[worker, None] = worker._expiration
        deadlines = self.namespace.deadlines
        waiting = dict(deadlines._opened)
        for bucket in deadlines._buckets.values():
            assert not waiting.keys() & bucket.keys()
            waiting.update(bucket)
        assert waiting == expected
        assert deadlines.next <= min(waiting.values(), default=deadlines.next)
        # `units` has looked at the time, so nothing that is over is left.
        assert all(when > self.clock.time for when in waiting.values())

    @invariant()
    def workers_hold_what_is_pending(self) -> None:
        held = {
            identity(name): list(worker.held)
            for name, worker in self.namespace._workers.items()
            if worker.held
        }
        expected: dict[bytes, list[Any]] = {}
        for spec in self.specs():
            for key, stored in spec.units.items():
                record = expand(stored)
                if record[1] == PENDING and record[4] is not None:
                    expected.setdefault(identity(record[4]), []).append((spec, key))
        assert held.keys() == expected.keys()
        for name, places in held.items():
            assert set(places) == set(expected[name])
        for worker in self.namespace._workers.values():
            self.check_worker(worker)

    def check_worker(self, worker: MemoryWorker) -> None:
        """A worker tells of itself what the namespace tells of it."""
        active = worker.active_attempts()
        assert {attempt.status for attempt in active} <= {PENDING}
        assert len(active) == len(worker.held)
        every = worker.all_attempts()
        assert set(active) <= set(every)
        assert len(set(every)) == len(every) <= WORKER_ATTEMPTS_KEPT + len(active)
        for attempt in every:
            assert attempt in attempt.work_unit.attempts
        live = worker.identity in self.namespace._live
        assert worker.active is live
        assert (worker.identity in self.namespace._inactive) is not (live or bool(worker.held))
        parent = worker.parent_name
        assert live <= (parent is None or worker in self.namespace.children(parent))

    @invariant()
    def children_are_live_and_know_their_parent(self) -> None:
        for parent, children in self.namespace._children.items():
            assert children
            for child in children:
                known = self.namespace._live[child].parent_name
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


def test_the_invariants_hold() -> None:
    run_state_machine_as_test(
        Machine, settings=settings(max_examples=100, stateful_step_count=50, deadline=None)
    )
