"""What is kept of a work unit: its record, and the steps from one record to the next.

Millions of units wait, so a unit that only waits (default priority, no past) is kept as its
`item` alone: name and data as CBOR in one byte string. Any other is a plain tuple, `Record`.
Neither is tracked by the garbage collector, so a collection never walks over the queue. Records
are never changed: each step makes the next one, which is stored in one assignment.
"""

from __future__ import annotations

from goordinate.coordinate.lifecycle import (
    ATTEMPTS_KEPT,
    AVAILABLE,
    CHANGES,
    DELAYED,
    FAIL,
    FAILED,
    FINISH,
    FINISHED,
    KEEP,
    LEASE,
    PENDING,
    RELEASE,
    RENEW,
    RETRYABLE,
)
from goordinate.coordinate.names import Name, identity

#: An attempt that is no longer the active one: worker, start time, end time (None: cleared while
#: pending), status, item as the attempt left it.
PastAttempt = tuple[Name | None, float, float | None, int, bytes]

#: item; status; priority; `when`: end of the lease if pending, time of the end if finished or
#: failed, time to become available if delayed; worker and start time of the active attempt; the
#: unit's own item, if the active attempt gave it another; attempts before the active one; leases
#: that ran out.
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
]


def expand(stored: bytes | Record) -> Record:
    """The record of a unit, whichever way it is kept."""
    if type(stored) is bytes:
        return (stored, AVAILABLE, 0, None, None, None, None, (), 0)
    return stored  # type: ignore[return-value]


def compact(record: Record) -> bytes | Record:
    """The smallest form in which a unit can be kept."""
    item, status, priority, when, _, _, _, past, lapses = record
    if status == AVAILABLE and priority == 0 and when is None and not past and not lapses:
        return item
    return record


def leased(record: Record, worker: Name | None, now: float, end: float | None) -> Record:
    """The unit in the hands of `worker` from now on; what it was before goes to its past."""
    item, _, priority, _, _, _, own, _, lapses = record
    past = remembered(record)[1 - ATTEMPTS_KEPT :]
    return (item, PENDING, priority, end, worker, now, own, past, lapses)


def ended(record: Record, status: int, now: float) -> Record:
    """The unit FINISHED or FAILED now, by whoever holds or held it."""
    item, _, priority, _, worker, started, own, past, lapses = record
    return (item, status, priority, now, worker, started, own, past, lapses)


def free(
    record: Record,
    attempt_status: int | None,
    now: float,
    *,
    not_before: float | None = None,
    lapses: int = 0,
) -> Record:
    """The unit without active attempt, with its own data, available or delayed.

    The attempt is remembered as `attempt_status`, ended now; None: as it stands.
    """
    item, _, priority, _, _, _, own, _, _ = record
    status = AVAILABLE if not_before is None else DELAYED
    past = remembered(record, attempt_status, now)
    return (own or item, status, priority, not_before, None, None, None, past, lapses)


def remembered(
    record: Record, attempt_status: int | None = None, now: float | None = None
) -> tuple[PastAttempt, ...]:
    """The past of the unit with its active attempt, if any, put behind it.

    The attempt keeps its status and end, or gets `attempt_status` and ends now.
    """
    item, status, _, when, worker, started, _, past, _ = record
    if started is None:
        return past
    if attempt_status is None:
        attempt_status, now = status, (None if status == PENDING else when)
    return (*past[1 - ATTEMPTS_KEPT :], (worker, started, now, attempt_status, item))


def head_size(key: bytes) -> int:
    """The size in bytes of the CBOR head of a string as long as `key`."""
    size = len(key)
    return 1 if size < 24 else 2 if size < 0x100 else 3 if size < 0x10000 else 5


def name_of(item: bytes, key: bytes) -> Name:
    """The name in the form in which it was stored: as bytes or as text."""
    return key.decode("utf-8") if item[0] >= 0x60 else key


def data_of(item: bytes, key: bytes) -> bytes:
    """The data in `item`."""
    return item[head_size(key) + len(key) :]


def with_data(item: bytes, key: bytes, data: bytes) -> bytes:
    """`item` with other data."""
    return item[: head_size(key) + len(key)] + data


def added_again(
    record: Record,
    key: bytes,
    item: bytes,
    priority: float | None,
    not_before: float | None,
    now: float,
    *,
    restart: bool,
) -> Record:
    """The unit when one of the same key is added (see `api.WorkSpec.add_work_units`)."""
    # The name stays in the form in which it was first stored.
    item = with_data(record[0], key, data_of(item, key))
    if record[1] == PENDING and not restart:
        return (*record[:2], priority or 0, *record[3:6], item, *record[7:])
    status = RETRYABLE if record[1] == PENDING else None
    released = free(record, status, now, not_before=not_before)
    kept = record[2] if restart else priority or 0
    return (item, released[1], kept, *released[3:])


def updated(
    record: Record,
    key: bytes,
    status: int | None,
    end: float | None,
    data: bytes | None,
    worker: Name | None,
    now: float,
) -> tuple[Record, str]:
    """The unit after `update_work_unit`, and which of the effects in `lifecycle` it had.

    `end` is that of the lease asked for. What stays as it is stays the same object.
    """
    if data is not None:
        _, now_in, priority, when, holder, started, _, past, lapses = record
        item = with_data(record[0], key, data)
        record = (item, now_in, priority, when, holder, started, None, past, lapses)
    if status is None:
        effect = RENEW if record[1] == PENDING else KEEP
        worker = None
    else:
        effect = CHANGES[record[1], status]
    if effect in (FINISH, FAIL):
        return ended(record, status or FINISHED, now), effect
    if effect == LEASE:
        if end is None and record[1] in (FINISHED, FAILED):
            end = record[3]  # as the original: a lease that is over already
        return leased(record, record[4], now, end), effect
    if effect == RELEASE:
        if record[1] == PENDING:
            return free(record, RETRYABLE, now, lapses=record[8]), effect
        return free(record, None, now), effect  # it begins anew
    if effect == RENEW:
        end = record[3] if end is None else end
        if worker is not None and (record[4] is None or identity(record[4]) != identity(worker)):
            return leased(record, worker, now, end), effect
        return (*record[:3], end, *record[4:]), effect
    return record, effect
