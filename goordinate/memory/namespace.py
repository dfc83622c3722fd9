"""The calls on work specs, units and attempts, and the backend.

Rule: a call catches up with the clock, finds what it needs, asks the rules of `coordinate` what is
to change, and makes all changes at once (`Store.make`). What can fail has failed before. Nothing
here waits or switches greenlets, so every call is atomic.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from goordinate.coordinate import api, control, lifecycle
from goordinate.coordinate.chaining import chained_units, inheriting
from goordinate.coordinate.clock import Clock
from goordinate.coordinate.control import Control, SpecRecord, change_control, read_dictionary
from goordinate.coordinate.errors import (
    BadOutput,
    BadPriority,
    ChangedName,
    NoSuchWorkSpec,
    NoSuchWorkUnit,
)
from goordinate.coordinate.journal import Change, Journal, NoJournal, SpecChange, UnitChanges
from goordinate.coordinate.names import Name, identity, printable
from goordinate.coordinate.new_units import NewWorkUnit
from goordinate.coordinate.numeric import is_number
from goordinate.coordinate.records import ENTRY, NUMBER, PRIORITY, Record, data_of, expand
from goordinate.coordinate.states import AVAILABLE, ENDED, PENDING
from goordinate.memory.people import PeopleCalls
from goordinate.memory.spec import Spec

logger = logging.getLogger(__name__)

#: Units that a call picks, at least, before it ends with nothing to give: all of them failed
#: because their leases had run out too often.
PICKED_AT_ONCE = 100

#: Nothing is added.
NO_UNITS: Mapping[bytes, bytes] = {}

#: Units as an operation leaves them, which has not made its changes yet: spec -> key -> unit.
Drafted = dict[bytes, dict[bytes, Record]]


class MemoryNamespace(PeopleCalls):
    """A namespace in memory."""

    def destroy(self) -> None:
        self.clear()
        self._gone = True

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
        stored = spec.units.stored
        plain: dict[bytes, bytes] = {}  # nearly all new units
        others: dict[bytes, Record | None] = {}
        for key, entry, priority, delay in units.values():
            old = drafted.get(key) or stored.get(key)
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
        stored = units.stored
        return [
            unit if type(unit := stored[key]) is bytes else unit[ENTRY]  # type: ignore[misc]
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
            count = len(units.stored) + sum(archived.values())
            self.make([SpecChange(spec.identity, record, without_units=True)])
            return count
        if names is None:
            assert statuses is not None
            keys = list(units.in_states(statuses))
            kept = {state: count for state, count in archived.items() if state not in statuses}
        else:
            found = dict.fromkeys(map(identity, names))
            keys = [key for key in found if _is_in(units.find(key), statuses)]
            kept = archived
        changes: list[Change] = [UnitChanges(spec.identity, dict.fromkeys(keys), NO_UNITS)]
        if kept != archived:
            record = replace(spec.record, archived=tuple(kept.items()))
            changes.append(SpecChange(spec.identity, record))
        self.make(changes)
        return len(keys) + sum(archived.values()) - sum(kept.values())

    def update_work_unit(
        self,
        work_spec: Name,
        name: Name,
        *,
        status: int | None = None,
        lease: float | None = None,
        data: bytes | None = None,
        worker: Name | None = None,
    ) -> None:
        now = self._catch_up()
        spec, key = self._spec(work_spec), identity(name)
        before = self._unit(spec, name)
        if worker is not None:
            worker = self._workers.name_of(worker)
        end = None if lease is None else now + lease
        record, effect = lifecycle.updated(
            before, key, status, end, data, worker, now, spec.units.last_number
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
        units = {} if spec.then is None else self._output(spec, key, record)
        if not units:
            return [finished]
        assert spec.then is not None
        following: Spec = self._specs[spec.then]
        seen = dict(drafted.get(following.identity, {}))
        if following is spec:
            seen[key] = record
        if inherit:
            units = inheriting(units, record[PRIORITY])
        added = self._added(following, units, now, inherit, seen)
        if following is not spec:
            return [finished, added]
        return [UnitChanges(spec.identity, {key: record, **added.units}, added.added)]

    def _output(self, spec: Spec, key: bytes, record: Record) -> dict[bytes, NewWorkUnit]:
        """The units that a finished one asks for; none, and a line in the log, if they cannot
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
        return {}

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
                changes.append(UnitChanges(spec.identity, dict.fromkeys(keys), NO_UNITS))
                changes.append(SpecChange(spec.identity, record))
                dropped += len(keys)
        self.make(changes)
        return dropped

    # --- attempts ------------------------------------------------------------------------------

    def request_work(
        self,
        worker: Name,
        *,
        count: int = 1,
        lease: float = api.DEFAULT_LEASE,
        work_specs: Collection[Name] | None = None,
        runtimes: Collection[Name] | None = None,
    ) -> api.Handout | None:
        now = self._catch_up()
        names = frozenset(map(identity, work_specs)) if work_specs else None
        wanted = {identity(runtime) for runtime in runtimes} if runtimes else None
        name = self._workers.name_of(worker)
        picked = 0
        while count > 0:
            spec = self._scheduler.choose(names, wanted)
            if spec is None:
                break
            assert isinstance(spec, Spec)
            units = self._given(spec, name, count, now, now + lease)
            picked += count
            # All the units picked had failed too often? Then the next ones may do.
            if units or picked >= PICKED_AT_ONCE:
                return api.Handout(spec.record.name, units)
        return None

    def _given(
        self, spec: Spec, worker: Name, count: int, now: float, end: float
    ) -> list[tuple[bytes, bytes, int]]:
        """Lease units of a spec to `worker`; a continuous spec without any makes one up."""
        values, queues = spec.record.control, spec.units.queues
        count = control.how_many(values, count, queues.counts[PENDING], queues.counts[AVAILABLE])
        if count <= 0:
            return self._made_up(spec, worker, now, end)
        stored, last_number = spec.units.stored, spec.units.last_number
        records: dict[bytes, Record | None] = {}
        given: list[tuple[bytes, bytes, int]] = []
        for key in queues.heads(count):
            unit = stored[key]
            if type(unit) is not bytes and lifecycle.must_give_up(expand(unit), values.max_retries):
                records[key] = lifecycle.given_up(expand(unit), key, now)
                continue
            record = lifecycle.leased(unit, worker, now, end, last_number)
            records[key] = record
            given.append((key, record[ENTRY], record[NUMBER]))
        self.make([UnitChanges(spec.identity, records, NO_UNITS, True)])
        return given

    def _made_up(
        self, spec: Spec, worker: Name, now: float, end: float
    ) -> list[tuple[bytes, bytes, int]]:
        if not control.makes_up(spec.record.control, spec.record.next_made_up, now):
            return []
        key = lifecycle.made_up_key(self._unix(now))
        while key in spec.units.stored:
            key = lifecycle.made_up_key(float(key) + 1e-6)
        record = lifecycle.made_up(key, worker, now, end, spec.units.last_number)
        changes: list[Change] = [UnitChanges(spec.identity, {key: record}, NO_UNITS)]
        after = control.after_made_up(spec.record, now)
        if after is not spec.record:
            changes.append(SpecChange(spec.identity, after))
        self.make(changes)
        return [(key, record[ENTRY], record[NUMBER])]

    def call_attempts(self, calls: Sequence[api.AttemptCall]) -> list[api.Outcome]:
        now = self._catch_up()
        changes: list[Change] = []
        drafted: Drafted = {}
        outcomes: list[api.Outcome] = []
        for call in calls:
            work_spec, key, number = call.id
            spec: Spec | None = self._specs.get(work_spec)
            if spec is None:
                outcomes.append(NoSuchWorkSpec(work_spec))
                continue
            before = drafted.get(work_spec, {}).get(key) or spec.units.find(key)
            if before is None:
                outcomes.append(NoSuchWorkUnit(key))
                continue
            after = lifecycle.called(
                before, key, number, call.call, now, data=call.data, seconds=call.seconds
            )
            outcomes.append(after.error)
            if after.finished:
                made = self._finished(spec, key, after.record, now, inherit=False, drafted=drafted)
            elif after.record is not before:
                made = [UnitChanges(spec.identity, {key: after.record}, NO_UNITS)]
            else:
                continue
            _draft(drafted, made)
            changes += made
        self.make(changes)
        return outcomes

    def get_attempts(self, work_spec: Name, name: Name) -> list[api.AttemptState]:
        self._catch_up()
        spec = self._spec(work_spec)
        return self._attempt_states(spec, identity(name), self._unit(spec, name))

    def clear_attempt(self, work_spec: Name, name: Name) -> None:
        now = self._catch_up()
        spec = self._spec(work_spec)
        before = self._unit(spec, name)
        after = lifecycle.cleared(before, now)
        if after is not before:
            self.make([UnitChanges(spec.identity, {identity(name): after}, NO_UNITS)])


