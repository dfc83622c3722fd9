"""How what clients store is read: checked, because every client that asks for it must read it.

The rule here: data, work specs and modes that go into the queue pass one of these readers. Names
need no check: they are strings. What is refused would otherwise be handed out again and again, and
each reader would fail.
"""

from __future__ import annotations

from typing import Any, Final

from goordinate.cborrpc.decode import Reader, read_list, skip_item
from goordinate.cborrpc.errors import DecodeError
from goordinate.cborrpc.heads import BYTES, MAX_DEPTH, TEXT
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.readable import readable_by_all, readable_by_ours
from goordinate.cborrpc.scan import Check
from goordinate.coordinate.new_units import NewWorkUnit, new_unit_reader
from goordinate.jobserver.options import KEY_DEPTH, hashable

LEVELS_AROUND: Final = 7
"""How deep an answer nests what is stored, at most: the list of answers to a batch, the answer, the
pair (a tag and an array), the list, the unit (a tag and an array)."""

DEEPEST: Final = MAX_DEPTH - LEVELS_AROUND
"""How deep what is stored may be nested, so that the answer is no deeper than clients read."""


class StoredReaders:
    """The readers, which ask `limits` which tags may be stored."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def _check(self) -> Check:
        return readable_by_ours if self._limits.any_tags else readable_by_all

    def item(self, buf: bytes, pos: int, depth: int) -> tuple[bytes, int]:
        """An item as it came."""
        end = skip_item(buf, pos, min(depth, DEEPEST), self._check())
        return buf[pos:end], end

    def item_or_fault(self, buf: bytes, pos: int, depth: int) -> tuple[bytes | DecodeError, int]:
        """The same. A fault of one that is well-formed is returned: the caller knows the unit."""
        check = readable_by_ours if self._limits.any_tags else readable_by_all
        try:  # as `item`, without its calls: this reads what each finished unit brings
            end = skip_item(buf, pos, depth if depth < DEEPEST else DEEPEST, check)
            return buf[pos:end], end
        except DecodeError as fault:
            end = skip_item(buf, pos, depth)
            return DecodeError(fault.what, fault.offset), end

    def new_units(self, buf: bytes, pos: int, depth: int) -> tuple[list[NewWorkUnit], int]:
        """The units of add_work_units."""
        return read_list(buf, pos, depth, _UNIT_READERS[self._limits.any_tags])

    def mode(self, buf: bytes, pos: int, depth: int) -> tuple[Any, int]:
        """What a worker says it does: any value that can be a map key."""
        value, end = hashable(buf, pos, depth)
        if buf[pos] >> 5 not in (BYTES, TEXT):
            skip_item(buf, pos, KEY_DEPTH, self._check())
        return value, end


_UNIT_READERS: Final[tuple[Reader[NewWorkUnit], Reader[NewWorkUnit]]] = (
    new_unit_reader(readable_by_all, DEEPEST),
    new_unit_reader(readable_by_ours, DEEPEST),
)
"""By `Limits.any_tags`."""
