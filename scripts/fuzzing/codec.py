"""The codec under trial, with all that reads messages: bytes in, a value or DecodeError out.

Rule: every input is given to each reader there is, and the readers must agree.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable
from random import Random
from struct import pack
from typing import Any, Final

from fuzzing.answers import check_answer
from fuzzing.inputs import Messages
from fuzzing.requests import job_server
from fuzzing.run import ensure
from goordinate.cborrpc import DecodeError, Tag, dumps, loads
from goordinate.cborrpc.decode import (
    MAX_DEPTH,
    Reader,
    opaque_item,
    read_list,
    read_map,
    read_string,
    skip_item,
)
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.messages import Dispatcher
from goordinate.coordinate.chaining import chained_units
from goordinate.coordinate.control import read_dictionary
from goordinate.coordinate.errors import BadOutput, CoordinateError
from goordinate.coordinate.new_units import read_new_unit
from goordinate.coordinate.unit_data import with_traceback
from goordinate.jobserver import options, units
from goordinate.jobserver.locks import lock_paths
from goordinate.tests.cborrpc.rfc8949 import well_formed_end

SHORT: Final = 200
"""Bytes of the inputs that are also read by the pseudocode of RFC 8949, which is slow."""

LIMITS: Final = Limits(max_batch=100)

READERS: Final[dict[str, Reader[Any]]] = {
    "read_string": read_string,
    "read_list": lambda buf, pos, depth: read_list(buf, pos, depth, opaque_item),
    "read_map": lambda buf, pos, depth: read_map(buf, pos, depth, {}),
    "read_new_unit": read_new_unit,
    "name": options.name,
    "names": options.names,
    "number": options.number,
    "integer": options.integer,
    "states": options.states,
    "hashable": options.hashable,
    "lock_paths": lock_paths,
    "UPDATE_OPTIONS": units.UPDATE_OPTIONS,
    "LIST_OPTIONS": units.LIST_OPTIONS,
}
"""Readers of one shape each: what they take is well-formed, and ends where it ends."""

STORED_READERS: Final[tuple[tuple[Callable[[bytes], object], tuple[type[Exception], ...]], ...]] = (
    (chained_units, (BadOutput,)),
    (read_dictionary, (CoordinateError, DecodeError)),
)
"""What reads stored data, and how it may refuse it."""


class Codec:
    """The target."""

    name = "codec"
    lifetime = 1000

    def __init__(self, rng: Random) -> None:
        self.counts: Counter[str] = Counter()
        self._messages = Messages(rng)

    def make(self) -> bytes:
        """A message."""
        return self._messages.message()

    def renew(self) -> None:
        """A job server without work."""
        self._dispatcher = Dispatcher(
            job_server().methods, expected=(CoordinateError,), limits=LIMITS
        )

    def attempt(self, data: bytes) -> None:
        """Read the input in every way, then as a message to the job server."""
        self.counts["inputs"] += 1
        self.counts["bytes"] += len(data)
        end = self._end(data)
        shown = self._load(data, end)
        for name, read in READERS.items():
            _check_reader(name, read, data, end)
        if end == len(data):
            _check_stored(data)
        answer = self._dispatcher.answer(data)
        said = check_answer(data, answer, LIMITS.max_depth, self.counts)
        self._messages.learn(data, re.sub(r"'.*?'|\d+", "", f"{shown}/{said}"))

    def settle(self) -> None:
        """It leaves nothing behind."""

    def close(self) -> None:
        """There is nothing to end."""

    def _end(self, data: bytes) -> int | None:
        """Where the item that the data begins with ends; None if it is not well-formed."""
        try:
            end: int | None = skip_item(data, 0, MAX_DEPTH)
        except DecodeError as fault:
            _check_offset(fault, data)
            end = None
        if len(data) <= SHORT:
            ensure(end == well_formed_end(data), "skip_item and RFC 8949 do not agree", end)
        return end

    def _load(self, data: bytes, end: int | None) -> str:
        """Decode the data, and count; what came of it, in short."""
        try:
            value = loads(data)
        except DecodeError as fault:
            _check_offset(fault, data)
            self.counts[type(fault).__name__] += 1
            return fault.what
        self.counts["values"] += 1
        ensure(end == len(data), "loads takes what skip_item refuses")
        again = loads(dumps(value))
        ensure(is_same(value, again), "what dumps writes is not what loads gave", again)
        return shape(value)


def _check_offset(fault: DecodeError, data: bytes) -> None:
    ensure(0 <= fault.offset <= len(data), "a fault is said to be outside the input", fault)


def _check_reader(name: str, read: Reader[Any], data: bytes, end: int | None) -> None:
    try:
        _, after = read(data, 0, MAX_DEPTH)
    except DecodeError as fault:
        _check_offset(fault, data)
    else:
        ensure(after == end, f"{name} and skip_item end at different bytes", (after, end))


def _check_stored(data: bytes) -> None:
    """What is done with data that was found well-formed and is stored."""
    for read, refusals in STORED_READERS:
        with contextlib.suppress(*refusals):
            read(data)
    changed = with_traceback(data, b"lost")
    _, end = opaque_item(changed, 0, MAX_DEPTH)
    ensure(end == len(changed), "with_traceback does not give one item", changed.hex())


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal, with the types and the order of all parts; NaN is itself."""
    pairs = [(one, other)]
    while pairs:
        one, other = pairs.pop()
        if type(one) is not type(other):
            return False
        if isinstance(one, Tag):
            pairs += [(one.number, other.number), (one.value, other.value)]
        elif isinstance(one, dict):
            pairs += [(list(one), list(other)), (list(one.values()), list(other.values()))]
        elif isinstance(one, list | tuple):
            if len(one) != len(other):
                return False
            pairs += zip(one, other, strict=True)
        elif one != other if not isinstance(one, float) else pack("d", one) != pack("d", other):
            return False
    return True


def shape(value: Any, depth: int = 2) -> str:
    """The types in a value, not far down."""
    name = type(value).__name__
    if depth and isinstance(value, dict | list | tuple):
        parts = [*value.items()] if isinstance(value, dict) else value
        return f"{name}({','.join(shape(part, depth - 1) for part in parts[:4])})"
    return name
