"""How strings travel, and what Python 3 code sees of them: docs/strings.md.

Python 2 programs send most strings as byte strings, and what came from JSON as text. The rule
here: a value read and written again has the same bytes wherever it was not changed.

`exact` below means a value as `cborrpc` reads it, byte strings as bytes and text as str.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from goordinate.cborrpc import Encoded, EncodeError, dumps, loads
from goordinate.cborrpc.heads import MAX_DEPTH

logger = logging.getLogger(__name__)

Name = str | bytes
"""The name of a work spec, work unit or worker."""

_DEPTH: Final = MAX_DEPTH + 64
_MISSING: Final = object()


def as_bytes(value: str | bytes) -> bytes:
    """The bytes of a string: what a Python 2 program has, or would have, sent.

    Raises UnicodeEncodeError for a lone surrogate that stands for no byte.
    """
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")


def as_text(value: str | bytes) -> str:
    """A string as str. A byte that is not UTF-8 becomes a lone surrogate, as Python does it in
    the names of files; `as_bytes` gives it back."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


class Exact:
    """No conversion at all; the other rules are derived from it."""

    def name(self, name: Any) -> Any:
        """A name that has come."""
        return name

    def name_to_send(self, name: Name, python2: bool = False) -> Name:
        """A name to be sent. python2: it is new, and belongs to what Python 2 has written."""
        return name

    def is_python2(self, item: bytes) -> bool:
        """Whether the encoding of a unit's data, or of a spec, is that of a map which a Python 2
        program has written."""
        return False

    def read(self, item: bytes) -> Any:
        """The value of the encoding of a unit's data, or of a spec."""
        return loads(item, max_depth=_DEPTH)

    def write(self, value: Any, replaced: bytes | None = None, python2: bool = False) -> Encoded:
        """The encoding of a unit's data, or of a spec.

        replaced: the encoding of what it replaces. python2: the form of what is new; where there
        is something to replace, that tells. Raises EncodeError.
        """
        return Encoded(dumps(value))

    def answer(self, value: Any) -> Any:
        """What a server says in its own words."""
        return value


class Auto(Exact):
    """Reads what Python 2 wrote as str, and writes it again as Python 2 does. All else is exact."""

    def name(self, name: Any) -> Any:
        """As str."""
        return as_text(name) if isinstance(name, bytes) else name

    def name_to_send(self, name: Name, python2: bool = False) -> Name:
        """As text; as the byte string that it came from if it has lone surrogates."""
        if isinstance(name, str) and (python2 or not _is_utf8(name)):
            return as_bytes(name)
        return name

    def is_python2(self, item: bytes) -> bool:
        """Whether it has a byte string for a key."""
        value = loads(item, max_depth=_DEPTH)
        return isinstance(value, dict) and _has_byte_key(value)

    def read(self, item: bytes) -> Any:
        """Rule R1: in an outermost map with a byte string for a key, all byte strings are str."""
        return _read(loads(item, max_depth=_DEPTH))

    def write(self, value: Any, replaced: bytes | None = None, python2: bool = False) -> Encoded:
        """Rule R2: what is written takes the form of what it replaces, place by place."""
        old = _MISSING if replaced is None else loads(replaced, max_depth=_DEPTH)
        try:
            return _encoded(_write(value, old, python2))
        except UnicodeEncodeError as fault:
            raise EncodeError(f"a lone surrogate stands for no byte: {fault}") from None

    def answer(self, value: Any) -> Any:
        """With every byte string as str."""
        return _text(value)


class Python2(Auto):
    """All byte strings are read as str, and all str are written as byte strings."""

    def name_to_send(self, name: Name, python2: bool = False) -> Name:
        """As a byte string."""
        return as_bytes(name)

    def is_python2(self, item: bytes) -> bool:
        """Always."""
        return True

    def read(self, item: bytes) -> Any:
        """With every byte string as str."""
        return _text(loads(item, max_depth=_DEPTH))

    def write(self, value: Any, replaced: bytes | None = None, python2: bool = False) -> Encoded:
        """With every str as a byte string, whatever it replaces."""
        try:
            return Encoded(dumps(_write_python2(value, _MISSING)))
        except UnicodeEncodeError as fault:
            raise EncodeError(f"a lone surrogate stands for no byte: {fault}") from None


RULES: Final[dict[str, Exact]] = {"auto": Auto(), "python2": Python2(), "exact": Exact()}
"""The rules by the names under which a program asks for them."""


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _has_byte_key(value: dict[Any, Any]) -> bool:
    return any(isinstance(key, bytes) for key in value)


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return _text(value) if _has_byte_key(value) else value
    if isinstance(value, list):
        return [_read(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_read(item) for item in value)
    return value


def _text(value: Any) -> Any:
    """An exact value with every byte string in it as str, but for those in unknown tags."""
    if isinstance(value, bytes):
        return as_text(value)
    if isinstance(value, dict):
        converted = {_text(key): _text(item) for key, item in value.items()}
        if len(converted) < len(value):
            _warn_of_equal_keys()
        return converted
    if isinstance(value, list):
        return [_text(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_text(item) for item in value)
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


def _write(value: Any, old: Any, python2: bool) -> Any:
    """The exact form of `value` in place of the exact value `old`."""
    if isinstance(value, dict):
        if isinstance(old, dict) and any(isinstance(key, bytes | str) for key in old):
            python2 = _has_byte_key(old)
        return _write_python2(value, old) if python2 else value
    if isinstance(value, list | tuple):
        written = [_write(item, _at(old, place), python2) for place, item in enumerate(value)]
        return tuple(written) if isinstance(value, tuple) else written
    return value


def _write_python2(value: Any, old: Any) -> Any:
    """The exact form of `value`, which is in a map that Python 2 has written."""
    if isinstance(value, str):
        return value if isinstance(old, str) and old == value else as_bytes(value)
    if isinstance(value, dict):
        before = {_text(key): key for key in old} if isinstance(old, dict) else {}
        written = {}
        for key, item in value.items():
            found = before.get(key, _MISSING) if isinstance(key, str | tuple) else key
            known = old.get(found, _MISSING) if isinstance(old, dict) else _MISSING
            name = _write_python2(key, _MISSING) if found is _MISSING else found
            written[name] = _write_python2(item, known)
        return written
    if isinstance(value, list | tuple):
        items = [_write_python2(item, _at(old, place)) for place, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    return value


def _at(old: Any, place: int) -> Any:
    """What stands at a place of a list or tuple that is replaced."""
    return old[place] if isinstance(old, list | tuple) and place < len(old) else _MISSING


def _encoded(value: Any) -> Encoded:
    """The encoding of an exact value; strings with lone surrogates as the bytes they stand for."""
    try:
        return Encoded(dumps(value))
    except EncodeError:
        return Encoded(dumps(_with_bytes_for_surrogates(value)))


def _with_bytes_for_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value if _is_utf8(value) else as_bytes(value)
    if isinstance(value, dict):
        return {
            _with_bytes_for_surrogates(key): _with_bytes_for_surrogates(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_bytes_for_surrogates(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_with_bytes_for_surrogates(item) for item in value)
    return value
