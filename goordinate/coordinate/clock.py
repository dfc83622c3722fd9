"""The time by which leases, delays and intervals run, and the time that people see.

Rule: what waits for a time waits on a clock that goes on evenly. The wall clock, which somebody
may set, only tells what the moments of that clock are called.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

#: Seconds by which two readings of clocks, one after the other, may seem to be apart.
TOLERANCE = 0.05


class Clock(Protocol):
    """What a backend asks for the time."""

    def __call__(self) -> float:
        """Now: seconds on a time line that never jumps."""

    def unix(self, moment: float) -> float:
        """The Unix time of a moment on that line."""


class SteadyClock:
    """A `Clock` that runs with the monotonic clock of the system, from the Unix time at its making.

    When the wall clock is set, moments past and to come are called by the new time.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._start = wall() - monotonic()
        #: How far the wall clock has been set since.
        self._shift = 0.0

    def __call__(self) -> float:
        return self._monotonic() + self._start

    def unix(self, moment: float) -> float:
        """The Unix time of a moment, by the wall clock as it is set now."""
        shift = self._wall() - self()
        # Kept unless it was really set: the same moment is the same time, to the last digit.
        if abs(shift - self._shift) > TOLERANCE:
            self._shift = shift
        return moment + self._shift
