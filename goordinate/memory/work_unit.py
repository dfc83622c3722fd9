"""The handle on a work unit; it holds a name and no state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goordinate.coordinate import api
from goordinate.coordinate.errors import NoSuchWorkUnit
from goordinate.coordinate.lifecycle import AVAILABLE, DELAYED, FAILED, FINISHED, PENDING
from goordinate.coordinate.names import Name
from goordinate.memory.records import Record, data_of, expand, free, name_of

if TYPE_CHECKING:
    from goordinate.memory.attempt import MemoryAttempt
    from goordinate.memory.work_spec import MemoryWorkSpec


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
        return self.spec.unix(record[3]) if record[1] == DELAYED else None

    @property
    def expiration(self) -> float | None:
        return self.state.expiration

    @property
    def worker_name(self) -> Name | None:
        return self.record[4]

    @property
    def state(self) -> api.UnitState:
        record = self.record
        expiration = self.spec.unix(record[3]) if record[1] in (PENDING, FINISHED, FAILED) else None
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
            lapses = record[8] if record[1] == PENDING else 0  # else it begins anew
            self.spec.replace(self.key, free(record, None, self.spec.now, lapses=lapses))
