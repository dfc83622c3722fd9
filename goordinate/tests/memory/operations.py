"""Random operations on the memory backend, with time passing.

The checks here are of the answers to single operations; `test_invariants` adds what must hold
after every one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.control import PAUSED, RUNNABLE
from goordinate.coordinate.errors import CoordinateError, NoSuchWorkSpec
from goordinate.coordinate.handles import Attempt, Queue, WorkSpec
from goordinate.coordinate.journal import (
    Change,
    NoJournal,
    SpecChange,
    UnitChanges,
    UnitsCleared,
)
from goordinate.coordinate.names import Name, identity
from goordinate.coordinate.new_units import new_work_unit
from goordinate.coordinate.records import STATUS, Record, expand
from goordinate.coordinate.states import AVAILABLE, FAILED, FINISHED, PENDING, UNIT_STATES
from goordinate.memory import MemoryBackend
from goordinate.memory.spec import Spec
from goordinate.tests.conformance.clock import Clock

#: Seconds between two attempts, which are told apart by their start times.
MOMENT = 2**-10

#: A unit of a spec.
Place = tuple[bytes, bytes]

# "continuous" feeds "first", which feeds "second", which feeds itself.
SPECS: dict[bytes, dict[str, Any]] = {
    b"continuous": {"continuous": True, "interval": 7, "then": b"first", "max_running": 3},
    b"first": {"then": "second", "max_retries": 2},
    b"second": {"then": b"second", "max_running": 4, "max_getwork": 2},
}
NAMES: list[Name] = [b"a", b"b", "c", b"d", "e"]
WORKERS: list[Name] = [b"v", "w", b"x"]

spec_names = st.sampled_from(sorted(SPECS))
unit_names = st.sampled_from(NAMES)
some_names = st.lists(unit_names, min_size=1, max_size=3)
workers = st.sampled_from(WORKERS)
priorities = st.sampled_from([None, 0, 0, 5, -1, 0.5])
delays = st.sampled_from([0, 0, 0, 3, 10.5])
leases = st.sampled_from([0.5, 5, 10, 10.25, 40])
some_data = st.sampled_from(
    [
        None,
        dumps({}),
        dumps([1]),
        dumps({b"output": [b"a", (b"b", 1, {b"delay": 4}), ("c", 2, {b"priority": 3})]}),
        dumps({"output": {b"d": 1}}),
        dumps({b"output": 5}),
    ]
)
some_statuses = st.frozensets(st.sampled_from(UNIT_STATES), min_size=1, max_size=3)
numbers = st.integers(0, 10**6)


def units_of(spec: Spec) -> dict[bytes, Record]:
    """Every unit of a spec as it is now."""
    found = ((key, spec.units.find(key)) for key in spec.units.stored)
    return {key: record for key, record in found if record is not None}


class Mirror(NoJournal):
    """A journal that keeps the units of each spec as it is told of them."""

    def __init__(self) -> None:
        self.specs: dict[bytes, dict[bytes, Record]] = {}

    def note(self, namespace: str, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, SpecChange):
                if change.record is None or change.without_units:
                    self.specs[change.spec] = {}
            elif isinstance(change, UnitsCleared):
                units = self.specs.setdefault(change.spec, {})
                for key in [key for key, unit in units.items() if unit[STATUS] in change.states]:
                    del units[key]
            elif isinstance(change, UnitChanges):
                units = self.specs.setdefault(change.spec, {})
                units.update({key: expand(entry) for key, entry in change.added.items()})
                for key, unit in change.units.items():
                    if unit is None:
                        del units[key]
                    else:
                        units[key] = unit


class Operations(RuleBasedStateMachine):
    """All that can be done to a namespace."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.mirror = Mirror()
        self.backend = MemoryBackend(self.clock, self.mirror)
        #: The namespace as it is inside, and the handle on it.
        self.inside = self.backend.namespace("")
        self.namespace = Queue(self.inside)
        self.attempts: list[Attempt] = []
        #: The finished units as of the last step, and whether that step may free them.
        self.finished: set[Place] = set()
        self.may_free = False

    @initialize()
    def begin(self) -> None:
        for name in SPECS:
            self.define(name)

    # --- what is done --------------------------------------------------------------------------

    def spec(self, name: bytes) -> WorkSpec:
        """The spec of that name, defined again if it was destroyed."""
        try:
            return self.namespace.work_spec(name)
        except NoSuchWorkSpec:
            self.define(name)
            return self.namespace.work_spec(name)

    @rule(name=spec_names)
    def define(self, name: bytes) -> None:
        keys = {key.encode(): value for key, value in SPECS[name].items()}
        self.namespace.set_work_spec(dumps({b"name": name, **keys}))

    @rule(name=spec_names, paused=st.booleans(), running=st.sampled_from([None, 1, 4]))
    def control(self, name: bytes, paused: bool, running: int | None) -> None:
        status = PAUSED if paused else RUNNABLE
        self.spec(name).set_control({"status": status, "max_running": running})

    @rule(
        name=spec_names,
        keys=some_names,
        data=some_data,
        priority=priorities,
        delay=delays,
        restart=st.booleans(),
    )
    def add(
        self,
        name: bytes,
        keys: list[Name],
        data: bytes | None,
        priority: float | None,
        delay: float,
        restart: bool,
    ) -> None:
        self.may_free = True
        units = [new_work_unit(key, data or dumps({}), priority, delay) for key in keys]
        self.spec(name).add_work_units(units, restart=restart)

    @rule(
        worker=workers,
        count=st.integers(1, 4),
        lease=leases,
        wanted=st.none() | st.lists(spec_names, max_size=2),
    )
    def request(self, worker: Name, count: int, lease: float, wanted: list[Name] | None) -> None:
        self.clock.advance(MOMENT)
        # What has ended by now is no part of this step.
        before = {place: record[1] for place, record in self.units().items()}
        offered = self.offering(wanted)
        attempts = self.namespace.request_attempts(
            worker, count=count, lease=lease, work_specs=wanted
        )
        given = [self.place(attempt) for attempt in attempts]
        assert len(set(given)) == len(given) <= count
        for place in given:
            # Nothing is handed out twice; what was not there is what a continuous spec made.
            assert before.get(place, AVAILABLE) == AVAILABLE
            record = self.units()[place]
            assert (record[1], identity(record[4] or b"")) == (PENDING, identity(worker))
            assert record[3] == self.clock.time + lease
        assert len({spec for spec, _ in given}) <= 1
        after = self.units()
        given_up = [place for place in after if before.get(place) != after[place][1] == FAILED]
        # Whoever asks gets something if any spec offers it, and nothing if none does.
        assert bool(offered) == bool(given or given_up)
        self.attempts += attempts

    def offering(self, wanted: list[Name] | None) -> list[bytes]:
        """The specs that have something to give now."""
        return [
            spec.identity
            for spec in self.specs()
            if spec.offer() is not None and (not wanted or spec.identity in wanted)
        ]

    @precondition(lambda self: self.attempts)
    @rule(
        number=numbers,
        call=st.sampled_from(["renew", "expire", "finish", "fail", "retry"]),
        data=some_data,
        seconds=delays,
    )
    def end(self, number: int, call: str, data: bytes | None, seconds: float) -> None:
        attempt = self.attempts[number % len(self.attempts)]
        # A finish may chain into a unit that is finished; an attempt that is not pending frees
        # nothing.
        self.may_free = call == "finish"
        try:
            if call == "renew":
                attempt.renew(seconds, data)
            elif call == "retry":
                attempt.retry(data, seconds)
            else:
                getattr(attempt, call)(data)
        except CoordinateError:
            pass

    @precondition(lambda self: self.attempts)
    @rule(number=numbers)
    def clear_attempt(self, number: int) -> None:
        self.may_free = True
        try:
            self.attempts[number % len(self.attempts)].work_unit.clear_active_attempt()
        except CoordinateError:
            self.may_free = False

    @rule(
        name=spec_names,
        key=unit_names,
        status=st.sampled_from([None, AVAILABLE, PENDING, FINISHED, FAILED]),
        lease=st.none() | leases,
        data=some_data,
        worker=st.none() | workers,
    )
    def update(
        self,
        name: bytes,
        key: Name,
        status: int | None,
        lease: float | None,
        data: bytes | None,
        worker: Name | None,
    ) -> None:
        self.clock.advance(MOMENT)
        self.may_free = status in (AVAILABLE, PENDING, FINISHED)
        try:
            self.spec(name).update_work_unit(
                key, status=status, lease=lease, data=data, worker=worker
            )
        except CoordinateError:
            self.may_free = False

    @rule(name=spec_names, keys=some_names, priority=priorities, add=st.booleans())
    def prioritize(self, name: bytes, keys: list[Name], priority: float | None, add: bool) -> None:
        self.spec(name).set_priorities(keys, priority or 0, add=add)

    @rule(
        name=spec_names,
        keys=st.none() | some_names,
        statuses=st.none() | some_statuses,
    )
    def delete(self, name: bytes, keys: list[Name] | None, statuses: frozenset[int] | None) -> None:
        self.may_free = True
        spec = self.spec(name)
        before = sum(spec.count_work_units().values())
        deleted = spec.delete_work_units(names=keys, statuses=statuses)
        assert sum(spec.count_work_units().values()) == before - deleted

    @rule(
        name=spec_names,
        keep=st.sampled_from([None, 0, 1, 2]),
        age=st.sampled_from([None, 0, 10]),
    )
    def archive(self, name: bytes, keep: int | None, age: float | None) -> None:
        self.may_free = True
        spec = self.spec(name)
        counts = spec.count_work_units()
        spec.archive(keep, age)
        assert spec.count_work_units() == counts
        for status in (FINISHED, FAILED):
            left = spec.list_work_units(statuses=[status])
            assert keep is None or len(left) <= keep
            for unit in left:
                assert age is None or self.clock.now - (unit.expiration or 0) <= age

    @rule(name=spec_names)
    def destroy(self, name: bytes) -> None:
        self.may_free = True
        self.spec(name)
        self.namespace.destroy_work_spec(name)

    @rule(worker=workers, life=leases, parent=st.none() | workers)
    def heartbeat(self, worker: Name, life: float, parent: Name | None) -> None:
        self.namespace.heartbeat(worker, mode=b"RUN", data=None, lifetime=life, parent=parent)

    @rule(worker=workers, lease=leases)
    def live_on_while_leases_end(self, worker: Name, lease: float) -> None:
        self.namespace.heartbeat(worker, mode=b"RUN", data=None, lifetime=500, parent=None)
        self.request(worker, 2, lease, None)
        self.clock.advance(lease)

    @rule(worker=workers)
    def deactivate(self, worker: Name) -> None:
        found = self.namespace.find_worker(worker)
        if found is not None:
            found.deactivate()

    @rule(seconds=st.sampled_from([0.25, 1, 5, 10, 100]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    # --- what there is ------------------------------------------------------------------------

    def specs(self) -> list[Spec]:
        """The specs as they are now."""
        self.inside.now()
        return list(self.inside._specs.values())

    def units(self) -> dict[Place, Record]:
        """Every unit as it is now."""
        return {
            (spec.identity, key): record
            for spec in self.specs()
            for key, record in units_of(spec).items()
        }

    def place(self, attempt: Attempt) -> Place:
        """The unit that an attempt is of."""
        unit = attempt.work_unit
        return identity(unit.work_spec.name), identity(unit.name)
