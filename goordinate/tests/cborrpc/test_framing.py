"""Frames: one table of what may arrive, fed whole, byte by byte and in random pieces."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goordinate.cborrpc import framing
from goordinate.cborrpc.errors import FrameError
from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.limits import Limits

LONG = b"\x59\x01\x00" + b"x" * 256

# What is on the wire -> the message in it.
ARRIVING = [
    # tag 24 over a byte string, with each head that says so
    ("d818 40", ""),
    ("d818 41 f6", "f6"),
    ("d818 43 820102", "820102"),
    ("d818 57" + "00" * 23, "00" * 23),
    ("d818 58 01 f6", "f6"),
    ("d818 58 18" + "00" * 24, "00" * 24),
    ("d818 59 0103" + LONG.hex(), LONG.hex()),
    ("d818 59 0001 f6", "f6"),
    ("d818 5a 00000001 a0", "a0"),
    ("d818 5b 0000000000000001 a0", "a0"),
    ("d9 0018 41 f6", "f6"),
    ("da 00000018 41 f6", "f6"),
    ("db 0000000000000018 41 f6", "f6"),
    ("d818 5f ff", ""),
    ("d818 5f 41 82 40 5801 01 41 02 ff", "820102"),
    # what is inside does not count here, even if it is no CBOR
    ("d818 42 ffff", "ffff"),
    ("d818 43 d81841", "d81841"),
    ("d818 45 474554202f", "474554202f"),
    # no tag 24: the item is the message
    *(
        (item, item)
        for item in (
            "f6",
            "a0",
            "80",
            "bf ff",
            "9f ff",
            "82 a0 80",
            "a2 01 02 20 fb 3ff0000000000000",
            "a3 42 6964 18 64 46 6d6574686f64 63 6e6f77 46 706172616d73 80",
            "9f 1903e8 1a000f4240 1b0000000100000000 3903e8 f4 f0 f8ff f93c00 fa47c35000 ff",
            "bf 61 61 9f 01 9f ff ff 61 62 bf 01 bf ff ff ff",
            "82 5f 41 01 58 02 0203 ff 7f 61 61 60 78 01 62 ff",
            "81 81 81 81 80",
            "81 c1 c1 c1 a1 80 80",
            "84 40 60 80 a0",
            "98 02 9900 01 9a00000001 9b0000000000000001 00 b8 01 b90000 ba00000000",
            "d9 d9f7 80",
            "d880 82 01 02",
            "81 d818 41 f6",
        )
    ),
]
WIRE = [(bytes.fromhex(wire), bytes.fromhex(message)) for wire, message in ARRIVING]


def feed(reader: FrameReader, pieces: list[bytes]) -> list[bytes]:
    return [message for piece in pieces for message in reader.feed(piece)]


@pytest.mark.parametrize(("wire", "message"), WIRE, ids=[wire for wire, _ in ARRIVING])
def test_whole_and_byte_by_byte(wire: bytes, message: bytes) -> None:
    reader = FrameReader()
    assert reader.feed(wire) == [message]
    assert reader.pending == 0
    for index in range(len(wire) - 1):
        assert reader.feed(wire[index : index + 1]) == []
        assert reader.pending == index + 1
    assert reader.feed(wire[-1:]) == [message]
    assert reader.pending == 0


@given(st.lists(st.sampled_from(WIRE), max_size=20), st.data())
def test_many_in_random_pieces(arriving: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    stream = b"".join(wire for wire, _ in arriving)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30).map(sorted))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    reader = FrameReader()
    assert feed(reader, pieces) == [message for _, message in arriving]
    assert reader.pending == 0


@pytest.mark.parametrize("length", [0, 1, 23, 24, 255, 256, 65535, 65536, 200_000])
def test_frame_and_back(length: int) -> None:
    message = bytes(length)
    framed = frame(message)
    assert framed[:2] == b"\xd8\x18"
    assert framed.endswith(message)
    # the shortest head
    assert len(framed) - length == 2 + next(
        size for size, most in ((1, 23), (2, 255), (3, 65535), (5, 2**32)) if length <= most
    )
    reader = FrameReader()
    assert reader.feed(framed + framed) == [message, message]
    pieces = [framed[start : start + 1000] for start in range(0, len(framed), 1000)]
    assert feed(reader, pieces) == [message]


# What can never become a frame, the byte where that is seen, and what is said of it.
GARBAGE = [
    (b"GET / HTTP/1.1\r\n\r\n", 0, "0x47 begins no message"),
    (b"\x16\x03\x01", 0, "0x16 begins no message"),
    (b"ff", 0, "0x66 begins no message"),
    (b"\xff", 0, "0xff begins no item"),
    (b"\x1c", 0, "0x1c begins no item"),
    (b"\xfe", 0, "0xfe begins no item"),
    (b"\x01", 0, "0x01 begins no message"),
    (b"\xf4", 0, "0xf4 begins no message"),
    (b"\xdf", 0, "0xdf begins no item"),
    (b"\x9c", 0, "0x9c begins no item"),
    (b"\x82\x01\x3f", 2, "0x3f begins no item"),
    (b"\x81\xff", 1, "0xff begins no item"),
    (b"\xa1\x01\xff", 2, "0xff begins no item"),
    (b"\xbf\x01\xff", 2, "0xff begins no item"),
    (b"\xc1\xff", 1, "0xff begins no item"),
    (b"\x81\x5f\x61", 2, "0x61 begins no chunk"),
    (b"\x81\x7f\x41", 2, "0x41 begins no chunk"),
    (b"\x81\x5f\x5f", 2, "0x5f begins no chunk"),
    (b"\xd8\x18\xa0", 2, "0xa0 begins no byte string"),
    (b"\xd8\x18\x61", 2, "0x61 begins no byte string"),
    (b"\xd8\x18\xd8\x18", 2, "0xd8 begins no byte string"),
    (b"\xd9\x00\x18\x01", 3, "0x01 begins no byte string"),
    (b"\xd8\x18\xff", 2, "0xff begins no item"),
    (b"\xd8\x18\x5c", 2, "0x5c begins no item"),
    (b"\xd8\x18\x5f\x41\x01\x01", 5, "0x01 begins no chunk"),
]


@pytest.mark.parametrize(("wire", "index", "fault"), GARBAGE, ids=[repr(row[0]) for row in GARBAGE])
def test_garbage(wire: bytes, index: int, fault: str) -> None:
    said = rf"{fault}.*, at byte {index} of a frame$"
    with pytest.raises(FrameError, match=said):
        FrameReader().feed(wire)
    reader = FrameReader()
    with pytest.raises(FrameError, match=said):
        feed(reader, [wire[i : i + 1] for i in range(len(wire))])
    with pytest.raises(FrameError, match=said):
        reader.feed(b"\xf6")


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_messages_before_garbage_are_given_first(size: int) -> None:
    stream = frame(b"one") + frame(b"two") + b"\xff" + frame(b"never")
    reader = FrameReader()
    messages = []
    with pytest.raises(FrameError, match="0xff"):  # noqa: PT012
        for start in range(0, len(stream), size):
            messages += reader.feed(stream[start : start + size])
        assert reader.pending
        reader.feed(b"")
    assert messages == [b"one", b"two"]


# With the last of these bytes it is known that more than 100 bytes are to come.
TOO_LONG = [
    "d818 58 65",
    "d818 59 0065",
    "d818 5a 7fffffff",
    "d818 5b ffffffffffffffff",
    "d9 0018 58 65",
    "d818 5f 58 62",
    "82 58 65",
    "81 7b ffffffffffffffff",
    "9f" + "00" * 100,
    "98 c8" + "00" * 99,
]


@pytest.mark.parametrize("wire", TOO_LONG)
def test_too_long_is_refused_as_soon_as_it_is_known(wire: str) -> None:
    arrived = bytes.fromhex(wire)
    reader = FrameReader(Limits(max_frame=100))
    assert feed(reader, [arrived[i : i + 1] for i in range(len(arrived) - 1)]) == []
    with pytest.raises(FrameError, match=r"^a frame of more than 100 bytes$"):
        reader.feed(arrived[-1:])
    with pytest.raises(FrameError, match=r"^a frame of more than 100 bytes$"):
        FrameReader(Limits(max_frame=100)).feed(arrived + bytes(1000))


def test_as_long_as_allowed() -> None:
    content = b"x" * 100
    chunked = b"\xd8\x18\x5f\x58\x60" + content[:96] + b"\xff"
    unwrapped = b"\x98\x62" + bytes(98)
    reader = FrameReader(Limits(max_frame=100))
    assert reader.feed(frame(content) + chunked + unwrapped) == [content, content[:96], unwrapped]


@pytest.mark.parametrize("opening", ["81", "9f", "c1", "bf01"])
def test_depth_without_tag_24_is_limited(opening: str) -> None:
    head = bytes.fromhex(opening)
    assert FrameReader(Limits(max_depth=3)).feed(head * 3) == []
    with pytest.raises(FrameError, match="nested deeper than the limit"):
        FrameReader(Limits(max_depth=3)).feed(head * 4)
    with pytest.raises(FrameError, match="nested deeper than the limit"):
        FrameReader().feed(head * 257)
    # Strings of indefinite length are no level of their own.
    assert FrameReader(Limits(max_depth=1)).feed(b"\x81\x5f\x41\x00\xff") == [
        b"\x81\x5f\x41\x00\xff"
    ]


def test_memory_is_that_of_the_bytes_that_have_arrived() -> None:
    tracemalloc.start()
    try:
        readers = [FrameReader() for _ in range(100)]
        for reader in readers:
            reader.feed(b"\xd8\x18\x5a\x03\xff\xff\xff")  # nearly 64 MiB
            reader.feed(bytes(1000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * 4000


@pytest.mark.parametrize("wire", [b"\x9f" + b"\x01" * 500 + b"\xff", frame(bytes(500))])
def test_each_head_is_looked_at_once(wire: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = []
    original = framing._Scan._pass_head

    def spy(self: framing._Scan, initial: int, argument: int, start: int) -> None:
        heads.append(start)
        original(self, initial, argument, start)

    monkeypatch.setattr(framing._Scan, "_pass_head", spy)
    reader = FrameReader()
    assert len(feed(reader, [wire[i : i + 1] for i in range(len(wire))])) == 1
    assert len(heads) == len(set(heads))


def test_frames_that_arrive_whole_are_not_kept() -> None:
    reader = FrameReader()
    assert reader.feed(frame(b"a") * 3 + b"\xd8") == [b"a", b"a", b"a"]
    assert reader.pending == 1
    assert reader.feed(frame(b"b")[1:]) == [b"b"]
    assert reader.pending == 0
