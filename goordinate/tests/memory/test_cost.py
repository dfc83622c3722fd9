"""What a call costs with 20,000 units: no more than a small multiple of what it returns.

Cost is counted, not timed: the steps of the Python interpreter (opcodes) while the call runs.
So that loops in C count too, the units are kept in a dictionary, and their keys are strings,
that take steps of their own when they are walked over, compared or hashed.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any
from unittest.mock import patch

import pytest
from sortedcontainers import SortedList

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.handles import Queue
from goordinate.coordinate.new_units import new_work_unit
from goordinate.coordinate.states import AVAILABLE, DELAYED, FAILED, FINISHED, PENDING
from goordinate.memory import MemoryBackend
from goordinate.tests.conformance.clock import Clock

UNITS = 20_000

#: Opcodes that a call may take for each unit that it returns or changes, and one unit more.
#: To visit every unit takes at least one opcode each, and mostly ten or more.
ALLOWED = 2_000

#: How often a call is made: what one of them puts in order for the next counts as part of it.
CALLS = 20


class Key(bytes):
    """A name that takes steps to compare and to hash."""

    def __lt__(self, other: bytes) -> bool:
        return bytes.__lt__(self, other)

    def __eq__(self, other: object) -> bool:
        return bytes.__eq__(self, other)

    def __hash__(self) -> int:
        return bytes.__hash__(self)


class Walked(dict[Any, Any]):
    """A dictionary that takes steps to walk over."""

    def __iter__(self) -> Iterator[Any]:
        for key in super().__iter__():  # noqa: UP028
            yield key

    def keys(self) -> Any:
        return iter(self)

    def values(self) -> Any:
        return (self[key] for key in self)

    def items(self) -> Any:
        return ((key, self[key]) for key in self)


def walk(sorted_list: Any) -> Iterator[Any]:
    """As `SortedList.__iter__`, with steps."""
    for part in sorted_list._lists:
        for item in part:  # noqa: UP028
            yield item


def steps(call: Callable[[], object]) -> int:
    """How many opcodes a call takes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    with patch.object(SortedList, "__iter__", walk):
        sys.settrace(trace)
        try:
            call()
        finally:
            sys.settrace(before)
    return count


