"""The clock that leases run by, and the wall clock that somebody sets."""

from __future__ import annotations

import time

import pytest

from goordinate.coordinate.clock import SteadyClock
from goordinate.coordinate.lifecycle import AVAILABLE, PENDING
from goordinate.memory import MemoryBackend
from goordinate.tests.conformance.steps import add, define, take

HOUR = 3600.0


class Machine:
    """The two clocks of a machine."""

    def __init__(self) -> None:
        self.monotonic = 5000.0
        self.wall = 1_700_000_000.0
        self.clock = SteadyClock(lambda: self.monotonic, lambda: self.wall)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.monotonic += seconds
        self.wall += seconds


def test_it_begins_with_the_unix_time_and_goes_on_with_the_monotonic_clock() -> None:
    machine = Machine()
    assert machine.clock() == 1_700_000_000.0
    machine.wall += HOUR
    machine.monotonic += 5
    assert machine.clock() == 1_700_000_005.0


@pytest.mark.parametrize("step", [HOUR, -HOUR, 0.25])
def test_moments_are_called_by_the_wall_clock_as_it_is_set(step: float) -> None:
    machine = Machine()
    moment = machine.clock() + 300
    assert machine.clock.unix(moment) == machine.wall + 300
    machine.wall += step
    assert machine.clock.unix(moment) == machine.wall + 300
    machine.advance(300)
    assert machine.clock.unix(moment) == machine.wall
    machine.wall -= step
    assert machine.clock.unix(moment) == machine.wall


def test_a_moment_keeps_its_name_to_the_last_digit() -> None:
    machine = Machine()
    moment = machine.clock()
    names = set()
    for jitter in (0.0, 1e-6, -1e-5, 0.01):
        machine.wall += jitter  # read a little later, or slewed
        machine.advance(1)
        names.add(machine.clock.unix(moment))
    assert len(names) == 1


def test_on_a_real_machine_it_tells_the_time() -> None:
    clock = SteadyClock()
    assert clock.unix(clock()) == pytest.approx(time.time(), abs=1)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_step_of_the_wall_clock_ends_no_lease_and_extends_none(step: float) -> None:
    machine = Machine()
    namespace = MemoryBackend(machine.clock).namespace("")
    spec = define(namespace, b"s")
    add(spec, b"k")
    (attempt,) = namespace.request_attempts(b"w", lease=60)
    started = machine.wall
    assert spec.work_unit(b"k").expiration == started + 60
    machine.wall += step
    unit = spec.work_unit(b"k")
    assert (unit.status, unit.expiration) == (PENDING, started + step + 60)
    assert (attempt.start_time, attempt.expiration_time) == (started + step, started + step + 60)
    machine.advance(59.5)
    assert spec.work_unit(b"k").status == PENDING
    machine.advance(0.5)
    assert spec.work_unit(b"k").status == AVAILABLE
    assert attempt.end_time == started + step + 60


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_nor_does_it_move_intervals_delays_and_lives(step: float) -> None:
    machine = Machine()
    namespace = MemoryBackend(machine.clock).namespace("")
    spec = define(namespace, b"s", continuous=True, interval=60)
    (made,) = namespace.request_attempts(b"w")
    assert made.work_unit.name == b"%.6f" % machine.wall
    made.finish()
    delayed = define(namespace, b"d")
    add(delayed, b"k", delay=60)
    namespace.heartbeat(b"w", mode=b"RUN", data=None, lifetime=60, parent=None)
    machine.wall += step
    machine.advance(59.5)
    assert namespace.request_attempts(b"w") == []
    worker = namespace.find_worker(b"w")
    assert worker is not None
    assert worker.expiration == machine.wall + 0.5
    assert delayed.work_unit(b"k").not_before == machine.wall + 0.5
    machine.advance(0.5)
    assert namespace.find_worker(b"w") is None
    assert [take(namespace).work_unit.work_spec.name for _ in range(2)] == [b"d", b"s"]
    (again,) = [unit for unit in spec.list_work_units() if unit.status == PENDING]
    assert again.name == b"%.6f" % machine.wall
