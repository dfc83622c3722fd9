"""The life of a work unit and of its attempts.

Rule: everything that decides what becomes of a unit is here, whichever call or clock causes it.
`STEPS` and `CALLS` tell which change there is in which state; the functions below them make the
next record from the one before. They read no clock and change nothing.

Times are moments of the backend's clock, in seconds.
"""

from __future__ import annotations

from typing import NamedTuple

from goordinate.coordinate.errors import CoordinateError, LostLease, NoSuchAttempt, NotPending
from goordinate.coordinate.names import Name, encoded, identity
from goordinate.coordinate.records import (
    ENTRY,
    LAPSES,
    NUMBER,
    PAST,
    PAST_NUMBER,
    PAST_STATUS,
    PRIORITY,
    STARTED,
    STATUS,
    WHEN,
    WORKER,
    PastAttempt,
    Record,
    Stored,
    data_of,
    with_data,
)
from goordinate.coordinate.states import (
    AVAILABLE,
    DELAYED,
    ENDED,
    EXPIRED,
    FAILED,
    FINISHED,
    NAMES,
    PENDING,
    RETRYABLE,
)
from goordinate.coordinate.unit_data import EMPTY_MAP, with_traceback

#: How many attempts of a unit are kept, with the active one. Older ones are forgotten.
ATTEMPTS_KEPT = 16

#: The priority of a unit that a continuous work spec made up.
MADE_UP_PRIORITY = -1

#: The traceback of a unit that failed because its leases ran out too often.
TOO_MANY_RETRIES = b"too many retries"

# What a step does to a unit.
KEEP = "keep"  # its state and its lease stay
RELEASE = "release"  # available, without worker and lease
DELAY = "delay"  # delayed, without worker and lease
LEASE = "lease"  # pending, in the hands of a worker
RENEW = "renew"  # still pending: another end of the lease, another worker
FINISH = "finish"  # finished; its output goes to the next work spec
FAIL = "fail"  # failed
NEW_DATA = "keep, new data"  # still pending, in the same hands; its own data is another

# What causes a step, besides the calls on attempts below.
GIVEN = "given by get_work"
LAPSED = "its time ran out"  # a lease, or a delay
GIVEN_UP = "picked by get_work after max_retries"
ADDED = "added again"
ADDED_OVER = "added again, with restart"
CLEARED = "attempt cleared"
# update_work_unit, by the state asked for (None: only a lease or data).
UPDATED = {
    None: "updated",
    AVAILABLE: "updated to available",
    PENDING: "updated to pending",
    FINISHED: "updated to finished",
    FAILED: "updated to failed",
}

PUT_OFF = "updated to available, with a delay"

#: (state, cause) -> what the cause does to a unit in that state; others cannot happen.
STEPS = {
    (AVAILABLE, GIVEN): LEASE,
    (AVAILABLE, GIVEN_UP): FAIL,
    (PENDING, LAPSED): RELEASE,
    (DELAYED, LAPSED): RELEASE,
    **dict.fromkeys(((state, ADDED) for state in (AVAILABLE, DELAYED, *ENDED)), RELEASE),
    (PENDING, ADDED): NEW_DATA,
    **dict.fromkeys(
        ((state, ADDED_OVER) for state in (AVAILABLE, DELAYED, PENDING, *ENDED)), RELEASE
    ),
    (AVAILABLE, CLEARED): KEEP,
    **dict.fromkeys(((state, CLEARED) for state in (DELAYED, PENDING, *ENDED)), RELEASE),
    **dict.fromkeys(((state, UPDATED[None]) for state in (AVAILABLE, DELAYED, *ENDED)), KEEP),
    (PENDING, UPDATED[None]): RENEW,
    (AVAILABLE, UPDATED[AVAILABLE]): KEEP,
    (AVAILABLE, UPDATED[PENDING]): LEASE,
    (AVAILABLE, UPDATED[FINISHED]): FINISH,
    (AVAILABLE, UPDATED[FAILED]): FAIL,
    (DELAYED, UPDATED[AVAILABLE]): KEEP,
    (DELAYED, UPDATED[PENDING]): LEASE,
    (DELAYED, UPDATED[FINISHED]): FINISH,
    (DELAYED, UPDATED[FAILED]): FAIL,
    (PENDING, UPDATED[AVAILABLE]): RELEASE,
    (PENDING, UPDATED[PENDING]): RENEW,
    (PENDING, UPDATED[FINISHED]): FINISH,
    (PENDING, UPDATED[FAILED]): FAIL,
    (FINISHED, UPDATED[AVAILABLE]): RELEASE,
    (FINISHED, UPDATED[PENDING]): LEASE,
    (FINISHED, UPDATED[FINISHED]): KEEP,
    (FINISHED, UPDATED[FAILED]): KEEP,  # a late failure never undoes a success
    (FAILED, UPDATED[AVAILABLE]): RELEASE,
    (FAILED, UPDATED[PENDING]): LEASE,
    (FAILED, UPDATED[FINISHED]): FINISH,  # the late success wins
    (FAILED, UPDATED[FAILED]): KEEP,
    **dict.fromkeys(((state, PUT_OFF) for state in (AVAILABLE, DELAYED, PENDING, *ENDED)), DELAY),
}

