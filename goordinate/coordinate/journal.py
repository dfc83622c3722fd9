"""Where a backend tells of every change it makes, so that something can keep it.

Rule: a backend makes all changes of an operation in one place, and notes them there. What is noted
is the new state, never the step: of two notes on one thing the later one counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from goordinate.coordinate.control import SpecRecord
from goordinate.coordinate.counters import CLIENT
from goordinate.coordinate.locks import LockChanges
from goordinate.coordinate.names import Name
from goordinate.coordinate.records import Record


@dataclass(slots=True)
class UnitChanges:
    """Changes of units of one work spec."""

    #: The identity of the spec's name.
    spec: bytes
    #: Key -> the unit from now on; None: it is deleted.
    units: Mapping[bytes, Record | None]
    #: Units added for the first time that only wait: key -> entry.
    added: Mapping[bytes, bytes]
    #: `units` are the first of the spec's queue, in order.
    heads: bool = False
    #: The leases or delays of `units` were over before, and everybody has seen them so: many that
    #: end together are noted some at a time.
    lapsed: bool = False
    #: Why units come or go (`counters`).
    why: str = CLIENT


@dataclass(slots=True)
class UnitsCleared:
    """All units of a work spec that were noted in one of these states go."""

    #: The identity of the spec's name.
    spec: bytes
    states: frozenset[int]


@dataclass(slots=True)
class SpecChange:
    """A work spec comes, changes (all but its units), or goes with all its units."""

    #: The identity of its name.
    spec: bytes
    #: None: it is deleted.
    record: SpecRecord | None
    #: All its units go, the archived ones too.
    without_units: bool = False


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """What is kept of a worker that said that it lives. Times are moments of the backend's
    clock."""

    name: Name
    mode: object
    #: What it said of itself (CBOR).
    data: bytes | None
    last_update: float
    expiration: float
    active: bool
    parent: Name | None

    def inactive(self) -> WorkerRecord:
        """The worker when it is gone."""
        return replace(self, active=False)


@dataclass(slots=True)
class WorkerChange:
    """A worker was heard from, is gone, or has another parent."""

    record: WorkerRecord


@dataclass(slots=True)
class LocksChange:
    """Changes of locks."""

    locks: LockChanges


Change = UnitChanges | UnitsCleared | SpecChange | WorkerChange | LocksChange


class Journal(Protocol):
    """Keeps what it is told."""

    def note(self, namespace: str, changes: Sequence[Change]) -> None:
        """Take note of the changes of one operation in a namespace. Does no I/O and does not
        switch greenlets."""

    def settle(self) -> None:
        """Return when all that was noted is safe. May switch greenlets."""


class NoJournal:
    """The `Journal` of a backend that keeps nothing."""

    def note(self, namespace: str, changes: Sequence[Change]) -> None:
        """Do nothing."""

    def settle(self) -> None:
        """Do nothing."""
