"""What RFC 8949 prints, for both directions: its examples, and its account of well-formedness.

Rule: the rows are the RFC's own, in its order; nothing is left out.
"""

from __future__ import annotations

from math import inf, nan
from typing import Any

from goordinate.cborrpc import UNDEFINED, Simple, Tag

ONE_TO_25 = list(range(1, 26))

# Appendix A: the encoding and its value.
EXAMPLES: list[tuple[str, Any]] = [
    ("00", 0),
    ("01", 1),
    ("0a", 10),
    ("17", 23),
    ("1818", 24),
    ("1819", 25),
    ("1864", 100),
    ("1903e8", 1000),
    ("1a000f4240", 1000000),
    ("1b000000e8d4a51000", 1000000000000),
    ("1bffffffffffffffff", 18446744073709551615),
    ("c249010000000000000000", 18446744073709551616),
    ("3bffffffffffffffff", -18446744073709551616),
    ("c349010000000000000000", -18446744073709551617),
    ("20", -1),
    ("29", -10),
    ("3863", -100),
    ("3903e7", -1000),
    ("f90000", 0.0),
    ("f98000", -0.0),
    ("f93c00", 1.0),
    ("fb3ff199999999999a", 1.1),
    ("f93e00", 1.5),
    ("f97bff", 65504.0),
    ("fa47c35000", 100000.0),
    ("fa7f7fffff", 3.4028234663852886e38),
    ("fb7e37e43c8800759c", 1.0e300),
    ("f90001", 5.960464477539063e-8),
    ("f90400", 0.00006103515625),
    ("f9c400", -4.0),
    ("fbc010666666666666", -4.1),
    ("f97c00", inf),
    ("f97e00", nan),
    ("f9fc00", -inf),
    ("fa7f800000", inf),
    ("fa7fc00000", nan),
    ("faff800000", -inf),
    ("fb7ff0000000000000", inf),
    ("fb7ff8000000000000", nan),
    ("fbfff0000000000000", -inf),
    ("f4", False),
    ("f5", True),
    ("f6", None),
    ("f7", UNDEFINED),
    ("f0", Simple(16)),
    ("f8ff", Simple(255)),
    ("c074323031332d30332d32315432303a30343a30305a", Tag(0, "2013-03-21T20:04:00Z")),
    ("c11a514b67b0", Tag(1, 1363896240)),
    ("c1fb41d452d9ec200000", Tag(1, 1363896240.5)),
    ("d74401020304", Tag(23, b"\x01\x02\x03\x04")),
    ("d818456449455446", "IETF"),
    ("d82076687474703a2f2f7777772e6578616d706c652e636f6d", Tag(32, "http://www.example.com")),
    ("40", b""),
    ("4401020304", b"\x01\x02\x03\x04"),
    ("60", ""),
    ("6161", "a"),
    ("6449455446", "IETF"),
    ("62225c", '"\\'),
    ("62c3bc", "\u00fc"),
    ("63e6b0b4", "\u6c34"),
    ("64f0908591", "\U00010151"),
    ("80", []),
    ("83010203", [1, 2, 3]),
    ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("98190102030405060708090a0b0c0d0e0f101112131415161718181819", ONE_TO_25),
    ("a0", {}),
    ("a201020304", {1: 2, 3: 4}),
    ("a26161016162820203", {"a": 1, "b": [2, 3]}),
    ("826161a161626163", ["a", {"b": "c"}]),
    (
        "a56161614161626142616361436164614461656145",
        {"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"},
    ),
    ("5f42010243030405ff", b"\x01\x02\x03\x04\x05"),
    ("7f657374726561646d696e67ff", "streaming"),
    ("9fff", []),
    ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
    ("9f01820203820405ff", [1, [2, 3], [4, 5]]),
    ("83018202039f0405ff", [1, [2, 3], [4, 5]]),
    ("83019f0203ff820405", [1, [2, 3], [4, 5]]),
    ("9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff", ONE_TO_25),
    ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
    ("826161bf61626163ff", ["a", {"b": "c"}]),
    ("bf6346756ef563416d7421ff", {"Fun": True, "Amt": -2}),
]

# Of those, what is not written back in the same bytes: floats of 16 and 32 bits, the content
# of tag 24, and indefinite lengths.
REWRITTEN_FROM = ("f90", "f93", "f97", "f98", "f9c", "f9f", "fa", "d818", "5f", "7f", "9f", "bf")
REWRITTEN = {
    code for code, _ in EXAMPLES if code.startswith(REWRITTEN_FROM) or "9f" in code or "bf" in code
}