#: The same rows for update_work_unit, by state now and state asked for: looked up in every call.
UPDATES = {
    (state, asked): STEPS[state, cause]
    for asked, cause in UPDATED.items()
    for state in (AVAILABLE, DELAYED, PENDING, *ENDED)
}

# What a call on an attempt does. "Active": the attempt still gives its unit its state.
END = "end"  # the attempt ends, and its unit with it
END_ALONE = "end alone"  # the attempt ends; its unit is not its own any more
LOST = "lost"  # the attempt is expired now, and LostLease is the answer
NOTHING = "nothing"  # too late, and no harm done
TOO_LATE = "too late"  # NotPending is the answer
GO_ON = "go on"  # the lease is moved

RENEW_CALL = "renew"
EXPIRE_CALL = "expire"
FINISH_CALL = "finish"
FAIL_CALL = "fail"
RETRY_CALL = "retry"

#: (call, state of the attempt, active) -> what to do. Any other combination is TOO_LATE.
CALLS = {
    (RENEW_CALL, PENDING, True): GO_ON,
    (RENEW_CALL, PENDING, False): LOST,
    (RENEW_CALL, EXPIRED, False): LOST,
    (EXPIRE_CALL, PENDING, True): END,
    (EXPIRE_CALL, PENDING, False): END_ALONE,
    (EXPIRE_CALL, EXPIRED, False): NOTHING,
    (FINISH_CALL, PENDING, True): END,
    (FINISH_CALL, PENDING, False): END_ALONE,
    (FINISH_CALL, FAILED, True): END,  # the late success wins
    (FINISH_CALL, FAILED, False): END_ALONE,
    (FAIL_CALL, PENDING, True): END,
    (FAIL_CALL, PENDING, False): END_ALONE,
    (RETRY_CALL, PENDING, True): END,
    (RETRY_CALL, PENDING, False): END_ALONE,
}

#: The state of an attempt after a call that ends it.
ENDS_AS = {
    EXPIRE_CALL: EXPIRED,
    FINISH_CALL: FINISHED,
    FAIL_CALL: FAILED,
    RETRY_CALL: RETRYABLE,
}


# --- the parts of a step ------------------------------------------------------------------------


def remembered(
    record: Record, attempt_status: int | None = None, now: float | None = None
) -> tuple[PastAttempt, ...]:
    """The past of a unit with its active attempt, if there is one, behind it.

    The attempt keeps its status and end, or gets `attempt_status` and ends now.
    """
    entry, status, _, when, worker, started, _, past, _, number = record
    if started is None:
        return past
    if attempt_status is None:
        attempt_status, now = status, (None if status == PENDING else when)
    return (*past[1 - ATTEMPTS_KEPT :], (worker, started, now, attempt_status, entry, number))


def released(
    record: Record,
    attempt_status: int | None,
    now: float | None,
    *,
    not_before: float | None = None,
    lapses: int = 0,
) -> Record:
    """The unit without active attempt, with its own data: available, or delayed until
    `not_before`.

    The attempt is remembered as `attempt_status`, ended now; None: as it stands.
    """
    entry, _, priority, _, _, _, own, _, _, number = record
    status = AVAILABLE if not_before is None else DELAYED
    past = remembered(record, attempt_status, now)
    return (own or entry, status, priority, not_before, None, None, None, past, lapses, number)


def ended(record: Record, status: int, now: float) -> Record:
    """The unit FINISHED or FAILED now, by whoever holds or held it."""
    entry, _, priority, _, worker, started, own, past, lapses, number = record
    return (entry, status, priority, now, worker, started, own, past, lapses, number)


# --- the steps ----------------------------------------------------------------------------------


