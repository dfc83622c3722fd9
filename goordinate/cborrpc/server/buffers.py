"""What all connections hold of frames that are not whole and of answers that are not taken."""

from __future__ import annotations

from typing import Protocol

from ..limits import Limits


class BuffersFull(Exception):
    """All connections together held too much, and this one the most."""


class Holder(Protocol):
    """A connection, as far as it matters here."""

    def cut_off(self, fault: BuffersFull) -> None:
        """End it with this fault."""


class Buffers:
    """Bytes held by each connection, and by all together.

    When that is more than `Limits.max_buffered`, the connection that holds the most is cut off:
    one client with many connections could take all memory otherwise.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._held: dict[Holder, int] = {}
        self._total = 0

    def hold(self, holder: Holder, size: int) -> None:
        """A connection holds so many bytes from now on."""
        self._total += size - self._held.pop(holder, 0)
        if size:
            self._held[holder] = size
        most = self.limits.max_buffered
        if self._total > most:
            largest = max(self._held, key=self._held.__getitem__)
            held = self._held.pop(largest)
            self._total -= held
            largest.cut_off(BuffersFull(f"it holds {held} of the {most} bytes that all may hold"))
