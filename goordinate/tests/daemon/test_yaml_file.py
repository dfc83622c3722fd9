"""YAML files: includes, faults named by file and place, and the form that get_config sends."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import pytest

from goordinate import yaml_file
from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.encode import dumps
from goordinate.yaml_file import (
    MAX_DEPTH,
    MAX_FILES,
    MAX_INCLUDES,
    MAX_VALUES,
    ConfigError,
    python2_form,
    read_yaml,
    write_yaml,
)


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")


def error_of(path: str = "site.yaml") -> str:
    with pytest.raises(ConfigError) as caught:
        python2_form(read_yaml(path), path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_includes_are_relative_to_the_including_file() -> None:
    write(
        {
            "site.yaml": "a: !include sub/one.yaml\nb: !include_yaml sub/two.yaml\nc: 1\n",
            "sub/one.yaml": "x: !include two.yaml\ny: !include ../three.yaml\n",
            "sub/two.yaml": "[1, 2]",
            "three.yaml": "",
        }
    )
    expected = {"a": {"x": [1, 2], "y": None}, "b": [1, 2], "c": 1}
    assert read_yaml("site.yaml") == expected
    assert read_yaml(os.path.abspath("site.yaml")) == expected


def test_an_absolute_include(tmp_path: Path) -> None:
    write({"folder/site.yaml": f"a: !include {tmp_path}/other.yaml", "other.yaml": "5"})
    assert read_yaml("folder/site.yaml") == {"a": 5}


def test_the_same_file_may_be_included_twice() -> None:
    write({"site.yaml": "[!include x.yaml, !include x.yaml]", "x.yaml": "1"})
    assert read_yaml("site.yaml") == [1, 1]


def test_a_chain_of_includes_has_an_end() -> None:
    last = MAX_INCLUDES - 1
    write({f"{n}.yaml": f"[!include {n + 1}.yaml]" for n in range(last)} | {f"{last}.yaml": "x"})
    read_yaml("0.yaml")
    write({f"{last}.yaml": f"!include {MAX_INCLUDES}.yaml", f"{MAX_INCLUDES}.yaml": "x"})
    expected = f"{last}.yaml: line 1, column 1: !include: {MAX_INCLUDES}.yaml: "
    assert error_of("0.yaml") == expected + f"more than {MAX_INCLUDES} files deep"


def test_the_encodings_of_yaml() -> None:
    for data in ("a: é".encode(), "\ufeffa: é".encode(), "a: é".encode("utf-16")):
        Path("site.yaml").write_bytes(data)
        assert read_yaml("site.yaml") == {"a": "é"}


# The files, of which site.yaml is read, and the one line that names the fault.
FAULTS = [
    ({}, "site.yaml: No such file or directory"),
    ({"site.yaml/x": ""}, "site.yaml: Is a directory"),
    (
        {"site.yaml": "a: 1\nb: !include no.yaml"},
        "site.yaml: line 2, column 4: !include: no.yaml: No such file or directory",
    ),
    (
        {"site.yaml": "!include_yaml d", "d/x": ""},
        "site.yaml: line 1, column 1: !include_yaml: d: Is a directory",
    ),
    (
        {"site.yaml": "a: !include sub/b.yaml", "sub/b.yaml": "!include c.yaml"},
        "sub/b.yaml: line 1, column 1: !include: sub/c.yaml: No such file or directory",
    ),
    (
        {"site.yaml": "a: !include b.yaml", "b.yaml": "x: 1\n- y"},
        "b.yaml: line 2, column 1: not YAML: while parsing a block mapping,"
        " expected <block end>, but found '-'",
    ),
    (
        {"site.yaml": "!include site.yaml"},
        "site.yaml: line 1, column 1: !include: site.yaml: the file includes itself",
    ),
    (
        {"site.yaml": "a: !include s/../b.yaml", "s/x": "", "b.yaml": "[!include site.yaml]"},
        "s/../b.yaml: line 1, column 2: !include: s/../site.yaml: the file includes itself",
    ),
    (
        {"site.yaml": "a: !include [b, c]"},
        "site.yaml: line 1, column 4: not YAML: !include takes the path of a file",
    ),
    (
        {"site.yaml": "a: [1, 2"},
        "site.yaml: line 1, column 9: not YAML: while parsing a flow sequence,"
        " expected ',' or ']', but got '<stream end>'",
    ),
    (
        {"site.yaml": "a: b: c"},
        "site.yaml: line 1, column 5: not YAML: mapping values are not allowed here",
    ),
    (
        {"site.yaml": "a: 1\n---\nb: 2"},
        "site.yaml: line 2, column 1: not YAML: expected a single document in the stream,"
        " but found another document",
    ),
    (
        {"site.yaml": "a: *b"},
        "site.yaml: line 1, column 4: not YAML: found undefined alias 'b'",
    ),
    (
        {"site.yaml": "a: 1\nb: x\x07"},
        "site.yaml: line 2, column 5: not YAML: the character U+0007 is not allowed",
    ),
    (
        {"site.yaml": "a: !!python/object/apply:os.system [id]"},
        "site.yaml: line 1, column 4: not YAML: could not determine a constructor for the tag"
        " 'tag:yaml.org,2002:python/object/apply:os.system'",
    ),
    (
        {"site.yaml": "a: 2001-99-99"},
        "site.yaml: line 1, column 4: not YAML: not a !!timestamp value: month must be in 1..12",
    ),
    (
        {"site.yaml": "a: !!bool maybe"},
        "site.yaml: line 1, column 4: not YAML: not a !!bool value: 'maybe'",
    ),
    (
        {"site.yaml": "? [a, b]\n: c"},
        "site.yaml: line 1, column 3: not YAML: while constructing a mapping, found unhashable key",
    ),
    (
        {"site.yaml": "a: {<<: 5}"},
        "site.yaml: line 1, column 5: not YAML: a merge key takes a mapping, or a list of them,"
        " not a scalar",
    ),
    (
        {"site.yaml": "a: {<<: [{b: 1}, [c]]}"},
        "site.yaml: line 1, column 5: not YAML: a merge key takes a mapping, or a list of them,"
        " not a sequence",
    ),
    (
        {"site.yaml": "a: &a {b: {<<: *a}}"},
        "site.yaml: a.b.b: contains itself",
    ),
    (
        {"site.yaml": "a: &a {<<: *a}"},
        "site.yaml: line 1, column 8: not YAML: the mapping is merged into itself",
    ),
    ({"site.yaml": "[" * 5000}, "site.yaml: nested too deeply"),
    ({"site.yaml": "x: {a: &a [1, [*a]]}"}, "site.yaml: x.a[1][0]: contains itself"),
    ({"site.yaml": "&a {b: {c: *a}}"}, "site.yaml: b.c: contains itself"),
    ({"site.yaml": 'a: ["\\ud800"]'}, "site.yaml: a[0]: text with U+D800, half of a character"),
]


@pytest.mark.parametrize(("files", "message"), FAULTS)
def test_a_fault_is_one_line_with_its_place(files: dict[str, str], message: str) -> None:
    write(files)
    assert error_of() == message


# A file with a key that stands twice in one mapping, and the place of the second.
DUPLICATES = [
    ("a: 1\nb: 2\na: 3", "line 3, column 1", "'a' is in line 1"),
    (
        "coordinate:\n  server: {allow: []}\n  server: {}",
        "line 3, column 3",
        "'server' is in line 2",
    ),
    ("[{x: {a: 1, 'a': 2}}]", "line 1, column 13", "'a' is in line 1"),
    ("{1: a, 0x1: b}", "line 1, column 8", "'0x1' is in line 1"),
    ("{1: a, 1.0: b}", "line 1, column 8", "'1.0' is in line 1"),
    ("{1: a, yes: b}", "line 1, column 8", "'yes' is in line 1"),
    ("{~: a, null: b}", "line 1, column 8", "'null' is in line 1"),
    ("{!!str 1: a, '1': b}", "line 1, column 14", "'1' is in line 1"),
    ("[&k a, {*k : 1, *k : 2}]", "line 1, column 2", "'a' is in line 1"),
    ("!!set {a, b, a}", "line 1, column 14", "'a' is in line 1"),
    ("b: &b {x: 1, x: 2}\nc: {<<: *b}", "line 1, column 14", "'x' is in line 1"),
    ("!!omap [a: {x: 1, x: 2}]", "line 1, column 19", "'x' is in line 1"),
    ("? {x: 1, x: 2}\n: 1", "line 1, column 10", "'x' is in line 1"),
]


@pytest.mark.parametrize(("text", "place", "what"), DUPLICATES)
@pytest.mark.parametrize("included", [False, True])
def test_a_key_that_stands_twice_is_an_error(
    text: str, place: str, what: str, included: bool
) -> None:
    write({"site.yaml": "a: !include other.yaml" if included else text, "other.yaml": text})
    path = "other.yaml" if included else "site.yaml"
    assert error_of() == f"{path}: {place}: not YAML: the key {what} already"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{a: 1, !!binary YQ==: 2}", "b'a'"),
        ("{2001-02-03: 1, '2001-02-03': 2}", "2001-02-03"),
    ],
)
def test_keys_that_are_the_same_to_clients_are_an_error(text: str, place: str) -> None:
    write({"site.yaml": f"x: {text}"})
    assert error_of() == f"site.yaml: x.{place}: two keys that are the same to a client"


def test_a_merge_key_adds_what_is_not_there() -> None:
    write(
        {
            "site.yaml": "a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2, z: 2}\n"
            "c: {<<: *b, x: 3}\nd: {<<: [*b, *a], w: 4}\ne: {<<: *a, <<: *b}\nf: {<<: *b, <<: *a}",
        }
    )
    value = read_yaml("site.yaml")
    # The same with long keys: a version of PyYAML takes one of these for the other.
    long = Path("site.yaml").read_text().replace("x:", "long-x:").replace("y:", "long-y:")
    write({"long.yaml": long})
    names = {"long-x": "x", "long-y": "y"}
    assert value == {
        name: {names.get(key, key): item for key, item in block.items()}
        for name, block in read_yaml("long.yaml").items()  # type: ignore[attr-defined]
    }
    assert value == {
        "a": {"x": 1, "y": 1},
        "b": {"x": 1, "y": 2, "z": 2},
        "c": {"x": 3, "y": 2, "z": 2},
        "d": {"x": 1, "y": 2, "z": 2, "w": 4},
        "e": {"x": 1, "y": 2, "z": 2},
        "f": {"x": 1, "y": 1, "z": 2},
    }


def test_a_path_that_cannot_be_one() -> None:
    write({"site.yaml": 'a: !include "b\\0c"'})
    place = "site.yaml: line 1, column 4: not YAML: not a !include value: "
    # The rest is Python's, and differs from version to version.
    assert re.fullmatch(re.escape(place) + ".*embedded null .*", error_of())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: b\nc: d\xff", "line 2, column 5: not YAML: not valid utf-8 text"),
        (b"\xef\xbb\xbf\xc3\xa9\xff", "line 1, column 2: not YAML: not valid utf-8 text"),
        (b"\xff\xfea\0b", "line 1, column 2: not YAML: not valid utf-16-le text"),
    ],
)
def test_bytes_that_are_no_text(data: bytes, message: str) -> None:
    Path("site.yaml").write_bytes(data)
    assert error_of() == f"site.yaml: {message}"


def test_an_unreadable_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, mode: str) -> object:
        raise PermissionError(13, "Permission denied", path)

    # Tests may run as root, whom no file refuses.
    monkeypatch.setattr("goordinate.yaml_file.open", refuse, raising=False)
    assert error_of() == "site.yaml: Permission denied"


def test_nesting_has_a_limit_that_the_wire_can_carry() -> None:
    write({"site.yaml": "a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)})
    form = python2_form(read_yaml("site.yaml"), "site.yaml")
    assert loads(dumps(({"result": (form, None)},))) == ({"result": (form, None)},)
    write({"site.yaml": "a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH})
    message = error_of()
    assert message.startswith("site.yaml: a[0][0]")
    assert message.endswith(f": nested more than {MAX_DEPTH} levels deep")


def test_aliases_of_aliases_cannot_fill_the_memory() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    write({"site.yaml": "\n".join(lines)})
    assert error_of().endswith(f"more than {MAX_VALUES} values up to here")


def test_merge_keys_of_merge_keys_cannot_fill_the_memory() -> None:
    keys = ", ".join(f"k{number}: 1" for number in range(10))
    lines = [f"a: &a {{{keys}}}"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}]}}")
    write({"site.yaml": "\n".join(lines)})
    assert error_of() == f"site.yaml: line 6, column 8: more than {MAX_VALUES} values up to here"


def test_includes_of_includes_have_a_bound() -> None:
    files = {f"{n}.yaml": f"[{', '.join([f'!include {n + 1}.yaml'] * 8)}]" for n in range(6)}
    write({**files, "6.yaml": "x"})
    message = error_of("0.yaml")
    assert re.match(r"\d\.yaml: line 1, column \d", message)
    assert message.endswith(f": !include: more than {MAX_FILES} files up to here")


def test_values_are_counted_while_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_file, "MAX_VALUES", 100)
    # What follows is never looked at.
    write({"site.yaml": "[" + "x, " * 60 + "!include other.yaml]", "other.yaml": "[x, " * 99})
    assert error_of() == "other.yaml: line 1, column 77: more than 100 values up to here"


def test_bytes_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_file, "MAX_BYTES", 100)
    write({"site.yaml": "[!include x.yaml, !include x.yaml]", "x.yaml": "'" + "x" * 48 + "'"})
    expected = "site.yaml: line 1, column 19: !include: more than 100 bytes up to here"
    assert error_of() == expected
    assert error_of("/dev/zero") == "/dev/zero: more than 100 bytes up to here"


# What get_config of the original sends for the same file, as Python 3 values.
SITE = """
other: [1, 2.5, é, abc, null, true, !!binary aGVsbG8=, "", .inf, 123456789012345678901234567890,
  -1, 0x1F, 0o17, 017, 1_000, 190:20:30, 1e3, 1.5e+3, yes, off]
