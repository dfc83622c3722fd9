"""The little that the server looks for in a unit's data, which it otherwise never decodes.

Data is one CBOR item. Only a map can hold the two keys that mean something to the server, as
byte or text strings: `output` (chaining) and `traceback` (status).
"""

from __future__ import annotations

from collections.abc import Iterator

from goordinate.cborrpc.decode import MAX_DEPTH, read_map_head, read_string, skip_item
from goordinate.cborrpc.encode import dumps, encode_head
from goordinate.cborrpc.heads import BREAK, BYTES, MAP, TEXT

EMPTY_MAP = b"\xa0"


def major_type(data: bytes, pos: int = 0) -> int:
    """The major type of the item at `pos` (RFC 8949, section 3.1)."""
    return data[pos] >> 5


def pairs(data: bytes) -> Iterator[tuple[bytes | None, int, int, int]]:
    """The pairs of a map: (key, or None if it is no string; start of the key; value from, to)."""
    count, pos = read_map_head(data, 0)
    while count != 0 if count is not None else data[pos] != BREAK:
        if count is not None:
            count -= 1
        start = pos
        if major_type(data, pos) in (BYTES, TEXT):
            key, pos = read_string(data, pos, MAX_DEPTH)
        else:
            key, pos = None, skip_item(data, pos, MAX_DEPTH)
        end = skip_item(data, pos, MAX_DEPTH)
        yield key, start, pos, end
        pos = end


def field(data: bytes, name: bytes) -> bytes | None:
    """The value of a key of a unit's data, as CBOR; None if the data is no map or has no such key.

    Of two such keys, one as bytes and one as text, the last is taken.
    """
    # Most data has no such key, and a look for its letters is far cheaper than a walk.
    if name not in data or major_type(data) != MAP:
        return None
    found = None
    for key, _, start, end in pairs(data):
        if key == name:
            found = data[start:end]
    return found


def with_traceback(data: bytes, message: bytes) -> bytes:
    """`data` with its `traceback` set to `message`; data that is no map gives way to a map."""
    kept = []
    if major_type(data) == MAP:
        kept = [data[start:end] for key, start, _, end in pairs(data) if key != b"traceback"]
    return b"".join((encode_head(MAP, len(kept) + 1), *kept, dumps(b"traceback"), dumps(message)))
