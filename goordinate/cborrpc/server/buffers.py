"""The memory that partial frames and unread answers of all connections take."""

from __future__ import annotations

from typing import Protocol


class BuffersFull(Exception):
    """All connections together took too much memory, and this one the most."""


class Holder(Protocol):
    """What a connection must have for this."""

    def cut_off(self, fault: BuffersFull) -> None:
        """End the connection with this error."""


class MostBuffered(Protocol):
    """What `Buffers` obeys; see `limits.Limits`."""

    max_buffered: int


class Buffers:
    """How many bytes each connection holds, and all together.

    When all hold more than `max_buffered`, the connection that holds the most is cut off.
    Otherwise one client with many connections could take all memory.
    """

    def __init__(self, limits: MostBuffered) -> None:
        self._limits = limits
        self._held: dict[Holder, int] = {}
        self._total = 0

    def hold(self, holder: Holder, size: int) -> None:
        """Set how many bytes a connection holds."""
        self._total += size - self._held.pop(holder, 0)
        if size:
            self._held[holder] = size
        most = self._limits.max_buffered
        if self._total > most:
            largest = max(self._held, key=self._held.__getitem__)
            held = self._held.pop(largest)
            self._total -= held
            largest.cut_off(BuffersFull(f"it holds {held} of the {most} bytes that all may hold"))
