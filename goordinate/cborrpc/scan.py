"""Skipping an item without decoding it: is it well-formed, and where does it end?

Rule: exactly the well-formed items (RFC 8949 appendix C) are accepted, nested no deeper than
allowed.  The meaning of tags is not checked here.

This runs over the data of every work unit, so there are two loops.  `skip_item` is fast: it knows
the common items by their initial byte, checks the end of the input once for all of them, and
leaves everything else to `walk`.  `walk` knows all items, and raises the error with its place.
"""

from __future__ import annotations

from typing import Final

from .errors import DecodeError
from .heads import (
    BREAK,
    BYTES,
    MAP,
    NEGATIVE,
    OTHER,
    TAG,
    TEXT,
    UNSIGNED,
    bad_simple,
    cut,
    no_item,
    read_argument,
    read_chunks,
    read_length,
    read_text,
    too_deep,
)


def _known_by_initial_byte(initial: int) -> tuple[int, int]:
    """How many bytes to skip (0: the initial byte does not tell), and by how much the number of
    remaining items changes: -1 for this item, +1 for each item inside it."""
    major, info = initial >> 5, initial & 31
    argument = 1 << (info - 24) if 24 <= info <= 27 else 0
    if major in (UNSIGNED, NEGATIVE):
        return (0 if info > 27 else 1 + argument), -1
    if major == OTHER:
        return (0 if info == 24 or info > 27 else 1 + argument), -1
    if major == TAG:
        return (0 if info > 27 else 1 + argument), 0
    if info > 23 or major == TEXT:
        return 0, -1
    if major == BYTES:
        return 1 + info, -1
    return 1, (2 * info if major == MAP else info) - 1


STEP: Final = tuple(_known_by_initial_byte(initial)[0] for initial in range(256))
MORE: Final = tuple(_known_by_initial_byte(initial)[1] for initial in range(256))

# `walk` counts the remaining items of an array or map down.  One of indefinite length begins with
# one of the first two numbers.  A definite length is never as large as the third.
_ARRAY_ITEMS: Final = 1 << 61
_MAP_ITEMS: Final = 1 << 62
_ENDLESS: Final = 1 << 60


def skip_item(buf: bytes, pos: int, depth: int) -> int:
    """The index after the item that begins at `pos`.

    depth: how deep arrays, maps and tags may be nested in it.  Raises DecodeError if it is nested
    deeper, or is not well-formed.
    """
    step_of, more_of = STEP, MORE
    end, left = pos, 1
    try:
        # Nesting needs no count here: `depth` items cannot be nested deeper than `depth`.
        for _ in range(depth):
            initial = buf[end]
            step = step_of[initial]
            if step:
                end += step
                left += more_of[initial]
            elif initial < 0x60:
                if initial == 0x58:
                    end += 2 + buf[end + 1]
                elif initial == 0x59:
                    end += 3 + (buf[end + 1] << 8 | buf[end + 2])
                else:
                    break
                left -= 1
            elif initial <= 0x78:
                start = end + 1
                if initial < 0x78:
                    end += initial - 0x5F
                else:
                    end += 2 + buf[start]
                    start += 1
                buf[start:end].decode()
                left -= 1
            else:
                break
            if not left:
                if end <= len(buf):
                    return end
                break
    except (IndexError, UnicodeDecodeError):
        pass
    return walk(buf, pos, depth)


def walk(buf: bytes, pos: int, depth: int) -> int:
    """The same as `skip_item`, for any item, with an exact account of what is wrong.

    `left` counts the items still to come in the innermost open array, map or tag, and
    `outer` those in each around it.  Until a break it counts down from one of two numbers
    too large to reach 0, which tell an array from a map.
    """
    left = 1
    outer: list[int] = []
    at = pos
    try:
        while True:
            while left:
                left -= 1
                initial = buf[pos]
                at = pos
                step = STEP[initial]
                if 0x80 <= initial < 0xE0:
                    if len(outer) >= depth:
                        raise too_deep(pos)
                    outer.append(left)
                    if step:
                        pos += step
                        left = MORE[initial] + 1
                    else:
                        left, pos = _items_inside(buf, pos)
                elif step:
                    pos += step
                elif initial == 0x58:
                    pos += 2 + buf[pos + 1]
                elif initial < 0x80:
                    pos = _skip_string(buf, pos)
                elif initial == 0xF8:
                    if buf[pos + 1] < 32:
                        raise bad_simple(buf, pos)
                    pos += 2
                elif initial == BREAK and _may_end(left):
                    left = outer.pop()
                    pos += 1
                else:
                    raise no_item(buf, pos)
            if not outer:
                break
            left = outer.pop()
    except IndexError:
        raise cut(buf, at if pos > len(buf) else pos) from None
    if pos > len(buf):
        raise cut(buf, at)
    return pos


def _may_end(left: int) -> bool:
    """Whether a break may be here, with `left` items remaining: in an array or map of indefinite
    length, but not in place of a map's value."""
    return left > _ENDLESS and (left < _ARRAY_ITEMS or left % 2 == 1)


def _items_inside(buf: bytes, pos: int) -> tuple[int, int]:
    """How many items are in the array, map or tag at `pos`, and the index of the first."""
    major = buf[pos] >> 5
    if major == TAG:
        return 1, read_argument(buf, pos)[1]
    length, start = read_length(buf, pos)
    if length is None:
        return (_MAP_ITEMS if major == MAP else _ARRAY_ITEMS), start
    return (2 * length if major == MAP else length), start


def _skip_string(buf: bytes, pos: int) -> int:
    """The index after the byte or text string at `pos`."""
    if buf[pos] < 0x40:
        raise no_item(buf, pos)
    length, start = read_length(buf, pos)
    if length is None:
        return read_chunks(buf, pos)[1]
    end = start + length
    if buf[pos] >> 5 == TEXT:
        read_text(buf, start, end)
    return end


def explain(buf: bytes, pos: int, depth: int) -> DecodeError:
    """The error for the item at `pos`, which a fast loop has found to be not well-formed."""
    try:
        walk(buf, pos, depth)
    except DecodeError as fault:
        return fault
    return DecodeError("not well-formed", pos)
