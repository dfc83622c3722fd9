"""The wheel of deadlines against a plain dictionary."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from goordinate.memory.deadlines import Deadlines

#: Few values, so that seconds are shared and items come back; halves, so that seconds are split.
TIMES = st.integers(0, 40).map(lambda number: number / 2)
ITEMS = st.integers(0, 7)

#: An item is put in, moved if it is in; taken out; or what is due by then is taken out.
STEPS = st.lists(
    st.tuples(st.just("add"), ITEMS, TIMES)
    | st.tuples(st.just("discard"), ITEMS, st.just(0.0))
    | st.tuples(st.just("pop"), st.just(0), TIMES),
    max_size=60,
)


def pop_due(deadlines: Deadlines[Any], now: float) -> list[Any]:
    """What is due, taken out."""
    due = deadlines.due(now)
    assert deadlines.due(now) == due
    deadlines.passed(now)
    return due


@given(STEPS)
@example([("add", 1, 5.5), ("pop", 0, 5.0), ("discard", 1, 0), ("add", 1, 5.5), ("pop", 0, 6.0)])
@example([("pop", 0, 9.0), ("add", 1, 3.0), ("add", 2, 2.5), ("pop", 0, 2.5), ("pop", 0, 3.0)])
def test_as_a_dictionary_would(steps: list[tuple[str, int, float]]) -> None:
    deadlines: Deadlines[int] = Deadlines()
    waiting: dict[int, float] = {}
    for step, item, when in steps:
        if step == "pop":
            due = pop_due(deadlines, when)
            times = [waiting.pop(item) for item in due]
            assert times == sorted(times)
            assert all(time <= when for time in times)
            assert all(time > when for time in waiting.values())
        else:
            if item in waiting:
                deadlines.discard(item, waiting.pop(item))
            if step == "add":
                deadlines.add(item, when)
                waiting[item] = when
        assert deadlines.next <= min(waiting.values(), default=deadlines.next)
    assert set(pop_due(deadlines, 1000)) == waiting.keys()
    assert pop_due(deadlines, 1000) == []


def test_it_says_when_there_is_nothing_to_do() -> None:
    deadlines: Deadlines[str] = Deadlines()
    assert deadlines.next == float("inf")
    deadlines.add("a", 7.75)
    deadlines.add("b", 7.25)
    assert pop_due(deadlines, 7) == []
    # Its second has been opened, so the time is exact.
    assert deadlines.next == 7.25
    assert pop_due(deadlines, 7.25) == ["b"]
    assert deadlines.next == 7.75
    deadlines.discard("a", 7.75)
    assert pop_due(deadlines, 8) == []
    assert deadlines.next == float("inf")


class Item:
    """Something that can be seen to be gone."""


def test_nothing_stale_stays_behind() -> None:
    # A lease that is moved all the time, as that of a worker with a long task.
    deadlines: Deadlines[Item] = Deadlines()
    kept, dropped = [Item() for _ in range(100)], [Item() for _ in range(100)]
    for item in (*kept, *dropped):
        deadlines.add(item, 1000)
    for turn in range(50):
        for item in kept:
            deadlines.discard(item, 1000 + turn)
            deadlines.add(item, 1001 + turn)
    for item in dropped:
        deadlines.discard(item, 1000)
    gone = [weakref.ref(item) for item in dropped]
    dropped.clear()
    del item
    gc.collect()
    assert [ref for ref in gone if ref() is not None] == []
    assert sum(len(pop_due(deadlines, 1000 + turn)) for turn in range(50)) == 0
    assert len(pop_due(deadlines, 1050)) == 100


class Time(float):
    """A time that counts how often it is compared."""

    compared = 0

    def __neg__(self) -> Time:
        return Time(-float(self))

    def __lt__(self, other: float) -> bool:
        Time.compared += 1
        return float(self) < other

    def __eq__(self, other: object) -> bool:
        return float(self) == other

    __hash__ = float.__hash__


def test_a_second_is_put_in_order_once() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for number in range(1000):
        deadlines.add(number, Time(50 + number / 2000))
    assert pop_due(deadlines, 50.25) == list(range(501))
    Time.compared = 0
    for number in range(501, 601):
        assert pop_due(deadlines, 50 + number / 2000) == [number]
    # One by one they are found at the end of the list, without a look at the other 400.
    assert Time.compared < 1000


def test_a_second_that_is_empty_again_keeps_no_memory() -> None:
    deadlines: Deadlines[int] = Deadlines()
    for item in range(10_000):
        deadlines.add(item, 1000.0 + item % 2)
    for item in range(10_000):
        deadlines.discard(item, 1000.0 + item % 2)
    assert all(sys.getsizeof(bucket) < 100 for bucket in deadlines._buckets.values())


def test_seconds_that_are_empty_again_are_dropped() -> None:
    # Delays of an hour and more, of units that are then deleted: no two end in the same second.
    deadlines: Deadlines[int] = Deadlines()
    deadlines.add(-1, 5000)
    for turn in range(3):
        for item in range(1000):
            deadlines.add(item, 10_000.0 * turn + item)
        for item in range(1000):
            deadlines.discard(item, 10_000.0 * turn + item)
        assert len(deadlines._buckets) == len(deadlines._seconds) < 50
    assert pop_due(deadlines, 5000) == [-1]
    assert pop_due(deadlines, 50_000) == []
    assert (deadlines._buckets, deadlines._seconds) == ({}, [])


def test_a_second_that_was_empty_is_used_again() -> None:
    # 17 empty buckets are swept, with what has come into the others in the meantime kept.
    deadlines: Deadlines[int] = Deadlines()
    for turn in range(10):
        for item in range(30):
            deadlines.add(item, 100.0 + item)
        for item in range(0, 30, 1 + turn % 2):
            deadlines.discard(item, 100.0 + item)
        for item in range(0, 30, 1 + turn % 2):
            deadlines.add(item, 100.0 + item)
        for item in range(30):
            deadlines.discard(item, 100.0 + item)
    deadlines.add(3, 103.0)
    assert pop_due(deadlines, 102.9) == []
    assert pop_due(deadlines, 200) == [3]
