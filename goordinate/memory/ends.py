"""When the leases or the delays of a work spec's units end.

Few ends in a second are kept as they are, put in order when the second has come, and end one by
one. The units of a second with many ends (`MANY`) are divided among *shelves* of a sixteenth of a
second, each with an order of its own (`queues.Order`). A shelf whose last end has passed lapses as
a whole: its order becomes one of the available units. So a million leases may end together, and it
costs no more than one. What is on record of the units follows some at a time; until then
`Units.find` shows them as they are.
"""

from __future__ import annotations

import heapq
import math
from bisect import insort
from collections.abc import Iterator
from itertools import chain, count
from typing import Any

from goordinate.coordinate.records import PRIORITY, Stored, expand
from goordinate.coordinate.states import AVAILABLE
from goordinate.memory.chores import freeing
from goordinate.memory.deadlines import Deadlines
from goordinate.memory.queues import Order, UnitQueues

#: Ends in a second that are kept undivided.
MANY = 1000

#: The shelves of a second.
PARTS = 16

#: A shelf with fewer ends is put in order when its time has come, and they end one by one.
FEW = 100

#: A shelf with more ends is not put in order: all end with the last, less than 1 / PARTS s late.
TOO_MANY = 20_000


class Shelf:
    """Units whose leases or delays end in the same stretch of time."""

    __slots__ = ("ends", "lapsed_at", "last", "opened", "order", "second")

    def __init__(self, second: int, order: Order) -> None:
        #: The second that it is of.
        self.second = second
        #: Key -> the moment.
        self.ends: dict[bytes, float] = {}
        #: The latest moment there has been.
        self.last = -math.inf
        #: Whether its time has come, and its units are in order of their ends.
        self.opened = False
        #: When it lapsed as a whole.
        self.lapsed_at = math.inf
        #: The order that its units are in.
        self.order = order


