"""What the client raises besides the errors of the connection and of the server (`cborrpc`)."""

from __future__ import annotations


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


class Retry(CoordinateException):
    """Raised by a run function: the unit is available again, after `delay` seconds."""

    def __init__(self, message: object = "", *, delay: float = 0.0) -> None:
        super().__init__(message)
        self.delay = delay
