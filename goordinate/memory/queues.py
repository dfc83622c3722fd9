"""Where every unit of a work spec stands: by state, in the order of running and of listing.

Each unit is in exactly one `Order`: that of its state, or a smaller one beside it, of units whose
leases or delays end together (`ends`). When their time is over, that order as a whole becomes one
of the available units, which costs the same however many they are. Counts are kept. Nothing here
walks over units that an answer does not hold; a page by priority that begins at a key looks once at
each priority there is.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from itertools import chain, islice
from typing import Any

from sortedcontainers import SortedList

from goordinate.coordinate.states import AVAILABLE, UNIT_STATES
from goordinate.memory.chores import freeing

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
            self.settle()

    def add_many(self, keys: Collection[bytes]) -> None:
        """Add keys, which must not be in."""
        self._staged.update(keys)
        if len(self._staged) > STAGED:
            self.settle()

    def remove(self, key: bytes) -> None:
        """Remove `key`, which must be in."""
        if key in self._staged:
            self._staged.remove(key)
        else:
            self._sorted.remove(key)

    def pop_first(self) -> bytes:
        """Remove and return the lowest key; there must be one."""
        if self._staged:
            self.settle()
        key: bytes = self._sorted.pop(0)
        return key

    def first(self, count: int) -> list[bytes]:
        """The lowest keys, at most `count` of them, in order."""
        if self._staged:
            self.settle()
        if count == 1 and self._sorted:  # nearly always
            return [self._sorted[0]]
        return list(self._sorted.islice(0, count))

    def __contains__(self, key: bytes) -> bool:
        return key in self._staged or key in self._sorted

    def __bool__(self) -> bool:
        return bool(self._staged or self._sorted)

    def __len__(self) -> int:
        return len(self._staged) + len(self._sorted)

    def from_key(self, start: bytes) -> Iterator[bytes]:
        """The keys from `start` on, in order."""
        if self._staged:
            self.settle()
        keys: Iterator[bytes] = self._sorted.irange(start)
        return keys

    def before(self, end: bytes) -> Iterator[bytes]:
        """The keys below `end`, the highest first."""
        if self._staged:
            self.settle()
        keys: Iterator[bytes] = self._sorted.irange(None, end, (True, False), reverse=True)
        return keys

    def place(self, key: bytes) -> int:
        """How many keys are below `key`."""
        if self._staged:
            self.settle()
        place: int = self._sorted.bisect_left(key)
        return place

    def parts(self) -> tuple[Any, Any]:
        """What it is made of."""
        return self._sorted, self._staged

    def settle(self) -> None:
        """Put in order what waits unsorted."""
        self._sorted.update(sorted(self._staged))
        self._staged.clear()


class Order:
    """Units of one state, in the order of running and of listing: those of the default priority
    in a sorted set of keys, the others in a sorted list of (-priority, key)."""

    __slots__ = ("plain", "ranked", "ranked_count", "ranked_keys")

    def __init__(self) -> None:
        self.plain = KeySet()
        # Of units with a priority other than 0; made when there is one.
        self.ranked: Any = ()
        self.ranked_keys: KeySet | None = None
        self.ranked_count = 0

    def add(self, key: bytes, priority: float) -> None:
        """Add a unit, which must not be in."""
        if priority == 0:
            self.plain.add(key)
            return
        if self.ranked_keys is None:
            self.ranked, self.ranked_keys = SortedList(), KeySet()
        self.ranked_count += 1
        self.ranked.add((-priority, key))
        self.ranked_keys.add(key)

    def remove(self, key: bytes, priority: float) -> None:
        """Remove a unit, which must be in."""
        if priority == 0:
            self.plain.remove(key)
            return
        assert self.ranked_keys is not None
        self.ranked_count -= 1
        self.ranked.remove((-priority, key))
        self.ranked_keys.remove(key)

    def holds(self, key: bytes, priority: float) -> bool:
        """Whether a unit is in."""
        keys = self.plain if priority == 0 else self.ranked_keys
        return keys is not None and key in keys

    def head(self) -> tuple[float, bytes] | None:
        """(-priority, key) of the unit that runs next."""
        if self.ranked_first():
            first: tuple[float, bytes] = self.ranked[0]
            return first
        return (0, self.plain.first(1)[0]) if self.plain else None

    def ranked_first(self) -> bool:
        """Whether the unit that runs next has a priority other than 0."""
        return bool(self.ranked_count) and (not self.plain or bool(self.ranked[0][0] < 0))

    def heads(self, count: int) -> list[bytes]:
        """The units that run next, in order, at most `count` of them."""
        plain, ranked = self.plain, self.ranked
        if not self.ranked_count:
            return plain.first(count)
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
        """Take out the unit that runs next; there must be one."""
        if not self.ranked_first():
            return self.plain.pop_first()
        key: bytes = self.ranked.pop(0)[1]
        self.ranked_count -= 1
        assert self.ranked_keys is not None
        self.ranked_keys.remove(key)
        return key

    def by_key(self, start: bytes) -> list[Iterator[bytes]]:
        """Keys from `start` on, in rows, each in order."""
        rows = [self.plain.from_key(start)]
        return rows if self.ranked_keys is None else [*rows, self.ranked_keys.from_key(start)]

    def before(self, end: bytes) -> list[Iterator[bytes]]:
        """Keys below `end`, in rows, each with the highest first."""
        rows = [self.plain.before(end)]
        return rows if self.ranked_keys is None else [*rows, self.ranked_keys.before(end)]

    def place(self, key: bytes, priority: float) -> int:
        """How many units run before one of this key and priority."""
        place = int(self.ranked.bisect_left((-priority, key))) if self.ranked_count else 0
        if priority < 0:
            return place + len(self.plain)
        return place + self.plain.place(key) if priority == 0 else place

    def by_priority(self, start: bytes) -> list[Iterator[tuple[float, bytes]]]:
        """(-priority, key) with keys from `start` on, in rows, each in order."""
        plain = ((0, key) for key in self.plain.from_key(start))
        return [plain, self._ranked_from(start)] if self.ranked_count else [plain]

    def freeing(self) -> Iterator[None]:
        """Take out all units, some at a time; nobody else uses the order."""
        keys = () if self.ranked_keys is None else self.ranked_keys.parts()
        yield from freeing(*self.plain.parts(), self.ranked, *keys)

    def _ranked_from(self, start: bytes) -> Iterator[tuple[float, bytes]]:
        """(-priority, key) with keys from `start` on, skipping the rest of each priority."""
        ranked = self.ranked
        level = next(iter(ranked), None)
        while level is not None:
            after = (level[0], _AFTER_ALL)
            yield from ranked.irange((level[0], start), after)
            level = next(ranked.irange(after), None)


class UnitQueues:
    """The units of one work spec by state and order."""

    __slots__ = ("_available", "_lapsed", "_others", "counts", "main")

    def __init__(self) -> None:
        #: How many units each state has.
        self.counts = dict.fromkeys(UNIT_STATES, 0)
        #: State -> the order of its units, but for those in other orders.
        self.main = {state: Order() for state in UNIT_STATES}
        # State -> its other orders.
        self._others: dict[int, dict[Order, None]] = {state: {} for state in UNIT_STATES}
        # Those of the available units, which are asked for all the time.
        self._available, self._lapsed = self.main[AVAILABLE], self._others[AVAILABLE]

    def add(self, key: bytes, state: int, priority: float) -> None:
        """A unit comes into `state`."""
        self.counts[state] += 1
        if priority == 0:  # nearly always
            self.main[state].plain.add(key)
        else:
            self.main[state].add(key, priority)

    def add_available(self, keys: Collection[bytes]) -> None:
        """Units of the default priority become available."""
        self.counts[AVAILABLE] += len(keys)
        self.main[AVAILABLE].plain.add_many(keys)

    def remove(self, key: bytes, state: int, priority: float) -> None:
        """A unit leaves `state`."""
        self.counts[state] -= 1
        if priority == 0:
            self.main[state].plain.remove(key)
        else:
            self.main[state].remove(key, priority)

    def open(self, state: int) -> Order:
        """Another order of a state."""
        order = Order()
        self._others[state][order] = None
        return order

    def close(self, state: int, order: Order) -> None:
        """Another order of a state is empty now, and no longer used."""
        self._others[state].pop(order, None)

    def turn_available(self, state: int, order: Order, count: int) -> None:
        """The `count` units of another order of `state` are available from now on."""
        del self._others[state][order]
        self._others[AVAILABLE][order] = None
        self.counts[state] -= count
        self.counts[AVAILABLE] += count

    def take(self, state: int) -> list[Order]:
        """All orders of a state, which are in use no longer: there is no unit in it now."""
        orders = [self.main[state], *self._others[state]]
        self.counts[state] = 0
        self.main[state] = Order()
        self._others[state] = {}
        self._available, self._lapsed = self.main[AVAILABLE], self._others[AVAILABLE]
        return orders

    def head_priority(self) -> float | None:
        """The priority of the unit that runs next; None if no unit is available."""
        if self._lapsed:
            head = self._head()
            return None if head is None else -head[0]
        order = self._available
        if order.ranked_count and order.ranked_first():
            priority: float = -order.ranked[0][0]
            return priority
        return 0 if self.counts[AVAILABLE] else None

    def heads(self, count: int) -> list[bytes]:
        """The units that run next, in order, at most `count` of them."""
        if self._lapsed:
            if count == 1:
                head = self._head()
                return [] if head is None else [head[1]]
            return first(self.by_priority((AVAILABLE,), b""), count)
        return self._available.heads(count)

    def _head(self) -> tuple[float, bytes] | None:
        heads = (order.head() for order in self._orders(AVAILABLE))
        return min((head for head in heads if head is not None), default=None)

    def pop_head(self) -> bytes:
        """Take the unit that runs next out of the main order of the available ones; it must be
        there."""
        self.counts[AVAILABLE] -= 1
        order = self._available
        return order.pop_head() if order.ranked_count else order.plain.pop_first()

    def by_key(self, states: Collection[int], start: bytes) -> Iterator[bytes]:
        """Keys from `start` on, in order, of the units in `states`."""
        orders = [order for state in states for order in self._orders(state)]
        return heapq.merge(*(row for order in orders for row in order.by_key(start)))

    def before(self, states: Collection[int], end: bytes) -> Iterator[bytes]:
        """Keys below `end`, the highest first, of the units in `states`."""
        orders = [order for state in states for order in self._orders(state)]
        rows = (row for order in orders for row in order.before(end))
        return heapq.merge(*rows, reverse=True)

    def place(self, key: bytes, priority: float) -> int:
        """How many available units run before one of this key and priority."""
        return sum(order.place(key, priority) for order in self._orders(AVAILABLE))

    def by_priority(self, states: Collection[int], start: bytes) -> Iterator[bytes]:
        """Keys not below `start` of the units in `states`, highest priority first, then by key."""
        orders = [order for state in states for order in self._orders(state)]
        rows = (row for order in orders for row in order.by_priority(start))
        return (key for _, key in heapq.merge(*rows))

    def _orders(self, state: int) -> Iterator[Order]:
        return chain((self.main[state],), self._others[state])


def first(keys: Iterator[bytes], limit: int | None) -> list[bytes]:
    """The first `limit` keys; None: all."""
    return list(keys if limit is None else islice(keys, max(0, limit)))
