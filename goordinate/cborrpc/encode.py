"""Writing CBOR (RFC 8949): values in, the bytes of one item out.

Rule: `WRITERS` has a row for each type that can be written.  Lengths and integers take their
shortest form (section 4.1), floats always take 64 bits.

A writer appends the pieces of the encoding to a list.  The loops over lists and maps write short
byte strings and small integers themselves, with heads from tables: most of an answer is made of
these.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, Final
from uuid import UUID

from .errors import EncodeError
from .heads import ARRAY, BYTES, MAP, MAX_DEPTH, NEGATIVE, NULL, OTHER, TAG, TEXT, UNSIGNED
from .shown import shown
from .tags import (
    BIGNUM,
    NEGATIVE_BIGNUM,
    TUPLE_HEAD,
    UNDEFINED,
    UUID_HEAD,
    Encoded,
    Simple,
    Tag,
    Undefined,
)

Append = Callable[[bytes], None]
Writer = Callable[[Any, Append, int], None]

_ONE = Struct(">BB").pack
_TWO = Struct(">BH").pack
_FOUR = Struct(">BI").pack
_EIGHT = Struct(">BQ").pack
_DOUBLE = Struct(">Bd").pack


def dumps(value: Any) -> bytes:
    """The encoding of `value`, which `loads` turns back into an equal value.

    Takes None, bool, int, float, bytes, bytearray, memoryview, str, list, tuple (tag 128),
    dict, UUID (tag 37), Tag, Simple, UNDEFINED, Encoded, and types derived from these.

    Raises EncodeError for any other type, for text with a lone surrogate, which UTF-8 cannot
    hold, and for arrays, maps and tags nested deeper than MAX_DEPTH (or a value inside itself).
    """
    chunks: list[bytes] = []
    try:
        _writer(value)(value, chunks.append, MAX_DEPTH)
    except UnicodeEncodeError as fault:
        raise _refused(fault.object, "a lone surrogate has no UTF-8") from None
    except RecursionError:
        raise _refused(value, "nested deeper than Python's stack allows") from None
    return b"".join(chunks)


def encode_head(major: int, argument: int) -> bytes:
    """The shortest head of major type 0 to 7 with an argument of 0 to 2**64-1 (section 3)."""
    initial = major << 5
    if argument < 24:
        return _INITIAL[initial + argument]
    if argument < 0x100:
        return _ONE(initial + 24, argument)
    if argument < 0x10000:
        return _TWO(initial + 25, argument)
    if argument < 0x100000000:
        return _FOUR(initial + 26, argument)
    return _EIGHT(initial + 27, argument)


def bytes_head(length: int) -> bytes:
    """The head of a byte string of `length` bytes."""
    return _BYTES_HEADS[length] if length < 256 else encode_head(BYTES, length)


def array_head(count: int) -> bytes:
    """The head of an array of `count` items."""
    return _INITIAL[0x80 + count] if count < 24 else encode_head(ARRAY, count)


def _refused(value: object, why: str) -> EncodeError:
    return EncodeError(f"cannot encode {shown(value)} of type {type(value).__name__}: {why}")


def _writer(value: object) -> Writer:
    """The row of `WRITERS` for the value's type, or for the type that it is derived from."""
    writer = WRITERS.get(type(value))
    if writer is not None:
        return writer
    for kind, writer in WRITERS.items():
        if isinstance(value, kind):
            return writer
    raise _refused(value, "CBOR has no form for this type")


def _too_deep(value: object) -> EncodeError:
    return _refused(value, f"nested deeper than {MAX_DEPTH} levels")