class World:
    """A spec with units in every state, with and without priorities, and workers."""

    def __init__(self) -> None:
        self.clock = Clock()
        inside = MemoryBackend(self.clock).namespace("")
        self.namespace = Queue(inside)
        self.namespace.set_work_spec(dumps({b"name": b"next"}))
        self.spec = spec = self.namespace.set_work_spec(dumps({b"name": b"spec", b"then": b"next"}))
        self._numbers = itertools.count()
        data = dumps({})
        spec.add_work_units(
            new_work_unit(
                Key(b"%06d" % number),
                data,
                (None, None, 5, -1)[number % 4],
                (0.0, 0.0, 0.0, 10**6)[number // 4 % 4],
            )
            for number in range(UNITS)
        )
        self.attempts = []
        for number in range(500):
            worker = b"worker %d" % (number % 50)
            if number < 50:
                self.beat(worker)
            self.clock.advance(0.01)
            self.attempts += self.namespace.request_attempts(worker, count=10, lease=10**5)
        for number, attempt in enumerate(self.attempts[:2500]):
            (attempt.finish if number % 5 else attempt.fail)()
        self.attempts = self.attempts[2500:]
        spec.archive(10**6, None)
        #: The units as they are kept.
        self.units = inside._specs[b"spec"].units
        self.units.stored = Walked(self.units.stored)
        # All that may wait to be put in order is put in order.
        spec.list_work_units()

    def beat(self, worker: bytes) -> None:
        """A heartbeat."""
        self.namespace.heartbeat(worker, mode=b"", data=None, lifetime=10**6, parent=b"parent")

    def attempt(self) -> Any:
        """A pending attempt."""
        return self.attempts.pop()

    def name(self) -> bytes:
        """The name of an available unit, another one each time."""
        return Key(b"%06d" % (UNITS - 1 - 16 * next(self._numbers)))

    def new(self) -> bytes:
        """A name that there is not yet, in the middle of those there are."""
        return Key(b"%06d-%d" % (UNITS // 2, next(self._numbers)))

    def add(self, name: bytes, **options: Any) -> None:
        """Add one unit."""
        self.spec.add_work_units([new_work_unit(name, dumps(1))], **options)

    def look(self, names: list[bytes]) -> list[object]:
        """All that a status shows of units."""
        units = [unit for unit in self.spec.get_work_units(names) if unit is not None]
        return [(unit.status, unit.data, unit.expiration, unit.worker_name) for unit in units]

    def held(self) -> object:
        """What all children of a worker hold."""
        return [child.active_attempts() for child in self.namespace.children(b"parent")]

    def let_one_lease_end(self) -> object:
        """Wait for the end of one lease, and count."""
        self.attempt().renew(0.5)
        self.clock.advance(0.5)
        return self.spec.count_work_units()

    def archive_one(self) -> int:
        """Finish one more unit than is kept."""
        kept = self.spec.count_work_units()[FINISHED]
        self.attempt().finish()
        return self.spec.archive(kept, None)


@pytest.fixture(scope="module")
def world() -> World:
    """One for all tests: each changes a few units of many."""
    return World()


#: What is called, and how many units it returns or changes.
ONE_BY_ONE: dict[str, tuple[Callable[[World], object], int]] = {
    "request one": (lambda w: w.namespace.request_attempts(b"worker"), 1),
    "request ten": (lambda w: w.namespace.request_attempts(b"worker", count=10), 10),
    "request of named specs": (
        lambda w: w.namespace.request_attempts(b"worker", work_specs=[b"spec"], runtimes=[b""]),
        1,
    ),
    "request and lapse": (lambda w: w.let_one_lease_end(), 1),
    "renew": (lambda w: w.attempt().renew(60), 1),
    "finish": (lambda w: w.attempt().finish(), 1),
    "finish and chain": (
        lambda w: w.attempt().finish(dumps({b"output": [w.new(), w.new()]})),
        3,
    ),
    "fail": (lambda w: w.attempt().fail(dumps({})), 1),
    "expire": (lambda w: w.attempt().expire(), 1),
    "retry": (lambda w: w.attempt().retry(), 1),
    "retry later": (lambda w: w.attempt().retry(delay=10), 1),
    "clear": (lambda w: w.attempt().work_unit.clear_active_attempt(), 1),
    "update to finished": (lambda w: w.spec.update_work_unit(w.name(), status=FINISHED), 1),
    "update to pending": (
        lambda w: w.spec.update_work_unit(w.name(), status=PENDING, lease=9),
        1,
    ),
    "update data": (lambda w: w.spec.update_work_unit(w.name(), data=dumps(1)), 1),
    "add a new one": (lambda w: w.add(w.new()), 1),
    "add one again": (lambda w: w.add(w.name()), 1),
    "restart one": (lambda w: w.add(w.attempt().id.work_unit, restart=True), 1),
    "prioritize one": (lambda w: w.spec.set_priorities([w.name()], 7), 1),
    "adjust one": (lambda w: w.spec.set_priorities([w.name()], 0.5, add=True), 1),
    "delete one": (lambda w: w.spec.delete_work_units(names=[w.name()]), 1),
    "delete one in a state": (
        lambda w: w.spec.delete_work_units(names=[w.name()], statuses=[AVAILABLE]),
        1,
    ),
    "archive one": (lambda w: w.archive_one(), 1),
    "count": (lambda w: w.spec.count_work_units(), 1),
    "summarize": (lambda w: w.namespace.summarize(), 1),
    "status of ten": (lambda w: w.look([w.name() for _ in range(10)]), 10),
    "history of one": (lambda w: w.attempts[-1].work_unit.attempts, 1),
    "heartbeat": (lambda w: w.beat(b"worker 7"), 1),
    "what a worker holds": (
        lambda w: w.namespace.worker(b"worker 7").active_attempts(),
        50,
    ),
    "what a worker did": (lambda w: w.namespace.worker(b"worker 7").all_attempts(), 150),
    "what fifty workers hold": (lambda w: w.held(), 2500),
}

#: A page of ten units, from the beginning and from the middle of them.
PAGES: dict[str, dict[str, Any]] = {
    "all": {},
    "available": {"statuses": [AVAILABLE]},
    "pending": {"statuses": [PENDING]},
    "done": {"statuses": [FINISHED, FAILED]},
    "available and delayed": {"statuses": [AVAILABLE, DELAYED]},
    "by priority": {"by_priority": True},
    "available by priority": {"by_priority": True, "statuses": [AVAILABLE, DELAYED]},
}


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_a_call_in_a_loop(world: World, name: str) -> None:
    call, units = ONE_BY_ONE[name]
    assert sum(steps(lambda: call(world)) for _ in range(CALLS)) < CALLS * ALLOWED * (units + 1)


@pytest.mark.parametrize("query", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("edge", ["start", "previous"])
@pytest.mark.parametrize("at", [b"", b"010000"])
def test_a_page(world: World, query: dict[str, Any], edge: str, at: bytes) -> None:
    query = {**query, edge: Key(at)}
    count = 0
    for _ in range(CALLS):
        count += steps(lambda: world.spec.list_work_units(limit=10, **query))
    assert count < CALLS * ALLOWED * 11


#: Ways to visit every unit, all of which must cost too much, or these tests can't fail.
SCANS: dict[str, Callable[[World], object]] = {
    "a loop": lambda w: [key for key in w.units.stored],  # noqa: C416
    "a loop in C": lambda w: list(w.units.stored),
    "values in C": lambda w: max(map(len, w.units.stored.values())),
    "a copy of the keys": lambda w: set(w.spec.list_work_units()),
    "a sort": lambda w: sorted(w.units.stored),
    "a queue": lambda w: list(w.units.queues.by_key([AVAILABLE], b"")),
    "a queue in C": lambda w: list(w.units.queues.main[AVAILABLE].plain._sorted),
    "all units listed": lambda w: w.spec.list_work_units(),
}


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_would_be_seen(world: World, name: str) -> None:
    assert steps(lambda: SCANS[name](world)) > 11 * ALLOWED
