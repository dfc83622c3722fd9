"""How values are written in place of others: what was not changed keeps its bytes.

`exact` means a value as `cborrpc` reads it, byte strings as bytes and text as str. A value in the
form of Python 2 has its strings as byte strings.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from struct import pack
from typing import Any, Final

from goordinate.cborrpc import EncodeError, dumps
from goordinate.cborrpc.decode import decode_item, read_array_head, read_map_head
from goordinate.cborrpc.encode import array_head, encode_head
from goordinate.cborrpc.heads import ARRAY, BREAK, BYTES, MAP, MAX_DEPTH
from goordinate.cborrpc.tags import TUPLE_HEAD, Tag

logger = logging.getLogger(__name__)

DEPTH: Final = MAX_DEPTH + 64
"""How deep a value may be nested that comes from a server."""


def as_bytes(value: str | bytes) -> bytes:
    """The bytes of a string: what a Python 2 program has, or would have, sent.

    Raises UnicodeEncodeError for a lone surrogate that stands for no byte.
    """
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


def as_text(value: str | bytes) -> str:
    """A string as str. A byte that is not UTF-8 becomes a lone surrogate, as Python does it in
    the names of files; `as_bytes` gives it back."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


def is_utf8(text: str) -> bool:
    """Whether it has no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def converted(value: Any, string: Callable[[Any], Any]) -> Any:
    """A copy of a value in which each str and bytes is what `string` makes of it.

    What an unknown tag holds is left alone.
    """
    if isinstance(value, str | bytes):
        return string(value)
    if isinstance(value, dict):
        changed = {converted(key, string): converted(item, string) for key, item in value.items()}
        if len(changed) < len(value):
            _warn_of_equal_keys()
        return changed
    if isinstance(value, list):
        return [converted(item, string) for item in value]
    if isinstance(value, tuple):
        return tuple([converted(item, string) for item in value])
    return value


_warned_of_equal_keys = False


def _warn_of_equal_keys() -> None:
    global _warned_of_equal_keys
    if not _warned_of_equal_keys:
        _warned_of_equal_keys = True
        logger.warning(
            "a map has the same key as byte string and as text: only the last of the two is seen,"
            " and written again if the map is changed (told once)"
        )


def as_it_is(value: Any) -> Any:
    """The value."""
    return value


def text_or_bytes(value: str | bytes) -> str | bytes:
    """A string; the bytes for which it stands if it has lone surrogates."""
    return as_bytes(value) if isinstance(value, str) and not is_utf8(value) else value


def is_python2_map(value: Any) -> bool:
    """Whether an exact value is a map that Python 2 has written: a key is a byte string."""
    return isinstance(value, dict) and any(isinstance(key, bytes) for key in value)


def identical(one: Any, other: Any) -> bool:
    """Whether two values are written alike: types, and the order of keys, count."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            identical(key, its_key) and identical(item, its_item)
            for (key, item), (its_key, its_item) in zip(one.items(), other.items(), strict=True)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(identical, one, other))
    if isinstance(one, float):
        return pack("d", one) == pack("d", other)
    if isinstance(one, Tag):
        return one.number == other.number and identical(one.value, other.value)
    return bool(one == other)


@dataclass(slots=True)
class Form:
    """An encoded value, taken apart.

    pairs: of a map, (exact key, its encoding, the form of its value). items: of a list or tuple.
    value: the exact value, if it is none of these.
    """

    raw: bytes
    value: Any = None
    pairs: list[tuple[Any, bytes, Form]] | None = None
    items: list[Form] | None = None
    is_tuple: bool = False


def form_of(item: bytes) -> Form:
    """The form of an encoded value. Raises DecodeError."""
    return _form(item, 0, DEPTH)[0]


def _form(buf: bytes, pos: int, depth: int) -> tuple[Form, int]:
    start = pos
    is_tuple = buf.startswith(TUPLE_HEAD, pos) and buf[pos + 2] >> 5 == ARRAY
    if is_tuple:
        pos += len(TUPLE_HEAD)
    if buf[pos] >> 5 == MAP:
        pairs: list[tuple[Any, bytes, Form]] = []
        count, pos = read_map_head(buf, pos)
        while not _at_end(buf, pos, count, len(pairs)):
            key, end = decode_item(buf, pos, depth)
            value, after = _form(buf, end, depth - 1)
            pairs.append((key, buf[pos:end], value))
            pos = after
        pos += count is None
        return Form(buf[start:pos], pairs=pairs), pos
    if buf[pos] >> 5 == ARRAY:
        items: list[Form] = []
        count, pos = read_array_head(buf, pos)
        while not _at_end(buf, pos, count, len(items)):
            value, pos = _form(buf, pos, depth - 1)
            items.append(value)
        pos += count is None
        return Form(buf[start:pos], items=items, is_tuple=is_tuple), pos
    leaf, pos = decode_item(buf, pos, depth)
    return Form(buf[start:pos], leaf), pos


