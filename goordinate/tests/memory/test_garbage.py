"""What a unit costs in memory, and that the garbage collector has nothing to do with it."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.new_units import NewWorkUnit, new_work_unit
from goordinate.coordinate.states import FAILED, FINISHED, PENDING
from goordinate.memory import MemoryBackend
from goordinate.memory.work_spec import MemoryWorkSpec
from goordinate.tests.conformance.clock import Clock

UNITS = 50_000

#: Data as it is in the field: a small map.
DATA = dumps({b"path": b"/data/archive/part-0000.gz", b"size": 1_000_000})


def new_units(
    count: int, priority: float | None = None, delay: float = 0.0
) -> Iterator[NewWorkUnit]:
    """So many units."""
    return (new_work_unit(b"unit-%08d" % n, DATA, priority, delay) for n in range(count))


class Queue:
    """A spec, and ways to fill it with units of one kind."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.namespace = MemoryBackend(self.clock).namespace("")
        spec = self.namespace.set_work_spec(dumps({b"name": b"spec"}))
        assert isinstance(spec, MemoryWorkSpec)
        self.spec = spec

    def waiting(self, count: int) -> None:
        """Units that wait."""
        self.spec.add_work_units(new_units(count))

    def prioritized(self, count: int) -> None:
        """Units that wait, of a priority of their own."""
        self.spec.add_work_units(new_units(count, priority=2.5))

    def done(self, count: int, status: int = FINISHED) -> None:
        """Units that a worker has finished."""
        self.waiting(count)
        for n in range(count):
            self.clock.advance(0.001)
            self.namespace.request_attempts(b"worker %d" % (n % 10), count=1)
            self.spec.update_work_unit(b"unit-%08d" % n, status=status)

    def tried(self, count: int) -> None:
        """Units that have been tried by hand and by workers, and failed."""
        self.waiting(count)
        for turn in range(3):
            self.namespace.request_attempts(b"worker %d" % turn, count=count, lease=5)
            self.clock.advance(5)
        for n in range(count):
            name = b"unit-%08d" % n
            self.spec.update_work_unit(name, status=PENDING, data=DATA)
            self.spec.update_work_unit(name, status=FAILED)


def collect() -> None:
    """A tuple is let go of by a collection when its contents have been: some turns are needed."""
    for _ in range(4):
        gc.collect()


@pytest.mark.parametrize("fill", [Queue.waiting, Queue.prioritized, Queue.done, Queue.tried])
def test_units_are_not_tracked(fill: Callable[[Queue, int], None]) -> None:
    queue = Queue()
    fill(queue, 1000)
    collect()
    tracked = [stored for stored in queue.spec.units.values() if gc.is_tracked(stored)]
    assert tracked == []
    assert not any(gc.is_tracked(key) for key in queue.spec.units)


@pytest.mark.parametrize("fill", [Queue.waiting, Queue.done])
def test_more_units_are_no_more_work_for_the_collector(fill: Callable[[Queue, int], None]) -> None:
    queue = Queue()
    fill(queue, 10)
    collect()
    before = len(gc.get_objects())
    fill(queue, 5000)
    collect()
    # Keys in queues and the history of workers are not tracked either. A sorted list is made of
    # lists of about 1,000, which are.
    assert len(gc.get_objects()) - before < 100


@pytest.mark.parametrize(
    ("fill", "allowed"),
    # Key and item take 50 and 130 bytes, their places in a dictionary and a sorted list 100.
    [(Queue.waiting, 400), (Queue.prioritized, 700)],
)
def test_memory_of_a_unit(fill: Callable[[Queue, int], None], allowed: int) -> None:
    queue = Queue()
    fill(queue, 10)
    collect()
    tracemalloc.start()
    try:
        fill(queue, UNITS)
        queue.spec.list_work_units(limit=1)
        collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown / UNITS < allowed


def test_what_is_gone_leaves_nothing_behind() -> None:
    queue = Queue()

    def come_and_go() -> None:
        queue.done(1000)
        queue.spec.archive(0, None)
        queue.waiting(1000)
        queue.namespace.request_attempts(b"worker", count=500, lease=10**6)
        queue.spec.delete_work_units()
        queue.clock.advance(1000)
        queue.namespace.workers()

    come_and_go()
    collect()
    tracemalloc.start()
    try:
        come_and_go()
        collect()
        grown, _ = tracemalloc.get_traced_memory()
        # What workers did is remembered up to a limit, so here it takes the place of the old.
        come_and_go()
        collect()
        again, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert again - grown < 20_000
