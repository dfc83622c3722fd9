"""Where every unit of a work spec stands: by state, in the order of running and of listing.

Each unit is in exactly one place: units of the default priority in a sorted set of keys for
their state, the others in a sorted list of (-priority, key) for it. Counts are kept. Nothing
here walks over units that an answer does not hold; a page by priority that begins at a key looks
once at each priority there is.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

from sortedcontainers import SortedList

from goordinate.coordinate.states import AVAILABLE, UNIT_STATES

#: New keys of a state wait unsorted until somebody asks for the order, but no more than these:
#: sorting them in then takes a millisecond or so, and a pending unit is mostly gone before.
STAGED = 1000


class _AfterAll:
    """Greater than any key, to find the end of a priority in a list of (-priority, key)."""

    def __lt__(self, other: object) -> bool:
        return False

    def __gt__(self, other: object) -> bool:
        return True


_AFTER_ALL = _AfterAll()


class KeySet:
    """A sorted set of keys, cheap to add to."""

    __slots__ = ("_sorted", "_staged")

    def __init__(self) -> None:
        self._sorted: Any = SortedList()
        self._staged: set[bytes] = set()

    def add(self, key: bytes) -> None:
        """Add `key`, which must not be in."""
        staged = self._staged
        staged.add(key)
        if len(staged) > STAGED:
            self._settle()

    def add_many(self, keys: Collection[bytes]) -> None:
        """Add keys, which must not be in."""
        self._staged.update(keys)
        if len(self._staged) > STAGED:
            self._settle()

    def remove(self, key: bytes) -> None:
        """Remove `key`, which must be in."""
        if key in self._staged:
            self._staged.remove(key)
        else:
            self._sorted.remove(key)

    def pop_first(self) -> bytes:
        """Remove and return the lowest key; there must be one."""
        if self._staged:
            self._settle()
        key: bytes = self._sorted.pop(0)
        return key

    def first(self, count: int) -> list[bytes]:
        """The lowest keys, at most `count` of them, in order."""
        if self._staged:
            self._settle()
        if count == 1 and self._sorted:  # nearly always
            return [self._sorted[0]]
        return list(self._sorted.islice(0, count))

    def from_key(self, start: bytes) -> Iterator[bytes]:
        """The keys from `start` on, in order."""
        if self._staged:
            self._settle()
        keys: Iterator[bytes] = self._sorted.irange(start)
        return keys

    def _settle(self) -> None:
        self._sorted.update(sorted(self._staged))
        self._staged.clear()


class UnitQueues:
    """The units of one work spec by state and order."""

    __slots__ = ("_plain", "_ranked", "_ranked_counts", "_ranked_keys", "counts")

    def __init__(self) -> None:
        #: How many units each state has.
        self.counts = dict.fromkeys(UNIT_STATES, 0)
        self._plain = {state: KeySet() for state in UNIT_STATES}
        # Of units with a priority other than 0:
        self._ranked: dict[int, Any] = {state: SortedList() for state in UNIT_STATES}
        self._ranked_keys = {state: KeySet() for state in UNIT_STATES}
        self._ranked_counts = dict.fromkeys(UNIT_STATES, 0)

    def add(self, key: bytes, state: int, priority: float) -> None:
        """A unit comes into `state`."""
        self.counts[state] += 1
        if priority == 0:
            self._plain[state].add(key)
        else:
            self._ranked_counts[state] += 1
            self._ranked[state].add((-priority, key))
            self._ranked_keys[state].add(key)

    def add_available(self, keys: Collection[bytes]) -> None:
        """Units of the default priority become available."""
        self.counts[AVAILABLE] += len(keys)
        self._plain[AVAILABLE].add_many(keys)

    def remove(self, key: bytes, state: int, priority: float) -> None:
        """A unit leaves `state`."""
        self.counts[state] -= 1
        if priority == 0:
            self._plain[state].remove(key)
        else:
            self._ranked_counts[state] -= 1
            self._ranked[state].remove((-priority, key))
            self._ranked_keys[state].remove(key)

    def head_priority(self) -> float | None:
        """The priority of the unit that runs next; None if no unit is available."""
        if self._ranked_goes_first():
            priority: float = -self._ranked[AVAILABLE][0][0]
            return priority
        return 0 if self.counts[AVAILABLE] else None

    def heads(self, count: int) -> list[bytes]:
        """The units that run next, in order, at most `count` of them."""
        if not self._ranked_counts[AVAILABLE]:
            return self._plain[AVAILABLE].first(count)
        ranked, plain = self._ranked[AVAILABLE], self._plain[AVAILABLE]
        before_plain = min(count, ranked.bisect_left((0,)))
        keys = [key for _, key in ranked.islice(0, before_plain)]
        if len(keys) < count:
            keys += plain.first(count - len(keys))
        if len(keys) < count:
            keys += [
                key for _, key in ranked.islice(before_plain, before_plain + count - len(keys))
            ]
        return keys

    def pop_head(self) -> bytes:
        """Take out the unit that runs next; there must be an available one."""
        ranked_first = self._ranked_goes_first()
        self.counts[AVAILABLE] -= 1
        if not ranked_first:
            return self._plain[AVAILABLE].pop_first()
        key: bytes = self._ranked[AVAILABLE].pop(0)[1]
        self._ranked_counts[AVAILABLE] -= 1
        self._ranked_keys[AVAILABLE].remove(key)
        return key

    def _ranked_goes_first(self) -> bool:
        """Whether the unit that runs next has a priority other than 0."""
        ranked = self._ranked_counts[AVAILABLE]
        if not ranked:
            return False
        return ranked == self.counts[AVAILABLE] or bool(self._ranked[AVAILABLE][0][0] < 0)

    def by_key(self, states: Collection[int], start: bytes) -> Iterator[bytes]:
        """Keys from `start` on, in order, of the units in `states`."""
        plain = [self._plain[state].from_key(start) for state in states]
        ranked = [self._ranked_keys[state].from_key(start) for state in states]
        return heapq.merge(*plain, *ranked)

    def by_priority(self, states: Collection[int], start: bytes) -> Iterator[bytes]:
        """Keys not below `start` of the units in `states`, highest priority first, then by key."""
        ranked = [self._ranked_from(state, start) for state in states]
        plain = [((0, key) for key in self._plain[state].from_key(start)) for state in states]
        return (key for _, key in heapq.merge(*ranked, *plain))

    def _ranked_from(self, state: int, start: bytes) -> Iterator[tuple[float, bytes]]:
        """(-priority, key) with keys from `start` on, skipping the rest of each priority."""
        ranked = self._ranked[state]
        level = next(iter(ranked), None)
        while level is not None:
            after = (level[0], _AFTER_ALL)
            yield from ranked.irange((level[0], start), after)
            level = next(ranked.irange(after), None)


def first(keys: Iterator[bytes], limit: int | None) -> list[bytes]:
    """The first `limit` keys; None: all."""
    return list(keys if limit is None else islice(keys, max(0, limit)))
