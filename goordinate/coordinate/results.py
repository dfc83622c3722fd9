"""The plain results of the API, and what some of its calls take (see `api`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.control import Control
from goordinate.coordinate.counters import SpecCounters
from goordinate.coordinate.errors import CoordinateError
from goordinate.coordinate.locks import Path
from goordinate.coordinate.names import Name, identity
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

    @property
    def tag(self) -> str:
        """A word that is another one when anything of this is (an entity tag of HTTP)."""
        return tag_of(*self)


def tag_of(*values: object) -> str:
    """A word for values that CBOR can encode; other values, another word."""
    return blake2b(dumps(values), digest_size=8).hexdigest()


class UnitRow(NamedTuple):
    """A work unit in a list."""

    unit: UnitState
    #: How many of its attempts are on record.
    attempts: int


class Search(NamedTuple):
    """A part of a search for units."""

    found: list[UnitRow]
    #: Where to go on; None: all were looked at.
    following: Name | None


class FailureGroup(NamedTuple):
    """Failed units of a work spec with the same error."""

    #: See `signatures`.
    signature: str
    units: int
    #: When the first and the last of them failed.
    first: float
    last: float
    #: The last of them.
    sample: Name


class Failures(NamedTuple):
    """The failed units of a work spec by error."""

    #: The one with the latest failure first.
    groups: list[FailureGroup]
    #: Failed units that nobody has looked into yet; they are in no group.
    unread: int


class SpecFacts(NamedTuple):
    """A work spec in numbers, as of one moment."""

    name: Name
    control: Control
    #: How many units each state has, archived ones included, no zeros.
    counts: dict[int, int]
    #: Another one, and a higher one, when anything of the spec or of its units has changed. None:
    #: the backend does not tell.
    change: int | None
    #: None: the backend does not count.
    counters: SpecCounters | None
    #: Since when the unit waits that has been available for the longest time. None: none is
    #: available, or the backend does not know.
    oldest_available: float | None


class FactsPage(NamedTuple):
    """Some work specs in numbers, by name."""

    specs: list[SpecFacts]
    #: The name that comes next; None: these were the last.
    following: Name | None


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


class WorkerRow(NamedTuple):
    """A worker in a list."""

    worker: WorkerState
    #: How many units it holds.
    held: int


class LockState(NamedTuple):
    """A lock as it is at one moment."""

    path: Path
    owner: Name
    #: When it ends, unless it is renewed.
    expires: float


class Held(NamedTuple):
    """A unit that a worker holds, or held until its lease ran out: then nobody has it since."""

    work_spec: Name
    unit: UnitState
    #: When the lease ends, or ended; None: without a lease.
    expires: float | None


#: Upper bounds, in seconds, of the buckets of commits by how long they took; one more is for those
#: that took longer.
COMMIT_TIMES: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Health(NamedTuple):
    """How it goes with what keeps the state."""

    #: Why no call is answered for now; None: calls are answered.
    error: str | None
    #: What happened how often, for `server_stats`.
    counts: Mapping[str, int]
    #: The name of the backend.
    name: str = "memory"
    #: Bytes that it takes on the disk; None: it keeps nothing there, or does not know.
    size: int | None = None
    #: When the last commit ended (Unix time); None: there was none.
    last_commit: float | None = None
    #: Commits by how long they took (`COMMIT_TIMES`), and the seconds of all.
    commit_durations: tuple[int, ...] = (0,) * (len(COMMIT_TIMES) + 1)
    commit_seconds: float = 0.0
    #: Commits that could not be made at the first try.
    errors: int = 0
