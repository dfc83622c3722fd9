"""Objects over any `api.Namespace`: a queue, its work specs, units, attempts and workers.

Handles hold names, not state: each property is a call. A handle whose thing is gone raises
NoSuchWorkSpec, NoSuchWorkUnit, NoSuchAttempt or Gone. What a call does is told in `api`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from goordinate.cborrpc.decode import read_string
from goordinate.coordinate import lifecycle
from goordinate.coordinate.api import (
    DEFAULT_LEASE,
    AttemptCall,
    AttemptId,
    AttemptState,
    Namespace,
    Summary,
    UnitState,
    WorkerState,
)
from goordinate.coordinate.control import Control
from goordinate.coordinate.errors import NoSuchAttempt, NoSuchWorker, NoSuchWorkUnit
from goordinate.coordinate.names import Name, identity
from goordinate.coordinate.new_units import NewWorkUnit
from goordinate.coordinate.records import name_of
from goordinate.coordinate.states import PENDING


class _Handle(ABC):
    """Two handles are equal if they are of one kind and name the same thing."""

    __slots__ = ()

    @abstractmethod
    def _names(self) -> tuple[Any, ...]:
        """What tells the thing from others: its namespace, then its names."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._names() == self._names()

    def __hash__(self) -> int:
        return hash(self._names())

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._names()[1:]}"


