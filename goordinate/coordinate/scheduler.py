"""Which work spec runs next: the specs, and what each has to offer -> the spec to take from.

Rule: a choice looks only at specs whose offer may have changed since the last one, never at all
of them. Who owns a spec calls `Scheduler.touch` whenever its offer may have changed, be it that a
lease, a delay or an interval has ended, and `Scheduler.change` when its weight, its spec-wide
priority or its `then_preempts` has.

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
from collections.abc import Callable, Collection, Iterable, Sequence

from goordinate.coordinate.graph import classify
from goordinate.coordinate.ranking import (
    CONTINUOUS,
    LOOPS,
    PATHS,
    SOURCES,
    Entry,
    Place,
    Ranking,
    Schedulable,
)

#: What the classes after the paths weigh against each other in the draw. A continuous spec is in
#: its own class even without units; one that nothing feeds is a source too while it has units.
SHARES = {SOURCES: 20, LOOPS: 10, CONTINUOUS: 1}

#: Distinct filters for which the order of candidates is kept, at most, besides those for one
#: runtime; and how many candidates they have together for each spec.
FILTERS_KEPT = 64
FILTERS_SIZE = 4

#: So many runtimes are looked at one by one; more of them are a filter.
RUNTIMES_COMBINED = 8

#: Names and runtimes to which a choice is narrowed; None: all.
_Filter = tuple[frozenset[bytes] | None, frozenset[bytes] | None]


class Scheduler:
    """Chooses the work spec that gives the next unit."""

    def __init__(self, rng: random.Random | None = None) -> None:
        """`rng` draws between sources, loops and continuous specs; default: a new one."""
        self._rng = random.Random() if rng is None else rng
        #: Is called with each spec that is touched.
        self.watcher: Callable[[Schedulable], None] | None = None
        self.plan(())

    def plan(self, specs: Iterable[Schedulable]) -> None:
        """Take `specs`, of distinct names, for all there are.

        To be called when a spec comes or goes, or when its `then`, `continuous` or runtime has
        changed. Nothing is looked at before the next choice, so a row of calls with a view of a
        dictionary costs little.
        """
        #: The specs of a plan that has not been looked at yet.
        self._planned: Iterable[Schedulable] | None = specs
        self._places: dict[bytes, Place] = {}
        #: The places in their order.
        self._ordered: list[Place] = []
        self._runtimes: dict[bytes, list[Place]] = {}
        #: The one runtime of all specs, if there is only one: then most calls ask for all specs.
        self._only_runtime: bytes | None = None
        # Each ranking is made when it is asked for: of all specs, of those of a runtime, and of
        # what a filter leaves, the one that was asked for last at the end. There is no cycle of
        # references: nothing is left to the garbage collector, which may seldom run.
        self._whole: Sequence[Ranking] = ()
        self._by_runtime: dict[bytes, Ranking] = {}
        self._narrowed: dict[_Filter, Ranking] = {}
        self._narrowed_size = 0
        #: Spec -> the rankings that it is in.
        self._rankings_of: dict[bytes, list[Ranking]] = {}

    def touch(self, spec: Schedulable) -> None:
        """Note that the offer of `spec` may have changed."""
        name = spec.identity
        for ranking in self._rankings_of.get(name, ()):
            ranking.changed.add(name)
        if self.watcher is not None:
            self.watcher(spec)

    def change(self, spec: Schedulable) -> None:
        """Note that the weight, the spec-wide priority or `then_preempts` of `spec` may have
        changed, and its offer. Costs hardly more than `touch`."""
        place = self._places.get(spec.identity)
        if place is None:
            return
        place.weight, place.rank = max(1, spec.weight), -spec.priority
        changed = [place]
        following = place.following
        if following is not None and following.displaces != spec.then_preempts:
            following.displaces = spec.then_preempts
            changed.append(following)
        for each in changed:
            name = each.spec.identity
            for ranking in self._rankings_of.get(name, ()):
                ranking.forget(name)

    def choose(
        self,
        names: Collection[bytes] | None = None,
        runtimes: Collection[bytes] | None = None,
    ) -> Schedulable | None:
        """The spec that gives the next unit, or None if none has one to give.

        `names` narrows the choice to these specs (None or empty: all; unknown ones are passed
        over), `runtimes` to specs whose runtime is one of these (None: any). The cost follows the
        specs touched since the last choice, and the number of `names` and `runtimes`.
        """
        if self._planned is not None:
            self._read_plan(self._planned)
        rankings = self._whole
        if not rankings or names or not (runtimes is None or self._only_runtime in runtimes):
            rankings = self._rankings(names, runtimes)
        # The best of each class, of those classes that are equal in rank and sign.
        tops: dict[int, Entry] = {}
        for ranking in rankings:
            ranking.best(tops)
        if not tops:
            return None
        if len(tops) == 1:
            kind, top = tops.popitem()
        else:
            lead = min(tops.values())[:2]
            equals = [(kind, tops[kind]) for kind in sorted(tops) if tops[kind][:2] == lead]
            kind, top = equals[0]
            if kind != PATHS and len(equals) > 1:
                ((_, top),) = self._rng.choices(equals, [SHARES[kind] for kind, _ in equals])
        order = top[4]
        if kind == PATHS:
            # `top` is the first lowest score of its path.
            line = self._ordered[order].line
            for ranking in rankings:
                best = ranking.displacers and ranking.displacer(line)
                if best and best[:3] == top[:3]:
                    order = max(order, -best[3])
        return self._ordered[order].spec

    def _rankings(
        self, names: Collection[bytes] | None, runtimes: Collection[bytes] | None
    ) -> Sequence[Ranking]:
        """The rankings that, together, have the specs that `names` and `runtimes` leave."""
        if names:
            asked = frozenset(self._places.keys() & names)
            wanted = None if runtimes is None else frozenset(self._runtimes.keys() & runtimes)
            return (self._narrow(asked, wanted),)
        if runtimes is None or self._only_runtime in runtimes:
            if not self._whole:
                self._whole = (self._ranked(self._ordered),)
            return self._whole
        wanted = frozenset(self._runtimes.keys() & runtimes)
        if len(wanted) > RUNTIMES_COMBINED:
            return (self._narrow(None, wanted),)
        for runtime in wanted:
            if runtime not in self._by_runtime:
                self._by_runtime[runtime] = self._ranked(self._runtimes[runtime])
        return [self._by_runtime[runtime] for runtime in wanted]

    def _narrow(self, names: frozenset[bytes] | None, runtimes: frozenset[bytes] | None) -> Ranking:
        """The ranking of the specs of these names and runtimes."""
        kept = self._narrowed
        ranking = kept.pop((names, runtimes), None)
        if ranking is None:
            places: Iterable[Place] = self._ordered
            if names is not None:
                places = [self._places[name] for name in names]
            if runtimes is not None:
                places = [place for place in places if place.spec.runtime in runtimes]
            ranking = self._ranked(places)
            self._narrowed_size += len(ranking)
            most = FILTERS_SIZE * len(self._ordered)
            while kept and (len(kept) >= FILTERS_KEPT or self._narrowed_size > most):
                oldest = kept.pop(next(iter(kept)))
                self._narrowed_size -= len(oldest)
                for name in oldest:
                    self._rankings_of[name].remove(oldest)
        kept[names, runtimes] = ranking
        return ranking

    def _ranked(self, places: Iterable[Place]) -> Ranking:
        """A new ranking, which is told of changes from now on."""
        ranking = Ranking(places)
        for name in ranking:
            self._rankings_of.setdefault(name, []).append(ranking)
        return ranking

    def _read_plan(self, specs: Iterable[Schedulable]) -> None:
        self._planned = None
        by_name = {spec.identity: spec for spec in specs}
        graph = classify(by_name.values())
        for home, lists in (
            (PATHS, graph.paths),
            (LOOPS, graph.loops),
            (SOURCES, [graph.sources]),
        ):
            for line, members in enumerate(lists):
                before: Place | None = None
                for name in members:
                    spec = by_name[name]
                    place = Place(
                        spec=spec,
                        home=home,
                        line=line,
                        order=len(self._ordered),
                        displaces=before is not None and before.spec.then_preempts,
                        continuous=spec.continuous,
                        weight=max(1, spec.weight),
                        rank=-spec.priority,
                    )
                    if before is not None:
                        before.following = place
                    before = place if home == PATHS else None
                    self._places[name] = place
                    self._ordered.append(place)
                    self._runtimes.setdefault(spec.runtime, []).append(place)
        self._only_runtime = min(self._runtimes) if len(self._runtimes) == 1 else None
