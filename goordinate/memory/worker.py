"""A worker in memory: what it said of itself, what it holds, what it did."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from goordinate.coordinate import api
from goordinate.coordinate.names import Name, identity
from goordinate.memory.attempt import MemoryAttempt
from goordinate.memory.records import expand
from goordinate.memory.work_unit import MemoryWorkUnit

if TYPE_CHECKING:
    from goordinate.memory.namespace import MemoryNamespace
    from goordinate.memory.work_spec import MemoryWorkSpec

#: Past attempts kept for each worker.
WORKER_ATTEMPTS_KEPT = 100


class MemoryWorker(api.Worker):
    """A worker. One that only asked for work, and never said that it lives, is not active."""

    def __init__(self, namespace: MemoryNamespace, name: Name) -> None:
        self._namespace = namespace
        self._name = name
        self._mode: object = ""
        self._data: bytes | None = None
        self._last_update = 0.0
        self._expiration = 0.0
        self._active = False
        #: The name's identity.
        self.identity = identity(name)
        #: The identity and the name of its parent.
        self.parent_name: Name | None = None
        #: The units it holds.
        self.held: dict[tuple[MemoryWorkSpec, bytes], None] = {}
        #: Its past attempts, in the order of their ends.
        self.history: deque[tuple[bytes, bytes, float]] = deque(maxlen=WORKER_ATTEMPTS_KEPT)

    @property
    def name(self) -> Name:
        return self._name

    @property
    def active(self) -> bool:
        self._namespace.moment()
        return self._active

    @property
    def mode(self) -> object:
        return self._mode

    @property
    def data(self) -> bytes | None:
        return self._data

    @property
    def last_update(self) -> float:
        return self._namespace.unix(self._last_update)

    @property
    def expiration(self) -> float:
        return self._namespace.unix(self._expiration)

    @property
    def heard_from(self) -> bool:
        """Whether it ever said that it lives."""
        return bool(self._last_update)

    @property
    def parent(self) -> api.Worker | None:
        self._namespace.moment()
        return None if self.parent_name is None else self._namespace.known_worker(self.parent_name)

    def set_parent(self, parent: Name | None) -> None:
        self._namespace.moment()
        self._namespace.set_parent(self, parent)

    def children(self) -> list[api.Worker]:
        return self._namespace.children(self._name)

    def update(self, *, mode: object, data: bytes | None, lifetime: float) -> None:
        now = self._namespace.moment()
        if self._active:
            self._namespace.deadlines.discard((self, None), self._expiration)
        self._mode = mode
        self._data = data
        self._last_update = now
        self._expiration = now + lifetime
        self._active = True
        self._namespace.deadlines.add((self, None), self._expiration)
        self._namespace.enlist(self)

    def deactivate(self) -> None:
        self._namespace.moment()
        if self._active:
            self._namespace.deadlines.discard((self, None), self._expiration)
            self._active = False
            self._namespace.dismiss(self)

    def due(self, key: bytes | None, now: float) -> None:
        """It has not been heard from in time."""
        self._active = False
        self._namespace.dismiss(self)

    def active_attempts(self) -> list[api.Attempt]:
        self._namespace.moment()
        return self._held_attempts()

    def _held_attempts(self) -> list[api.Attempt]:
        attempts: list[api.Attempt] = []
        for spec, key in self.held:
            _, _, _, _, worker, started, *_ = expand(spec.units[key])
            assert started is not None
            attempts.append(MemoryAttempt(MemoryWorkUnit(spec, key), worker, started))
        return attempts

    def all_attempts(self) -> list[api.Attempt]:
        self._namespace.moment()
        past = [
            MemoryAttempt(MemoryWorkUnit(spec, key), self._name, started)
            for spec_key, key, started in self.history
            if (spec := self._namespace.find(spec_key)) is not None
            and _on_record(spec, key, self._name, started)
        ]
        return sorted([*past, *self._held_attempts()], key=lambda attempt: attempt.start_time)


def _on_record(spec: MemoryWorkSpec, key: bytes, worker: Name, started: float) -> bool:
    stored = spec.units.get(key)
    if stored is None:
        return False
    record = expand(stored)
    return (record[4], record[5]) == (worker, started) or any(
        attempt[:2] == (worker, started) for attempt in record[7]
    )
