"""Which work spec runs next: the specs, and what each has to offer -> the spec to take from.

Rule: a choice looks only at specs whose offer may have changed since the last one, never at all
of them. Who owns a spec calls `Scheduler.touch` whenever its offer may have changed, be it that a
lease, a delay or an interval has ended.

A spec that offers something is a candidate. Candidates are compared, in this order, by:

1. the spec-wide priority: only candidates of the highest one count;
2. whether the unit at the head of the queue has a negative priority: such ones go last of all;
3. their class: paths first, else by lot among the other classes (`SHARES`);
4. within a class, the priority of the unit at the head of the queue;
5. within a class, the score, (1 + pending units) / weight: the lowest wins, of equal ones the
   first in the order of the graph.

In a path one rule is added. The list with the lowest score is walked from its head, and a
candidate right after a spec whose `then_preempts` is true displaces whatever was chosen before
it. So of the first lowest score in the list and the last candidate that displaces, the one
further down wins, and both of these are at the top of a heap.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from typing import Protocol

from goordinate.coordinate.control import Offer
from goordinate.coordinate.graph import classify


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

#: What the classes after the paths weigh against each other in the draw. A continuous spec is in
#: its own class even without units; one that nothing feeds is a source too while it has units.
SHARES = {SOURCES: 20, LOOPS: 10, CONTINUOUS: 1}

#: Distinct filters (names, runtimes) for which the order of candidates is kept.
FILTERS_KEPT = 8


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a spec stands, and all about it that stays until the next plan."""

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


# Entries of the heaps, lower is better. They name their candidate by its order and do not refer to
# it: nothing here is left to the garbage collector, which may seldom run.
#: (rank, negative, -head priority, score, order)
_Entry = tuple[float, bool, float, float, int]
#: (rank, negative, -head priority, -order)
_Displacer = tuple[float, bool, float, int]


class _Candidate:
    """What a spec last offered, and its entries in the heaps; others of it there are stale."""

    __slots__ = ("displacer", "entry", "offer", "place")

    def __init__(self, place: _Place) -> None:
        self.place = place
        self.offer: Offer | None = None
        self.entry: _Entry | None = None
        self.displacer: _Displacer | None = None


class _Ranking:
    """The candidates among some specs, best first."""

    __slots__ = ("_at", "_candidates", "_displacers", "_heaps", "_limit", "changed")

    def __init__(self, places: Iterable[_Place]) -> None:
        self._candidates = {place.spec.identity: _Candidate(place) for place in places}
        #: Order -> the candidate.
        self._at = {each.place.order: each for each in self._candidates.values()}
        #: Names of specs whose offer may have changed.
        self.changed = set(self._candidates)
        kinds = {candidate.place.home for candidate in self._candidates.values()}
        if any(candidate.place.continuous for candidate in self._candidates.values()):
            kinds.add(CONTINUOUS)
        #: Class -> the entries of its candidates; paths first.
        self._heaps: dict[int, list[_Entry]] = {kind: [] for kind in sorted(kinds)}
        #: Path -> the entries of its candidates that displace.
        self._displacers: dict[int, list[_Displacer]] = {}
        # A heap that grows beyond this is mostly stale; sweeping it costs O(1) a push.
        self._limit = 2 * len(self._candidates) + 16

    def best(self, rng: random.Random) -> Schedulable | None:
        """The spec that runs next; None if none of them offers anything."""
        if self.changed:
            self._refresh()
        # The best of each class, of those classes that are equal in rank and sign.
        tops: list[tuple[int, _Entry]] = []
        for kind, heap in self._heaps.items():
            while heap and self._at[heap[0][4]].entry is not heap[0]:
                heappop(heap)
            if heap:
                top = heap[0]
                if not tops or top[:2] < tops[0][1][:2]:
                    tops = [(kind, top)]
                elif top[:2] == tops[0][1][:2]:
                    tops.append((kind, top))
        if not tops:
            return None
        kind, top = tops[0]
        if kind == PATHS:
            return self._from_path(top)
        if len(tops) > 1:
            ((_, top),) = rng.choices(tops, [SHARES[kind] for kind, _ in tops])
        return self._at[top[4]].place.spec

    def _from_path(self, lowest: _Entry) -> Schedulable:
        """The spec that wins the path of `lowest`, the entry of its first lowest score."""
        winner = self._at[lowest[4]]
        heap = self._displacers.get(winner.place.line)
        if heap:
            while heap and self._at[-heap[0][3]].displacer is not heap[0]:
                heappop(heap)
            if heap and heap[0][:3] == lowest[:3] and -heap[0][3] > lowest[4]:
                winner = self._at[-heap[0][3]]
        return winner.place.spec

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

    def _enter(self, heap: list[_Entry], entry: _Entry) -> None:
        if heap and heap[0][4] == entry[4]:
            heapreplace(heap, entry)  # what it was chosen by is stale now
            return
        heappush(heap, entry)
        if len(heap) > self._limit:
            heap[:] = [entry for entry in heap if self._at[entry[4]].entry is entry]
            heapify(heap)

    def _enter_displacer(self, candidate: _Candidate, entry: _Entry) -> None:
        rank, negative, head, _, order = entry
        old = candidate.displacer
        if old is not None and old[2] == head:
            return
        candidate.displacer = displacer = (rank, negative, head, -order)
        heap = self._displacers.setdefault(candidate.place.line, [])
        heappush(heap, displacer)
        if len(heap) > self._limit:
            heap[:] = [each for each in heap if self._at[-each[3]].displacer is each]
            heapify(heap)


