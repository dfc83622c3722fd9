"""A work spec in memory, with its units.

Nothing here waits or switches greenlets, so each method is atomic. Each checks all it is given
before it changes anything. `replace` is the one place where a unit that exists changes, and the
queues, the deadlines and the workers follow it there.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, overload

from goordinate.coordinate import api
from goordinate.coordinate.chaining import chained_units
from goordinate.coordinate.errors import (
    BadOutput,
    BadPriority,
    ChangedName,
    NoSuchWorkSpec,
    NoSuchWorkUnit,
)
from goordinate.coordinate.lifecycle import (
    AVAILABLE,
    DELAYED,
    EXPIRED,
    FAILED,
    FINISH,
    PENDING,
)
from goordinate.coordinate.names import Name, encoded, identity, printable
from goordinate.coordinate.numbers import is_number
from goordinate.coordinate.spec import PAUSED, Control, change_control, read_dictionary
from goordinate.coordinate.unit_data import EMPTY_MAP, with_traceback
from goordinate.memory.attempt import MemoryAttempt
from goordinate.memory.ended import ENDED, EndedUnits
from goordinate.memory.queues import STATES, UnitQueues, first
from goordinate.memory.records import (
    Record,
    added_again,
    compact,
    data_of,
    ended,
    expand,
    free,
    leased,
    updated,
    with_data,
)
from goordinate.memory.work_unit import MemoryWorkUnit

if TYPE_CHECKING:
    from goordinate.memory.namespace import MemoryNamespace

logger = logging.getLogger(__name__)

#: The priority of a unit that a continuous spec made up.
CONTINUOUS_PRIORITY = -1

ALL_STATES = frozenset(STATES)


class MemoryWorkSpec(api.WorkSpec):
    """A work spec and its units; also what the scheduler asks for offers."""

    def __init__(self, namespace: MemoryNamespace, name: Name) -> None:
        self._namespace = namespace
        self._name = name
        self._data = b""
        self._next_continuous = 0.0
        self._archived: dict[int, int] = {}
        self._ended = EndedUnits()
        #: key -> the unit, as `records` says.
        self.units: dict[bytes, bytes | Record] = {}
        self.queues = UnitQueues()
        self.destroyed = False
        #: The name's identity.
        self.identity = identity(name)
        self._set_control(Control())

    # --- what the scheduler sees -----------------------------------------------------------

    def _set_control(self, control: Control) -> None:
        self._control = control
        self.then = None if control.then is None else identity(control.then)
        self.then_preempts = control.then_preempts
        self.continuous = control.continuous
        self.weight = control.weight
        self.priority = control.priority
        self.runtime = control.runtime

    def offer(self) -> tuple[bool, float, int] | None:
        """Whether there are units, the head's priority, units pending; None: gives nothing."""
        control = self._control
        if control.status == PAUSED:
            return None
        pending = self.queues.counts[PENDING]
        if control.max_running is not None and pending >= control.max_running:
            return None
        head = self.queues.head_priority()
        if head is not None:
            return True, head, pending
        if control.continuous and self._next_continuous <= self._namespace.now:
            return False, 0, pending
        return None

    # --- the spec itself ---------------------------------------------------------------------

    @property
    def name(self) -> Name:
        return self._name

    @property
    def data(self) -> bytes:
        self.moment()
        return self._data

    def set_data(self, data: bytes) -> None:
        self.moment()
        name, control = read_dictionary(data)
        if identity(name) != self.identity:
            raise ChangedName(self._name, name)
        self.define(data, control)

    def define(self, data: bytes, control: Control) -> None:
        """Store a dictionary that has been read."""
        self._data = data
        self._set_control(control)
        self._namespace.replan()

    @property
    def control(self) -> Control:
        self.moment()
        return self._control

    def set_control(self, changes: Mapping[str, object]) -> None:
        self.moment()
        self._set_control(change_control(self._name, self._control, changes))
        self._namespace.replan()

    def moment(self) -> float:
        """Now; what has run out by now has run out. Raises NoSuchWorkSpec, Gone."""
        now = self._namespace.moment()
        if self.destroyed:
            raise NoSuchWorkSpec(self._name)
        return now

    @property
    def now(self) -> float:
        """The time as of the last `moment`: all of an operation happens at one."""
        return self._namespace.now

    @overload
    def unix(self, moment: float) -> float: ...

    @overload
    def unix(self, moment: float | None) -> float | None: ...

    def unix(self, moment: float | None) -> float | None:
        """The Unix time of a time kept here, if there is one."""
        return None if moment is None else self._namespace.unix(moment)

    # --- units -------------------------------------------------------------------------------

    def add_work_units(self, units: Iterable[api.NewWorkUnit], *, restart: bool = False) -> None:
        now = self.moment()
        self._add({unit[0]: unit for unit in units}, now, restart)

    def _add(self, units: dict[bytes, api.NewWorkUnit], now: float, restart: bool) -> None:
        stored = self.units
        # What is to be kept is made before anything changes.
        again: list[tuple[bytes, Record]] = []
        plain: dict[bytes, bytes] = {}  # nearly every unit there is: kept as its item
        others: list[tuple[bytes, Record]] = []
        for key, item, priority, delay in units.values():
            old = stored.get(key)
            if old is None and delay <= 0 and not priority:
                plain[key] = item
                continue
            not_before = now + delay if delay > 0 else None
            if old is None:
                status = AVAILABLE if not_before is None else DELAYED
                new = (item, status, priority or 0, not_before, None, None, None, (), 0)
                others.append((key, new))
            else:
                before = expand(old)
                record = added_again(before, key, item, priority, not_before, now, restart=restart)
                again.append((key, record))
        for key, record in again:
            self.replace(key, record)
        for key, record in others:
            stored[key] = compact(record)
            self._enter(key, record)
        stored.update(plain)
        self.queues.add_available(plain)
        self._namespace.touch(self)

    def replace(self, key: bytes, record: Record | None) -> None:
        """Put `record` in the place of the unit's present one; None: the unit is deleted."""
        before = expand(self.units[key])
        if record is None:
            self._leave(key, before)
            del self.units[key]
        else:
            if record[1] == before[1] and record[4:6] == before[4:6]:
                self._move(key, before, record)
            else:
                self._leave(key, before)
                self._enter(key, record)
            self.units[key] = compact(record)
        self._namespace.touch(self)

    def _move(self, key: bytes, before: Record, record: Record) -> None:
        """A unit stays in its state and in the same hands."""
        if record[2] != before[2]:
            self.queues.remove(key, before[1], before[2])
            self.queues.add(key, record[1], record[2])
        if record[3] != before[3]:
            if before[3] is not None:
                self._namespace.deadlines.discard((self, key), before[3])
            if record[3] is not None:
                self._namespace.deadlines.add((self, key), record[3])

    def _leave(self, key: bytes, record: Record) -> None:
        status, when, worker, started = record[1], record[3], record[4], record[5]
        self.queues.remove(key, status, record[2])
        if status in (PENDING, DELAYED):
            if when is not None:
                self._namespace.deadlines.discard((self, key), when)
            if worker is not None and started is not None:
                self._namespace.release(worker, self, key, started)
        elif status != AVAILABLE:
            self._ended.remove(key, status)

    def _enter(self, key: bytes, record: Record) -> None:
        status, when, worker = record[1], record[3], record[4]
        self.queues.add(key, status, record[2])
        if status in (PENDING, DELAYED):
            if when is not None:
                self._namespace.deadlines.add((self, key), when)
            if worker is not None:
                self._namespace.hold(worker, self, key)
        elif status != AVAILABLE and when is not None:
            self._ended.add(key, status, when)

    def due(self, key: bytes | None, now: float) -> None:
        """The time of a unit, or of the next continuous one (no key), has come."""
        if key is not None:
            record = expand(self.units[key])
            after = (
                free(record, EXPIRED, now, lapses=record[8] + 1)
                if record[1] == PENDING
                else free(record, None, now, lapses=record[8])
            )
            # The deadline has been taken out already.
            self.queues.remove(key, record[1], record[2])
            if record[4] is not None and record[5] is not None:
                self._namespace.release(record[4], self, key, record[5])
            self.units[key] = compact(after)
            self._enter(key, after)
        self._namespace.touch(self)

    def work_unit(self, name: Name) -> MemoryWorkUnit:
        self.moment()
        key = identity(name)
        if key not in self.units:
            raise NoSuchWorkUnit(name)
        return MemoryWorkUnit(self, key)

    def get_work_units(self, names: Sequence[Name]) -> list[api.WorkUnit | None]:
        self.moment()
        keys = [identity(name) for name in names]
        return [MemoryWorkUnit(self, key) if key in self.units else None for key in keys]

    def list_work_units(
        self,
        *,
        statuses: Collection[int] | None = None,
        start: Name | None = None,
        previous: Name | None = None,
        limit: int | None = None,
        by_priority: bool = False,
    ) -> list[api.WorkUnit]:
        self.moment()
        lowest = b"" if start is None else identity(start)
        if previous is not None:
            lowest = max(lowest, identity(previous) + b"\0")  # the next key there can be
        states = ALL_STATES if statuses is None else ALL_STATES.intersection(statuses)
        if by_priority:
            keys = self.queues.by_priority(states, lowest)
        else:
            keys = self.queues.by_key(states, lowest)
        return [MemoryWorkUnit(self, key) for key in first(keys, limit)]

    def count_work_units(self) -> dict[int, int]:
        self.moment()
        counts = {
            state: self.queues.counts[state] + self._archived.get(state, 0) for state in STATES
        }
        return {state: count for state, count in counts.items() if count}

    def set_priorities(self, names: Iterable[Name], priority: float, *, add: bool = False) -> None:
        self.moment()
        after: dict[bytes, Record] = {}
        for key in [identity(name) for name in names]:
            record = after.get(key)
            if record is None:
                stored = self.units.get(key)
                if stored is None:
                    continue
                record = expand(stored)
            changed = record[2] + priority if add else priority
            if not is_number(changed):
                raise BadPriority(key)
            after[key] = (*record[:2], changed, *record[3:])
        for key, record in after.items():
            self.replace(key, record)

    def delete_work_units(
        self,
        *,
        names: Iterable[Name] | None = None,
        statuses: Collection[int] | None = None,
    ) -> int:
        self.moment()
        if names is None and statuses is None:
            return self._delete_all()
        states = ALL_STATES if statuses is None else ALL_STATES.intersection(statuses)
        archived = 0
        if names is None:
            keys = list(self.queues.by_key(states, b""))
            archived = sum(self._archived.pop(state, 0) for state in states)
        else:
            found = {identity(name): None for name in names}
            keys = [
                key for key in found if key in self.units and expand(self.units[key])[1] in states
            ]
        for key in keys:
            self.replace(key, None)
        return len(keys) + archived

    def _delete_all(self) -> int:
        count = len(self.units) + sum(self._archived.values())
        for key in self.queues.by_key((PENDING, DELAYED), b""):
            self._forget_deadline(key, expand(self.units[key]))
        self.units = {}
        self.queues = UnitQueues()
        self._archived = {}
        self._ended = EndedUnits()
        self._namespace.touch(self)
        return count

    def _forget_deadline(self, key: bytes, record: Record) -> None:
        if record[3] is not None:
            self._namespace.deadlines.discard((self, key), record[3])
        if record[4] is not None and record[5] is not None:
            self._namespace.release(record[4], self, key, record[5])

    def update_work_unit(
        self,
        name: Name,
        *,
        status: int | None = None,
        lease: float | None = None,
        data: bytes | None = None,
        worker: Name | None = None,
    ) -> None:
        now = self.moment()
        key = identity(name)
        stored = self.units.get(key)
        if stored is None:
            raise NoSuchWorkUnit(name)
        before = expand(stored)
        if worker is not None:
            worker = self._namespace.name_of_worker(worker)
        end = None if lease is None else now + lease
        record, effect = updated(before, key, status, end, data, worker, now)
        if effect == FINISH:
            self.finish(key, record, inherit=True)
        elif record is not before:
            self.replace(key, record)

    def finish(self, key: bytes, record: Record, *, inherit: bool) -> None:
        """Put the record of a unit that has finished in its place, and add the unit's output to
        the next work spec.

        `inherit`: units without a priority get the finished unit's, and pending ones of the
        same name are taken from their workers (the ways of the RPC).
        """
        # Read before anything changes: a fault in the reading leaves nothing half done.
        units = self._output(key, record)
        following = None if self.then is None else self._namespace.find(self.then)
        if inherit and record[2]:
            units = {
                name: unit if unit.priority is not None else unit._replace(priority=record[2])
                for name, unit in units.items()
            }
        self.replace(key, record)
        if units and following is not None:
            following._add(units, self._namespace.now, inherit)

    def _output(self, key: bytes, record: Record) -> dict[bytes, api.NewWorkUnit]:
        """The units that a finished one asks for; none, and a line in the log, if they cannot
        be added."""
        if self.then is None:
            return {}
        reason: object = f"no work_spec {printable(self.then)}"
        try:
            units = chained_units(data_of(record[0], key))
            if not units or self._namespace.find(self.then) is not None:
                return units
        except BadOutput as error:
            reason = error
        logger.warning(
            "work_spec %s unit %s: nothing chained: %s",
            printable(self._name), printable(key), reason,
        )  # fmt: skip
        return {}

    def archive(self, keep: int | None, max_age: float | None) -> int:
        now = self.moment()
        if keep is None and max_age is None:
            return 0
        if not self._ended.kept:
            self._ended.keep(self._ends())
        dropped = 0
        for status in ENDED:
            keys = self._ended.doomed(status, keep, None if max_age is None else now - max_age)
            for key in keys:
                self.replace(key, None)
            self._archived[status] = self._archived.get(status, 0) + len(keys)
            dropped += len(keys)
        return dropped

    def _ends(self) -> Iterator[tuple[int, bytes, float]]:
        for status in ENDED:
            for key in self.queues.by_key((status,), b""):
                yield status, key, expand(self.units[key])[3] or 0.0

    # --- handing out ---------------------------------------------------------------------------

    def hand_out(self, worker: Name, count: int, lease: float, now: float) -> list[api.Attempt]:
        """Lease up to `count` units to `worker`; a continuous spec without any makes one."""
        control, queues, units = self._control, self.queues, self.units
        if control.max_getwork is not None:
            count = min(count, max(1, control.max_getwork))
        if control.max_running is not None:
            count = min(count, control.max_running - queues.counts[PENDING])
        count = min(count, queues.counts[AVAILABLE])
        end = now + lease
        attempts: list[api.Attempt] = []
        if count <= 0 and self.continuous and self._next_continuous <= now:
            key = self._make_continuous(worker, now, end)
            attempts.append(MemoryAttempt(MemoryWorkUnit(self, key), worker, now))
        for _ in range(count):
            key = queues.pop_head()
            stored = units[key]
            if type(stored) is bytes:
                # As below, without the steps that a unit without a past does not need.
                record: Record = (stored, PENDING, 0, end, worker, now, None, (), 0)
                attempts.append(MemoryAttempt(MemoryWorkUnit(self, key), worker, now))
                units[key] = record
                self._enter(key, record)
                continue
            record = expand(stored)
            if control.max_retries and record[8] >= control.max_retries:
                record = self._given_up(key, record, now)
            else:
                record = leased(record, worker, now, end)
                attempts.append(MemoryAttempt(MemoryWorkUnit(self, key), worker, now))
            units[key] = record
            self._enter(key, record)
        self._namespace.touch(self)
        return attempts

    def _given_up(self, key: bytes, record: Record, now: float) -> Record:
        data = with_traceback(data_of(record[0], key), b"too many retries")
        record = (with_data(record[0], key, data), *record[1:])
        return ended(record, FAILED, now)

    def _make_continuous(self, worker: Name, now: float, end: float) -> bytes:
        key = b"%.6f" % self._namespace.unix(now)
        while key in self.units:
            key = b"%.6f" % (float(key) + 1e-6)
        new = (encoded(key) + EMPTY_MAP, AVAILABLE, CONTINUOUS_PRIORITY, None)
        record = leased((*new, None, None, None, (), 0), worker, now, end)
        self.units[key] = record
        self._enter(key, record)
        if self._control.interval is not None and self._control.interval > 0:
            self._next_continuous = now + self._control.interval
            self._namespace.deadlines.add((self, None), self._next_continuous)
        return key

    def destroy(self) -> None:
        """Drop all units and be gone."""
        self._delete_all()
        self._namespace.deadlines.discard((self, None), self._next_continuous)
        self.destroyed = True
