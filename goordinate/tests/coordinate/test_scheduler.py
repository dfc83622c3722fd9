"""Which work spec runs next: a table of rules, and the rules taken literally."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goordinate.coordinate.control import Offer
from goordinate.coordinate.graph import classify
from goordinate.coordinate.scheduler import FILTERS_KEPT, Scheduler
from goordinate.tests.coordinate.stub_spec import (
    StubSpec,
    Tickets,
    answers,
    chances,
    specs_of,
    units,
)

#: (rule, specs, answer, or each answer:its weight among them)
RULES = [
    ("no spec", "", ""),
    ("none has work", "a b*", ""),
    ("the only one that has work", "a b=0 c", "b"),
    ("fewer pending units", "a=2 b=1", "b"),
    ("more weight", "a=0 b=0/40", "b"),
    ("score counts 1 more than the pending units", "a=0/1 b=18/20", "b"),
    ("weight below 1 is 1", "a=0/0 b=1/1", "a"),
    ("of equals the first by name", "b=0 a=0", "a"),
    ("priority before score", "a=0 b=9@0.5", "b"),
    ("a negative priority goes last", "a=0@-1 b=9", "b"),
    ("but it goes", "a=0@-2 b=9@-1", "b"),
    ("spec-wide priority before all", "a=0@9 b=9@-1^1", "b"),
    ("the far end of a path", "a>b=0 b>c=7 c=9", "c"),
    ("past a spec without work", "a>b=0 b>c c=9", "c"),
    ("the far end has no work", "a>b=0 b>c=7 c", "b"),
    ("then_preempts false", "a!>b=0 b=7", "a"),
    ("then_preempts false, lower score", "a!>b=7 b=0", "b"),
    ("a displaced score still counts", "a>b=0 b!>c=7 c=3", "b"),
    ("a lower score after one that displaced", "a>b=5 b!>c=7 c=3", "c"),
    ("only the same priority displaces", "a>b=0@1 b=0", "a"),
    ("the path with the lowest score", "a>b=1 b=8 c=2", "b"),
    ("heads that join stand by name", "a>c=0 b>c=5 c", "b"),
    ("an edge to no spec is none", "a>z=1 b=2", "a"),
    ("paths before loops", "a=99 b>b=0@9", "a"),
    ("paths before continuous", "a=99 b*=0@9", "a"),
    ("no path of negative priority before a loop", "a=0@-1 b>b=0", "b"),
    ("nor before a unit to be made up", "a=0@-1 b*~0", "b"),
    ("no path of lower spec-wide priority", "a=0 b>b=0^1", "b"),
    ("the lowest score of all loops", "a>b=3 b>a=1 c>c=2", "b"),
    ("nothing displaces in a loop", "a>b=0 b>a=1", "a"),
    ("nor a spec of a loop in a path", "a=0 b>c=5 c>b=5", "a"),
    ("nothing displaces after a continuous head", "a*!>b=0 b!>c=5 c=9", "b"),
    ("loop, continuous without units", "a>a=0 b*~0", "a:10 b:1"),
    ("loop, continuous with units", "a>a=0 b*=0", "a:10 b:21"),
    ("loop, fed continuous without units", "a>a=0 b>c c*~0", "a:10 c:1"),
    ("a fed continuous with units is on its path", "a>a=0 b>c c*=0", "c"),
    ("continuous loop without units", "a*>a~0 b*~3", "a"),
    ("continuous loop with units", "a*>a=0 b*=3", "a:11 b:20"),
    ("sources need units, continuous do not", "a*=5 b*~0", "a:20 b:1"),
    ("a unit to be made up has priority 0", "a*=5@1 b*~0", "a"),
    ("priority does not count between classes", "a>a=0@9 b*~0", "a:10 b:1"),
]


@pytest.mark.parametrize(("specs", "expected"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_rules(specs: str, expected: str) -> None:
    shares = {}
    for answer in expected.split():
        name, _, share = answer.partition(":")
        shares[name.encode()] = int(share or 1)
    tickets = Tickets()
    scheduler = Scheduler(tickets)
    scheduler.plan(specs_of(specs))
    assert answers(scheduler, tickets) == chances(shares)


#: (names, runtimes, answer): a names no runtime, b go, c java; a before b before c; d is empty.
FILTERS: list[tuple[list[bytes] | None, list[bytes] | None, bytes | None]] = [
    (None, None, b"a"),
    ([], None, b"a"),
    ([b"b", b"c"], None, b"b"),
    ([b"c"], None, b"c"),
    ([b"c", b"unknown"], None, b"c"),
    ([b"unknown"], None, None),
    ([b"d"], None, None),
    (None, [], None),
    (None, [b""], b"a"),
    (None, [b"go"], b"b"),
    (None, [b"java", b"go"], b"b"),
    (None, [b"java", b"lisp"], b"c"),
    (None, [b"lisp"], None),
    ([b"b", b"c"], [b"java"], b"c"),
    ([b"b"], [b"java"], None),
]


@pytest.mark.parametrize(("names", "runtimes", "expected"), FILTERS)
def test_filters(
    names: list[bytes] | None, runtimes: list[bytes] | None, expected: bytes | None
) -> None:
    specs = specs_of("a=0 b=1 c=2 d")
    specs[1].runtime = b"go"
    specs[2].runtime = b"java"
    scheduler = Scheduler()
    scheduler.plan(specs)
    chosen = scheduler.choose(names, runtimes)
    assert (chosen.identity if chosen else None) == expected


def test_a_spec_that_is_not_asked_for_still_preempts() -> None:
    specs = specs_of("a!>b=0 b>c=0 c=9")
    scheduler = Scheduler()
    scheduler.plan(specs)
    assert scheduler.choose([b"a", b"c"]) is specs[2]


def literally(
    specs: Sequence[StubSpec],
    names: Collection[bytes] | None = None,
    runtimes: Collection[bytes] | None = None,
) -> dict[bytes, Fraction]:
    """The rules word for word, over all specs: each possible answer with its chance."""
    candidates = {
        spec.identity: (spec, *spec.offered)
        for spec in specs
        if spec.offered is not None
        and (not names or spec.identity in names)
        and (runtimes is None or spec.runtime in runtimes)
    }
    highest = max((spec.priority for spec, *_ in candidates.values()), default=0)
    candidates = {k: c for k, c in candidates.items() if c[0].priority == highest}
    if any(head >= 0 for _, _, head, _ in candidates.values()):
        candidates = {k: c for k, c in candidates.items() if c[2] >= 0}

    def pick(
        lists: list[list[bytes]], *, walked: bool = False, may_be_empty: bool = False
    ) -> bytes | None:
        able = {
            name: candidates[name]
            for members in lists
            for name in members
            if name in candidates and (may_be_empty or candidates[name][1])
        }
        if not able:
            return None
        head_priority = max(head for _, _, head, _ in able.values())
        scores = {
            name: (1 + pending) / max(1, spec.weight)
            for name, (spec, _, head, pending) in able.items()
            if head == head_priority
        }
        members = min(
            (members for members in lists if any(name in scores for name in members)),
            key=lambda members: min(scores[name] for name in members if name in scores),
        )
        chosen: bytes | None = None
        lowest = float("inf")
        displaces = False
        for name in members:
            if name in scores and (displaces or scores[name] < lowest):
                chosen = name
                lowest = min(lowest, scores[name])
            displaces = walked and by_name[name].then_preempts
        return chosen

    by_name = {spec.identity: spec for spec in specs}
    graph = classify(specs)
    on_path = pick(graph.paths, walked=True)
    if on_path is not None:
        return {on_path: Fraction(1)}
    in_order = [name for line in (*graph.paths, *graph.loops, graph.sources) for name in line]
    shares = dict.fromkeys(in_order, 0)
    for share, chosen in (
        (20, pick([[name] for name in graph.sources])),
        (10, pick(graph.loops)),
        (1, pick([[n] for n in in_order if n in graph.continuous], may_be_empty=True)),
    ):
        if chosen is not None:
            shares[chosen] += share
    return chances({name: share for name, share in shares.items() if share})


spec_names = st.sampled_from([bytes([letter]) for letter in b"abcdef"])
thens = st.sampled_from([None, b"missing"]) | spec_names
spec_lists = st.lists(
    st.builds(
        StubSpec,
        identity=spec_names,
        then=thens,
        then_preempts=st.booleans(),
        continuous=st.sampled_from([False, False, True]),
        weight=st.sampled_from([1, 2, 2, 3]),
        priority=st.sampled_from([0, 0, 0, 0, 1]),
        runtime=st.sampled_from([b"", b"", b"go", b"java", b"lisp"]),
    ),
    min_size=1,
    unique_by=lambda spec: spec.identity,
)
pendings = st.integers(0, 4)
offers = st.none() | st.tuples(st.just(True), st.sampled_from([-2, -1, 0, 0, 0.0, 1]), pendings)
#: What a continuous spec without units offers.
empty_offers = st.none() | st.tuples(st.just(False), st.just(0), pendings)
name_filters = st.none() | st.lists(spec_names, max_size=4)
runtime_filters = st.none() | st.lists(st.sampled_from([b"", b"go", b"java", b"c"]), max_size=4)


#: A spec's weight, spec-wide priority and `then_preempts`.
rates = st.tuples(st.integers(0, 3), st.sampled_from([0, 0, 1]), st.booleans())
#: Which spec changes its offer, to what, and its rate, and what is asked then.
steps = st.tuples(
    st.integers(0, 5), offers, empty_offers, st.none() | rates, name_filters, runtime_filters
)


@settings(max_examples=300)
@given(
    spec_lists,
    st.lists(st.lists(steps, min_size=1, max_size=15), min_size=1, max_size=3),
    st.data(),
)
def test_as_the_rules_taken_literally(
    specs: list[StubSpec],
    plans: list[list[tuple[Any, ...]]],
    data: st.DataObject,
) -> None:
    tickets = Tickets()
    scheduler = Scheduler(tickets)
    for changes in plans:
        scheduler.plan(specs)
        for index, offer, empty, rate, names, runtimes in changes:
            spec = specs[index % len(specs)]
            spec.offered = offer or empty if spec.continuous else offer
            if rate is None:
                scheduler.touch(spec)
            else:
                spec.weight, spec.priority, spec.then_preempts = rate
                scheduler.change(spec)
            assert answers(scheduler, tickets) == literally(specs)
            assert answers(scheduler, tickets, names, runtimes) == literally(specs, names, runtimes)
        spec = data.draw(st.sampled_from(specs))
        spec.then, spec.then_preempts = data.draw(thens), data.draw(st.booleans())
        spec.weight, spec.priority = data.draw(pendings) + 1, data.draw(pendings)


def test_more_filters_than_are_kept_all_stay_right() -> None:
    rng = random.Random(5)
    specs = specs_of("a=0 b=0 c=0 d=0 e=0 f=0 g>a=0")
    scheduler = Scheduler()
    scheduler.plan(specs)
    filters = [rng.sample([spec.identity for spec in specs], 3) for _ in range(2 * FILTERS_KEPT)]
    for _ in range(500):
        spec = rng.choice(specs)
        spec.offered = units(rng.randrange(5))
        scheduler.touch(spec)
        names = filters[min(rng.randrange(len(filters)), rng.randrange(len(filters)))]
        chosen = scheduler.choose(names)
        assert chosen is not None
        assert {chosen.identity} == literally(specs, names).keys()


@pytest.mark.parametrize("offered", [None, (False, 0, 0), (True, -1, 0)])
def test_a_spec_that_displaced_does_so_no_more(offered: Offer | None) -> None:
    specs = specs_of("a>b=1 b*>c=2 c")
    scheduler = Scheduler()
    scheduler.plan(specs)
    assert scheduler.choose() is specs[1]
    specs[1].offered = offered
    scheduler.touch(specs[1])
    assert scheduler.choose() is specs[0]


def test_a_spec_that_is_planned_no_more_is_forgotten() -> None:
    specs = {spec.identity: spec for spec in specs_of("a=0 b=0")}
    scheduler = Scheduler()
    scheduler.plan(specs.values())
    assert scheduler.choose() is specs[b"a"]
    gone = specs.pop(b"a")
    scheduler.plan(specs.values())
    scheduler.touch(gone)
    assert scheduler.choose() is specs[b"b"]
    scheduler.touch(gone)
    assert scheduler.choose() is specs[b"b"]
    assert scheduler.choose([b"a"]) is None


def test_an_offer_that_touches_its_spec_does_not_hold_up_the_choice() -> None:
    class Restless(StubSpec):
        def offer(self) -> Offer | None:
            scheduler.touch(self)
            return super().offer()

    scheduler = Scheduler()
    restless = Restless(b"a", offered=units())
    scheduler.plan([restless])
    assert scheduler.choose() is restless
    restless.offered = None
    assert scheduler.choose() is None


@pytest.mark.parametrize("weights", [(20, 10, 5), (1, 1, 1), (100, 20, 1)])
def test_pending_units_settle_at_the_ratio_of_weights(weights: tuple[int, ...]) -> None:
    rng = random.Random(5)
    specs = [
        StubSpec(b"spec%d" % n, weight=weight, offered=units()) for n, weight in enumerate(weights)
    ]
    scheduler = Scheduler()
    scheduler.plan(specs)
    held: list[StubSpec] = []

    def hold(spec: StubSpec, change: int) -> None:
        assert spec.offered is not None
        spec.offered = units(spec.offered[2] + change)
        scheduler.touch(spec)

    workers = 3 * sum(weights)
    for _ in range(10 * workers):
        if len(held) == workers:
            hold(held.pop(rng.randrange(workers)), -1)
        chosen = scheduler.choose()
        assert isinstance(chosen, StubSpec)
        hold(chosen, +1)
        held.append(chosen)
    pending = [spec.offered[2] for spec in specs if spec.offered is not None]
    assert pending == pytest.approx([3 * weight for weight in weights], abs=2)


def test_a_changed_spec_that_is_not_planned_is_none() -> None:
    specs = specs_of("a=0 b=0")
    scheduler = Scheduler()
    scheduler.plan(specs[1:])
    scheduler.change(specs[0])
    assert scheduler.choose() is specs[1]
    scheduler.change(specs[0])
    assert scheduler.choose() is specs[1]


def test_many_runtimes_at_once() -> None:
    specs = [StubSpec(b"%02d" % n, runtime=b"%d" % (n % 20), offered=units(n)) for n in range(40)]
    scheduler = Scheduler()
    scheduler.plan(specs)
    for count in range(1, 20):
        runtimes = [b"%d" % n for n in range(20 - count, 20)]
        chosen = scheduler.choose(None, runtimes)
        assert chosen is not None
        assert {chosen.identity} == literally(specs, None, runtimes).keys()
