"""A YAML file with its includes -> plain values, and those values in the form of Python 2.

The rule here: whatever is wrong with a file comes out as one `ConfigError` of one line that names
the file and the place in it.  No file makes Python objects, runs code, or hangs the reader: bytes,
files and values are counted while they are read.  Nothing in a file is dropped silently.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any

import yaml

MAX_INCLUDES = 16
"""How many files deep a chain of includes may be, the first file counted."""

MAX_DEPTH = 200
"""How many levels lists and maps may be nested: less than the depth limit of the wire."""

MAX_VALUES = 1_000_000
"""How many values a configuration may have, those behind an alias or a merge key (`<<`) counted
each time."""

MAX_FILES = 1000
"""How many files a configuration may be read from, one that is included twice counted twice."""

MAX_BYTES = 64 * 2**20
"""How many bytes those files may have together."""


_MERGE = "tag:yaml.org,2002:merge"


class ConfigError(Exception):
    """The configuration cannot be used; the text is one line: file, place, what was expected."""


def read_yaml(path: str) -> object:
    """The value of a YAML file, with `!include` and `!include_yaml` done; None if it is empty.

    Values are those of PyYAML's safe loader (YAML 1.1).  A file included by a relative path is
    looked for in the folder of the including file.  Raises ConfigError.
    """
    return _read(path, (), path, _Total())


def write_yaml(value: object) -> str:
    """The value, of the kinds that `read_yaml` gives, as YAML in block style, keys sorted."""
    return yaml.safe_dump(value, default_flow_style=False)


class _Total:
    """What has been read so far, of all files together."""

    def __init__(self) -> None:
        self.files = 0
        self.bytes = 0
        self.values = 0

    def add_file(self, path: str, place: str) -> bytes:
        """The content of one more file. Raises ConfigError, which names the place, and OSError."""
        self.files += 1
        if self.files > MAX_FILES:
            raise ConfigError(f"{place}: more than {MAX_FILES} files up to here")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES - self.bytes + 1)
        self.bytes += len(data)
        if self.bytes > MAX_BYTES:
            raise ConfigError(f"{place}: more than {MAX_BYTES} bytes up to here")
        return data


def _read(path: str, chain: tuple[str, ...], place: str, total: _Total) -> object:
    """Read `path`; `chain` holds the files being read, `place` is who asks for this one."""
    prefix = "" if place == path else f"{path}: "
    try:
        data = total.add_file(path, place)
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
        loader = _Loader(text, path, (*chain, os.path.realpath(path)), total)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = _place(mark) if mark else "somewhere"
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


def _place(mark: yaml.Mark) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _line_and_column(before: str) -> str:
    """The place, counted from 1, that follows the text `before`."""
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the two include tags, without keys that hide others, and with
    bounds."""

    def __init__(self, text: str, path: str, chain: tuple[str, ...], total: _Total) -> None:
        super().__init__(text)
        self._path = path
        self._chain = chain
        self._total = total
        #: The mappings whose merge keys are replaced (True), or are being replaced.
        self._flat: dict[yaml.Node, bool] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._count(1, self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def _count(self, values: int, mark: yaml.Mark) -> None:
        self._total.values += values
        if self._total.values > MAX_VALUES:
            problem = f"more than {MAX_VALUES} values up to here"
            raise ConfigError(f"{self._path}: {_place(mark)}: {problem}")

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put what merge keys (`<<`) add in place of them, before the keys of the mapping itself.

        Of equal keys, the last counts. PyYAML calls this before it makes a dictionary of a
        mapping. PyYAML's own is not used, as some versions take the wrong one
        of equal keys, or expand merge keys without bound.
        """
        if node in self._flat:
            return
        self._flat[node] = False
        self._refuse_duplicates(node)
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        own = []
        for key, value in node.value:
            if key.tag == _MERGE:
                # Of several that are merged, the first counts.
                for source in self._sources(key, value)[::-1]:
                    self._count(len(source.value), key.start_mark)
                    merged += source.value
            else:
                own.append((key, value))
        node.value = merged + own
        self._flat[node] = True

    def _sources(self, key: yaml.Node, value: yaml.Node) -> list[yaml.MappingNode]:
        """The mappings that a merge key adds, with their own merge keys replaced."""
        sources: list[Any] = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for source in sources:
            problem = None
            if not isinstance(source, yaml.MappingNode):
                problem = f"a merge key takes a mapping, or a list of them, not a {source.id}"
            else:
                self.flatten_mapping(source)
                if not self._flat[source]:
                    problem = "the mapping is merged into itself"
            if problem is not None:
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        return list(sources)

    def _refuse_duplicates(self, node: yaml.MappingNode) -> None:
        """A key that stands twice in a mapping is an error: one of the values would be lost."""
        first: dict[Any, yaml.Mark] = {}
        for key, _ in node.value:
            if key.tag == _MERGE:
                continue  # Several of these add up.
            value = self.construct_object(key, deep=True)
            if not isinstance(value, Hashable):
                continue  # PyYAML says so.
            if value in first:
                problem = (
                    f"the key {str(key.value)[:60]!r} is in line {first[value].line + 1} already"
                )
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            first[value] = key.start_mark

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
        place = f"{self._path}: {_place(node.start_mark)}: {node.tag}"
        if os.path.realpath(path) in self._chain:
            raise ConfigError(f"{place}: {path}: the file includes itself")
        if len(self._chain) >= MAX_INCLUDES:
            raise ConfigError(f"{place}: {path}: more than {MAX_INCLUDES} files deep")
        return _read(path, self._chain, place, self._total)


_Loader.add_constructor("!include", _Loader.include)
_Loader.add_constructor("!include_yaml", _Loader.include)


def python2_form(value: object, path: str) -> object:
    """`value`, read from the file `path`, as a Python 2 YAML loader gives it, ready to be sent.

    ASCII text becomes bytes, other text stays str; at any depth, map keys too.  What such a
    loader gives and the wire cannot carry has a form of its own: a date or a time is its ISO 8601
    text as bytes, a set is the map from its members to None that YAML defines it as.

    Raises ConfigError, naming the key: a list or map that contains itself, more than MAX_DEPTH
    levels, more than MAX_VALUES values, text that is not Unicode, keys with the same form.
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
                sent = self.convert(key, below)
                if sent in converted:
                    raise self._error(below, "two keys that are the same to a client")
                converted[sent] = self.convert(item, below)
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
