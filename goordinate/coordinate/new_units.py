"""How a unit to be added is written: (key, data), (key, data, meta) or (key, data, meta, priority).

A tuple (tag 128) or a list; `meta` is a map with `priority` and `delay` or null. The same in
RPC `add_work_units` and in the output of a finished unit. Data is checked and kept as it came.
"""

from __future__ import annotations

from typing import NamedTuple

from goordinate.cborrpc.decode import (
    Reader,
    decode_small,
    opaque_item,
    read_list,
    read_map,
    read_string,
    skip_item,
)
from goordinate.cborrpc.encode import encode_head
from goordinate.cborrpc.errors import DecodeError
from goordinate.cborrpc.heads import ARRAY, BYTES, NULL, TEXT
from goordinate.cborrpc.scan import Check
from goordinate.cborrpc.tags import TUPLE_HEAD
from goordinate.coordinate.names import Name, encoded, identity, printable
from goordinate.coordinate.numeric import is_number


class NewWorkUnit(NamedTuple):
    """A work unit to be added."""

    #: The identity of its name.
    key: bytes
    #: Its name and its data as CBOR, one after the other.
    entry: bytes
    #: Higher goes first; None: the default, 0.
    priority: float | None = None
    #: Seconds before it may run.
    delay: float = 0.0


def new_work_unit(
    name: Name, data: bytes, priority: float | None = None, delay: float = 0.0
) -> NewWorkUnit:
    """A `NewWorkUnit` from a name and data that is already CBOR."""
    return NewWorkUnit(identity(name), encoded(name) + data, priority, delay)


def read_name(buf: bytes, pos: int, depth: int = 1) -> tuple[tuple[bytes, bytes], int]:
    """A key: its identity and its CBOR with the shortest head, and the next position."""
    initial = buf[pos] if pos < len(buf) else 0
    kind = initial >> 5
    if kind not in (BYTES, TEXT):
        raise DecodeError("a work unit key: expected a string", pos)
    key, end = read_string(buf, pos, depth)
    if initial & 0x1F == len(key):  # the head is the initial byte alone
        return (key, buf[pos:end]), end
    return (key, encode_head(kind, len(key)) + key), end


def read_number(buf: bytes, pos: int, depth: int, what: str) -> tuple[float | None, int]:
    """A finite number or null."""
    try:
        value, end = decode_small(buf, pos, depth)
    except DecodeError as error:
        raise DecodeError(f"{what} of a work unit: {error.what}", error.offset) from None
    if value is None:
        return None, end
    if not is_number(value):
        raise DecodeError(f"{what} of a work unit: expected a number", pos)
    return value, end


def new_unit_reader(check: Check | None, deepest: int) -> Reader[NewWorkUnit]:
    """The reader (see `cborrpc.decode`) of a work unit to be added.

    Its data is checked by `check` (see `skip_item`), and may be nested `deepest` levels deep.
    """

    def read(buf: bytes, pos: int, depth: int) -> tuple[NewWorkUnit, int]:
        # The shape that nearly all units have, a short array of a short key and data, is read here
        # without a call for each part; any other goes part by part.
        try:
            first = pos + 2 if buf.startswith(TUPLE_HEAD, pos) else pos
            count = buf[first] - 0x80
            initial = buf[first + 1]
        except IndexError:
            raise DecodeError("a work unit: the input ends", len(buf)) from None
        if not 2 <= count <= 4:
            return slowly(buf, pos, depth)
        name = None
        if 0x40 <= initial <= 0x57:
            at = first + 2 + initial - 0x40
            key = buf[first + 2 : at]
        else:
            (key, name), at = read_name(buf, first + 1)
        levels = depth - 2
        try:
            end = skip_item(buf, at, deepest if levels > deepest else levels, check)
        except DecodeError as error:
            raise DecodeError(f"work unit {printable(key)}: {error.what}", error.offset) from None
        item = buf[first + 1 : end] if name is None else name + buf[at:end]
        if count == 2:
            return NewWorkUnit(key, item), end
        meta, end = _read_meta(buf, end, levels)
        priority, delay = meta.get(b"priority"), meta.get(b"delay") or 0.0
        if count == 4:
            fourth, end = _read_priority(buf, end, levels)
            priority = priority if fourth is None else fourth
        return NewWorkUnit(key, item, priority, delay), end

    def slowly(buf: bytes, pos: int, depth: int) -> tuple[NewWorkUnit, int]:
        """A unit whose array has an unusual head: written again with the usual one, then read."""
        parts, end = read_list(buf, pos, depth, opaque_item)
        if not 2 <= len(parts) <= 4:
            raise DecodeError(
                f"a work unit: expected (key, data[, meta[, priority]]), got {len(parts)} items",
                pos,
            )
        try:
            return read(encode_head(ARRAY, len(parts)) + b"".join(parts), 0, depth)[0], end
        except DecodeError as error:
            raise DecodeError(f"a work unit: {error.what}", pos) from None

    return read


def _read_priority(buf: bytes, pos: int, depth: int) -> tuple[float | None, int]:
    return read_number(buf, pos, depth, "priority")


def _read_delay(buf: bytes, pos: int, depth: int) -> tuple[float | None, int]:
    delay, end = read_number(buf, pos, depth, "delay")
    if delay is not None and delay < 0:
        raise DecodeError("delay of a work unit: expected a number of seconds, 0 or more", pos)
    return delay, end


_META_READERS = {b"priority": _read_priority, b"delay": _read_delay}


def _read_meta(buf: bytes, pos: int, depth: int) -> tuple[dict[bytes, float | None], int]:
    if buf[pos : pos + 1] == NULL:
        return {}, pos + 1
    return read_map(buf, pos, depth, _META_READERS)