class Ends:
    """The ends of what the units of one work spec in one state wait for.

    `item` is what stands for the earliest of them in `deadlines`.
    """

    def __init__(
        self, item: object, deadlines: Deadlines[Any], state: int, queues: UnitQueues
    ) -> None:
        self._item = item
        self._deadlines = deadlines
        self._armed = math.inf  # the moment at which `item` is in `deadlines`
        self._state = state
        self._queues = queues
        self._main = queues.main[state]
        # By the stretch of time they begin with, in 1 / PARTS s: the shelves to come and the
        # opened ones. A second that is not divided has one, in the main order.
        self._shelves: dict[int, Shelf] = {}
        self._divided: dict[int, int] = {}  # second -> how many shelves it has
        self._last = self._main  # the order made last
        self._empty = 0  # how many shelves are empty: those are left for a while, and swept
        self._coming: list[int] = []  # a heap of the keys of the shelves to come
        self._begun = -math.inf  # the time of all shelves up to this one has come
        # What the opened shelves hold, and some that is gone: latest first.
        self._order: list[tuple[float, int, bytes, Shelf]] = []
        self._numbers = count()
        self._opened: list[tuple[int, Shelf]] = []  # the opened shelves with orders of their own
        #: The shelves that lapsed as a whole and still hold units, by their time.
        self.lapsed: dict[int, list[Shelf]] = {}

    # --- units ---------------------------------------------------------------------------------

    def add(self, key: bytes, when: float, stored: dict[bytes, Stored]) -> Order:
        """A unit waits until `when`. The order that it is to be put in."""
        second = int(when)
        part = second * PARTS
        if second in self._divided:
            part += int((when - second) * PARTS)
        shelf = self._shelves.get(part)
        if shelf is None:
            shelf = self._new(part, second)
        ends = shelf.ends
        if not ends:
            self._empty -= 1
        elif len(ends) >= MANY and shelf.order is self._main and not shelf.opened:
            self._divide(second, shelf, stored)
            return self.add(key, when, stored)
        ends[key] = when
        if when > shelf.last:
            shelf.last = when
        if shelf.opened:
            insort(self._order, (-when, next(self._numbers), key, shelf))
            self._arm(when)
        return shelf.order

    def discard(self, key: bytes, when: float) -> Order:
        """A unit that was added with `when`, and is on no lapsed shelf, no longer waits. The order
        that it is in."""
        second = int(when)
        part = second * PARTS
        if second in self._divided:
            part += int((when - second) * PARTS)
        shelf = self._shelves[part]
        ends = shelf.ends
        del ends[key]
        if not ends:
            shelf.ends = {}  # else it keeps the memory of all that was in it
            self._empty += 1
            if shelf.order is not self._main or shelf.opened:
                self._drop(part, shelf)
                if shelf.order is not self._main:
                    self._queues.close(self._state, shelf.order)
            elif self._empty > 16 + len(self._shelves) // 2:
                self._sweep()
        return shelf.order

    def holds(self, key: bytes, when: float) -> bool:
        """Whether a unit that ends at `when` waits here."""
        shelf = self._shelves.get(self._part(when))
        return shelf is not None and key in shelf.ends

    def on_lapsed(self, key: bytes, when: float) -> bool:
        """Whether a unit that was added with `when` is on a lapsed shelf."""
        shelves = self.lapsed.get(_part(when), ())
        return any(key in shelf.ends for shelf in shelves)

    def take_lapsed(self, key: bytes, when: float, priority: float) -> float | None:
        """Take a unit off its lapsed shelf, out of its order too: the moment when that lapsed;
        None if it is on none."""
        part = _part(when)
        shelves = self.lapsed.get(part, [])
        for shelf in shelves:
            if key in shelf.ends:
                del shelf.ends[key]
                shelf.order.remove(key, priority)
                if not shelf.ends:
                    self._queues.close(AVAILABLE, shelf.order)
                    shelves.remove(shelf)
                    if not shelves:
                        del self.lapsed[part]
                return shelf.lapsed_at
        return None

    def _part(self, when: float) -> int:
        """Where in `_shelves` something is that ends at `when`."""
        return _part(when) if int(when) in self._divided else int(when) * PARTS

    # --- shelves -------------------------------------------------------------------------------

    def _new(self, part: int, second: int) -> Shelf:
        if second in self._divided:
            self._divided[second] += 1
            # Mostly the one before is full now. Its first unit must be known when it lapses.
            self._last.plain.settle()
            self._last = self._queues.open(self._state)
            shelf = Shelf(second, self._last)
        else:
            shelf = Shelf(second, self._main)
        self._shelves[part] = shelf
        self._empty += 1
        if part <= self._begun:
            shelf.opened = True
            if shelf.order is not self._main:
                self._opened.append((part, shelf))
        else:
            heapq.heappush(self._coming, part)
            self._arm(part / PARTS)
        return shelf

    def _divide(self, second: int, shelf: Shelf, stored: dict[bytes, Stored]) -> None:
        """Give the units of a second shelves of their own."""
        del self._shelves[second * PARTS]
        self._divided[second] = 0
        for key, when in shelf.ends.items():
            priority = expand(stored[key])[PRIORITY]
            self._main.remove(key, priority)
            self.add(key, when, stored).add(key, priority)

    def _drop(self, part: int, shelf: Shelf) -> None:
        """A shelf that is empty, or has lapsed, goes."""
        del self._shelves[part]
        self._empty -= 1
        if shelf.order is not self._main:
            self._divided[shelf.second] -= 1
            if not self._divided[shelf.second]:
                del self._divided[shelf.second]
        if len(self._coming) > 16 + 2 * len(self._shelves):
            self._sweep()

    def _sweep(self) -> None:
        """Drop the empty shelves of undivided seconds. They are half of all, or half of what is to
        come is gone, so it costs O(1) for each of them."""
        self._shelves = {part: shelf for part, shelf in self._shelves.items() if shelf.ends}
        self._coming = [part for part, shelf in self._shelves.items() if not shelf.opened]
        heapq.heapify(self._coming)
        self._empty = 0

    # --- time ----------------------------------------------------------------------------------

    def due(self, now: float, limit: int) -> tuple[list[bytes], list[Shelf]]:
        """What is over at `now`: units, the earliest first, at most `limit` of them, which stay
        in; and the shelves that have lapsed as a whole now."""
        lapsed = self._begin(now)
        order = self._order
        due: dict[bytes, None] = {}  # a unit may have left an entry of the same time behind
        for place in range(len(order) - 1, -1, -1):
            when, _, key, shelf = order[place]
            if -when > now or len(due) == limit:
                break
            if _is_in(key, -when, shelf):
                due[key] = None
        return list(due), lapsed

    def passed(self) -> None:
        """What `due` gave has been done; wait for the next."""
        order = self._order
        while order and not _is_in(order[-1][2], -order[-1][0], order[-1][3]):
            order.pop()
        self._armed = math.inf
        if order:
            self._arm(-order[-1][0])
        if self._coming:
            self._arm(self._coming[0] / PARTS)
        for _, shelf in self._opened:
            self._arm(shelf.last)

    def disarm(self) -> None:
        """Wait for nothing."""
        if self._armed < math.inf:
            self._deadlines.discard(self._item, self._armed)
            self._armed = math.inf

    def freeing(self) -> Iterator[None]:
        """Take out all units, some at a time; nobody else uses this object."""
        lapsed = (shelf for shelves in self.lapsed.values() for shelf in shelves)
        for shelf in chain(self._shelves.values(), lapsed):
            yield from freeing(shelf.ends)
            yield from shelf.order.freeing()
        yield from freeing(self._order)

    def _arm(self, when: float) -> None:
        """Be told of the time at `when`, if not before."""
        if when < self._armed:
            self.disarm()
            self._armed = when
            self._deadlines.add(self._item, when)

    def _begin(self, now: float) -> list[Shelf]:
        """Open the shelves whose time has come, or let them lapse as a whole."""
        lapsed: list[Shelf] = []
        opened, self._opened = self._opened, []
        entries = len(self._order)
        while self._coming and self._coming[0] <= now * PARTS:
            part = heapq.heappop(self._coming)
            shelf = self._shelves.get(part)
            if shelf is None or shelf.opened:
                continue
            self._begun = max(self._begun, part)
            if not shelf.ends:
                self._drop(part, shelf)
            elif shelf.order is self._main:
                self._open(shelf)
            else:
                opened.append((part, shelf))
        for part, shelf in opened:
            if self._shelves.get(part) is not shelf:
                continue
            if shelf.last <= now and len(shelf.ends) > FEW:
                self._lapse(part, shelf, now)
                lapsed.append(shelf)
                continue
            if not shelf.opened and len(shelf.ends) <= TOO_MANY:
                self._open(shelf)
            self._opened.append((part, shelf))
        if len(self._order) > entries:
            self._order.sort()
        return lapsed

    def _open(self, shelf: Shelf) -> None:
        shelf.opened = True
        self._order.extend(
            (-when, next(self._numbers), key, shelf) for key, when in shelf.ends.items()
        )

    def _lapse(self, part: int, shelf: Shelf, now: float) -> None:
        """All units of a shelf are available from now on."""
        shelf.lapsed_at = now
        self._queues.turn_available(self._state, shelf.order, len(shelf.ends))
        self._empty += 1
        self._drop(part, shelf)
        self.lapsed.setdefault(part, []).append(shelf)


def _part(when: float) -> int:
    """The shelf, in a divided second, of what ends at `when`."""
    second = int(when)
    return second * PARTS + int((when - second) * PARTS)


def _is_in(key: bytes, when: float, shelf: Shelf) -> bool:
    """Whether a unit of an opened shelf still waits there until `when`."""
    return shelf.ends.get(key) == when and shelf.lapsed_at == math.inf
