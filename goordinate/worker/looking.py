"""Which child without work looks for some: one at a time, so that an idle worker costs little.

It waits in the server until there is work. A server that does not know how to wait is asked again,
less and less often. A child that finds work has the next one look at once; so all are soon at work
when there is much.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from .processes import ChildProcess

_FIRST_WAIT: Final = 0.1
"""Seconds from the first look of an idle child to the second, if the server has not waited; they
double with each. The first look is at once."""

logger = logging.getLogger(__name__)


class Looking:
    """The looks for work of all children. `longest`: the longest wait, in seconds."""

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._wait = 0.0
        self._next = 0.0

    def found_none(self, child: ChildProcess, now: float) -> None:
        """A child has no work."""
        if child.state == "waiting":
            self._wait = min(self._longest, max(_FIRST_WAIT, 2 * self._wait))
        child.state = "idle"
        self._next = now + self._wait

    def found(self, child: ChildProcess, children: Sequence[ChildProcess]) -> None:
        """A child has work."""
        child.state = "busy"
        self._wait = 0.0
        self._send_one(children)

    def due(self, children: Sequence[ChildProcess]) -> float | None:
        """When a child is to look; None if one looks already, or none is idle."""
        states = {child.state for child in children}
        return self._next if "idle" in states and not states & {"looking", "waiting"} else None

    def look(self, children: Sequence[ChildProcess], now: float) -> None:
        """Have a child look, if it is time."""
        due = self.due(children)
        if due is not None and now >= due:
            self._send_one(children)

    def hurry(self) -> None:
        """There is work to be had: the next look is due at once."""
        self._wait = 0.0
        self._next = 0.0

    def _send_one(self, children: Sequence[ChildProcess]) -> None:
        for child in children:
            if child.state == "idle":
                child.look()
                return
