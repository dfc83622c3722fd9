"""Finished and failed units in the order of their ends, for `archive` to drop the oldest.

The order is kept only once `archive` has been called with a limit: it costs a finished unit some
50 bytes. Times are moments of the backend's clock.
"""

from __future__ import annotations

from collections.abc import Iterable

from goordinate.coordinate.states import ENDED


class EndedUnits:
    """Keys by state with the moments of their ends; the oldest of a state first."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends: dict[int, dict[bytes, float]] = {}

    @property
    def kept(self) -> bool:
        """Whether the order is kept."""
        return bool(self._ends)

    def keep(self, ends: Iterable[tuple[int, bytes, float]]) -> None:
        """Keep the order from now on; `ends` are the (state, key, time) of all ended units."""
        self._ends = {state: {} for state in ENDED}
        for state, key, when in sorted(ends, key=lambda end: end[2]):
            self._ends[state][key] = when

    def add(self, key: bytes, state: int, when: float) -> None:
        """A unit has ended, later than all others."""
        if state in self._ends:
            self._ends[state][key] = when

    def remove(self, key: bytes, state: int) -> None:
        """A unit leaves the state in which it ended."""
        if state in self._ends:
            self._ends[state].pop(key, None)

    def doomed(
        self, state: int, keep: int | None, older_than: float | None, limit: int | None
    ) -> list[bytes]:
        """The units beyond the latest `keep`, and those that ended before `older_than`; the
        oldest `limit` of them."""
        ends = self._ends[state]
        over = 0 if keep is None else max(0, len(ends) - keep)
        found = []
        for index, (key, when) in enumerate(ends.items()):
            # The oldest come first, so the walk ends at the first unit that stays.
            if index == limit:
                break
            if index >= over and (older_than is None or when >= older_than):
                break
            found.append(key)
        return found
