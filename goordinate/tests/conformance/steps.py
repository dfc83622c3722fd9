"""The steps that the tests are made of: define a work spec, add units, take them, look at them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.api import Backend
from goordinate.coordinate.handles import Attempt, Queue, WorkSpec, WorkUnit
from goordinate.coordinate.names import Name
from goordinate.coordinate.new_units import new_work_unit

#: Seconds of the leases that `take` asks for.
LEASE = 100.0

#: The data of a unit when a test does not care.
DATA = dumps({b"own": 1})

#: Data in CBOR (hex), most of it not what our encoder would write, or what Python does not have.
ENCODINGS = {
    "empty map": "a0",
    "null": "f6",
    "empty list": "80",
    "tuple in a list": "81d8808201d88080",
    "string in chunks": "5f41614162ff",
    "indefinite list in a map": "a141619f0102ff",
    "one-byte integer in nine bytes": "1b0000000000000001",
    "half float": "f93c00",
    "single float": "fa3fc00000",
    "not a number with a payload": "f97e01",
    "double that is no number, with a payload": "fb7ff8000000000123",
    "negative zero": "fb8000000000000000",
    "indefinite-length array": "9f01ff",
    "indefinite-length map": "bf4161f5ff",
    "indefinite-length strings": "825f4161ff7f6161ff",
    "map in another order": "a2416202416101",
    "the same key twice": "a2416101416102",
    "bytes and text as keys": "a2416101616102",
    "a list as a key": "a1810102",
    "undefined": "f7",
    "simple value": "f820",
    "bignum": "c249010000000000000000",
    "bignum with leading zeros": "c2420001",
    "empty bignum": "c240",
    "unknown tag": "d9123401",
    "tag 24": "d8184101",
    "tag 24 over what is no CBOR": "d81841ff",
    "uuid": "d8255000000000000000000000000000000007",
    "tag 37 over the wrong thing": "d8254101",
    "tuple": "d8808101",
    "tag 128 over a map": "d880a0",
    "long head of a long string": "5b0000000000000001" + "61",
    "text": "62c3a9",
    "bytes": "42c3a9",
    "deep": "81" * 200 + "80",
}


def open_namespace(backend: Backend, name: str = "") -> Queue:
    """What the tests talk to: a namespace of the backend (default: that of the RPC clients)."""
    return Queue(backend.namespace(name))


def define(namespace: Queue, name: Name, **keys: object) -> WorkSpec:
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
    namespace: Queue, worker: Name = b"worker", lease: float = LEASE, **options: Any
) -> Attempt:
    """Request one unit; there must be one."""
    (attempt,) = namespace.request_attempts(worker, lease=lease, **options)
    return attempt


def request(namespace: Queue, count: int = 1, **options: Any) -> list[Name]:
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
        "item": unit.entry,
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


def whole_state(namespace: Queue) -> list[object]:
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