class Scheduler:
    """Chooses the work spec that gives the next unit."""

    def __init__(self, rng: random.Random | None = None) -> None:
        """`rng` draws between sources, loops and continuous specs; default: a new one."""
        self._rng = random.Random() if rng is None else rng
        #: The specs of a plan that has not been looked at yet.
        self._planned: Iterable[Schedulable] | None = None
        self._places: dict[bytes, _Place] = {}
        self._runtimes: frozenset[bytes] = frozenset()
        #: The one runtime of all specs, if there is only one: then most calls ask for all specs.
        self._only_runtime: bytes | None = None
        self._whole = _Ranking(())
        #: (names, runtimes) -> the ranking of these, the oldest first.
        self._narrowed: dict[tuple[frozenset[bytes] | None, frozenset[bytes] | None], _Ranking] = {}
        #: The sets of changed names of all rankings kept.
        self._changed: list[set[bytes]] = []

    def plan(self, specs: Iterable[Schedulable]) -> None:
        """Take `specs`, of distinct names, for all there are.

        To be called when a spec comes or goes, or when anything of one but its offer has
        changed. Nothing is looked at before the next choice, so a row of calls with a view of a
        dictionary costs little.
        """
        self._planned = specs
        self._places = {}
        self._whole = _Ranking(())
        self._narrowed = {}
        self._changed = []

    def touch(self, spec: Schedulable) -> None:
        """Note that the offer of `spec` may have changed. Costs O(1)."""
        name = spec.identity
        for changed in self._changed:
            changed.add(name)

    def choose(
        self,
        names: Collection[bytes] | None = None,
        runtimes: Collection[bytes] | None = None,
    ) -> Schedulable | None:
        """The spec that gives the next unit, or None if none has one to give.

        `names` narrows the choice to these specs (None or empty: all; unknown ones are passed
        over), `runtimes` to specs whose runtime is one of these (None: any). The cost follows the
        specs touched since the last choice, and the number of `names`.
        """
        if self._planned is not None:
            self._read_plan(self._planned)
        if not names and (runtimes is None or self._only_runtime in runtimes):
            return self._whole.best(self._rng)
        return self._narrow(names, runtimes).best(self._rng)

    def _read_plan(self, specs: Iterable[Schedulable]) -> None:
        self._planned = None
        by_name = {spec.identity: spec for spec in specs}
        graph = classify(by_name.values())
        order = 0
        for home, lists in (
            (PATHS, graph.paths),
            (LOOPS, graph.loops),
            (SOURCES, [graph.sources]),
        ):
            for line, members in enumerate(lists):
                preempts = False
                for name in members:
                    spec = by_name[name]
                    self._places[name] = _Place(
                        spec=spec,
                        home=home,
                        line=line,
                        order=order,
                        displaces=home == PATHS and preempts,
                        continuous=spec.continuous,
                        weight=max(1, spec.weight),
                        rank=-spec.priority,
                    )
                    preempts = spec.then_preempts
                    order += 1
        self._runtimes = frozenset(spec.runtime for spec in by_name.values())
        self._only_runtime = min(self._runtimes) if len(self._runtimes) == 1 else None
        self._whole = _Ranking(self._places.values())
        self._changed = [self._whole.changed]

    def _narrow(
        self, names: Collection[bytes] | None, runtimes: Collection[bytes] | None
    ) -> _Ranking:
        """The ranking of the specs that `names` and `runtimes` leave."""
        asked = frozenset(self._places.keys() & names) if names else None
        wanted = None if runtimes is None else self._runtimes.intersection(runtimes)
        key = (asked, wanted)
        ranking = self._narrowed.get(key)
        if ranking is None:
            places: Iterable[_Place] = self._places.values()
            if asked is not None:
                places = [self._places[name] for name in asked]
            if wanted is not None:
                places = [place for place in places if place.spec.runtime in wanted]
            ranking = _Ranking(places)
            if len(self._narrowed) == FILTERS_KEPT:
                del self._narrowed[next(iter(self._narrowed))]
            self._narrowed[key] = ranking
            self._changed = [kept.changed for kept in (self._whole, *self._narrowed.values())]
        return ranking
