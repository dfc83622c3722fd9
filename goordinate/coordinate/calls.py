"""The calls that a queue is made of: work specs, work units, attempts, workers, locks.

What all of them keep to is told in `api`, which adds the calls that only look.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence

from goordinate.coordinate.control import Control
from goordinate.coordinate.locks import Path
from goordinate.coordinate.names import Name
from goordinate.coordinate.new_units import NewWorkUnit
from goordinate.coordinate.results import (
    DEFAULT_LEASE,
    AttemptCall,
    AttemptState,
    Handout,
    Held,
    Outcome,
    SpecPage,
    Summary,
    UnitState,
    Watcher,
    WorkerCounts,
    WorkerState,
)


class QueueCalls(ABC):
    """The calls on one namespace that do something, and those that are part of doing it."""

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
