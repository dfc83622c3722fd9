"""What the client raises besides the errors of the connection and of the server (`cborrpc`)."""

from __future__ import annotations

import math


class CoordinateException(Exception):
    """The base of all of them."""


class ProgrammerError(CoordinateException):
    """The caller, or the author of a work spec, has made a mistake."""


class LostLease(CoordinateException):
    """A work unit is no longer held by the worker that works on it."""


class NoSuchWorkUnitError(CoordinateException):
    """There is no work unit with this key."""


class NoSuchWorkSpecError(CoordinateException):
    """There is no work spec with this name."""


class TimeLimitExceeded(CoordinateException):
    """A run function has taken more time than it may."""


def checked_delay(delay: float) -> float:
    """A delay in seconds. Raises ValueError if it is below 0, or no number."""
    if not 0 <= delay < math.inf:
        raise ValueError(f"a delay is a number of seconds, 0 or more, not {delay!r}")
    return delay


class Retry(CoordinateException):
    """Raised by a run function: the unit is available again, after `delay` seconds.

    Raises ValueError for a delay that is none.
    """

    def __init__(self, message: object = "", *, delay: float = 0.0) -> None:
        super().__init__(message)
        self.delay = checked_delay(delay)
