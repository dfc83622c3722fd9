"""The units of one work spec, and everything that follows where they stand.

Rule: `apply` is the one place where units change. The queues, the deadlines and the workers follow
there.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from goordinate.coordinate.journal import UnitChanges
from goordinate.coordinate.names import Name
from goordinate.coordinate.records import (
    LAPSES,
    NUMBER,
    OWN,
    PRIORITY,
    STATUS,
    WHEN,
    WORKER,
    Record,
    Stored,
    compact,
    expand,
)
from goordinate.coordinate.states import AVAILABLE, DELAYED, ENDED, PENDING, UNIT_STATES
from goordinate.memory.deadlines import Deadlines
from goordinate.memory.ended import EndedUnits
from goordinate.memory.queues import UnitQueues, first
from goordinate.memory.workers import Workers

ALL_STATES = frozenset(UNIT_STATES)


class Units:
    """The units of the work spec with this identity."""

    def __init__(
        self, spec: bytes, deadlines: Deadlines[Any], workers: Workers, last_number: int
    ) -> None:
        self._spec = spec
        self._deadlines = deadlines
        self._workers = workers
        self._ended = EndedUnits()
        # The units that a worker keeps as lapsed, and the worker's name.
        self._lapsed: dict[bytes, Name] = {}
        #: Key -> the unit, as `coordinate.records` says.
        self.stored: dict[bytes, Stored] = {}
        self.queues = UnitQueues()
        #: The highest number of an attempt on a unit that was deleted.
        self.last_number = last_number
        #: The highest number of an attempt.
        self.highest_number = last_number

    def find(self, key: bytes) -> Record | None:
        """The unit of this key."""
        stored = self.stored.get(key)
        return None if stored is None else expand(stored)

    def page(
        self, statuses: Collection[int] | None, lowest: bytes, limit: int | None, by_priority: bool
    ) -> list[bytes]:
        """Keys from `lowest` on, in the order asked for."""
        states = ALL_STATES if statuses is None else ALL_STATES.intersection(statuses)
        order = self.queues.by_priority if by_priority else self.queues.by_key
        return first(order(states, lowest), limit)

    def overdue(
        self, state: int, keep: int | None, older_than: float | None, limit: int | None
    ) -> list[bytes]:
        """The units that ended in this state, but for the latest `keep` (None: all) and those that
        ended at `older_than` or later (None: whenever); the oldest `limit` of them."""
        if not self._ended.kept:
            self._ended.keep(
                (status, key, expand(self.stored[key])[WHEN] or 0.0)
                for status in ENDED
                for key in self.queues.by_key((status,), b"")
            )
        return self._ended.doomed(state, keep, older_than, limit)

    def apply(self, changes: UnitChanges) -> None:
        """Put each unit in place of its present one."""
        stored, queues = self.stored, self.queues
        if changes.heads:
            for key, record in changes.units.items():
                assert record is not None
                queues.pop_head()
                if key in self._lapsed:
                    self._forget_lapse(key)
                stored[key] = record
                self._enter(key, record)
            return
        for key, record in changes.units.items():
            before = stored.get(key)
            if key in self._lapsed:
                self._forget_lapse(key)
            if record is None:
                old = expand(stored.pop(key))
                self.last_number = max(self.last_number, old[NUMBER])
                self._leave(key, old)
            elif before is None:
                stored[key] = compact(record)
                self._enter(key, record)
            else:
                old = expand(before)
                if record[STATUS] == old[STATUS] and record[WORKER:OWN] == old[WORKER:OWN]:
                    self._move(key, old, record)
                else:
                    self._leave(key, old)
                    self._enter(key, record)
                    if record[LAPSES] > old[LAPSES]:
                        self._keep_lapse(key, old)
                stored[key] = compact(record)
        if changes.added:
            stored.update(changes.added)
            queues.add_available(changes.added)

    def clear(self) -> None:
        """Delete all units."""
        for key in self.queues.by_key((PENDING, DELAYED), b""):
            self._stop_waiting(key, expand(self.stored[key]))
        for key in list(self._lapsed):
            self._forget_lapse(key)
        self.last_number = self.highest_number
        self.stored = {}
        self.queues = UnitQueues()
        self._ended = EndedUnits()

    def clear_states(self, states: Collection[int]) -> None:
        """Delete all units in these states."""
        keys = list(self.queues.by_key(states, b""))
        self.apply(UnitChanges(self._spec, dict.fromkeys(keys), {}))

    def _move(self, key: bytes, before: Record, record: Record) -> None:
        """A unit stays in its state and in the same hands."""
        if record[PRIORITY] != before[PRIORITY]:
            self.queues.remove(key, before[STATUS], before[PRIORITY])
            self.queues.add(key, record[STATUS], record[PRIORITY])
        if record[WHEN] != before[WHEN] and record[STATUS] in (PENDING, DELAYED):
            if before[WHEN] is not None:
                self._deadlines.discard((self._spec, key), before[WHEN])
            if record[WHEN] is not None:
                self._deadlines.add((self._spec, key), record[WHEN])

    def _leave(self, key: bytes, record: Record) -> None:
        status = record[STATUS]
        self.queues.remove(key, status, record[PRIORITY])
        if status in (PENDING, DELAYED):
            self._stop_waiting(key, record)
        elif status != AVAILABLE:
            self._ended.remove(key, status)

    def _stop_waiting(self, key: bytes, record: Record) -> None:
        """A pending or delayed unit leaves its state."""
        _, _, _, when, worker, started, _, _, _, number = record
        place = (self._spec, key)
        if when is not None:
            self._deadlines.discard(place, when)
        if worker is not None and started is not None:
            self._workers.release(worker, place, number)

    def _keep_lapse(self, key: bytes, before: Record) -> None:
        """The lease on a unit has run out. Its worker may still be at work on it."""
        worker, end = before[WORKER], before[WHEN]
        if worker is None or end is None:
            return
        if self._workers.lapse(worker, (self._spec, key), end):
            self._lapsed[key] = worker

    def _forget_lapse(self, key: bytes) -> None:
        self._workers.forget_lapse(self._lapsed.pop(key), (self._spec, key))

    def _enter(self, key: bytes, record: Record) -> None:
        _, status, priority, when, worker, _, _, _, _, number = record
        self.queues.add(key, status, priority)
        if status in (PENDING, DELAYED):
            place = (self._spec, key)
            if when is not None:
                self._deadlines.add(place, when)
            if worker is not None:
                self._workers.hold(worker, place)
            if number > self.highest_number:
                self.highest_number = number
        elif status != AVAILABLE and when is not None:
            self._ended.add(key, status, when)
