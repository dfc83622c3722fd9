"""Encoding: each example of RFC 8949 back again, each type, and what cannot be written."""

from __future__ import annotations

import sys
from array import array
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from enum import IntEnum
from typing import Any
from uuid import UUID

import pytest

from goordinate.cborrpc import UNDEFINED, Encoded, EncodeError, Simple, Tag, dumps, loads
from goordinate.cborrpc.encode import array_head, bytes_head, encode_head
from goordinate.cborrpc.heads import MAX_DEPTH
from goordinate.cborrpc.shown import SHOWN

from .rfc8949 import EXAMPLES, REWRITTEN

UUID_HEX = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("code", "value"), [(code, value) for code, value in EXAMPLES if code not in REWRITTEN]
)
def test_examples_of_the_rfc(code: str, value: Any) -> None:
    assert dumps(value).hex() == code
    assert dumps(loads(bytes.fromhex(code))).hex() == code


class Priority(IntEnum):
    HIGH = 300


class Name(bytes):
    pass


class Text(str):
    __slots__ = ()


class Items(list[int]):
    pass


Pair = namedtuple("Pair", "key data")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1.5, "fb3ff8000000000000"),
        (-0.0, "fb8000000000000000"),
        (float("nan"), "fb7ff8000000000000"),
        ((), "d88080"),
        ((True, None), "d88082f5f6"),
        ([()], "81d88080"),
        ({(b"k",): (1,)}, "a1d88081416bd8808101"),
        (UUID(UUID_HEX), f"d82550{UUID_HEX}"),
        (bytearray(b"ab"), "426162"),
        (memoryview(b"ab"), "426162"),
        (memoryview(b"abcd")[::2], "426163"),
        (memoryview(array("H", [1])), "42" + array("H", [1]).tobytes().hex()),
        (Tag(24, b"\x01"), "d8184101"),
        (Tag(2**64 - 1, Tag(0, [])), "dbffffffffffffffffc080"),
        (Simple(32), "f820"),
        (UNDEFINED, "f7"),
        # what is already encoded goes in as it is, at any place
        (Encoded(b"\x18\x01"), "1801"),
        ([1, Encoded(b"\x5f\xff"), b""], "83015fff40"),
        ({b"result": Encoded(b"\xf6")}, "a146726573756c74f6"),
        ((Encoded(b"\x01"),), "d8808101"),
        # integers at the edges of their heads
        *[
            (
                sign(n),
                f"{initial + (major << 5):02x}{n:0{size}x}" if size else f"{n + (major << 5):02x}",
            )
            for major, sign in ((0, int), (1, lambda n: -1 - n))
            for n, initial, size in [
                (23, 0, 0),
                (24, 24, 2),
                (0xFF, 24, 2),
                (0x100, 25, 4),
                (0xFFFF, 25, 4),
                (0x10000, 26, 8),
                (0xFFFFFFFF, 26, 8),
                (0x100000000, 27, 16),
                (2**64 - 1, 27, 16),
            ]
        ],
        (2**72 - 1, "c249ffffffffffffffffff"),
        (-(2**72), "c349ffffffffffffffffff"),
        # derived types are written as what they are derived from
        (Priority.HIGH, "19012c"),
        ([Priority.HIGH], "8119012c"),
        (Name(b"k"), "416b"),
        ({Name(b"k"): Text("t")}, "a1416b6174"),
        (Items([1]), "8101"),
        (Pair(b"k", 1), "d88082416b01"),
        (OrderedDict(b=1, a=2), "a2616201616102"),
    ],
)
def test_types(value: Any, code: str) -> None:
    assert dumps(value).hex() == code


@pytest.mark.parametrize("count", [0, 1, 23, 24, 255, 256, 65535, 65536])
def test_lengths(count: int) -> None:
    head = encode_head(0, count)[1:]
    info = [count, 24, 25, 26][min(len(head), 3)]

    def coded(major: int) -> bytes:
        return bytes([major << 5 | info]) + head

    assert dumps(bytes(count)) == coded(2) + bytes(count) == bytes_head(count) + bytes(count)
    assert dumps([bytes(count)]) == b"\x81" + dumps(bytes(count))
    assert dumps({bytes(count): bytes(count)}) == b"\xa1" + dumps(bytes(count)) * 2
    assert dumps("\0" * count) == coded(3) + bytes(count)
    assert dumps([0] * count) == coded(4) + bytes(count) == array_head(count) + bytes(count)
    assert dumps((0,) * count) == b"\xd8\x80" + dumps([0] * count)
    assert dumps(dict.fromkeys(range(count))).startswith(coded(5))


