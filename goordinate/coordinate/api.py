"""The contract of a backend: flat calls on names and lists, with plain results (`results`).

The calls that a queue is made of are in `calls`; here are those that only look, for operators, and
the backend.

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
from collections.abc import Collection, Iterator
from itertools import islice

from goordinate.cborrpc.decode import read_string
from goordinate.coordinate.calls import QueueCalls
from goordinate.coordinate.locks import Path
from goordinate.coordinate.names import Name, identity
from goordinate.coordinate.records import name_of
from goordinate.coordinate.results import COMMIT_TIMES as COMMIT_TIMES
from goordinate.coordinate.results import DEFAULT_LEASE as DEFAULT_LEASE
from goordinate.coordinate.results import AttemptCall as AttemptCall
from goordinate.coordinate.results import AttemptId as AttemptId
from goordinate.coordinate.results import AttemptState as AttemptState
from goordinate.coordinate.results import FactsPage as FactsPage
from goordinate.coordinate.results import FailureGroup as FailureGroup
from goordinate.coordinate.results import Failures as Failures
from goordinate.coordinate.results import Handout as Handout
from goordinate.coordinate.results import Health as Health
from goordinate.coordinate.results import Held as Held
from goordinate.coordinate.results import LockState as LockState
from goordinate.coordinate.results import Outcome as Outcome
from goordinate.coordinate.results import Search as Search
from goordinate.coordinate.results import SpecFacts as SpecFacts
from goordinate.coordinate.results import SpecPage as SpecPage
from goordinate.coordinate.results import Summary as Summary
from goordinate.coordinate.results import UnitRow as UnitRow
from goordinate.coordinate.results import UnitState as UnitState
from goordinate.coordinate.results import Watcher as Watcher
from goordinate.coordinate.results import WorkerCounts as WorkerCounts
from goordinate.coordinate.results import WorkerRow as WorkerRow
from goordinate.coordinate.results import WorkerState as WorkerState
from goordinate.coordinate.signatures import signature
from goordinate.coordinate.states import AVAILABLE, FAILED, PENDING

#: Units that are looked at in a page, where a call has to look at all.
_PAGE = 1000


class Namespace(QueueCalls):
    """A world of work specs, workers and locks of its own.

    Most of what is here is written over the calls of `QueueCalls`. Where that costs more than the
    answer is long, a backend does better.
    """

    # --- work specs ----------------------------------------------------------------------------

    def get_facts(self, work_spec: Name) -> SpecFacts:
        """A work spec in numbers."""
        name = self._stored_name(work_spec)
        control, counts = self.get_control(name), self.count_work_units(name)
        return SpecFacts(name, control, counts, None, None, None)

    def list_facts(self, start: Name | None = None, limit: int | None = None) -> FactsPage:
        """Work specs in numbers, by name from `start` on, at most `limit`."""
        page = self.list_work_specs(start, limit)
        return FactsPage([self.get_facts(name) for name, _ in page.specs], page.following)

    def _stored_name(self, work_spec: Name) -> Name:
        """The name of a work spec as it was first stored. Raises NoSuchWorkSpec."""
        self.get_control(work_spec)
        ((name, _),) = self.list_work_specs(work_spec, 1).specs
        return name

    # --- work units ----------------------------------------------------------------------------

    def list_unit_rows(
        self,
        work_spec: Name,
        *,
        statuses: Collection[int] | None = None,
        start: Name | None = None,
        previous: Name | None = None,
        before: Name | None = None,
        limit: int | None = None,
        by_priority: bool = False,
    ) -> list[UnitRow]:
        """As `list_work_units`, units in place of entries.

        `before`: the `limit` units, in order, that come last strictly before that name. It goes
        with `statuses` and `limit` only. Raises ValueError.
        """
        check_page(start, previous, before, by_priority)
        entries = self.list_work_units(
            work_spec,
            statuses=statuses,
            start=start,
            previous=previous,
            limit=limit if before is None else None,
            by_priority=by_priority,
        )
        names = [_name_in(entry) for entry in entries]
        if before is not None:
            names = [name for name in names if identity(name) < identity(before)]
            names = names[max(0, len(names) - limit) :] if limit is not None else names
        return self._rows(work_spec, names)

    def search_units(
        self,
        work_spec: Name,
        part: bytes,
        *,
        statuses: Collection[int] | None = None,
        start: Name | None = None,
        look_at: int = 1000,
    ) -> Search:
        """Of the `look_at` units from `start` on, those whose names have `part` in them."""
        entries = self.list_work_units(work_spec, statuses=statuses, start=start, limit=look_at + 1)
        names = [_name_in(entry) for entry in entries]
        following = names.pop() if len(names) > look_at else None
        found = [name for name in names if part in identity(name)]
        return Search(self._rows(work_spec, found), following)

    def place_in_queue(self, work_spec: Name, name: Name) -> int | None:
        """How many units of the spec run before this one; None: it is not available. Raises
        NoSuchWorkUnit."""
        self.get_attempts(work_spec, name)
        queue = self.list_work_units(work_spec, statuses=[AVAILABLE], by_priority=True)
        places = (place for place, entry in enumerate(queue) if _key_in(entry) == identity(name))
        return next(places, None)

    def get_failures(self, work_spec: Name) -> Failures:
        """The failed units by error. A backend may look into them some time after they failed."""
        groups: dict[str, list[UnitState]] = {}
        for state in self._failed(work_spec):
            groups.setdefault(signature(state.data), []).append(state)
        found = [
            FailureGroup(error, len(units), _end(units[0]), _end(units[-1]), units[-1].name)
            for error, units in groups.items()
        ]
        return Failures(sorted(found, key=lambda group: -group.last), 0)

    def list_failed(
        self, work_spec: Name, error: str, *, skip: int = 0, limit: int = 100
    ) -> list[UnitRow]:
        """The failed units with this signature, the latest first, but for `skip` of them."""
        units = [unit for unit in self._failed(work_spec) if signature(unit.data) == error]
        wanted = islice(reversed(units), skip, skip + limit)
        return self._rows(work_spec, [unit.name for unit in wanted])

    def _failed(self, work_spec: Name) -> list[UnitState]:
        """The failed units, in the order in which they failed."""
        self.get_control(work_spec)
        return sorted(self._units_in(work_spec, FAILED), key=_end)

    def _units_in(self, work_spec: Name, status: int) -> Iterator[UnitState]:
        names: list[Name] = []
        while True:
            page = self.list_work_units(
                work_spec, statuses=[status], previous=names[-1] if names else None, limit=_PAGE
            )
            names = [_name_in(entry) for entry in page]
            if not names:
                return
            yield from filter(None, self.get_work_units(work_spec, names))

    def _rows(self, work_spec: Name, names: list[Name]) -> list[UnitRow]:
        states = self.get_work_units(work_spec, names)
        return [
            UnitRow(state, len(self.get_attempts(work_spec, state.name)))
            for state in states
            if state is not None
        ]

    # --- workers -------------------------------------------------------------------------------

    def list_workers(
        self, *, active: bool = True, start: Name | None = None, limit: int | None = None
    ) -> list[WorkerRow]:
        """Workers by name from `start` on, at most `limit`: the live ones, or those that are not
        live and hold units."""
        if not active:
            raise NotImplementedError
        lowest = b"" if start is None else identity(start)
        live = (each for each in self.workers() if identity(each.name) >= lowest)
        return [WorkerRow(worker, self._held_count(worker.name)) for worker in islice(live, limit)]

    def count_silent_workers(self) -> int:
        """How many workers are not live and hold units."""
        raise NotImplementedError

    def _held_count(self, worker: Name) -> int:
        return sum(
            attempt.active and attempt.status == PENDING for attempt in self.worker_attempts(worker)
        )

    # --- locks ---------------------------------------------------------------------------------

    def list_locks(self, start: Path | None = None, limit: int | None = None) -> list[LockState]:
        """Locks by path from `start` on, at most `limit`."""
        raise NotImplementedError

    def count_locks(self) -> int:
        """How many locks there are."""
        raise NotImplementedError

    def force_unlock(self, path: Path) -> bool:
        """Free exactly this path, whoever holds it; whether somebody did."""
        raise NotImplementedError


class Backend(ABC):
    """Where namespaces are kept."""

    @abstractmethod
    def namespace(self, name: str) -> Namespace:
        """The namespace of that name, made if there is none."""

    def find_namespace(self, name: str) -> Namespace | None:
        """The namespace of that name, if there is one; none is made."""
        return next((each for each in self.namespaces() if each.name == name), None)

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


def check_page(
    start: Name | None, previous: Name | None, before: Name | None, by_priority: bool
) -> None:
    """Raises ValueError for arguments of `Namespace.list_unit_rows` that do not go together."""
    if before is not None and (start is not None or previous is not None or by_priority):
        raise ValueError("`before` goes with neither `start`, `previous` nor `by_priority`")


def _end(unit: UnitState) -> float:
    return unit.expiration or 0.0


def _key_in(entry: bytes) -> bytes:
    return read_string(entry, 0, 0)[0]


def _name_in(entry: bytes) -> Name:
    return name_of(entry, _key_in(entry))
