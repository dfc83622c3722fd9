"""Which work specs the rules let give the next unit; the rules word for word, over all specs.

They leave a choice where the server draws by lot, between loops and continuous specs, and where
specs that are not in one path are equal.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from goordinate.tests.model.world import RUNNABLE, Spec

Specs = Mapping[bytes, Spec]


@dataclass
class Candidate:
    """What counts of a spec that has something to give."""

    has_units: bool
    #: The priority of the unit at the head of its queue.
    head: float
    #: (1 + pending units) / weight; the lowest wins.
    score: Fraction


def permitted(
    specs: Specs, names: Collection[bytes] | None, runtimes: Collection[bytes], now: float
) -> list[bytes]:
    """The specs of which one may be chosen, among `names` (None: all)."""
    able = {}
    for key, spec in specs.items():
        candidate = _candidate(spec, now)
        if (
            candidate is not None
            and (names is None or key in names)
            and spec.control.runtime in runtimes
        ):
            able[key] = candidate
    # The priority of the spec comes before all, and units of negative priority come last of all.
    highest = max((specs[key].control.priority for key in able), default=0)
    able = {key: one for key, one in able.items() if specs[key].control.priority == highest}
    if any(one.head >= 0 for one in able.values()):
        able = {key: one for key, one in able.items() if one.head >= 0}

    with_units = {key: one for key, one in able.items() if one.has_units}
    lists = paths(specs)
    equal = _best((key for path in lists for key in path), with_units)
    if equal:
        return [_walk(path, specs, with_units) for path in lists if equal & set(path)]
    loops = [key for key in specs if _is_in_loop(specs, key)]
    continuous = [key for key in specs if specs[key].control.continuous]
    sources = [key for key in continuous if not _feeders(specs, key)]
    return sorted(_best(loops, with_units) | _best(sources, with_units) | _best(continuous, able))


def _candidate(spec: Spec, now: float) -> Candidate | None:
    if spec.control.status != RUNNABLE or spec.is_full():
        return None
    queue = spec.queue(now)
    if not queue and not spec.makes_units(now):
        return None
    head = spec.units[queue[0]].priority if queue else 0
    return Candidate(bool(queue), head, Fraction(1 + spec.pending(), spec.control.weight))


def _best(keys: Iterable[bytes], able: Mapping[bytes, Candidate]) -> set[bytes]:
    """Of some specs the candidates of the highest priority, and of these those with the lowest
    score."""
    there = {key: able[key] for key in keys if key in able}
    highest = max((one.head for one in there.values()), default=0)
    lowest = min((one.score for one in there.values() if one.head == highest), default=0)
    return {key for key, one in there.items() if (one.head, one.score) == (highest, lowest)}


def _walk(path: list[bytes], specs: Specs, able: Mapping[bytes, Candidate]) -> bytes:
    """The spec that is chosen of a path, one of whose candidates is among the best of all."""
    highest = max(able[key].head for key in path if key in able)
    chosen, displaces = b"", False
    lowest: Fraction | float = math.inf
    for key in path:
        if key in able and able[key].head == highest and (displaces or able[key].score < lowest):
            chosen, lowest = key, min(lowest, able[key].score)
        # Work in the next spec goes before work in this one.
        displaces = specs[key].control.then_preempts
    return chosen


def _next(specs: Specs, key: bytes) -> bytes | None:
    then = specs[key].control.then
    return then if then in specs else None


def _feeders(specs: Specs, key: bytes) -> list[bytes]:
    return [other for other in specs if _next(specs, other) == key]


def _after(specs: Specs, key: bytes) -> list[bytes]:
    """What comes after a spec, up to where it would come again."""
    passed: list[bytes] = []
    following = _next(specs, key)
    while following is not None and following not in passed:
        passed.append(following)
        following = _next(specs, following)
    return passed


def _is_in_loop(specs: Specs, key: bytes) -> bool:
    return key in _after(specs, key)


def paths(specs: Specs) -> list[list[bytes]]:
    """The paths: work passes their specs in this order.

    Each begins with specs that nothing feeds, which are left out of it if they are continuous.
    Paths that run into each other are one; a spec stands behind all that feed it.
    """
    lists: dict[bytes, list[bytes]] = {}  # the last spec of a path -> the path
    passed: set[bytes] = set()
    for head in sorted(key for key in specs if not _feeders(specs, key)):
        way = [key for key in [head, *_after(specs, head)] if not _is_in_loop(specs, key)]
        path = lists.setdefault(way[-1], [])
        for key in way:
            if not passed.issuperset(_feeders(specs, key)):
                break  # another path runs in here, and goes on from here
            passed.add(key)
            if key != head or not specs[key].control.continuous:
                path.append(key)
    return list(lists.values())
