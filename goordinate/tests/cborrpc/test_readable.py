"""What is stored can be read again: the checks agree with the decoder and with all clients."""

from __future__ import annotations

import subprocess
import tracemalloc
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goordinate.cborrpc import readable
from goordinate.cborrpc.decode import MAX_DEPTH, decode_item
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.errors import DecodeError
from goordinate.cborrpc.readable import MOST_IN_CHUNKS
from goordinate.cborrpc.scan import Check, skip_item
from goordinate.cborrpc.tags import Tag
from goordinate.tests.cborrpc.forms import attempt, encodings
from goordinate.tests.original import original_python


def readable_by_all(buf: bytes, pos: int, depth: int) -> int:
    """As `skip_item` and alone."""
    return both(buf, pos, depth, readable.readable_by_all)


def readable_by_ours(buf: bytes, pos: int, depth: int) -> int:
    """As `skip_item` and alone."""
    return both(buf, pos, depth, readable.readable_by_ours)


def both(buf: bytes, pos: int, depth: int, check: Check) -> int:
    alone: Any = attempt(check, buf, pos, depth)
    found: Any = attempt(lambda data: skip_item(data, pos, depth, check), buf)
    if isinstance(found, DecodeError):
        assert isinstance(alone, DecodeError)
        raise found
    assert alone == found
    return int(found)


UUID = "50" + 16 * "07"

# What all clients can read.
READABLE = [
    *(
        "00",
        "3bffffffffffffffff",
        "4161",
        "5f4161ff",
        "6161",
        "7f6161ff",
        "80",
        "9f01ff",
        "bf0102ff",
    ),
    *("f4", "f6", "f7", "f93c00", "fb3ff0000000000000", "a2f601f502", "a1fb3ff000000000000001"),
    *("a201020103", "c240", "c249010000000000000000", "c34101", "c257" + 23 * "ff", "a1c2410101"),
    *("d8184101", "d81845d818428101", "d81844d8808101", "a1d818410101", "d8185f41814101ff"),
    *("d825" + UUID, "d8255f48" + 8 * "00" + "48" + 8 * "00" + "ff", "a1d825" + UUID + "01"),
    *("d88081d8184101", "d8808181a0", "d900808101", "d8809f01ff", "d8808181d825" + UUID),
    *("a1d880810101", "a1d88081d880810101", "9a0000000100", "b90001410102", "9818" + 24 * "00"),
    *("d8809818" + 24 * "00", "7a0000000161", "5b000000000000000161", "bb000000000000000101a0"),
    *("82a101028180", "83a10102a1018003", "a101a1028101"),
]

# What our client cannot read: the byte of the fault, and words of the error.
UNREADABLE = [
    ("c26161", 1, "tag 2 is over a byte string, not a text string"),
    ("c38101", 1, "tag 3 is over a byte string, not an array"),
    ("82c20101", 2, "tag 2 is over a byte string, not an integer"),
    ("d82543616263", 2, "tag 37 is over a byte string of 16 bytes, not 3 bytes"),
    ("d8255f43616263ff", 2, "tag 37 is over a byte string of 16 bytes, not 3 bytes"),
    ("81d82551" + 17 * "00", 3, "tag 37 is over a byte string of 16 bytes, not 17 bytes"),
    ("d8256161", 2, "tag 37 is over a byte string of 16 bytes, not a text string"),
    ("d8806161", 2, "tag 128 is over an array, not a text string"),
    ("d880a0", 2, "tag 128 is over an array, not a map"),
    ("a18001", 1, "an array in a map key"),
    ("a1a001", 1, "a map in a map key"),
    ("bf8001ff", 1, "an array in a map key"),
    ("a20001810203", 3, "an array in a map key"),
    ("a100a18001", 3, "an array in a map key"),
    ("830000a18001", 4, "an array in a map key"),
    ("8300a1a00100", 3, "a map in a map key"),
    ("82a20102800100", 4, "an array in a map key"),
    ("a1d880818001", 4, "an array in a map key"),
    ("a1d818418001", 4, "an array in a map key"),
    ("d81841ff", 3, "a break"),
    ("d818420101", 4, "more bytes after the item in tag 24"),
    ("d8186101", 2, "tag 24 is over a byte string, not a text string"),
    ("d81845d81842c201", 7, "tag 2 is over a byte string, not an integer"),
]

# What the original's client cannot read.
NOT_BY_ALL = [
    ("c06a323031352d30312d3031", 0, "tag 0,"),
    ("c11a00000001", 0, "tag 1,"),
    ("8201c4820103", 2, "tag 4,"),
    ("d8236161", 0, "tag 35,"),
    ("d9d9f701", 0, "tag 55799,"),
    ("db000000010000000001", 0, "tag 4294967296,"),
    ("d88081c06161", 3, "tag 0,"),
    ("d81843c06161", 3, "tag 0,"),
    ("e3", 0, "a simple value"),
    ("a1e301", 1, "a simple value"),
    ("81f820", 1, "a simple value"),
    ("c25818" + 24 * "01", 1, "a bignum"),
    ("c2580101", 1, "a bignum"),
    ("c35f4101ff", 1, "a bignum"),
]
# Refused too, although the original's client makes a `Tag` of it, which it does not make of others.
TAG_IN_A_KEY = [("a1d8630101", 1, "tag 99,")]


def of_hex(code: str) -> bytes:
    return bytes.fromhex(code)


@pytest.mark.parametrize("code", READABLE)
def test_what_all_can_read_is_accepted(code: str) -> None:
    data = of_hex(code)
    for check in (readable_by_all, readable_by_ours):
        assert check(data, 0, MAX_DEPTH) == len(data)
        assert check(b"\xff" + data + b"\xff", 1, MAX_DEPTH) == 1 + len(data)


