"""Namespaces in memory: the work specs, the workers, the clock and the scheduler they share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sortedcontainers import SortedDict

from goordinate.coordinate import api
from goordinate.coordinate.clock import Clock
from goordinate.coordinate.errors import Gone, NoSuchWorkSpec
from goordinate.coordinate.names import Name, identity
from goordinate.coordinate.scheduler import Scheduler
from goordinate.coordinate.spec import read_dictionary
from goordinate.memory.deadlines import Deadlines
from goordinate.memory.work_spec import MemoryWorkSpec
from goordinate.memory.worker import MemoryWorker

#: Workers without units that are remembered after they are gone, or that never said they live.
INACTIVE_WORKERS_KEPT = 1000

Deadline = tuple[MemoryWorkSpec | MemoryWorker, bytes | None]


class MemoryNamespace(api.Namespace):
    """A namespace. Every answer begins with `moment`, which ends what has run out."""

    def __init__(self, backend: MemoryBackend, name: str, clock: Clock) -> None:
        self._backend = backend
        self._name = name
        self._clock = clock
        self._destroyed = False
        self._specs: Any = SortedDict()  # identity -> MemoryWorkSpec
        self._scheduler = Scheduler()
        self._workers: dict[bytes, MemoryWorker] = {}
        self._live: Any = SortedDict()  # identity -> MemoryWorker, the active ones
        # The others, but for those that hold units, the longest gone first.
        self._inactive: dict[bytes, None] = {}
        self._children: dict[bytes, dict[bytes, None]] = {}  # parent -> active children
        #: What ends when: leases and delays, continuous specs, workers.
        self.deadlines: Deadlines[Deadline] = Deadlines()
        #: The time on the clock as of the last `moment`.
        self.now = 0.0
        #: What a time on the clock is called outside.
        self.unix = clock.unix
        #: Tell the scheduler that the offer of a spec may have changed.
        self.touch = self._scheduler.touch

    def moment(self) -> float:
        """The time on the clock; what has run out by it has run out. Raises Gone."""
        if self._destroyed:
            raise Gone
        self.now = now = self._clock()
        if now >= self.deadlines.next:
            for owner, key in self.deadlines.pop_due(now):
                owner.due(key, now)
        return now

    @property
    def name(self) -> str:
        return self._name

    def destroy(self) -> None:
        self.clear()
        self._backend.forget(self._name)
        self._destroyed = True

    # --- work specs ----------------------------------------------------------------------------

    def set_work_spec(self, data: bytes) -> MemoryWorkSpec:
        self.moment()
        name, control = read_dictionary(data)
        key = identity(name)
        spec: MemoryWorkSpec | None = self._specs.get(key)
        if spec is None:
            spec = self._specs[key] = MemoryWorkSpec(self, name)
        spec.define(data, control)
        return spec

    def find(self, key: bytes) -> MemoryWorkSpec | None:
        """The work spec with this identity."""
        spec: MemoryWorkSpec | None = self._specs.get(key)
        return spec

    def work_spec(self, name: Name) -> MemoryWorkSpec:
        spec: MemoryWorkSpec | None = self._specs.get(identity(name))
        if spec is None:
            self.moment()
            raise NoSuchWorkSpec(name)
        return spec

    def list_work_specs(
        self, start: Name | None = None, limit: int | None = None
    ) -> tuple[list[api.WorkSpec], Name | None]:
        self.moment()
        specs: list[api.WorkSpec] = []
        for key in self._specs.irange(None if start is None else identity(start)):
            if limit is not None and len(specs) >= limit:
                return specs, self._specs[key].name
            specs.append(self._specs[key])
        return specs, None

    def destroy_work_spec(self, name: Name) -> None:
        self.moment()
        self.work_spec(name).destroy()
        del self._specs[identity(name)]
        self.replan()

    def clear(self) -> int:
        self.moment()
        count = len(self._specs)
        for spec in self._specs.values():
            spec.destroy()
        self._specs.clear()
        self.replan()
        return count

    def summarize(self) -> list[api.Summary]:
        self.moment()
        return [
            api.Summary(self._name, spec.name, status, count)
            for spec in self._specs.values()
            for status, count in spec.count_work_units().items()
        ]

    def replan(self) -> None:
        """The set of specs, or what the scheduler reads of one, has changed."""
        self._scheduler.plan(self._specs.values())

    # --- workers -------------------------------------------------------------------------------

    def worker(self, name: Name) -> MemoryWorker:
        self.moment()
        worker = self.known_worker(name)
        if not worker.heard_from:
            worker.update(mode="", data=None, lifetime=api.DEFAULT_LEASE)
        return worker

    def find_worker(self, name: Name) -> MemoryWorker | None:
        self.moment()
        worker: MemoryWorker | None = self._live.get(identity(name))
        return worker

    def workers(self) -> list[api.Worker]:
        self.moment()
        return list(self._live.values())

    def name_of_worker(self, name: Name) -> Name:
        """The name of a worker as it was first seen: one object for all its attempts."""
        return self.known_worker(name).name

    def known_worker(self, name: Name) -> MemoryWorker:
        """The worker of that name, alive or not; to be asked for is no sign of life."""
        key = identity(name)
        worker = self._workers.get(key)
        if worker is None:
            worker = self._workers[key] = MemoryWorker(self, name)
            self._remember(key)
        return worker

    def _remember(self, key: bytes) -> None:
        self._inactive[key] = None
        if len(self._inactive) > INACTIVE_WORKERS_KEPT:
            oldest = next(iter(self._inactive))
            del self._inactive[oldest], self._workers[oldest]

    def enlist(self, worker: MemoryWorker) -> None:
        """The worker is active."""
        self._inactive.pop(worker.identity, None)
        self._workers[worker.identity] = self._live[worker.identity] = worker
        if worker.parent_name is not None:
            self._children.setdefault(identity(worker.parent_name), {})[worker.identity] = None

    def dismiss(self, worker: MemoryWorker) -> None:
        """The worker is not active any more."""
        if self._live.get(worker.identity) is worker:
            del self._live[worker.identity]
        self._leave_parent(worker)
        if not worker.held:
            self._remember(worker.identity)

    def _leave_parent(self, worker: MemoryWorker) -> None:
        if worker.parent_name is not None:
            parent = identity(worker.parent_name)
            siblings = self._children.get(parent, {})
            siblings.pop(worker.identity, None)
            if not siblings:
                self._children.pop(parent, None)

    def heartbeat(
        self,
        name: Name,
        *,
        mode: object,
        data: bytes | None,
        lifetime: float,
        parent: Name | None,
    ) -> MemoryWorker:
        self.moment()
        worker = self.known_worker(name)
        self.set_parent(worker, parent)
        worker.update(mode=mode, data=data, lifetime=lifetime)
        return worker

    def set_parent(self, worker: MemoryWorker, parent: Name | None) -> None:
        """Put the worker under another parent."""
        self._leave_parent(worker)
        worker.parent_name = parent
        if worker.identity in self._live:
            self.enlist(worker)

    def children(self, parent: Name) -> list[api.Worker]:
        self.moment()
        return [self._live[key] for key in self._children.get(identity(parent), ())]

    def parents_count(self) -> int:
        self.moment()
        return len(self._children)

    def hold(self, worker: Name, spec: MemoryWorkSpec, key: bytes) -> None:
        """The worker holds a unit from now on; who holds one is not forgotten."""
        record = self.known_worker(worker)
        if not record.held:
            self._inactive.pop(record.identity, None)
        record.held[spec, key] = None

    def release(self, worker: Name, spec: MemoryWorkSpec, key: bytes, started: float) -> None:
        """The worker no longer holds a unit, which it got at `started`."""
        record = self._workers[identity(worker)]
        del record.held[spec, key]
        record.history.append((spec.identity, key, started))
        if not record.held and record.identity not in self._live:
            self._remember(record.identity)

    # --- work ----------------------------------------------------------------------------------

    def request_attempts(
        self,
        worker: Name,
        *,
        count: int = 1,
        lease: float = api.DEFAULT_LEASE,
        work_specs: Collection[Name] | None = None,
        runtimes: Collection[Name] | None = None,
    ) -> list[api.Attempt]:
        now = self.moment()
        names = frozenset(map(identity, work_specs)) if work_specs else None
        wanted = {identity(runtime) for runtime in runtimes} if runtimes else None
        while count > 0:
            spec = self._scheduler.choose(names, wanted)
            if spec is None:
                break
            assert isinstance(spec, MemoryWorkSpec)
            attempts = spec.hand_out(self.name_of_worker(worker), count, lease, now)
            if attempts:
                return attempts
            # All the units picked had failed too often; the next ones may do.
        return []


class MemoryBackend(api.Backend):
    """All namespaces, in memory.

    What is kept are times on the clock; `Clock.unix` is where they go out.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._namespaces: dict[str, MemoryNamespace] = {}

    def namespace(self, name: str) -> MemoryNamespace:
        namespace = self._namespaces.get(name)
        if namespace is None:
            namespace = self._namespaces[name] = MemoryNamespace(self, name, self._clock)
        return namespace

    def namespaces(self) -> list[api.Namespace]:
        return [self._namespaces[name] for name in sorted(self._namespaces)]

    def forget(self, name: str) -> None:
        """A namespace has been destroyed."""
        del self._namespaces[name]

    def summarize(self) -> list[api.Summary]:
        return [summary for namespace in self.namespaces() for summary in namespace.summarize()]