def new(entry: bytes, priority: float | None, not_before: float | None) -> Record:
    """A unit that is added for the first time; delayed until `not_before`, if given."""
    status = AVAILABLE if not_before is None else DELAYED
    return (entry, status, priority or 0, not_before, None, None, None, (), 0, 0)


def leased(
    stored: Stored, worker: Name | None, now: float, end: float | None, last_number: int
) -> Record:
    """The unit in the hands of `worker` from now on, until `end` (None: without a lease).

    Its attempt gets a number above `last_number` and above those of its earlier attempts.
    """
    if type(stored) is bytes:
        return (stored, PENDING, 0, end, worker, now, None, (), 0, last_number + 1)
    record: Record = stored  # type: ignore[assignment]
    entry, _, priority, _, _, _, own, _, lapses, number = record
    past = remembered(record)[1 - ATTEMPTS_KEPT :]
    number = max(number, last_number) + 1
    return (entry, PENDING, priority, end, worker, now, own, past, lapses, number)


def made_up(key: bytes, worker: Name, now: float, end: float, last_number: int) -> Record:
    """A unit of a continuous work spec, made up for the worker that asked."""
    entry = encoded(key) + EMPTY_MAP
    return leased(new(entry, MADE_UP_PRIORITY, None), worker, now, end, last_number)


def made_up_key(unix_time: float) -> bytes:
    """The name of a made-up unit: the Unix time at which it is made, to the microsecond."""
    return b"%.6f" % unix_time


def lapsed(record: Record) -> Record:
    """The unit when the time it waited for has come: its lease is over, or its delay.

    The attempt ended with the lease, whenever that is noticed.
    """
    if record[STATUS] == PENDING:
        return released(record, EXPIRED, record[WHEN], lapses=record[LAPSES] + 1)
    return released(record, None, None, lapses=record[LAPSES])


def must_give_up(record: Record, max_retries: int | None) -> bool:
    """Whether so many leases ran out that the unit fails in place of being handed out."""
    return bool(max_retries) and record[LAPSES] >= (max_retries or 0)


def given_up(record: Record, key: bytes, now: float) -> Record:
    """The unit FAILED because its leases ran out too often; its data tells why."""
    data = with_traceback(data_of(record[ENTRY], key), TOO_MANY_RETRIES)
    return ended((with_data(record[ENTRY], key, data), *record[1:]), FAILED, now)


def added_again(
    record: Record,
    key: bytes,
    entry: bytes,
    priority: float | None,
    not_before: float | None,
    now: float,
    *,
    restart: bool,
) -> Record:
    """The unit when one of the same key is added (see `api.Namespace.add_work_units`)."""
    # The name stays in the form in which it was first stored.
    entry = with_data(record[ENTRY], key, data_of(entry, key))
    if record[STATUS] == PENDING and not restart:
        own = None if entry == record[ENTRY] else entry
        return (*record[:2], priority or 0, *record[3:6], own, *record[7:])
    status = RETRYABLE if record[STATUS] == PENDING else None
    after = released(record, status, now, not_before=not_before)
    kept = record[PRIORITY] if restart else priority or 0
    return (entry, after[STATUS], kept, *after[3:])


def prioritized(record: Record, priority: float) -> Record:
    """The unit with another priority."""
    entry, status, _, when, worker, started, own, past, lapses, number = record
    return (entry, status, priority, when, worker, started, own, past, lapses, number)


def updated(
    record: Record,
    key: bytes,
    status: int | None,
    end: float | None,
    data: bytes | None,
    worker: Name | None,
    now: float,
    last_number: int,
    delay: float = 0.0,
) -> tuple[Record, str]:
    """The unit after update_work_unit, and what was done of `STEPS`.

    `end` is that of the lease asked for; one before `now` gives back a unit that is pending or is
    to be. `delay` counts if the unit is to be available. What stays as it is stays the same object.
    """
    if end is not None and end < now and PENDING in (status, status or record[STATUS]):
        status = AVAILABLE
    if data is not None:
        _, now_in, priority, when, holder, started, _, past, lapses, number = record
        entry = with_data(record[ENTRY], key, data)
        record = (entry, now_in, priority, when, holder, started, None, past, lapses, number)
    effect = UPDATES[record[STATUS], status]
    if status == AVAILABLE and delay > 0:
        effect = STEPS[record[STATUS], PUT_OFF]
    if effect in (FINISH, FAIL):
        return ended(record, status or FINISHED, now), effect
    if effect == LEASE:
        if end is None and record[STATUS] in ENDED:
            end = record[WHEN]  # as the original: a lease that is over already
        return leased(record, record[WORKER], now, end, last_number), effect
    if effect in (RELEASE, DELAY):
        attempt_status = RETRYABLE if record[STATUS] == PENDING else None
        not_before = now + delay if effect == DELAY else None
        lapses = 0 if record[STATUS] in ENDED else record[LAPSES]  # what has ended begins anew
        after = released(record, attempt_status, now, not_before=not_before, lapses=lapses)
        return after, effect
    if effect == RENEW:
        end = record[WHEN] if end is None else end
        holder = record[WORKER]
        moves = status is not None and worker is not None
        if moves and (holder is None or identity(holder) != identity(worker or b"")):
            return leased(record, worker, now, end, last_number), effect
        return _until(record, end), effect
    return record, effect


