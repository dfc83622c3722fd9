"""What the model keeps: work specs with their units, workers, locks, and the time.

Nothing here is indexed or counted: whoever wants to know something looks at everything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from goordinate.tests.conformance.clock import OFFSET, START
from goordinate.tests.model.reading import Name, key_of

AVAILABLE, PENDING, FINISHED, FAILED = STATES = 1, 3, 4, 5
RUNNABLE, PAUSED = 1, 2

#: The longest lease, and the one that a longer one gives way to.
MAX_LEASE, DEFAULT_LEASE = 86_400, 300

#: In an answer of the model: there is a message, whatever it says.
MESSAGE = b"a message"

DONE = (True, None)


@dataclass
class Unit:
    """A work unit."""

    name: Name
    data: Any
    priority: float = 0
    status: int = AVAILABLE
    #: End of the lease if it is pending (None: it has no lease), time of the end if it has ended.
    when: float | None = None
    #: Who holds it, or held it when it ended.
    worker: bytes | None = None
    #: When it may run.
    not_before: float = 0
    #: Leases that ran out.
    lapses: int = 0
    #: The worker whose lease ran out, and when, if it has lived since and the unit is as it was.
    lapsed: tuple[bytes, float] | None = None

    def free(self, lapses: int) -> None:
        """Make it available, without worker and lease."""
        self.status, self.when, self.worker = AVAILABLE, None, None
        self.not_before, self.lapses = 0, lapses


@dataclass
class Control:
    """What the server reads in the dictionary of a work spec."""

    status: int
    continuous: bool
    interval: float | None
    max_running: int | None
    weight: int
    max_getwork: int | None
    max_retries: int | None
    then: bytes | None
    then_preempts: bool
    priority: float
    runtime: bytes
    #: Whether the dictionary says that the spec is continuous.
    can_be_continuous: bool


@dataclass
class Spec:
    """A work spec."""

    name: Name
    dictionary: dict[Any, Any]
    control: Control
    units: dict[bytes, Unit] = field(default_factory=dict)
    #: How many units that ended so have been dropped by `archive`.
    archived: dict[int, int] = field(default_factory=lambda: {FINISHED: 0, FAILED: 0})
    #: When the last unit was made up.
    made: float | None = None

    def in_states(self, states: Collection[int]) -> list[bytes]:
        """The keys of the units in these states, in order."""
        return sorted(key for key, unit in self.units.items() if unit.status in states)

    def pending(self) -> int:
        """How many units are pending."""
        return len(self.in_states([PENDING]))

    def queue(self, now: float) -> list[bytes]:
        """The keys of the units that may run now, the next one first."""
        ready = [key for key in self.in_states([AVAILABLE]) if self.units[key].not_before <= now]
        return sorted(ready, key=lambda key: -self.units[key].priority)

    def is_full(self) -> bool:
        """Whether as many units are pending as may be."""
        limit = self.control.max_running
        return limit is not None and self.pending() >= limit

    def next_made(self) -> float:
        """When a unit may be made up."""
        return 0 if self.made is None else self.made + (self.control.interval or 0)

    def makes_units(self, now: float) -> bool:
        """Whether it makes up a unit now if it has none."""
        return self.control.continuous and self.next_made() <= now


@dataclass
class Worker:
    """A live worker."""

    mode: Any
    data: Any
    parent: bytes | None
    ends: float


@dataclass
class Lock:
    """A locked path."""

    owner: Name
    ends: float


class World:
    """All there is.

    `listed` tells which units of a work spec the server lists in a state: it is asked where the
    rules leave a choice, which the model follows if it is one that they leave.
    """

    def __init__(self, listed: Callable[[Name, int], set[bytes]]) -> None:
        self.listed = listed
        #: The time by which all runs, and how far the wall clock is ahead of it.
        self.time = START
        self.shift = OFFSET
        self.specs: dict[bytes, Spec] = {}
        self.workers: dict[bytes, Worker] = {}
        #: The name of each worker in the form in which it was first seen.
        self.worker_names: dict[bytes, Name] = {}
        self.locks: dict[tuple[bytes, ...], Lock] = {}
        #: How many units that ended are kept, and for how many seconds.
        self.limits: tuple[int | None, float | None] = None, None

    def end_what_is_over(self) -> None:
        """End leases, workers and locks whose time has come."""
        for spec in self.specs.values():
            for unit in spec.units.values():
                if unit.status == PENDING and unit.when is not None and unit.when <= self.time:
                    unit.lapsed = None if unit.worker is None else (unit.worker, unit.when)
                    unit.free(unit.lapses + 1)
        self.workers = {key: one for key, one in self.workers.items() if one.ends > self.time}
        for spec in self.specs.values():
            for unit in spec.units.values():
                if unit.lapsed and unit.lapsed[0] not in self.workers:
                    unit.lapsed = None
        self.locks = {path: lock for path, lock in self.locks.items() if lock.ends > self.time}

    def ends(self) -> list[float]:
        """The times to come at which something runs out."""
        times = [worker.ends for worker in self.workers.values()]
        times += [lock.ends for lock in self.locks.values()]
        for spec in self.specs.values():
            times.append(spec.next_made())
            times += [unit.not_before for unit in spec.units.values()]
            times += [unit.when or 0 for unit in spec.units.values() if unit.status == PENDING]
        return sorted(time for time in times if time > self.time)

    def unix(self, moment: float | None) -> float | None:
        """What the wall clock calls a moment."""
        return None if moment is None else moment + self.shift

    def find(self, name: Name) -> Spec | None:
        """The work spec of that name."""
        return self.specs.get(key_of(name))

    def see(self, worker: Name) -> bytes:
        """A worker is known from now on, in the form in which it is named; its key."""
        self.worker_names.setdefault(key_of(worker), worker)
        return key_of(worker)
