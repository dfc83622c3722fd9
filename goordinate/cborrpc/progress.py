"""When a transfer of bytes is too slow: the rule of every timeout of the wire.

A transfer has `timeout` seconds.  Each byte of progress gives it 1 / `STEADY` seconds more, but
never more than `timeout` seconds from that moment.  So a transfer that stands still is cut off
after `timeout` seconds, one of a byte a second hardly later, and one that keeps `STEADY` never.
"""

from __future__ import annotations

from typing import Final

STEADY: Final = 10_000
"""Bytes a second.  A transfer that keeps this speed is never too slow."""

CHECKS: Final = 8
"""How often in each timeout the progress is looked at."""


class Progress:
    """How long one transfer may still take.

    timeout: in seconds.  now: the present moment, in seconds of a monotonic clock.
    """

    __slots__ = ("_deadline", "_timeout")

    def __init__(self, timeout: float, now: float) -> None:
        self._timeout = timeout
        self._deadline = now + timeout

    def add(self, size: int, now: float) -> None:
        """So many bytes have been transferred since the last call."""
        self._deadline = min(self._deadline + size / STEADY, now + self._timeout)

    def left(self, now: float) -> float:
        """Seconds until the transfer is cut off; 0 or less: it is too slow."""
        return self._deadline - now
