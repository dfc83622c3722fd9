"""What Python 3 sees of strings, and that what it does not change keeps its bytes."""

from __future__ import annotations

import copy
import logging
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from goordinate.cborrpc import DecodeError, EncodeError, Tag, dumps, loads
from goordinate.cborrpc.encode import array_head, encode_head
from goordinate.cborrpc.heads import BYTES, MAP, TAG
from goordinate.client import as_bytes, as_text, forms
from goordinate.client.forms import form_of, identical
from goordinate.client.strings import RULES
from goordinate.tests.cborrpc.forms import encodings

settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")

AUTO, PYTHON2, EXACT = RULES["auto"], RULES["python2"], RULES["exact"]

# What Python 2 programs put into units.
byte_strings = st.binary(max_size=6) | st.sampled_from([b"a", b"k", "é".encode()])
texts = st.text(max_size=4) | st.sampled_from(["a", "k", "é"])
numbers = (
    st.integers(-(2**70), 2**70)
    | st.sampled_from([0, 1, 2**63, 2**64 - 1, 2**64, -(2**63) - 1, -(2**64)])
    | st.floats()
)
leaves = byte_strings | texts | numbers | st.none() | st.booleans() | st.uuids()
keys = byte_strings | texts | st.integers(-5, 5)


def without_twins(value: dict[Any, Any]) -> dict[Any, Any]:
    """Without text keys that are equal to a byte string in Python 2."""
    return {
        key: item
        for key, item in value.items()
        if not (isinstance(key, str) and key.isascii() and key.encode() in value)
    }


python2_values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=4).map(without_twins)
    ),
    max_leaves=12,
)


