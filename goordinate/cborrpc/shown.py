"""How messages and the log show what others sent: on one line, and not too long."""

from __future__ import annotations

from typing import Final

SHOWN: Final = 200
"""How many characters or bytes of a value a message shows."""


def shown(value: object, most: int = SHOWN) -> str:
    """A value for a message: its first `most` characters, and its length if it has more.

    A byte or text string, in most cases a name, is shown in quotes, as text.  Control characters
    and bytes that are not UTF-8 are escaped.  Any other value is shown by its repr.
    """
    if isinstance(value, bytes | str):
        size = len(value)
        part = value[:most]
        text = part.decode("utf-8", "backslashreplace") if isinstance(part, bytes) else part
        text = f"'{text}'" if text.isprintable() else ascii(text)
    else:
        try:
            whole = repr(value)
        except Exception:  # a repr may raise anything
            whole = "a value"
        size = len(whole)
        text = whole[:most]
    return text if size <= most else f"{text}... ({size} long)"
