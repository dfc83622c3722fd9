"""Records -> the bytes that a row of the file keeps, and back.

Rule: a row keeps CBOR. A unit that only waits is its entry as it stands; every other record is an
array. Times are those of the file in a row (see `schema`) and moments of the backend's clock in a
record: `offset`, in seconds, is what a moment lacks to be a time of the file.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from struct import Struct
from typing import Any, Final

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.encode import array_head, bytes_head, dumps, encode_head
from goordinate.cborrpc.heads import NULL, UNSIGNED
from goordinate.coordinate.control import Control, SpecRecord
from goordinate.coordinate.counters import SpecCounters, packed, unpacked
from goordinate.coordinate.journal import WorkerRecord
from goordinate.coordinate.locks import Lock, Path
from goordinate.coordinate.names import encoded
from goordinate.coordinate.records import PastAttempt, Stored, compact
from goordinate.coordinate.states import AVAILABLE

_ARRAY: Final = array_head(9)
_ARRAY_INITIAL: Final = _ARRAY[0]
_NO_PAST: Final = array_head(0)
_PRIORITY_0: Final = encode_head(UNSIGNED, 0)
_FLOAT = Struct(">Bd").pack
_FLOAT_INITIAL: Final = 0xFB

#: Names of workers come again and again.
_name = lru_cache(maxsize=1000)(encoded)


class BadRow(Exception):
    """A row that no version of this program has written."""


def _shifted(moment: float | None, offset: float) -> float | None:
    return None if moment is None else moment + offset


def _time(moment: float | None, offset: float) -> bytes:
    return NULL if moment is None else _FLOAT(_FLOAT_INITIAL, moment + offset)


# --- units ---------------------------------------------------------------------------------------


def pack_unit(unit: Stored, offset: float) -> tuple[int, bytes]:
    """The state of a unit, and the rest of it."""
    if type(unit) is bytes:
        return AVAILABLE, unit
    smallest = compact(unit)  # type: ignore[arg-type]
    if isinstance(smallest, bytes):
        return AVAILABLE, smallest
    entry, status, priority, when, worker, started, own, past, lapses, number = smallest
    return status, b"".join(
        (
            _ARRAY,
            _PRIORITY_0 if type(priority) is int and priority == 0 else dumps(priority),
            _time(when, offset),
            NULL if worker is None else _name(worker),
            _time(started, offset),
            NULL if own is None else bytes_head(len(own)) + own,
            dumps(_pack_past(past, [entry, own], offset)) if past else _NO_PAST,
            encode_head(UNSIGNED, lapses),
            encode_head(UNSIGNED, number),
            bytes_head(len(entry)),
            entry,
        )
    )


def unpack_unit(status: int, row: bytes, offset: float) -> Stored:
    """The unit of a row. Raises BadRow, CBORError."""
    if row[0] != _ARRAY_INITIAL:
        if status != AVAILABLE:
            raise BadRow("a unit without its state")
        return row
    priority, when, worker, started, own, past, lapses, number, entry = loads(row)
    return (
        entry,
        status,
        priority,
        _shifted(when, -offset),
        worker,
        _shifted(started, -offset),
        own,
        _unpack_past(past, [entry, own], offset),
        lapses,
        number,
    )


def _pack_past(
    past: tuple[PastAttempt, ...], seen: list[bytes | int | None], offset: float
) -> list[list[Any]]:
    """Attempts, oldest first. `seen`: the entries of the unit; an entry that is one of these, or
    that of an older attempt, is kept as [its place among all of them]."""
    packed = []
    for worker, started, end, status, entry, number in past:
        kept = [seen.index(entry)] if isinstance(entry, bytes) and entry in seen else entry
        packed.append([worker, started + offset, _shifted(end, offset), status, kept, number])
        seen.append(entry)
    return packed


def _unpack_past(
    past: list[list[Any]], seen: list[bytes | int | None], offset: float
) -> tuple[PastAttempt, ...]:
    attempts: list[PastAttempt] = []
    for worker, started, end, status, kept, number in past:
        entry: Any = seen[kept[0]] if isinstance(kept, list) else kept
        attempts.append((worker, started - offset, _shifted(end, -offset), status, entry, number))
        seen.append(entry)
    return tuple(attempts)


# --- work specs ----------------------------------------------------------------------------------


def pack_spec(record: SpecRecord, offset: float) -> bytes:
    """All of a work spec but its units."""
    return dumps(
        [
            record.name,
            record.data,
            asdict(record.control),
            _shifted(record.made_up, offset),
            [list(count) for count in record.archived],
        ]
    )


def unpack_spec(row: bytes, offset: float) -> SpecRecord:
    """The work spec of a row. Raises CBORError."""
    name, data, control, made_up, archived = loads(row)
    return SpecRecord(
        name,
        data,
        Control(**control),
        _shifted(made_up, -offset),
        tuple((state, count) for state, count in archived),
    )


def pack_facts(change: int, counters: SpecCounters) -> bytes:
    """The number of a work spec's last change, and its counters."""
    return dumps([change, packed(counters)])


def unpack_facts(row: bytes) -> tuple[int, SpecCounters]:
    """The facts of a row. Raises CBORError."""
    change, counters = loads(row)
    return change, unpacked(counters)


# --- workers and locks ---------------------------------------------------------------------------


def pack_worker(record: WorkerRecord, offset: float) -> bytes:
    """A worker."""
    heard = record.last_update or record.expiration  # 0: it never said that it lives
    return dumps(
        [
            record.name,
            # By itself: what it is nested in counts for the depth.
            dumps(record.mode),
            record.data,
            record.last_update + offset if heard else None,
            record.expiration + offset if heard else None,
            record.active,
            record.parent,
        ]
    )


def unpack_worker(row: bytes, offset: float) -> WorkerRecord:
    """The worker of a row. Raises CBORError."""
    name, mode, data, last_update, expiration, active, parent = loads(row)
    return WorkerRecord(
        name=name,
        mode=loads(mode),
        data=data,
        last_update=0.0 if last_update is None else last_update - offset,
        expiration=0.0 if expiration is None else expiration - offset,
        active=active,
        parent=parent,
    )


def pack_path(path: Path) -> bytes:
    """The path of a lock."""
    return dumps(list(path))


def pack_lock(lock: Lock, offset: float) -> bytes:
    """Who holds a lock, and until when."""
    return dumps([lock.owner, lock.expires + offset])


def unpack_lock(path: bytes, row: bytes, offset: float) -> tuple[Path, Lock]:
    """The path and the lock of a row. Raises CBORError."""
    owner, expires = loads(row)
    return tuple(loads(path)), Lock(owner, expires - offset)
