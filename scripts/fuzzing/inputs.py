"""What is tried: strategies for messages, and for streams of frames.

Messages are made from the examples of docs/protocol.md and RFC 8949, from the calls of the model,
and from any CBOR; most have some damage.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from goordinate.cborrpc.decode import skip_item
from goordinate.cborrpc.encode import bytes_head, dumps, encode_head
from goordinate.cborrpc.errors import DecodeError
from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.heads import BYTES, INDEFINITE, TEXT, read_argument
from goordinate.cborrpc.requests import encode_request
from goordinate.tests.cborrpc.forms import encodings, head, longer, values
from goordinate.tests.cborrpc.rfc8949 import EXAMPLES, NOT_WELL_FORMED
from goordinate.tests.model.calls import CALLS, SHAPES
from goordinate.tests.model.wrong import misfits, wrong_calls
from scripts.fuzzing.served import job_server
from scripts.processes.server import ROOT

LONGEST: Final = 32 * 1024
"""Bytes of a message."""

INTERESTING: Final = bytes.fromhex(
    "00 17 18 19 1a 1b 1c 1f 20 3b 3f 40 58 5b 5f 60 7b 7f 80 81 9b 9f a0 a1 bb bf"
    "c0 c1 c2 c3 d8 db df e0 f4 f6 f7 f8 f9 fb fc ff"
)
"""Heads at the edges of the major types."""

LENGTHS: Final = (0, 1, 23, 24, 255, 256, 2**16, 2**20, 2**20 + 1, 2**31, 2**32, 2**63, 2**64 - 1)
"""Lengths at the edges of heads and limits."""

LEVELS: Final = (2, 30, 126, 127, 128, 253, 254, 255, 256, 257, 1000)
"""In how many levels an item is nested on purpose: few, about the limits, and very many."""

#: What is put before and after an item to nest it.
_AROUND: Final = (
    (b"\x81", b""), (b"\xc1", b""), (b"\xd8\x80\x81", b""), (b"\xa1\x00", b""),
    (b"\xa1", b"\x00"), (b"\x9f", b"\xff"), (b"\xbf\x00", b"\xff"),
)  # fmt: skip

_NOT_WELL_FORMED: Final = [
    bytes.fromhex(code) for row in NOT_WELL_FORMED.values() for code in row.split(", ")
]

#: Not well-formed, or not what a tag, a map or a text can have.
_WRONG: Final = _NOT_WELL_FORMED + [
    bytes.fromhex(code)
    for code in (
        "61ff 62c328 7f61c361bcff 63eda080 64f7bfbfbf c260 c380 d82540 d8254f" + "00" * 15 + " "
        "d82560 d880a0 d88001 d81840 d81860 d81841ff d818420000 d8185f4100ff00 a18000 a1a000"
    ).split()
]

#: Items that few would think of where a number or a name should be.
_ODD: Final = [
    *map(dumps, (0, -1, 2**64, 2**1023 - 1, 2**1024, b"60", "1.5", b"x", True, None, 4.0, (3,))),
    *map(dumps, (b"", b"\xff", b"n" * 300, "\u00e9", b"\xc3\xa9", 0.5, -0.0, 5e-324, 1e308)),
    *(b"\xfb" + pack(">d", float(name)) for name in ("inf", "-inf", "nan")),
    *(tag + head(BYTES, size) + bytes(size) for tag in (b"\xc2", b"\xc3") for size in (0, 9, 1800)),
    b"\xd8\x25P" + bytes(16),
]

STRANGERS: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\r\n\r\n",
    b"{}",
    bytes(64),
)
"""What programs say that speak something else."""

some = st.sampled_from
items = encodings | values.map(dumps) | some(_ODD)


def any_of(*weighted: tuple[int, SearchStrategy[bytes]]) -> SearchStrategy[bytes]:
    """What one of these gives, each as often as it says."""
    strategies = [strategy for weight, strategy in weighted for _ in range(weight)]
    return some(strategies).flatmap(lambda strategy: strategy)


def page_messages() -> list[bytes]:
    """The messages of docs/protocol.md, requests and answers."""
    lines = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8").splitlines()
    sent = [bytes.fromhex(line[2:]) for line in lines if line.startswith(("> ", "< "))]
    return [message for one in sent for message in FrameReader().feed(one)]


_PAGE = page_messages()
known = some([*_PAGE, *_PAGE, *(bytes.fromhex(code) for code, _ in EXAMPLES), *_NOT_WELL_FORMED])


def item_starts(data: bytes) -> list[int]:
    """Where items begin in the data, those inside others too, as far as it has heads."""
    starts = []
    pos = 0
    try:
        while pos < len(data):
            initial = data[pos]
            if initial != 0xFF:
                starts.append(pos)
            if initial & 31 == INDEFINITE:
                pos += 1
            else:
                argument, pos = read_argument(data, pos)
                pos += argument if initial >> 5 in (BYTES, TEXT) else 0
    except DecodeError:
        pass
    return starts or [0]


def end_of(data: bytes, start: int) -> int:
    """Where the item at `start` ends; the end of the data if it does not."""
    try:
        return skip_item(data, start, len(data))
    except DecodeError:
        return len(data)


@st.composite
def nested(draw: DrawFn, item: bytes) -> bytes:
    """An item inside many levels of arrays, maps, tags, tuples or byte strings."""
    levels = draw(some(LEVELS))
    if draw(st.integers(0, 4)) == 4:
        for _ in range(min(levels, 200)):
            item = frame(item)
        return item
    before, after = draw(some(_AROUND))
    return before * levels + item + after * levels


@st.composite
def damaged(draw: DrawFn, originals: SearchStrategy[bytes]) -> bytes:
    """An original after one change or a few: to an item in it, to a head, or to any bytes."""
    data = draw(originals)
    for _ in range(draw(some((1, 1, 1, 2, 3, 5)))):
        kind = draw(some(("item", "item", "head", "bytes", "bytes")))
        if kind == "bytes":
            start = draw(st.integers(0, len(data)))
            end = min(len(data), start + draw(some((0, 1, 1, 2, 4, 16, 256, LONGEST))))
        else:
            start = draw(some(item_starts(data)))
            end = end_of(data, start)
        if kind == "head" and data:
            size = data[start] & 31
            end = start + 1 + (1 << (size - 24) if 24 <= size <= 27 else 0)
            other = encode_head(data[start] >> 5, draw(some(LENGTHS)))
        else:
            other = draw(_instead(data[start:end]))
        data = data[:start] + other + data[end:]
    return data


def _instead(old: bytes) -> SearchStrategy[bytes]:
    """What is put in the place of some bytes: nothing, themselves again, or something else."""
    return any_of(
        (2, st.just(b"")),
        (2, some(INTERESTING).map(lambda byte: bytes([byte]))),
        (1, st.binary(min_size=1, max_size=1)),
        (2, some((2, 2, 3, 50)).map(lambda times: old * times)),
        (2, some(_WRONG)),
        (4, items),
        (2, known),
        (1, nested(old)),
    )


#: Requests that give a job server some work.
_WORK: Final = [
    *(encode_request(1, "set_work_spec", [spec]) for shape in SHAPES for spec in shape),
    *(
        encode_request(1, "add_work_units", [spec, [("k1", {}), (b"k2", {b"n": 1})]])
        for spec in "ab"
    ),
]
work = st.lists(some(_WORK), max_size=6)

_NAMES: Final = {
    method.name: [parameter.name for parameter in method.parameters]
    for method in job_server().methods
}

right_calls = some(sorted(CALLS)).flatmap(lambda name: st.tuples(st.just(name), CALLS[name]))


@st.composite
def requests(draw: DrawFn) -> bytes:
    """A request; mostly it is right, and some have their parameters by name."""
    call: tuple[str, Any] = draw(right_calls | right_calls | wrong_calls() | misfits())
    method, params = call
    if isinstance(params, list) and draw(st.integers(0, 4)) == 4:
        params = dict(zip(_NAMES[method], params, strict=False))
    fields = {b"params": params, b"id": draw(_ids), b"method": method.encode()}
    order = draw(st.permutations(sorted(fields)))
    return dumps({name: fields[name] for name in order[: draw(some((3,) * 9 + (2,)))]})


_ids = st.integers(0, 2**64 - 1) | values


@st.composite
def batches(draw: DrawFn) -> bytes:
    """A list of requests, or one request over and over."""
    one = draw(st.lists(requests(), max_size=5)) * draw(some((1, 1, 1, 10, 101)))
    return encode_head(4, len(one)) + b"".join(one)


messages = any_of(
    (1, st.binary(min_size=1, max_size=100)),
    (4, damaged(known)),
    (3, requests()),
    (1, batches()),
    (2, items),
    (1, items.flatmap(nested)),
    (2, damaged(items)),
    (2, damaged(requests())),
).map(lambda message: message[:LONGEST])
"""What is in a frame, or should be."""

CHANGES: Final = 16
"""So many variants there are at most of one message or stream."""

_changes = st.just(b"") | st.binary(min_size=3 * CHANGES, max_size=3 * CHANGES)


@st.composite
def with_variants(draw: DrawFn, originals: SearchStrategy[bytes]) -> list[bytes]:
    """An original, and the same with one byte set, put in or left out, or cut off.

    This costs much less than as many originals. Three bytes tell a variant; if they are zero there
    is none, so Hypothesis can leave out each, and the original too.
    """
    data = draw(originals)
    told = draw(_changes)
    steps = [told[start : start + 3] for start in range(0, len(told), 3)]
    variants = [_variant(data, step) for step in steps if any(step)]
    return [data, *variants] if draw(st.integers(0, 9)) or not variants else variants


def _variant(data: bytes, told: bytes) -> bytes:
    kind, place, byte = told[0] & 3, told[0] >> 2 << 8 | told[1], told[2:]
    at = place % (len(data) + 1)
    after = data[at:] if kind == 1 else b"" if kind == 3 else data[at + 1 :]
    return data[:at] + (byte if kind < 2 else b"") + after


good = st.integers(0, 1000).map(lambda number: frame(encode_request(number, "now", [])))


@st.composite
def odd_frames(draw: DrawFn) -> bytes:
    """A frame in another form than the shortest, or in chunks."""
    tag = draw(some((b"\xd8\x18", b"\xd9\0\x18", b"\xda\0\0\0\x18")))
    message = draw(messages)
    if draw(st.booleans()):
        return tag + head(BYTES, len(message), draw(longer)) + message
    middle = draw(st.integers(0, len(message)))
    chunks = [bytes_head(len(part)) + part for part in (message[:middle], message[middle:])]
    return tag + b"\x5f" + b"".join(chunks) + b"\xff"


_parts = any_of(
    (3, good),
    (8, messages.map(frame)),
    (1, odd_frames()),
    (1, damaged(known.map(frame))),
    (1, messages),
)
#: The head of a frame, of which less comes than it says.
_announced = st.builds(
    lambda length, begun: b"\xd8\x18" + encode_head(BYTES, length) + begun,
    some(LENGTHS),
    st.binary(max_size=20),
)
_last_parts = any_of(
    (4, good),
    (1, _announced),
    (1, some(STRANGERS)),
    (1, some((b"\xf6", b"\xd8\x18\x41\xf6"))),
    (1, st.binary(min_size=1, max_size=40)),
)
streams = st.builds(
    lambda parts, last: b"".join(parts) + last, st.lists(_parts, max_size=8), _last_parts
)
"""What a client may send on a connection: mostly frames."""


cuts = st.lists(st.floats(0, 1), min_size=1, max_size=8).map(sorted)
"""Where a stream is cut, as shares of its length."""


def cut(stream: bytes, shares: Sequence[float]) -> list[bytes]:
    """A stream in a few pieces."""
    return pieces(stream, [int(share * len(stream)) for share in shares])


def pieces(stream: bytes, cuts: Sequence[int]) -> list[bytes]:
    """A stream cut at these places, which are in order."""
    return [stream[start:end] for start, end in zip((0, *cuts), (*cuts, len(stream)), strict=True)]
