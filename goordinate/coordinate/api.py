"""The queue as objects: namespaces, work specs, work units, attempts, workers.

The docstrings are the contract that every backend keeps; `goordinate/tests/conformance` checks it.

- Every operation is atomic: it happens as a whole or raises and changes nothing. Those that must
  be atomic over many units take lists, so that a database can do each in one transaction.
- Data is opaque: one CBOR item as bytes, given back to the byte. A backend looks into it only for
  the `output` of a finished unit whose spec has a `then`.
- Times are Unix times and durations seconds, as floats; these and priorities are finite, which
  callers see to. A backend asks the clock it was given, by which leases, delays and intervals run
  their length whatever is done to the wall clock; the times that go out are by the wall clock as
  it is set now (see `clock`).
- A lease that has run out has run out: no answer given after that moment shows it as held.
- Handles (`WorkUnit`, `Attempt`) are made when asked for and hold names, not state; a handle
  whose thing is gone raises `NoSuchWorkUnit`, `NoSuchWorkSpec`, `NoSuchAttempt` or `Gone`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from goordinate.coordinate.names import Name, encoded, identity
from goordinate.coordinate.spec import Control

#: Seconds of a lease when none is asked for through this API.
DEFAULT_LEASE = 900.0


class NewWorkUnit(NamedTuple):
    """A work unit to be added."""

    #: The identity of its name.
    key: bytes
    #: Its name and its data as CBOR, one after the other.
    item: bytes
    #: Higher goes first; None: the default, 0.
    priority: float | None = None
    #: Seconds before it may run.
    delay: float = 0.0


def new_work_unit(
    name: Name, data: bytes, priority: float | None = None, delay: float = 0.0
) -> NewWorkUnit:
    """A `NewWorkUnit` from a name and data that is already CBOR."""
    return NewWorkUnit(identity(name), encoded(name) + data, priority, delay)


class Summary(NamedTuple):
    """How many units of a spec are in one state; never zero."""

    namespace: str
    work_spec: Name
    status: int
    units: int


class UnitState(NamedTuple):
    """How a work unit stands at one moment: a lease cannot end between reading one and another."""

    #: AVAILABLE, DELAYED, PENDING, FINISHED or FAILED (`lifecycle`).
    status: int
    #: End of the lease of a pending unit, time of the end of a finished or failed one.
    expiration: float | None
    #: Who holds it, or held it when it ended.
    worker_name: Name | None
    #: Its data: the active attempt's, else its own.
    data: bytes


class Attempt(ABC):
    """One worker working on one unit once: (unit, worker, start time)."""

    __slots__ = ()

    @property
    @abstractmethod
    def work_unit(self) -> WorkUnit:
        """The unit worked on."""

    @property
    @abstractmethod
    def worker_name(self) -> Name | None:
        """The worker's name; None for a unit made pending by hand, without a worker."""

    @property
    @abstractmethod
    def start_time(self) -> float:
        """When it began."""

    @property
    @abstractmethod
    def status(self) -> int:
        """PENDING, EXPIRED, FINISHED, FAILED or RETRYABLE (`lifecycle`)."""

    @property
    @abstractmethod
    def data(self) -> bytes:
        """The data as of this attempt: the unit's own until the attempt gives another."""

    @property
    @abstractmethod
    def end_time(self) -> float | None:
        """When it ended; None while it is pending."""

    @property
    @abstractmethod
    def expiration_time(self) -> float | None:
        """When its lease ends; of an ended attempt, when it ended; None: without a lease."""

    @abstractmethod
    def renew(self, lease: float, data: bytes | None = None) -> None:
        """Move the end of the lease to `lease` seconds from now.

        Raises LostLease if the attempt no longer holds its unit (the data is stored all the
        same), NotPending if it has ended otherwise.
        """

    @abstractmethod
    def expire(self, data: bytes | None = None) -> None:
        """End the lease now; the unit is available again. Raises NotPending."""

    @abstractmethod
    def finish(self, data: bytes | None = None) -> None:
        """End with success; chains if the attempt holds its unit. Raises NotPending.

        A failed attempt may still be finished: the late success wins.
        """

    @abstractmethod
    def fail(self, data: bytes | None = None) -> None:
        """End with failure. Raises NotPending."""

    @abstractmethod
    def retry(self, data: bytes | None = None, delay: float = 0.0) -> None:
        """Give the unit back, to be handed out again after `delay` seconds. Raises NotPending."""


