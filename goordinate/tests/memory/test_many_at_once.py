"""What happens to a hundred thousand units at once costs no more than what happens to one.

Cost is counted, not timed: the functions that are called, in Python and in C, and the names of
units that are freed, while one operation runs. What works on every unit, or frees it, calls or
frees something for each of them.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.handles import Queue
from goordinate.coordinate.new_units import new_work_unit
from goordinate.coordinate.states import AVAILABLE, DELAYED, FAILED, FINISHED, PENDING
from goordinate.memory import MemoryBackend
from goordinate.tests.conformance.clock import Clock

UNITS = 100_000

#: Units that are added or leased in one call.
BATCH = 1000

#: What one operation may cost.
ALLOWED = UNITS // 5

#: How many operations are made then; what the first leaves for later falls to them.
OPERATIONS = 40


class Key(bytes):
    """A name that is counted when it is freed."""

    freed = 0

    def __del__(self) -> None:
        Key.freed += 1


def cost(call: Callable[[], object]) -> int:
    """How many functions a call calls, and how many names it frees."""
    count, before = 0, Key.freed

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return count + Key.freed - before


class World:
    """A spec with many units of one kind, and a small one."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.backend = MemoryBackend(self.clock)
        self.inside = self.backend.namespace("")
        self.queue = Queue(self.inside)
        self.many = self.queue.set_work_spec(dumps({b"name": b"many"}))
        self.few = self.queue.set_work_spec(dumps({b"name": b"few"}))
        for name in (b"a", b"b"):
            self.few.add_work_units([new_work_unit(name, dumps({}))])

    def beat(self) -> None:
        """The workers live."""
        for number in range(10):
            worker = b"worker %d" % number
            self.queue.heartbeat(worker, mode=b"", data=None, lifetime=10**6, parent=b"parent")

    def add(self, *, delay: float = 0.0) -> None:
        """Add the units."""
        for start in range(0, UNITS, BATCH):
            self.many.add_work_units(
                new_work_unit(Key(b"%06d" % number), dumps({}), (None, 5)[number % 50 == 0], delay)
                for number in range(start, start + BATCH)
            )

    def lease(self, *, apart: float = 0.0) -> None:
        """Lease all units for 100 seconds, the batches so many seconds apart."""
        for number in range(UNITS // BATCH):
            worker = b"worker %d" % (number % 10)
            self.queue.request_attempts(worker, count=BATCH, lease=100, work_specs=[b"many"])
            self.clock.advance(apart)

    def finish(self, status: int) -> None:
        """Let all units end."""
        for number in range(UNITS):
            self.many.update_work_unit(b"%06d" % number, status=status)


def waiting(world: World) -> None:
    """Units that wait."""
    world.add()


def delayed(world: World) -> None:
    """Units that are delayed."""
    world.add(delay=100)


def held(world: World) -> None:
    """Units that live workers hold."""
    world.beat()
    world.add()
    world.lease()


def held_for_some_seconds(world: World) -> None:
    """Units that workers hold which nobody has heard of."""
    world.add()
    world.lease(apart=0.03)


def finished(world: World) -> None:
    """Units that are done."""
    world.add()
    world.finish(FINISHED)


def lapsed(world: World) -> None:
    """Units whose leases are over, of workers that live."""
    held(world)
    world.clock.advance(100)
    while world.backend.tidy():
        pass


def pass_time(world: World) -> None:
    """Let what was leased or delayed be over, and look."""
    world.clock.advance(100)
    counts = world.many.count_work_units()
    assert counts == {AVAILABLE: UNITS}


def delete(*states: int) -> Callable[[World], None]:
    """What deletes units by state."""

    def call(world: World) -> None:
        assert world.many.delete_work_units(statuses=states) == UNITS
        assert world.many.count_work_units() == {}

    return call


def delete_all(world: World) -> None:
    assert world.many.delete_work_units() == UNITS
    assert world.many.count_work_units() == {}


def delete_spec(world: World) -> None:
    world.queue.destroy_work_spec(b"many")
    world.queue.set_work_spec(dumps({b"name": b"many"}))


def clear(world: World) -> None:
    assert world.inside.clear() == 2
    world.many = world.queue.set_work_spec(dumps({b"name": b"many"}))
    world.few = world.queue.set_work_spec(dumps({b"name": b"few"}))


def destroy(world: World) -> None:
    world.inside.destroy()
    world.inside = world.backend.namespace("")
    world.queue = Queue(world.inside)
    specs = [world.queue.set_work_spec(dumps({b"name": name})) for name in (b"many", b"few")]
    world.many, world.few = specs


def archive(world: World) -> None:
    assert world.inside.archive(None, 0, None, limit=100) == 100


def workers_go(world: World) -> None:
    for number in range(10):
        assert world.inside.deactivate_worker(b"worker %d" % number)


#: What is there, and what happens to it.
CASES: dict[str, tuple[Callable[[World], None], Callable[[World], None]]] = {
    "leases end together": (held, pass_time),
    "leases end in some seconds": (held_for_some_seconds, pass_time),
    "delays end together": (delayed, pass_time),
    "what waits is deleted": (waiting, delete(AVAILABLE)),
    "what is delayed is deleted": (delayed, delete(DELAYED)),
    "what is held is deleted": (held, delete(PENDING)),
    "what is done is deleted": (finished, delete(FINISHED, FAILED)),
    "all is deleted": (held, delete_all),
    "all that lapsed is deleted": (lapsed, delete_all),
    "the spec is deleted": (finished, delete_spec),
    "the queue is cleared": (waiting, clear),
    "the namespace is destroyed": (held, destroy),
    "the first are archived": (finished, archive),
    "the workers go": (lapsed, workers_go),
}


def operations(world: World) -> Iterator[Callable[[], object]]:
    """What others call then."""
    many, few = world.many, world.few
    for number in range(OPERATIONS // 8):
        name = b"%06d" % (number * 7919 % UNITS)
        yield many.count_work_units
        yield lambda: world.queue.request_attempts(b"v", count=1, work_specs=[b"many"])
        yield lambda: many.list_work_units(statuses=[PENDING], limit=10)
        yield lambda: many.list_work_units(statuses=[AVAILABLE, DELAYED], limit=10)
        yield lambda: many.list_work_units(limit=10, by_priority=True)
        yield lambda name=name: many.add_work_units([new_work_unit(name, dumps(1))])  # type: ignore[misc]
        yield lambda name=name: many.delete_work_units(names=[name])  # type: ignore[misc]
        yield few.list_work_units


@pytest.mark.parametrize("case", CASES)
def test_nothing_costs_much(case: str) -> None:
    fill, happen = CASES[case]
    world = World()
    fill(world)
    while world.backend.tidy():
        pass
    costs = [cost(lambda: happen(world))]
    costs += [cost(operation) for operation in operations(world)]
    while world.backend.tidy():
        costs.append(cost(world.backend.tidy))
    assert max(costs) < ALLOWED


def test_memory_is_as_after_the_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "UNITS", 5000)
    world = World()
    grown = []
    for turn in range(10):
        for fill, happen in ((held, pass_time), (waiting, delete(AVAILABLE)), (held, delete_all)):
            fill(world)
            happen(world)
            world.many.delete_work_units()
        world.clock.advance(1000)
        world.queue.workers()
        while world.backend.tidy():
            pass
        gc.collect()
        if turn == 0:
            tracemalloc.start()
        else:
            grown.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert grown[-1] - grown[0] < 50_000
