"""Checking that an item can be read, without decoding it: what is stored is given out again.

Rule: `readable_by_ours` accepts exactly what `decode.loads` accepts.  `readable_by_all` refuses
besides what the clients in Python 2 cannot read: tags that are not in `tags.KNOWN`, long bignums,
and simple values without a name.  An item that is not decoded takes no memory.

`skip_item` calls one of these for what its fast loop does not know; that accepts only what all can
read.
"""

from __future__ import annotations

from functools import partial
from itertools import repeat
from typing import Final

from .errors import DecodeError
from .heads import (
    ARRAY,
    BREAK,
    BYTES,
    INDEFINITE,
    MAP,
    TAG,
    bad_simple,
    describe,
    read_argument,
    read_chunks,
    read_length,
    too_deep,
)
from .scan import STEP, explain, walk
from .tags import CONTENTS, EMBEDDED, KNOWN, TUPLE, UUID_BYTES
from .values import read_embedded

LONGEST_BIGNUM: Final = 23
"""Bytes of a bignum that all clients can read; its byte string is in one piece."""

MOST_IN_CHUNKS: Final = 2**20
"""Bytes of CBOR inside CBOR (tag 24) in chunks: these are joined, at each level of nesting."""


def readable_by_all(buf: bytes, pos: int, depth: int) -> int:
    """The index after the item at `pos`, which every client can read.

    depth: how deep it may be nested; see `decode.loads`.  Raises DecodeError, with the byte.
    """
    return _checked(buf, pos, depth, _Checker(only_known=True))


def readable_by_ours(buf: bytes, pos: int, depth: int) -> int:
    """The index after the item at `pos`, which `decode.loads` can read.

    depth: how deep it may be nested; see `decode.loads`.  Raises DecodeError, with the byte.
    """
    return _checked(buf, pos, depth, _Checker(only_known=False))


def _checked(buf: bytes, pos: int, depth: int, checker: _Checker) -> int:
    try:
        end = checker.item(buf, pos, depth, in_key=False)
    except (IndexError, UnicodeDecodeError):
        raise explain(buf, pos, depth) from None
    except RecursionError:
        raise DecodeError("nested deeper than Python's stack allows", pos) from None
    if end > len(buf):
        raise explain(buf, pos, depth)
    return end


class _Checker:
    """Checks one item after the other.  Its functions raise what those of `values` do."""

    def __init__(self, *, only_known: bool) -> None:
        self._only_known = only_known

    def item(self, buf: bytes, pos: int, depth: int, *, in_key: bool) -> int:
        """The index after an item, which may be a map key or in one."""
        initial = buf[pos]
        major = initial >> 5
        if major == TAG:
            return self._tag(buf, pos, depth, in_key)
        if major in (ARRAY, MAP):
            if in_key:
                raise DecodeError(f"{describe(buf, pos)} in a map key, where readers fail", pos)
            return self._items(buf, pos, depth, in_key)
        if self._only_known and 0xE0 <= initial <= 0xF8 and not 0xF4 <= initial <= 0xF7:
            if initial == 0xF8 and buf[pos + 1] < 32:
                raise bad_simple(buf, pos)
            raise DecodeError("a simple value that not all clients can read", pos)
        step = STEP[initial]
        return pos + step if step else walk(buf, pos, 0)

    def _content(self, in_key: bool, buf: bytes, pos: int, depth: int) -> tuple[None, int]:
        """The same for an item inside tag 24, as `read_embedded` wants it."""
        return None, self.item(buf, pos, depth, in_key=in_key)

    def _items(self, buf: bytes, pos: int, depth: int, in_key: bool) -> int:
        """The index after an array or a map."""
        if depth <= 0:
            raise too_deep(pos)
        is_map = buf[pos] >> 5 == MAP
        count, pos = read_length(buf, pos)
        item = self.item
        for _ in repeat(None) if count is None else range(count):
            if count is None and buf[pos] == BREAK:
                return pos + 1
            pos = item(buf, pos, depth - 1, in_key=is_map or in_key)
            if is_map:
                pos = item(buf, pos, depth - 1, in_key=False)
        return pos

    def _tag(self, buf: bytes, pos: int, depth: int, in_key: bool) -> int:
        if depth <= 0:
            raise too_deep(pos)
        number, start = read_argument(buf, pos)
        if number == EMBEDDED:
            if buf[start] >> 5 == BYTES and _in_chunks(buf, start):
                size = len(read_chunks(buf, start)[0])
                if size > MOST_IN_CHUNKS:
                    raise DecodeError(f"tag {number} over chunks of {size} bytes", start)
            return read_embedded(buf, start, depth - 1, partial(self._content, in_key))[1]
        if number not in KNOWN:
            if self._only_known:
                raise DecodeError(f"tag {number}, which not all clients can read", pos)
            return self.item(buf, start, depth - 1, in_key=in_key)
        major, words, _ = CONTENTS[number]
        if buf[start] >> 5 != major:
            found = describe(buf, start)
            raise DecodeError(f"tag {number} is over {words}, not {found}", start)
        if number == TUPLE:
            return self._items(buf, start, depth - 1, in_key)
        end = walk(buf, start, 0)
        if number == UUID_BYTES:
            size = len(read_chunks(buf, start)[0]) if _in_chunks(buf, start) else _size(buf, start)
            if size != 16:
                raise DecodeError(f"tag {number} is over {words}, not {size} bytes", start)
        elif self._only_known and buf[start] - (BYTES << 5) > LONGEST_BIGNUM:
            raise DecodeError("a bignum that not all clients can read", start)
        return end


def _in_chunks(buf: bytes, pos: int) -> bool:
    return buf[pos] & 31 == INDEFINITE


def _size(buf: bytes, pos: int) -> int:
    """The bytes of the string at `pos`, which is in one piece."""
    return read_argument(buf, pos)[0]
