"""The model's RPCs of work units."""

from __future__ import annotations

from typing import Any

from goordinate.tests.model.reading import (
    Name,
    NewUnit,
    chained_units,
    fields,
    key_of,
    new_unit,
    number,
    whole,
)
from goordinate.tests.model.world import (
    AVAILABLE,
    DEFAULT_LEASE,
    DONE,
    FAILED,
    FINISHED,
    MAX_LEASE,
    MESSAGE,
    PENDING,
    STATES,
    Spec,
    Unit,
    World,
)


class UnitRules(World):
    """Work units."""

    def add_work_units(self, name: Name, units: Any) -> Any:
        spec = self.find(name)
        if spec is None:
            return False, MESSAGE
        self._add(spec, [new_unit(unit) for unit in units])
        return DONE

    def _add(self, spec: Spec, units: list[NewUnit]) -> None:
        # Of two units with one key the last counts.
        for key, new in {key_of(unit.name): unit for unit in units}.items():
            unit = Unit(new.name, new.data, new.priority or 0, not_before=self.time + new.delay)
            if key in spec.units:  # it begins anew, but for its name and its priority
                unit.name, unit.priority = spec.units[key].name, spec.units[key].priority
            spec.units[key] = unit

    def count_work_units(self, name: Name) -> Any:
        spec = self.find(name)
        if spec is None:
            return False, MESSAGE
        counts = {
            state: len(spec.in_states([state])) + spec.archived.get(state, 0) for state in STATES
        }
        return {state: count for state, count in counts.items() if count}, None

    def get_work_units(self, name: Name, options: dict[Any, Any]) -> Any:
        spec, given = self.find(name), fields(options)
        if spec is None:
            return None, MESSAGE
        if given.get(b"work_unit_keys"):  # an empty list is as good as none
            asked = [(key, spec.units.get(key_of(key))) for key in given[b"work_unit_keys"]]
            return [(key, None if unit is None else unit.data) for key, unit in asked], None
        state, start, limit = given.get(b"state"), given.get(b"start"), given.get(b"limit")
        states = STATES if state is None else state if isinstance(state, list | tuple) else [state]
        lowest = key_of(start) if isinstance(start, bytes | str) else b""
        page = [key for key in spec.in_states(states) if key >= lowest]
        if state is not None and not given.get(b"by_key"):
            page.sort(key=lambda key: -spec.units[key].priority)
        page = page[: max(0, 1000 if limit is None else whole(limit))]
        return [(spec.units[key].name, spec.units[key].data) for key in page], None

    def get_work_unit_status(self, name: Name, keys: Any) -> Any:
        spec = self.find(name)
        if spec is None:
            return None, MESSAGE
        units = [spec.units.get(key_of(key)) for key in keys]
        return [None if unit is None else self._shown(unit) for unit in units], None

    def _shown(self, unit: Unit) -> dict[bytes, Any]:
        shown: dict[bytes, Any] = {b"status": unit.status, b"expiration": self.unix(unit.when)}
        if unit.worker is not None:
            shown[b"worker_id"] = self.worker_names[unit.worker]
        told = fields(unit.data) if isinstance(unit.data, dict) else {}
        if b"traceback" in told:
            shown[b"traceback"] = told[b"traceback"]
        return shown

    def prioritize_work_units(self, name: Name, options: dict[Any, Any]) -> Any:
        spec, given = self.find(name), fields(options)
        keys = given.get(b"work_unit_keys")
        if spec is None or keys is None:
            return False, MESSAGE
        priority, adjustment = given.get(b"priority"), given.get(b"adjustment")
        for unit in [spec.units[key_of(key)] for key in keys if key_of(key) in spec.units]:
            unit.lapsed = None
            if priority is not None:
                unit.priority = number(priority)
            elif adjustment is not None:
                unit.priority += number(adjustment)
        return DONE

    def update_work_unit(self, name: Name, key: Name, options: dict[Any, Any]) -> Any:
        spec, given = self.find(name), fields(options)
        status, lease = given.get(b"status"), given.get(b"lease_time")
        if spec is None or (status is None and lease is None) or key_of(key) not in spec.units:
            return False, MESSAGE
        unit = spec.units[key_of(key)]
        delay, holder = number(given.get(b"delay") or 0), given.get(b"holder")
        taken = unit.status == PENDING and unit.worker is not None
        if (delay and status != AVAILABLE) or (
            taken and holder is not None and unit.worker != key_of(holder)
        ):
            return False, MESSAGE
        if given.get(b"data") is not None:
            unit.data, unit.lapsed = given[b"data"], None
        worker = given.get(b"worker_id")
        end = None
        if lease is not None:
            end = self.time + (number(lease) if number(lease) <= MAX_LEASE else DEFAULT_LEASE)
        if end is not None and end < self.time and status in (None, PENDING):
            if status == PENDING or unit.status == PENDING:
                self._give_back(unit)
        elif status is None:
            self._renew(unit, end, None)
        elif status == AVAILABLE:
            self._give_back(unit)
            if delay:
                unit.not_before, unit.lapsed = self.time + delay, None
        elif status == PENDING:
            self._hold(unit, end, worker)
        else:
            self._end(spec, unit, status)
        return DONE

    def _renew(self, unit: Unit, end: float | None, worker: Name | None) -> None:
        if unit.status == PENDING:
            unit.when = unit.when if end is None else end
            unit.worker = unit.worker if worker is None else self.see(worker)

    def _give_back(self, unit: Unit) -> None:
        if unit.status == PENDING:
            unit.free(unit.lapses)
        elif unit.status in (FINISHED, FAILED):
            unit.free(0)  # it begins anew

    def _hold(self, unit: Unit, end: float | None, worker: Name | None) -> None:
        if unit.status == PENDING:
            self._renew(unit, end, worker)
        else:
            # Of a unit that has ended, the time of its end becomes that of the lease if no other
            # is given: one that is over already.
            unit.status, unit.when = PENDING, unit.when if end is None else end
            unit.lapsed = None

    def _end(self, spec: Spec, unit: Unit, status: int) -> None:
        if unit.status in (status, FINISHED):
            return  # a success is never undone by a late failure
        unit.status, unit.when, unit.lapsed = status, self.time, None
        following = self.specs.get(spec.control.then or b"")
        if status == FINISHED and following is not None:
            try:
                units = chained_units(unit.data)
            except ValueError:
                return  # the unit is finished all the same
            inherited = [new._replace(priority=unit.priority) for new in units]
            chosen = zip(units, inherited, strict=True)
            self._add(following, [heir if new.priority is None else new for new, heir in chosen])

    def del_work_units(self, name: Name, options: dict[Any, Any]) -> Any:
        spec, given = self.find(name), fields(options)
        keys, state = given.get(b"work_unit_keys"), given.get(b"state")
        if spec is None or (not given.get(b"all") and keys is None and state is None):
            return 0, MESSAGE
        states = STATES if state is None or given.get(b"all") else [state]
        gone = set(spec.in_states(states))
        archived = 0
        if keys is None or given.get(b"all"):
            archived = sum(spec.archived.pop(state, 0) for state in states)
        else:
            gone &= {key_of(key) for key in keys}
        for key in gone:
            del spec.units[key]
        return len(gone) + archived, None

    def archive(self, options: dict[Any, Any]) -> Any:
        names = fields(options).get(b"work_spec_names")
        wanted = self.specs.keys() if names is None else {key_of(name) for name in names}
        for key, spec in self.specs.items():
            if key in wanted:
                self._archive(spec, FINISHED)
                self._archive(spec, FAILED)

    def _archive(self, spec: Spec, state: int) -> None:
        keep, age = self.limits
        ends = {key: spec.units[key].when or 0 for key in spec.in_states([state])}
        count = 0
        if age is not None:
            count = sum(end < self.time - age for end in ends.values())
        if keep is not None:
            count = max(count, len(ends) - keep)
        # Which of those that ended at the same moment go is for the server to say.
        gone = ends.keys() - self.listed(spec.name, state) if count else set()
        kept = ends.keys() - gone
        assert len(gone) == count, f"{spec.name!r}: {len(gone)} dropped, not {count}"
        assert all(ends[old] <= ends[key] for old in gone for key in kept), "not the oldest dropped"
        for key in gone:
            del spec.units[key]
        spec.archived[state] = spec.archived.get(state, 0) + len(gone)
