"""Names of work specs, work units and workers.

A name comes as a byte string or as text; both forms of the same UTF-8 bytes are the same name
(in Python 2 they are equal), and what goes out is the form that was stored first.
"""

from __future__ import annotations

from goordinate.cborrpc.encode import dumps

Name = bytes | str

#: How much of a name a message shows.
SHOWN = 200


def identity(name: Name) -> bytes:
    """The bytes by which `name` is known: itself, or its UTF-8."""
    return name if isinstance(name, bytes) else name.encode("utf-8")


def encoded(name: Name) -> bytes:
    """`name` as a CBOR byte or text string."""
    return dumps(name)


def printable(name: Name) -> str:
    """`name` in quotes for a message, not too long, control characters and odd bytes escaped."""
    shown = name[:SHOWN]
    text = shown.decode("utf-8", "backslashreplace") if isinstance(shown, bytes) else shown
    quoted = ascii(text) if not text.isprintable() else f"'{text}'"
    return quoted if len(name) <= SHOWN else f"{quoted}... ({len(name)} long)"
