"""What ends when: leases, delays, intervals, the lives of workers.

A wheel of whole seconds: adding and discarding cost the same however many things wait, and
nothing stale stays behind (a heap with lazy deletion would keep every finished lease until its
time: millions). Only the second that has come is put in order.
"""

from __future__ import annotations

import heapq
import math
from bisect import insort
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class Deadlines(Generic[Item]):
    """Items, each with the one moment of the backend's clock at which it is due (seconds)."""

    __slots__ = ("_buckets", "_empty", "_opened", "_order", "_second", "_seconds", "next", "now")

    def __init__(self) -> None:
        self._buckets: dict[int, dict[Item, float]] = {}
        self._seconds: list[int] = []  # a heap of the keys of _buckets
        self._empty = 0  # how many buckets are empty: those are left for a while, and swept
        self._second = -(2**63)  # seconds up to this one have been opened
        self._opened: dict[Item, float] = {}  # what the opened seconds still hold,
        self._order: list[tuple[float, int, Item]] = []  # and its order, latest first
        #: Nothing is due before this moment.
        self.next = math.inf
        #: The moment of the operation that is running, or of the last one.
        self.now = -math.inf

    def add(self, item: Item, when: float) -> None:
        """`item` is due at `when`; it must not be in already."""
        second = int(when)
        if second <= self._second:
            self._opened[item] = when
            insort(self._order, (-when, id(item), item))
            self.next = min(self.next, when)
        elif (bucket := self._buckets.get(second)) is not None:
            if not bucket:
                self._empty -= 1
            bucket[item] = when
        else:
            self._buckets[second] = {item: when}
            heapq.heappush(self._seconds, second)
            self.next = min(self.next, second)

    def discard(self, item: Item, when: float) -> None:
        """Forget `item`, which was added with `when`."""
        second = int(when)
        if second <= self._second:
            self._opened.pop(item, None)
        elif bucket := self._buckets.get(second):
            bucket.pop(item, None)
            if not bucket:
                bucket.clear()  # else it keeps the memory of all that was in it
                self._empty += 1
                if self._empty > 16 + len(self._buckets) // 2:
                    self._sweep()

    def due(self, now: float) -> list[Item]:
        """What is due at `now`, the earliest first; it stays in."""
        self._open(now)
        order, opened = self._order, self._opened
        due: dict[Item, None] = {}  # an item may have left an entry of the same time behind
        for place in range(len(order) - 1, -1, -1):
            when, _, item = order[place]
            if -when > now:
                break
            if opened.get(item) == -when:
                due[item] = None
        return list(due)

    def passed(self, now: float) -> None:
        """Drop all that is due at `now`."""
        order, opened = self._order, self._opened
        while order and -order[-1][0] <= now:
            when, _, item = order.pop()
            if opened.get(item) == -when:
                del opened[item]
        self.next = -order[-1][0] if order else self._seconds[0] if self._seconds else math.inf

    def _sweep(self) -> None:
        """Drop the empty buckets. They are half of all, so it costs O(1) for each of them."""
        self._buckets = {second: bucket for second, bucket in self._buckets.items() if bucket}
        self._seconds = list(self._buckets)
        heapq.heapify(self._seconds)
        self._empty = 0

    def _open(self, now: float) -> None:
        """Put in order the seconds that have come."""
        seconds, order = self._seconds, self._order
        if not seconds or seconds[0] > now:
            return
        while seconds and seconds[0] <= now:
            self._second = heapq.heappop(seconds)
            bucket = self._buckets.pop(self._second)
            if not bucket:
                self._empty -= 1
            self._opened.update(bucket)
            for item, when in bucket.items():
                order.append((-when, id(item), item))
        order.sort()
