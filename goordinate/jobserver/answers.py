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

#: Bytes of the units that a client asks for by their keys.
MAX_ANSWER = 256 * 2**20

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


def bounded(pieces: Iterable[bytes]) -> list[bytes]:
    """The pieces of an answer that names what it asks for.

    InvalidParams if they are more than MAX_ANSWER bytes: the same key, given again and again, asks
    for more than memory holds.
    """
    taken: list[bytes] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_ANSWER:
            raise InvalidParams(f"the answer is over {MAX_ANSWER} bytes: ask for fewer units")
        taken.append(piece)
    return taken


def spliced_list(items: list[bytes]) -> Encoded:
    """([item, ...], None) of items that are CBOR."""
    return Encoded(b"".join((PAIR, array_head(len(items)), *items, NULL)))


#: Characters of the names whose encodings are kept, so that all of them take little memory.
SHORT_NAME = 100


def encoded_name(name: Name) -> bytes:
    """A work spec's name as CBOR; there are few, and every answer of get_work has one."""
    return _encoded_name(name) if len(name) <= SHORT_NAME else dumps(name)


@functools.lru_cache(maxsize=256)
def _encoded_name(name: Name) -> bytes:
    return dumps(name)
