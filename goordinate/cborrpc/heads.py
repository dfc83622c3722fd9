"""The head of an item: its initial byte and argument (RFC 8949 section 3).  Also the errors that
tell what is wrong with an input.

Rule: these functions check the end of the input exactly, and raise only DecodeError.  The fast
loops of `scan`, `values` and `decode` read short heads themselves, by the numbers of the RFC's
table of initial bytes (appendix B).  For all other heads they call these functions.
"""

from __future__ import annotations

from typing import Final

from .errors import DecodeError, NestedTooDeep

MAX_DEPTH: Final = 256
"""How deep arrays, maps and tags may be nested, at most."""

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, OTHER = range(8)
"""The major types: the upper three bits of an initial byte."""

INDEFINITE: Final = 31
"""The lower five bits of the initial byte of an item of indefinite length."""

BREAK: Final = 0xFF
"""The initial byte that ends an item of indefinite length."""

NULL: Final = b"\xf6"
"""The encoding of null."""

NAMES: Final = (
    "an integer",
    "an integer",
    "a byte string",
    "a text string",
    "an array",
    "a map",
    "a tag",
    "a simple value or float",
)
"""The major types in words."""


def cut(buf: bytes, pos: int) -> DecodeError:
    """The error for an item at `pos` that is truncated by the end of the input."""
    if pos >= len(buf):
        return DecodeError("the input ends where an item should be", len(buf))
    return DecodeError(f"the input ends inside {NAMES[buf[pos] >> 5]}", pos)


def no_item(buf: bytes, pos: int) -> DecodeError:
    """The error for a byte at `pos` that cannot begin an item there."""
    if buf[pos] == BREAK:
        return DecodeError("a break (0xff) where an item should be", pos)
    return DecodeError(f"no item begins with 0x{buf[pos]:02x}", pos)


def bad_simple(buf: bytes, pos: int) -> DecodeError:
    """The error for a simple value below 32 at `pos` that is written in two bytes."""
    return DecodeError(f"simple value {buf[pos + 1]} in two bytes", pos)


def too_deep(pos: int) -> NestedTooDeep:
    """The error for an array, map or tag at `pos` that is nested too deep."""
    return NestedTooDeep("arrays, maps and tags nested deeper than the limit", pos)


def describe(buf: bytes, pos: int) -> str:
    """What the item at `pos` is, in words: "a byte string", "a tag"."""
    return "a break (0xff)" if buf[pos] == BREAK else NAMES[buf[pos] >> 5]


def read_argument(buf: bytes, pos: int) -> tuple[int, int]:
    """The argument of the head at `pos`, and the index after the head.

    Raises DecodeError if the input ends in the head, or if the head has no argument (additional
    information 28 to 31).
    """
    if pos >= len(buf):
        raise cut(buf, pos)
    info = buf[pos] & 31
    if info < 24:
        return info, pos + 1
    if info > 27:
        raise no_item(buf, pos)
    end = pos + 1 + (1 << (info - 24))
    if end > len(buf):
        raise cut(buf, pos)
    return int.from_bytes(buf[pos + 1 : end], "big"), end


def read_length(buf: bytes, pos: int) -> tuple[int | None, int]:
    """The length of the string (in bytes), array (items) or map (pairs) at `pos`, and the index
    after its head.  None: the length is indefinite, and a break ends the item.

    The length is never more than the bytes that follow, so memory may be reserved for it.
    Raises DecodeError if it is more.
    """
    if pos < len(buf) and buf[pos] & 31 == INDEFINITE:
        return None, pos + 1
    length, start = read_argument(buf, pos)
    room = len(buf) - start
    if length > (room >> 1 if buf[pos] >> 5 == MAP else room):
        raise cut(buf, pos)
    return length, start


def read_text(buf: bytes, start: int, end: int) -> str:
    """The text of the UTF-8 bytes from `start` to `end`.  Raises DecodeError, with the first byte
    that is not UTF-8."""
    try:
        return buf[start:end].decode()
    except UnicodeDecodeError as fault:
        raise DecodeError("text that is not UTF-8", start + fault.start) from None


def read_chunks(buf: bytes, pos: int) -> tuple[bytes, int]:
    """The content of the byte or text string of indefinite length at `pos`, and the index after
    its break.

    Each chunk has a definite length and the type of the string.  A chunk of text is UTF-8 by
    itself (section 3.2.3).  Raises DecodeError.
    """
    major = buf[pos] >> 5
    chunks: list[bytes] = []
    start = pos + 1
    while start < len(buf):
        initial = buf[start]
        if initial == BREAK:
            return b"".join(chunks), start + 1
        if initial >> 5 != major or initial & 31 == INDEFINITE:
            raise DecodeError(f"{NAMES[major]} of indefinite length holds something else", start)
        length, begin = read_argument(buf, start)
        end = begin + length
        if end > len(buf):
            raise cut(buf, start)
        if major == TEXT:
            read_text(buf, begin, end)
        chunks.append(buf[begin:end])
        start = end
    raise cut(buf, pos)
