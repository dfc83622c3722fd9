"""A YAML file with its includes -> plain values, and those values in the form of Python 2.

The rule here: whatever is wrong with a file comes out as one `ConfigError` of one line that names
the file and the place in it.  No file makes Python objects, runs code, or hangs the reader.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any

import yaml

MAX_INCLUDES = 16
"""How many files deep a chain of includes may be, the first file counted."""

MAX_DEPTH = 200
"""How many levels lists and maps may be nested: less than the depth limit of the wire."""

MAX_VALUES = 1_000_000
"""How many values a configuration may have, those behind an alias counted each time."""


class ConfigError(Exception):
    """The configuration cannot be used; the text is one line: file, place, what was expected."""


def read_yaml(path: str) -> object:
    """The value of a YAML file, with `!include` and `!include_yaml` done; None if it is empty.

    Values are those of PyYAML's safe loader (YAML 1.1).  A file included by a relative path is
    looked for in the folder of the including file.  Raises ConfigError.
    """
    return _read(path, (), path)


def write_yaml(value: object) -> str:
    """The value, of the kinds that `read_yaml` gives, as YAML in block style, keys sorted."""
    return yaml.safe_dump(value, default_flow_style=False)


def _read(path: str, chain: tuple[str, ...], place: str) -> object:
    """Read `path`; `chain` holds the files being read, `place` is who asks for this one."""
    prefix = "" if place == path else f"{path}: "
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ConfigError(f"{place}: {prefix}{error.strerror}") from None
    try:
        text = _decode(data)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode(error.encoding).lstrip("\ufeff")
        raise ConfigError(
            f"{path}: {_line_and_column(before)}: not YAML: not valid {error.encoding} text"
        ) from None
    try:
        loader = _Loader(text, path, (*chain, os.path.realpath(path)))
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        what = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{path}: {at}: not YAML: {' '.join(what.split())}") from None
    except yaml.reader.ReaderError as error:
        at = _line_and_column(text[: error.position])
        what = f"the character U+{ord(text[error.position]):04X} is not allowed"
        raise ConfigError(f"{path}: {at}: not YAML: {what}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply") from None


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    return data.decode("utf-8-sig")


def _line_and_column(before: str) -> str:
    """The place, counted from 1, that follows the text `before`."""
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the two include tags."""

    def __init__(self, text: str, path: str, chain: tuple[str, ...]) -> None:
        super().__init__(text)
        self._path = path
        self._chain = chain

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        # PyYAML lets the bare exceptions of int(), date() and the like out of a bad scalar.
        try:
            return super().construct_object(node, deep=deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            problem = f"not a {tag} value: {error}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def include(self, node: yaml.Node) -> object:
        """Read the file that the scalar `node` names."""
        if not isinstance(node, yaml.ScalarNode):
            problem = f"{node.tag} takes the path of a file"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        path = os.path.join(os.path.dirname(self._path), str(node.value))
        mark = node.start_mark
        place = f"{self._path}: line {mark.line + 1}, column {mark.column + 1}: {node.tag}"
        if os.path.realpath(path) in self._chain:
            raise ConfigError(f"{place}: {path}: the file includes itself")
        if len(self._chain) >= MAX_INCLUDES:
            raise ConfigError(f"{place}: {path}: more than {MAX_INCLUDES} files deep")
        return _read(path, self._chain, place)


_Loader.add_constructor("!include", _Loader.include)
_Loader.add_constructor("!include_yaml", _Loader.include)


def python2_form(value: object, path: str) -> object:
    """`value`, read from the file `path`, as a Python 2 YAML loader gives it, ready to be sent.

    ASCII text becomes bytes, other text stays str; at any depth, map keys too.  What such a
    loader gives and the wire cannot carry has a form of its own: a date or a time is its ISO 8601
    text as bytes, a set is the map from its members to None that YAML defines it as.

    Raises ConfigError, naming the key: a list or map that contains itself, more than MAX_DEPTH
    levels, more than MAX_VALUES values, text that is not Unicode.
    """
    return _Python2Form(path).convert(value, "")


class _Python2Form:
    """One conversion: counts the values and knows the lists and maps that it is inside of."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._count = 0
        self._inside: set[int] = set()

    def convert(self, value: object, place: str) -> object:
        self._count += 1
        if self._count > MAX_VALUES:
            raise self._error(place, f"more than {MAX_VALUES} values up to here")
        if isinstance(value, str):
            return self._text(value, place)
        if isinstance(value, date):
            return value.isoformat().encode("ascii")
        if not isinstance(value, (list, tuple, dict, set)):
            return value
        if id(value) in self._inside:
            raise self._error(place, "contains itself")
        if len(self._inside) >= MAX_DEPTH:
            raise self._error(place, f"nested more than {MAX_DEPTH} levels deep")
        self._inside.add(id(value))
        try:
            return self._container(value, place)
        finally:
            self._inside.remove(id(value))

    def _container(
        self, value: Sequence[object] | Mapping[object, object] | AbstractSet[object], place: str
    ) -> object:
        if isinstance(value, AbstractSet):
            value = dict.fromkeys(value)
        if isinstance(value, Mapping):
            converted: dict[object, object] = {}
            for key, item in value.items():
                below = f"{place}.{key}" if place else str(key)
                converted[self.convert(key, below)] = self.convert(item, below)
            return converted
        items = [self.convert(item, f"{place}[{index}]") for index, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items

    def _error(self, place: str, what: str) -> ConfigError:
        # The place of a fault that is deep is as long: its beginning is enough to find it.
        return ConfigError(f"{self._path}: {place:.200}: {what}")

    def _text(self, value: str, place: str) -> bytes | str:
        if value.isascii():
            return value.encode("ascii")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            code = ord(value[error.start])
            raise self._error(place, f"text with U+{code:04X}, half of a character") from None
        return value
