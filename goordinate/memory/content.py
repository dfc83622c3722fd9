"""The calls on work specs and on their units.

Rule: a call catches up with the clock, finds what it needs, asks the rules of `coordinate` what is
to change, and makes all changes at once (`Store.make`). What can fail has failed before.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from goordinate.coordinate import api, lifecycle
from goordinate.coordinate.chaining import chained_units, inheriting
from goordinate.coordinate.control import Control, SpecRecord, change_control, read_dictionary
from goordinate.coordinate.counters import ARCHIVE, CHAIN, DROPPED
from goordinate.coordinate.errors import (
    BadOutput,
    BadPriority,
    ChangedName,
    HeldByAnother,
    NoSuchWorkSpec,
    NoSuchWorkUnit,
)
from goordinate.coordinate.journal import Change, SpecChange, UnitChanges, UnitsCleared
from goordinate.coordinate.names import Name, identity, printable
from goordinate.coordinate.new_units import NewWorkUnit
from goordinate.coordinate.numeric import is_number
from goordinate.coordinate.records import ENTRY, PRIORITY, STATUS, Record, data_of, expand
from goordinate.coordinate.states import ENDED, UNIT_STATES
from goordinate.memory.people import PeopleCalls
from goordinate.memory.spec import Spec

logger = logging.getLogger(__name__)

#: How often `prepare_delete` notes some lapsed units.
PREPARED_AT_ONCE = 50

#: Nothing is added.
NO_UNITS: Mapping[bytes, bytes] = {}

#: Units as an operation leaves them, which has not made its changes yet: spec -> key -> unit.
Drafted = dict[bytes, dict[bytes, Record]]


class ContentCalls(PeopleCalls):
    """What is in a namespace: work specs and units."""

    # --- work specs ----------------------------------------------------------------------------

    def set_work_spec(self, data: bytes, *, name: Name | None = None) -> Name:
        self._catch_up()
        given, values = read_dictionary(data)
        key = identity(given if name is None else name)
        spec: Spec | None = self._specs.get(key)
        if name is not None and spec is None:
            raise NoSuchWorkSpec(name)
        if name is not None and identity(given) != key:
            raise ChangedName(name, given)
        if spec is None:
            record = SpecRecord(given, data, values)
        else:
            record = replace(spec.record, data=data, control=values)
        self.make([SpecChange(key, record)])
        return record.name

    def get_work_spec(self, work_spec: Name) -> bytes:
        self._catch_up()
        return self._spec(work_spec).record.data

    def get_control(self, work_spec: Name) -> Control:
        self._catch_up()
        return self._spec(work_spec).record.control

    def set_control(self, work_spec: Name, changes: Mapping[str, object]) -> None:
        self._catch_up()
        spec = self._spec(work_spec)
        values = change_control(spec.name, spec.record.control, changes)
        self.make([SpecChange(spec.identity, replace(spec.record, control=values))])

    def list_work_specs(self, start: Name | None = None, limit: int | None = None) -> api.SpecPage:
        self._catch_up()
        page: list[tuple[Name, bytes]] = []
        if limit is not None and limit <= 0:
            return api.SpecPage(page, None)
        for key in self._specs.irange(None if start is None else identity(start)):
            record = self._specs[key].record
            if limit is not None and len(page) >= limit:
                return api.SpecPage(page, record.name)
            page.append((record.name, record.data))
        return api.SpecPage(page, None)

    def delete_work_spec(self, work_spec: Name) -> None:
        self._catch_up()
        self.make([SpecChange(self._spec(work_spec).identity, None)])

    def clear(self) -> int:
        self._catch_up()
        changes: list[Change] = [SpecChange(key, None) for key in self._specs]
        self.make(changes)
        return len(changes)

    def summarize(self) -> list[api.Summary]:
        self._catch_up()
        return [
            api.Summary(self._name, spec.name, status, count)
            for spec in self._specs.values()
            for status, count in spec.counts().items()
        ]

    # --- work units ----------------------------------------------------------------------------

    def add_work_units(
        self, work_spec: Name, units: Iterable[NewWorkUnit], *, restart: bool = False
    ) -> None:
        now = self._catch_up()
        spec = self._spec(work_spec)
        by_key = {unit[0]: unit for unit in units}
        self.make([self._added(spec, by_key, now, restart, {})])

    def _added(
        self,
        spec: Spec,
        units: Mapping[bytes, NewWorkUnit],
        now: float,
        restart: bool,
        drafted: Mapping[bytes, Record],
    ) -> UnitChanges:
        """The changes that add units; `drafted` are units that the operation changes before."""
        get = spec.units.getter()
        plain: dict[bytes, bytes] = {}  # nearly all new units
        others: dict[bytes, Record | None] = {}
        for key, entry, priority, delay in units.values():
            old = drafted.get(key) or get(key)
            if old is None and delay <= 0 and not priority:
                plain[key] = entry
                continue
            not_before = now + delay if delay > 0 else None
            if old is None:
                others[key] = lifecycle.new(entry, priority, not_before)
            else:
                others[key] = lifecycle.added_again(
                    expand(old), key, entry, priority, not_before, now, restart=restart
                )
        return UnitChanges(spec.identity, others, plain)

    def get_work_units(self, work_spec: Name, names: Sequence[Name]) -> list[api.UnitState | None]:
        self._catch_up()
        units = self._spec(work_spec).units
        keys = map(identity, names)
        found = ((key, units.find(key)) for key in keys)
        return [None if unit is None else self._unit_state(key, unit) for key, unit in found]

    def list_work_units(
        self,
        work_spec: Name,
        *,
        statuses: Collection[int] | None = None,
        start: Name | None = None,
        previous: Name | None = None,
        limit: int | None = None,
        by_priority: bool = False,
    ) -> list[bytes]:
        self._catch_up()
        units = self._spec(work_spec).units
        lowest = b"" if start is None else identity(start)
        if previous is not None:
            lowest = max(lowest, identity(previous) + b"\0")  # the next key there can be
        get = units.getter()
        return [
            unit if type(unit := get(key)) is bytes else unit[ENTRY]  # type: ignore[index, misc]
            for key in units.page(statuses, lowest, limit, by_priority)
        ]

    def count_work_units(self, work_spec: Name) -> dict[int, int]:
        self._catch_up()
        return self._spec(work_spec).counts()

    def set_priorities(
        self, work_spec: Name, names: Iterable[Name], priority: float, *, add: bool = False
    ) -> None:
        self._catch_up()
        spec = self._spec(work_spec)
        after: dict[bytes, Record] = {}
        for key in map(identity, names):
            record = after.get(key) or spec.units.find(key)
            if record is None:
                continue
            changed = record[PRIORITY] + priority if add else priority
            if not is_number(changed):
                raise BadPriority(key)
            after[key] = lifecycle.prioritized(record, changed)
        self.make([UnitChanges(spec.identity, after, NO_UNITS)])

    def delete_work_units(
        self,
        work_spec: Name,
        *,
        names: Iterable[Name] | None = None,
        statuses: Collection[int] | None = None,
    ) -> int:
        self._catch_up()
        spec = self._spec(work_spec)
        units, archived = spec.units, dict(spec.record.archived)
        if names is None and statuses is None:
            record = replace(spec.record, archived=())
            count = sum(units.queues.counts.values()) + sum(archived.values())
            self.make([SpecChange(spec.identity, record, without_units=True)])
            return count
        if names is None:
            assert statuses is not None
            while self._note_some_lapsed(spec):
                pass
            cleared = frozenset(statuses).intersection(UNIT_STATES)
            count = sum(units.queues.counts[state] for state in cleared)
            changes: list[Change] = [UnitsCleared(spec.identity, cleared)]
            kept = {state: count for state, count in archived.items() if state not in statuses}
        else:
            found = dict.fromkeys(map(identity, names))
            keys = [key for key in found if _is_in(units.find(key), statuses)]
            count = len(keys)
            changes = [UnitChanges(spec.identity, dict.fromkeys(keys), NO_UNITS)]
            kept = archived
        if kept != archived:
            record = replace(spec.record, archived=tuple(kept.items()))
            changes.append(SpecChange(spec.identity, record))
        self.make(changes)
        return count + sum(archived.values()) - sum(kept.values())

    def prepare_delete(self, work_spec: Name) -> bool:
        self._catch_up()
        spec = self._spec(work_spec)
        return all(self._note_some_lapsed(spec) for _ in range(PREPARED_AT_ONCE))

    def update_work_unit(
        self,
        work_spec: Name,
        name: Name,
        *,
        status: int | None = None,
        lease: float | None = None,
        data: bytes | None = None,
        worker: Name | None = None,
        holder: Name | None = None,
        delay: float = 0.0,
    ) -> None:
        now = self._catch_up()
        spec, key = self._spec(work_spec), identity(name)
        before = spec.units.find(key)
        if before is None:
            raise NoSuchWorkUnit(name)
        other = None if holder is None else lifecycle.held_by_another(before, holder)
        if other is not None:
            raise HeldByAnother(name, other)
        if worker is not None:
            worker = self._workers.name_of(worker)
        end = None if lease is None else now + lease
        record, effect = lifecycle.updated(
            before, key, status, end, data, worker, now, spec.units.last_number, delay
        )
        if effect == lifecycle.FINISH and spec.then is not None:
            self.make(self._finished(spec, key, record, now, inherit=True, drafted={}))
        elif record is not before:
            self.make([UnitChanges(spec.identity, {key: record}, NO_UNITS)])

    def _finished(
        self, spec: Spec, key: bytes, record: Record, now: float, *, inherit: bool, drafted: Drafted
    ) -> list[Change]:
        """The changes when a unit has finished: the unit, and what its output adds to the next
        work spec.

        `inherit`: units without a priority get the finished unit's, and pending ones of the
        same name are taken from their workers (the ways of the RPC).
        """
        finished = UnitChanges(spec.identity, {key: record}, NO_UNITS)
        if spec.then is None:
            return [finished]
        units = self._output(spec, key, record)
        if not units:
            if units is None:
                finished.why = DROPPED
            return [finished]
        assert spec.then is not None
        following: Spec = self._specs[spec.then]
        seen = dict(drafted.get(following.identity, {}))
        if following is spec:
            seen[key] = record
        if inherit:
            units = inheriting(units, record[PRIORITY])
        added = self._added(following, units, now, inherit, seen)
        added.why = CHAIN
        if following is not spec:
            return [finished, added]
        units_too = {key: record, **added.units}
        return [UnitChanges(spec.identity, units_too, added.added, why=CHAIN)]

    def _output(self, spec: Spec, key: bytes, record: Record) -> dict[bytes, NewWorkUnit] | None:
        """The units that a finished one asks for; None, and a line in the log, if they cannot
        be added."""
        reason: object = f"no work_spec {printable(spec.then or b'')}"
        try:
            units = chained_units(data_of(record[ENTRY], key))
            if not units or spec.then in self._specs:
                return units
        except BadOutput as error:
            reason = error
        logger.warning(
            "work_spec %s unit %s: nothing chained: %s",
            printable(spec.name), printable(key), reason,
        )  # fmt: skip
        return None

    def archive(
        self,
        work_specs: Collection[Name] | None,
        keep: int | None,
        max_age: float | None,
        *,
        limit: int | None = None,
    ) -> int:
        now = self._catch_up()
        if keep is None and max_age is None:
            return 0
        older_than = None if max_age is None else now - max_age
        changes: list[Change] = []
        dropped = 0
        for spec in self._chosen(work_specs):
            archived = dict(spec.record.archived)
            keys: list[bytes] = []
            for state in ENDED:
                left = None if limit is None else limit - dropped - len(keys)
                overdue = spec.units.overdue(state, keep, older_than, left)
                if overdue:
                    archived[state] = archived.get(state, 0) + len(overdue)
                    keys += overdue
            if keys:
                record = replace(spec.record, archived=tuple(archived.items()))
                archiving = UnitChanges(spec.identity, dict.fromkeys(keys), NO_UNITS, why=ARCHIVE)
                changes.append(archiving)
                changes.append(SpecChange(spec.identity, record))
                dropped += len(keys)
        self.make(changes)
        return dropped


def _is_in(record: Record | None, statuses: Collection[int] | None) -> bool:
    return record is not None and (statuses is None or record[STATUS] in statuses)
