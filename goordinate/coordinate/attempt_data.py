"""How much of their data the past attempts of a unit keep.

Rule: a past attempt stays on record whatever its data. Its data is kept if it is the unit's own,
which is there anyway, or if it fits in the bytes that all past attempts of the unit may take
together; the latest come first. Of other data only the size stays.
"""

from __future__ import annotations

from collections.abc import Mapping

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.records import (
    ENTRY,
    OWN,
    PAST,
    PAST_ENTRY,
    PastAttempt,
    Record,
    data_of,
    head_size,
)

#: Bytes that the past attempts of a unit may take, unless the configuration says otherwise.
DEFAULT_BUDGET = 4096

#: The key of the map that stands for data that was not kept; its value is the size in bytes.
NOT_KEPT = b"data_not_kept"


def past_data(attempt: PastAttempt, key: bytes) -> bytes:
    """The data of a past attempt of the unit `key`, or the map that says that it was not kept."""
    entry = attempt[PAST_ENTRY]
    return dumps({NOT_KEPT: entry}) if isinstance(entry, int) else data_of(entry, key)


def bounded_units(
    units: Mapping[bytes, Record | None], budget: int
) -> Mapping[bytes, Record | None]:
    """Units by key, each with its past attempts within `budget` bytes."""
    return {key: record and bounded(record, key, budget) for key, record in units.items()}


def bounded(record: Record, key: bytes, budget: int) -> Record:
    """The unit `key` with its past attempts within `budget` bytes, names included.

    Entries that are equal become the same object, and count once.
    """
    if not record[PAST]:
        return record
    kept = [entry for entry in (record[ENTRY], record[OWN]) if entry is not None]
    past: list[PastAttempt] = []
    for attempt in reversed(record[PAST]):
        worker, started, end, status, entry, number = attempt
        if not isinstance(entry, int):
            same = next((each for each in kept if each == entry), None)
            if same is not None:
                entry = same
            elif len(entry) <= budget:
                budget -= len(entry)
                kept.append(entry)
            else:
                entry = len(entry) - head_size(key) - len(key)
        past.append((worker, started, end, status, entry, number))
    return (*record[:7], tuple(reversed(past)), *record[8:])
