"""What the RPCs answer with: (value, message) pairs, and stored CBOR spliced into them.

What the server makes up goes out as byte strings, as Python 2 programs expect.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from goordinate.cborrpc.encode import array_head, dumps
from goordinate.cborrpc.errors import InvalidParams
from goordinate.cborrpc.heads import NULL
from goordinate.cborrpc.tags import TUPLE_HEAD, Encoded
from goordinate.coordinate.errors import NoSuchWorkSpec
from goordinate.coordinate.names import Name

#: (True, None): the call did what was asked.
DONE = Encoded(dumps((True, None)))

#: The head of a tuple of two, of three.
PAIR = TUPLE_HEAD + b"\x82"
TRIPLE = TUPLE_HEAD + b"\x83"

F = TypeVar("F", bound=Callable[..., Any])


def message(error: Exception | str) -> bytes:
    """An error or a text as the message of a pair."""
    return str(error).encode("utf-8", "backslashreplace")


def no_spec(value: object) -> Callable[[F], F]:
    """The call answers (`value`, message) when there is no such work spec."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any) -> Any:
            try:
                return function(*args)
            except NoSuchWorkSpec as error:
                return value, message(error)

        return call  # type: ignore[return-value]

    return decorate


def fitting(pieces: Iterable[bytes], room: int, least: int = 1) -> list[bytes]:
    """The first pieces, as many as `room` bytes hold, but not fewer than `least` if there are."""
    taken: list[bytes] = []
    for piece in pieces:
        room -= len(piece)
        if room < 0 and len(taken) >= least:
            break
        taken.append(piece)
    return taken


def bounded(pieces: Iterable[bytes], room: int) -> list[bytes]:
    """The pieces of an answer that names what it asks for, so that none may be left out.

    One piece may be of any size. Raises InvalidParams if more are over `room` bytes together: the
    same key, given again and again, asks for more than memory holds.
    """
    taken: list[bytes] = []
    left = room
    for piece in pieces:
        left -= len(piece)
        if left < 0 and taken:
            raise too_large(room)
        taken.append(piece)
    return taken


def whole(value: object, room: int) -> Encoded:
    """The encoding of an answer of which nothing may be left out. Raises InvalidParams if it is
    over `room` bytes."""
    encoded = Encoded(dumps(value))
    if len(encoded) > room:
        raise too_large(room)
    return encoded


def too_large(room: int) -> InvalidParams:
    """The error of a call whose answer would be over `room` bytes."""
    return InvalidParams(f"the answer is over {room} bytes: ask for less at once")


def plain_list(items: list[bytes]) -> Encoded:
    """[item, ...] of items that are CBOR."""
    return Encoded(array_head(len(items)) + b"".join(items))


def spliced_list(items: list[bytes], second: bytes = NULL) -> Encoded:
    """([item, ...], second) of items that are CBOR."""
    return Encoded(b"".join((PAIR, array_head(len(items)), *items, second)))


#: Characters of the names whose encodings are kept, so that all of them take little memory.
SHORT_NAME = 100


def encoded_name(name: Name) -> bytes:
    """A work spec's name as CBOR; there are few, and every answer of get_work has one."""
    return _encoded_name(name) if len(name) <= SHORT_NAME else dumps(name)


@functools.lru_cache(maxsize=256)
def _encoded_name(name: Name) -> bytes:
    return dumps(name)
