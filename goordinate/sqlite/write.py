"""A batch of changes -> the rows of one transaction.

Rule: it works in slices and yields after each, so that who runs it can let others have their turn.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from goordinate.coordinate.records import NUMBER, Stored
from goordinate.sqlite import rows, schema
from goordinate.sqlite.notes import Batch, SpecEntry

#: Rows of units that are written in a slice: some milliseconds.
SLICE: Final = 1000

#: Rows of dead units that are looked at in one transaction.
SWEPT_AT_ONCE: Final = 1000

#: Graves that are swept in one transaction, if there are few rows in each but the last.
SWEPT_TOGETHER: Final = 50

#: Pages that are given back to the file system in one transaction.
VACUUMED_AT_ONCE: Final = 200

#: Free pages that a file may keep in any case.
FREE_PAGES: Final = 1000


def write(
    connection: sqlite3.Connection,
    batch: Batch,
    specs: Mapping[int, SpecEntry],
    number: int,
    offset: float,
) -> Iterator[int]:
    """Write a batch as the commit of this number; yields how many rows each slice wrote.

    `specs` are those there are by now, by their ids.
    """
    run = connection.execute
    for namespace_id, namespace in batch.namespaces.items():
        if namespace is not None:
            run(schema.PUT_NAMESPACE, (namespace_id, *namespace))
        else:
            for statement in schema.DELETE_NAMESPACE:
                run(statement, (namespace_id,))
    connection.executemany(
        schema.PUT_GRAVE, [(spec, state, number) for spec, state in batch.graves]
    )
    for spec_id, units in batch.units.items():
        entry = specs.get(spec_id)
        items = iter(units.items())
        while piece := sorted(islice(items, SLICE)):
            highest = _write_units(connection, spec_id, piece, number, offset)
            if entry is not None and highest > entry.last_number:
                entry.last_number = batch.numbers[spec_id] = highest
            yield len(piece)
    for spec_id, spec in batch.specs.items():
        if spec is None:
            run(schema.DELETE_SPEC, (spec_id,))
            run(schema.DELETE_FACTS, (spec_id,))
        else:
            run(schema.PUT_SPEC, (spec_id, spec[0], rows.pack_spec(spec[1], offset)))
    connection.executemany(
        schema.PUT_FACTS, [(spec, rows.pack_facts(*facts)) for spec, facts in batch.facts.items()]
    )
    for spec_id, highest in batch.numbers.items():
        run(schema.PUT_NUMBER, (highest, spec_id))
    _write_people(connection, batch, offset)
    yield len(batch.specs) + len(batch.workers) + len(batch.locks)


def _write_units(
    connection: sqlite3.Connection,
    spec: int,
    units: list[tuple[bytes, Stored | None]],
    number: int,
    offset: float,
) -> int:
    """Write units of a spec; the highest number of an attempt among them."""
    pack, highest = rows.pack_unit, 0
    kept, deleted = [], []
    for key, unit in units:
        if unit is None:
            deleted.append((spec, key))
            continue
        state, record = pack(unit, offset)
        kept.append((spec, key, state, number, record))
        if type(unit) is not bytes and unit[NUMBER] > highest:
            highest = unit[NUMBER]
    if kept:
        connection.executemany(schema.PUT_UNIT, kept)
    if deleted:
        connection.executemany(schema.DELETE_UNIT, deleted)
    return highest


def _write_people(connection: sqlite3.Connection, batch: Batch, offset: float) -> None:
    for (namespace, key), worker in batch.workers.items():
        if worker is None:
            connection.execute(schema.DELETE_WORKER, (namespace, key))
        else:
            values = (namespace, key, rows.pack_worker(worker, offset))
            connection.execute(schema.PUT_WORKER, values)
    for (namespace, path), lock in batch.locks.items():
        place = (namespace, rows.pack_path(path))
        if lock is None:
            connection.execute(schema.DELETE_LOCK, place)
        else:
            connection.execute(schema.PUT_LOCK, (*place, rows.pack_lock(lock, offset)))


class Upkeep:
    """What makes the file smaller, bit by bit: dead rows, and pages that are free."""

    def __init__(self, connection: sqlite3.Connection, graves: dict[tuple[int, int], int]) -> None:
        """`graves`: those in the file, (spec, state) -> before which commit."""
        self._connection = connection
        self._graves = graves
        # How far the first grave has been swept.
        self._swept = b""
        self._vacuuming = False

    @property
    def due(self) -> bool:
        """Whether there is something to do."""
        return bool(self._graves) or self._vacuuming

    def committed(self, batch: Batch, number: int) -> None:
        """A batch is in the file."""
        for grave in batch.graves:
            if grave == next(iter(self._graves), None):
                self._swept = b""
            self._graves[grave] = number

    def step(self) -> None:
        """Do a little, in the transaction that is open."""
        if self._graves:
            for _ in range(SWEPT_TOGETHER):
                if not self._graves or not self._sweep():
                    break
        elif self._vacuuming:
            self._connection.execute(f"PRAGMA incremental_vacuum({VACUUMED_AT_ONCE})").fetchall()
        self.look()

    def look(self) -> None:
        """See whether a third of the file is free."""
        ((free,),) = self._connection.execute("PRAGMA freelist_count")
        ((pages,),) = self._connection.execute("PRAGMA page_count")
        self._vacuuming = free > FREE_PAGES and 3 * free > pages

    def _sweep(self) -> bool:
        """Delete dead rows of the first grave; whether they were few, and all that were left."""
        (spec, state), before = next(iter(self._graves.items()))
        run = self._connection.execute
        found = run(schema.KEY_AFTER, (spec, self._swept, SWEPT_AT_ONCE)).fetchone()
        end = None if found is None else found[0]
        if end is None:
            run(schema.DELETE_DEAD_REST, (before, state, spec, self._swept))
            run(schema.DELETE_GRAVE, (spec, state, before))
            del self._graves[spec, state]
            self._swept = b""
        else:
            run(schema.DELETE_DEAD, (before, state, spec, self._swept, end))
            self._swept = end
        return end is None
