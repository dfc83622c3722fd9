"""By what error a unit failed, so that failures of one cause are one group.

Rule: everything that decides which failures belong together is here.
"""

from __future__ import annotations

import re
from typing import Final

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.errors import DecodeError
from goordinate.coordinate.unit_data import field

#: The longest signature, in characters.
LONGEST: Final = 200

#: Data of more bytes is not looked into: to find the traceback takes up to a microsecond a byte.
LOOKED_INTO: Final = 64 * 2**10

#: The signature of a unit whose data has no traceback, and of one with too much data.
NO_TRACEBACK: Final = "(no traceback)"
TOO_LARGE: Final = "(data too large to look into)"

# A number, or an address or hash in hex: what differs between two cases of one error.
_VARYING: Final = re.compile(r"0[xX][0-9a-fA-F]+|\b(?=[0-9a-fA-F-]*[0-9])[0-9a-fA-F-]{8,}\b|[0-9]+")


def signature(data: bytes) -> str:
    """What the failed units with such data (CBOR) have in common: the last line of the traceback,
    numbers in it replaced by N."""
    if len(data) > LOOKED_INTO:
        return TOO_LARGE
    found = field(data, b"traceback")
    if found is None:
        return NO_TRACEBACK
    try:
        value = loads(found)
    except DecodeError:
        return NO_TRACEBACK
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if not isinstance(value, str) or not value.strip():
        return NO_TRACEBACK
    line = value.rstrip().rpartition("\n")[2].strip()
    return _VARYING.sub("N", line[: 4 * LONGEST])[:LONGEST]
