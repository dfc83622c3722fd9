"""Decoding: each example of RFC 8949, and every kind of fault, with what is said and where."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goordinate.cborrpc import DecodeError, Simple, Tag, dumps, loads
from goordinate.cborrpc.decode import MAX_DEPTH, decode_item, skip_item
from goordinate.cborrpc.scan import walk

from .forms import attempt, encodings, form
from .rfc8949 import EXAMPLES, NOT_WELL_FORMED, well_formed_end

Read = Callable[[bytes], object]

# Each of these accepts what is well-formed; only the first also judges what tags contain.
READS: dict[str, Read] = {
    "loads": loads,
    "skip_item": lambda data: skip_item(data, 0, MAX_DEPTH),
    "walk": lambda data: walk(data, 0, MAX_DEPTH),
}
each_read = pytest.mark.parametrize("read", READS.values(), ids=READS)

UUID_HEX = "0123456789abcdef" * 2
HUGE = "ffffffffffffffff"


def fault_of(read: Read, data: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        read(data)
    fault = caught.value
    assert str(fault) == f"{fault.what} at byte {fault.offset}"
    assert 0 <= fault.offset <= len(data)
    return fault


@pytest.mark.parametrize(("code", "value"), EXAMPLES)
def test_examples_of_the_rfc(code: str, value: Any) -> None:
    data = bytes.fromhex(code)
    assert form(loads(data)) == form(value)
    # The same in the middle of a buffer.
    inside = b"\xff\xff" + data + b"\xff"
    assert form(decode_item(inside, 2, 9)) == form((value, 2 + len(data)))
    assert skip_item(inside, 2, 9) == 2 + len(data)
    assert walk(inside, 2, 9) == 2 + len(data)


@each_read
@pytest.mark.parametrize(
    "code", [code for group in NOT_WELL_FORMED.values() for code in group.split(", ")]
)
def test_what_the_rfc_calls_not_well_formed(code: str, read: Read) -> None:
    fault_of(read, bytes.fromhex(code))


@pytest.mark.parametrize(
    ("code", "value"),
    [
        # tags 2 and 3: any byte string, empty, in chunks, with zeros before
        ("c240", 0),
        ("c340", -1),
        ("c2420001", 1),
        ("c25f41014100ff", 256),
        ("c35fff", -1),
        # tag 37
        (f"d82550{UUID_HEX}", UUID(UUID_HEX)),
        (f"d8255f50{UUID_HEX}ff", UUID(UUID_HEX)),
        # tag 128, its head in every length, and its array's
        ("d88080", ()),
        ("d88082f5f6", (True, None)),
        ("d900808101", (1,)),
        ("da000000809f01ff", (1,)),
        ("db0000000000000080980101", (1,)),
        ("d880980101", (1,)),
        ("a1d88081014100", {(1,): b"\0"}),
        # tag 24: decoded again, in chunks, and in itself
        ("d8184101", 1),
        ("d8185f4182420102ff", [1, 2]),
        ("d81845d818428101", [1]),
        ("82d818418002", [[], 2]),
        # tags without a meaning, also around each other
        ("d9d9f7c0a0", Tag(55799, Tag(0, {}))),
        ("a1c14100f5", {Tag(1, b"\0"): True}),
        # simple values
        ("f3", Simple(19)),
        ("f820", Simple(32)),
        # lengths that are not the shortest
        ("1b0000000000000001", 1),
        ("3900ff", -256),
        ("590001ff", b"\xff"),
        ("7a0000000161", "a"),
        ("99000101", [1]),
        ("b90001410102", {b"\x01": 2}),
        # chunks
        ("5fff", b""),
        ("7fff", ""),
        ("5f58010159000102ff", b"\x01\x02"),
        ("7f6161780162ff", "ab"),
        # the last of equal keys counts
        ("a2410101410102", {b"\x01": 2}),
        ("bf416101416102ff", {b"a": 2}),
        # the longest of the short forms, and the next
        (f"77{'61' * 23}", "a" * 23),
        (f"7818{'61' * 24}", "a" * 24),
        (f"57{'61' * 23}", b"a" * 23),
        (f"5818{'61' * 24}", b"a" * 24),
        (f"590100{'61' * 256}", b"a" * 256),
        (f"9818{'37' * 24}", [-24] * 24),
        (f"b7{''.join(f'41{n:02x}17' for n in range(23))}", {bytes([n]): 23 for n in range(23)}),
    ],
)
def test_other_forms(code: str, value: Any) -> None:
    data = bytes.fromhex(code)
    assert form(loads(data)) == form(value)
    assert skip_item(data, 0, MAX_DEPTH) == len(data)


NO_ITEM = "the input ends where an item should be"
BREAK = "a break (0xff) where an item should be"
ENDS_IN_24 = "the byte string of tag 24 ends inside its item"


@each_read
@pytest.mark.parametrize(
    ("code", "what", "offset"),
    [
        ("", NO_ITEM, 0),
        ("8201", NO_ITEM, 2),
        ("9f", NO_ITEM, 1),
        ("a100", NO_ITEM, 2),
        ("d880", NO_ITEM, 2),
        ("19", "the input ends inside an integer", 0),
        ("8138", "the input ends inside an integer", 1),
        ("820045", "the input ends inside a byte string", 2),
        ("824500", "the input ends inside a byte string", 1),
        ("5901", "the input ends inside a byte string", 0),
        ("a14045", "the input ends inside a byte string", 2),
        ("d825581001", "the input ends inside a byte string", 2),
        ("5f4101", "the input ends inside a byte string", 0),
        ("5f41", "the input ends inside a byte string", 1),
        ("63e282", "the input ends inside a text string", 0),
        ("7818e282", "the input ends inside a text string", 0),
        ("7f", "the input ends inside a text string", 0),
        ("d9d9", "the input ends inside a tag", 0),
        ("81fb00", "the input ends inside a simple value or float", 1),
        ("81f8", "the input ends inside a simple value or float", 1),
        (f"81 5b{HUGE}", "the input ends inside a byte string", 1),
        (f"81 7b{HUGE}", "the input ends inside a text string", 1),
        (f"81 9b{HUGE}", "the input ends inside an array", 1),
        (f"81 bb{HUGE}", "the input ends inside a map", 1),
        ("ba00000003 0000000000", "the input ends inside a map", 0),
        ("ff", BREAK, 0),
        ("81ff", BREAK, 1),
        ("97ff", BREAK, 1),
        ("a100ff", BREAK, 2),
        ("bf00ff", BREAK, 2),
        ("bf000000ff", BREAK, 4),
        ("9fc1ff", BREAK, 2),
        ("1c", "no item begins with 0x1c", 0),
        ("1f", "no item begins with 0x1f", 0),
        ("df00", "no item begins with 0xdf", 0),
        ("83018201fe00", "no item begins with 0xfe", 4),
        ("a1005c", "no item begins with 0x5c", 2),
        ("f818", "simple value 24 in two bytes", 0),
        ("62c328", "text that is not UTF-8", 1),
        ("8161c3", "text that is not UTF-8", 2),
        ("a16161 63eda080", "text that is not UTF-8", 4),
        (f"7818{'61' * 23}ff", "text that is not UTF-8", 25),
        ("7f61616180ff", "text that is not UTF-8", 4),
        ("7f61c361bcff", "text that is not UTF-8", 2),
        ("5f6161ff", "a byte string of indefinite length holds something else", 1),
        ("5f41005f4100ffff", "a byte string of indefinite length holds something else", 3),
        ("7f4161ff", "a text string of indefinite length holds something else", 1),
    ],
)
def test_a_fault_says_what_and_where(code: str, what: str, offset: int, read: Read) -> None:
    fault = fault_of(read, bytes.fromhex(code))
    assert (fault.what, fault.offset) == (what, offset)


@pytest.mark.parametrize(
    ("code", "what", "offset"),
    [
        ("0000", "more bytes after the item", 1),
        ("a0ff", "more bytes after the item", 1),
        ("a18001", "a map key cannot be a list (unhashable type: 'list')", 1),
        ("a2410000a000", "a map key cannot be a dict (unhashable type: 'dict')", 4),
        ("bf8001ff", "a map key cannot be a list (unhashable type: 'list')", 1),
        ("a1c18000", "a map key cannot be a Tag (unhashable type: 'list')", 1),
        ("a1d880818000", "a map key cannot be a tuple (unhashable type: 'list')", 1),
        ("c201", "tag 2 is over a byte string, not an integer", 1),
        ("c260", "tag 2 is over a byte string, not a text string", 1),
        ("c3f6", "tag 3 is over a byte string, not a simple value or float", 1),
        ("d82541ff", "tag 37 is over a byte string of 16 bytes, not 1 bytes", 2),
        ("d82580", "tag 37 is over a byte string of 16 bytes, not an array", 2),
        ("d880a0", "tag 128 is over an array, not a map", 2),
        ("d880c080", "tag 128 is over an array, not a tag", 2),
        ("c2ff", "tag 2 is over a byte string, not a break (0xff)", 1),
        ("d81801", "tag 24 is over a byte string, not an integer", 2),
        # In tag 24: the byte in the whole input, and nothing outside of the string counts.
        ("d81841ff", BREAK, 3),
        ("d818448301ff02", BREAK, 5),
        ("d81845d81842c201", "tag 2 is over a byte string, not an integer", 7),
        ("d818420000", "more bytes after the item in tag 24", 4),
        ("d81840", ENDS_IN_24, 3),
        ("82d8184000", ENDS_IN_24, 4),
        ("d8184182", ENDS_IN_24, 4),
        ("82d818418100", ENDS_IN_24, 5),
        ("82d8184142ffff", ENDS_IN_24, 5),
        ("82d8184142ff", "the input ends inside a byte string", 4),
        ("82d81842826100", ENDS_IN_24, 6),
        ("82d8184161ff", ENDS_IN_24, 5),
        ("82d818418200", ENDS_IN_24, 5),
        ("82d81841811c", ENDS_IN_24, 5),
        # A string in chunks is nowhere in the input as it is decoded.
        ("d8185f418241ffff", f"in the chunks of a tag 24: {BREAK} at byte 1", 2),
        ("81 d8185f46 d8185f41ffff ff", f"in the chunks of a tag 24: {BREAK} at byte 0", 3),
    ],
)
def test_what_only_decoding_refuses(code: str, what: str, offset: int) -> None:
    fault = fault_of(loads, bytes.fromhex(code))
    assert (fault.what, fault.offset) == (what, offset)


def nested(opening: str, levels: int, inside: str = "00") -> bytes:
    return bytes.fromhex(opening * levels + inside)


def embedded(levels: int) -> bytes:
    data = b"\x00"
    for _ in range(levels):
        data = dumps(Tag(24, data))
    return data


# What opens as many levels of nesting as stand beside it.
OPENINGS = [("81", 1), ("9f", 1), ("a100", 1), ("bf00", 1), ("c1", 1), ("d8ff", 1), ("d88081", 2)]


@each_read
@pytest.mark.parametrize(("opening", "levels"), OPENINGS)
def test_nesting_has_a_limit(opening: str, levels: int, read: Read) -> None:
    closing = "ff" if opening in ("9f", "bf00") else ""
    allowed = MAX_DEPTH // levels
    read(nested(opening, allowed, "00" + closing * allowed))
    fault = fault_of(read, nested(opening, allowed + 1, "00" + closing * (allowed + 1)))
    assert fault.what == "arrays, maps and tags nested deeper than the limit"
    # Strings and the like are no level.
    read(nested(opening, allowed, "5f4100ff" + closing * allowed))


def test_decoding_tag_24_again_is_a_level_too() -> None:
    assert loads(embedded(MAX_DEPTH // 2)) == 0
    assert "deeper than the limit" in fault_of(loads, embedded(MAX_DEPTH // 2 + 1)).what
    assert loads(embedded(2), max_depth=4) == 0
    assert "deeper than the limit" in fault_of(lambda d: loads(d, max_depth=3), embedded(2)).what


def test_the_limit_can_be_chosen() -> None:
    assert loads(b"\x81\x80", max_depth=2) == [[]]
    assert loads(b"\x01", max_depth=0) == 1
    for read in (
        lambda data: loads(data, max_depth=1),
        lambda data: decode_item(data, 0, 1),
        lambda data: skip_item(data, 0, 1),
    ):
        fault = fault_of(read, b"\x81\x80")
        assert (fault.what, fault.offset) == (
            "arrays, maps and tags nested deeper than the limit",
            1,
        )


@pytest.mark.parametrize("opening", [opening for opening, _ in OPENINGS])
def test_no_limit_lets_the_input_overflow_the_stack(opening: str) -> None:
    fault = fault_of(lambda d: loads(d, max_depth=10**6), nested(opening, 50_000))
    assert fault.what == "nested deeper than Python's stack allows"


def test_skipping_uses_no_stack() -> None:
    assert skip_item(nested("d88081", 50_000), 0, 10**6) == 150_001


@pytest.mark.parametrize(
    "data", [nested("81", 256), nested("a100", 256), nested("d88081", 128), embedded(128)]
)
def test_the_limit_is_in_reach_from_deep_inside_a_program(data: bytes) -> None:
    def call(frames: int) -> object:
        return loads(data) if frames == 0 else call(frames - 1)

    call(400)


@each_read
@pytest.mark.parametrize("major", [2, 3, 4, 5])
@pytest.mark.parametrize("length", [2**16, 2**31 - 1, 2**32 - 1, 2**63, 2**64 - 1])
def test_an_announced_length_costs_nothing(major: int, length: int, read: Read) -> None:
    data = bytes([0x81, major << 5 | 27]) + length.to_bytes(8, "big") + bytes(1000)
    tracemalloc.start()
    try:
        assert fault_of(read, data).offset == 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60_000


def judge(data: bytes) -> None:
    """All readers find `data` well-formed or not as the RFC's own account does."""
    end = well_formed_end(data)
    for skip in (skip_item, walk):
        found = attempt(skip, data, 0, MAX_DEPTH)
        assert is_fault_in(data, found) if end is None else found == end
    value = attempt(loads, data)
    if not is_fault_in(data, value):
        assert end == len(data)
        assert form(loads(dumps(value))) == form(value)