def test_a_result_is_bytes_and_nothing_derived_from_it() -> None:
    assert type(dumps(Encoded(b"\x01"))) is bytes


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Long(set[int]):
    def __repr__(self) -> str:
        return "x" * 10_000


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, "cannot encode {1, 2} of type set: CBOR has no form for this type"),
        ([{b"k": ...}], "cannot encode Ellipsis of type ellipsis: CBOR has no form for this type"),
        ({frozenset(): 1}, "cannot encode frozenset() of type frozenset: CBOR has no"),
        (Tag(1, 1j), "cannot encode 1j of type complex: CBOR has no form for this type"),
        ("a\ud800", "cannot encode 'a\\ud800' of type str: a lone surrogate has no UTF-8"),
        ({"\udfff": 1}, "cannot encode '\\udfff' of type str: a lone surrogate has no UTF-8"),
        (Unprintable(), "cannot encode a value of type Unprintable"),
    ],
)
def test_an_error_names_the_value_and_its_type(value: Any, message: str) -> None:
    with pytest.raises(EncodeError) as caught:
        dumps(value)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("value", [Long(), {10**5000}, {b"x" * 10_000}])
def test_an_error_is_short(value: Any) -> None:
    with pytest.raises(EncodeError, match=f"of type {type(value).__name__}: CBOR") as caught:
        dumps([value])
    assert len(str(caught.value)) < SHOWN + 100


NESTINGS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "list": (lambda value: [value], 1),
    "dict": (lambda value: {b"k": value}, 1),
    "tag": (lambda value: Tag(1, value), 1),
    "tuple": (lambda value: (value,), 2),
    "derived": (lambda value: OrderedDict(k=value), 1),
}


@pytest.mark.parametrize(("around", "levels"), NESTINGS.values(), ids=NESTINGS)
def test_nesting_has_the_limit_of_decoding(around: Callable[[Any], Any], levels: int) -> None:
    value: Any = 0
    for _ in range(MAX_DEPTH // levels):
        value = around(value)
    assert loads(dumps(value)) == value
    with pytest.raises(EncodeError, match="nested deeper than 256 levels"):
        dumps(around(value))


def test_a_tuple_is_two_levels_also_at_the_limit() -> None:
    value: Any = ()
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    with pytest.raises(EncodeError, match=r"of type tuple: nested deeper than 256 levels"):
        dumps(value)


def test_a_value_inside_itself_is_an_error() -> None:
    items: list[Any] = []
    items.append({b"k": (items,)})
    with pytest.raises(EncodeError, match="nested deeper than 256 levels"):
        dumps(items)


def test_a_stack_that_is_used_up_is_an_error() -> None:
    value: Any = 0
    for _ in range(MAX_DEPTH):
        value = [value]

    def call(frames: int) -> bytes:
        return dumps(value) if frames == 0 else call(frames - 1)

    with pytest.raises(EncodeError, match="nested deeper than Python's stack allows"):
        call(sys.getrecursionlimit() - MAX_DEPTH - 1 - frames_in_use())


def frames_in_use() -> int:
    """How many calls are open, this one left out."""
    frame, count = sys._getframe(), -1
    while frame is not None:
        frame, count = frame.f_back, count + 1  # type: ignore[assignment]
    return count


@pytest.mark.parametrize("number", [-1, 2**64, 1.5, None])
def test_a_tag_number_is_checked(number: Any) -> None:
    with pytest.raises(ValueError, match=r"a tag number is 0 to 2\*\*64-1"):
        Tag(number, 0)


@pytest.mark.parametrize("number", [-1, 20, 23, 24, 31, 256, 1.5, None])
def test_a_simple_value_is_checked(number: Any) -> None:
    with pytest.raises(ValueError, match="a simple value is 0 to 19 or 32 to 255"):
        Simple(number)
