"""The form in which a work unit is kept: a plain tuple with named indexes.

Millions of units wait. So a unit that only waits (default priority, no past) is kept as its
`entry` alone: name and data as CBOR, in one byte string. Any other unit is a `Record`. The garbage
collector tracks neither, so a collection never walks over the queue. A record is never changed:
each step of `lifecycle` makes the next one.
"""

from __future__ import annotations

from typing import Final

from goordinate.coordinate.names import Name
from goordinate.coordinate.states import AVAILABLE

#: An attempt that no longer holds its unit: worker, start, end (None: taken from its worker while
#: pending), status, entry as the attempt left it (the size of its data in bytes, if that was not
#: kept: `attempt_data`), number.
PastAttempt = tuple[Name | None, float, float | None, int, bytes | int, int]

Record = tuple[
    bytes,
    int,
    float,
    float | None,
    Name | None,
    float | None,
    bytes | None,
    tuple[PastAttempt, ...],
    int,
    int,
]

#: How a unit is kept.
Stored = bytes | Record

# The indexes of a record.
#: Name and data as CBOR, one after the other.
ENTRY: Final = 0
STATUS: Final = 1
PRIORITY: Final = 2
#: Pending: the end of the lease (None: no lease). Delayed: when it becomes available. Finished or
#: failed: when it ended. Available: None.
WHEN: Final = 3
#: The worker of the active attempt.
WORKER: Final = 4
#: When the active attempt began. None: there is no active attempt.
STARTED: Final = 5
#: The unit's own entry, if the active attempt gave the unit another one.
OWN: Final = 6
#: The attempts before the active one, oldest first.
PAST: Final = 7
#: How many leases ran out since the unit last began anew.
LAPSES: Final = 8
#: The number of the unit's latest attempt. 0: it has none.
NUMBER: Final = 9

# The indexes of a past attempt.
PAST_WORKER: Final = 0
PAST_STARTED: Final = 1
PAST_ENDED: Final = 2
PAST_STATUS: Final = 3
PAST_ENTRY: Final = 4
PAST_NUMBER: Final = 5


def expand(stored: Stored) -> Record:
    """The record of a unit, whichever way it is kept."""
    if type(stored) is bytes:
        return (stored, AVAILABLE, 0, None, None, None, None, (), 0, 0)
    return stored  # type: ignore[return-value]


def compact(record: Record) -> Stored:
    """The smallest form in which a unit can be kept."""
    entry, status, priority, when, _, _, _, past, lapses, _ = record
    if status == AVAILABLE and priority == 0 and when is None and not past and not lapses:
        return entry
    return record


def head_size(key: bytes) -> int:
    """The size in bytes of the CBOR head of a string as long as `key`."""
    size = len(key)
    return 1 if size < 24 else 2 if size < 0x100 else 3 if size < 0x10000 else 5


def name_of(entry: bytes, key: bytes) -> Name:
    """The name in the form in which it was stored: as bytes or as text."""
    return key.decode("utf-8") if entry[0] >= 0x60 else key


def data_of(entry: bytes, key: bytes) -> bytes:
    """The data in `entry`."""
    return entry[head_size(key) + len(key) :]


def with_data(entry: bytes, key: bytes, data: bytes) -> bytes:
    """`entry` with other data."""
    return entry[: head_size(key) + len(key)] + data
