"""What a choice costs, by counting: offers asked for, instructions taken, memory kept."""

from __future__ import annotations

import gc
import random
import sys
import tracemalloc
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from goordinate.coordinate.scheduler import Scheduler
from goordinate.tests.coordinate.stub_spec import StubSpec, specs_of, units


def many(count: int) -> list[StubSpec]:
    """Specs of all kinds, all with units."""
    specs = specs_of("a>a=0 b*=0 c*=0")
    for number in range(count):
        then = b"%03d" % (number + 1) if number % 3 else None
        runtime = b"go" if number % 7 == 1 else b""
        specs.append(StubSpec(b"%03d" % number, then=then, runtime=runtime, offered=units()))
    return specs


ASKS: list[tuple[list[bytes] | None, list[bytes] | None]] = [
    (None, None),
    (None, [b""]),
    ([b"001", b"002", b"a"], None),
]


@pytest.mark.parametrize(("names", "runtimes"), ASKS)
def test_a_choice_asks_only_specs_that_were_touched(
    names: list[bytes] | None, runtimes: list[bytes] | None
) -> None:
    rng = random.Random(5)
    specs = many(500)
    scheduler = Scheduler()
    scheduler.plan(specs)
    scheduler.choose(names, runtimes)
    asked = sum(spec.asked for spec in specs)
    for choices in range(1, 1000):
        spec = rng.choice(specs)
        spec.offered = units(rng.randrange(100))
        scheduler.touch(spec)
        scheduler.touch(spec)
        scheduler.choose(names, runtimes)
        assert sum(spec.asked for spec in specs) <= asked + choices


@pytest.mark.parametrize(("names", "runtimes"), ASKS)
def test_a_choice_takes_no_more_steps_among_more_specs(
    names: list[bytes] | None, runtimes: list[bytes] | None
) -> None:
    def steps(count: int) -> int:
        """Python instructions of 2,000 choices among `count` specs."""
        rng = random.Random(5)
        specs = many(count)
        scheduler = Scheduler(rng)
        scheduler.plan(specs)
        scheduler.choose(names, runtimes)
        taken = 0

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal taken
            frame.f_trace_opcodes = True
            taken += event == "opcode"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            for n in range(2_000):
                spec = specs[n * 31 % len(specs)]
                spec.offered = units(n % 13)
                scheduler.touch(spec)
                scheduler.choose(names, runtimes)
        finally:
            sys.settrace(before)
        return taken

    assert steps(500) < 1.5 * steps(10)


#: (number of filters, the filter of this number)
TURNS: dict[str, tuple[int, Callable[[int], tuple[list[bytes] | None, list[bytes] | None]]]] = {
    "each its runtime": (12, lambda n: (None, [b"r%d" % n])),
    "some runtimes": (12, lambda n: (None, [b"r%d" % n, b"r%d" % (n + 1), b"none"])),
    "more runtimes than are combined": (12, lambda n: (None, [b"r%d" % m for m in range(n)])),
    "names": (50, lambda n: ([b"%03d" % m for m in range(n, n + 5)], None)),
    "names and a runtime": (50, lambda n: ([b"%03d" % m for m in range(n, n + 30)], [b"r1"])),
}


@pytest.mark.parametrize("turn", TURNS)
def test_workers_that_take_turns_ask_no_spec_again(turn: str) -> None:
    count, filter_of = TURNS[turn]
    specs = [
        StubSpec(b"%03d" % n, runtime=b"r%d" % (n % 12), offered=units(n % 5)) for n in range(500)
    ]
    scheduler = Scheduler()
    scheduler.plan(specs)
    for number in range(count):
        scheduler.choose(*filter_of(number))
    asked = sum(spec.asked for spec in specs)
    for _ in range(3):
        for number in range(count):
            scheduler.choose(*filter_of(number))
    assert sum(spec.asked for spec in specs) == asked


def test_a_change_asks_only_the_spec_that_changed() -> None:
    specs = many(500)
    scheduler = Scheduler()
    scheduler.plan(specs)
    scheduler.choose()
    asked = sum(spec.asked for spec in specs)
    for number, spec in enumerate(specs):
        spec.weight, spec.priority = 1 + number % 7, number % 3
        spec.then_preempts = not spec.then_preempts
        scheduler.change(spec)
        scheduler.choose()
    # Itself, and the spec after it in its path, which is displaced or not now.
    assert sum(spec.asked for spec in specs) <= asked + 2 * len(specs)


def test_a_plan_that_is_dropped_leaves_nothing_to_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        specs = many(50)
        gone = [weakref.ref(spec) for spec in specs]
        scheduler = Scheduler()
        scheduler.plan(specs)
        for names, runtimes in ASKS:
            scheduler.choose(names, runtimes)
        scheduler.plan([])
        scheduler.choose()
        specs.clear()
        assert [ref for ref in gone if ref() is not None] == []
    finally:
        gc.enable()


def test_a_choice_by_name_asks_only_the_named() -> None:
    specs = many(500)
    scheduler = Scheduler()
    scheduler.plan(specs)
    scheduler.choose([b"007", b"008"])
    assert [spec.identity for spec in specs if spec.asked] == [b"007", b"008"]


def test_plans_in_a_row_read_no_spec() -> None:
    class Unread(StubSpec):
        def __getattribute__(self, attribute: str) -> object:
            raise AssertionError(attribute)

    scheduler = Scheduler()
    for _ in range(3):
        scheduler.plan([Unread(b"a")])


def test_what_has_changed_does_not_pile_up() -> None:
    # The first leads all the time; the entries of the others never come to the top.
    specs = specs_of("a=0@9 b>c=1@9 c=0 d*=0 e f g h i j k l m n o p")
    scheduler = Scheduler()
    scheduler.plan(specs)
    assert scheduler.choose() is specs[0]
    gc.disable()  # nothing may be left to it
    tracemalloc.start()
    try:
        for n in range(10_000):
            for spec in specs[2:4]:
                spec.offered = units(head=n % 7, pending=n % 5)
                scheduler.touch(spec)
            assert scheduler.choose() is specs[0]
        for n in range(1_000):
            scheduler.choose(
                [b"a", *(spec.identity for bit, spec in enumerate(specs) if n >> bit & 1)]
            )
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert grown < 100_000
