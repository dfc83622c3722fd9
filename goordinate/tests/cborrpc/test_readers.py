"""Readers: items taken apart by their shape, their data left as it came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goordinate.cborrpc import DecodeError, Encoded, dumps
from goordinate.cborrpc.decode import (
    MAX_DEPTH,
    Reader,
    decode_item,
    opaque_item,
    read_array_head,
    read_list,
    read_map,
    read_map_head,
    read_string,
)

from .forms import attempt, encodings, form, keys, values


def read_strings(buf: bytes, pos: int, depth: int) -> tuple[list[bytes], int]:
    return read_list(buf, pos, depth, read_string)


def read_options(buf: bytes, pos: int, depth: int) -> tuple[dict[bytes, Any], int]:
    return read_map(buf, pos, depth, {b"data": opaque_item, b"names": read_strings})


def array_head(buf: bytes, pos: int, depth: int) -> tuple[int | None, int]:
    return read_array_head(buf, pos)


def map_head(buf: bytes, pos: int, depth: int) -> tuple[int | None, int]:
    return read_map_head(buf, pos)


@pytest.mark.parametrize(
    ("read", "code", "value"),
    [
        (decode_item, "d88081f5", (True,)),
        (opaque_item, "d88081f5", b"\xd8\x80\x81\xf5"),
        (opaque_item, "5f4101ff", b"\x5f\x41\x01\xff"),
        (read_string, "40", b""),
        (read_string, "426b31", b"k1"),
        (read_string, "57" + "61" * 23, b"a" * 23),
        (read_string, "5818" + "61" * 24, b"a" * 24),
        (read_string, "5801ff", b"\xff"),
        (read_string, "63c3a96b", "ék".encode()),
        (read_string, "7803c3a96b", "ék".encode()),
        (read_string, "5f41614162ff", b"ab"),
        (read_string, "7f62c3a9616bff", "ék".encode()),
        (read_strings, "80", []),
        (read_strings, "8241616162", [b"a", b"b"]),
        (read_strings, "980241614162", [b"a", b"b"]),
        (read_strings, "9f41614162ff", [b"a", b"b"]),
        (read_strings, "9fff", []),
        (read_strings, "d880814161", [b"a"]),
        (read_strings, "d900809f4161ff", [b"a"]),
        (read_options, "a0", {}),
        (read_options, "bfff", {}),
        (
            read_options,
            "a3 4464617461 a14100f5 656e616d6573 816178 4161 d8808102",
            {b"data": b"\xa1A\0\xf5", b"names": [b"x"]},
        ),
        (
            read_options,
            "bf 6464617461 01 5f4161ff 6178 4161 f6 ff",
            {b"data": b"\x01"},
        ),
        (read_options, "b90001 4161 02", {}),
        (read_options, "a2 4464617461 01 6464617461 02", {b"data": b"\x02"}),
    ],
)
def test_what_is_read(read: Reader[Any], code: str, value: Any) -> None:
    data = bytes.fromhex(code)
    assert form(read(data, 0, MAX_DEPTH)) == form((value, len(data)))
    assert form(read(b"\xff" + data + b"\xff", 1, MAX_DEPTH)) == form((value, 1 + len(data)))
    for end in range(len(data)):
        with pytest.raises(DecodeError) as caught:
            read(data[:end], 0, MAX_DEPTH)
        assert 0 <= caught.value.offset <= end


@pytest.mark.parametrize(
    ("read", "code", "count", "start"),
    [
        (array_head, "820102", 2, 1),
        (array_head, "98020102", 2, 2),
        (array_head, "9b00000000000000020102", 2, 9),
        (array_head, "9f", None, 1),
        (map_head, "a10102", 1, 1),
        (map_head, "b8010102", 1, 2),
        (map_head, "bf", None, 1),
    ],
)
def test_heads(read: Reader[int | None], code: str, count: int | None, start: int) -> None:
    assert read(bytes.fromhex(code), 0, 0) == (count, start)


END = "the input ends where an item should be"


@pytest.mark.parametrize(
    ("read", "code", "what", "offset"),
    [
        (read_string, "01", "a byte or text string should be here, not an integer", 0),
        (read_string, "80", "a byte or text string should be here, not an array", 0),
        (read_string, "ff", "a byte or text string should be here, not a break (0xff)", 0),
        (read_string, "62c328", "text that is not UTF-8", 1),
        (read_string, "4261", "the input ends inside a byte string", 0),
        (read_string, "5c", "no item begins with 0x5c", 0),
        (read_strings, "4161", "an array should be here, not a byte string", 0),
        (read_strings, "a0", "an array should be here, not a map", 0),
        (read_strings, "f6", "an array should be here, not a simple value or float", 0),
        (read_strings, "d87f80", "an array should be here, not tag 127", 0),
        (read_strings, "d880a0", "an array should be here, not a map", 2),
        (read_strings, "82416101", "a byte or text string should be here, not an integer", 3),
        (read_strings, "9f416101ff", "a byte or text string should be here, not an integer", 3),
        (read_strings, "9e", "no item begins with 0x9e", 0),
        (read_strings, "9f4161", END, 3),
        (read_strings, "834161", "the input ends inside an array", 0),
        (read_options, "80", "a map should be here, not an array", 0),
        (read_options, "d880a0", "a map should be here, not a tag", 0),
        (read_options, "a10102", "a byte or text string should be here, not an integer", 1),
        (read_options, "a1f602", "a byte or text string should be here, not a simple value", 1),
        (read_options, "bf4161ff", "a break (0xff) where an item should be", 3),
        (read_options, "bf416101", END, 4),
        (read_options, "a2416101", "the input ends inside a map", 0),
        (read_options, "a14461", "the input ends inside a byte string", 1),
        (read_options, "a1446461746182", END, 7),
        (read_options, "a1656e616d657301", "an array should be here, not an integer", 7),
        (opaque_item, "62c328", "text that is not UTF-8", 1),
        (decode_item, "a18000", "a map key cannot be a list", 1),
    ],
)
def test_what_is_of_another_shape(read: Reader[Any], code: str, what: str, offset: int) -> None:
    data = bytes.fromhex(code)
    for before in (b"", b"\x00\x00"):
        with pytest.raises(DecodeError) as caught:
            read(before + data, len(before), MAX_DEPTH)
        assert caught.value.what.startswith(what)
        assert caught.value.offset == len(before) + offset


@pytest.mark.parametrize(
    ("read", "code", "levels"),
    [
        (read_strings, "814161", 1),
        (read_strings, "9f4161ff", 1),
        (read_strings, "d880814161", 2),
        (read_options, "a1416101", 1),
        (read_options, "bf416101ff", 1),
        (read_options, "a1416181f6", 2),
        (read_options, "a1446461746181f6", 2),
        (read_options, "a1656e616d6573d88080", 3),
        (opaque_item, "818101", 2),
        (read_string, "4161", 0),
    ],
)
def test_levels_are_counted_through_readers(read: Reader[Any], code: str, levels: int) -> None:
    data = bytes.fromhex(code)
    read(data, 0, levels)
    if levels:
        with pytest.raises(DecodeError, match="nested deeper than the limit"):
            read(data, 0, levels - 1)


def broken(buf: bytes, pos: int, depth: int) -> tuple[int, int]:
    raise IndexError(pos)


@pytest.mark.parametrize(
    ("read", "code"),
    [
        (lambda buf: read_list(buf, 0, 9, broken), "8101"),
        (lambda buf: read_list(buf, 0, 9, broken), "9f01ff"),
        (lambda buf: read_map(buf, 0, 9, {b"a": broken}), "a1416101"),
        (lambda buf: read_map(buf, 0, 9, {b"a": broken}), "bf416101ff"),
    ],
)
def test_a_fault_of_a_reader_is_not_taken_for_one_of_the_input(
    read: Callable[[bytes], object], code: str
) -> None:
    with pytest.raises(IndexError):
        read(bytes.fromhex(code))


@given(encodings, encodings)
def test_an_opaque_item_is_what_came(one: bytes, other: bytes) -> None:
    assert opaque_item(one + other, 0, MAX_DEPTH) == (one, len(one))
    assert opaque_item(one + other, len(one), MAX_DEPTH) == (other, len(one) + len(other))


@given(st.lists(encodings))
def test_a_list_of_opaque_items(items: list[bytes]) -> None:
    definite = dumps([Encoded(item) for item in items])
    indefinite = b"\x9f" + b"".join(items) + b"\xff"
    for data in (definite, b"\xd8\x80" + definite, indefinite):
        assert read_list(data, 0, MAX_DEPTH, opaque_item) == (items, len(data))


@given(st.dictionaries(keys, values, max_size=8))
def test_a_map_is_read_as_by_decoding(items: dict[Any, Any]) -> None:
    data = dumps(items)
    if all(isinstance(key, bytes | str) for key in items):
        named = {key if isinstance(key, bytes) else key.encode(): v for key, v in items.items()}
        readers = dict.fromkeys(named, decode_item)
        assert form(read_map(data, 0, MAX_DEPTH, readers)) == form((named, len(data)))
        assert read_map(data, 0, MAX_DEPTH, {}) == ({}, len(data))
    else:
        with pytest.raises(DecodeError, match="a byte or text string should be here"):
            read_map(data, 0, MAX_DEPTH, {})


@given(st.binary(max_size=40))
def test_bytes_at_random_are_read_or_refused(data: bytes) -> None:
    for read in (read_string, read_strings, read_options, opaque_item, decode_item):
        found = attempt(read, data, 0, MAX_DEPTH)
        end = found.offset if isinstance(found, DecodeError) else found[1]
        assert 0 <= end <= len(data)