@pytest.mark.parametrize(("code", "offset", "words"), UNREADABLE)
def test_what_nobody_can_read_is_refused(code: str, offset: int, words: str) -> None:
    data = of_hex(code)
    assert skip_item(data, 0, MAX_DEPTH) == len(data)  # well-formed
    for check in (readable_by_all, readable_by_ours):
        with pytest.raises(DecodeError, match=words) as caught:
            check(data, 0, MAX_DEPTH)
        assert caught.value.offset == offset


@pytest.mark.parametrize(("code", "offset", "words"), NOT_BY_ALL + TAG_IN_A_KEY)
def test_what_some_cannot_read(code: str, offset: int, words: str) -> None:
    data = of_hex(code)
    assert readable_by_ours(data, 0, MAX_DEPTH) == len(data)
    with pytest.raises(DecodeError, match=f"{words}.*not all clients can read") as caught:
        readable_by_all(data, 0, MAX_DEPTH)
    assert caught.value.offset == offset


def judge(data: bytes, depth: int) -> None:
    """The checks accept what the decoder does; the stricter one, some of it."""
    decoded = attempt(decode_item, data, 0, depth)
    end = None if isinstance(decoded, DecodeError) else decoded[1]
    ours, by_all = (
        attempt(readable_by_ours, data, 0, depth),
        attempt(readable_by_all, data, 0, depth),
    )
    for found in (ours, by_all):
        assert not isinstance(found, DecodeError) or 0 <= found.offset <= len(data)
    assert isinstance(ours, DecodeError) if end is None else ours == end
    assert isinstance(by_all, DecodeError) or by_all == end


def test_every_input_of_two_or_four_bytes_that_matter() -> None:
    for two in product(range(256), repeat=2):
        judge(bytes(two), 4)
    for four in product(of_hex("00 18 41 5f 61 80 81 9f a0 a1 a2 bf c2 d8 f8 ff"), repeat=4):
        judge(bytes(four), 3)


@given(encodings, st.integers(0, 12))
def test_every_form_of_an_item(data: bytes, depth: int) -> None:
    judge(data, MAX_DEPTH)
    judge(data, depth)


@given(encodings, st.data())
def test_items_with_bytes_changed(data: bytes, draw: st.DataObject) -> None:
    changed = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        changed[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    judge(bytes(changed), MAX_DEPTH)


KEY = st.sampled_from(
    [of_hex(code) for code in ("01", "4161", "80", "d88081f6", "d8808180", "c101")]
)
NESTED = st.recursive(
    KEY,
    lambda inside: (
        st.lists(inside, max_size=3).map(
            lambda items: b"%c%b" % (0x80 + len(items), b"".join(items))
        )
        | st.lists(st.tuples(KEY, inside), max_size=3).map(
            lambda pairs: (
                b"%c%b" % (0xA0 + len(pairs), b"".join(key + value for key, value in pairs))
            )
        )
    ),
    max_leaves=12,
)


@given(NESTED, st.integers(0, 6))
def test_keys_among_arrays_and_maps(data: bytes, depth: int) -> None:
    judge(data, MAX_DEPTH)
    judge(data, depth)


def embedded(levels: int) -> bytes:
    data = b"\x00"
    for _ in range(levels):
        data = dumps(Tag(24, data))
    return data


@pytest.mark.parametrize("check", [readable_by_all, readable_by_ours])
@pytest.mark.parametrize(
    "data", [256 * b"\x81" + b"\x01", 128 * of_hex("d88081") + b"\x01", embedded(128)]
)
@pytest.mark.parametrize("begin", [b"", of_hex("9fff")])  # the fast loop, and the slow one
def test_nesting_has_the_same_limit(check: Check, data: bytes, begin: bytes) -> None:
    item = b"\x82" + begin + data if begin else data
    depth = MAX_DEPTH + 1 if begin else MAX_DEPTH
    assert check(item, 0, depth) == len(item)
    with pytest.raises(DecodeError, match="nested deeper than the limit"):
        check(item, 0, depth - 1)


def test_a_check_takes_no_memory() -> None:
    """Neither for a large item, nor for one whose content would be copied at each level."""
    nested = b"\x81" * 200 + b"\x9f" + bytes(300_000) + of_hex("c06161ff")
    chunks = b"\x00"
    for _ in range(120):
        chunks = b"\xd8\x18\x5f" + dumps(chunks) + dumps(b"") + b"\xff"
    large = b"\xd8\x18\x5f" + dumps(dumps(bytes(MOST_IN_CHUNKS))) + b"\xff"
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="tag 0"):
            readable_by_all(nested, 0, MAX_DEPTH)
        readable_by_all(chunks, 0, MAX_DEPTH)
        with pytest.raises(DecodeError, match="tag 24 over chunks of"):
            readable_by_all(large, 0, MAX_DEPTH)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MOST_IN_CHUNKS


READ = """
import sys
from coordinate.base_client import make_cbor_tagmapper
loads = make_cbor_tagmapper().loads
for code in sys.stdin.read().split():
    try:
        loads(code.decode('hex'))
    except BaseException:
        print(code)
"""


@pytest.mark.original
def test_the_original_client_reads_what_the_check_says() -> None:
    codes = [*READABLE, *(code for code, _, _ in NOT_BY_ALL)]
    lines = "\n".join(code.replace(" ", "") for code in codes)
    unread = subprocess.run(
        [original_python(), "-c", READ], input=lines, stdout=subprocess.PIPE, check=True, text=True
    ).stdout.split()
    assert unread == [code for code, _, _ in NOT_BY_ALL]