class WorkUnit(ABC):
    """One task of a work spec."""

    __slots__ = ()

    @property
    @abstractmethod
    def name(self) -> Name:
        """Its name, as first stored."""

    @property
    @abstractmethod
    def work_spec(self) -> WorkSpec:
        """The spec it belongs to."""

    @property
    @abstractmethod
    def item(self) -> bytes:
        """Name and data as CBOR, one after the other: what answers are made of."""

    @property
    @abstractmethod
    def data(self) -> bytes:
        """Its data: the active attempt's, else its own."""

    @property
    @abstractmethod
    def status(self) -> int:
        """AVAILABLE, DELAYED, PENDING, FINISHED or FAILED (`lifecycle`)."""

    @property
    @abstractmethod
    def priority(self) -> float:
        """Higher goes first."""

    @property
    @abstractmethod
    def not_before(self) -> float | None:
        """When a delayed unit becomes available; None if it is not delayed."""

    @property
    @abstractmethod
    def expiration(self) -> float | None:
        """End of the lease of a pending unit, time of the end of a finished or failed one."""

    @property
    @abstractmethod
    def worker_name(self) -> Name | None:
        """Who holds it, or held it when it ended."""

    @property
    @abstractmethod
    def state(self) -> UnitState:
        """Status, expiration, worker and data as of one moment."""

    @property
    @abstractmethod
    def active_attempt(self) -> Attempt | None:
        """The attempt that gives the unit its state, if there is one."""

    @property
    @abstractmethod
    def attempts(self) -> list[Attempt]:
        """The attempts on record, oldest first: the last `lifecycle.ATTEMPTS_KEPT`."""

    @abstractmethod
    def clear_active_attempt(self) -> None:
        """Make the unit available, even when finished, with its own data."""


class WorkSpec(ABC):
    """A kind of work, with its units."""

    @property
    @abstractmethod
    def name(self) -> Name:
        """Its name, as first stored."""

    @property
    @abstractmethod
    def data(self) -> bytes:
        """The dictionary, as it came (CBOR)."""

    @abstractmethod
    def set_data(self, data: bytes) -> None:
        """Replace the dictionary and derive all control values anew.

        Raises ChangedName, NoWorkSpecName, BadWorkSpecName, BadWorkSpec; then nothing changed.
        """

    @property
    @abstractmethod
    def control(self) -> Control:
        """The control values in force."""

    @abstractmethod
    def set_control(self, changes: Mapping[str, object]) -> None:
        """Change control values by name. Raises BadWorkSpec and CannotBecomeContinuous."""

    @abstractmethod
    def add_work_units(self, units: Iterable[NewWorkUnit], *, restart: bool = False) -> None:
        """Add units; of two with the same key the last wins.

        A unit that exists gets the new data and becomes available. Without `restart` it gets the
        new priority too, and one that is pending stays pending; with it (RPC `add_work_units`)
        it keeps its priority, and a pending one is taken from its worker.
        """

    @abstractmethod
    def work_unit(self, name: Name) -> WorkUnit:
        """The unit of that name. Raises NoSuchWorkUnit."""

    @abstractmethod
    def get_work_units(self, names: Sequence[Name]) -> list[WorkUnit | None]:
        """The units of these names, in this order; None where there is none."""

    @abstractmethod
    def list_work_units(
        self,
        *,
        statuses: Collection[int] | None = None,
        start: Name | None = None,
        previous: Name | None = None,
        limit: int | None = None,
        by_priority: bool = False,
    ) -> list[WorkUnit]:
        """Units by name: from `start` on, or strictly after `previous`, at most `limit`.

        `statuses` narrows it (empty: no unit). `by_priority` lists the higher priority first.
        """

    @abstractmethod
    def count_work_units(self) -> dict[int, int]:
        """How many units each state has, archived ones included, no zeros."""

    @abstractmethod
    def set_priorities(self, names: Iterable[Name], priority: float, *, add: bool = False) -> None:
        """Set the priority of these units, or add to it; unknown names are passed over.

        Raises BadPriority if a sum is too large.
        """

    @abstractmethod
    def delete_work_units(
        self,
        *,
        names: Iterable[Name] | None = None,
        statuses: Collection[int] | None = None,
    ) -> int:
        """Delete units with their attempts, and say how many.

        By name, by state, or both; with neither, every unit, archived ones included.
        """

    @abstractmethod
    def update_work_unit(
        self,
        name: Name,
        *,
        status: int | None = None,
        lease: float | None = None,
        data: bytes | None = None,
        worker: Name | None = None,
    ) -> None:
        """Act on a unit, whoever asks (RPC `update_work_unit`; the table is `lifecycle.CHANGES`).

        `data` changes the unit's own data for good. `lease` is seconds from now. Raises
        NoSuchWorkUnit.
        """

    @abstractmethod
    def archive(self, keep: int | None, max_age: float | None) -> int:
        """Drop done units beyond the `keep` latest or older than `max_age` seconds.

        Each of finished and failed by itself; they stay in the counts. Says how many.
        """


