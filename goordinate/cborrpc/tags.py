"""What CBOR has and Python has not, and what each known tag carries.

Rule: a tag's meaning is one row of `CONTENTS`; a tag without a row is carried through
as `Tag`.  (Tag 24, whose content is itself CBOR, is read by the decoder.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

BIGNUM: Final = 2
NEGATIVE_BIGNUM: Final = 3
EMBEDDED: Final = 24
UUID_BYTES: Final = 37
TUPLE: Final = 128


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag without a meaning here, and the value under it (RFC 8949 section 3.4).

    `number` is 0 to 2**64-1 (ValueError otherwise).  Hashable if the value is.
    """

    number: int
    value: Any

    def __post_init__(self) -> None:
        if not isinstance(self.number, int) or not 0 <= self.number < 2**64:
            raise ValueError(f"a tag number is 0 to 2**64-1, not {self.number!r}")


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple value that has no name here (RFC 8949 section 3.3).

    `number` is 0 to 19 or 32 to 255 (ValueError otherwise): 20 to 23 are False, True,
    None and UNDEFINED, and 24 to 31 are not in use.
    """

    number: int

    def __post_init__(self) -> None:
        if not isinstance(self.number, int) or not (
            0 <= self.number <= 19 or 32 <= self.number <= 255
        ):
            raise ValueError(f"a simple value is 0 to 19 or 32 to 255, not {self.number!r}")


class Undefined:
    """The type of UNDEFINED, CBOR's simple value 23; there is one of it."""

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

    Stored data goes into an answer this way without being decoded.  The encoder does not
    look inside: whoever makes one has checked the bytes (`skip_item`).
    """

    __slots__ = ()


def _negative(content: bytes) -> int:
    return -1 - int.from_bytes(content, "big")


def _uuid(content: bytes) -> UUID:
    return UUID(bytes=content)


def _unsigned(content: bytes) -> int:
    return int.from_bytes(content, "big")


# tag number -> (major type of the content, the content in words, content -> value;
# the function raises ValueError for content of the right type that it cannot take)
CONTENTS: Final[dict[int, tuple[int, str, Callable[[Any], object]]]] = {
    BIGNUM: (2, "a byte string", _unsigned),
    NEGATIVE_BIGNUM: (2, "a byte string", _negative),
    UUID_BYTES: (2, "a byte string of 16 bytes", _uuid),
    TUPLE: (4, "an array", tuple),
}
