"""Reading CBOR (RFC 8949): values, encodings of items, lists and maps.

Rule: a reader takes the buffer, the index where an item begins and how many levels of arrays,
maps and tags may be nested there.  It returns what it has read and the index after the item.  For
any input it raises no error but DecodeError, which has the byte where the fault is.

`read_list` and `read_map` are given readers for their items, so a message is parsed in one pass,
and the data of a work unit is not decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import repeat
from typing import Any, Final, TypeVar

from .errors import DecodeError
from .heads import (
    ARRAY,
    BREAK,
    BYTES,
    MAP,
    MAX_DEPTH,
    TAG,
    TEXT,
    cut,
    describe,
    read_argument,
    read_chunks,
    read_length,
    read_text,
    too_deep,
)
from .scan import explain, skip_item
from .tags import TUPLE
from .values import READ

__all__ = [
    "MAX_DEPTH",
    "Reader",
    "decode_item",
    "decode_small",
    "loads",
    "opaque_item",
    "read_array_head",
    "read_list",
    "read_map",
    "read_map_head",
    "read_string",
    "skip_item",
]

SMALL: Final = 4096
"""Bytes of the largest value that is decoded where a single value is expected."""

T = TypeVar("T")
Reader = Callable[[bytes, int, int], tuple[T, int]]


def loads(data: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """The value of `data`, which is the encoding of one item.

    Returns None, bool, int, float, bytes, str, list, tuple (tag 128), dict, UUID (tag 37), Tag,
    Simple or UNDEFINED; for tag 24, the item in its byte string.  Of equal keys in a map the last
    one counts (1, 1.0 and True are equal keys in Python).

    max_depth: how deep arrays, maps and tags may be nested.  A tag 24 counts as two levels, one
    for its content.  Raises DecodeError if `data` is not well-formed, has bytes after the item, is
    nested deeper, has a map key that is not hashable in Python, or has a known tag over content
    that it cannot have.
    """
    value, end = decode_item(data, 0, max_depth)
    if end < len(data):
        raise DecodeError("more bytes after the item", end)
    return value


def decode_item(buf: bytes, pos: int, depth: int) -> tuple[Any, int]:
    """The value of the item at `pos` and the index after it; see `loads`."""
    try:
        value, end = READ[buf[pos]](buf, pos, depth)
    except (IndexError, UnicodeDecodeError):
        raise explain(buf, pos, depth) from None
    except RecursionError:
        raise DecodeError("nested deeper than Python's stack allows", pos) from None
    if end > len(buf):
        raise explain(buf, pos, depth)
    return value, end


def decode_small(buf: bytes, pos: int, depth: int) -> tuple[Any, int]:
    """`decode_item` where a single value is expected.  Raises DecodeError also for one of more than
    `SMALL` bytes, because a value can take a hundred times the memory of its encoding."""
    if buf[pos : pos + 1] < b"\x40" or buf[pos : pos + 1] >= b"\xe0":  # a number, most often
        return decode_item(buf, pos, depth)
    end = skip_item(buf, pos, depth)
    if end - pos > SMALL:
        size = end - pos
        raise DecodeError(f"expected a value of at most {SMALL} bytes, got one of {size}", pos)
    return decode_item(buf, pos, depth)


def opaque_item(buf: bytes, pos: int, depth: int) -> tuple[bytes, int]:
    """The encoding of the item at `pos`, which has been checked, and the index after it."""
    end = skip_item(buf, pos, depth)
    return buf[pos:end], end


def read_string(buf: bytes, pos: int, depth: int) -> tuple[bytes, int]:
    """The bytes of the byte string, or the UTF-8 of the text string, at `pos`, and the index
    after it.  Both forms name the same work spec, work unit or option."""
    initial = buf[pos] if pos < len(buf) else BREAK
    if 0x40 <= initial < 0x58:
        end = pos + initial - 0x3F
        if end <= len(buf):
            return buf[pos + 1 : end], end
    if initial >> 5 not in (BYTES, TEXT):
        raise _not_this("a byte or text string", buf, pos)
    length, start = read_length(buf, pos)
    if length is None:
        return read_chunks(buf, pos)
    end = start + length
    if initial >> 5 == TEXT:
        read_text(buf, start, end)
    return buf[start:end], end


def read_array_head(buf: bytes, pos: int) -> tuple[int | None, int]:
    """How many items the array at `pos` has (None: a break ends it; section 3.2.2), and the
    index of the first.  Raises DecodeError if it is no array, or longer than the input."""
    initial = buf[pos] if pos < len(buf) else BREAK
    if initial >> 5 != ARRAY:
        raise _not_this("an array", buf, pos)
    if initial < 0x98 and initial - 0x80 < len(buf) - pos:
        return initial - 0x80, pos + 1
    return read_length(buf, pos)


def read_map_head(buf: bytes, pos: int) -> tuple[int | None, int]:
    """How many pairs the map at `pos` has (None: a break ends it), and the index of the first.
    Raises DecodeError if it is no map, or longer than the input."""
    initial = buf[pos] if pos < len(buf) else BREAK
    if initial >> 5 != MAP:
        raise _not_this("a map", buf, pos)
    if initial < 0xB8 and 2 * (initial - 0xA0) < len(buf) - pos:
        return initial - 0xA0, pos + 1
    return read_length(buf, pos)


def read_list(
    buf: bytes, pos: int, depth: int, item_reader: Reader[T], most: int | None = None
) -> tuple[list[T], int]:
    """The items of the array at `pos`, each read by `item_reader`, and the index after the array.
    It may have tag 128 (a tuple).  Raises DecodeError if it has more than `most` items."""
    if pos < len(buf) and buf[pos] >> 5 == TAG:
        number, start = read_argument(buf, pos)
        if number != TUPLE:
            raise DecodeError(f"an array should be here, not tag {number}", pos)
        pos = start
        depth -= 1
    count, start = read_array_head(buf, pos)
    if depth <= 0:
        raise too_deep(pos)
    if most is not None and count is not None and count > most:
        raise DecodeError(f"an array of {count} items, more than {most}", pos)
    pos = start
    depth -= 1
    items: list[T] = []
    append = items.append
    if count is None:
        while pos < len(buf):
            if buf[pos] == BREAK:
                return items, pos + 1
            if len(items) == most:
                raise DecodeError(f"an array of more than {most} items", pos)
            item, pos = item_reader(buf, pos, depth)
            append(item)
        raise cut(buf, pos)
    for _ in range(count):
        item, pos = item_reader(buf, pos, depth)
        append(item)
    return items, pos


def read_map(
    buf: bytes, pos: int, depth: int, readers: Mapping[bytes, Reader[Any]]
) -> tuple[dict[bytes, Any], int]:
    """The pairs of the map at `pos`, and the index after it.

    Keys are byte or text strings, and are returned as bytes.  Of equal keys the last one counts.
    A value is read by the reader of its key.  A pair whose key has no reader is skipped.
    """
    count, start = read_map_head(buf, pos)
    if depth <= 0:
        raise too_deep(pos)
    pos = start
    depth -= 1
    reader_of = readers.get
    size = len(buf)
    items: dict[bytes, Any] = {}
    for _ in repeat(None) if count is None else range(count):
        initial = buf[pos] if pos < size else 0
        end = pos + initial - 0x3F
        if 0x40 <= initial < 0x58 and end <= size:
            key = buf[pos + 1 : end]  # as `read_string`, for the keys of every request
            pos = end
        elif initial == BREAK and count is None:
            pos += 1
            break
        else:
            key, pos = read_string(buf, pos, depth)
        reader = reader_of(key)
        if reader is None:
            pos = skip_item(buf, pos, depth)
        else:
            items[key], pos = reader(buf, pos, depth)
    return items, pos


def _not_this(wanted: str, buf: bytes, pos: int) -> DecodeError:
    """The error for an item at `pos` that is missing, or of another type than `wanted`."""
    if pos >= len(buf):
        return cut(buf, pos)
    return DecodeError(f"{wanted} should be here, not {describe(buf, pos)}", pos)
