"""`--backend NAME[:ADDRESS]` -> the backend that keeps the state.

The rule here: the table is all the backends there are, and each is imported only when chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from goordinate.coordinate.api import Backend
from goordinate.coordinate.clock import Clock


class BackendError(Exception):
    """No such backend, or an address that it does not take; the text is one line."""


class BackendUnavailable(Exception):
    """The machine does not let the backend open what it keeps; the text is one line."""


@dataclass(frozen=True, slots=True)
class Durability:
    """How a backend keeps what is to last; one that keeps nothing takes no notice."""

    #: "full": an answer waits until all that it tells of is on disk. "interval": it does not.
    sync: str = "full"
    #: Seconds from one commit to the next, if no answer waits for them.
    sync_interval: float = 0.05
    #: Seconds that a lease has at least after a start.
    restart_grace: float = 30.0


def _memory(address: str, clock: Clock, durability: Durability) -> Backend:
    from goordinate.memory import MemoryBackend

    if address:
        raise BackendError(f"backend memory: takes no address, got {address!r}")
    return MemoryBackend(clock)


def _sqlite(address: str, clock: Clock, durability: Durability) -> Backend:
    from goordinate.sqlite import FileError, Options, SqliteBackend

    if not address:
        raise BackendError("backend sqlite: the path of the file is missing: sqlite:PATH")
    options = Options(
        interval=durability.sync_interval if durability.sync == "interval" else None,
        restart_grace=durability.restart_grace,
    )
    try:
        return SqliteBackend(address, clock, options)
    except FileError as error:
        raise BackendUnavailable(str(error)) from error


BACKENDS: Mapping[str, Callable[[str, Clock, Durability], Backend]] = {
    "memory": _memory,
    "sqlite": _sqlite,
}
"""The name of each backend, and what opens it at an address."""


def open_backend(spec: str, clock: Clock, durability: Durability | None = None) -> Backend:
    """The backend that NAME or NAME:ADDRESS asks for, on a clock.

    Raises BackendError, BackendUnavailable.
    """
    name, _, address = spec.partition(":")
    if name not in BACKENDS:
        raise BackendError(f"unknown backend {name!r}: there are {', '.join(sorted(BACKENDS))}")
    return BACKENDS[name](address, clock, durability or Durability())


def check_file(path: str) -> str:
    """Read a file of the sqlite backend through; a line that says what is in it.

    Raises BackendUnavailable, with what is wrong with it.
    """
    from goordinate.sqlite import FileError, check

    try:
        return check(path)
    except FileError as error:
        raise BackendUnavailable(str(error)) from error
