"""The graph of work specs: tables of shapes, and what holds for every graph."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goordinate.coordinate.graph import Graph, classify
from goordinate.tests.coordinate.stub_spec import StubSpec, specs_of


def graph_of(paths: str = "", loops: str = "", sources: str = "", continuous: str = "") -> Graph:
    """A graph from text: lists are words, their specs letters."""

    def lists(text: str) -> list[list[bytes]]:
        return [[letter.encode() for letter in word] for word in text.split()]

    return Graph(
        lists(paths),
        lists(loops),
        [letter.encode() for letter in sources],
        [letter.encode() for letter in continuous],
    )


SHAPES = {
    "nothing": ("", graph_of()),
    "one spec": ("a", graph_of("a")),
    "two unrelated": ("a b", graph_of("a b")),
    "chain": ("a>b b>c c", graph_of("abc")),
    "chain against the order of names": ("c>b b>a a", graph_of("cba")),
    "edge to nothing": ("a>z", graph_of("a")),
    "chain with an edge to nothing at its end": ("a>b b>z", graph_of("ab")),
    "join": ("a>c b>c c", graph_of("abc")),
    "join further down": ("a>b b>e c>d d>e e>f f", graph_of("abcdef")),
    "two joins on one path": ("a>d b>c c>d d>e e f>e", graph_of("abcdfe")),
    "a join, and a path apart": ("a>c b>c c d>e e", graph_of("abc de")),
    "loop": ("a>b b>a", graph_of(loops="ab")),
    "loop of one": ("a>a", graph_of(loops="a")),
    "two loops": ("a>b b>a c>d d>c", graph_of(loops="ab cd")),
    "path into a loop": ("a>b b>c c>b", graph_of("a", "bc")),
    "loop entered in its middle": ("a>d b>c c>d d>b", graph_of("a", "dbc")),
    "two paths into one loop stay apart": ("a>c b>c c>c", graph_of("a b", "c")),
    "continuous alone": ("a*", graph_of(sources="a", continuous="a")),
    "continuous head is left out": ("a*>b b>c c", graph_of("bc", sources="a", continuous="a")),
    "continuous into a loop": ("a*>b b>b", graph_of("", "b", "a", "a")),
    "continuous into a join": ("a*>c b>c c", graph_of("bc", sources="a", continuous="a")),
    "continuous after another path": ("a>c b*>c c", graph_of("ac", sources="b", continuous="b")),
    "two continuous heads": ("a*>c b*>c c", graph_of("c", "", "ab", "ab")),
    "fed continuous stays in its path": ("a>b b*>c c", graph_of("abc", continuous="b")),
    "continuous in a loop": ("a>b b*>a", graph_of(loops="ab", continuous="b")),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str) -> None:
    edges, expected = SHAPES[shape]
    assert classify(specs_of(edges)) == expected


names = st.sampled_from([bytes([letter]) for letter in b"abcdefgh"])
graphs = st.dictionaries(
    names, st.tuples(st.none() | names | st.just(b"missing"), st.booleans())
).map(
    lambda table: [
        StubSpec(name, then=then, continuous=continuous)
        for name, (then, continuous) in table.items()
    ]
)


@given(graphs)
def test_every_spec_is_in_one_place(specs: list[StubSpec]) -> None:
    graph = classify(specs)
    placed = [*graph.sources, *(name for line in graph.paths + graph.loops for name in line)]
    assert sorted(placed) == sorted(spec.identity for spec in specs)
    assert graph.continuous == sorted(spec.identity for spec in specs if spec.continuous)
    assert all(graph.paths + graph.loops)


@given(graphs)
def test_a_spec_stands_with_the_one_it_feeds(specs: list[StubSpec]) -> None:
    graph = classify(specs)
    then = {spec.identity: spec.then for spec in specs}
    for loop in graph.loops:
        assert [then[name] for name in loop] == [*loop[1:], loop[0]]
    in_loops = {name for loop in graph.loops for name in loop}
    for path in graph.paths:
        for position, name in enumerate(path):
            if then[name] in then.keys() - in_loops:
                assert then[name] in path[position + 1 :]
    fed = set(then.values())
    assert set(graph.sources) == set(graph.continuous) - fed


@given(graphs, st.randoms(use_true_random=False))
def test_the_order_given_does_not_matter(specs: list[StubSpec], rng: random.Random) -> None:
    shuffled = list(specs)
    rng.shuffle(shuffled)
    assert classify(shuffled) == classify(specs)


def test_a_long_chain_does_not_overflow_the_stack() -> None:
    numbers = range(20_000)
    specs = [StubSpec(b"%05d" % n, then=b"%05d" % (n + 1)) for n in numbers]
    assert classify(specs).paths == [[b"%05d" % n for n in numbers]]