def _is_in(record: Record | None, statuses: Collection[int] | None) -> bool:
    return record is not None and (statuses is None or record[1] in statuses)


def _draft(drafted: Drafted, changes: Iterable[Change]) -> None:
    """Keep the units as `changes` leave them."""
    for change in changes:
        assert isinstance(change, UnitChanges)
        units = drafted.setdefault(change.spec, {})
        units.update({key: unit for key, unit in change.units.items() if unit is not None})
        units.update({key: expand(entry) for key, entry in change.added.items()})


class MemoryBackend(api.Backend):
    """All namespaces, in memory; what changes is told to `journal`."""

    def __init__(self, clock: Clock, journal: Journal | None = None) -> None:
        self._clock = clock
        self._journal = NoJournal() if journal is None else journal
        self._namespaces: dict[str, MemoryNamespace] = {}

    def namespace(self, name: str) -> MemoryNamespace:
        namespace = self._namespaces.get(name)
        if namespace is None or namespace.gone:
            namespace = MemoryNamespace(name, self._clock, self._journal)
            self._namespaces[name] = namespace
        return namespace

    def namespaces(self) -> list[api.Namespace]:
        return [
            self._namespaces[name]
            for name in sorted(self._namespaces)
            if not self._namespaces[name].gone
        ]

    def summarize(self) -> list[api.Summary]:
        return [summary for namespace in self.namespaces() for summary in namespace.summarize()]

    def settle(self) -> None:
        self._journal.settle()
