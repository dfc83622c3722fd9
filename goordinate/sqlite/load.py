"""The file -> the state in memory.

Rule: all that is loaded goes through the changes of the memory backend, as if it came from calls.
What only follows from the units, such as what a worker did, is found again from them.

A lease, the life of a worker or a lock that ended while the daemon was down, or ends soon after,
gets some time: who holds it could not renew it, and may be alive.
"""

from __future__ import annotations

import heapq
import logging
import math
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby, islice
from operator import itemgetter
from typing import Final

from goordinate.coordinate.attempt_data import DEFAULT_BUDGET
from goordinate.coordinate.clock import Clock
from goordinate.coordinate.journal import (
    LocksChange,
    SpecChange,
    UnitChanges,
    WorkerChange,
    WorkerRecord,
)
from goordinate.coordinate.names import Name, identity
from goordinate.coordinate.records import (
    LAPSES,
    NUMBER,
    PAST,
    PAST_ENDED,
    PAST_NUMBER,
    PAST_STATUS,
    PAST_WORKER,
    STARTED,
    STATUS,
    WHEN,
    WORKER,
    Record,
    Stored,
    expand,
)
from goordinate.coordinate.states import AVAILABLE, ENDED, EXPIRED, PENDING
from goordinate.memory import MemoryBackend
from goordinate.memory.namespace import MemoryNamespace
from goordinate.memory.workers import WORKER_ATTEMPTS_KEPT, Place
from goordinate.sqlite import rows
from goordinate.sqlite.file import FileError
from goordinate.sqlite.notes import Facts, NamespaceEntry, Notes, SpecEntry
from goordinate.sqlite.schema import ANY_STATE, FACTS_SINCE

log = logging.getLogger(__name__)

#: Units that are put into the memory backend in one change.
AT_ONCE: Final = 10_000

#: Seconds between two lines in the log that tell how far it is.
TELL_EVERY: Final = 2.0

_ENTRY_HEADS: Final = range(0x40, 0x80)


def load(
    path: str,
    connection: sqlite3.Connection,
    backend: MemoryBackend,
    clock: Clock,
    grace: float,
) -> Loader:
    """Load what is in a file into a backend that is empty; see `Loader`.

    Raises sqlite3.Error, and FileError for rows that make no sense.
    """
    backend.bound_attempt_data(sys.maxsize)  # what was kept stays
    loader = Loader(connection, backend, clock, grace)
    try:
        loader.load()
    except (sqlite3.Error, MemoryError):
        raise
    except Exception as error:
        raise FileError(f"{path}: damaged: {type(error).__name__}: {error}") from error
    backend.bound_attempt_data(DEFAULT_BUDGET)
    return loader


