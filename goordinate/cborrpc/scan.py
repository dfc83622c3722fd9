"""Skipping an item without decoding it: is it well-formed, and where does it end?

Rule: exactly the well-formed items (RFC 8949 appendix C) are accepted, nested no deeper than
allowed.  Whether what is well-formed can also be read is checked in `readable`.

This runs over the data of every work unit, so there are two loops.  `skip_item` is fast: it knows
the common items by their initial byte, and leaves everything else to a slower function.  That is
`walk`, which knows all items and raises the error with its place, or a check of `readable`.
"""

from __future__ import annotations

from collections.abc import Callable
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
from .tags import TUPLE


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


_SHORT: Final = tuple(
    0 if 0x80 <= initial < 0xF4 else _known_by_initial_byte(initial)[0] for initial in range(256)
)
"""How many bytes to skip, for items that are neither an array, a map, a tag nor a simple value
without a name.  0: the fast loop looks closer."""

Check = Callable[[bytes, int, int], int]
"""(buffer, index of an item, how deep it may be nested) -> the index after it, or DecodeError."""


def skip_item(buf: bytes, pos: int, depth: int, check: Check | None = None) -> int:
    """The index after the item that begins at `pos`.

    depth: how deep arrays, maps and tags may be nested in it.  check: what decides on an item that
    is more than strings, numbers, arrays, maps with such keys, and tuples; None: `walk`.  Raises
    DecodeError if the item is nested deeper, or is not well-formed, and what `check` raises.
    """
    short = _SHORT
    # `left` items remain in the innermost array or map.  In a map (`odd` is 0) those with an even
    # number are keys.  `levels` may be nested in it.  `outer` has the same three of those around
    # it, but for those that end where the inner one ends.
    end, left, odd, levels = pos, 1, 1, depth
    outer: list[tuple[int, int, int]] | None = None
    try:
        initial = buf[end]
        if 0xA0 < initial < 0xB8 and depth > 0:  # a map, most often
            end, left, odd, levels = pos + 1, 2 * initial - 0x140, 0, depth - 1
        while True:
            initial = buf[end]
            step = short[initial]
            if step:
                end += step
                left -= 1
            elif initial < 0x60:
                if initial == 0x58:
                    end += 2 + buf[end + 1]
                elif initial == 0x59:
                    end += 3 + (buf[end + 1] << 8 | buf[end + 2])
                elif initial == 0x5A:
                    end += 5 + int.from_bytes(buf[end + 1 : end + 5], "big")
                else:
                    break
                left -= 1
            elif initial < 0x80:
                start = end + 1
                if initial < 0x78:
                    end += initial - 0x5F
                elif initial == 0x78:
                    end += 2 + buf[start]
                    start += 1
                elif initial == 0x79:
                    end += 3 + (buf[start] << 8 | buf[start + 1])
                    start += 2
                else:
                    break
                buf[start:end].decode()
                left -= 1
            else:
                if levels < 1 or not (left | odd) & 1:  # nested too deep; a key
                    break
                if left > 1:
                    if outer is None:
                        outer = []
                    outer.append((left - 1, odd, levels))
                levels -= 1
                if initial < 0x98:
                    left, odd = initial - 0x80, 1
                    end += 1
                elif 0xA0 <= initial < 0xB8:
                    left, odd = 2 * initial - 0x140, 0
                    end += 1
                elif initial == 0xD8:
                    left, odd = buf[end + 2] - 0x80, 1
                    if buf[end + 1] != TUPLE or levels < 1 or not 0 <= left < 24:
                        break
                    end += 3
                    levels -= 1
                elif initial < 0x9C:
                    left, end = read_argument(buf, end)
                    odd = 1
                elif 0xB8 <= initial < 0xBC:
                    left, end = read_argument(buf, end)
                    left, odd = 2 * left, 0
                else:
                    break
            if left:
                continue
            if outer:
                left, odd, levels = outer.pop()
            elif end <= len(buf):
                return end
            else:
                break
    except (IndexError, UnicodeDecodeError):
        pass
    return (check or walk)(buf, pos, depth)


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
