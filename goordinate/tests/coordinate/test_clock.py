"""The clock that leases run by, and the wall clock that somebody sets."""

from __future__ import annotations

import time

import pytest

from goordinate.coordinate.clock import SteadyClock

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
