"""`--backend NAME[:ADDRESS]` -> the backend that keeps the state.

The rule here: the table is all the backends there are, and each is imported only when chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from goordinate.coordinate.api import Backend
from goordinate.coordinate.clock import Clock


class BackendError(Exception):
    """No such backend, or an address that it does not take; the text is one line."""


def _memory(address: str, clock: Clock) -> Backend:
    from goordinate.memory import MemoryBackend

    if address:
        raise BackendError(f"backend memory: takes no address, got {address!r}")
    return MemoryBackend(clock)


BACKENDS: Mapping[str, Callable[[str, Clock], Backend]] = {"memory": _memory}
"""The name of each backend, and what opens it at an address."""


def open_backend(spec: str, clock: Clock) -> Backend:
    """The backend that NAME or NAME:ADDRESS asks for, on a clock.

    Raises BackendError.
    """
    name, _, address = spec.partition(":")
    if name not in BACKENDS:
        raise BackendError(f"unknown backend {name!r}: there are {', '.join(sorted(BACKENDS))}")
    return BACKENDS[name](address, clock)