def _at_end(buf: bytes, pos: int, count: int | None, read: int) -> bool:
    return buf[pos] == BREAK if count is None else read == count


class Writer:
    """Writes values in place of others.

    python2: whether maps, and all in them, are in the form of Python 2; None: each outermost map
    has the form of the one that it replaces. new: the form of one that replaces none. text: what
    becomes of a string that is not in the form of Python 2.
    """

    def __init__(
        self, python2: bool | None, *, new: bool = False, text: Callable[[Any], Any] = as_it_is
    ) -> None:
        self._python2 = python2
        self._new = new
        self._text = text

    def write(self, value: Any, replaced: bytes | None) -> bytes:
        """The encoding of a value. What is the same in `replaced`, an encoded value, has the bytes
        that it has there. Raises EncodeError, or UnicodeEncodeError for a lone surrogate that
        stands for no byte."""
        return self._write(value, None if replaced is None else form_of(replaced), self._python2)

    def _write(self, value: Any, old: Form | None, python2: bool | None) -> bytes:
        if old is None:
            return self._write_new(value, python2)
        if old.pairs is None and old.items is None and identical(value, read(old.value, python2)):
            return old.raw
        if isinstance(value, dict):
            if python2 is not None:
                return self._write_map(value, old, python2)
            keys = [key for key, _, _ in old.pairs or () if isinstance(key, str | bytes)]
            python2 = any(isinstance(key, bytes) for key in keys) if keys else self._new
            return self._write_map(value, old, python2, outermost=True)
        if isinstance(value, list | tuple):
            return self._write_items(value, old, python2)
        return self._write_new(value, python2)

    def _write_map(
        self, value: dict[Any, Any], old: Form, python2: bool, outermost: bool = False
    ) -> bytes:
        before = {read(key, python2): (raw, form) for key, raw, form in old.pairs or ()}
        places = list(before)
        names = {name: name for name in before}
        same = old.pairs is not None and len(value) == len(places)
        keys, items = [], []
        for place, (key, item) in enumerate(value.items()):
            in_place = place < len(places) and identical(key, places[place])
            if in_place or (key in names and identical(key, names[key])):
                raw, form = before[places[place] if in_place else key]
                keys.append(raw)
                items.append(self._write(item, form, python2))
                same = same and in_place and items[-1] is form.raw
            else:
                keys.append(self._write_new(key, python2))
                items.append(self._write_new(item, python2))
                same = False
        if same:
            return old.raw
        if outermost and python2 and not any(key[0] >> 5 == BYTES for key in keys):
            # Its readers are to see that it is a map of Python 2.
            keys = [self._write_new(key, python2) for key in value]
        pairs = chain.from_iterable(zip(keys, items, strict=True))
        return encode_head(MAP, len(value)) + b"".join(pairs)

    def _write_items(
        self, value: list[Any] | tuple[Any, ...], old: Form, python2: bool | None
    ) -> bytes:
        before = old.items or []
        is_tuple = isinstance(value, tuple)
        same = old.items is not None and len(value) == len(before) and is_tuple == old.is_tuple
        pieces = [TUPLE_HEAD] if is_tuple else []
        pieces.append(array_head(len(value)))
        for place, item in enumerate(value):
            form = before[place] if place < len(before) else None
            written = self._write(item, form, python2)
            same = same and form is not None and written is form.raw
            pieces.append(written)
        return old.raw if same else b"".join(pieces)

    def _write_new(self, value: Any, python2: bool | None) -> bytes:
        if not (python2 or (python2 is None and self._new)):
            try:
                return dumps(value)
            except EncodeError:
                if self._text is as_it_is:
                    raise
        return dumps(self._new_value(value, python2))

    def _new_value(self, value: Any, python2: bool | None) -> Any:
        """The exact value of what replaces nothing."""
        if python2 is None:
            if isinstance(value, list):
                return [self._new_value(item, None) for item in value]
            if isinstance(value, tuple):
                return tuple([self._new_value(item, None) for item in value])
            python2 = self._new and isinstance(value, dict)
        return converted(value, as_bytes if python2 else self._text)


def read(value: Any, python2: bool | None) -> Any:
    """An exact value as a program sees it: with str for byte strings if python2; None: so in each
    outermost map that Python 2 has written."""
    if python2 is None:
        if isinstance(value, list):
            return [read(item, None) for item in value]
        if isinstance(value, tuple):
            return tuple([read(item, None) for item in value])
        python2 = is_python2_map(value)
    return converted(value, as_text) if python2 else value
