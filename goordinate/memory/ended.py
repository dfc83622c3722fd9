"""Finished and failed units in the order of their ends, for `archive` to drop the oldest.

Times are moments of the backend's clock.
"""

from __future__ import annotations

from goordinate.coordinate.states import ENDED


class EndedUnits:
    """Keys by state with the moments of their ends; the oldest of a state first."""

    __slots__ = ("ends",)

    def __init__(self) -> None:
        #: State -> key -> when the unit ended.
        self.ends: dict[int, dict[bytes, float]] = {state: {} for state in ENDED}

    def sort(self) -> None:
        """Put those in order that have come in another one."""
        for state, ends in self.ends.items():
            self.ends[state] = dict(sorted(ends.items(), key=lambda end: end[1]))

    def remove(self, key: bytes, state: int) -> None:
        """A unit leaves the state in which it ended."""
        self.ends[state].pop(key, None)

    def take(self, state: int) -> dict[bytes, float]:
        """All units of a state, none of which is in it now."""
        ends = self.ends[state]
        self.ends[state] = {}
        return ends

    def doomed(
        self, state: int, keep: int | None, older_than: float | None, limit: int | None
    ) -> list[bytes]:
        """The units beyond the latest `keep`, and those that ended before `older_than`; the
        oldest `limit` of them."""
        ends = self.ends[state]
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
