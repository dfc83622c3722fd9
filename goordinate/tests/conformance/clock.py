"""The clock of the tests: time passes when a test says so.

A backend waits by the moments of the clock and shows Unix times. The two are far apart here, so
that a backend that takes one for the other fails. Tests look at Unix times only: `UNIX_START` and
`Clock.now`.
"""

from __future__ import annotations

#: The moment at which every test begins (seconds).
START = 1_700_000_000.0

#: Seconds by which Unix time is ahead of the moments, until the wall clock is set.
OFFSET = 1_000_000.0

#: The Unix time at which every test begins.
UNIX_START = START + OFFSET


class Clock:
    """Called, it gives the moment in seconds; see `goordinate.coordinate.clock`."""

    def __init__(self) -> None:
        #: The moment.
        self.time = START
        #: Seconds that pass with every reading.
        self.step = 0.0
        self._offset = OFFSET

    def __call__(self) -> float:
        self.time += self.step
        return self.time

    def unix(self, moment: float) -> float:
        """The Unix time of a moment, by the wall clock as it is set now."""
        return moment + self._offset

    @property
    def now(self) -> float:
        """The Unix time; to look at it lets no time pass."""
        return self.unix(self.time)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds

    def set_wall_clock(self, seconds: float) -> None:
        """Somebody sets the wall clock forward, or back."""
        self._offset += seconds