def python2_dumps(value: Any) -> bytes:
    """The bytes that the original's CBOR library writes: integers beyond 64 bits with a sign are
    bignums there."""
    if isinstance(value, dict):
        pairs = [python2_dumps(each) for pair in value.items() for each in pair]
        return encode_head(MAP, len(value)) + b"".join(pairs)
    if isinstance(value, list | tuple):
        head = encode_head(TAG, 128) if isinstance(value, tuple) else b""
        return head + array_head(len(value)) + b"".join(map(python2_dumps, value))
    if type(value) is int and not -(2**63) <= value < 2**63:
        tag, content = (2, value) if value > 0 else (3, -1 - value)
        digits = content.to_bytes((content.bit_length() + 7) // 8, "big")
        return encode_head(TAG, tag) + encode_head(BYTES, len(digits)) + digits
    return dumps(value)


def test_that_writer_is_the_originals_on_known_bytes() -> None:
    # Seen with the original's library.
    assert python2_dumps(2**64 - 1).hex() == "c248ffffffffffffffff"
    assert python2_dumps(-(2**64)).hex() == "c348ffffffffffffffff"
    assert python2_dumps({b"a": 1, "b": ("t", [None])}).hex() == "a24161016162d88082617481f6"


@given(python2_values, st.sampled_from(sorted(RULES)))
def test_what_python2_wrote_keeps_its_bytes(value: Any, rules: str) -> None:
    item = python2_dumps(value)
    assert RULES[rules].write(RULES[rules].read(item), item) == item


@given(encodings, st.sampled_from(sorted(RULES)))
def test_what_anybody_wrote_keeps_its_bytes(item: bytes, rules: str) -> None:
    try:
        loads(item)
    except DecodeError:  # a map key that Python cannot hold
        return
    assert RULES[rules].write(RULES[rules].read(item), item) == item


python2_maps = st.dictionaries(keys, python2_values, max_size=5).map(
    lambda value: {**value, b"a byte key": 1}
)


@given(python2_maps, python2_values, st.data())
def test_a_change_leaves_the_bytes_of_all_else(value: dict[Any, Any], new: Any, data: Any) -> None:
    """A key is added, another replaced or deleted: the rest has the bytes it had."""
    item = python2_dumps(value)
    seen = AUTO.read(item)
    before = {as_text(key) if isinstance(key, bytes) else key: form for key, _, form in
              form_of(item).pairs or ()}  # fmt: skip
    changed = data.draw(st.sampled_from(list(seen)))
    if data.draw(st.booleans()):
        del seen[changed]
    else:
        seen[changed] = new
    seen["an added key"] = new
    written = form_of(AUTO.write(seen, item)).pairs or []
    after = {as_text(key) if isinstance(key, bytes) else key: form for key, _, form in written}
    assert after.keys() == seen.keys()
    for key in before.keys() - {changed}:
        assert after[key].raw == before[key].raw
    added = [key for key, _, _ in written if key in (b"an added key", "an added key")]
    assert added == [b"an added key"]


@given(python2_maps, st.data())
def test_a_change_deep_inside_leaves_the_bytes_around_it(value: dict[Any, Any], data: Any) -> None:
    inner = {b"old": [b"x", "y", (b"t", 2**63)], "text": b"\xff"}
    value[b"list"] = [value, inner, b"z"] if data.draw(st.booleans()) else ("u", inner)
    value = copy.deepcopy({**value, b"list": list(value[b"list"])[1:]})
    item = python2_dumps(value)
    seen = AUTO.read(item)
    place = next(i for i, each in enumerate(seen["list"]) if isinstance(each, dict))
    seen["list"][place]["new"] = "word"
    expected = copy.deepcopy(value)
    expected[b"list"][place][b"new"] = b"word"
    if len(seen) == len(value):  # no two keys that look the same
        assert AUTO.write(seen, item) == python2_dumps(expected)


plain_values = st.recursive(
    texts | numbers | st.none() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(python2_values, plain_values, st.booleans())
def test_python3_reads_what_it_wrote_whatever_was_there(old: Any, new: Any, python2: bool) -> None:
    if isinstance(new, dict):
        new["a string key"] = 1
        written = AUTO.write(new, python2_dumps(old), python2)
        assert identical(AUTO.read(written), new)
    assert identical(AUTO.read(AUTO.write(new, None, python2)), new)


def test_a_map_that_loses_its_last_byte_key_stays_one_of_python2() -> None:
    item = python2_dumps({b"a": 1, "b": "x"})
    assert loads(AUTO.write({"b": "y"}, item)) == {b"b": b"y"}


@given(st.dictionaries(texts, st.binary() | texts | st.lists(st.binary()), max_size=4))
def test_maps_of_python3_are_exact(value: dict[str, Any]) -> None:
    assert identical(AUTO.read(AUTO.write(value)), value)


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ({b"k": b"v", "t": "x"}, {"k": "v", "t": "x"}),
        ({b"k": {"t": b"\xff"}}, {"k": {"t": "\udcff"}}),
        ({b"k": [b"a", ("b", b"c")]}, {"k": ["a", ("b", "c")]}),
        ({b"k": b"caf\xc3\xa9"}, {"k": "café"}),
        ({b"k": Tag(5, b"\xff")}, {"k": Tag(5, b"\xff")}),
        ({"t": b"exact"}, {"t": b"exact"}),
        ({"t": {b"k": b"v"}}, {"t": {b"k": b"v"}}),
        ({1: b"exact"}, {1: b"exact"}),
        ([{b"k": b"v"}, {"t": b"v"}, b"b"], [{"k": "v"}, {"t": b"v"}, b"b"]),
        (b"no map", b"no map"),
    ],
)
def test_rule_r1(value: Any, seen: Any) -> None:
    assert identical(AUTO.read(dumps(value)), seen)


