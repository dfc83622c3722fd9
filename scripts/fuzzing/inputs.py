"""What is tried: messages and streams of frames, made from examples, at random, and by damage.

Rule: the examples are the hex of docs/protocol.md and the tables of RFC 8949; inputs that showed
something new join them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from fuzzing.grammar import Grammar, end_of, item_starts
from fuzzing.requests import Requests
from goordinate.cborrpc.encode import bytes_head, encode_head
from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.heads import BYTES
from goordinate.cborrpc.requests import encode_request
from goordinate.tests.cborrpc.rfc8949 import EXAMPLES, NOT_WELL_FORMED

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"

LONGEST: Final = 32 * 1024
"""Bytes of a message."""

KEPT: Final = 500
"""So many inputs that showed something new are kept, each of at most `KEPT_BYTES`."""

KEPT_BYTES: Final = 4096
SEEN: Final = 20_000
"""When so much has been shown, nothing is new any more."""

INTERESTING: Final = bytes.fromhex(
    "00 17 18 19 1a 1b 1c 1f 20 3b 3f 40 58 5b 5f 60 7b 7f 80 81 9b 9f a0 a1 bb bf"
    "c0 c2 c3 d8 db df e0 f4 f6 f7 f8 f9 fb fc ff"
)
"""Heads at the edges of the major types."""

LENGTHS: Final = (0, 1, 23, 24, 255, 256, 2**16, 2**20, 2**20 + 1, 2**31, 2**32, 2**63, 2**64 - 1)

STRANGERS: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\r\n\r\n",
    b"{}",
    bytes(64),
)
"""What programs say that speak something else."""


def page_frames() -> list[bytes]:
    """The frames of docs/protocol.md, requests and answers."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [bytes.fromhex(line[2:]) for line in lines if line.startswith(("> ", "< "))]