class Loader:
    """Reads one file, once."""

    def __init__(
        self, connection: sqlite3.Connection, backend: MemoryBackend, clock: Clock, grace: float
    ) -> None:
        """`grace`: the seconds that a lease has at least, from now on."""
        self._connection = connection
        self._backend = backend
        now = clock()
        ahead = next(iter(connection.execute("SELECT ahead FROM clock")), (0.0,))[0]
        #: Seconds by which Unix time is ahead of the times in the file.
        self.ahead: float = ahead
        #: Seconds by which the times in the file are ahead of the moments of the clock.
        self.offset = round(clock.unix(now) - now, 6) - ahead
        self._earliest_end = now + grace if grace else -math.inf
        #: What is to be noted afterwards.
        self.notes = Notes()
        #: (id of a spec, state) -> dead is what was written before this commit.
        self.graves: dict[tuple[int, int], int] = {}
        #: The number of the last commit.
        self.last_commit = 0
        self.units = 0
        self._tell_at = time.monotonic() + TELL_EVERY
        # One object for each name of a worker.
        self._names: dict[Name | None, Name | None] = {}
        self._homes: dict[int, tuple[NamespaceEntry, MemoryNamespace]] = {}

    def load(self) -> None:
        """Read all. Raises sqlite3.Error; others, as CBORError, for rows that make no sense."""
        for number, name, last_number in self._connection.execute("SELECT * FROM namespace"):
            entry = NamespaceEntry(number, name, last_number)
            self.notes.namespaces[name] = entry
            self._homes[number] = (entry, self._backend.namespace(name))
            self.notes.next_id = max(self.notes.next_id, number + 1)
        for spec, state, before in self._connection.execute("SELECT * FROM grave"):
            self.graves[spec, state] = before
            self.last_commit = max(self.last_commit, before)
            self.notes.next_id = max(self.notes.next_id, spec + 1)
        self._load_workers()
        pasts = {number: Past(home) for number, (_, home) in self._homes.items()}
        specs = self._load_specs()
        self._load_units(specs, pasts)
        for number, (entry, home) in self._homes.items():
            pasts[number].recall()
            home.recall_number(entry.last_number)
        self._load_locks()

    def _load_workers(self) -> None:
        found: dict[int, list[WorkerRecord]] = {number: [] for number in self._homes}
        for namespace, _, row in self._connection.execute("SELECT * FROM worker"):
            record = rows.unpack_worker(row, self.offset)
            if record.active:
                end = max(record.expiration, self._earliest_end)
                record = replace(record, expiration=end)
            found[namespace].append(record)
        for namespace, records in found.items():
            entry, home = self._homes[namespace]
            records.sort(key=lambda record: record.expiration)
            home.make([WorkerChange(record) for record in records])
            entry.gone = {identity(each.name): None for each in records if not each.active}
            self._names.update((record.name, record.name) for record in records)

    def _load_specs(self) -> dict[int, tuple[int, bytes, int]]:
        """The work specs: id -> (id of the namespace, identity, last number)."""
        specs = {}
        for number, namespace, last_number, row in self._connection.execute("SELECT * FROM spec"):
            record = rows.unpack_spec(row, self.offset)
            entry, home = self._homes[namespace]
            key = identity(record.name)
            home.make([SpecChange(key, record)])
            place = (entry.name, key)
            entry.specs[key] = self.notes.specs[number] = SpecEntry(number, place, last_number)
            self.notes.next_id = max(self.notes.next_id, number + 1)
            specs[number] = (namespace, key, last_number)
        return specs

    def _load_units(self, specs: dict[int, tuple[int, bytes, int]], pasts: dict[int, Past]) -> None:
        statement = "SELECT spec, key, state, written, record FROM unit ORDER BY spec, key"
        for number, found in groupby(self._connection.execute(statement), itemgetter(0)):
            if number not in specs:
                continue  # dead
            namespace, spec, _ = specs[number]
            home, past = self._homes[namespace][1], pasts[namespace]
            units = self._alive(number, found)
            while piece := list(islice(units, AT_ONCE)):
                home.make([self._piece(spec, piece, past)])
                self._tell(len(piece))
        facts = self._facts()
        for number, (namespace, spec, last_number) in specs.items():
            home = self._homes[namespace][1]
            home.recall_spec(spec, last_number)
            if number in facts:
                home.recall_facts(spec, *facts[number])

    def _facts(self) -> dict[int, Facts]:
        """The facts of work specs, by their ids."""
        ((version,),) = self._connection.execute("PRAGMA user_version")
        if version < FACTS_SINCE:
            return {}  # the file is only read; a daemon would have made the table
        found = self._connection.execute("SELECT * FROM facts")
        return {spec: rows.unpack_facts(row) for spec, row in found}

    def _alive(
        self, spec: int, found: Iterable[tuple[int, bytes, int, int, bytes]]
    ) -> Iterator[tuple[bytes, int, bytes]]:
        """The rows of a spec that are not dead: key, state and the rest."""
        all_before = self.graves.get((spec, ANY_STATE), 0)
        before = {state: end for (grave, state), end in self.graves.items() if grave == spec}
        last = self.last_commit
        for _, key, state, written, record in found:
            if written > last:
                last = written
            if before and (written < all_before or written < before.get(state, 0)):
                continue
            yield key, state, record
        self.last_commit = last

    def _piece(self, spec: bytes, piece: list[tuple[bytes, int, bytes]], past: Past) -> UnitChanges:
        """The change that brings some units."""
        added: dict[bytes, bytes] = {}
        units: dict[bytes, Record | None] = {}
        for key, state, row in piece:
            if state == AVAILABLE and row[0] in _ENTRY_HEADS:  # nearly always
                added[key] = row
                continue
            unit = self._held_on(rows.unpack_unit(state, row, self.offset))
            units[key] = unit
            past.take((spec, key), unit)
        return UnitChanges(spec, units, added)

    def _held_on(self, stored: Stored) -> Record:
        """A unit, whose lease goes on for the grace, and whose worker has one name."""
        record = expand(stored)
        entry, status, priority, when, worker, started, own, past, lapses, number = record
        worker = self._names.setdefault(worker, worker)
        if status == PENDING and when is not None:
            when = max(when, self._earliest_end)
        return (entry, status, priority, when, worker, started, own, past, lapses, number)

    def _load_locks(self) -> None:
        for namespace, path, row in self._connection.execute("SELECT * FROM lock"):
            place, lock = rows.unpack_lock(path, row, self.offset)
            lock = lock._replace(expires=max(lock.expires, self._earliest_end))
            self._homes[namespace][1].make([LocksChange({place: lock})])

    def _tell(self, count: int) -> None:
        self.units += count
        if time.monotonic() > self._tell_at:
            self._tell_at = time.monotonic() + TELL_EVERY
            log.info("loading: %d units so far", self.units)


class Past:
    """What workers did, as it follows from the units of a namespace."""

    def __init__(self, home: MemoryNamespace) -> None:
        self._home = home
        # Worker -> its latest attempts, the oldest first: (end, place, number).
        self._ended: dict[Name, list[tuple[float, Place, int]]] = {}
        self._lapsed: list[tuple[float, Name, Place, int]] = []

    def take(self, place: Place, unit: Record) -> None:
        """Look at a unit."""
        for attempt in unit[PAST]:
            self._took(attempt[PAST_WORKER], attempt[PAST_ENDED], place, attempt[PAST_NUMBER])
        if unit[STATUS] in ENDED and unit[STARTED] is not None:
            self._took(unit[WORKER], unit[WHEN], place, unit[NUMBER])
        elif unit[STATUS] == AVAILABLE and unit[LAPSES] and unit[PAST]:
            latest = unit[PAST][-1]
            worker, end = latest[PAST_WORKER], latest[PAST_ENDED]
            if latest[PAST_STATUS] == EXPIRED and worker is not None and end is not None:
                self._lapsed.append((end, worker, place, latest[PAST_NUMBER]))

    def _took(self, worker: Name | None, end: float | None, place: Place, number: int) -> None:
        if worker is None or end is None:
            return
        latest = self._ended.setdefault(worker, [])
        keep = heapq.heappush if len(latest) < WORKER_ATTEMPTS_KEPT else heapq.heappushpop
        keep(latest, (end, place, number))

    def recall(self) -> None:
        """Let the workers of the namespace remember it."""
        # Who ended something latest was the last to be there.
        for worker, latest in sorted(self._ended.items(), key=lambda each: max(each[1])):
            attempts = [(*place, number) for _, place, number in sorted(latest)]
            self._home.recall_attempts(worker, attempts)
        for end, worker, place, number in sorted(self._lapsed, key=itemgetter(0)):
            self._home.recall_lapse(worker, place, end, number)