class Queue:
    """A namespace as an object."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace

    @property
    def name(self) -> str:
        """Its name; RPC clients use the one named ''."""
        return self.namespace.name

    def destroy(self) -> None:
        """Remove it with all that is in it."""
        self.namespace.destroy()

    def set_work_spec(self, data: bytes) -> WorkSpec:
        """Create a work spec from its dictionary (CBOR), or replace the dictionary of one."""
        return WorkSpec(self.namespace, self.namespace.set_work_spec(data))

    def work_spec(self, name: Name) -> WorkSpec:
        """The work spec of that name. Raises NoSuchWorkSpec."""
        self.namespace.get_work_spec(name)
        return WorkSpec(self.namespace, name)

    def list_work_specs(
        self, start: Name | None = None, limit: int | None = None
    ) -> tuple[list[WorkSpec], Name | None]:
        """Work specs by name from `start` on, at most `limit`; and the name that comes next."""
        page = self.namespace.list_work_specs(start, limit)
        return [WorkSpec(self.namespace, name) for name, _ in page.specs], page.following

    def destroy_work_spec(self, name: Name) -> None:
        """Remove a work spec with its units. Raises NoSuchWorkSpec."""
        self.namespace.delete_work_spec(name)

    def clear(self) -> int:
        """Remove every work spec, and say how many there were."""
        return self.namespace.clear()

    def summarize(self) -> list[Summary]:
        """The counts of every work spec."""
        return self.namespace.summarize()

    def request_attempts(
        self,
        worker: Name,
        *,
        count: int = 1,
        lease: float = DEFAULT_LEASE,
        work_specs: Collection[Name] | None = None,
        runtimes: Collection[Name] | None = None,
    ) -> list[Attempt]:
        """Lease up to `count` units of one work spec (see `Namespace.request_work`)."""
        while True:
            handout = self.namespace.request_work(
                worker, count=count, lease=lease, work_specs=work_specs, runtimes=runtimes
            )
            if handout is None:
                return []
            if handout.units:
                break
        spec = identity(handout.work_spec)
        return [
            Attempt(self.namespace, AttemptId(spec, key, number))
            for key, _, number in handout.units
        ]

    def worker(self, name: Name) -> Worker:
        """The worker of that name, made if there is none."""
        state = self.namespace.get_worker(name)
        if state is None or not state.last_update:
            self.namespace.heartbeat(
                name, mode="", data=None, lifetime=DEFAULT_LEASE, parent=state and state.parent
            )
        return Worker(self.namespace, name)

    def find_worker(self, name: Name) -> Worker | None:
        """The live worker of that name."""
        state = self.namespace.get_worker(name)
        return Worker(self.namespace, name) if state is not None and state.active else None

    def workers(self) -> list[Worker]:
        """The live workers, by name."""
        return [Worker(self.namespace, state.name) for state in self.namespace.workers()]

    def heartbeat(
        self, name: Name, *, mode: object, data: bytes | None, lifetime: float, parent: Name | None
    ) -> Worker:
        """The worker was heard from now."""
        self.namespace.heartbeat(name, mode=mode, data=data, lifetime=lifetime, parent=parent)
        return Worker(self.namespace, name)

    def children(self, parent: Name) -> list[Worker]:
        """The live workers that named this one as their parent."""
        return [Worker(self.namespace, state.name) for state in self.namespace.children(parent)]

    def parents_count(self) -> int:
        """How many workers have live children."""
        return self.namespace.count_workers().parents


class WorkSpec(_Handle):
    """A kind of work, with its units."""

    __slots__ = ("_name", "_namespace")

    def __init__(self, namespace: Namespace, name: Name) -> None:
        self._namespace = namespace
        self._name = name

    def _names(self) -> tuple[Any, ...]:
        return self._namespace, identity(self._name)

    @property
    def name(self) -> Name:
        """Its name, as first stored."""
        page = self._namespace.list_work_specs(self._name, 1)
        if page.specs and identity(page.specs[0][0]) == identity(self._name):
            return page.specs[0][0]
        return self._name

    @property
    def data(self) -> bytes:
        """The dictionary, as it came (CBOR)."""
        return self._namespace.get_work_spec(self._name)

    def set_data(self, data: bytes) -> None:
        """Replace the dictionary and derive all control values anew. Raises ChangedName,
        NoWorkSpecName, BadWorkSpecName, BadWorkSpec."""
        self._namespace.set_work_spec(data, name=self._name)

    @property
    def control(self) -> Control:
        """The control values in force."""
        return self._namespace.get_control(self._name)

    def set_control(self, changes: Mapping[str, object]) -> None:
        """Change control values by name. Raises BadWorkSpec, CannotBecomeContinuous."""
        self._namespace.set_control(self._name, changes)

    def add_work_units(self, units: Iterable[NewWorkUnit], *, restart: bool = False) -> None:
        """Add units; one that exists gets the new data and becomes available."""
        self._namespace.add_work_units(self._name, units, restart=restart)

    def work_unit(self, name: Name) -> WorkUnit:
        """The unit of that name. Raises NoSuchWorkUnit."""
        (unit,) = self.get_work_units([name])
        if unit is None:
            raise NoSuchWorkUnit(name)
        return unit

    def get_work_units(self, names: Sequence[Name]) -> list[WorkUnit | None]:
        """The units of these names, in this order; None where there is none."""
        states = self._namespace.get_work_units(self._name, names)
        return [None if state is None else self._unit(state.name) for state in states]

    def list_work_units(self, **query: Any) -> list[WorkUnit]:
        """The units that `Namespace.list_work_units` lists."""
        entries = self._namespace.list_work_units(self._name, **query)
        return [self._unit(_name_in(entry)) for entry in entries]

    def _unit(self, name: Name) -> WorkUnit:
        return WorkUnit(self._namespace, self._name, identity(name))

    def count_work_units(self) -> dict[int, int]:
        """How many units each state has, archived ones included, no zeros."""
        return self._namespace.count_work_units(self._name)

    def set_priorities(self, names: Iterable[Name], priority: float, *, add: bool = False) -> None:
        """Set the priority of these units, or add to it. Raises BadPriority."""
        self._namespace.set_priorities(self._name, names, priority, add=add)

    def delete_work_units(
        self, *, names: Iterable[Name] | None = None, statuses: Collection[int] | None = None
    ) -> int:
        """Delete units by name, by state, or both; with neither, all. Says how many."""
        return self._namespace.delete_work_units(self._name, names=names, statuses=statuses)

    def update_work_unit(self, name: Name, **changes: Any) -> None:
        """Act on a unit (see `Namespace.update_work_unit`). Raises NoSuchWorkUnit,
        HeldByAnother."""
        self._namespace.update_work_unit(self._name, name, **changes)

    def archive(self, keep: int | None, max_age: float | None) -> int:
        """Drop finished and failed units beyond the limits, and say how many."""
        self._namespace.get_work_spec(self._name)
        return self._namespace.archive([self._name], keep, max_age)


class WorkUnit(_Handle):
    """One task of a work spec."""

    __slots__ = ("_key", "_namespace", "_spec")

    def __init__(self, namespace: Namespace, work_spec: Name, key: bytes) -> None:
        self._namespace = namespace
        self._spec = work_spec
        self._key = key

    def _names(self) -> tuple[Any, ...]:
        return self._namespace, identity(self._spec), self._key

    @property
    def state(self) -> UnitState:
        """All that it shows, as of one moment. Raises NoSuchWorkUnit."""
        (state,) = self._namespace.get_work_units(self._spec, [self._key])
        if state is None:
            raise NoSuchWorkUnit(self._key)
        return state

    @property
    def name(self) -> Name:
        """Its name, as first stored."""
        return self.state.name

    @property
    def work_spec(self) -> WorkSpec:
        """The spec it belongs to."""
        return WorkSpec(self._namespace, self._spec)

    @property
    def entry(self) -> bytes:
        """Name and data as CBOR, one after the other."""
        return self.state.entry

    @property
    def data(self) -> bytes:
        """Its data: the active attempt's, else its own."""
        return self.state.data

    @property
    def status(self) -> int:
        """One of `states.UNIT_STATES`."""
        return self.state.status

    @property
    def priority(self) -> float:
        """Higher goes first."""
        return self.state.priority

    @property
    def not_before(self) -> float | None:
        """When a delayed unit becomes available."""
        return self.state.not_before

    @property
    def expiration(self) -> float | None:
        """End of the lease of a pending unit, time of the end of a finished or failed one."""
        return self.state.expiration

    @property
    def worker_name(self) -> Name | None:
        """Who holds it, or held it when it ended."""
        return self.state.worker_name

    @property
    def active_attempt(self) -> Attempt | None:
        """The attempt that gives the unit its state, if there is one."""
        number = self.state.attempt
        if number is None:
            return None
        return Attempt(self._namespace, AttemptId(identity(self._spec), self._key, number))

    @property
    def attempts(self) -> list[Attempt]:
        """The attempts on record, oldest first."""
        states = self._namespace.get_attempts(self._spec, self._key)
        return [Attempt(self._namespace, state.id) for state in states]

    def clear_active_attempt(self) -> None:
        """Make the unit available, even when finished, with its own data."""
        self._namespace.clear_attempt(self._spec, self._key)


