"""The alarm of a child: what interrupts a run function.

One timer of the process, set to the earliest of: the time limit of the unit, the moment when the
results of units before it have waited long enough, and the end of its lease, when an orphan stops.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from goordinate.client import TimeLimitExceeded

GRACE: Final = 10.0
"""Seconds after the time limit at which the supervisor kills a child that goes on."""

_SHORTEST: Final = 0.001


class Alarm:
    """Interrupts the function that runs. Only the main thread may use it.

    also: called each time with the time; it does what else is due, and returns when it wants to be
    called again.
    """

    def __init__(self, also: Callable[[float], float]) -> None:
        self._also = also
        self._error: Exception = TimeLimitExceeded()
        self._end: float | None = None
        signal.signal(signal.SIGALRM, self._ring)

    def start(self, limit: float) -> float:
        """The function may run for so many seconds from now. Returns when they end."""
        return self._start(limit, TimeLimitExceeded(f"the time limit of {limit:g} s is over"))

    def give_up(self, seconds: float, error: Exception) -> None:
        """Raise this in so many seconds, unless it is stopped before."""
        self._start(seconds, error)

    def _start(self, seconds: float, error: Exception) -> float:
        now = time.monotonic()
        self._error = error
        self._end = now + seconds
        self._set(now)
        return self._end

    def stop(self) -> None:
        """The function has ended."""
        self._end = None
        signal.setitimer(signal.ITIMER_REAL, 0)

    def again(self) -> None:
        """What else is due has changed."""
        self._set(time.monotonic())

    def _set(self, now: float) -> None:
        if self._end is not None:
            due = min(self._end, self._also(now))
            signal.setitimer(signal.ITIMER_REAL, max(_SHORTEST, due - now))

    def _ring(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._end is not None and now >= self._end:
            self._end = None
            raise self._error
        self._set(now)
