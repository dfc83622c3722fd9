"""Work that an operation leaves for later, done in small pieces.

Rule: what is left is seen as done from the beginning, and nobody sees how far it has come. A chore
is an iterator, and each step of it takes some microseconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any


class Chores:
    """Chores, the oldest first."""

    def __init__(self) -> None:
        self._chores: deque[Iterator[None]] = deque()

    def __bool__(self) -> bool:
        return bool(self._chores)

    def add(self, chore: Iterator[None]) -> None:
        """One more."""
        self._chores.append(chore)

    def work(self, steps: int) -> None:
        """Take so many steps, or all there are."""
        chores = self._chores
        while steps > 0 and chores:
            chore = chores[0]
            for _ in chore:
                steps -= 1
                if steps <= 0:
                    return
            chores.popleft()


def freeing(*containers: Any) -> Iterator[None]:
    """Empty lists, dictionaries and the like, which nobody else uses, some items at a time."""
    for container in filter(None, containers):
        pop = container.popitem if isinstance(container, dict) else container.pop
        while container:
            pop()
            yield
