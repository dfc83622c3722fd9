"""What has happened to the units of a work spec since it was made, in numbers that only grow.

Rule: a backend counts in the one place where it makes changes. Units that are archived or deleted
stay in the counts; a work spec that is deleted takes its counts along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from goordinate.coordinate.records import PAST, PAST_STATUS, STARTED, STATUS, Record
from goordinate.coordinate.states import EXPIRED, FAILED, FINISHED, PENDING, RETRYABLE

#: Upper bounds, in seconds, of the buckets of attempts by how long they took; one more is for those
#: that took longer.
DURATIONS: Final = (
    0.01,
    0.1,
    1.0,
    5.0,
    15.0,
    60.0,
    300.0,
    900.0,
    3600.0,
    14400.0,
    43200.0,
    86400.0,
)

# Why units come, or go (`journal.UnitChanges.why`).
#: Somebody asked for it.
CLIENT: Final = "client"
#: The output of a finished unit.
CHAIN: Final = "chain"
#: A continuous work spec made it up.
CONTINUOUS: Final = "continuous"
#: `archive` dropped it.
ARCHIVE: Final = "archive"
#: The unit has finished, and its output could not be chained.
DROPPED: Final = "dropped"
#: Some of the units failed because their leases had run out too often.
GAVE_UP: Final = "gave up"


class SpecCounters(NamedTuple):
    """What has happened to the units of a work spec since it was made.

    added_.. - deleted_.. is the number of units there are, without archived ones.
    """

    #: Units that came for the first time, by where they came from.
    added_client: int = 0
    added_chain: int = 0
    added_continuous: int = 0
    #: Units that went: deleted by a call, dropped by `archive`. An archived unit that is deleted
    #: afterwards counts once.
    deleted_client: int = 0
    deleted_archive: int = 0
    #: Attempts that began.
    started: int = 0
    #: Units that finished, or failed, by a worker or by hand. One that failed and finished later
    #: is in both.
    finished: int = 0
    failed: int = 0
    #: Attempts whose lease ran out, or that their worker ended as expired.
    expired: int = 0
    #: Attempts whose unit was given back, or added again meanwhile.
    retryable: int = 0
    #: Units that failed because their leases had run out too often; not in `failed`.
    given_up: int = 0
    #: Finished units whose output could not be chained.
    chain_dropped: int = 0
    #: How many attempts ended as finished or failed, by how long they took (`DURATIONS`).
    durations: tuple[int, ...] = (0,) * (len(DURATIONS) + 1)
    #: The seconds that these took together.
    seconds: float = 0.0


class Tally:
    """The counters of one work spec, while they grow."""

    __slots__ = (
        "changes",
        "dropped",
        "durations",
        "ended",
        "given_up",
        "seconds",
        "started",
        "why_added",
        "why_deleted",
    )

    def __init__(self) -> None:
        #: How many changes there were.
        self.changes = 0
        #: Why -> units that came.
        self.why_added = {CLIENT: 0, CHAIN: 0, CONTINUOUS: 0}
        #: Why -> units that went.
        self.why_deleted = {CLIENT: 0, ARCHIVE: 0}
        #: Attempts that began.
        self.started = 0
        #: By state, how many ended in it, those that were given up among the failed ones. A list:
        #: it is counted in with every unit that ends.
        self.ended = [0] * (RETRYABLE + 1)
        self.given_up = 0
        #: Finished units whose output could not be chained.
        self.dropped = 0
        #: Attempts by how long they took, and the sum of it (seconds).
        self.durations = [0] * (len(DURATIONS) + 1)
        self.seconds = 0.0

    def changed(self, before: Record, record: Record) -> None:
        """A unit that has not ended is in another state, or in other hands."""
        if record[STATUS] == PENDING:
            self.started += 1
        elif before[STATUS] == PENDING and before[STARTED] is not None:
            how = record[PAST][-1][PAST_STATUS]
            if how in (EXPIRED, RETRYABLE):  # else it was cleared: the attempt has not ended
                self.ended[how] += 1

    def counters(self) -> SpecCounters:
        """As they are now."""
        added, deleted, ended = self.why_added, self.why_deleted, self.ended
        return SpecCounters(
            added_client=added[CLIENT],
            added_chain=added[CHAIN],
            added_continuous=added[CONTINUOUS],
            deleted_client=deleted[CLIENT],
            deleted_archive=deleted[ARCHIVE],
            started=self.started,
            finished=ended[FINISHED],
            failed=ended[FAILED] - self.given_up,
            expired=ended[EXPIRED],
            retryable=ended[RETRYABLE],
            given_up=self.given_up,
            chain_dropped=self.dropped,
            durations=tuple(self.durations),
            seconds=self.seconds,
        )

    def recall(self, counters: SpecCounters) -> None:
        """Go on from these."""
        self.why_added = {
            CLIENT: counters.added_client,
            CHAIN: counters.added_chain,
            CONTINUOUS: counters.added_continuous,
        }
        self.why_deleted = {CLIENT: counters.deleted_client, ARCHIVE: counters.deleted_archive}
        self.started = counters.started
        self.ended[FINISHED] = counters.finished
        self.ended[FAILED] = counters.failed + counters.given_up
        self.ended[EXPIRED] = counters.expired
        self.ended[RETRYABLE] = counters.retryable
        self.given_up, self.dropped = counters.given_up, counters.chain_dropped
        self.durations, self.seconds = list(counters.durations), counters.seconds


def packed(counters: SpecCounters) -> list[object]:
    """The counters as a list that can be encoded."""
    return [list(value) if isinstance(value, tuple) else value for value in counters]


def unpacked(values: Sequence[Any]) -> SpecCounters:
    """The counters of such a list."""
    *counts, durations, seconds = values
    return SpecCounters._make([*counts, tuple(durations), seconds])
