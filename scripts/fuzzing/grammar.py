"""Random CBOR (RFC 8949): well-formed items in every form there is, and items with one error.

Rule: everything is drawn from the one random generator, so that its seed tells what comes.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from struct import pack
from typing import Final

from goordinate.cborrpc.decode import skip_item
from goordinate.cborrpc.encode import encode_head
from goordinate.cborrpc.errors import DecodeError
from goordinate.cborrpc.heads import ARRAY, BYTES, INDEFINITE, MAP, TAG, TEXT, read_argument
from goordinate.tests.cborrpc.rfc8949 import NOT_WELL_FORMED

DEPTH: Final = 4
"""In how many levels the items are nested, but for those that are nested on purpose."""

NUMBERS: Final = (0, 1, 2, 5, 23, 24, 255, 256, 65535, 65536, 2**32, 2**53 + 1, 2**63, 2**64 - 1)
"""Arguments of heads, at the edges of their forms."""

FLOATS: Final = (0.0, -0.0, 0.5, 1.0, 3.0, -1.0, 300.0, 1e9, 1e308, -1e308, 5e-324)
NOT_FINITE: Final = (float("inf"), float("-inf"), float("nan"))

CHARACTERS: Final = "abkst_ \0\u00e9\u6c34\U0001f600"

TAGS: Final = (0, 1, 4, 23, 32, 258, 55799, 2**32, 2**64 - 1)
"""Tags that are carried as they are; those with a meaning have functions of their own."""

LEVELS: Final = (2, 30, 126, 127, 128, 253, 254, 255, 256, 257, 1000)
"""In how many levels an item is nested on purpose: few, about the limits, and very many."""

# What is put before and after an item to nest it.
_AROUND: Final = (
    (b"\x81", b""),
    (b"\xc1", b""),
    (b"\xd8\x80\x81", b""),
    (b"\xa1\x00", b""),
    (b"\xa1", b"\x00"),
    (b"\x9f", b"\xff"),
    (b"\xbf\x00", b"\xff"),
)

# What must not be where an item is: not well-formed, or not what its tag or its map can have.
_WRONG: Final = (
    *(bytes.fromhex(code) for row in NOT_WELL_FORMED.values() for code in row.split(", ")),
    *map(
        bytes.fromhex,
        (
            *("61ff", "62c328", "7f61c361bcff", "63eda080", "64f7bfbfbf"),
            *("c260", "c380", "d82540", "d8254f" + "00" * 15, "d82560", "d880a0", "d88001"),
            *("d81840", "d81860", "d81841ff", "d818420000", "d8185f4100ff00", "a18000", "a1a000"),
        ),
    ),
)


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
    return starts


def end_of(data: bytes, start: int) -> int:
    """Where the item at `start` ends; the end of the data if it does not."""
    try:
        return skip_item(data, start, len(data))
    except DecodeError:
        return len(data)


class Grammar:
    """Makes items; what it gives is the encoding of one item."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._leaves = (
            self.number, self.number, self.floating, self.simple, self.string, self.string,
            self.string, self.bignum, self.uuid, self.bytes_of_any_length,
        )  # fmt: skip
        self._nested = (
            self.some_array, self.some_map, self.some_map, self.some_tuple, self.some_tag,
            self.embedded,
        )  # fmt: skip

    def item(self, depth: int = DEPTH) -> bytes:
        """Any item."""
        if depth > 0 and self.rng.random() < 0.4:
            return self.rng.choice(self._nested)(depth - 1)
        return self.rng.choice(self._leaves)()

    def with_one_error(self) -> bytes:
        """An item with something wrong in place of one that is in it, or cut off."""
        data = self.item()
        start = self.rng.choice(item_starts(data))
        if self.rng.random() < 0.2:
            return data[: start + self.rng.randrange(3)]
        return data[:start] + self.rng.choice(_WRONG) + data[end_of(data, start) :]

    def nested(self, item: bytes) -> bytes:
        """An item inside many levels of arrays, maps, tags or tuples."""
        levels = self.rng.choice(LEVELS)
        if self.rng.random() < 0.2:
            for _ in range(min(levels, 200)):
                item = b"\xd8\x18" + encode_head(BYTES, len(item)) + item
            return item
        before, after = self.rng.choice(_AROUND)
        return before * levels + item + after * levels

    def head(self, major: int, argument: int) -> bytes:
        """A head, mostly in its shortest form."""
        shortest = encode_head(major, argument)
        size = 1 << self.rng.randrange(4)
        if self.rng.random() > 0.1 or len(shortest) > 1 + size:
            return shortest
        info = 23 + size.bit_length()
        return bytes([major << 5 | info]) + argument.to_bytes(size, "big")

    def number(self) -> bytes:
        """An integer of at most 64 bits."""
        rng = self.rng
        any_number = rng.getrandbits(rng.randint(1, 64))
        return self.head(rng.randrange(2), rng.choice((*NUMBERS, any_number)))

    def bignum(self) -> bytes:
        """An integer in a byte string, which may be too large for a float, or to be printed."""
        size = self.rng.choice((0, 1, 8, 9, 127, 128, 129, 1800))
        return self.head(TAG, self.rng.choice((2, 3))) + self.bytes_of(self.rng.randbytes(size))

    def floating(self) -> bytes:
        """A float, of any size."""
        rng = self.rng
        if rng.random() < 0.3:
            size = rng.choice((2, 4, 8))
            return bytes([0xF8 + size.bit_length() - 1]) + rng.randbytes(size)
        return b"\xfb" + pack(">d", rng.choice(FLOATS + NOT_FINITE))

    def simple(self) -> bytes:
        """False, true, null, undefined, or a simple value without a name."""
        number = self.rng.choice((20, 21, 22, 22, 23, 0, 19, 32, 255))
        return bytes([0xF8, number]) if number > 31 else bytes([0xE0 + number])

    def uuid(self) -> bytes:
        """A UUID."""
        return b"\xd8\x25" + self.bytes_of(self.rng.randbytes(16))

    def string(self) -> bytes:
        """A short byte or text string."""
        rng = self.rng
        if rng.random() < 0.5:
            return self.bytes_of(rng.randbytes(rng.randrange(6)))
        return self.text_of("".join(rng.choices(CHARACTERS, k=rng.randrange(6))))

    def bytes_of_any_length(self) -> bytes:
        """A byte string whose length is about the edges of the heads."""
        return self.bytes_of(self.rng.randbytes(self.rng.choice((22, 23, 24, 25, 255, 256, 300))))

    def bytes_of(self, content: bytes) -> bytes:
        """A byte string of this content, at times in chunks."""
        return self._string_of(BYTES, content, self.rng.randint(0, len(content)))

    def text_of(self, content: str) -> bytes:
        """A text string of this content, at times in chunks."""
        first = content[: self.rng.randint(0, len(content))]
        return self._string_of(TEXT, content.encode(), len(first.encode()))

    def _string_of(self, major: int, content: bytes, middle: int) -> bytes:
        if self.rng.random() < 0.9:
            return self.head(major, len(content)) + content
        parts = content[:middle], content[middle:]
        chunks = [self.head(major, len(part)) + part for part in parts]
        return bytes([major << 5 | INDEFINITE]) + b"".join(chunks) + b"\xff"

    def array_of(self, items: Sequence[bytes]) -> bytes:
        """An array of these items, at times of indefinite length."""
        if self.rng.random() < 0.1:
            return b"\x9f" + b"".join(items) + b"\xff"
        return self.head(ARRAY, len(items)) + b"".join(items)

    def tuple_of(self, items: Sequence[bytes]) -> bytes:
        """A tuple of these items."""
        return b"\xd8\x80" + self.array_of(items)

    def map_of(self, pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
        """A map of these keys and values, at times of indefinite length."""
        items = [key + value for key, value in pairs]
        if self.rng.random() < 0.1:
            return b"\xbf" + b"".join(items) + b"\xff"
        return self.head(MAP, len(items)) + b"".join(items)

    def some_array(self, depth: int) -> bytes:
        """An array of a few items, or of many small ones."""
        if self.rng.random() < 0.05:
            return self.array_of([self.number() for _ in range(300)])
        return self.array_of(self._some(depth))

    def some_tuple(self, depth: int) -> bytes:
        """A tuple of a few items."""
        return self.tuple_of(self._some(depth))

    def some_map(self, depth: int) -> bytes:
        """A map of a few pairs; its keys may be any items, and equal."""
        key = self.string if self.rng.random() < 0.7 else self.item
        return self.map_of([(key(), value) for value in self._some(depth)])

    def some_tag(self, depth: int) -> bytes:
        """A tag without a meaning, over any item."""
        return self.head(TAG, self.rng.choice(TAGS)) + self.item(depth)

    def embedded(self, depth: int) -> bytes:
        """An item in a byte string with tag 24."""
        return self.head(TAG, 24) + self.bytes_of(self.item(depth))

    def _some(self, depth: int) -> list[bytes]:
        return [self.item(depth) for _ in range(self.rng.randrange(5))]
