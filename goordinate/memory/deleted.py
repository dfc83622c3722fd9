"""Units that were deleted with all others of their state, and are still among what is kept."""

from __future__ import annotations

from collections.abc import Iterator

from goordinate.coordinate.records import PRIORITY, WHEN, Record
from goordinate.memory.ends import Ends
from goordinate.memory.queues import Order


class Deleted:
    """The units of one state that were deleted together, by the orders in which they were."""

    def __init__(self, orders: list[Order], ends: Ends | None) -> None:
        """`ends`: of a state that has leases or delays. The first order is the main one."""
        self._orders = orders
        self._ends = ends

    def holds(self, key: bytes, record: Record) -> bool:
        """Whether a unit of this state is one of them."""
        if self._ends is not None and record[WHEN] is not None:
            return self._ends.holds(key, record[WHEN])
        return self._orders[0].holds(key, record[PRIORITY])

    def remove(self, key: bytes, record: Record) -> None:
        """A unit is gone."""
        order = self._orders[0]
        if self._ends is not None and record[WHEN] is not None:
            order = self._ends.discard(key, record[WHEN])
        order.remove(key, record[PRIORITY])

    def left(self) -> Iterator[bytes]:
        """A key of those that are left, until none is."""
        for order in self._orders:
            while keys := order.heads(1):
                yield keys[0]
