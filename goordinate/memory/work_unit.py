"""What is kept of a work unit, and the handle that shows it.

Millions of units wait, so a unit that only waits (default priority, no past) is kept as its
`item` alone: name and data as CBOR in one byte string. Any other is a plain tuple, `Record`.
Neither is tracked by the garbage collector, so a collection never walks over the queue. Records
are never changed: each change makes the next one, which is stored in one assignment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from goordinate.coordinate import api
from goordinate.coordinate.errors import NoSuchWorkUnit
from goordinate.coordinate.lifecycle import (
    ATTEMPTS_KEPT,
    AVAILABLE,
    DELAYED,
    FAILED,
    FINISHED,
    PENDING,
)
from goordinate.coordinate.names import Name

if TYPE_CHECKING:
    from goordinate.memory.attempt import MemoryAttempt
    from goordinate.memory.work_spec import MemoryWorkSpec

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


class MemoryWorkUnit(api.WorkUnit):
    """A handle on a unit: its spec and its key."""

    __slots__ = ("key", "spec")

    def __init__(self, spec: MemoryWorkSpec, key: bytes) -> None:
        self.spec = spec
        self.key = key

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, MemoryWorkUnit) and other.key == self.key and other.spec is self.spec
        )

    def __hash__(self) -> int:
        return hash((self.spec, self.key))

    @property
    def record(self) -> Record:
        """The unit as it is now. Raises NoSuchWorkUnit, NoSuchWorkSpec, Gone."""
        self.spec.moment()
        stored = self.spec.units.get(self.key)
        if stored is None:
            raise NoSuchWorkUnit(self.key)
        return expand(stored)

    @property
    def name(self) -> Name:
        return name_of(self.record[0], self.key)

    @property
    def work_spec(self) -> MemoryWorkSpec:
        return self.spec

    @property
    def item(self) -> bytes:
        return self.record[0]

    @property
    def data(self) -> bytes:
        return data_of(self.record[0], self.key)

    @property
    def status(self) -> int:
        return self.record[1]

    @property
    def priority(self) -> float:
        return self.record[2]

    @property
    def not_before(self) -> float | None:
        record = self.record
        return record[3] if record[1] == DELAYED else None

    @property
    def expiration(self) -> float | None:
        return self.state.expiration

    @property
    def worker_name(self) -> Name | None:
        return self.record[4]

    @property
    def state(self) -> api.UnitState:
        record = self.record
        expiration = record[3] if record[1] in (PENDING, FINISHED, FAILED) else None
        return api.UnitState(record[1], expiration, record[4], data_of(record[0], self.key))

    @property
    def active_attempt(self) -> MemoryAttempt | None:
        from goordinate.memory.attempt import MemoryAttempt

        record = self.record
        return None if record[5] is None else MemoryAttempt(self, record[4], record[5])

    @property
    def attempts(self) -> list[api.Attempt]:
        from goordinate.memory.attempt import MemoryAttempt

        record = self.record
        attempts: list[api.Attempt] = [
            MemoryAttempt(self, worker, started) for worker, started, *_ in record[7]
        ]
        if record[5] is not None:
            attempts.append(MemoryAttempt(self, record[4], record[5]))
        return attempts

    def clear_active_attempt(self) -> None:
        record = self.record
        if record[5] is not None or record[1] != AVAILABLE:
            self.spec.replace(self.key, free(record, None, self.spec.now))
