"""The contract of a backend: flat calls on names and lists, with plain results.

`goordinate/tests/conformance` checks it. `handles` has objects over it that are nicer to work with.

- Every call is atomic: it happens as a whole, or raises and changes nothing. A call that must be
  atomic over many things takes a list, so that a database can make it one transaction.
- Data is opaque: one CBOR item as bytes, given back to the byte. A backend looks into it only for
  the `output` of a finished unit whose spec has a `then`, and to set the `traceback` of one that
  failed because its leases ran out too often.
- An *entry* is the name and the data of a unit as CBOR, one after the other: what answers are made
  of.
- Times are Unix times and durations seconds, as floats; these and priorities are finite, which
  callers see to. Leases, delays and intervals run their length whatever is done to the wall clock;
  the times that go out are by the wall clock as it is set now (see `clock`).
- A lease that has run out has run out: no answer given after that moment shows it as held
  (`held_by_children` tells of it, with its end).
- A call on a namespace that was destroyed raises Gone; one on a work spec that does not exist
  raises NoSuchWorkSpec. The docstrings below tell of other errors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from goordinate.coordinate.control import Control
from goordinate.coordinate.errors import CoordinateError
from goordinate.coordinate.locks import Path
from goordinate.coordinate.names import Name, identity
from goordinate.coordinate.new_units import NewWorkUnit
from goordinate.coordinate.records import data_of

#: Seconds of a lease, or of a worker's life, when none are asked for through this API.
DEFAULT_LEASE = 900.0


class Summary(NamedTuple):
    """How many units of a spec are in one state; never zero."""

    namespace: str
    work_spec: Name
    status: int
    units: int


class SpecPage(NamedTuple):
    """Some work specs, by name."""

    #: Names and dictionaries (CBOR).
    specs: list[tuple[Name, bytes]]
    #: The name that comes next; None: these were the last, or none were asked for.
    following: Name | None


class AttemptId(NamedTuple):
    """One worker working on one unit once."""

    #: The identity of the work spec's name.
    work_spec: bytes
    #: The identity of the unit's name.
    work_unit: bytes
    #: Counts the attempts of the unit. A unit that is deleted and added again does not begin at
    #: 1, so no two attempts have the same id.
    number: int


class UnitState(NamedTuple):
    """A work unit as it is at one moment."""

    #: In the form in which it was first stored.
    name: Name
    #: One of `states.UNIT_STATES`.
    status: int
    #: Higher goes first.
    priority: float
    #: End of the lease of a pending unit (None: without a lease), time of the end of a finished or
    #: failed one.
    expiration: float | None
    #: When a delayed unit becomes available.
    not_before: float | None
    #: Who holds it, or held it when it ended.
    worker_name: Name | None
    #: Its name and data: those of the active attempt, else its own.
    entry: bytes
    #: The number of the attempt that gives the unit its state. None: there is none.
    attempt: int | None

    @property
    def data(self) -> bytes:
        """The data in `entry`."""
        return data_of(self.entry, identity(self.name))


class AttemptState(NamedTuple):
    """An attempt as it is at one moment."""

    id: AttemptId
    #: None: the unit was made pending by hand, without a worker.
    worker_name: Name | None
    start_time: float
    #: PENDING, EXPIRED, FINISHED, FAILED or RETRYABLE.
    status: int
    #: The data as of this attempt: the unit's own until the attempt gives another. That of a past
    #: attempt may not have been kept, and is a map that says so (`attempt_data.NOT_KEPT`).
    data: bytes
    #: When it ended; None while it is pending.
    end_time: float | None
    #: When its lease ends; of an ended attempt, when it ended; None: without a lease.
    expiration_time: float | None
    #: Whether it gives its unit its state.
    active: bool


class AttemptCall(NamedTuple):
    """What a worker does with an attempt of its own."""

    id: AttemptId
    #: One of RENEW_CALL, EXPIRE_CALL, FINISH_CALL, FAIL_CALL, RETRY_CALL (`lifecycle`).
    call: str
    #: The data from now on, as of this attempt; None: as it was.
    data: bytes | None = None
    #: Renew: the length of the lease from now. Retry: the delay.
    seconds: float = 0.0


#: What became of an `AttemptCall`: done (None), or why not. LostLease: the attempt no longer holds
#: its unit; its data is stored all the same. NotPending: it has ended. NoSuchAttempt,
#: NoSuchWorkUnit, NoSuchWorkSpec: it is no longer on record.
Outcome = CoordinateError | None


class Handout(NamedTuple):
    """Units that were leased to a worker, all of one work spec.

    Without units: so many had failed too often that the call ended before it found one to give.
    The caller asks again.
    """

    #: In the form in which it was first stored.
    work_spec: Name
    #: The key, the entry and the attempt's number of each.
    units: list[tuple[bytes, bytes, int]]


Watcher = Callable[[bytes, bytes, bool], None]
"""Is told that a work spec has changed: the identity of its name, its runtime, whether it offers
units now. Only takes note; of the API it may call `Namespace.next_change`."""


class WorkerState(NamedTuple):
    """A worker as it is at one moment."""

    #: In the form in which it was first seen.
    name: Name
    #: Whether it counts as alive.
    active: bool
    #: What it last said it was doing; any hashable value.
    mode: object
    #: What it last said of itself (CBOR).
    data: bytes | None
    #: When it was last heard from. 0: never.
    last_update: float
    #: When it is taken for dead, unless heard from.
    expiration: float
    #: The worker it works for.
    parent: Name | None


class WorkerCounts(NamedTuple):
    """How many workers there are."""

    live: int
    #: Workers that live ones name as their parent.
    parents: int


class Held(NamedTuple):
    """A unit that a worker holds, or held until its lease ran out: then nobody has it since."""

    work_spec: Name
    unit: UnitState
    #: When the lease ends, or ended; None: without a lease.
    expires: float | None


class Namespace(ABC):
    """A world of work specs, workers and locks of its own."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name; RPC clients use the one named ''."""

    @abstractmethod
    def now(self) -> float:
        """The Unix time by which it works."""

    @abstractmethod
    def destroy(self) -> None:
        """Remove it with all that is in it."""

    # --- work specs ----------------------------------------------------------------------------

    @abstractmethod
    def set_work_spec(self, data: bytes, *, name: Name | None = None) -> Name:
        """Create a work spec from its dictionary (CBOR), or replace the dictionary of one and
        derive all control values anew; its name.

        `name`: the spec must exist and the dictionary must name it. Raises NoWorkSpecName,
        BadWorkSpecName, BadWorkSpec, ChangedName.
        """

    @abstractmethod
    def get_work_spec(self, work_spec: Name) -> bytes:
        """The dictionary, as it came."""

    @abstractmethod
    def get_control(self, work_spec: Name) -> Control:
        """The control values in force."""

    @abstractmethod
    def set_control(self, work_spec: Name, changes: Mapping[str, object]) -> None:
        """Change control values by name. Raises BadWorkSpec, CannotBecomeContinuous."""

    @abstractmethod
    def list_work_specs(self, start: Name | None = None, limit: int | None = None) -> SpecPage:
        """Work specs by name from `start` on, at most `limit`."""

    @abstractmethod
    def delete_work_spec(self, work_spec: Name) -> None:
        """Remove a work spec with its units and attempts."""

    @abstractmethod
    def clear(self) -> int:
        """Remove every work spec, and say how many there were."""

    @abstractmethod
    def summarize(self) -> list[Summary]:
        """The counts of every work spec."""

    # --- work units ----------------------------------------------------------------------------

    @abstractmethod
    def add_work_units(
        self, work_spec: Name, units: Iterable[NewWorkUnit], *, restart: bool = False
    ) -> None:
        """Add units; of two with the same key the last wins.

        A unit that exists gets the new data and becomes available. Without `restart` it gets the
        new priority too, and one that is pending stays pending. With it (RPC add_work_units) it
        keeps its priority, and a pending one is taken from its worker.
        """

    @abstractmethod
    def get_work_units(self, work_spec: Name, names: Sequence[Name]) -> list[UnitState | None]:
        """The units of these names, in this order; None where there is none."""

    @abstractmethod
    def list_work_units(
        self,
        work_spec: Name,
        *,
        statuses: Collection[int] | None = None,
        start: Name | None = None,
        previous: Name | None = None,
        limit: int | None = None,
        by_priority: bool = False,
    ) -> list[bytes]:
        """Entries by name: from `start` on, or strictly after `previous`, at most `limit`.

        `statuses` narrows it (empty: no unit). `by_priority` lists the higher priority first.
        """

    @abstractmethod
    def count_work_units(self, work_spec: Name) -> dict[int, int]:
        """How many units each state has, archived ones included, no zeros."""

    @abstractmethod
    def set_priorities(
        self, work_spec: Name, names: Iterable[Name], priority: float, *, add: bool = False
    ) -> None:
        """Set the priority of these units, or add to it; unknown names are passed over.

        Raises BadPriority if a sum is too large.
        """

    @abstractmethod
    def delete_work_units(
        self,
        work_spec: Name,
        *,
        names: Iterable[Name] | None = None,
        statuses: Collection[int] | None = None,
    ) -> int:
        """Delete units with their attempts, and say how many.

        By name, by state, or both; with neither, every unit, archived ones included.
        """

    def prepare_delete(self, work_spec: Name) -> bool:
        """Do a small part of what comes before units are deleted by state; whether there is more.
        Without it, `delete_work_units` does all of that. Raises NoSuchWorkSpec."""
        return False

    @abstractmethod
    def update_work_unit(
        self,
        work_spec: Name,
        name: Name,
        *,
        status: int | None = None,
        lease: float | None = None,
        data: bytes | None = None,
        worker: Name | None = None,
        holder: Name | None = None,
        delay: float = 0.0,
    ) -> None:
        """Act on a unit, whoever asks (RPC update_work_unit; the table is `lifecycle.STEPS`).

        `data` changes the unit's own data for good. `lease` is seconds from now; below 0, in place
        of a lease, the unit is given back. A unit that is to be available is delayed for `delay`
        seconds from now. Raises NoSuchWorkUnit, and HeldByAnother if the unit is pending with
        another worker than `holder` (None: whoever has it).
        """

    @abstractmethod
    def archive(
        self,
        work_specs: Collection[Name] | None,
        keep: int | None,
        max_age: float | None,
        *,
        limit: int | None = None,
    ) -> int:
        """Drop finished and failed units of these specs (None: all) that are beyond the `keep`
        latest of their spec and state, or older than `max_age` seconds; at most `limit` units.

        They stay in the counts. Unknown names are passed over. Says how many.
        """

    # --- attempts ------------------------------------------------------------------------------

    @abstractmethod
    def request_work(
        self,
        worker: Name,
        *,
        count: int = 1,
        lease: float = DEFAULT_LEASE,
        work_specs: Collection[Name] | None = None,
        runtimes: Collection[Name] | None = None,
        room: int | None = None,
    ) -> Handout | None:
        """Hand out up to `count` units of one work spec under leases of `lease` seconds.

        `work_specs` narrows the choice to these (None or empty: all), `runtimes` to specs that
        name one of these runtimes (b"": none named; None or empty: any). Which spec gives:
        `scheduler`. Beyond the first unit, no more are handed out than `room` bytes hold; a unit
        takes its entry and the name of its work spec (None: any number). None: there is no unit to
        be had.
        """

    @abstractmethod
    def watch(self, watcher: Watcher | None) -> None:
        """Tell `watcher` from now on of each work spec that may have come to offer units, or does
        not offer any more. None: tell nobody. There is one watcher, or none."""

    @abstractmethod
    def next_change(self) -> float:
        """Seconds until time alone may change what there is to give, by a lease, a delay or an
        interval that ends; then any call tells the watcher. It may be told too early. inf: never.
        """

    @abstractmethod
    def call_attempts(self, calls: Sequence[AttemptCall]) -> list[Outcome]:
        """Make these calls, one after the other, as one operation; what became of each.

        An attempt that finishes chains if it still holds its unit. A failed attempt may still
        finish: the late success wins.
        """

    @abstractmethod
    def get_attempts(self, work_spec: Name, name: Name) -> list[AttemptState]:
        """The attempts of a unit that are on record, oldest first: the last
        `lifecycle.ATTEMPTS_KEPT`. Raises NoSuchWorkUnit."""

    @abstractmethod
    def clear_attempt(self, work_spec: Name, name: Name) -> None:
        """Make a unit available, even when finished, with its own data. Raises NoSuchWorkUnit."""

    # --- workers -------------------------------------------------------------------------------

    @abstractmethod
    def heartbeat(
        self, name: Name, *, mode: object, data: bytes | None, lifetime: float, parent: Name | None
    ) -> None:
        """The worker was heard from now: make or (re)activate it for `lifetime` seconds."""

    @abstractmethod
    def deactivate_worker(self, name: Name) -> bool:
        """The worker is gone; what it holds stays leased until the leases end. Whether it was
        alive."""

    @abstractmethod
    def set_parent(self, name: Name, parent: Name | None) -> None:
        """Give a worker another parent, or none."""

    @abstractmethod
    def get_worker(self, name: Name) -> WorkerState | None:
        """The worker of that name, alive or not; None: nothing is known of it."""

    @abstractmethod
    def workers(self) -> list[WorkerState]:
        """The live workers, by name."""

    @abstractmethod
    def count_workers(self) -> WorkerCounts:
        """How many workers there are."""

    @abstractmethod
    def children(self, parent: Name) -> list[WorkerState]:
        """The live workers that named this one as their parent."""

    @abstractmethod
    def held_by_children(self, parent: Name) -> list[tuple[Name, list[Held]]]:
        """The live children of a worker, and what each holds.

        With it come, last, the units whose leases ran out while the child lived, until they are
        handed out, changed or deleted: the child may still be at work on them.
        """

    @abstractmethod
    def worker_attempts(self, name: Name) -> list[AttemptState]:
        """The attempts of a worker that are on record, oldest first: those by which it holds
        units, and the last of those that ended."""

    # --- locks ---------------------------------------------------------------------------------

    @abstractmethod
    def lock(self, owner: Name, paths: Sequence[Path], timeout: float) -> Path | None:
        """Lock all the paths for `timeout` seconds, or none. The path that is in the way."""

    @abstractmethod
    def lock_some(self, owner: Name, paths: Sequence[Path], timeout: float) -> list[bool]:
        """Lock the paths that are free; for each, whether it was."""

    @abstractmethod
    def renew_locks(self, owner: Name, paths: Sequence[Path], timeout: float) -> Path | None:
        """Give all the paths another `timeout` seconds, or none. The path that `owner` does not
        hold."""

    @abstractmethod
    def unlock(self, owner: Name, paths: Sequence[Path]) -> Path | None:
        """Free all the paths, or none. The path that `owner` does not hold."""

    @abstractmethod
    def lock_owners(self, paths: Sequence[Path]) -> list[Name | None]:
        """Who holds each path; None: nobody."""

    @abstractmethod
    def delete_locks(self, prefix: Name) -> int:
        """Free all paths that begin with `prefix`, whoever holds them, and say how many."""


class Health(NamedTuple):
    """How it goes with what keeps the state."""

    #: Why no call is answered for now; None: calls are answered.
    error: str | None
    #: What happened how often, for `server_stats`.
    counts: Mapping[str, int]


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

    @abstractmethod
    def bound_attempt_data(self, size: int) -> None:
        """Let the past attempts of each unit keep at most `size` bytes (see `attempt_data`, which
        has the default). What a unit keeps already stays until it changes."""

    def tidy(self) -> bool:
        """Do a small part of what operations have left for later; whether there is more. That it
        is not done yet cannot be seen."""
        return False

    @property
    def must_settle(self) -> bool:
        """Whether `settle` has to be called before answers leave."""
        return False

    @abstractmethod
    def settle(self) -> None:
        """Return when all that was done so far is safe. It may switch greenlets."""

    @abstractmethod
    def health(self) -> Health:
        """How it goes with what keeps the state."""

    @abstractmethod
    def close(self) -> None:
        """Make safe all that was done, and give back what is open. May switch greenlets. Nothing
        is called afterwards."""
