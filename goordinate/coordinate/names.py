"""Names of work specs, work units and workers.

A name comes as a byte string or as text; both forms of the same UTF-8 bytes are the same name
(in Python 2 they are equal), and what goes out is the form that was stored first.
"""

from __future__ import annotations

from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.shown import shown

Name = bytes | str


def identity(name: Name) -> bytes:
    """The bytes by which `name` is known: itself, or its UTF-8."""
    return name if isinstance(name, bytes) else name.encode("utf-8")


def encoded(name: Name) -> bytes:
    """`name` as a CBOR byte or text string."""
    return dumps(name)


def printable(name: Name) -> str:
    """`name` in quotes for a message, not too long, control characters and odd bytes escaped."""
    return shown(name)
