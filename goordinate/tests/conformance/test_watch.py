"""A watcher is told of each work spec that has come to offer units, whatever brings them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.api import AttemptCall, AttemptId, Backend, Namespace
from goordinate.coordinate.control import PAUSED, RUNNABLE
from goordinate.coordinate.lifecycle import EXPIRE_CALL, RETRY_CALL
from goordinate.coordinate.new_units import new_work_unit
from goordinate.coordinate.states import AVAILABLE, FAILED, FINISHED
from goordinate.tests.conformance.clock import Clock

Step = Callable[[Namespace, Clock], object]

EMPTY = dumps({})


def define(name: bytes, **keys: object) -> Step:
    given = {b"name": name, **{key.encode(): value for key, value in keys.items()}}
    return lambda queue, _: queue.set_work_spec(dumps(given))


def add(spec: bytes, key: bytes, data: bytes = EMPTY, *, delay: float = 0.0) -> Step:
    return lambda queue, _: queue.add_work_units(spec, [new_work_unit(key, data, delay=delay)])


def take(queue: Namespace, _: Clock) -> None:
    handout = queue.request_work(b"w", lease=10)
    assert handout is not None
    assert handout.units


def update(key: bytes, **keys: object) -> Step:
    return lambda queue, _: queue.update_work_unit(b"s", key, **keys)  # type: ignore[arg-type]


def control(**changes: object) -> Step:
    return lambda queue, _: queue.set_control(b"s", changes)


def call(name: str) -> Step:
    def step(queue: Namespace, _: Clock) -> None:
        assert queue.call_attempts([AttemptCall(AttemptId(b"s", b"u", 1), name)]) == [None]

    return step


def delete(key: bytes) -> Step:
    def step(queue: Namespace, _: Clock) -> None:
        assert queue.delete_work_units(b"s", names=[key]) == 1

    return step


def wait(queue: Namespace, clock: Clock) -> None:
    """Any call, after the 10 seconds for which everything here waits."""
    clock.advance(10)
    queue.now()


FULL = (define(b"s", max_running=1), add(b"s", b"u"), add(b"s", b"v"), take)
OUTPUT = dumps({b"output": {b"k": {}}})

#: What happens -> the steps before it, and the step by which a spec comes to offer units.
BRINGS: Mapping[str, tuple[tuple[Step, ...], Step]] = {
    "added": ((define(b"s"),), add(b"s", b"u")),
    "a delay is over": ((define(b"s"), add(b"s", b"u", delay=10)), wait),
    "a lease is over": ((define(b"s"), add(b"s", b"u"), take), wait),
    "given back": ((define(b"s"), add(b"s", b"u"), take), update(b"u", lease=-1.0)),
    "made available": ((define(b"s"), add(b"s", b"u"), take), update(b"u", status=AVAILABLE)),
    "failed, then retried": (
        (define(b"s"), add(b"s", b"u"), update(b"u", status=FAILED)),
        update(b"u", status=AVAILABLE),
    ),
    "retried by its worker": ((define(b"s"), add(b"s", b"u"), take), call(RETRY_CALL)),
    "given up by its worker": ((define(b"s"), add(b"s", b"u"), take), call(EXPIRE_CALL)),
    "cleared": (
        (define(b"s"), add(b"s", b"u"), update(b"u", status=FINISHED)),
        lambda queue, _: queue.clear_attempt(b"s", b"u"),
    ),
    "added again": ((define(b"s"), add(b"s", b"u"), update(b"u", status=FAILED)), add(b"s", b"u")),
    "resumed": ((define(b"s"), control(status=PAUSED), add(b"s", b"u")), control(status=RUNNABLE)),
    "enabled": ((define(b"s", disabled=True), add(b"s", b"u")), define(b"s")),
    "max_running raised": (FULL, control(max_running=2)),
    "max_running lifted": (FULL, define(b"s")),
    "finished under max_running": (FULL, update(b"u", status=FINISHED)),
    "failed under max_running": (FULL, update(b"u", status=FAILED)),
    "deleted under max_running": (FULL, delete(b"u")),
    "a continuous spec comes": ((), define(b"s", continuous=True)),
    "a spec becomes continuous": (
        (define(b"s", continuous=True), control(continuous=False)),
        control(continuous=True),
    ),
    "an interval is over": ((define(b"s", continuous=True, interval=10), take), wait),
    "an interval becomes shorter": (
        (define(b"s", continuous=True, interval=100), take),
        control(interval=0),
    ),
    "chained": (
        (define(b"before", then=b"s"), define(b"s"), add(b"before", b"u"), take),
        lambda queue, _: queue.update_work_unit(b"before", b"u", status=FINISHED, data=OUTPUT),
    ),
}


class Watched:
    """What the watcher was told."""

    def __init__(self) -> None:
        self.told: list[tuple[bytes, bytes, bool]] = []

    def __call__(self, spec: bytes, runtime: bytes, offers: bool) -> None:
        self.told.append((spec, runtime, offers))


@pytest.fixture
def queue(backend: Backend) -> Namespace:
    """An empty namespace."""
    return backend.namespace("")


@pytest.mark.parametrize("name", BRINGS)
def test_what_brings_units_is_told(queue: Namespace, clock: Clock, name: str) -> None:
    before, step = BRINGS[name]
    for each in before:
        each(queue, clock)
    assert queue.request_work(b"other") is None
    watched = Watched()
    queue.watch(watched)
    step(queue, clock)
    assert (b"s", b"", True) in watched.told
    # It is so.
    handout = queue.request_work(b"other")
    assert handout is not None
    assert handout.work_spec == b"s"


@pytest.mark.parametrize("name", [name for name, (_, step) in BRINGS.items() if step is wait])
def test_when_time_brings_units_is_known_before(queue: Namespace, clock: Clock, name: str) -> None:
    before, _ = BRINGS[name]
    for each in before:
        each(queue, clock)
    watched = Watched()
    queue.watch(watched)
    # It may be told too early, but not for ever, and never too late.
    for _ in range(4):
        seconds = queue.next_change()
        assert seconds <= 10
        clock.advance(max(0.0, seconds))
        queue.now()
        if watched.told:
            break
    assert watched.told[-1] == (b"s", b"", True)


def test_without_anything_that_ends_time_brings_nothing(queue: Namespace, clock: Clock) -> None:
    define(b"s")(queue, clock)
    add(b"s", b"u")(queue, clock)
    assert queue.next_change() == math.inf


def test_the_runtime_is_told(queue: Namespace, clock: Clock) -> None:
    define(b"s", runtime="python3")(queue, clock)
    watched = Watched()
    queue.watch(watched)
    add(b"s", b"u")(queue, clock)
    assert watched.told == [(b"s", b"python3", True)]


def test_the_last_unit_taken_is_told(queue: Namespace, clock: Clock) -> None:
    for step in (define(b"s"), add(b"s", b"u"), add(b"s", b"v")):
        step(queue, clock)
    watched = Watched()
    queue.watch(watched)
    take(queue, clock)
    assert watched.told[-1] == (b"s", b"", True)
    take(queue, clock)
    assert watched.told[-1] == (b"s", b"", False)


def test_nobody_is_told_when_nobody_watches(queue: Namespace, clock: Clock) -> None:
    watched = Watched()
    queue.watch(watched)
    define(b"s")(queue, clock)
    queue.watch(None)
    told = len(watched.told)
    add(b"s", b"u")(queue, clock)
    assert len(watched.told) == told