class Worker(ABC):
    """Somebody who asks for work."""

    @property
    @abstractmethod
    def name(self) -> Name:
        """Its name, as first seen."""

    @property
    @abstractmethod
    def active(self) -> bool:
        """Whether it counts as alive."""

    @property
    @abstractmethod
    def mode(self) -> object:
        """What it last said it was doing."""

    @property
    @abstractmethod
    def data(self) -> bytes | None:
        """What it last said of itself (CBOR)."""

    @property
    @abstractmethod
    def last_update(self) -> float:
        """When it was last heard from."""

    @property
    @abstractmethod
    def expiration(self) -> float:
        """When it is taken for dead, unless heard from."""

    @property
    @abstractmethod
    def parent(self) -> Worker | None:
        """The worker it works for."""

    @abstractmethod
    def set_parent(self, parent: Name | None) -> None:
        """Give it another parent, or none."""

    @abstractmethod
    def children(self) -> list[Worker]:
        """The live workers that named this one as their parent."""

    @abstractmethod
    def update(self, *, mode: object, data: bytes | None, lifetime: float) -> None:
        """It was heard from now: (re)activate it for `lifetime` seconds."""

    @abstractmethod
    def deactivate(self) -> None:
        """It is gone; what it holds stays leased until the leases end."""

    @abstractmethod
    def active_attempts(self) -> list[Attempt]:
        """The pending attempts by which it holds units."""

    @abstractmethod
    def all_attempts(self) -> list[Attempt]:
        """Its attempts still on record, oldest first, the present ones included."""


class Namespace(ABC):
    """A world of work specs and workers of its own."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name; RPC clients use the one named ''."""

    @abstractmethod
    def destroy(self) -> None:
        """Remove it with all that is in it."""

    @abstractmethod
    def set_work_spec(self, data: bytes) -> WorkSpec:
        """Create a work spec from its dictionary (CBOR), or replace the dictionary of one.

        Raises NoWorkSpecName, BadWorkSpecName, BadWorkSpec; then nothing changed.
        """

    @abstractmethod
    def work_spec(self, name: Name) -> WorkSpec:
        """The work spec of that name. Raises NoSuchWorkSpec."""

    @abstractmethod
    def list_work_specs(
        self, start: Name | None = None, limit: int | None = None
    ) -> tuple[list[WorkSpec], Name | None]:
        """Work specs by name from `start` on, at most `limit`; and the name that comes next."""

    @abstractmethod
    def destroy_work_spec(self, name: Name) -> None:
        """Remove a work spec with its units and attempts. Raises NoSuchWorkSpec."""

    @abstractmethod
    def clear(self) -> int:
        """Remove every work spec, and say how many there were."""

    @abstractmethod
    def summarize(self) -> list[Summary]:
        """The counts of every work spec."""

    @abstractmethod
    def worker(self, name: Name) -> Worker:
        """The worker of that name, made if there is none."""

    @abstractmethod
    def find_worker(self, name: Name) -> Worker | None:
        """The live worker of that name."""

    @abstractmethod
    def workers(self) -> list[Worker]:
        """The live workers, by name."""

    @abstractmethod
    def heartbeat(
        self,
        name: Name,
        *,
        mode: object,
        data: bytes | None,
        lifetime: float,
        parent: Name | None,
    ) -> Worker:
        """The worker was heard from now: make or (re)activate it for `lifetime` seconds."""

    @abstractmethod
    def children(self, parent: Name) -> list[Worker]:
        """The live workers that named this one as their parent."""

    @abstractmethod
    def parents_count(self) -> int:
        """How many workers have live children."""

    @abstractmethod
    def request_attempts(
        self,
        worker: Name,
        *,
        count: int = 1,
        lease: float = DEFAULT_LEASE,
        work_specs: Collection[Name] | None = None,
        runtimes: Collection[Name] | None = None,
    ) -> list[Attempt]:
        """Hand out up to `count` units of one work spec under leases of `lease` seconds.

        `work_specs` narrows the choice to these (None or empty: all), `runtimes` to specs that
        name one of these runtimes (b"": none named; None or empty: any). Which spec gives:
        `scheduler`.
        """


class Backend(ABC):
    """Where namespaces are kept."""

    @abstractmethod
    def namespace(self, name: str) -> Namespace:
        """The namespace of that name, made if there is none."""

    @abstractmethod
    def namespaces(self) -> list[Namespace]:
        """All namespaces, by name."""

    @abstractmethod
    def summarize(self) -> list[Summary]:
        """The counts of every work spec of every namespace."""
