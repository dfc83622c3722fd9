"""How the model reads what clients send: names, options, numbers, units to be added.

Bytes and text of the same UTF-8 are the same name, and of two such keys of a map the last counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Name = bytes | str


class NewUnit(NamedTuple):
    """A work unit to be added."""

    name: Name
    data: Any
    #: None: the unit has none of its own.
    priority: float | None = None
    #: Seconds before it may run.
    delay: float = 0


def key_of(name: Name) -> bytes:
    """The bytes by which a name is known."""
    return name.encode() if isinstance(name, str) else name


def fields(mapping: Mapping[Any, Any]) -> dict[bytes, Any]:
    """A map by the bytes of its keys."""
    return {key_of(key): value for key, value in mapping.items() if isinstance(key, bytes | str)}


def number(value: Any) -> Any:
    """A number, or a string that is one."""
    return float(value) if isinstance(value, bytes | str) else value


def whole(value: Any) -> int:
    """The same, cut to an integer."""
    return int(number(value))


def new_unit(value: Any) -> NewUnit:
    """The unit that (key, data), (key, data, meta) or (key, data, meta, priority) asks for.

    Raises ValueError for anything else.
    """
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= 4:
        raise ValueError("not two to four items")
    name, data, meta, fourth = (*value, None, None)[:4]
    if not isinstance(name, bytes | str):
        raise ValueError("the key is no string")
    if not isinstance(meta, dict | None) or any(not isinstance(k, bytes | str) for k in meta or ()):
        raise ValueError("the meta data is no map")
    given = fields(meta or {})
    priority, delay = given.get(b"priority"), given.get(b"delay")
    for value in (priority, delay, fourth):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError("a priority or a delay is no number")
    if delay is not None and delay < 0:
        raise ValueError("the delay is negative")
    return NewUnit(name, data, priority if fourth is None else fourth, delay or 0)


def chained_units(data: Any) -> list[NewUnit]:
    """The units that the data of a finished unit asks for. Raises ValueError for a bad output."""
    output = fields(data).get(b"output") if isinstance(data, dict) else None
    if not output:
        return []
    if isinstance(output, dict):
        return [new_unit(pair) for pair in output.items()]
    if isinstance(output, list | tuple):
        return [
            NewUnit(item, {}) if isinstance(item, bytes | str) else new_unit(item)
            for item in output
        ]
    raise ValueError("the output is neither a map nor a list")
