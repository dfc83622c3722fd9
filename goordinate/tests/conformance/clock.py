"""The clock of the tests: time passes when a test says so."""

from __future__ import annotations

#: The Unix time at which every test begins.
START = 1_700_000_000.0


class Clock:
    """Called, it gives the Unix time in seconds."""

    def __init__(self) -> None:
        self.time = START
        #: Seconds that pass with every reading.
        self.step = 0.0

    def __call__(self) -> float:
        self.time += self.step
        return self.time

    def unix(self, moment: float) -> float:
        """The same: this clock tells Unix time itself."""
        return moment

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds
