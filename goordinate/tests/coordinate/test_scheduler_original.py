"""Our choices against those of the original's scheduler, over random graphs and random states.

The original runs in a Python 2.7 that has `coordinate` 0.1.5; the variable
GOORDINATE_ORIGINAL_PYTHON names its interpreter. It is asked twice about each state: with the
lists it makes of the specs itself, and with ours in their place, so that the order in which its
dictionaries happen to go does not matter. It knows neither a spec-wide priority nor runtimes, and
never runs a unit of negative priority: `as_the_original_knows` says what it is told instead.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest

from goordinate.coordinate.control import Offer
from goordinate.coordinate.graph import Graph, classify
from goordinate.coordinate.scheduler import Scheduler
from goordinate.tests.coordinate.stub_spec import StubSpec, Tickets, answers, chances
from goordinate.tests.original import original_python

pytestmark = pytest.mark.original

GRAPHS = 2_000
STATES = 8

#: Priorities that the heads of the queues have in one state.
HEADS: list[list[float]] = [[0], [0, 0, 1, 2.5], [-1], [-2, -1, 0, 1], [-2, -1, -1]]

#: Reads a case a line, answers a line. Each answer of the scheduler comes with its weight.
PROGRAM = """
import json, random, sys
from coordinate.constants import RUNNABLE
from coordinate.job_server import WorkSpecScheduler

class Spec(object):
    status = RUNNABLE
    def __init__(self, fields):
        self.__dict__.update(fields)
    def priority(self):
        return self.head
    def sched_data(self):
        return self.gives, self.has_units, self.pending

class Draw(object):
    def randrange(self, total):
        self.total = total
        return self.ticket

draw = Draw()
random.randrange = draw.randrange

def ask(scheduler, names):
    draw.ticket, draw.total = 0, 1
    shares = {}
    while draw.ticket < draw.total:
        name = scheduler.choose_work_spec(lambda spec: not names or spec.name in names)
        if name is not None:
            shares[name] = shares.get(name, 0) + 1
        draw.ticket += 1
    return shares

def answer(scheduler, specs, states):
    answers = []
    for offers, names in states:
        for name, offer in offers.items():
            specs[name].gives, specs[name].has_units, specs[name].head, specs[name].pending = offer
        answers.append(ask(scheduler, names))
    return answers

for line in sys.stdin:
    case = json.loads(line)
    specs = dict((fields["name"], Spec(fields)) for fields in case["specs"])
    scheduler = WorkSpecScheduler(specs)
    scheduler.update()
    lists = dict((kind, getattr(scheduler, kind)) for kind in case["lists"])
    own = answer(scheduler, specs, case["states"])
    for kind in case["lists"]:
        setattr(scheduler, kind, case["lists"][kind])
    ours = answer(scheduler, specs, case["states"])
    print(json.dumps({"lists": lists, "own": own, "ours": ours}))
