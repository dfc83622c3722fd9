"""The units of one work spec, and everything that follows where they stand.

Rule: `apply` is the one place where units change. The queues, the deadlines and the workers follow
there.

Two things happen to any number of units at once: their leases or delays end (`ends`), and they are
deleted by state. What is kept of each unit follows later (`settle`, `clear_states`); until then
`find` and `getter` tell how it is.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from typing import Any

from goordinate.coordinate import lifecycle
from goordinate.coordinate.counters import CLIENT, DROPPED, DURATIONS, GAVE_UP, Tally
from goordinate.coordinate.journal import UnitChanges
from goordinate.coordinate.names import Name
from goordinate.coordinate.records import (
    LAPSES,
    NUMBER,
    OWN,
    PRIORITY,
    STARTED,
    STATUS,
    WHEN,
    WORKER,
    Record,
    Stored,
    compact,
    expand,
)
from goordinate.coordinate.states import (
    AVAILABLE,
    DELAYED,
    ENDED,
    EXPIRED,
    FAILED,
    PENDING,
    UNIT_STATES,
)
from goordinate.memory.chores import freeing
from goordinate.memory.deadlines import Deadlines
from goordinate.memory.deleted import Deleted
from goordinate.memory.ended import EndedUnits
from goordinate.memory.ends import Ends, Shelf
from goordinate.memory.queues import UnitQueues, first
from goordinate.memory.workers import Workers

ALL_STATES = frozenset(UNIT_STATES)


class Units:
    """The units of the work spec with this identity."""

    def __init__(
        self,
        spec: bytes,
        deadlines: Deadlines[Any],
        workers: Workers,
        last_number: int,
        tally: Tally,
    ) -> None:
        self._spec = spec
        self._tally = tally
        self._deadlines = deadlines
        self._workers = workers
        self._ended = EndedUnits()
        # The units that a worker keeps as lapsed: the worker's name, the number of its attempt.
        self._lapsed: dict[bytes, tuple[Name, int]] = {}
        #: Key -> the unit, as `coordinate.records` says, if `unsettled` is false; else see `find`.
        self.stored: dict[bytes, Stored] = {}
        self.queues = UnitQueues()
        self._ends = {state: self._new_ends(state) for state in (PENDING, DELAYED)}
        # State -> what was deleted with all of its state, and is still in `stored`.
        self._deleted: dict[int, list[Deleted]] = {}
        #: Whether units in `stored` may be others by now.
        self.unsettled = False
        #: The highest number of an attempt on a unit that was deleted.
        self.last_number = last_number
        #: The highest number of an attempt.
        self.highest_number = last_number

    def _new_ends(self, state: int) -> Ends:
        return Ends((self._spec, state), self._deadlines, state, self.queues)

    # --- finding -------------------------------------------------------------------------------

    def find(self, key: bytes) -> Record | None:
        """The unit of this key."""
        stored = self._current(key) if self.unsettled else self.stored.get(key)
        return None if stored is None else expand(stored)

    def getter(self) -> Callable[[bytes], Stored | None]:
        """What gives the unit of a key, or None, until anything changes."""
        return self._current if self.unsettled else self.stored.get

    def _current(self, key: bytes) -> Stored | None:
        stored = self.stored.get(key)
        if stored is None:
            return None
        record = expand(stored)
        if self._deleted_with(key, record) is not None:
            return None
        return lifecycle.lapsed(record) if self._is_on_lapsed(key, record) else stored

    def _deleted_with(self, key: bytes, record: Record) -> Deleted | None:
        """What a unit was deleted with."""
        for deleted in self._deleted.get(record[STATUS], ()):
            if deleted.holds(key, record):
                return deleted
        return None

    def _is_on_lapsed(self, key: bytes, record: Record) -> bool:
        ends, when = self._ends.get(record[STATUS]), record[WHEN]
        return ends is not None and when is not None and ends.on_lapsed(key, when)

    def page(
        self, statuses: Collection[int] | None, lowest: bytes, limit: int | None, by_priority: bool
    ) -> list[bytes]:
        """Keys from `lowest` on, in the order asked for."""
        states = ALL_STATES if statuses is None else ALL_STATES.intersection(statuses)
        order = self.queues.by_priority if by_priority else self.queues.by_key
        return first(order(states, lowest), limit)

    def page_before(
        self, statuses: Collection[int] | None, end: bytes, limit: int | None
    ) -> list[bytes]:
        """The last keys below `end`, in order."""
        states = ALL_STATES if statuses is None else ALL_STATES.intersection(statuses)
        return first(self.queues.before(states, end), limit)[::-1]

    def overdue(
        self, state: int, keep: int | None, older_than: float | None, limit: int | None
    ) -> list[bytes]:
        """The units that ended in this state, but for the latest `keep` (None: all) and those that
        ended at `older_than` or later (None: whenever); the oldest `limit` of them."""
        return self._ended.doomed(state, keep, older_than, limit)

    # --- change --------------------------------------------------------------------------------

    def apply(self, changes: UnitChanges) -> None:
        """Put each unit in place of its present one."""
        stored, queues, tally = self.stored, self.queues, self._tally
        tally.changes += 1
        if changes.lapsed:
            for key, record in changes.units.items():
                self._settle(key, record)
            return
        if self.unsettled:
            for key in chain(changes.units, changes.added):
                self._settle(key)
        if changes.heads:
            for key, record in changes.units.items():
                assert record is not None
                queues.pop_head()
                if key in self._lapsed:
                    self._forget_lapse(key)
                stored[key] = record
                self._enter(key, record)
            tally.started += len(changes.units)
            if changes.why is GAVE_UP:
                given_up = sum(
                    each is not None and each[STATUS] == FAILED for each in changes.units.values()
                )
                tally.given_up += given_up
                tally.started -= given_up
            return
        for key, record in changes.units.items():
            before = stored.get(key)
            if key in self._lapsed:
                self._forget_lapse(key)
            if record is None:
                old = expand(stored.pop(key))
                self.last_number = max(self.last_number, old[NUMBER])
                self._leave(key, old)
                tally.why_deleted[changes.why] += 1
            elif before is None:
                stored[key] = compact(record)
                self._enter(key, record)
                tally.why_added[changes.why] += 1
                tally.started += record[STATUS] == PENDING
            else:
                old = expand(before)
                status = record[STATUS]
                if status == old[STATUS] and record[WORKER:OWN] == old[WORKER:OWN]:
                    self._move(key, old, record)
                else:
                    self._leave(key, old)
                    self._enter(key, record)
                    if status not in ENDED:
                        tally.changed(old, record)
                        if record[LAPSES] > old[LAPSES]:
                            self._keep_lapse(key, old, math.inf)
                stored[key] = compact(record)
        if changes.added:
            stored.update(changes.added)
            queues.add_available(changes.added)
            tally.why_added[changes.why] += len(changes.added)
        if changes.why == DROPPED:
            tally.dropped += 1

    def clear_states(self, states: Collection[int]) -> Iterator[None]:
        """Delete all units in these states, none of which is on a lapsed shelf; what is left to do
        then."""
        assert not any(ends.lapsed for ends in self._ends.values())
        self.last_number = self.highest_number
        self._tally.changes += 1
        chores: list[Iterator[None]] = []
        for state in ALL_STATES.intersection(states):
            if not self.queues.counts[state]:
                continue
            ends = self._ends.get(state)
            self._tally.why_deleted[CLIENT] += self.queues.counts[state]
            deleted = Deleted(self.queues.take(state), ends)
            if ends is not None:
                ends.disarm()
                self._ends[state] = self._new_ends(state)
            self._deleted.setdefault(state, []).append(deleted)
            chores.append(self._forgetting(state, deleted))
            if state in ENDED:
                chores.append(freeing(self._ended.take(state)))
        self._note_whether_settled()
        return chain(*chores)

    def _forgetting(self, state: int, deleted: Deleted) -> Iterator[None]:
        """Drop what is kept of deleted units, one by one."""
        for key in deleted.left():
            self._forget(key, expand(self.stored[key]), deleted)
            yield
        self._deleted[state].remove(deleted)
        if not self._deleted[state]:
            del self._deleted[state]
        self._note_whether_settled()

    def _forget(self, key: bytes, record: Record, deleted: Deleted) -> None:
        """Drop what is kept of a deleted unit."""
        deleted.remove(key, record)
        del self.stored[key]
        self._drop_from_workers(key, record)
        if key in self._lapsed:
            self._forget_lapse(key)

    def destroy(self) -> Iterator[None]:
        """All units go, and this object is not used again; what is left to do then."""
        for ends in self._ends.values():
            ends.disarm()
        return self._destroying()

    def _destroying(self) -> Iterator[None]:
        while self.stored:
            key, stored = self.stored.popitem()
            if type(stored) is not bytes:
                self._drop_from_workers(key, expand(stored))
            yield
        while self._lapsed:
            key, (worker, number) = self._lapsed.popitem()
            self._workers.forget_lapse(worker, (self._spec, key), number)
            yield
        for order in chain(*map(self.queues.take, UNIT_STATES)):
            yield from order.freeing()
        for ends in self._ends.values():
            yield from ends.freeing()
        yield from freeing(*map(self._ended.take, ENDED))

    def _drop_from_workers(self, key: bytes, record: Record) -> None:
        """A unit is gone that somebody may hold."""
        if record[STATUS] == PENDING and record[WORKER] is not None:
            self._workers.drop(record[WORKER], (self._spec, key), record[NUMBER])

    # --- time ----------------------------------------------------------------------------------

    def due(self, state: int, now: float, limit: int) -> tuple[list[bytes], list[Shelf]]:
        """The units in `state` whose time is over, at most `limit` of them, and the shelves that
        have lapsed now."""
        keys, shelves = self._ends[state].due(now, limit)
        if shelves:
            self._tally.changes += 1
        if state == PENDING:
            self._tally.ended[EXPIRED] += sum(len(shelf.ends) for shelf in shelves)
        self._note_whether_settled()
        return keys, shelves

    def passed(self, state: int) -> None:
        """What was due has been done."""
        self._ends[state].passed()

    @property
    def shelf(self) -> Shelf | None:
        """A lapsed shelf, if there is one."""
        for ends in self._ends.values():
            for shelves in ends.lapsed.values():
                return shelves[0]
        return None

    def lapsed(self, keys: Iterable[bytes]) -> dict[bytes, Record | None]:
        """Those units that are on a lapsed shelf, as they are now."""
        return {
            key: lifecycle.lapsed(expand(self.stored[key]))
            for key in keys
            if key in self.stored and self._is_on_lapsed(key, expand(self.stored[key]))
        }

    def _settle(self, key: bytes, record: Record | None = None) -> None:
        """Let what is kept of a unit be as it is now; `record`: what it is, off its lapsed
        shelf."""
        stored = self.stored.get(key)
        if stored is None:
            return
        old = expand(stored)
        deleted = self._deleted_with(key, old)
        if deleted is not None:
            self._forget(key, old, deleted)
            return
        ends, when, priority = self._ends.get(old[STATUS]), old[WHEN], old[PRIORITY]
        if ends is None or when is None:
            return
        lapsed_at = ends.take_lapsed(key, when, priority)
        if lapsed_at is None:
            return
        record = record or lifecycle.lapsed(old)
        self.queues.main[AVAILABLE].add(key, priority)
        self.stored[key] = compact(record)
        worker = old[WORKER]
        if worker is not None and old[STARTED] is not None:
            self._workers.release(worker, (self._spec, key), old[NUMBER])
        if record[LAPSES] > old[LAPSES]:
            self._keep_lapse(key, old, lapsed_at)
        if not ends.lapsed:
            self._note_whether_settled()

    def _note_whether_settled(self) -> None:
        self.unsettled = bool(self._deleted) or any(ends.lapsed for ends in self._ends.values())

    # --- where a unit stands -------------------------------------------------------------------

    def _move(self, key: bytes, before: Record, record: Record) -> None:
        """A unit stays in its state and in the same hands."""
        status = record[STATUS]
        old = new = self.queues.main[status]
        if status in (PENDING, DELAYED):
            ends, was, when = self._ends[status], before[WHEN], record[WHEN]
            if was is not None:
                old = ends.discard(key, was)
            if when is not None:
                new = ends.add(key, when, self.stored)
        if old is not new or record[PRIORITY] != before[PRIORITY]:
            old.remove(key, before[PRIORITY])
            new.add(key, record[PRIORITY])

    def _leave(self, key: bytes, record: Record) -> None:
        status, when = record[STATUS], record[WHEN]
        ends = self._ends.get(status)
        if ends is None or when is None:
            self.queues.remove(key, status, record[PRIORITY])
        else:
            self.queues.counts[status] -= 1
            order = ends.discard(key, when)
            if record[PRIORITY] == 0:  # nearly always
                order.plain.remove(key)
            else:
                order.remove(key, record[PRIORITY])
        if ends is not None:
            worker = record[WORKER]
            if worker is not None and record[STARTED] is not None:
                self._workers.release(worker, (self._spec, key), record[NUMBER])
        elif status != AVAILABLE:
            self._ended.remove(key, status)

    def _enter(self, key: bytes, record: Record) -> None:
        _, status, priority, when, worker, started, _, _, _, number = record
        ends = self._ends.get(status)
        if ends is None or when is None:
            self.queues.add(key, status, priority)
        else:
            self.queues.counts[status] += 1
            order = ends.add(key, when, self.stored)
            if priority == 0:
                order.plain.add(key)
            else:
                order.add(key, priority)
        if ends is not None:
            if worker is not None:
                self._workers.hold(worker, (self._spec, key), number)
            if number > self.highest_number:
                self.highest_number = number
        elif status != AVAILABLE and when is not None:
            self._ended.ends[status][key] = when  # later than all others
            tally = self._tally
            tally.ended[status] += 1
            if started is not None:
                seconds = when - started
                tally.durations[bisect_left(DURATIONS, seconds)] += 1
                tally.seconds += seconds

    def _keep_lapse(self, key: bytes, before: Record, lapsed_at: float) -> None:
        """The lease on a unit has run out. Its worker may still be at work on it."""
        worker, end, number = before[WORKER], before[WHEN], before[NUMBER]
        if worker is None or end is None:
            return
        if self._workers.lapse(worker, (self._spec, key), end, number, lapsed_at):
            self._lapsed[key] = (worker, number)

    def recall_lapse(self, key: bytes, worker: Name, end: float, number: int) -> None:
        """The worker's lease on a unit ran out at `end`, in the attempt of this number."""
        if self._workers.lapse(worker, (self._spec, key), end, number, math.inf):
            self._lapsed[key] = (worker, number)

    @property
    def unnoted(self) -> int:
        """How many leases have run out, as everybody sees, that no journal has been told of."""
        shelves = chain(*self._ends[PENDING].lapsed.values())
        return sum(len(shelf.ends) for shelf in shelves)

    def recall_ends(self) -> None:
        """Put the units that have ended in the order of their ends."""
        self._ended.sort()

    def _forget_lapse(self, key: bytes) -> None:
        worker, number = self._lapsed.pop(key)
        self._workers.forget_lapse(worker, (self._spec, key), number)
