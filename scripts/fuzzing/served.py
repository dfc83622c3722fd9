"""The job server that the fuzzer reads with, and the readers of its parameters and its data.

This is the one place of the fuzzer that knows how they are made and called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from goordinate.cborrpc import DecodeError
from goordinate.cborrpc.decode import Reader, opaque_item, read_list, read_map, read_string
from goordinate.cborrpc.limits import Limits
from goordinate.coordinate.chaining import chained_units
from goordinate.coordinate.control import read_dictionary
from goordinate.coordinate.errors import BadOutput, CoordinateError
from goordinate.coordinate.unit_data import with_traceback
from goordinate.jobserver import JobServer, options, units
from goordinate.jobserver.locks import lock_paths
from goordinate.jobserver.stored import StoredReaders
from goordinate.memory import MemoryBackend
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.jobserver import rpc

SECONDS_A_READING: Final = 3.0
"""How far the job server's clock goes on each time it is read, so that leases end."""

EXPECTED: Final = (CoordinateError,)
"""What a call of it may raise."""


def job_server() -> JobServer:
    """A job server without work, in memory."""
    clock = Clock()
    clock.step = SECONDS_A_READING
    return rpc.job_server(MemoryBackend(clock), clock)


_STORED = StoredReaders(Limits())

READERS: Final[dict[str, Reader[Any]]] = {
    "read_string": read_string,
    "read_list": lambda buf, pos, depth: read_list(buf, pos, depth, opaque_item),
    "read_map": lambda buf, pos, depth: read_map(buf, pos, depth, {}),
    "new_units": _STORED.new_units,
    "stored": _STORED.item,
    "mode": _STORED.mode,
    "name": options.name,
    "names": options.names,
    "number": options.number,
    "integer": options.integer,
    "states": options.states,
    "hashable": options.hashable,
    "lock_paths": lock_paths,
    "UPDATE_OPTIONS": units.update_options(_STORED),
    "LIST_OPTIONS": units.LIST_OPTIONS,
}
"""Readers of one shape each: what they take is well-formed, and ends where it ends."""

STORED_READERS: Final[tuple[tuple[Callable[[bytes], object], tuple[type[Exception], ...]], ...]] = (
    (chained_units, (BadOutput,)),
    (read_dictionary, (CoordinateError, DecodeError)),
)
"""What reads stored data, and how it may refuse it."""


def with_more(data: bytes) -> bytes:
    """Stored data of a unit, with a traceback put in."""
    return with_traceback(data, b"lost")
