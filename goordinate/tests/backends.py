"""The backends that the suites run on: a new one is a row of `BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from goordinate.coordinate.api import Backend
from goordinate.coordinate.clock import Clock
from goordinate.memory import MemoryBackend


@contextmanager
def _memory(clock: Clock) -> Iterator[Backend]:
    yield MemoryBackend(clock)


BACKENDS: Mapping[str, Callable[[Clock], AbstractContextManager[Backend]]] = {"memory": _memory}
"""Name -> an empty backend on a clock, for as long as the context lasts; it takes its files along
when it leaves."""
