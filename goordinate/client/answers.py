"""Readers of answers whose parts stay encoded: the data of units, and work specs.

They are readers in the sense of `cborrpc.decode`.
"""

from __future__ import annotations

from typing import Any, Final

from goordinate.cborrpc.decode import Reader, decode_item, opaque_item, read_list
from goordinate.cborrpc.errors import DecodeError
from goordinate.cborrpc.heads import MAX_DEPTH, NULL


def row(*readers: Reader[Any]) -> Reader[list[Any]]:
    """The reader of a list or tuple of as many items, each with a reader of its own."""

    def read(buf: bytes, pos: int, depth: int) -> tuple[list[Any], int]:
        """The items, and the position after them."""
        left = iter(readers)
        items, end = read_list(buf, pos, depth, lambda *at: next(left)(*at), len(readers))
        if len(items) != len(readers):
            raise DecodeError(f"expected {len(readers)} items, got {len(items)}", pos)
        return items, end

    return read


def rows(reader: Reader[Any]) -> Reader[list[Any]]:
    """The reader of a list or tuple of any length, of items of one kind."""

    def read(buf: bytes, pos: int, depth: int) -> tuple[list[Any], int]:
        """The items, and the position after them."""
        return read_list(buf, pos, depth, reader)

    return read


def nullable(reader: Reader[Any]) -> Reader[Any]:
    """The reader of what may be null instead: None."""

    def read(buf: bytes, pos: int, depth: int) -> tuple[Any, int]:
        """The value or None, and the position after it."""
        if buf[pos : pos + 1] == NULL:
            return None, pos + 1
        return reader(buf, pos, depth)

    return read


def take(reader: Reader[Any], item: bytes) -> Any:
    """What a reader makes of an encoded answer."""
    return reader(item, 0, 2 * MAX_DEPTH)[0]


UNIT: Final = row(decode_item, decode_item, opaque_item)
"""Spec, key and data of a unit from get_work."""

ONE_UNIT: Final = row(UNIT, decode_item)
MANY_UNITS: Final = row(rows(UNIT), decode_item)
KEYS_AND_DATA: Final = row(nullable(rows(row(decode_item, opaque_item))), decode_item)
"""The answer to get_work_units."""

SPEC: Final = nullable(opaque_item)
SPECS: Final = row(rows(opaque_item), decode_item)
"""The answers to get_work_spec and list_work_specs."""
