"""The tags: what each known one carries.  Also the classes for what Python does not have.

Rule: a tag's meaning is one row of `CONTENTS`.  A tag without a row is read as `Tag`.  (Tag 24,
whose content is itself CBOR, is read by the decoder.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from .heads import ARRAY, BYTES

BIGNUM: Final = 2
NEGATIVE_BIGNUM: Final = 3
EMBEDDED: Final = 24
UUID_BYTES: Final = 37
TUPLE: Final = 128

EMBEDDED_HEAD: Final = b"\xd8\x18"
"""The head of tag 24."""

UUID_HEAD: Final = b"\xd8\x25\x50"
"""The head of tag 37, and that of the byte string of 16 bytes under it."""

TUPLE_HEAD: Final = b"\xd8\x80"
"""The head of tag 128."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag that has no meaning here, and the value under it (RFC 8949 section 3.4).

    `number` is 0 to 2**64-1.  Raises ValueError for any other.  Hashable if the value is.
    """

    number: int
    value: Any

    def __post_init__(self) -> None:
        if not isinstance(self.number, int) or not 0 <= self.number < 2**64:
            raise ValueError(f"a tag number is 0 to 2**64-1, not {self.number!r}")


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple value that has no name (RFC 8949 section 3.3).

    `number` is 0 to 19 or 32 to 255.  Raises ValueError for any other: 20 to 23 are False, True,
    None and UNDEFINED, and 24 to 31 are not in use.
    """

    number: int

    def __post_init__(self) -> None:
        if not isinstance(self.number, int) or not (
            0 <= self.number <= 19 or 32 <= self.number <= 255
        ):
            raise ValueError(f"a simple value is 0 to 19 or 32 to 255, not {self.number!r}")


class Undefined:
    """The type of UNDEFINED, CBOR's simple value 23.  It has one instance."""

    __slots__ = ()
    _only: Undefined | None = None

    def __new__(cls) -> Undefined:
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __reduce__(self) -> str:
        return "UNDEFINED"


UNDEFINED: Final = Undefined()


class Encoded(bytes):
    """The encoding of exactly one well-formed item, which the encoder writes as it is.

    Stored data goes into an answer this way, without being decoded.  The encoder does not check
    the bytes: whoever makes an instance has done so (`skip_item`).
    """

    __slots__ = ()


def _negative(content: bytes) -> int:
    return -1 - int.from_bytes(content, "big")


def _uuid(content: bytes) -> UUID:
    return UUID(bytes=content)


def _unsigned(content: bytes) -> int:
    return int.from_bytes(content, "big")


CONTENTS: Final[dict[int, tuple[int, str, Callable[[Any], object]]]] = {
    BIGNUM: (BYTES, "a byte string", _unsigned),
    NEGATIVE_BIGNUM: (BYTES, "a byte string", _negative),
    UUID_BYTES: (BYTES, "a byte string of 16 bytes", _uuid),
    TUPLE: (ARRAY, "an array", tuple),
}
"""Tag number -> major type of the content, the content in words, content -> value.  The function
raises ValueError for content of the right type that it cannot take."""

KNOWN: Final = frozenset((EMBEDDED, *CONTENTS))
"""The tags that all clients can read."""
