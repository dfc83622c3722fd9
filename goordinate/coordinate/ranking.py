"""The candidates among some work specs, best first: a heap for each class of them.

Rule: a ranking asks only the specs that are in its `changed` for their offers. What is compared,
and in which order, is told in `scheduler`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from typing import Protocol

from goordinate.coordinate.control import Offer


class Schedulable(Protocol):
    """What the scheduler must know of a work spec."""

    @property
    def identity(self) -> bytes:
        """The identity of its name."""

    @property
    def then(self) -> bytes | None:
        """The identity of the spec that gets its output; None: none."""

    @property
    def then_preempts(self) -> bool:
        """Whether work in the next spec of its path goes before work in this one."""

    @property
    def continuous(self) -> bool:
        """Whether units are made up when there are none."""

    @property
    def weight(self) -> int:
        """Its share among specs that compete; below 1 counts as 1."""

    @property
    def priority(self) -> float:
        """The spec-wide priority; the highest always goes first."""

    @property
    def runtime(self) -> bytes:
        """The runtime its workers must have; b"": none named."""

    def offer(self) -> Offer | None:
        """What it would give now; None: nothing (paused, full, without a unit to hand out).

        A continuous spec that would make up a unit offers (False, 0, pending units). Must not
        raise.
        """


PATHS, SOURCES, LOOPS, CONTINUOUS = range(4)


@dataclass(eq=False, slots=True)
class Place:
    """Where a spec stands, and all else about it that counts besides its offer."""

    spec: Schedulable
    #: The class in which its units compete: PATHS, SOURCES or LOOPS.
    home: int
    #: Which list of that class it is in.
    line: int
    #: Position among all specs, the lists one after the other.
    order: int
    #: Whether the spec before it in its path preempts for it.
    displaces: bool
    continuous: bool
    weight: int
    #: The spec-wide priority, negated: lower is better.
    rank: float
    #: What comes after it in its list.
    following: Place | None = None


# Entries of the heaps, lower is better. They name their candidate by its order and do not refer to
# it: nothing here is left to the garbage collector, which may seldom run.
#: (rank, negative, -head priority, score, order)
Entry = tuple[float, bool, float, float, int]
#: (rank, negative, -head priority, -order)
Displacer = tuple[float, bool, float, int]


class _Candidate:
    """What a spec last offered, and its entries in the heaps; others of it there are stale."""

    __slots__ = ("displacer", "entry", "offer", "place")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.offer: Offer | None = None
        self.entry: Entry | None = None
        self.displacer: Displacer | None = None


class Ranking:
    """The candidates among some specs, best first."""

    __slots__ = ("_at", "_candidates", "_heaps", "_limit", "changed", "displacers")

    def __init__(self, places: Iterable[Place]) -> None:
        self._candidates = {place.spec.identity: _Candidate(place) for place in places}
        #: Order -> the candidate.
        self._at = {each.place.order: each for each in self._candidates.values()}
        #: Names of specs whose offer may have changed.
        self.changed = set(self._candidates)
        kinds = {candidate.place.home for candidate in self._candidates.values()}
        if any(candidate.place.continuous for candidate in self._candidates.values()):
            kinds.add(CONTINUOUS)
        #: Class -> the entries of its candidates; paths first.
        self._heaps: dict[int, list[Entry]] = {kind: [] for kind in sorted(kinds)}
        #: Path -> the entries of its candidates that displace.
        self.displacers: dict[int, list[Displacer]] = {}
        # A heap that grows beyond this is mostly stale; sweeping it costs O(1) a push.
        self._limit = 2 * len(self._candidates) + 16

    def __len__(self) -> int:
        return len(self._candidates)

    def __iter__(self) -> Iterator[bytes]:
        """The names of the specs that it ranks."""
        return iter(self._candidates)

    def forget(self, name: bytes) -> None:
        """What this spec offered counts no more; it is to be asked again."""
        candidate = self._candidates[name]
        candidate.offer = candidate.entry = candidate.displacer = None
        self.changed.add(name)

    def best(self, among: dict[int, Entry]) -> None:
        """Put the best of each class into `among`, where it is better than what is there."""
        if self.changed:
            self._refresh()
        at = self._at
        for kind, heap in self._heaps.items():
            while heap and at[heap[0][4]].entry is not heap[0]:
                heappop(heap)
            if heap and (kind not in among or heap[0] < among[kind]):
                among[kind] = heap[0]

    def displacer(self, line: int) -> Displacer | None:
        """The best of the candidates that displace in a path."""
        heap = self.displacers.get(line)
        if heap is None:
            return None
        while heap and self._at[-heap[0][3]].displacer is not heap[0]:
            heappop(heap)
        return heap[0] if heap else None

    def _refresh(self) -> None:
        """Ask the changed specs for their offers, and enter those that differ."""
        names = list(self.changed)
        # Emptied before the offers: a spec touched by making its offer is asked again next time.
        # Emptied whole: a set shrinks only so, and a big one is slow to walk even when empty.
        self.changed.clear()
        for name in names:
            candidate = self._candidates.get(name)
            if candidate is None:
                continue
            place = candidate.place
            offer = place.spec.offer()
            if offer == candidate.offer:
                continue
            candidate.offer = offer
            if offer is None:
                candidate.entry = candidate.displacer = None
                continue
            has_units, head, pending = offer
            score = (1 + pending) / place.weight
            entry = (place.rank, head < 0, -head, score, place.order)
            candidate.entry = entry
            if place.continuous:
                self._enter(self._heaps[CONTINUOUS], entry)
            if not has_units:
                candidate.displacer = None
                continue
            self._enter(self._heaps[place.home], entry)
            if place.displaces:
                self._enter_displacer(candidate, entry)

    def _enter(self, heap: list[Entry], entry: Entry) -> None:
        if heap and heap[0][4] == entry[4]:
            heapreplace(heap, entry)  # what it was chosen by is stale now
            return
        heappush(heap, entry)
        if len(heap) > self._limit:
            heap[:] = [entry for entry in heap if self._at[entry[4]].entry is entry]
            heapify(heap)

    def _enter_displacer(self, candidate: _Candidate, entry: Entry) -> None:
        rank, negative, head, _, order = entry
        old = candidate.displacer
        if old is not None and old[2] == head:
            return
        candidate.displacer = displacer = (rank, negative, head, -order)
        heap = self.displacers.setdefault(candidate.place.line, [])
        heappush(heap, displacer)
        if len(heap) > self._limit:
            heap[:] = [each for each in heap if self._at[-each[3]].displacer is each]
            heapify(heap)
