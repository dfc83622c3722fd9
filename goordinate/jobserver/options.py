"""How parameters and options of the RPCs are read: types, ranges, one clear error each.

The readers here are readers in the sense of `cborrpc.decode`: (buffer, position, depth) ->
(value, next position); what does not fit is a DecodeError, which the caller gets as an error
response that names the method, the parameter and the option. Null counts as left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from goordinate.cborrpc.decode import Reader, decode_item, decode_small, read_list, read_map
from goordinate.cborrpc.errors import DecodeError
from goordinate.cborrpc.heads import ARRAY, BYTES, MAP, TAG, TEXT, describe
from goordinate.coordinate.names import Name
from goordinate.coordinate.numeric import is_number

T = TypeVar("T")

#: How deep a value may be nested that becomes a map key.
KEY_DEPTH = 8

#: Names, or states, in one call.
MAX_NAMES = 1_000_000

#: The longest item that `remembered` keeps, in bytes, and how many it keeps.
MAX_REMEMBERED_SIZE = 64
MAX_REMEMBERED = 32

# The lengths of leases (seconds) that RPC clients may ask for.
DEFAULT_LEASE = 300.0
MIN_LEASE = 1.0
MAX_LEASE = 86_400.0

_NULL = 0xF6


def name(buf: bytes, pos: int, depth: int) -> tuple[Name, int]:
    """The name of a work spec, work unit or worker, in the form in which it came."""
    if pos < len(buf) and 0x40 <= buf[pos] < 0x58:  # a short byte string: nearly always
        end = pos + buf[pos] - 0x3F
        if end <= len(buf):
            return buf[pos + 1 : end], end
    if pos < len(buf) and buf[pos] >> 5 not in (BYTES, TEXT):
        raise DecodeError(f"expected a string, got {describe(buf, pos)}", pos)
    value: Name
    value, end = decode_item(buf, pos, depth)
    return value, end


def optional_name(buf: bytes, pos: int, depth: int) -> tuple[Name | None, int]:
    """A name or null."""
    if buf[pos : pos + 1] == b"\xf6":
        return None, pos + 1
    return name(buf, pos, depth)


def names(buf: bytes, pos: int, depth: int) -> tuple[list[Name], int]:
    """A list or tuple of names."""
    return read_list(buf, pos, depth, name, MAX_NAMES)


def number(buf: bytes, pos: int, depth: int) -> tuple[float, int]:
    """A number that a float can hold; a numeric string counts too, as it did for the original."""
    if pos < len(buf) and buf[pos] < 0x18:  # a small integer: a count, a status
        return buf[pos], pos + 1
    value, end = decode_small(buf, pos, depth)
    if type(value) is int and value.bit_length() < 1024:  # nearly always
        return value, end
    if isinstance(value, bytes | str):
        try:
            value = float(value)
        except ValueError:
            value = None
    if not is_number(value):
        raise DecodeError("expected a number", pos)
    return value, end


def seconds(buf: bytes, pos: int, depth: int) -> tuple[float, int]:
    """A length of time: a number that is not negative."""
    value, end = number(buf, pos, depth)
    if value < 0:
        raise DecodeError("expected a number of seconds, 0 or more", pos)
    return value, end


def whole(buf: bytes, pos: int, depth: int) -> tuple[int, int]:
    """A number, cut to an integer."""
    value, end = number(buf, pos, depth)
    return int(value), end


def integer(buf: bytes, pos: int, depth: int) -> tuple[int, int]:
    """An integer and nothing else."""
    if pos < len(buf) and buf[pos] < 0x18:
        return buf[pos], pos + 1
    value, end = decode_small(buf, pos, depth)
    if type(value) is not int:
        raise DecodeError("expected an integer", pos)
    return value, end


def states(buf: bytes, pos: int, depth: int) -> tuple[list[int], int]:
    """A work unit state, or a list or tuple of them."""
    if pos < len(buf) and buf[pos] >> 5 in (ARRAY, TAG):
        return read_list(buf, pos, depth, integer, MAX_NAMES)
    state, end = integer(buf, pos, depth)
    return [state], end


def hashable(buf: bytes, pos: int, depth: int) -> tuple[Any, int]:
    """Any value that can be a map key, if it is not nested deep: it goes out again in answers that
    are nested themselves."""
    if pos >= len(buf) or buf[pos] >> 5 not in (ARRAY, MAP):
        value, end = decode_small(buf, pos, min(depth, KEY_DEPTH))
        if _is_hashable(value):
            return value, end
    raise DecodeError(f"expected a string or another simple value, got {describe(buf, pos)}", pos)


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def options(**readers: Reader[Any]) -> Reader[dict[bytes, Any]]:
    """The reader of an option map; unknown options are ignored, null ones left out."""
    table = {key.encode(): _option(key, reader) for key, reader in readers.items()}

    def read(buf: bytes, pos: int, depth: int) -> tuple[dict[bytes, Any], int]:
        return read_map(buf, pos, depth, table)

    return read


def _option(key: str, reader: Reader[T]) -> Reader[T | None]:
    """`reader`, its errors naming the option, and null read as None."""

    def read(buf: bytes, pos: int, depth: int) -> tuple[T | None, int]:
        try:
            if buf[pos] == _NULL:
                return None, pos + 1
            return reader(buf, pos, depth)
        except DecodeError as error:
            raise DecodeError(f"{key}: {error.what}", error.offset) from None
        except IndexError:
            raise DecodeError(f"{key}: the input ends", len(buf)) from None

    return read


def remembered(reader: Reader[T]) -> Reader[T]:
    """`reader` for items that come again and again with the same bytes: it remembers the short
    ones. A value is shared by all calls, so nobody may change it.

    No encoding is the beginning of another: what is found at a position ends where it ended before,
    whatever follows.
    """
    known: dict[bytes, tuple[T, int, int]] = {}  # item -> value, size, depth it was read with
    sizes: list[int] = []

    def read(buf: bytes, pos: int, depth: int) -> tuple[T, int]:
        for size in sizes:
            found = known.get(buf[pos : pos + size])
            if found is not None and depth >= found[2]:
                return found[0], pos + found[1]
        value, end = reader(buf, pos, depth)
        size = end - pos
        if size <= MAX_REMEMBERED_SIZE:
            if len(known) == MAX_REMEMBERED:
                known.clear()
                sizes.clear()
            if size not in sizes:
                sizes.append(size)
            known[buf[pos:end]] = value, size, depth
        return value, end

    return read


Options = Mapping[bytes, Any]
