"""A run: Hypothesis tries inputs on a target until the time is over, or one shows a fault.

Whatever a target raises is a fault, and so is an input that takes too long. Hypothesis makes the
inputs, round by round, and shrinks one that shows a fault; the seed tells what it makes.
"""

from __future__ import annotations

import itertools
import signal
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

PATIENCE: Final = 60.0
"""Seconds that an input may take, whatever else the machine has to do."""


class Target(ABC):
    """What inputs are tried on. All methods raise AssertionError, or anything else, for a fault."""

    name: str
    #: How many inputs there are in a round.
    round: int
    inputs: SearchStrategy[Any]

    def __init__(self) -> None:
        #: What came of the inputs, in the words of the report.
        self.counts: Counter[str] = Counter()

    @abstractmethod
    def attempt(self, given: Any) -> None:
        """Try an input; what others did before may matter only within a round."""

    def settle(self) -> None:  # noqa: B027
        """See, at the end of a round, that what was tried has left nothing behind."""

    def close(self) -> None:  # noqa: B027
        """End whatever it runs."""


@dataclass(frozen=True)
class Found:
    """A fault."""

    fault: Exception
    #: The input that shows it; None: it was seen only after a round, whose number tells them.
    shown_by: Any
    round: int
    #: Whether the input showed it again.
    again: bool


def run(target: Target, seconds: float, number: int, *, shrink: bool = True) -> Found | None:
    """Try inputs, at least one, for so many seconds, or until there is a fault.

    In the main thread only, as that has the alarms.
    """
    signal.signal(signal.SIGALRM, _alarm)
    end = time.monotonic() + seconds
    try:
        for turn in itertools.count():
            found = _round(target, end, number, turn, shrink)
            if found or time.monotonic() > end:
                return found
    finally:
        target.close()
    raise AssertionError("not reached")


def _round(target: Target, end: float, number: int, turn: int, shrink: bool) -> Found | None:
    shown: list[tuple[Exception, Any]] = []
    counts: Counter[str] = Counter()
    tried = 0

    @seed(number << 32 | turn)
    @settings(
        max_examples=target.round,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(target.inputs)
    def attempt(data: Any) -> None:
        nonlocal tried
        tried += 1
        if tried > 1 and not shown and time.monotonic() > end:
            return
        try:
            with _limits():
                target.attempt(data)
        except Exception as fault:
            if not shown:
                counts.update(target.counts)
            shown.append((fault, data))
            raise

    try:
        attempt()
    except Exception as error:
        if not shown:
            raise
        # What was tried again does not count.
        target.counts.clear()
        target.counts.update(counts)
        return Found(*shown[-1], turn, not isinstance(error, Flaky))
    try:
        with _limits():
            target.settle()
    except Exception as fault:
        return Found(fault, None, turn, False)
    return None


class _Overdue(BaseException):
    """Raised by the alarm; what catches every Exception does not catch it."""


def _alarm(number: int, frame: FrameType | None) -> None:
    raise _Overdue


@contextmanager
def _limits() -> Iterator[None]:
    """What is done here is done in time."""
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    except _Overdue as overdue:
        raise TimeoutError(f"not done in {PATIENCE:g} s") from overdue
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