def cut(data: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    """The data in pieces, cut at these places, in order."""
    start = 0
    for end in (*cuts, len(data)):
        yield data[start:end]
        start = end


class Messages:
    """Makes messages: what is in a frame, or should be."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.grammar = Grammar(rng)
        requests = Requests(self.grammar)
        page = [message for sent in page_frames() for message in FrameReader().feed(sent)]
        table = [code for code, _ in EXAMPLES]
        table += [code for row in NOT_WELL_FORMED.values() for code in row.split(", ")]
        self._examples = [*page, *page, *map(bytes.fromhex, table)]
        self._kept: list[bytes] = []
        self._seen: set[str] = set()
        self._sources: Sequence[Callable[[], bytes]] = (
            *[self.damaged] * 4,
            *[requests.message] * 3,
            *[self.grammar.item, self.grammar.with_one_error] * 2,
            lambda: self.damage(requests.message()),
            lambda: rng.randbytes(rng.randrange(1, 100)),
        )
        self._ways: Sequence[Callable[[bytes], bytes]] = (
            self._flip_bit, self._set_byte, self._insert, self._delete, self._repeat, self._cut_off,
            self._change_length, self._replace_item, self._replace_item, self._nest_item,
            self._cross,
        )  # fmt: skip

    def message(self) -> bytes:
        """A message of any kind."""
        return self.rng.choice(self._sources)()[:LONGEST]

    def known(self) -> bytes:
        """An example, or a message that showed something new."""
        if self._kept and self.rng.random() < 0.5:
            return self.rng.choice(self._kept)
        return self.rng.choice(self._examples)

    def learn(self, data: bytes, shown: str) -> None:
        """Keep an input if what it showed is new."""
        if shown in self._seen or len(self._seen) >= SEEN or len(data) > KEPT_BYTES:
            return
        self._seen.add(shown)
        if len(self._kept) < KEPT:
            self._kept.append(data)
        else:
            self._kept[self.rng.randrange(KEPT)] = data

    def damaged(self) -> bytes:
        """A known message with some damage."""
        return self.damage(self.known())

    def damage(self, data: bytes) -> bytes:
        """The data after one change or a few."""
        for _ in range(self.rng.choice((1, 1, 1, 2, 3, 5))):
            data = self.rng.choice(self._ways)(data or b"\0")
        return data

    def _flip_bit(self, data: bytes) -> bytes:
        changed = bytearray(data)
        changed[self.rng.randrange(len(data))] ^= 1 << self.rng.randrange(8)
        return bytes(changed)

    def _set_byte(self, data: bytes) -> bytes:
        changed = bytearray(data)
        changed[self.rng.randrange(len(data))] = self.rng.choice(INTERESTING)
        return bytes(changed)

    def _insert(self, data: bytes) -> bytes:
        at = self.rng.randint(0, len(data))
        return data[:at] + bytes(self.rng.choices(INTERESTING, k=1)) + data[at:]

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self.rng.randrange(len(data))
        return start, start + min(self.rng.choice((1, 1, 2, 4, 16, 256)), len(data) - start)

    def _delete(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def _repeat(self, data: bytes) -> bytes:
        """A span of the data, once more, there or somewhere else."""
        start, end = self._span(data)
        at = end if self.rng.random() < 0.5 else self.rng.randint(0, len(data))
        return data[:at] + data[start:end] * self.rng.choice((1, 1, 2, 50)) + data[at:]

    def _cut_off(self, data: bytes) -> bytes:
        return data[: self.rng.randrange(len(data))]

    def _change_length(self, data: bytes) -> bytes:
        """Another argument in a head."""
        start = self.rng.choice(item_starts(data) or [0])
        size = data[start] & 31
        after = start + 1 + (1 << (size - 24) if 24 <= size <= 27 else 0)
        return data[:start] + encode_head(data[start] >> 5, self.rng.choice(LENGTHS)) + data[after:]

    def _replace_item(self, data: bytes) -> bytes:
        start = self.rng.choice(item_starts(data) or [0])
        rest = data[end_of(data, start) :]
        other = self.grammar.item() if self.rng.random() < 0.7 else self._part_of(self.known())
        return data[:start] + other + rest

    def _part_of(self, data: bytes) -> bytes:
        start = self.rng.choice(item_starts(data) or [0])
        return data[start : end_of(data, start)]

    def _nest_item(self, data: bytes) -> bytes:
        start = self.rng.choice(item_starts(data) or [0])
        end = end_of(data, start)
        return data[:start] + self.grammar.nested(data[start:end]) + data[end:]

    def _cross(self, data: bytes) -> bytes:
        """The beginning of the data, and the end of something else."""
        other = self.known()
        start = self.rng.randint(0, len(other))
        return data[: self.rng.randint(0, len(data))] + other[start:]


class Streams:
    """Makes what a client may send on a connection."""

    def __init__(self, messages: Messages) -> None:
        self.messages = messages
        self._rng = messages.rng
        self._last_id = 0
        self._parts: Sequence[Callable[[], bytes]] = (
            *[lambda: frame(messages.message())] * 8,
            *[self._good] * 3,
            self._odd_frame,
            lambda: messages.damage(frame(messages.known())),
            messages.message,
        )
        self._last_parts: Sequence[Callable[[], bytes]] = (
            *[self._good] * 4,
            self._announced,
            lambda: self._rng.choice(STRANGERS),
            lambda: self._rng.choice((b"\xf6", b"\xd8\x18\x41\xf6")),
            lambda: self._rng.randbytes(self._rng.randrange(1, 40)),
        )

    def stream(self) -> bytes:
        """Mostly frames."""
        count = self._rng.choice((0, 1, 1, 1, 2, 3, 5, 20))
        parts = [self._rng.choice(self._parts)() for _ in range(count)]
        return b"".join(parts) + self._rng.choice(self._last_parts)()

    def _good(self) -> bytes:
        self._last_id += 1
        return frame(encode_request(self._last_id, "now", []))

    def _odd_frame(self) -> bytes:
        """A frame in another form than the shortest, or in chunks."""
        tag = self._rng.choice((b"\xd8\x18", b"\xd9\0\x18", b"\xda\0\0\0\x18"))
        message = self.messages.message()
        if self._rng.random() < 0.5:
            return tag + self.messages.grammar.head(BYTES, len(message)) + message
        middle = self._rng.randint(0, len(message))
        chunks = [bytes_head(len(part)) + part for part in (message[:middle], message[middle:])]
        return tag + b"\x5f" + b"".join(chunks) + b"\xff"

    def _announced(self) -> bytes:
        """The head of a frame, of which less comes than it says."""
        head = b"\xd8\x18" + encode_head(BYTES, self._rng.choice(LENGTHS))
        return head + self._rng.randbytes(self._rng.randrange(20))
