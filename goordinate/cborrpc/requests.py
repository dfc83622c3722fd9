"""Requests: what is called, off the bytes of a message; without I/O.

Rule: a method is a row of a table, found by its name and in no other way, and each of its
parameters is taken off the message by a reader of its own, so that nothing is decoded that
the method does not look at.

A request is a map {id, method, params}; its keys are byte or text strings.  It is read in the
usual way first: one pass over a map of just these three keys, which trusts a guess at the
method, as params may come before it.  Anything that is not as expected there is read again in
the careful way, which knows all that may come and says what is wrong.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final, NoReturn

from .decode import (
    Reader,
    decode_item,
    read_array_head,
    read_map_head,
    read_string,
    skip_item,
)
from .encode import array_head, dumps
from .errors import DecodeError, InvalidParams
from .heads import ARRAY, BREAK, BYTES, MAP, TEXT, describe

REQUIRED: Final = object()
"""The default of a parameter that has none."""

NULL: Final = b"\xf6"
"""The encoding of null: the id of a request that has none; as a message, the end."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a method: its name, what reads it, and what it is if left out."""

    name: str
    read: Reader[Any] = decode_item
    default: object = REQUIRED


@dataclass(frozen=True, slots=True)
class Method:
    """A row of the table: a name and what is called, with the values of the parameters.

    `call` gives a value that can be encoded, or Encoded, which goes out as it is.
    """

    name: str
    call: Callable[..., object]
    parameters: tuple[Parameter, ...]

    def takes(self) -> str:
        """What the method takes, in words: "f() takes (a, b=None)"."""
        parameters = (
            p.name if p.default is REQUIRED else f"{p.name}={p.default!r}" for p in self.parameters
        )
        return f"{self.name}() takes ({', '.join(parameters)})"


def encode_request(request_id: int, method: str, params: Sequence[object]) -> bytes:
    """The message that calls `method` with positional parameters.

    EncodeError if there is a parameter that cannot be written.
    """
    name = dumps(method.encode())
    return b"\xa3Fmethod%bBid%bFparams%b" % (name, dumps(request_id), dumps(list(params)))


Request = tuple[bytes, Method, list[Any]]
"""The encoding of its id, the method, and what the parameters are."""


class RequestReader:
    """Reads requests that call the methods of a table; ValueError if two have one name."""

    def __init__(self, methods: Iterable[Method]) -> None:
        self._methods: dict[bytes, Method] = {}
        # The same table for the usual way: with the method how params begin that hold all its
        # parameters, and their readers.  A name is in it if its head is one byte.
        self._usual: dict[bytes, tuple[Method, bytes, tuple[Reader[Any], ...]]] = {}
        for method in methods:
            name = method.name.encode()
            if name in self._methods:
                raise ValueError(f"two methods are named {method.name!r}")
            self._methods[name] = method
            if 0 < len(name) < 24:
                readers = tuple(parameter.read for parameter in method.parameters)
                self._usual[name] = method, b"Fparams" + array_head(len(readers)), readers

    def read_usual(self, buf: bytes, pos: int, end: int, depth: int) -> Request | None:
        """The id, method and arguments of a request that is as most are, None of any other."""
        if buf.startswith(b"\xa3Fmethod", pos):
            name_at = pos + 1
        else:
            # The last of these bytes: a unit's data, in params, may have them too.
            name_at = buf.rfind(b"Fmethod", pos, end)
            if name_at < 0:
                return None
        try:
            name_start = name_at + 8
            name_end = name_start + buf[name_at + 7] - 0x40
            row = self._usual.get(buf[name_start:name_end])
            if row is None or buf[pos] != 0xA3:
                return None
            method, params_head, readers = row
            request_id: bytes | None = None
            arguments: list[Any] | None = None
            pos += 1
            for _ in range(3):
                if pos == name_at:
                    # So the guess was right: this is where the map has its key.
                    name_at = -1
                    pos = name_end
                elif buf.startswith(params_head, pos):
                    pos += len(params_head)
                    arguments = []
                    for read in readers:
                        value, pos = read(buf, pos, depth - 2)
                        arguments.append(value)
                elif buf.startswith(b"Bid", pos):
                    start = pos + 3
                    pos = start + 1 if buf[start] < 0x18 else skip_item(buf, start, depth - 1)
                    request_id = buf[start:pos]
                else:
                    return None
        except Exception:  # the careful way tells what it is
            return None
        if pos != end or name_at >= 0 or arguments is None or request_id is None:
            return None
        return request_id, method, arguments

    def read(self, buf: bytes, pos: int, end: int, depth: int) -> Request:
        """The id, method and arguments of any request; or else the id, `_REFUSED`, and why.

        DecodeError if it is not one well-formed item.
        """
        after = skip_item(buf, pos, depth)
        if after < end:
            raise DecodeError("more bytes after the item", after)
        if buf[pos] >> 5 != MAP:
            why = f"a request should be a map, not {describe(buf, pos)}"
            return NULL, _REFUSED, [why]
        fields = _fields(buf, pos, depth)
        request_id, method = NULL, _REFUSED
        if b"id" in fields:
            start = fields[b"id"]
            request_id = buf[start : skip_item(buf, start, depth - 1)]
        try:
            method = self._method(buf, fields)
            return request_id, method, _arguments(buf, fields, depth - 1, method)
        except InvalidParams as fault:
            return request_id, Method(method.name, _refuse, ()), [str(fault)]
        except Exception as fault:
            return request_id, Method(method.name, _fail, ()), [fault]

    def _method(self, buf: bytes, fields: dict[bytes, int]) -> Method:
        """The method that a request names.  InvalidParams if it names none there is."""
        if b"method" not in fields:
            raise InvalidParams("a request should have a method")
        pos = fields[b"method"]
        if buf[pos] >> 5 not in (BYTES, TEXT):
            raise InvalidParams(f"method should be a string, not {describe(buf, pos)}")
        name, _ = read_string(buf, pos, 0)
        if name not in self._methods:
            raise InvalidParams(f"no such method {_quoted(name)}")
        return self._methods[name]


