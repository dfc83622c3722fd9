"""The steps that the tests are made of: define a work spec, add units, take them, look at them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.api import (
    Attempt,
    Backend,
    Namespace,
    WorkSpec,
    WorkUnit,
    new_work_unit,
)
from goordinate.coordinate.names import Name

#: Seconds of the leases that `take` asks for.
LEASE = 100.0

#: The data of a unit when a test does not care.
DATA = dumps({b"own": 1})


def open_namespace(backend: Backend, name: str = "") -> Namespace:
    """What the tests talk to: a namespace of the backend (default: that of the RPC clients)."""
    return backend.namespace(name)


def define(namespace: Namespace, name: Name, **keys: object) -> WorkSpec:
    """Set a work spec with this name and these keys."""
    dictionary = {b"name": name, **{key.encode(): value for key, value in keys.items()}}
    return namespace.set_work_spec(dumps(dictionary))


def add(
    spec: WorkSpec,
    *names: Name,
    data: bytes = DATA,
    priority: float | None = None,
    delay: float = 0.0,
    restart: bool = False,
) -> None:
    """Add units that differ in their names only."""
    spec.add_work_units(
        [new_work_unit(name, data, priority, delay) for name in names], restart=restart
    )


def add_one(spec: WorkSpec, name: Name, **options: Any) -> WorkUnit:
    """Add a unit, and get it."""
    add(spec, name, **options)
    return spec.work_unit(name)


def take(
    namespace: Namespace, worker: Name = b"worker", lease: float = LEASE, **options: Any
) -> Attempt:
    """Request one unit; there must be one."""
    (attempt,) = namespace.request_attempts(worker, lease=lease, **options)
    return attempt


def request(namespace: Namespace, count: int = 1, **options: Any) -> list[Name]:
    """Request units, and say which were given."""
    attempts = namespace.request_attempts(b"worker", count=count, **options)
    return [attempt.work_unit.name for attempt in attempts]


def names(units: Iterable[WorkUnit | WorkSpec]) -> list[Name]:
    """The names of units or specs."""
    return [unit.name for unit in units]


def listed(spec: WorkSpec, **query: Any) -> list[Name]:
    """The names of the units that a query lists."""
    return names(spec.list_work_units(**query))


def state(unit: WorkUnit) -> dict[str, object]:
    """All that a unit shows of itself."""
    return {
        "name": unit.name,
        "item": unit.item,
        "data": unit.data,
        "status": unit.status,
        "priority": unit.priority,
        "not_before": unit.not_before,
        "expiration": unit.expiration,
        "worker_name": unit.worker_name,
        "active_attempt": unit.active_attempt,
    }


def attempt_state(attempt: Attempt) -> dict[str, object]:
    """All that an attempt shows of itself."""
    return {
        "worker_name": attempt.worker_name,
        "start_time": attempt.start_time,
        "status": attempt.status,
        "data": attempt.data,
        "end_time": attempt.end_time,
        "expiration_time": attempt.expiration_time,
    }


def whole_state(namespace: Namespace) -> list[object]:
    """Everything there is in a namespace, to see that nothing has changed."""
    specs, _ = namespace.list_work_specs()
    workers = namespace.workers()
    return [
        [(spec.name, spec.data, spec.control, spec.count_work_units()) for spec in specs],
        [
            (state(unit), [attempt_state(attempt) for attempt in unit.attempts])
            for spec in specs
            for unit in spec.list_work_units()
        ],
        [(worker.name, worker.mode, worker.data, worker.active_attempts()) for worker in workers],
    ]
