"""How strings travel, and what Python 3 code sees of them: docs/strings.md.

Python 2 programs send most strings as byte strings, and what came from JSON as text. The rule
here: a value that is read and written again has the same bytes wherever it was not changed.
"""

from __future__ import annotations

from typing import Any, Final

from goordinate.cborrpc import Encoded, EncodeError, loads

from .forms import (
    DEPTH,
    Writer,
    as_bytes,
    as_text,
    converted,
    is_python2_map,
    read,
    text_or_bytes,
)

Name = str | bytes
"""The name of a work spec, work unit or worker."""


class Exact:
    """strings="exact": no conversion at all. The other rules are derived from this one."""

    #: Whether what is new takes the form of the work spec that it belongs to.
    follows: bool = False
    #: Whether maps are those of Python 2; None: each by its keys.
    _python2: bool | None = False
    _writer = Writer(False)

    def name(self, name: Any) -> Any:
        """A name that has come; None stays None."""
        return name

    def name_to_send(self, name: Name, python2: bool = False) -> Name:
        """A name to be sent. python2: it is new in a work spec that Python 2 has written."""
        return name

    def read(self, item: bytes) -> Any:
        """The value of the encoding of a unit's data, or of a work spec."""
        return read(loads(item, max_depth=DEPTH), self._python2)

    def write(self, value: Any, replaced: bytes | None = None, python2: bool = False) -> Encoded:
        """The encoding of a unit's data, or of a work spec.

        replaced: the encoding of what it replaces. python2: as for `name_to_send`. Raises
        EncodeError.
        """
        try:
            return Encoded(self._writer_of(python2).write(value, replaced))
        except UnicodeEncodeError as fault:
            raise EncodeError(f"a lone surrogate stands for no byte: {fault}") from None
        except RecursionError:
            raise EncodeError("nested deeper than Python's stack allows") from None

    def _writer_of(self, python2: bool) -> Writer:
        return self._writer

    def is_python2(self, item: bytes) -> bool:
        """Whether what is new in a work spec with this encoding is written as Python 2 does."""
        return bool(self._python2)

    def answer(self, value: Any) -> Any:
        """What a server says in its own words."""
        return value


class Python2(Exact):
    """strings="python2": all byte strings are read as str, all str are written as byte strings."""

    _python2: bool | None = True
    _writer = Writer(True)

    def name(self, name: Any) -> Any:
        """As str."""
        return as_text(name) if isinstance(name, bytes) else name

    def name_to_send(self, name: Name, python2: bool = False) -> Name:
        """As a byte string."""
        return as_bytes(name) if isinstance(name, str) else name

    def answer(self, value: Any) -> Any:
        """With every byte string as str."""
        return converted(value, as_text)


class Auto(Python2):
    """strings="auto": str for what Python 2 has written, and written again as Python 2 does; all
    else is exact."""

    follows = True
    _python2 = None
    _writer = Writer(None, text=text_or_bytes)
    _writer_in_python2_spec = Writer(None, new=True, text=text_or_bytes)

    def name_to_send(self, name: Name, python2: bool = False) -> Name:
        """As text; as the byte string that it came from if it has lone surrogates."""
        if python2:
            return super().name_to_send(name)
        return text_or_bytes(name) if isinstance(name, str) else name

    def is_python2(self, item: bytes) -> bool:
        """Whether one of its keys is a byte string."""
        return is_python2_map(loads(item, max_depth=DEPTH))

    def _writer_of(self, python2: bool) -> Writer:
        return self._writer_in_python2_spec if python2 else self._writer


RULES: Final[dict[str, Exact]] = {"auto": Auto(), "python2": Python2(), "exact": Exact()}
"""The rules by the names under which a program asks for them."""