"""

State = tuple[dict[bytes, Offer | None], list[bytes] | None, list[bytes] | None]


@dataclass
class Case:
    """Specs, and what they offer in some states; in each, some names and runtimes are asked."""

    specs: list[StubSpec]
    states: list[State]

    @property
    def graph(self) -> Graph:
        return classify(self.specs)

    def joins(self) -> bool:
        """Whether two specs outside loops, or more, feed one."""
        in_loops = {name for loop in self.graph.loops for name in loop}
        thens = [spec.then for spec in self.specs if spec.identity not in in_loops]
        return any(thens.count(then) > 1 for then in set(thens) - in_loops - {None})

    def our_answers(self) -> list[dict[bytes, Fraction]]:
        tickets = Tickets()
        scheduler = Scheduler(tickets)
        scheduler.plan(self.specs)
        ours = []
        for offers, names, runtimes in self.states:
            for spec in self.specs:
                if spec.offered != offers[spec.identity]:
                    spec.offered = offers[spec.identity]
                    scheduler.touch(spec)
            ours.append(answers(scheduler, tickets, names, runtimes))
        return ours


def as_the_original_knows(specs: list[StubSpec], state: State) -> dict[bytes, Offer | None]:
    """Offers that lead the original to the choice that is to be ours.

    Only specs that are asked for and of the highest spec-wide priority give anything; if all
    priorities are negative, all are raised above that.
    """
    offers, names, runtimes = state
    asked = {
        spec.identity: (spec.priority, offer)
        for spec in specs
        if (offer := offers[spec.identity]) is not None
        and (not names or spec.identity in names)
        and (runtimes is None or spec.runtime in runtimes)
    }
    highest = max((priority for priority, _ in asked.values()), default=0)
    left = {name: offer for name, (priority, offer) in asked.items() if priority == highest}
    lift = 100 if all(head < 0 for _, head, _ in left.values()) else 0
    return {
        spec.identity: (
            left[spec.identity][0],
            left[spec.identity][1] + lift,
            left[spec.identity][2],
        )
        if spec.identity in left
        else None
        for spec in specs
    }


def tell(case: Case, offers: list[dict[bytes, Offer | None]]) -> str:
    """The line that puts `case` to the original, with these offers in its states."""
    graph = case.graph
    in_order = [name for line in (*graph.paths, *graph.loops, graph.sources) for name in line]
    return json.dumps(
        {
            "specs": [
                {
                    "name": spec.identity.decode(),
                    "next_work_spec": spec.then.decode() if spec.then else None,
                    "next_work_spec_preempts": spec.then_preempts,
                    "continuous": spec.continuous,
                    "weight": spec.weight,
                }
                for spec in case.specs
            ],
            "lists": {
                "paths": text(graph.paths),
                "loops": text(graph.loops),
                "sources": text(graph.sources),
                "continuous": text([name for name in in_order if name in graph.continuous]),
            },
            "states": [
                (
                    {
                        name.decode(): (False, False, 0, 0) if offer is None else (True, *offer)
                        for name, offer in each.items()
                    },
                    text(names or []),
                )
                for each, (_, names, _) in zip(offers, case.states, strict=True)
            ],
        }
    )


def text(names: Any) -> Any:
    return names.decode() if isinstance(names, bytes) else [text(name) for name in names]


def original(lines: list[str]) -> list[dict[str, Any]]:
    """What the original answers to each line."""
    run = subprocess.run(
        [original_python(), "-c", PROGRAM],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def as_chances(shares: dict[str, int]) -> dict[bytes, Fraction]:
    return chances({name.encode(): share for name, share in shares.items()})


def random_case(rng: random.Random) -> Case:
    names = sorted({bytes(rng.choices(b"abcdefghijklmnop", k=2)) for _ in range(rng.randint(1, 8))})
    plain = rng.random() < 0.5
    edges = rng.choice([0.3, 0.6, 0.9])
    continuous = rng.choice([0, 0.3, 0.7])
    specs = [
        StubSpec(
            name,
            then=rng.choice(names) if rng.random() < edges else None,
            then_preempts=rng.random() < 0.6,
            continuous=rng.random() < continuous,
            weight=rng.choice([1, 5, 10, 20, 20, 20, 33]),
            priority=0 if plain else rng.choice([0, 0, 0, 1]),
            runtime=b"" if plain else rng.choice([b"", b"", b"go"]),
        )
        for name in names
    ]
    states: list[State] = []
    for _ in range(STATES):
        busy = rng.choice([0.2, 0.5, 0.9])
        heads = rng.choice(HEADS)
        offers: dict[bytes, Offer | None] = {}
        for spec in specs:
            pending = rng.randrange(rng.choice([4, 40]))
            if rng.random() < busy:
                offers[spec.identity] = True, rng.choice(heads), pending
            elif spec.continuous and rng.random() < busy:
                offers[spec.identity] = False, 0, pending
            else:
                offers[spec.identity] = None
        some = rng.sample(names, rng.randint(1, len(names))) if rng.random() < 0.3 else None
        runtimes = None if plain else rng.choice([None, [b""], [b"go"], [b"", b"go"]])
        states.append((offers, some, runtimes))
    return Case(specs, states)


@pytest.fixture(scope="module")
def compared() -> list[tuple[Case, dict[str, Any]]]:
    rng = random.Random(2015)
    cases = [random_case(rng) for _ in range(GRAPHS)]
    told = [
        tell(case, [as_the_original_knows(case.specs, state) for state in case.states])
        for case in cases
    ]
    return list(zip(cases, original(told), strict=True))


def test_the_same_choice_from_the_same_lists(compared: list[tuple[Case, dict[str, Any]]]) -> None:
    answered = drawn = 0
    for case, theirs in compared:
        expected = [as_chances(shares) for shares in theirs["ours"]]
        assert case.our_answers() == expected, case
        answered += sum(bool(shares) for shares in expected)
        drawn += sum(len(shares) > 1 for shares in expected)
    assert answered > GRAPHS * STATES / 2
    assert drawn > GRAPHS * STATES / 50


def test_the_same_choice_from_its_own_lists(compared: list[tuple[Case, dict[str, Any]]]) -> None:
    """Where its lists have our order and no two specs the same score, its choice is ours."""
    answered = 0
    for case, theirs in compared:
        if sorted(theirs["lists"]["paths"]) != sorted(text(case.graph.paths)):
            continue
        weights = {spec.identity: spec.weight for spec in case.specs}
        for state, ours, shares in zip(case.states, case.our_answers(), theirs["own"], strict=True):
            scores = [(1 + o[2]) / weights[name] for name, o in state[0].items() if o is not None]
            if len(set(scores)) == len(scores):
                assert ours == as_chances(shares), (case, state)
                answered += bool(shares)
    assert answered > GRAPHS * STATES / 4


def test_the_same_lists(compared: list[tuple[Case, dict[str, Any]]]) -> None:
    """Lists may be in another order; only those of joined paths within."""

    def turned(loop: list[str]) -> list[str]:
        first = loop.index(min(loop))
        return loop[first:] + loop[:first]

    joined = 0
    for case, theirs in compared:
        graph, lists = case.graph, theirs["lists"]
        paths = text(graph.paths)
        assert {*map(frozenset, lists["paths"])} == {*map(frozenset, paths)}, case
        if case.joins():
            joined += 1
        else:
            assert sorted(lists["paths"]) == sorted(paths), case
        assert sorted(map(turned, lists["loops"])) == sorted(map(turned, text(graph.loops))), case
        assert sorted(lists["continuous"]) == text(graph.continuous), case
        # Its sources are all specs that nothing feeds; those on a path have no say there.
        assert set(text(graph.sources)) == set(lists["sources"]) & set(lists["continuous"]), case
    assert joined > GRAPHS / 20


@dataclass
class Fault:
    """A state in which the original does what ours does not."""

    case: Case
    original: dict[bytes, Fraction]
    ours: dict[bytes, Fraction]


def one_state(specs: list[StubSpec], **offers: Offer) -> Case:
    return Case(
        specs, [({spec.identity: offers.get(spec.identity.decode()) for spec in specs}, None, None)]
    )


ALWAYS = Fraction(1)
FAULTS = {
    "a unit of negative priority at the head of its queue is never run": Fault(
        one_state([StubSpec(b"a")], a=(True, -1, 0)), {}, {b"a": ALWAYS}
    ),
    "a path that ends in a `then` to no spec is none": Fault(
        one_state([StubSpec(b"a", b"b"), StubSpec(b"b", b"missing")], b=(True, 0, 0)),
        {},
        {b"b": ALWAYS},
    ),
    # It makes ha, cf, ha, cf, ad, aa, ab of these: ha comes right after cf and displaces it.
    "a path that runs into another may be in the list twice": Fault(
        one_state(
            [
                StubSpec(b"aa", b"ab"),
                StubSpec(b"ab"),
                StubSpec(b"ad", b"aa"),
                StubSpec(b"cf", b"aa"),
                StubSpec(b"ec"),
                StubSpec(b"ha", b"cf", then_preempts=False),
            ],
            ha=(True, 0, 5),
            cf=(True, 0, 2),
        ),
        {b"ha": ALWAYS},
        {b"cf": ALWAYS},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_the_original(fault: str) -> None:
    row = FAULTS[fault]
    [theirs] = original([tell(row.case, [state[0] for state in row.case.states])])
    assert [as_chances(shares) for shares in theirs["own"]] == [row.original]
    assert row.case.our_answers() == [row.ours]