def _write_array(value: list[Any] | tuple[Any, ...], append: Append, depth: int) -> None:
    if isinstance(value, tuple):
        append(TUPLE_HEAD)
        depth -= 1
    if depth <= 0:
        raise _too_deep(value)
    depth -= 1
    length = len(value)
    append(_INITIAL[0x80 + length] if length < 24 else encode_head(ARRAY, length))
    for item in value:
        kind = type(item)
        if kind is bytes:
            length = len(item)
            append(_BYTES_HEADS[length] if length < 256 else encode_head(BYTES, length))
            append(item)
        elif kind is int and 0 <= item < 24:
            append(_INITIAL[item])
        else:
            (WRITERS.get(kind) or _writer(item))(item, append, depth)


def _write_dict(value: dict[Any, Any], append: Append, depth: int) -> None:
    if depth <= 0:
        raise _too_deep(value)
    depth -= 1
    length = len(value)
    append(_INITIAL[0xA0 + length] if length < 24 else encode_head(MAP, length))
    for key, item in value.items():
        kind = type(key)
        if kind is bytes:
            length = len(key)
            append(_BYTES_HEADS[length] if length < 256 else encode_head(BYTES, length))
            append(key)
        else:
            (WRITERS.get(kind) or _writer(key))(key, append, depth)
        kind = type(item)
        if kind is bytes:
            length = len(item)
            append(_BYTES_HEADS[length] if length < 256 else encode_head(BYTES, length))
            append(item)
        elif kind is int and 0 <= item < 24:
            append(_INITIAL[item])
        else:
            (WRITERS.get(kind) or _writer(item))(item, append, depth)


def _write_bytes(value: bytes, append: Append, depth: int) -> None:
    append(bytes_head(len(value)))
    append(value)


def _write_buffer(value: bytearray | memoryview, append: Append, depth: int) -> None:
    _write_bytes(bytes(value), append, depth)


def _write_str(value: str, append: Append, depth: int) -> None:
    content = value.encode()
    length = len(content)
    append(_INITIAL[0x60 + length] if length < 24 else encode_head(TEXT, length))
    append(content)


def _write_int(value: int, append: Append, depth: int) -> None:
    if value >= 0:
        major, tag, argument = UNSIGNED, BIGNUM, value
    else:
        major, tag, argument = NEGATIVE, NEGATIVE_BIGNUM, -1 - value
    if argument < 1 << 64:
        append(encode_head(major, argument))
        return
    append(encode_head(TAG, tag))
    _write_bytes(argument.to_bytes((argument.bit_length() + 7) // 8, "big"), append, depth)


def _write_float(value: float, append: Append, depth: int) -> None:
    append(_DOUBLE(0xFB, value))


def _write_uuid(value: UUID, append: Append, depth: int) -> None:
    append(UUID_HEAD)
    append(value.bytes)


def _write_tag(value: Tag, append: Append, depth: int) -> None:
    if depth <= 0:
        raise _too_deep(value)
    append(encode_head(TAG, value.number))
    _writer(value.value)(value.value, append, depth - 1)


def _write_simple(value: Simple, append: Append, depth: int) -> None:
    append(encode_head(OTHER, value.number))


def _write_encoded(value: Encoded, append: Append, depth: int) -> None:
    append(value)


def _write_named(value: bool | Undefined | None, append: Append, depth: int) -> None:
    append(_NAMED[value])


_INITIAL: Final = tuple(bytes([initial]) for initial in range(256))
_BYTES_HEADS: Final = tuple(encode_head(BYTES, length) for length in range(256))
_NAMED: Final = {False: b"\xf4", True: b"\xf5", None: NULL, UNDEFINED: b"\xf7"}

WRITERS: Final[dict[type, Writer]] = {
    bool: _write_named,
    int: _write_int,
    float: _write_float,
    Encoded: _write_encoded,
    bytes: _write_bytes,
    bytearray: _write_buffer,
    memoryview: _write_buffer,
    str: _write_str,
    list: _write_array,
    tuple: _write_array,
    dict: _write_dict,
    UUID: _write_uuid,
    Tag: _write_tag,
    Simple: _write_simple,
    Undefined: _write_named,
    type(None): _write_named,
}
"""What writes a value, by its type.  One of a derived type is written by the first row that it is
an instance of."""
