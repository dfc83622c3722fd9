"""A run: inputs are tried on a target until the time is over, or one shows a fault.

Rule: whatever a target raises is a fault, and so is an input that takes too long. A fault is shown
again with fewer and shorter inputs, by leaving out what it does not need.
"""

from __future__ import annotations

import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final, Protocol, TypeVar

PATIENCE: Final = 60.0
"""Seconds that an input may take, whatever else the machine has to do."""

SHRINKING: Final = 60.0
"""Seconds for making the inputs that show a fault smaller."""

T = TypeVar("T", bytes, list[bytes])


class Fault(Exception):
    """The invariant is broken: in which way, and how that was seen."""

    def __init__(self, what: str, seen: object = "") -> None:
        super().__init__(f"{what}: {seen}" if seen != "" else what)
        #: The same for all inputs that show this fault.
        self.what = what
        self.seen = seen


def ensure(holds: bool, what: str, seen: object = "") -> None:
    """Raise Fault if something does not hold."""
    if not holds:
        raise Fault(what, seen)


class Target(Protocol):
    """What inputs are tried on. All but `make` raise Fault, or anything else, for a fault."""

    name: str
    #: What came of the inputs, in the words of the report.
    counts: Counter[str]
    #: How many inputs are tried until it is made new.
    lifetime: int

    def make(self) -> bytes:
        """The next input."""

    def renew(self) -> None:
        """Begin as if no input had been tried."""

    def attempt(self, data: bytes) -> None:
        """Try an input."""

    def settle(self) -> None:
        """See that what was tried has left nothing behind."""

    def close(self) -> None:
        """End it, after it has settled."""


@dataclass(frozen=True)
class Found:
    """A fault, and the inputs that show it, one after the other."""

    fault: Fault
    inputs: list[bytes]
    #: Whether it was shown by these inputs alone.
    again: bool


def run(target: Target, seconds: float) -> Found | None:
    """Try inputs, at least one, for so many seconds, or until there is a fault.

    In the main thread only, as that has the alarms.
    """
    signal.signal(signal.SIGALRM, _alarm)
    end = time.monotonic() + seconds
    tried: list[bytes] = []
    try:
        while not tried or time.monotonic() < end:
            tried = []
            with _limits():
                target.renew()
            while not tried or (len(tried) < target.lifetime and time.monotonic() < end):
                tried.append(target.make())
                with _limits():
                    target.attempt(tried[-1])
            with _limits():
                target.settle()
        with _limits():
            target.close()
    except Fault as fault:
        return _smallest(target, fault, tried)
    return None


class _Overdue(BaseException):
    """Raised by the alarm; what catches every Exception does not catch it."""


def _alarm(number: int, frame: FrameType | None) -> None:
    raise _Overdue


@contextmanager
def _limits() -> Iterator[None]:
    """What is done here is done in time and raises nothing but Fault."""
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    except Fault:
        raise
    except _Overdue:
        raise Fault(f"not done in {PATIENCE:g} s", traceback.format_exc()) from None
    except Exception as error:
        raise Fault(type(error).__name__, traceback.format_exc(chain=False)) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _show(target: Target, inputs: list[bytes]) -> Fault | None:
    """The fault that the inputs show on a new target."""
    try:
        with _limits():
            target.renew()
        for data in inputs:
            with _limits():
                target.attempt(data)
        with _limits():
            target.settle()
    except Fault as fault:
        return fault
    return None


def _smallest(target: Target, first: Fault, tried: list[bytes]) -> Found:
    """The fault with as few inputs, and as short ones, as can be found in the time there is."""
    end = time.monotonic() + SHRINKING
    counts = target.counts.copy()
    found = Found(first, tried[-1:], False)

    def enough(inputs: list[bytes]) -> bool:
        nonlocal found
        fault = _show(target, inputs) if time.monotonic() < end else None
        if fault is None or fault.what != first.what:
            return False
        found = Found(fault, inputs, True)
        return True

    # Mostly the last one is enough, or the last ones.
    count = 1
    while not enough(tried[-count:]) and count < len(tried):
        count *= 4
    if found.again:
        inputs = shrink(found.inputs, enough)
        for at in range(len(inputs)):
            before, data, after = inputs[:at], inputs[at], inputs[at + 1 :]
            inputs[at] = shrink(data, lambda less: enough([*before, less, *after]))  # noqa: B023
    # What was tried again does not count.
    target.counts.clear()
    target.counts.update(counts)
    return found


def shrink(whole: T, enough: Callable[[T], bool]) -> T:
    """What remains when all is left out that can be, long spans first."""
    left = len(whole) + 1
    while len(whole) < left:
        size = left = len(whole)
        while size:
            start = 0
            while start < len(whole):
                less = whole[:start] + whole[start + size :]
                if enough(less):
                    whole = less
                else:
                    start += size
            size //= 2
    return whole