@pytest.mark.parametrize(
    ("replaced", "value", "sent"),
    [
        # New and changed strings are as Python 2 would write them.
        ({b"k": "x", "t": b"y"}, {"k": "x", "t": "z", "n": "é"},
         {b"k": "x", "t": b"z", b"n": "é".encode()}),
        ({b"l": [b"a", "b"]}, {"l": ["a", "b", "c"]}, {b"l": [b"a", "b", b"c"]}),
        ({b"l": [b"a"]}, {"l": ("a",)}, {b"l": (b"a",)}),
        ({b"k": b"x"}, {"k": b"raw"}, {b"k": b"raw"}),
        ({b"k": 1}, {"k": True}, {b"k": True}),
        ({b"k": 1}, {"k": 1.0}, {b"k": 1.0}),
        ({"k": "x"}, {"k": "x", "n": "y", "b": b"z"}, {"k": "x", "n": "y", "b": b"z"}),
        ({}, {"k": "v"}, {"k": "v"}),
        (None, {"k": "v"}, {"k": "v"}),
        ({"k": 1}, {"k": "\udcff"}, {"k": b"\xff"}),
        ({"k": 1}, {"\udcff": 1}, {b"\xff": 1}),
        ([{b"k": 1}, 2], [{"k": "x"}, "y"], [{b"k": b"x"}, "y"]),
    ],
)  # fmt: skip
def test_rule_r2(replaced: Any, value: Any, sent: Any) -> None:
    assert identical(loads(AUTO.write(value, dumps(replaced))), sent)


def test_what_has_no_form_of_its_own_takes_that_of_its_spec() -> None:
    for replaced in (None, dumps({}), dumps(None), dumps({1: 2})):
        assert loads(AUTO.write({"k": "v"}, replaced, True)) == {b"k": b"v"}
    assert loads(AUTO.write(["x", {"k": "v"}], None, True)) == ["x", {b"k": b"v"}]


def test_python2_strings() -> None:
    assert loads(PYTHON2.write({"k": ["v", b"b"]})) == {b"k": [b"v", b"b"]}
    assert PYTHON2.read(dumps({"k": b"v"})) == {"k": "v"}
    assert PYTHON2.read(dumps(b"v")) == "v"
    assert PYTHON2.name_to_send("n") == b"n"


def test_exact_strings() -> None:
    assert EXACT.read(dumps({b"k": b"v"})) == {b"k": b"v"}
    assert loads(EXACT.write({"k": "v", b"b": b"w"})) == {"k": "v", b"b": b"w"}
    assert EXACT.name(b"n") == b"n"
    assert EXACT.name_to_send("n") == "n"


@pytest.mark.parametrize("rules", sorted(RULES))
def test_a_surrogate_that_stands_for_no_byte_cannot_be_sent(rules: str) -> None:
    with pytest.raises(EncodeError):
        RULES[rules].write({"k": "\ud800"})


@given(st.binary())
def test_names(name: bytes) -> None:
    seen = AUTO.name(name)
    assert type(seen) is str
    assert as_bytes(seen) == name
    assert as_bytes(AUTO.name_to_send(seen)) == name
    assert type(AUTO.name_to_send(seen, python2=True)) is bytes
    dumps(AUTO.name_to_send(seen))


def test_equal_keys_are_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "_warned_of_equal_keys", False)
    item = dumps({b"k": 1, "k": 2})
    with caplog.at_level(logging.WARNING):
        assert AUTO.read(item) == AUTO.read(item) == {"k": 2}
    assert len(caplog.records) == 1
    assert loads(AUTO.write({"k": 2, "n": 3}, item)) == {"k": 2, b"n": 3}


def test_identical_tells_apart_what_equality_does_not() -> None:
    pairs: list[tuple[Any, Any]] = [
        (1, True), (1, 1.0), (0.0, -0.0), ([1], (1,)), ({1: 2, 3: 4}, {3: 4, 1: 2}),
        (b"a", "a"), (Tag(1, 1), Tag(1, True)), ([1], [1, 2]), ({1: 2}, {True: 2}),
    ]  # fmt: skip
    for one, other in pairs:
        assert not identical(one, other), (one, other)
    nan = float("nan")
    for value in (nan, {"k": [nan, UUID(int=5)]}, Tag(4, (1, b"x"))):
        assert identical(value, copy.deepcopy(value))