def id_of(buf: bytes, pos: int) -> bytes:
    """The id of the request at `pos`, which is not well-formed or was not read; null if none
    can be found before what is wrong."""
    found = NULL
    # One that is nested too deep is still a map, and its id mostly comes after its params.
    # ValueError: a DecodeError, or a key without a value.
    with contextlib.suppress(ValueError, IndexError):
        for key_at, value_at in _pairs(buf, pos, _DEEPEST):
            if buf[key_at] >> 5 in (BYTES, TEXT) and read_string(buf, key_at, 0)[0] == b"id":
                found = buf[value_at : skip_item(buf, value_at, _DEEPEST)]
    return found


def _refuse(why: str) -> NoReturn:
    # Not the exception itself: it and the frames that it has passed would keep each other, and the
    # message, until the garbage collector comes by.
    raise InvalidParams(why)


def _fail(fault: Exception) -> NoReturn:
    raise fault


_REFUSED: Final = Method("", _refuse, ())

#: How deep the search for the id of a refused request goes.
_DEEPEST: Final = 10_000


# What follows reads items that are known to be well-formed and not nested too deep; `depth`
# is the number of levels allowed where the item is.


def _items(buf: bytes, pos: int, count: int | None, depth: int) -> Iterator[int]:
    """Where each item of an array begins, or each key and value of a map: there are `count`,
    or as many as come before the break."""
    for _ in repeat(None) if count is None else range(count):
        if count is None and buf[pos] == BREAK:
            return
        yield pos
        pos = skip_item(buf, pos, depth)


def _pairs(buf: bytes, pos: int, depth: int) -> Iterator[tuple[int, int]]:
    """Where each key of the map at `pos`, and its value, begin."""
    count, start = read_map_head(buf, pos)
    items = _items(buf, start, None if count is None else 2 * count, depth - 1)
    return zip(items, items, strict=True)


def _fields(buf: bytes, pos: int, depth: int) -> dict[bytes, int]:
    """Where the values of a request begin, by key; of keys that are the same the last counts."""
    fields = {}
    for key_at, value_at in _pairs(buf, pos, depth):
        if buf[key_at] >> 5 in (BYTES, TEXT):
            key, _ = read_string(buf, key_at, 0)
            if key in (b"id", b"method", b"params"):
                fields[key] = value_at
    return fields


def _arguments(buf: bytes, fields: dict[bytes, int], depth: int, method: Method) -> list[Any]:
    """The values of the parameters in a request.  InvalidParams if they are not what the
    method takes."""
    if b"params" not in fields:
        raise InvalidParams(f"{method.takes()}, got no params")
    pos = fields[b"params"]
    if buf[pos] >> 5 == ARRAY:
        return _positional(buf, pos, depth, method)
    if buf[pos] >> 5 == MAP:
        return _named(buf, pos, depth, method)
    raise InvalidParams(
        f"{method.name}(): params should be an array or a map, not {describe(buf, pos)}"
    )


def _positional(buf: bytes, pos: int, depth: int, method: Method) -> list[Any]:
    parameters = method.parameters
    count, pos = read_array_head(buf, pos)
    given = sum(1 for _ in _items(buf, pos, None, depth - 1)) if count is None else count
    left_out = parameters[given:]
    if given > len(parameters) or any(p.default is REQUIRED for p in left_out):
        number = "1 parameter" if given == 1 else f"{given} parameters"
        raise InvalidParams(f"{method.takes()}, got {number}")
    arguments = []
    for parameter in parameters[:given]:
        value, pos = _read_value(buf, pos, depth - 1, method, parameter)
        arguments.append(value)
    return [*arguments, *(parameter.default for parameter in left_out)]


def _named(buf: bytes, pos: int, depth: int, method: Method) -> list[Any]:
    parameters = {parameter.name.encode(): parameter for parameter in method.parameters}
    given: dict[bytes, Any] = {}
    for key_at, value_at in _pairs(buf, pos, depth):
        if buf[key_at] >> 5 not in (BYTES, TEXT):
            raise InvalidParams(f"{method.takes()}, got a name that is no string")
        name, _ = read_string(buf, key_at, 0)
        if name not in parameters:
            raise InvalidParams(f"{method.takes()}, got unknown {_quoted(name)}")
        if name in given:
            raise InvalidParams(f"{method.takes()}, got {_quoted(name)} twice")
        given[name], _ = _read_value(buf, value_at, depth - 1, method, parameters[name])
    for name, parameter in parameters.items():
        if name not in given and parameter.default is REQUIRED:
            raise InvalidParams(f"{method.takes()}, got no {_quoted(name)}")
    return [given.get(name, parameter.default) for name, parameter in parameters.items()]


def _read_value(
    buf: bytes, pos: int, depth: int, method: Method, parameter: Parameter
) -> tuple[Any, int]:
    try:
        return parameter.read(buf, pos, depth)
    except DecodeError as fault:
        raise InvalidParams(f"{method.name}(): {parameter.name}: {fault}") from None


def _quoted(name: bytes) -> str:
    """A name for a message: one line and not too long, whatever it is."""
    text = name[:100].decode("utf-8", "backslashreplace")
    return repr(text + "..." if len(name) > 100 else text)
