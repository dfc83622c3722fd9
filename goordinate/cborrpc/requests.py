"""Requests: reading which method a message calls, and with what.  There is no I/O here.

Rule: a method is a row of a table, and is found only by its name.  Each parameter has its own
reader, so nothing is decoded that the method does not need.

A request is a map {id, method, params} whose keys are byte or text strings.  First the fast path
reads it: one pass over a map of exactly these three keys.  It guesses the method, because params
may come first.  A request that it does not understand is read again by the slow path, which
accepts every form, and has the errors.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

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
from .heads import ARRAY, BREAK, BYTES, MAP, NULL, TEXT, describe
from .shown import shown

REQUIRED: Final = object()
"""The default of a parameter that has none."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a method: its name, its reader, and its default."""

    name: str
    read: Reader[Any] = decode_item
    default: object = REQUIRED


@dataclass(frozen=True, slots=True)
class Method:
    """A row of the table: a name, a function, and the parameters that the function takes.

    `call` returns a value that can be encoded, or Encoded, which goes out as it is.  A call that
    may take long returns a generator: it yields None between two slices, so that others have their
    turn, or a `Wait`, and returns the value at its end.
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


class Wait:
    """A step of a call that waits until `wake` is called, but not beyond a moment.

    The same object may be yielded again.  Who serves the connection sets `notify` while it waits.
    """

    __slots__ = ("notify", "over", "until", "woken")

    def __init__(self) -> None:
        #: The moment until which the call waits, on the clock of `time.monotonic`.
        self.until = -math.inf
        #: Whether the call must end: its client is gone, or the server stops.
        self.over = False
        #: Whether `wake` was called since the last wait.
        self.woken = False
        #: Is called by `wake`.
        self.notify: Callable[[], None] | None = None

    def wake(self) -> None:
        """Let the call go on soon.  It does not go on within this function."""
        self.woken = True
        if self.notify is not None:
            self.notify()


def encode_request(request_id: int, method: str, params: Sequence[object]) -> bytes:
    """The message that calls `method` with positional parameters.

    Raises EncodeError if a parameter cannot be written.
    """
    name = dumps(method.encode())
    return b"\xa3Fmethod%bBid%bFparams%b" % (name, dumps(request_id), dumps(list(params)))


Request = tuple[bytes, Method, list[Any]]
"""The encoding of the id, the method, and the values of its parameters."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served.

    request_id: the encoding of its id.  method: the name of its method, None if there is no such
    method.  fault: InvalidParams, or what a reader with a fault has raised.
    """

    request_id: bytes
    method: str | None
    fault: Exception


class RequestReader:
    """Reads requests for the methods of a table.  Raises ValueError if two have the same name."""

    def __init__(self, methods: Iterable[Method]) -> None:
        self._methods: dict[bytes, Method] = {}
        # The table of the fast path: each method with the head of params that hold all its
        # parameters, and their readers.  It has the names that have a head of one byte.
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
        """The fast path: the id, method and arguments of a usual request, None for any other."""
        if buf.startswith(b"\xa3Fmethod", pos):
            name_at = pos + 1
        else:
            # The last occurrence: the data of a unit, in params, may have these bytes too.
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
                    # The guess was right: the key of the map is here.
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
        except Exception:  # the slow path has the error
            return None
        if pos != end or name_at >= 0 or arguments is None or request_id is None:
            return None
        return request_id, method, arguments

    def read(self, buf: bytes, pos: int, end: int, depth: int) -> Request | Refusal:
        """The slow path: the id, method and arguments of any request, or why it is refused.

        Raises DecodeError if it is not one well-formed item.
        """
        after = skip_item(buf, pos, depth)
        if after < end:
            raise DecodeError("more bytes after the item", after)
        if buf[pos] >> 5 != MAP:
            why = f"a request should be a map, not {describe(buf, pos)}"
            return Refusal(NULL, None, InvalidParams(why))
        fields = _fields(buf, pos, depth)
        request_id, name = NULL, None
        if b"id" in fields:
            start = fields[b"id"]
            request_id = buf[start : skip_item(buf, start, depth - 1)]
        try:
            method = self._method(buf, fields)
            name = method.name
            return request_id, method, _arguments(buf, fields, depth - 1, method)
        except InvalidParams as fault:
            # A new one: this one and the frames in its traceback would keep each other, and the
            # message, until the garbage collector runs.
            return Refusal(request_id, name, InvalidParams(str(fault)))
        except Exception as fault:
            return Refusal(request_id, name, fault)

    def _method(self, buf: bytes, fields: dict[bytes, int]) -> Method:
        """The method that a request names.  Raises InvalidParams if there is no such method."""
        if b"method" not in fields:
            raise InvalidParams("a request should have a method")
        pos = fields[b"method"]
        if buf[pos] >> 5 not in (BYTES, TEXT):
            raise InvalidParams(f"method should be a string, not {describe(buf, pos)}")
        name, _ = read_string(buf, pos, 0)
        if name not in self._methods:
            raise InvalidParams(f"no such method {shown(name)}")
        return self._methods[name]


def id_of(buf: bytes, pos: int) -> bytes:
    """The encoding of the id of the request at `pos`, which is not well-formed or was not read.
    It is null if no id is found before the fault."""
    found = NULL
    # A request that is nested too deep is still a map.  Its id mostly comes after its params.
    # ValueError: a DecodeError, or a key without a value.
    with contextlib.suppress(ValueError, IndexError):
        for key_at, value_at in _pairs(buf, pos, _DEEPEST):
            if buf[key_at] >> 5 in (BYTES, TEXT) and read_string(buf, key_at, 0)[0] == b"id":
                found = buf[value_at : skip_item(buf, value_at, _DEEPEST)]
    return found


def id_of_unread(begin: bytes, end: bytes) -> bytes:
    """The encoding of the id of a request of which only the first and the last bytes are known.
    It is null if no id is found.

    Our client sends the id before params, the original's client after them and before the method.
    """
    found = id_of(begin, 0) if begin else NULL
    pairs = b"\xa2" + end[end.rfind(b"Bid") :]
    with contextlib.suppress(DecodeError):
        if found == NULL and skip_item(pairs, 0, 2) == len(pairs):
            found = id_of(pairs, 0)
    return found


_DEEPEST: Final = 10_000
"""How deep the search for the id of a refused request goes."""


# The functions below read items that are known to be well-formed and not nested too deep.  `depth`
# is how many levels may be nested at the item.


def _items(buf: bytes, pos: int, count: int | None, depth: int) -> Iterator[int]:
    """The index of each item of an array, or of each key and value of a map.  There are `count` of
    them; None: as many as come before the break."""
    for _ in repeat(None) if count is None else range(count):
        if count is None and buf[pos] == BREAK:
            return
        yield pos
        pos = skip_item(buf, pos, depth)


def _pairs(buf: bytes, pos: int, depth: int) -> Iterator[tuple[int, int]]:
    """The indices of each key and value of the map at `pos`."""
    count, start = read_map_head(buf, pos)
    items = _items(buf, start, None if count is None else 2 * count, depth - 1)
    return zip(items, items, strict=True)


def _fields(buf: bytes, pos: int, depth: int) -> dict[bytes, int]:
    """The indices of the values of a request, by key.  Of equal keys the last one counts."""
    fields = {}
    for key_at, value_at in _pairs(buf, pos, depth):
        if buf[key_at] >> 5 in (BYTES, TEXT):
            key, _ = read_string(buf, key_at, 0)
            if key in (b"id", b"method", b"params"):
                fields[key] = value_at
    return fields


def _arguments(buf: bytes, fields: dict[bytes, int], depth: int, method: Method) -> list[Any]:
    """The values of the parameters in a request.  Raises InvalidParams if they are not those that
    the method takes."""
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
            raise InvalidParams(f"{method.takes()}, got unknown {shown(name)}")
        if name in given:
            raise InvalidParams(f"{method.takes()}, got {shown(name)} twice")
        given[name], _ = _read_value(buf, value_at, depth - 1, method, parameters[name])
    for name, parameter in parameters.items():
        if name not in given and parameter.default is REQUIRED:
            raise InvalidParams(f"{method.takes()}, got no {shown(name)}")
    return [given.get(name, parameter.default) for name, parameter in parameters.items()]


def _read_value(
    buf: bytes, pos: int, depth: int, method: Method, parameter: Parameter
) -> tuple[Any, int]:
    try:
        return parameter.read(buf, pos, depth)
    except DecodeError as fault:
        raise InvalidParams(f"{method.name}(): {parameter.name}: {fault}") from None