# Appendix F.1: what is not well-formed, each group under the RFC's words.
NOT_WELL_FORMED: dict[str, str] = {
    "end of input in a head": "18, 19, 1a, 1b, 19 01, 1a 01 02, 1b 01 02 03 04 05 06 07, 38, 58, "
    "78, 98, 9a 01 ff 00, b8, d8, f8, f9 00, fa 00 00, fb 00 00 00",
    "strings with short data": "41, 61, 5a ff ff ff ff 00, 5b ff ff ff ff ff ff ff ff 01 02 03, "
    "7a ff ff ff ff 00, 7b 7f ff ff ff ff ff ff ff 01 02 03",
    "maps and arrays not closed with enough items": "81, 81 81 81 81 81 81 81 81 81, 82 00, a1, "
    "a2 01 02, a1 00, a2 00 00 00",
    "tag without content": "c0",
    "indefinite-length strings not closed": "5f 41 00, 7f 61 00",
    "indefinite-length maps and arrays not closed": "9f, 9f 01 02, bf, bf 01 02 01 02, 81 9f, "
    "9f 80 00, 9f 9f 9f 9f 9f ff ff ff ff, 9f 81 9f 81 9f 9f ff ff ff",
    "reserved additional information": "1c, 1d, 1e, 3c, 3d, 3e, 5c, 5d, 5e, 7c, 7d, 7e, 9c, 9d, "
    "9e, bc, bd, be, dc, dd, de, fc, fd, fe",
    "reserved two-byte simple values": "f8 00, f8 01, f8 18, f8 1f",
    "chunks not of the correct type": "5f 00 ff, 5f 21 ff, 5f 61 00 ff, 5f 80 ff, 5f a0 ff, "
    "5f c0 00 ff, 5f e0 ff, 7f 41 00 ff",
    "chunks not of definite length": "5f 5f 41 00 ff ff, 7f 7f 61 00 ff ff",
    "break on its own": "ff",
    "break in a definite-length array, map or tag": "81 ff, 82 00 ff, a1 ff, a1 ff 00, a1 00 ff, "
    "a2 00 00 ff, 9f 81 ff, 9f 82 9f 81 9f 9f ff ff ff ff",
    "break that makes a map's items odd": "bf 00 ff, bf 00 00 00 ff",
    "major types 0, 1, 6 with additional information 31": "1f, 3f, df",
}


class NotWellFormed(Exception):
    """What the pseudocode of appendix C calls fail()."""


def well_formed_end(data: bytes) -> int | None:
    """The end of the well-formed item that `data` begins with, or None: appendix C, and that
    text is UTF-8.  Recursive and slow: a second opinion, for short input."""
    try:
        end, _ = _item(data, 0, breakable=False)
    except (NotWellFormed, UnicodeDecodeError):
        return None
    return end


def _take(data: bytes, pos: int, count: int) -> bytes:
    if count > len(data) - pos:
        raise NotWellFormed
    return data[pos : pos + count]


def _item(data: bytes, pos: int, *, breakable: bool) -> tuple[int, bool]:
    """The end of the item at `pos`, and whether it is a break."""
    (initial,) = _take(data, pos, 1)
    pos += 1
    major, info = initial >> 5, initial & 31
    argument = info
    if 24 <= info <= 27:
        size = 1 << (info - 24)
        argument = int.from_bytes(_take(data, pos, size), "big")
        pos += size
    elif info in (28, 29, 30):
        raise NotWellFormed
    elif info == 31:
        return _indefinite(data, pos, major, breakable=breakable)
    if major in (2, 3):
        content = _take(data, pos, argument)
        pos += argument
        if major == 3:
            content.decode()
    elif major in (4, 5, 6):
        inside = {4: argument, 5: 2 * argument, 6: 1}[major]
        if inside > len(data) - pos:
            raise NotWellFormed
        for _ in range(inside):
            pos, _ = _item(data, pos, breakable=False)
    elif major == 7 and info == 24 and argument < 32:
        raise NotWellFormed
    return pos, False


def _indefinite(data: bytes, pos: int, major: int, *, breakable: bool) -> tuple[int, bool]:
    if major == 7 and breakable:
        return pos, True
    if major in (2, 3):
        while _take(data, pos, 1) != b"\xff":
            if data[pos] >> 5 != major or data[pos] & 31 == 31:
                raise NotWellFormed
            pos, _ = _item(data, pos, breakable=False)
        return pos + 1, False
    if major not in (4, 5):
        raise NotWellFormed
    while True:
        pos, ended = _item(data, pos, breakable=True)
        if ended:
            return pos, False
        if major == 5:
            pos, _ = _item(data, pos, breakable=False)
