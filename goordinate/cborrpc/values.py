"""Decoding the value of an item: `READ` has a row for each of the 256 initial bytes.

Rule: a function here takes the buffer, the index of the item and how many more levels may be
nested, and returns the value and the index after the item.  It raises DecodeError.  For speed it
may also raise IndexError or UnicodeDecodeError, or return an index past the end of the buffer, if
the item is not well-formed.  Then the caller, `decode.decode_item` or (for CBOR inside CBOR)
`_read_embedded`, asks `scan.explain` for the error.

The loops over arrays and maps read short byte strings and small integers without a call: most of
a message is made of these.  Each level of nesting takes one Python frame.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from struct import Struct
from typing import Any, Final

from .errors import DecodeError
from .heads import (
    ARRAY,
    BREAK,
    BYTES,
    INDEFINITE,
    MAP,
    NEGATIVE,
    OTHER,
    TAG,
    TEXT,
    UNSIGNED,
    bad_simple,
    cut,
    describe,
    no_item,
    read_argument,
    read_chunks,
    read_length,
    too_deep,
)
from .scan import explain
from .tags import CONTENTS, EMBEDDED, TUPLE, UNDEFINED, Simple, Tag


def _read_array(buf: bytes, pos: int, depth: int) -> tuple[list[Any], int]:
    if depth <= 0:
        raise too_deep(pos)
    depth -= 1
    initial = buf[pos]
    count: int | None
    if initial < 0x98:
        count = initial - 0x80
        pos += 1
    else:
        count, pos = read_length(buf, pos)
    items: list[Any] = []
    append = items.append
    for _ in repeat(None) if count is None else range(count):
        initial = buf[pos]
        if 0x40 <= initial < 0x58:
            end = pos + initial - 0x3F
            append(buf[pos + 1 : end])
            pos = end
        elif initial < 0x18:
            append(initial)
            pos += 1
        elif initial == BREAK and count is None:
            pos += 1
            break
        else:
            value, pos = READ[initial](buf, pos, depth)
            append(value)
    return items, pos


def _read_map(buf: bytes, pos: int, depth: int) -> tuple[dict[Any, Any], int]:
    if depth <= 0:
        raise too_deep(pos)
    depth -= 1
    initial = buf[pos]
    count: int | None
    if initial < 0xB8:
        count = initial - 0xA0
        pos += 1
    else:
        count, pos = read_length(buf, pos)
    items: dict[Any, Any] = {}
    for _ in repeat(None) if count is None else range(count):
        initial = buf[pos]
        if 0x40 <= initial < 0x58:
            end = pos + initial - 0x3F
            key: Any = buf[pos + 1 : end]
            pos = end
        elif initial == BREAK and count is None:
            pos += 1
            break
        else:
            start = pos
            key, pos = READ[initial](buf, pos, depth)
            try:
                hash(key)
            except TypeError as fault:
                kind = type(key).__name__
                raise DecodeError(f"a map key cannot be a {kind} ({fault})", start) from None
        initial = buf[pos]
        if 0x40 <= initial < 0x58:
            end = pos + initial - 0x3F
            items[key] = buf[pos + 1 : end]
            pos = end
        elif initial < 0x18:
            items[key] = initial
            pos += 1
        else:
            items[key], pos = READ[initial](buf, pos, depth)
    return items, pos


def _read_unsigned(buf: bytes, pos: int, depth: int) -> tuple[int, int]:
    return read_argument(buf, pos)


def _read_negative(buf: bytes, pos: int, depth: int) -> tuple[int, int]:
    argument, end = read_argument(buf, pos)
    return -1 - argument, end


def _read_byte(buf: bytes, pos: int, depth: int) -> tuple[int, int]:
    return buf[pos + 1], pos + 2


def _read_short(buf: bytes, pos: int, depth: int) -> tuple[int, int]:
    return buf[pos + 1] << 8 | buf[pos + 2], pos + 3


def _read_bytes(buf: bytes, pos: int, depth: int) -> tuple[bytes, int]:
    if buf[pos] == 0x58:
        start = pos + 2
        end = start + buf[pos + 1]
        return buf[start:end], end
    length, start = read_length(buf, pos)
    if length is None:
        return read_chunks(buf, pos)
    end = start + length
    return buf[start:end], end


def _read_text(buf: bytes, pos: int, depth: int) -> tuple[str, int]:
    initial = buf[pos]
    if initial < 0x78:
        end = pos + initial - 0x5F
        return buf[pos + 1 : end].decode(), end
    length, start = read_length(buf, pos)
    if length is None:
        chunks, end = read_chunks(buf, pos)
        return chunks.decode(), end
    end = start + length
    return buf[start:end].decode(), end


def _read_small(buf: bytes, pos: int, depth: int) -> tuple[Any, int]:
    return _ONE_BYTE[buf[pos]], pos + 1


def _read_simple(buf: bytes, pos: int, depth: int) -> tuple[Simple, int]:
    number = buf[pos + 1]
    if number < 32:
        raise bad_simple(buf, pos)
    return Simple(number), pos + 2


def _read_float(buf: bytes, pos: int, depth: int) -> tuple[float, int]:
    form = _FLOATS[buf[pos]]
    end = pos + 1 + form.size
    if end > len(buf):
        raise cut(buf, pos)
    (value,) = form.unpack_from(buf, pos + 1)
    return value, end


def _no_item(buf: bytes, pos: int, depth: int) -> tuple[Any, int]:
    raise no_item(buf, pos)


def _read_tag(buf: bytes, pos: int, depth: int) -> tuple[Any, int]:
    if depth <= 0:
        raise too_deep(pos)
    depth -= 1
    number, start = read_argument(buf, pos)
    initial = buf[start]
    if number == EMBEDDED:
        return read_embedded(buf, start, depth, None)
    meaning = CONTENTS.get(number)
    if meaning is None:
        value, end = READ[initial](buf, start, depth)
        return Tag(number, value), end
    major, words, convert = meaning
    if initial >> 5 == major:
        content, end = READ[initial](buf, start, depth)
        if end > len(buf):
            raise cut(buf, start)
        try:
            return convert(content), end
        except ValueError:
            found = f"{len(content)} bytes"
    else:
        found = describe(buf, start)
    raise DecodeError(f"tag {number} is over {words}, not {found}", start)


def _read_one_byte_tag(buf: bytes, pos: int, depth: int) -> tuple[Any, int]:
    """A tag of 24 to 255.  Tuples, which are in every message, have a fast path."""
    if buf[pos + 1] == TUPLE and 0x80 <= buf[pos + 2] <= 0x9F:
        items, end = _read_array(buf, pos + 2, depth - 1)
        return tuple(items), end
    return _read_tag(buf, pos, depth)


def read_embedded(
    buf: bytes, pos: int, depth: int, read: Callable[[bytes, int, int], tuple[Any, int]] | None
) -> tuple[Any, int]:
    """The item encoded in the byte string at `pos`, which has tag 24 (section 3.4.5.1): what `read`
    makes of it, a function as those here, or its value (None).

    It is read in place, not copied, so that nested ones take no memory.  So the item may run past
    the end of the string, into what follows it.  That is an error, whatever was read there.
    """
    if depth <= 0:
        raise too_deep(pos)
    depth -= 1
    if buf[pos] >> 5 != BYTES:
        raise DecodeError(f"tag 24 is over a byte string, not {describe(buf, pos)}", pos)
    length, start = read_length(buf, pos)
    if length is None:
        source, end = read_chunks(buf, pos)
        start, stop = 0, len(source)
    else:
        source = buf
        stop = end = start + length
    try:
        value, after = (read or READ[source[start]])(source, start, depth)
    except (IndexError, UnicodeDecodeError):
        fault = explain(source, start, depth)
    except DecodeError as exc:
        fault = exc
    else:
        if after == stop:
            return value, end
        fault = DecodeError("more bytes after the item in tag 24", after)
    if fault.offset >= stop:
        fault = DecodeError("the byte string of tag 24 ends inside its item", stop)
    if source is not buf:
        # The content is joined from chunks: name the place in it once, not at each level.
        told = fault.what if fault.what.startswith(_IN_CHUNKS) else f"{_IN_CHUNKS}: {fault}"
        fault = DecodeError(told, pos)
    try:
        raise fault from None
    finally:
        del fault  # else it and this frame, which holds the message, would keep each other


_IN_CHUNKS: Final = "in the chunks of a tag 24"
_FLOATS: Final = {0xF9: Struct(">e"), 0xFA: Struct(">f"), 0xFB: Struct(">d")}

# The values of the items of one byte.  (The Nones before False are never read.)
_ONE_BYTE: Final[tuple[Any, ...]] = (
    *range(24),
    *repeat(None, 8),
    *range(-1, -25, -1),
    *repeat(None, 0xE0 - 0x38),
    *map(Simple, range(20)),
    False,
    True,
    None,
    UNDEFINED,
)


def _reader_for(initial: int) -> Callable[[bytes, int, int], tuple[Any, int]]:
    major, info = initial >> 5, initial & 31
    if 28 <= info <= 30 or (info == INDEFINITE and major in (UNSIGNED, NEGATIVE, TAG, OTHER)):
        return _no_item
    if info < 24 and major in (UNSIGNED, NEGATIVE, OTHER):
        return _read_small
    special = {0x18: _read_byte, 0x19: _read_short, 0xD8: _read_one_byte_tag, 0xF8: _read_simple}
    by_major = {
        UNSIGNED: _read_unsigned,
        NEGATIVE: _read_negative,
        BYTES: _read_bytes,
        TEXT: _read_text,
        ARRAY: _read_array,
        MAP: _read_map,
        TAG: _read_tag,
        OTHER: _read_float,
    }
    return special.get(initial, by_major[major])


READ: Final = tuple(_reader_for(initial) for initial in range(256))
