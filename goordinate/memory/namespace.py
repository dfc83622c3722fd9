"""A namespace in memory: the calls that hand out units, and those on attempts."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from goordinate.coordinate import api, control, lifecycle
from goordinate.coordinate.counters import CLIENT, CONTINUOUS, GAVE_UP
from goordinate.coordinate.errors import NoSuchWorkSpec, NoSuchWorkUnit
from goordinate.coordinate.journal import Change, SpecChange, UnitChanges
from goordinate.coordinate.names import Name, identity
from goordinate.coordinate.records import ENTRY, NUMBER, Record, expand
from goordinate.coordinate.states import AVAILABLE, PENDING
from goordinate.memory.content import NO_UNITS, Drafted
from goordinate.memory.spec import Spec
from goordinate.memory.views import ViewCalls

#: Units that a call picks, at least, before it ends with nothing to give: all of them failed
#: because their leases had run out too often.
PICKED_AT_ONCE = 100


class MemoryNamespace(ViewCalls):
    """A namespace in memory."""

    def destroy(self) -> None:
        self.clear()
        self._gone = True
        self._forget(self._name)

    def request_work(
        self,
        worker: Name,
        *,
        count: int = 1,
        lease: float = api.DEFAULT_LEASE,
        work_specs: Collection[Name] | None = None,
        runtimes: Collection[Name] | None = None,
        room: int | None = None,
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
            units = self._given(spec, name, count, now, now + lease, room)
            picked += count
            # All the units picked had failed too often? Then the next ones may do.
            if units or picked >= PICKED_AT_ONCE:
                return api.Handout(spec.record.name, units)
        return None

    def _given(
        self, spec: Spec, worker: Name, count: int, now: float, end: float, room: int | None
    ) -> list[tuple[bytes, bytes, int]]:
        """Lease units of a spec to `worker`; a continuous spec without any makes one up."""
        values, queues = spec.record.control, spec.units.queues
        count = control.how_many(values, count, queues.counts[PENDING], queues.counts[AVAILABLE])
        if count <= 0:
            return self._made_up(spec, worker, now, end)
        get, last_number = spec.units.getter(), spec.units.last_number
        records: dict[bytes, Record | None] = {}
        given: list[tuple[bytes, bytes, int]] = []
        left = sys.maxsize if room is None else room
        why = CLIENT
        for key in queues.heads(count):
            unit = get(key)
            assert unit is not None
            if type(unit) is not bytes and lifecycle.must_give_up(expand(unit), values.max_retries):
                records[key] = lifecycle.given_up(expand(unit), key, now)
                why = GAVE_UP
                continue
            record = lifecycle.leased(unit, worker, now, end, last_number)
            left -= len(record[ENTRY]) + len(spec.identity)
            if left < 0 and given:
                break
            records[key] = record
            given.append((key, record[ENTRY], record[NUMBER]))
        self.make([UnitChanges(spec.identity, records, NO_UNITS, True, why=why)])
        return given

    def _made_up(
        self, spec: Spec, worker: Name, now: float, end: float
    ) -> list[tuple[bytes, bytes, int]]:
        if not control.makes_up(spec.record, now):
            return []
        key = lifecycle.made_up_key(self._unix(now))
        while spec.units.find(key) is not None:
            key = lifecycle.made_up_key(float(key) + 1e-6)
        record = lifecycle.made_up(key, worker, now, end, spec.units.last_number)
        units = UnitChanges(spec.identity, {key: record}, NO_UNITS, why=CONTINUOUS)
        self.make([units, SpecChange(spec.identity, replace(spec.record, made_up=now))])
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
        self._note_lapsed(spec, [identity(name)])
        return self._attempt_states(spec, identity(name), self._unit(spec, name))

    def clear_attempt(self, work_spec: Name, name: Name) -> None:
        now = self._catch_up()
        spec = self._spec(work_spec)
        before = self._unit(spec, name)
        after = lifecycle.cleared(before, now)
        if after is not before:
            self.make([UnitChanges(spec.identity, {identity(name): after}, NO_UNITS)])


def _draft(drafted: Drafted, changes: Iterable[Change]) -> None:
    """Keep the units as `changes` leave them."""
    for change in changes:
        assert isinstance(change, UnitChanges)
        units = drafted.setdefault(change.spec, {})
        units.update({key: unit for key, unit in change.units.items() if unit is not None})
        units.update({key: expand(entry) for key, entry in change.added.items()})