class Attempt(_Handle):
    """One worker working on one unit once."""

    __slots__ = ("_namespace", "id")

    def __init__(self, namespace: Namespace, attempt: AttemptId) -> None:
        self._namespace = namespace
        #: What it is known by.
        self.id = attempt

    def _names(self) -> tuple[Any, ...]:
        return self._namespace, self.id

    @property
    def state(self) -> AttemptState:
        """All that it shows, as of one moment. Raises NoSuchAttempt, NoSuchWorkUnit."""
        for state in self._namespace.get_attempts(self.id.work_spec, self.id.work_unit):
            if state.id == self.id:
                return state
        raise NoSuchAttempt

    @property
    def work_unit(self) -> WorkUnit:
        """The unit worked on."""
        return WorkUnit(self._namespace, self.id.work_spec, self.id.work_unit)

    @property
    def worker_name(self) -> Name | None:
        """The worker's name; None for a unit made pending by hand, without a worker."""
        return self.state.worker_name

    @property
    def start_time(self) -> float:
        """When it began."""
        return self.state.start_time

    @property
    def status(self) -> int:
        """PENDING, EXPIRED, FINISHED, FAILED or RETRYABLE."""
        return self.state.status

    @property
    def data(self) -> bytes:
        """The data as of this attempt; a past one's that was not kept is a map that says so
        (`attempt_data.NOT_KEPT`)."""
        return self.state.data

    @property
    def end_time(self) -> float | None:
        """When it ended; None while it is pending."""
        return self.state.end_time

    @property
    def expiration_time(self) -> float | None:
        """When its lease ends; of an ended attempt, when it ended."""
        return self.state.expiration_time

    def renew(self, lease: float, data: bytes | None = None) -> None:
        """Move the end of the lease to `lease` seconds from now. Raises LostLease (the data is
        stored all the same), NotPending."""
        self._call(lifecycle.RENEW_CALL, data, lease)

    def expire(self, data: bytes | None = None) -> None:
        """End the lease now; the unit is available again. Raises NotPending."""
        self._call(lifecycle.EXPIRE_CALL, data)

    def finish(self, data: bytes | None = None) -> None:
        """End with success; chains if the attempt holds its unit. Raises NotPending."""
        self._call(lifecycle.FINISH_CALL, data)

    def fail(self, data: bytes | None = None) -> None:
        """End with failure. Raises NotPending."""
        self._call(lifecycle.FAIL_CALL, data)

    def retry(self, data: bytes | None = None, delay: float = 0.0) -> None:
        """Give the unit back, to be handed out again after `delay` seconds. Raises NotPending."""
        self._call(lifecycle.RETRY_CALL, data, delay)

    def _call(self, call: str, data: bytes | None, seconds: float = 0.0) -> None:
        (error,) = self._namespace.call_attempts([AttemptCall(self.id, call, data, seconds)])
        if error is not None:
            raise error


