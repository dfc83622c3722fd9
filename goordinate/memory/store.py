"""What a namespace in memory is made of, the passing of time, and the one place of change.

Rule: `make` is the only place where anything changes. It is told all changes of an operation at
once, makes them without waiting or switching greenlets, and tells the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sortedcontainers import SortedDict

from goordinate.coordinate import api, lifecycle
from goordinate.coordinate.attempt_data import DEFAULT_BUDGET, bounded_units, past_data
from goordinate.coordinate.clock import Clock
from goordinate.coordinate.counters import SpecCounters
from goordinate.coordinate.errors import Gone, NoSuchWorkSpec, NoSuchWorkUnit
from goordinate.coordinate.journal import (
    Change,
    Journal,
    LocksChange,
    SpecChange,
    UnitChanges,
    UnitsCleared,
    WorkerChange,
)
from goordinate.coordinate.locks import LockTree
from goordinate.coordinate.names import Name, identity
from goordinate.coordinate.ranking import Schedulable
from goordinate.coordinate.records import (
    ENTRY,
    NUMBER,
    PAST,
    PRIORITY,
    STARTED,
    STATUS,
    WHEN,
    WORKER,
    Record,
    data_of,
    name_of,
)
from goordinate.coordinate.scheduler import Scheduler
from goordinate.coordinate.states import AVAILABLE, DELAYED, PENDING
from goordinate.memory.chores import Chores
from goordinate.memory.deadlines import Deadlines
from goordinate.memory.spec import Spec
from goordinate.memory.workers import Attempt, Place, Workers

#: Leases and delays that end one by one at the beginning of an operation; more wait for the next.
ENDED_AT_ONCE = 2000

#: Steps of the chores that each operation takes.
CHORES_AT_ONCE = 10

#: Units of a lapsed shelf that are noted in a step.
NOTED_AT_ONCE = 4


class Store(api.Namespace):
    """The state of a namespace."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        journal: Journal,
        forget: Callable[[str], None],
        chores: Chores,
    ) -> None:
        """`forget` is told the name when the namespace is destroyed. `chores` are of all
        namespaces, and each operation takes some steps of them."""
        self._name = name
        self._clock = clock
        self._journal = journal
        self._forget = forget
        self._chores = chores
        self._gone = False
        # (spec, state): leases or delays. (spec, None): the next made-up unit. (None, worker): its
        # life.
        self._deadlines: Deadlines[tuple[bytes | None, bytes | int | None]] = Deadlines()
        self._specs: Any = SortedDict()  # identity -> Spec
        self._workers = Workers(self._deadlines, chores)
        self._locks = LockTree()
        self._scheduler = Scheduler()
        # The highest number of an attempt in a spec that was deleted.
        self._last_number = 0
        # Above the numbers of all changes of specs that were deleted.
        self._last_change = 0
        #: Bytes that the past attempts of a unit may keep.
        self.attempt_data = DEFAULT_BUDGET

    @property
    def name(self) -> str:
        return self._name

    # --- change --------------------------------------------------------------------------------

    def make(self, changes: Sequence[Change]) -> None:
        """Make all changes of one operation."""
        for change in changes:
            if type(change) is UnitChanges:
                for record in change.units.values():
                    if record and record[PAST]:  # seldom
                        change.units = bounded_units(change.units, self.attempt_data)
                        break
        for change in changes:
            if type(change) is UnitChanges:  # nearly always
                spec: Spec = self._specs[change.spec]
                spec.units.apply(change)
                self._scheduler.touch(spec)
            elif type(change) is SpecChange:
                self._change_spec(change)
            elif type(change) is UnitsCleared:
                spec = self._specs[change.spec]
                self._chores.add(spec.units.clear_states(change.states))
                self._scheduler.touch(spec)
            elif type(change) is WorkerChange:
                self._workers.apply(change.record)
            elif type(change) is LocksChange:
                self._locks.apply(change.locks)
        self._journal.note(self._name, changes)

    def _change_spec(self, change: SpecChange) -> None:
        spec: Spec | None = self._specs.get(change.spec)
        if change.record is None:
            assert spec is not None
            self._chores.add(spec.destroy())
            self._last_number = max(self._last_number, spec.units.highest_number)
            self._last_change = max(self._last_change, spec.change + 1)
            del self._specs[change.spec]
            self._scheduler.plan(self._specs.values())
            return
        if spec is None:
            # The time, so that no number comes again after a start either.
            first = max(self._last_change, int(self._unix(self._clock()) * 1e6))
            spec = Spec(change.record, self._deadlines, self._workers, self._last_number, first)
            self._specs[change.spec] = spec
            self._scheduler.plan(self._specs.values())
        else:
            before, stood = spec.record.control, spec.stands
            spec.define(change.record)
            if change.without_units:
                self._chores.add(spec.clear())
            if stood != spec.stands:
                self._scheduler.plan(self._specs.values())
            elif before != change.record.control:
                self._scheduler.change(spec)
        self._scheduler.touch(spec)

    def watch(self, watcher: api.Watcher | None) -> None:
        def touched(spec: Schedulable) -> None:
            assert watcher is not None
            watcher(spec.identity, spec.runtime, spec.offer() is not None)

        self._scheduler.watcher = None if watcher is None else touched

    def next_change(self) -> float:
        return self._deadlines.next - self._clock()

    # --- what a journal needs --------------------------------------------------------------------

    def keep(self, journal: Journal) -> None:
        """Tell the changes from now on to `journal`."""
        self._journal = journal

    def recall_number(self, number: int) -> None:
        """The highest number of an attempt in a spec that is gone."""
        self._last_number = number

    def recall_spec(self, spec: bytes, number: int) -> None:
        """All units of a spec are there; `number`: the highest of an attempt on a unit of it."""
        units = self._specs[spec].units
        units.last_number = units.highest_number = number
        units.recall_ends()

    def kept_facts(self, spec: bytes) -> tuple[int, SpecCounters]:
        """What a journal keeps of a spec beside what it is told: the number of its last change,
        and its counters as of what was noted so far."""
        found: Spec = self._specs[spec]
        counters = found.tally.counters()
        return found.change, counters._replace(expired=counters.expired - found.units.unnoted)

    def recall_facts(self, spec: bytes, change: int, counters: SpecCounters) -> None:
        """What was kept of a spec by `kept_facts`, when all its units are there."""
        found: Spec = self._specs[spec]
        found.tally.recall(counters)
        found.first_change = change - found.tally.changes

    def knows_worker(self, name: Name) -> bool:
        """Whether a worker is remembered, alive or not."""
        return self._workers.find(name) is not None

    def recall_attempts(self, worker: Name, attempts: Iterable[Attempt]) -> None:
        """Past attempts of a worker, the oldest first."""
        self._workers.recall(worker, attempts)

    def recall_lapse(self, worker: Name, place: Place, end: float, number: int) -> None:
        """The worker's lease on a unit ran out at `end`, in the attempt of this number, and nobody
        has had the unit since."""
        spec, key = place
        self._specs[spec].units.recall_lapse(key, worker, end, number)

    # --- time ----------------------------------------------------------------------------------

    def now(self) -> float:
        return self._unix(self._catch_up())

    def _catch_up(self) -> float:
        """The moment of this operation; what has run out by then has run out. Raises Gone."""
        if self._gone:
            raise Gone
        deadlines = self._deadlines
        deadlines.now = now = self._clock()
        if now >= deadlines.next:
            self._end_what_is_due(now)
        if self._chores:
            self._chores.work(CHORES_AT_ONCE)
        return now

    def _end_what_is_due(self, now: float) -> None:
        changes: list[Change] = []
        lapsed: dict[bytes, dict[bytes, Record | None]] = {}
        due = self._deadlines.due(now)
        left = ENDED_AT_ONCE
        for spec_id, what in due:
            if isinstance(what, bytes):
                worker = self._workers.find(what)
                assert worker is not None
                assert worker.record is not None
                changes.append(WorkerChange(worker.record.inactive()))
                continue
            spec: Spec = self._specs[spec_id]
            if what is None:
                self._scheduler.touch(spec)
                continue
            keys, shelves = spec.units.due(what, now, left)
            left -= len(keys)
            if shelves:
                self._scheduler.touch(spec)
                self._chores.add(self._noting_lapsed(spec))
            for key in keys:
                record = spec.units.find(key)
                assert record is not None
                lapsed.setdefault(spec.identity, {})[key] = lifecycle.lapsed(record)
        changes += (UnitChanges(spec_id, units, {}) for spec_id, units in lapsed.items())
        self.make(changes)
        self._deadlines.passed(now)
        for spec_id, what in due:
            if isinstance(what, int):
                self._specs[spec_id].units.passed(what)

    # --- what is left for later ----------------------------------------------------------------

    def _noting_lapsed(self, spec: Spec) -> Iterator[None]:
        """Note the units of lapsed shelves as they are."""
        while self._specs.get(spec.identity) is spec and self._note_some_lapsed(spec):
            yield

    def _note_some_lapsed(self, spec: Spec) -> bool:
        """Note some units of lapsed shelves as they are; whether there were any."""
        shelf = spec.units.shelf
        if shelf is None:
            return False
        self._note_lapsed(spec, shelf.order.heads(NOTED_AT_ONCE))
        return True

    def _note_lapsed(self, spec: Spec, keys: Iterable[bytes]) -> None:
        """Note those of these units that are on lapsed shelves as they are."""
        lapsed = spec.units.lapsed(keys) if spec.units.unsettled else None
        if lapsed:
            self.make([UnitChanges(spec.identity, lapsed, {}, lapsed=True)])

    def _unix(self, moment: float) -> float:
        """The Unix time of a moment of the clock."""
        return self._clock.unix(moment)

    def _optional_unix(self, moment: float | None) -> float | None:
        return None if moment is None else self._clock.unix(moment)

    # --- finding -------------------------------------------------------------------------------

    def _spec(self, name: Name) -> Spec:
        """The work spec of this name. Raises NoSuchWorkSpec."""
        spec: Spec | None = self._specs.get(identity(name))
        if spec is None:
            raise NoSuchWorkSpec(name)
        return spec

    def _chosen(self, names: Iterable[Name] | None) -> list[Spec]:
        """The work specs of these names (None: all); unknown ones are passed over."""
        if names is None:
            return list(self._specs.values())
        found = {identity(name): None for name in names}
        return [self._specs[key] for key in found if key in self._specs]

    def _unit(self, spec: Spec, name: Name) -> Record:
        """The unit of this name. Raises NoSuchWorkUnit."""
        record = spec.units.find(identity(name))
        if record is None:
            raise NoSuchWorkUnit(name)
        return record

    # --- showing -------------------------------------------------------------------------------

    def _unit_state(self, key: bytes, record: Record) -> api.UnitState:
        status, when = record[STATUS], self._optional_unix(record[WHEN])
        return api.UnitState(
            name=name_of(record[ENTRY], key),
            status=status,
            priority=record[PRIORITY],
            expiration=None if status in (AVAILABLE, DELAYED) else when,
            not_before=when if status == DELAYED else None,
            worker_name=record[WORKER],
            entry=record[ENTRY],
            attempt=None if record[STARTED] is None else record[NUMBER],
        )

    def _attempt_states(self, spec: Spec, key: bytes, record: Record) -> list[api.AttemptState]:
        """The attempts of a unit that are on record, oldest first."""
        states = []
        for attempt in record[PAST]:
            worker, started, end, status, _, number = attempt
            ended = self._optional_unix(end)
            states.append(
                api.AttemptState(
                    id=api.AttemptId(spec.identity, key, number),
                    worker_name=worker,
                    start_time=self._unix(started),
                    status=status,
                    data=past_data(attempt, key),
                    end_time=ended,
                    expiration_time=ended,
                    active=False,
                )
            )
        started = record[STARTED]  # type: ignore[assignment]
        if started is not None:
            when = self._optional_unix(record[WHEN])
            states.append(
                api.AttemptState(
                    id=api.AttemptId(spec.identity, key, record[NUMBER]),
                    worker_name=record[WORKER],
                    start_time=self._unix(started),
                    status=record[STATUS],
                    data=data_of(record[ENTRY], key),
                    end_time=None if record[STATUS] == PENDING else when,
                    expiration_time=when,
                    active=True,
                )
            )
        return states
