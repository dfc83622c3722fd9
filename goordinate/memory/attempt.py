"""The handle on an attempt, active or past.

What a call does in which state is `lifecycle.ATTEMPT_CALLS`; a call on an attempt that lost its
unit changes the record of the attempt and never the unit.
"""

from __future__ import annotations

from goordinate.coordinate import api
from goordinate.coordinate.errors import LostLease, NoSuchAttempt, NotPending
from goordinate.coordinate.lifecycle import (
    ATTEMPT_CALLS,
    ATTEMPT_STATUS_NAMES,
    END,
    ENDS_AS,
    EXPIRE_CALL,
    EXPIRED,
    FAIL_CALL,
    FINISH_CALL,
    LOST,
    NOTHING,
    PENDING,
    RENEW_CALL,
    RETRY_CALL,
    TOO_LATE,
)
from goordinate.coordinate.names import Name
from goordinate.memory.records import (
    PastAttempt,
    Record,
    data_of,
    ended,
    free,
    with_data,
)
from goordinate.memory.work_unit import MemoryWorkUnit


class MemoryAttempt(api.Attempt):
    """A handle on an attempt: its unit, worker and start time."""

    __slots__ = ("started", "unit", "worker")

    def __init__(self, unit: MemoryWorkUnit, worker: Name | None, started: float) -> None:
        self.unit = unit
        self.worker = worker
        self.started = started

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, MemoryAttempt)
            and other.unit == self.unit
            and other.worker == self.worker
            and other.started == self.started
        )

    def __hash__(self) -> int:
        return hash((self.unit, self.worker, self.started))

    def _find(self) -> tuple[Record, int | None]:
        """The unit's record, and where in its past this attempt is; None: it is active."""
        record = self.unit.record
        if record[5] == self.started and record[4] == self.worker:
            return record, None
        for index in range(len(record[7]) - 1, -1, -1):
            if record[7][index][:2] == (self.worker, self.started):
                return record, index
        raise NoSuchAttempt

    @property
    def work_unit(self) -> MemoryWorkUnit:
        return self.unit

    @property
    def worker_name(self) -> Name | None:
        return self.worker

    @property
    def start_time(self) -> float:
        return self.unit.spec.unix(self.started)

    @property
    def status(self) -> int:
        record, index = self._find()
        return record[1] if index is None else record[7][index][3]

    @property
    def data(self) -> bytes:
        record, index = self._find()
        return data_of(record[0] if index is None else record[7][index][4], self.unit.key)

    @property
    def end_time(self) -> float | None:
        record, index = self._find()
        if index is None:
            return None if record[1] == PENDING else self.unit.spec.unix(record[3])
        return self.unit.spec.unix(record[7][index][2])

    @property
    def expiration_time(self) -> float | None:
        record, index = self._find()
        return self.unit.spec.unix(record[3] if index is None else record[7][index][2])

    def renew(self, lease: float, data: bytes | None = None) -> None:
        self._call(RENEW_CALL, data, lease)

    def expire(self, data: bytes | None = None) -> None:
        self._call(EXPIRE_CALL, data)

    def finish(self, data: bytes | None = None) -> None:
        self._call(FINISH_CALL, data)

    def fail(self, data: bytes | None = None) -> None:
        self._call(FAIL_CALL, data)

    def retry(self, data: bytes | None = None, delay: float = 0.0) -> None:
        self._call(RETRY_CALL, data, delay)

    def _call(self, call: str, data: bytes | None, seconds: float = 0.0) -> None:
        record, index = self._find()
        status = record[1] if index is None else record[7][index][3]
        effect = ATTEMPT_CALLS.get((call, status, index is None), TOO_LATE)
        if effect == TOO_LATE:
            raise NotPending(ATTEMPT_STATUS_NAMES[status])
        if effect == NOTHING:
            return
        now = self.unit.spec.now
        if index is not None:
            status = EXPIRED if effect == LOST else ENDS_AS[call]
            self._rewrite_past(record, index, status, now, data)
            if effect == LOST:
                raise LostLease
            return
        record = self._with_data(record, data)
        if effect == END and call in (EXPIRE_CALL, RETRY_CALL):
            not_before = now + seconds if seconds > 0 else None
            after = free(record, ENDS_AS[call], now, not_before=not_before, lapses=record[8])
        elif effect == END:
            after = ended(record, ENDS_AS[call], now)
        else:
            after = (*record[:3], now + seconds, *record[4:])
        if call == FINISH_CALL:
            self.unit.spec.finish(self.unit.key, after, inherit=False)
        else:
            self.unit.spec.replace(self.unit.key, after)

    def _with_data(self, record: Record, data: bytes | None) -> Record:
        """The record with the attempt's data; the unit's own is kept beside it."""
        if data is None:
            return record
        item = with_data(record[0], self.unit.key, data)
        return (item, *record[1:6], record[6] or record[0], *record[7:])

    def _rewrite_past(
        self, record: Record, index: int, status: int, now: float, data: bytes | None
    ) -> None:
        worker, started, end, _, item = record[7][index]
        if data is not None:
            item = with_data(item, self.unit.key, data)
        attempt: PastAttempt = (worker, started, now if end is None else end, status, item)
        past = (*record[7][:index], attempt, *record[7][index + 1 :])
        self.unit.spec.replace(self.unit.key, (*record[:7], past, record[8]))