class Worker(_Handle):
    """Somebody who asks for work."""

    __slots__ = ("_name", "_namespace")

    def __init__(self, namespace: Namespace, name: Name) -> None:
        self._namespace = namespace
        self._name = name

    def _names(self) -> tuple[Any, ...]:
        return self._namespace, identity(self._name)

    @property
    def state(self) -> WorkerState:
        """All that it shows, as of one moment. Raises NoSuchWorker if nothing is known of it."""
        state = self._namespace.get_worker(self._name)
        if state is None:
            raise NoSuchWorker(self._name)
        return state

    @property
    def name(self) -> Name:
        """Its name, as first seen."""
        state = self._namespace.get_worker(self._name)
        return self._name if state is None else state.name

    @property
    def active(self) -> bool:
        """Whether it counts as alive."""
        state = self._namespace.get_worker(self._name)
        return state is not None and state.active

    @property
    def mode(self) -> object:
        """What it last said it was doing."""
        return self.state.mode

    @property
    def data(self) -> bytes | None:
        """What it last said of itself (CBOR)."""
        return self.state.data

    @property
    def last_update(self) -> float:
        """When it was last heard from."""
        return self.state.last_update

    @property
    def expiration(self) -> float:
        """When it is taken for dead, unless heard from."""
        return self.state.expiration

    @property
    def parent(self) -> Worker | None:
        """The worker it works for."""
        parent = self.state.parent
        return None if parent is None else Worker(self._namespace, parent)

    def set_parent(self, parent: Name | None) -> None:
        """Give it another parent, or none."""
        self._namespace.set_parent(self._name, parent)

    def children(self) -> list[Worker]:
        """The live workers that named this one as their parent."""
        return Queue(self._namespace).children(self._name)

    def update(self, *, mode: object, data: bytes | None, lifetime: float) -> None:
        """It was heard from now: (re)activate it for `lifetime` seconds."""
        state = self._namespace.get_worker(self._name)
        self._namespace.heartbeat(
            self._name, mode=mode, data=data, lifetime=lifetime, parent=state and state.parent
        )

    def deactivate(self) -> None:
        """It is gone; what it holds stays leased until the leases end."""
        self._namespace.deactivate_worker(self._name)

    def active_attempts(self) -> list[Attempt]:
        """The pending attempts by which it holds units."""
        return self._attempts(active_only=True)

    def all_attempts(self) -> list[Attempt]:
        """Its attempts still on record, oldest first, the present ones included."""
        return self._attempts(active_only=False)

    def _attempts(self, *, active_only: bool) -> list[Attempt]:
        return [
            Attempt(self._namespace, state.id)
            for state in self._namespace.worker_attempts(self._name)
            if not active_only or (state.active and state.status == PENDING)
        ]


def _name_in(entry: bytes) -> Name:
    """The name at the start of an entry."""
    key, _ = read_string(entry, 0, 0)
    return name_of(entry, key)