def held_by_another(record: Record, worker: Name) -> Name | None:
    """Who holds a pending unit, if it is another than `worker`."""
    holder = record[WORKER] if record[STATUS] == PENDING else None
    return None if holder is None or identity(holder) == identity(worker) else holder


def cleared(record: Record, now: float) -> Record:
    """The unit available, even when finished, with its own data."""
    if STEPS[record[STATUS], CLEARED] == KEEP and record[STARTED] is None:
        return record
    lapses = record[LAPSES] if record[STATUS] == PENDING else 0  # else it begins anew
    return released(record, None, now, lapses=lapses)


class Called(NamedTuple):
    """What a call on an attempt does."""

    #: The unit afterwards; the same object if nothing changes.
    record: Record
    #: What the caller is told, if the call was not simply done.
    error: CoordinateError | None
    #: Whether the unit has finished now, so that its output counts.
    finished: bool


def called(
    record: Record,
    key: bytes,
    number: int,
    call: str,
    now: float,
    *,
    data: bytes | None = None,
    seconds: float = 0.0,
) -> Called:
    """A call on the attempt of this number of a unit.

    `seconds` is the length of a renewed lease, or the delay of a retry.
    """
    index = position(record, number)
    if index is None:
        return Called(record, NoSuchAttempt(), False)
    active = index == len(record[PAST])
    status = record[STATUS] if active else record[PAST][index][PAST_STATUS]
    effect = CALLS.get((call, status, active), TOO_LATE)
    if effect == TOO_LATE:
        return Called(record, NotPending(NAMES[status]), False)
    if effect == NOTHING:
        return Called(record, None, False)
    if effect == LOST:
        return Called(_rewritten(record, key, index, EXPIRED, now, data), LostLease(), False)
    if effect == END_ALONE:
        return Called(_rewritten(record, key, index, ENDS_AS[call], now, data), None, False)
    if data is not None:
        # The attempt's data; the unit's own is kept beside it.
        entry, status, priority, when, worker, started, own, past, lapses, last = record
        own = own or entry
        entry = with_data(entry, key, data)
        if entry == own:
            entry, own = own, None  # not kept twice
        record = (entry, status, priority, when, worker, started, own, past, lapses, last)
    if effect == GO_ON:
        after = _until(record, now + seconds)
    elif call in (EXPIRE_CALL, RETRY_CALL):
        not_before = now + seconds if seconds > 0 else None
        lapses = record[LAPSES]
        after = released(record, ENDS_AS[call], now, not_before=not_before, lapses=lapses)
    else:
        after = ended(record, ENDS_AS[call], now)
    return Called(after, None, call == FINISH_CALL)


def position(record: Record, number: int) -> int | None:
    """Where in a unit's past the attempt of this number is.

    The length of the past: it is the active attempt. None: it is not on record.
    """
    past = record[PAST]
    if record[STARTED] is not None and record[NUMBER] == number:
        return len(past)
    for index in range(len(past) - 1, -1, -1):
        if past[index][PAST_NUMBER] == number:
            return index
    return None


def _rewritten(
    record: Record, key: bytes, index: int, status: int, now: float, data: bytes | None
) -> Record:
    """The unit with a past attempt of another status and data, ended now if it had no end."""
    worker, started, end, _, entry, number = record[PAST][index]
    if data is not None:
        entry = with_data(record[ENTRY], key, data)
    attempt: PastAttempt = (worker, started, now if end is None else end, status, entry, number)
    past = (*record[PAST][:index], attempt, *record[PAST][index + 1 :])
    return (*record[:7], past, *record[8:])


def _until(record: Record, end: float | None) -> Record:
    """The unit with another end of its lease."""
    entry, status, priority, _, worker, started, own, past, lapses, number = record
    return (entry, status, priority, end, worker, started, own, past, lapses, number)
