"""Values there and back, with cbor2 as a second opinion, and the messages seen on the wire."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goordinate.cborrpc import UNDEFINED, DecodeError, Encoded, Simple, Tag, dumps, loads
from goordinate.cborrpc.decode import MAX_DEPTH, skip_item

from .forms import encodings, form, values, values_with


@given(values)
def test_a_value_comes_back_equal(value: Any) -> None:
    data = dumps(value)
    assert form(loads(data)) == form(value)
    assert skip_item(data, 0, MAX_DEPTH) == len(data)


@given(encodings)
def test_what_is_decoded_is_written_in_one_preferred_form(data: bytes) -> None:
    try:
        value = loads(data)
    except DecodeError:  # a tag over what it cannot be over
        return
    preferred = dumps(value)
    assert form(loads(preferred)) == form(value)
    assert dumps(loads(preferred)) == preferred


@given(values, values)
def test_what_is_spliced_reads_as_if_it_had_been_encoded(one: Any, other: Any) -> None:
    spliced = {b"id": 1, b"result": (Encoded(dumps(one)), Encoded(dumps(other)))}
    assert dumps(spliced) == dumps({b"id": 1, b"result": (one, other)})


def for_cbor2(value: Any) -> Any:
    """The value in cbor2's types; it has no tuples of its own."""
    if isinstance(value, dict):
        return {for_cbor2(key): for_cbor2(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return cbor2.CBORTag(128, tuple(for_cbor2(item) for item in value))
    if isinstance(value, list):
        return [for_cbor2(item) for item in value]
    if isinstance(value, Tag):
        return cbor2.CBORTag(value.number, for_cbor2(value.value))
    if isinstance(value, Simple):
        return cbor2.CBORSimpleValue(value.number)
    return cbor2.undefined if value is UNDEFINED else value


# cbor2 writes infinities and NaN in 16 bits, where we write every float in 64.
@given(values_with(st.floats(allow_nan=False, allow_infinity=False)))
def test_cbor2_writes_the_same_bytes(value: Any) -> None:
    assert dumps(value).hex() == cbor2.dumps(for_cbor2(value)).hex()


@given(values)
def test_the_shortest_floats_of_cbor2_are_read(value: Any) -> None:
    assert form(loads(cbor2.dumps(for_cbor2(value), canonical=True))) == form(value)


@pytest.mark.parametrize("value", [Tag(1, b"x"), Simple(3), UNDEFINED, Encoded(b"\x01")])
def test_values_can_be_copied_and_pickled(value: Any) -> None:
    for other in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert other == value
        assert type(other) is type(value)
    assert copy.copy(UNDEFINED) is pickle.loads(pickle.dumps(UNDEFINED)) is UNDEFINED


# What the Python 2 client and daemon sent, and what it means.
ON_THE_WIRE = [
    (
        "a3 46706172616d73 81 a0 426964 01 466d6574686f64 4f6c6973745f776f726b5f7370656373",
        {b"params": [{}], b"id": 1, b"method": b"list_work_specs"},
    ),
    ("a2 426964 01 46726573756c74 d8808280f6", {b"id": 1, b"result": ([], None)}),
    (
        "a3 46706172616d73 82 4173 82 d88082 416b a1 4161 01 d88083 6375c3a9 a2 4162 4179 6174 6178"
        "a1 487072696f72697479 03 426964 03 466d6574686f64 4e6164645f776f726b5f756e697473",
        {
            b"params": [
                b"s",
                [(b"k", {b"a": 1}), ("ué", {b"b": b"y", "t": "x"}, {b"priority": 3})],
            ],
            b"id": 3,
            b"method": b"add_work_units",
        },
    ),
    ("a2 426964 03 46726573756c74 d88082f5f6", {b"id": 3, b"result": (True, None)}),
    (
        "a2 426964 04 46726573756c74 d88082 d88083 4173 6375c3a9 a2 4162 4179 6174 6178 f6",
        {b"id": 4, b"result": ((b"s", "ué", {b"b": b"y", "t": "x"}), None)},
    ),
]


@pytest.mark.parametrize(("code", "value"), ON_THE_WIRE)
def test_messages_seen_on_the_wire(code: str, value: Any) -> None:
    data = bytes.fromhex(code)
    assert form(loads(data)) == form(value)
    assert dumps(value) == data
    assert skip_item(data, 0, MAX_DEPTH) == len(data)
    # In the frame that it came in.
    frame = dumps(Tag(24, data))
    assert frame[:3] == b"\xd8\x18\x58" if len(data) > 23 else frame[:2] == b"\xd8\x18"
    assert form(loads(frame)) == form(value)