"é: x": {é: {"k": [a, {ü: b}]}}
keys: {1: a, 2.5: b, ~: c, no: d, é: e, !!binary aGk=: f}
omap: !!omap [a: 1, b: é]
pairs: !!pairs [a: 1, a: 2]
base: &b {x: 1, y: [a]}
merged: {<<: *b, z: 2}
alias: *b
"""
SENT = {
    b"other": [
        *(1, 2.5, "é", b"abc", None, True, b"hello", b"", math.inf),
        *(123456789012345678901234567890, -1, 31, b"0o17", 15, 1000, 685230, b"1e3", 1500.0),
        *(True, False),
    ],
    "é: x": {"é": {b"k": [b"a", {"ü": b"b"}]}},
    b"keys": {1: b"a", 2.5: b"b", None: b"c", False: b"d", "é": b"e", b"hi": b"f"},
    b"omap": [(b"a", 1), (b"b", "é")],
    b"pairs": [(b"a", 1), (b"a", 2)],
    b"base": {b"x": 1, b"y": [b"a"]},
    b"merged": {b"x": 1, b"y": [b"a"], b"z": 2},
    b"alias": {b"x": 1, b"y": [b"a"]},
}


def test_the_form_of_python_2() -> None:
    write({"site.yaml": SITE})
    form = python2_form(read_yaml("site.yaml"), "site.yaml")
    # repr too: 1, 1.0 and True are equal.
    assert form == SENT
    assert repr(form) == repr(SENT)
    assert loads(dumps(form)) == SENT


def test_what_the_original_cannot_send() -> None:
    write(
        {
            "site.yaml": "[2001-02-03, 2001-02-03 04:05:06.5, 2001-02-03 04:05:06 +1:30,"
            " {2001-02-03: a}, !!set {a, é}]"
        }
    )
    assert python2_form(read_yaml("site.yaml"), "site.yaml") == [
        b"2001-02-03",
        b"2001-02-03T04:05:06.500000",
        b"2001-02-03T04:05:06+01:30",
        {b"2001-02-03": b"a"},
        {b"a": None, "é": None},
    ]


def test_written_yaml_reads_back() -> None:
    write({"site.yaml": SITE})
    value = read_yaml("site.yaml")
    assert isinstance(value, dict)
    # A pair is written as a list of two.
    expected = {**value, "omap": [["a", 1], ["b", "é"]], "pairs": [["a", 1], ["a", 2]]}
    write({"copy.yaml": write_yaml(value)})
    assert read_yaml("copy.yaml") == expected