def is_fault_in(data: bytes, found: object) -> bool:
    return isinstance(found, DecodeError) and 0 <= found.offset <= len(data)


def test_every_input_of_one_or_two_bytes() -> None:
    for data in product(range(256), repeat=2):
        judge(bytes(data))
    for initial in range(256):
        judge(bytes([initial]))


def test_every_input_of_four_bytes_that_matter() -> None:
    kinds = bytes.fromhex("00 18 20 41 5f 61 7f 80 81 9f a0 a1 bf c0 c2 d8 f8 ff")
    for data in product(kinds, repeat=4):
        judge(bytes(data))


@given(encodings)
def test_every_form_of_a_well_formed_item(data: bytes) -> None:
    assert well_formed_end(data) == len(data)
    judge(data)


@given(encodings)
def test_input_that_is_cut(data: bytes) -> None:
    for end in range(len(data)):
        for read in READS.values():
            fault_of(read, data[:end])


@given(encodings, st.data())
def test_input_with_bytes_changed(data: bytes, draw: st.DataObject) -> None:
    changed = bytearray(data)
    for _ in range(draw.draw(st.integers(min_value=1, max_value=3))):
        place = draw.draw(st.integers(min_value=0, max_value=len(data) - 1))
        changed[place] = draw.draw(st.integers(min_value=0, max_value=255))
    judge(bytes(changed))


def outcome(data: bytes) -> Any:
    """The form of the value, or None if there is none."""
    value = attempt(loads, data)
    return None if is_fault_in(data, value) else form(value)


@given(encodings | st.binary(max_size=20), encodings, st.integers(min_value=0, max_value=10))
def test_tag_24_gives_what_its_content_gives(content: bytes, after: bytes, cut: int) -> None:
    alone = outcome(content)
    content_item = b"\xd8\x18" + dumps(content)
    first, second = dumps(content[:cut]), dumps(content[cut:])
    in_chunks = b"\xd8\x18\x5f" + first + second + b"\xff"
    for item in (content_item, in_chunks):
        assert outcome(item) == alone
        # What follows the string is not taken for a part of its item.
        beside = outcome(b"\x82" + item + after)
        assert beside == (alone and outcome(after) and (list, [alone, outcome(after)]))


@given(st.binary(max_size=60))
def test_input_at_random(data: bytes) -> None:
    judge(data)
