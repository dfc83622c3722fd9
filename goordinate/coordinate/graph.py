"""The work specs as a graph: their `then` edges -> paths, loops, continuous specs.

Rule: this is a pure function of names, `then` and `continuous`; the same specs give the same
graph in whatever order they come. An edge to a spec that does not exist is no edge.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


class Node(Protocol):
    """What the graph must know of a work spec."""

    @property
    def identity(self) -> bytes:
        """The identity of its name."""

    @property
    def then(self) -> bytes | None:
        """The identity of the spec that gets its output; None: none."""

    @property
    def continuous(self) -> bool:
        """Whether units are made up when there are none."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Where every work spec stands, by name: in one list of `paths` or `loops`, or in `sources`."""

    #: Specs in the order in which work passes them, outside loops. Paths that run into each other
    #: are one list; a spec is behind all that feed it.
    paths: list[list[bytes]]
    #: Cycles, each from the spec at which it is entered.
    loops: list[list[bytes]]
    #: Continuous specs that nothing feeds, which head no path.
    sources: list[bytes]
    #: All continuous specs, whichever of the lists above they are in.
    continuous: list[bytes]


def classify(specs: Iterable[Node]) -> Graph:
    """The graph of `specs`, whose names must be distinct."""
    by_name = {spec.identity: spec for spec in sorted(specs, key=lambda spec: spec.identity)}
    after = {name: spec.then if spec.then in by_name else None for name, spec in by_name.items()}
    continuous = [name for name, spec in by_name.items() if spec.continuous]
    loops = _loops(after)
    in_loops = {name for loop in loops for name in loop}
    fed = set(after.values())
    heads = [name for name in after if name not in fed]
    sources = [name for name in heads if by_name[name].continuous]
    paths = _paths(after, heads, set(sources), in_loops)
    return Graph(paths, loops, sources, continuous)


def _chain(
    start: bytes, after: Mapping[bytes, bytes | None], stop: Container[bytes]
) -> list[bytes]:
    """`start` and all that follows it, up to the first spec in `stop`."""
    chain = [start]
    name = after[start]
    while name is not None and name not in stop:
        chain.append(name)
        name = after[name]
    return chain


def _loops(after: Mapping[bytes, bytes | None]) -> list[list[bytes]]:
    loops = []
    walk_of: dict[bytes, bytes] = {}  # spec -> where the walk began that came by it first
    for start in after:
        name: bytes | None = start
        while name is not None and name not in walk_of:
            walk_of[name] = start
            name = after[name]
        if name is not None and walk_of[name] == start:
            loops.append(_chain(name, after, {name}))
    return loops


def _paths(
    after: Mapping[bytes, bytes | None],
    heads: list[bytes],
    left_out: Container[bytes],
    in_loops: set[bytes],
) -> list[list[bytes]]:
    paths: list[list[bytes]] = []
    path_of: dict[bytes, list[bytes]] = {}
    stop = set(in_loops)
    # Backwards, because a path goes in front of the one it runs into: so heads stay by name.
    for head in reversed(heads):
        path = _chain(head, after, stop)
        runs_into = after[path[-1]]
        if head in left_out:
            del path[0]
        stop.update(path)
        if runs_into in path_of:
            whole = path_of[runs_into]
            whole[:0] = path
        else:
            whole = path
            paths.append(whole)
        path_of.update(dict.fromkeys(path, whole))
    return [path for path in reversed(paths) if path]
