"""What has changed since the last commit, as rows: each thing once, as it is now.

Rule: taking a note does no I/O and makes no row; it only keeps what is there already, so that it
costs an operation next to nothing. A thing that changes twice before a commit is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice

from goordinate.coordinate.control import SpecRecord
from goordinate.coordinate.counters import SpecCounters
from goordinate.coordinate.journal import (
    Change,
    LocksChange,
    SpecChange,
    UnitChanges,
    UnitsCleared,
    WorkerChange,
    WorkerRecord,
)
from goordinate.coordinate.locks import Lock, Path
from goordinate.coordinate.names import identity
from goordinate.coordinate.records import STATUS, Stored, expand
from goordinate.sqlite.schema import ANY_STATE

#: How many workers that are gone are looked at when one more is: their rows go when they are
#: forgotten.
LOOKED_AT = 3

IsKnown = Callable[[str, bytes], bool]

#: See `memory.store.Store.kept_facts`.
Facts = tuple[int, SpecCounters]


@dataclass(slots=True)
class SpecEntry:
    """A work spec in the file."""

    id: int
    #: The name of its namespace, and the identity of its own.
    place: tuple[str, bytes]
    #: The highest number of an attempt on a unit of it that was ever written.
    last_number: int


@dataclass(slots=True)
class NamespaceEntry:
    """A namespace in the file."""

    id: int
    name: str
    #: The highest number of an attempt in a spec that was deleted.
    last_number: int = 0
    #: By the identities of their names.
    specs: dict[bytes, SpecEntry] = field(default_factory=dict)
    #: Workers that are gone and have a row, the longest gone first.
    gone: dict[bytes, None] = field(default_factory=dict)


@dataclass(slots=True)
class Batch:
    """What one transaction writes. None in place of a thing: its row is deleted."""

    #: The id of a spec -> key -> the unit.
    units: dict[int, dict[bytes, Stored | None]] = field(default_factory=dict)
    #: (id of a spec, state): what was written of these before this batch is dead.
    graves: dict[tuple[int, int], None] = field(default_factory=dict)
    #: The id of a namespace -> its name, and the highest number of an attempt in a spec that was
    #: deleted.
    namespaces: dict[int, tuple[str, int] | None] = field(default_factory=dict)
    #: The id of a spec -> the id of its namespace, and the spec.
    specs: dict[int, tuple[int, SpecRecord] | None] = field(default_factory=dict)
    #: The id of a spec that has changed -> its facts, as of the end of this batch.
    facts: dict[int, Facts] = field(default_factory=dict)
    #: The id of a spec -> the highest number of an attempt, where this batch raises it.
    numbers: dict[int, int] = field(default_factory=dict)
    workers: dict[tuple[int, bytes], WorkerRecord | None] = field(default_factory=dict)
    locks: dict[tuple[int, Path], Lock | None] = field(default_factory=dict)


class Notes:
    """The batch that is gathered, and what must be known to gather it."""

    def __init__(self) -> None:
        #: What has been noted since the last `take_batch`.
        self.batch = Batch()
        #: Whether that is anything.
        self.dirty = False
        self.namespaces: dict[str, NamespaceEntry] = {}
        #: By their ids.
        self.specs: dict[int, SpecEntry] = {}
        #: The id that the next namespace or spec gets. No id is used twice.
        self.next_id = 1
        #: The facts of a spec, by its place.
        self.facts_of: Callable[[tuple[str, bytes]], Facts] | None = None
        #: Whether a worker is still remembered; asked for those that are gone.
        self.is_known: IsKnown = lambda namespace, key: False

    def take_batch(self) -> Batch:
        """What was noted, to be written; a new batch begins."""
        if self.facts_of is not None:
            touched = {spec for spec, _ in self.batch.graves}
            for spec in touched.union(self.batch.units, self.batch.specs):
                if spec in self.specs:
                    self.batch.facts[spec] = self.facts_of(self.specs[spec].place)
        batch, self.batch, self.dirty = self.batch, Batch(), False
        return batch

    def note(self, namespace: str, changes: Sequence[Change]) -> None:
        """Take note of the changes of one operation."""
        self.dirty = True
        home = self.namespaces.get(namespace)
        if home is None:
            home = self._new_namespace(namespace)
        for change in changes:
            if type(change) is UnitChanges:  # nearly always
                spec = home.specs[change.spec].id
                units = self.batch.units.get(spec)
                if units is None:
                    units = self.batch.units[spec] = {}
                units.update(change.units)
                if change.added:
                    units.update(change.added)
            elif type(change) is SpecChange:
                self._note_spec(home, change)
            elif type(change) is UnitsCleared:
                self._note_cleared(home.specs[change.spec].id, change.states)
            elif type(change) is WorkerChange:
                self._note_worker(home, change.record)
            elif type(change) is LocksChange:
                for path, lock in change.locks.items():
                    self.batch.locks[home.id, path] = lock

    def _new_id(self) -> int:
        number = self.next_id
        self.next_id += 1
        return number

    def _new_namespace(self, name: str) -> NamespaceEntry:
        home = NamespaceEntry(self._new_id(), name)
        self.namespaces[name] = home
        self.batch.namespaces[home.id] = (name, 0)
        return home

    def _note_spec(self, home: NamespaceEntry, change: SpecChange) -> None:
        spec = home.specs.get(change.spec)
        if change.record is None:
            assert spec is not None
            self._note_cleared(spec.id)
            home.last_number = max(home.last_number, spec.last_number)
            self.batch.namespaces[home.id] = (home.name, home.last_number)
            self.batch.specs[spec.id] = None
            del home.specs[change.spec], self.specs[spec.id]
            return
        if spec is None:
            spec = SpecEntry(self._new_id(), (home.name, change.spec), home.last_number)
            home.specs[change.spec] = self.specs[spec.id] = spec
            self.batch.numbers[spec.id] = home.last_number
        self.batch.specs[spec.id] = (home.id, change.record)
        if change.without_units:
            self._note_cleared(spec.id)

    def _note_cleared(self, spec: int, states: Collection[int] | None = None) -> None:
        """All units of a spec go that are in some states now (None: in any)."""
        if states is None:
            self.batch.units.pop(spec, None)
            self.batch.graves[spec, ANY_STATE] = None
            return
        units = self.batch.units.get(spec, {})
        for key, unit in units.items():
            if unit is not None and expand(unit)[STATUS] in states:
                units[key] = None
        for state in states:
            self.batch.graves[spec, state] = None

    def _note_worker(self, home: NamespaceEntry, record: WorkerRecord) -> None:
        key = identity(record.name)
        self.batch.workers[home.id, key] = record
        home.gone.pop(key, None)
        if record.active:
            return
        home.gone[key] = None
        for oldest in list(islice(home.gone, LOOKED_AT)):
            # The one that is longest gone is the next to be forgotten, unless it holds units.
            del home.gone[oldest]
            if self.is_known(home.name, oldest):
                home.gone[oldest] = None
            else:
                self.batch.workers[home.id, oldest] = None

    def forget(self, namespace: str) -> None:
        """A namespace is destroyed; its specs have gone before."""
        home = self.namespaces.pop(namespace, None)
        if home is None:
            return
        for things in (self.batch.workers, self.batch.locks):
            for place in [place for place in things if place[0] == home.id]:
                del things[place]  # type: ignore[arg-type]
        self.batch.namespaces[home.id] = None
        self.dirty = True
