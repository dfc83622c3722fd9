"""One work spec in memory: what is kept of it, its units, and what the scheduler sees of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from goordinate.coordinate import control
from goordinate.coordinate.control import Offer, SpecRecord
from goordinate.coordinate.counters import CLIENT, Tally
from goordinate.coordinate.names import Name, identity
from goordinate.coordinate.states import PENDING, UNIT_STATES
from goordinate.memory.deadlines import Deadlines
from goordinate.memory.units import Units
from goordinate.memory.workers import Workers


class Spec:
    """A work spec. Its own deadline, for the next made-up unit, has no key: (identity, None)."""

    def __init__(
        self,
        record: SpecRecord,
        deadlines: Deadlines[Any],
        workers: Workers,
        last_number: int,
        first_change: int,
    ) -> None:
        self._deadlines = deadlines
        self._workers = workers
        #: The name's identity.
        self.identity = identity(record.name)
        #: What has happened to its units.
        self.tally = Tally()
        #: See `change`.
        self.first_change = first_change
        self.units = Units(self.identity, deadlines, workers, last_number, self.tally)
        self.record = record
        self._waits_until: float | None = None
        self.define(record)

    @property
    def name(self) -> Name:
        """The name, in the form in which it was first stored."""
        return self.record.name

    @property
    def change(self) -> int:
        """The number of its last change."""
        return self.first_change + self.tally.changes

    def define(self, record: SpecRecord) -> None:
        """Put another record in place of the present one."""
        self.tally.changes += 1
        self.record = record
        values = record.control
        # What the scheduler reads.
        self.then = None if values.then is None else identity(values.then)
        self.then_preempts = values.then_preempts
        self.continuous = values.continuous
        self.weight = values.weight
        self.priority = values.priority
        self.runtime = values.runtime
        self._wait_until(control.next_made_up(record))

    @property
    def stands(self) -> tuple[bytes | None, bool, bytes]:
        """What decides where the spec stands among all of them."""
        return self.then, self.continuous, self.runtime

    def _wait_until(self, when: float | None) -> None:
        """The offer changes at `when`, if that is to come."""
        if self._waits_until is not None:
            self._deadlines.discard((self.identity, None), self._waits_until)
            self._waits_until = None
        if when is not None and when > self._deadlines.now:
            self._deadlines.add((self.identity, None), when)
            self._waits_until = when

    def offer(self) -> Offer | None:
        """What the spec would give now (see `scheduler.Schedulable`)."""
        queues, record = self.units.queues, self.record
        return control.offer(
            record,
            queues.head_priority(),
            queues.counts[PENDING],
            self._deadlines.now,
        )

    def counts(self) -> dict[int, int]:
        """How many units each state has, archived ones included, no zeros."""
        archived, queued = dict(self.record.archived), self.units.queues.counts
        counts = {state: queued[state] + archived.get(state, 0) for state in UNIT_STATES}
        return {state: count for state, count in counts.items() if count}

    def clear(self) -> Iterator[None]:
        """Drop all units; what is left to do then."""
        units = self.units
        self.tally.why_deleted[CLIENT] += sum(units.queues.counts.values())
        number = units.highest_number
        self.units = Units(self.identity, self._deadlines, self._workers, number, self.tally)
        return units.destroy()

    def destroy(self) -> Iterator[None]:
        """Drop all units, and wait for nothing; what is left to do then."""
        self._wait_until(None)
        return self.units.destroy()
