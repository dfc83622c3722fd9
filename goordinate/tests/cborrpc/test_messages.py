"""Requests and their answers: every form a request may take, and every error."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goordinate.cborrpc.decode import decode_item, loads, opaque_item, read_list, read_map
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.errors import DecodeError, InvalidParams, RPCError
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.messages import Dispatcher
from goordinate.cborrpc.requests import Method, Parameter, encode_request
from goordinate.cborrpc.tags import Encoded, Tag

ORDERS = list(permutations([b"id", b"method", b"params"]))


class NotThere(Exception):
    """What the methods of these tests may raise."""


def options(buf: bytes, pos: int, depth: int) -> tuple[dict[bytes, Any], int]:
    """A map whose `data` is not decoded."""
    return read_map(buf, pos, depth, {b"data": opaque_item, b"x": decode_item})


def units(buf: bytes, pos: int, depth: int) -> tuple[list[bytes], int]:
    """A list of which nothing is decoded."""
    return read_list(buf, pos, depth, opaque_item)


def broken(buf: bytes, pos: int, depth: int) -> tuple[Any, int]:
    """A reader with a fault."""
    raise ZeroDivisionError("secret")


class Target:
    """The methods under test, and what was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.methods = [
            Method("echo", self.echo, (Parameter("value"),)),
            Method("now", self.now, ()),
            Method(
                "update",
                self.update,
                (Parameter("spec"), Parameter("key"), Parameter("options", options)),
            ),
            Method("add", self.add, (Parameter("units", units),)),
            Method(
                "archive",
                self.archive,
                (Parameter("spec"), Parameter("options", options, default=None)),
            ),
            Method("fail", self.fail, (Parameter("kind"),)),
            Method("broken", self.now, (Parameter("value", broken),)),
            Method("a_name_of_more_than_23_bytes", self.now, ()),
        ]

    def echo(self, value: object) -> object:
        self.calls.append(("echo", value))
        return value

    def now(self) -> object:
        self.calls.append(("now",))
        return Encoded(dumps(12.5))

    def update(self, spec: object, key: object, opts: dict[bytes, Any]) -> object:
        self.calls.append(("update", spec, key, opts))
        return opts.get(b"data", True)

    def add(self, new: list[bytes]) -> object:
        self.calls.append(("add", new))
        return len(new)

    def archive(self, spec: object, opts: object) -> object:
        self.calls.append(("archive", spec, opts))
        return spec, opts

    def fail(self, kind: object) -> object:
        if kind == "encode":
            return object()
        raise {
            "rpc": RPCError("not so"),
            "params": InvalidParams("not these"),
            "expected": NotThere("no such thing\ud800"),
            "silent": NotThere(),
            "decode": DecodeError("in what is stored", 3),
        }.get(str(kind), ZeroDivisionError("secret"))


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
def dispatcher(target: Target) -> Dispatcher:
    return Dispatcher(target.methods, expected=(NotThere,))


def request(method: Any, params: Any, **more: Any) -> dict[Any, Any]:
    """A request in the order in which Python 2 clients send it."""
    return {b"params": params, b"id": 7, b"method": method, **more}


def result_of(answer: bytes) -> Any:
    response = loads(answer)
    assert list(response) == [b"id", b"result"], response
    assert response[b"id"] == 7
    return response[b"result"]


def error_of(answer: bytes, request_id: object = 7) -> str:
    response = loads(answer)
    assert list(response) == [b"id", b"error"], response
    assert list(response[b"error"]) == [b"message"]
    assert response[b"id"] == request_id
    message = response[b"error"][b"message"]
    assert isinstance(message, bytes)
    return message.decode()


def test_bytes_on_the_wire(dispatcher: Dispatcher) -> None:
    asked = "a3 46706172616d73 81 01 426964 187b 466d6574686f64 446563686f"
    answered = "a2 426964 187b 46726573756c74 01"
    assert dispatcher.answer(bytes.fromhex(asked)) == bytes.fromhex(answered)
    asked = "a3 46706172616d73 80 426964 187b 466d6574686f64 426e6f"
    answered = "a2 426964 187b 456572726f72 a1 476d657373616765 53"
    refused = bytes.fromhex(answered) + b"no such method 'no'"
    assert dispatcher.answer(bytes.fromhex(asked)) == refused


Fields = list[tuple[Any, Any]]

FORMS: dict[str, Callable[[Fields], Fields]] = {
    "byte keys": lambda fields: fields,
    "text keys": lambda fields: [(key.decode(), value) for key, value in fields],
    "text name": lambda fields: [
        (key, value.decode() if key == b"method" else value) for key, value in fields
    ],
    "more keys": lambda fields: [(b"jsonrpc", 2), *fields, (7, [{}]), ("x", Tag(5, b"id"))],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("method", "params", "called"),
    [
        (b"now", [], ("now",)),
        (b"echo", [[b"a", "a", None]], ("echo", [b"a", "a", None])),
        (b"echo", {b"value": 1}, ("echo", 1)),
        (b"echo", {"value": 1}, ("echo", 1)),
        (b"update", [b"s", "k", {"x": 1}], ("update", b"s", "k", {b"x": 1})),
        (b"update", {b"options": {}, "key": 2, b"spec": 1}, ("update", 1, 2, {})),
        (b"add", [[1, {b"Fmethod": 2}]], ("add", [b"\x01", b"\xa1GFmethod\x02"])),
        (b"archive", [b"s"], ("archive", b"s", None)),
        (b"archive", {"spec": b"s"}, ("archive", b"s", None)),
        (b"archive", {"spec": b"s", "options": {}}, ("archive", b"s", {})),
        (b"a_name_of_more_than_23_bytes", [], ("now",)),
    ],
)
def test_orders_and_forms(
    order: tuple[bytes, ...],
    form: str,
    method: bytes,
    params: object,
    called: tuple[Any, ...],
    dispatcher: Dispatcher,
    target: Target,
) -> None:
    fields = {b"id": 7, b"method": method, b"params": params}
    message = dumps(dict(FORMS[form]([(key, fields[key]) for key in order])))
    result_of(dispatcher.answer(message))
    assert target.calls == [called]


def test_indefinite_lengths(dispatcher: Dispatcher, target: Target) -> None:
    message = (
        b"\xbf\x66params\xbf\x5f\x42ke\x41y\xff\x02\x44spec\x01\x67options\xbf\xff\xff"
        b"\x42id\x07\x7f\x62me\x64thod\xff\x5f\x46update\xff\xff"
    )
    assert result_of(dispatcher.answer(message)) is True
    positional = b"\xbf\x46params\x9f\x01\x02\xbf\xff\xff\x42id\x07\x46method\x46update\xff"
    assert result_of(dispatcher.answer(positional)) is True
    assert target.calls == [("update", 1, 2, {})] * 2


# The id, as hex: what is echoed is what came, not its value.
IDS = ["00", "17", "1818", "1817", "1b000000000000000a", "20", "f6", "fb3ff8000000000000"]
IDS += ["4161", "6161", "5f4161ff", "8101", "a0", "d80500", "c240", "d82540"]


@pytest.mark.parametrize("request_id", IDS)
@pytest.mark.parametrize("keys", [(b"\x42id", b"\x46method"), (b"\x62id", b"\x66method")])
def test_the_id_comes_back_byte_for_byte(
    request_id: str, keys: tuple[bytes, bytes], dispatcher: Dispatcher
) -> None:
    echoed = bytes.fromhex(request_id)
    start = b"\xa3\x46params\x80" + keys[0] + echoed + keys[1]
    assert dispatcher.answer(start + b"\x43now") == b"\xa2\x42id%b\x46result\xfb\x40\x29%b" % (
        echoed,
        bytes(6),
    )
    assert dispatcher.answer(start + b"\x42no").startswith(b"\xa2\x42id" + echoed + b"\x45error")


def test_without_an_id(dispatcher: Dispatcher, target: Target) -> None:
    answer = dispatcher.answer(dumps({b"method": b"now", b"params": []}))
    assert loads(answer) == {b"id": None, b"result": 12.5}
    assert target.calls == [("now",)]


DECOYS = [b"Fmethod", b"FmethodCnow", b"Fmethod\x43now", b"\xa3FmethodCnowBid\x01Fparams\x80"]


@pytest.mark.parametrize("decoy", DECOYS)
@pytest.mark.parametrize("order", ORDERS)
def test_data_that_looks_like_a_method(
    decoy: bytes, order: tuple[bytes, ...], dispatcher: Dispatcher, target: Target
) -> None:
    data = {decoy: [decoy, Encoded(b"\x46method\x43now"[:7]), {b"method": b"now"}]}
    fields = {b"id": 7, b"method": b"update", b"params": [decoy, 1, {b"data": data}]}
    message = dumps({key: fields[key] for key in order})
    assert result_of(dispatcher.answer(message)) == dumps(data)
    assert target.calls == [("update", decoy, 1, {b"data": dumps(data)})]


@pytest.mark.parametrize("name", [b"Fmethod", b"id", b"\x43now", b"FmethodCnow"])
def test_an_id_that_looks_like_a_method(name: bytes, dispatcher: Dispatcher) -> None:
    for order in ORDERS:
        fields = {b"id": name, b"method": b"echo", b"params": [1]}
        answer = loads(dispatcher.answer(dumps({key: fields[key] for key in order})))
        assert answer == {b"id": name, b"result": 1}


@pytest.mark.parametrize("order", ["pii", "ipi", "iip", "ppi", "pip", "ipp"])
def test_a_method_that_is_only_in_the_data(
    order: str, dispatcher: Dispatcher, target: Target
) -> None:
    pair = {"p": b"\x46params" + dumps([{b"method": b"echo"}]), "i": b"\x42id\x07"}
    answer = dispatcher.answer(b"\xa3" + b"".join(pair[letter] for letter in order))
    assert error_of(answer) == "a request should have a method"
    assert target.calls == []


@pytest.mark.parametrize("head", range(256))
def test_a_name_counts_only_with_the_head_of_a_string(head: int, dispatcher: Dispatcher) -> None:
    for name in (b"now", b"a_name_of_more_than_23_bytes", b""):
        message = b"\xa3\x46params\x80\x42id\x07\x46method" + bytes([head]) + name
        if head in (0x40 + len(name), 0x60 + len(name)) and len(name) < 24:
            assert loads(dispatcher.answer(message))[b"id"] == 7
        elif name:
            assert " at byte " in error_of(dispatcher.answer(message))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("request_id", [0, 23, 24, 2**32, None, b"id"])
def test_usual_requests_are_read_in_one_pass(
    order: tuple[bytes, ...],
    request_id: object,
    dispatcher: Dispatcher,
    target: Target,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the data looks like, at least in the orders that clients send."""
    data = {b"method": b"now"}
    monkeypatch.delattr(dispatcher, "_read")
    params = [b"s", b"k", {b"data": data if order[0] == b"method" or order[2] == b"method" else 1}]
    fields = {b"id": request_id, b"method": b"update", b"params": params}
    assert loads(dispatcher.answer(dumps({key: fields[key] for key in order})))[b"id"] == request_id
    assert len(target.calls) == 1


@pytest.mark.parametrize("position", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "doubled",
    [
        (b"method", b"archive"),
        ("method", "archive"),
        (b"params", [2]),
        ("params", [2]),
        (b"id", 9),
        ("id", 9),
    ],
)
def test_of_two_equal_keys_the_last_counts(
    position: int, doubled: tuple[Any, Any], dispatcher: Dispatcher, target: Target
) -> None:
    fields: list[tuple[Any, Any]] = [(b"method", b"echo"), (b"params", [1]), (b"id", 7)]
    fields.insert(position, doubled)
    counts = {key if isinstance(key, bytes) else key.encode(): value for key, value in fields}
    pairs = [dumps(key) + dumps(value) for key, value in fields]
    answer = loads(dispatcher.answer(b"\xa4" + b"".join(pairs)))
    assert answer[b"id"] == counts[b"id"]
    ((called, value, *_),) = target.calls
    assert [called.encode(), [value]] == [
        counts[b"method"] if isinstance(counts[b"method"], bytes) else b"archive",
        counts[b"params"],
    ]


# What is asked for in place of {id: 7, method, params} -> the error.
BAD_REQUESTS = [
    (request(b"nope", []), "no such method 'nope'"),
    (request("nope", {}), "no such method 'nope'"),
    (request(b"", []), "no such method ''"),
    (request(b"__init__", []), "no such method '__init__'"),
    (request(b"calls", []), "no such method 'calls'"),
    (request(b"no\n\x1b[1m\xff", []), r"no such method 'no\n\x1b[1m\\xff'"),
    (request("\u2028", []), r"no such method '\u2028'"),
    (request(b"x" * 300, []), f"no such method '{'x' * 200}'... (300 long)"),
    (request(3, []), "method should be a string, not an integer"),
    (request([b"now"], []), "method should be a string, not an array"),
    (request(None, []), "method should be a string, not a simple value or float"),
    ({b"id": 7, b"params": []}, "a request should have a method"),
    ({b"id": 7, b"method": b"now"}, "now() takes (), got no params"),
    (
        request(b"now", None),
        "now(): params should be an array or a map, not a simple value or float",
    ),
    (request(b"now", b""), "now(): params should be an array or a map, not a byte string"),
    (request(b"now", (1, 2)), "now(): params should be an array or a map, not a tag"),
    (request(b"now", [1]), "now() takes (), got 1 parameter"),
    (request(b"now", {b"x": 1}), "now() takes (), got unknown 'x'"),
    (request(b"update", []), "update() takes (spec, key, options), got 0 parameters"),
    (request(b"update", [1]), "update() takes (spec, key, options), got 1 parameter"),
    (request(b"update", [1, 2, {}, 4]), "update() takes (spec, key, options), got 4 parameters"),
    (request(b"archive", []), "archive() takes (spec, options=None), got 0 parameters"),
    (request(b"archive", [1, {}, 3]), "archive() takes (spec, options=None), got 3 parameters"),
    (
        request(b"update", {b"spec": 1, "options": {}}),
        "update() takes (spec, key, options), got no 'key'",
    ),
    (
        request(b"update", {b"spec": 1, "k\ney": 2, "options": {}}),
        r"update() takes (spec, key, options), got unknown 'k\ney'",
    ),
    (
        request(b"update", Encoded(b"\xa2\x44spec\x01\x64spec\x02")),
        "update() takes (spec, key, options), got 'spec' twice",
    ),
    (
        request(b"update", {1: 2}),
        "update() takes (spec, key, options), got a name that is no string",
    ),
]


@pytest.mark.parametrize(("asked", "message"), BAD_REQUESTS)
def test_bad_requests(
    asked: dict[Any, Any], message: str, dispatcher: Dispatcher, target: Target
) -> None:
    said = error_of(dispatcher.answer(dumps(asked)))
    assert said == message
    assert said.isprintable()
    assert target.calls == []


@pytest.mark.parametrize(
    ("asked", "parameter", "offset"),
    [
        (request(b"update", [1, 2, [3]]), "update(): options", 11),
        (request(b"update", {"key": 1, "options": 3, "spec": 2}), "update(): options", 22),
        (request(b"update", [1, 2, {3: 4}]), "update(): options", 12),
        (request(b"add", [{}]), "add(): units", 9),
        (request(b"echo", [Tag(37, b"short")]), "echo(): value", 11),
        (request(b"echo", [Encoded(b"\xa1\x80\x01")]), "echo(): value", 10),
    ],
)
def test_parameters_of_the_wrong_shape(
    asked: dict[Any, Any], parameter: str, offset: int, dispatcher: Dispatcher, target: Target
) -> None:
    said = error_of(dispatcher.answer(dumps(asked)))
    assert said.startswith(f"{parameter}: ")
    assert said.endswith(f" at byte {offset}")
    assert target.calls == []


@pytest.mark.parametrize("count", [2, 100_000])
def test_too_many_parameters_of_indefinite_length(count: int, dispatcher: Dispatcher) -> None:
    message = b"\xa3\x46params\x9f%b\xff\x42id\x07\x46method\x44echo" % bytes(count)
    said = error_of(dispatcher.answer(message))
    assert said == f"echo() takes (value), got {count} parameters"


NO_REQUESTS = [
    ("01", "an integer"),
    ("20", "an integer"),
    ("43010203", "a byte string"),
    ("6161", "a text string"),
    ("f5", "a simple value or float"),
    ("c1 01", "a tag"),
    ("d880 81 a0", "a tag"),
    ("d818 41 a0", "a tag"),
]


@pytest.mark.parametrize(("message", "what"), NO_REQUESTS)
def test_what_is_no_request(message: str, what: str, dispatcher: Dispatcher) -> None:
    said = error_of(dispatcher.answer(bytes.fromhex(message)), None)
    assert said == f"a request should be a map, not {what}"
    (answer,) = loads(dispatcher.answer(b"\x81" + bytes.fromhex(message)))
    assert answer == {b"id": None, b"error": {b"message": said.encode()}}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("rpc", "not so"),
        ("params", "not these"),
        ("expected", r"no such thing\ud800"),
        ("silent", "NotThere"),
    ],
)
def test_what_methods_may_raise(
    kind: str, message: str, dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    assert error_of(dispatcher.answer(dumps(request(b"fail", [kind])))) == message
    assert caplog.records == []


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (request(b"fail", ["?"]), "internal error in fail: ZeroDivisionError"),
        (request(b"fail", ["decode"]), "internal error in fail: DecodeError"),
        (request(b"fail", ["encode"]), "internal error in fail: EncodeError"),
        (request(b"broken", [1]), "internal error in broken: ZeroDivisionError"),
    ],
)
def test_what_nobody_expects_is_logged_and_not_told(
    asked: dict[Any, Any],
    message: str,
    dispatcher: Dispatcher,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert error_of(dispatcher.answer(dumps(asked))) == message
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is not None
    assert message.endswith(record.exc_info[0].__name__)


def deep(levels: int) -> Encoded:
    return Encoded(b"\x81" * levels + b"\x01")


def test_depth(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = Dispatcher(target.methods, limits=Limits(max_depth=10))

    def is_too_deep(message: bytes, request_id: object) -> bool:
        before = dispatcher.counts.messages_too_deep
        said = error_of(dispatcher.answer(message, "somebody"), request_id)
        assert "nested deeper than the limit at byte " in said
        assert caplog.records[-1].getMessage() == f"somebody: a message is refused: {said}"
        return dispatcher.counts.messages_too_deep == before + 1

    # The request and the array of its parameters are two levels.
    assert result_of(dispatcher.answer(dumps(request(b"echo", [deep(8)]))))
    # The id comes after what is too deep.
    assert is_too_deep(dumps(request(b"echo", [deep(9)])), 7)
    (answer,) = loads(dispatcher.answer(dumps([request(b"echo", [deep(7)])])))
    assert b"result" in answer
    assert is_too_deep(dumps([request(b"echo", [deep(8)])]), None)
    assert len(target.calls) == 2
    assert loads(dispatcher.answer(b"\x81" * 9 + b"\x80"))
    assert is_too_deep(b"\x81" * 10 + b"\x80", None)
    assert is_too_deep(b"\x81" * 1_000_000, None)
    assert len(caplog.records) == 4


WHOLE = dumps(request(b"echo", [[1, {b"a": "b"}]]))

# Bytes that are not well-formed wherever they are, and some that are not as a whole message.
MALFORMED = [
    b"\xff",
    b"\x1c",
    b"\x81",
    b"\x9f",
    b"\xa1\x01",
    b"\xbf\x00\xff",
    WHOLE.replace(b"\x61b", b"\x61\xff"),
    WHOLE.replace(b"\xa3", b"\xa4"),
    *(WHOLE[:end] for end in range(1, len(WHOLE))),
]
NOT_ONE_ITEM = [b"", WHOLE + b"\x00", WHOLE + WHOLE, b"\x80\x80", b"\xf6\xf6"]


@pytest.mark.parametrize("message", MALFORMED + NOT_ONE_ITEM)
def test_a_message_that_is_not_one_well_formed_item(
    message: bytes, dispatcher: Dispatcher, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    answer = loads(dispatcher.answer(message, "somebody"))
    assert answer.keys() == {b"id", b"error"}
    # WHOLE has the id 7, which is told if it came before the fault.
    came = WHOLE[: WHOLE.index(b"Bid\x07") + 4]
    assert answer[b"id"] == (7 if message[1:].startswith(came[1:]) else None)
    assert target.calls == []
    assert dispatcher.counts.messages_malformed == 1
    (record,) = caplog.records
    said = answer[b"error"][b"message"].decode()
    assert record.getMessage() == f"somebody: a message is refused: {said}"
    assert re.search(r" at byte \d+$", said)


@pytest.mark.parametrize("message", MALFORMED)
@pytest.mark.parametrize("form", [b"\x82%b%b", b"\x81\x82%b%b", b"\x9f%b%b\xff"])
def test_nothing_of_a_batch_is_done_if_anything_is_not_well_formed(
    form: bytes, message: bytes, dispatcher: Dispatcher, target: Target
) -> None:
    assert " at byte " in error_of(dispatcher.answer(form % (WHOLE, message)), None)
    assert target.calls == []
    assert dispatcher.counts.messages_malformed == 1


@given(st.binary(max_size=60), st.integers(0, len(WHOLE)), st.integers(0, 8))
def test_any_bytes_are_answered(junk: bytes, start: int, length: int) -> None:
    dispatcher = Dispatcher(Target().methods)
    mutated = WHOLE[:start] + junk[:length] + WHOLE[start + length :]
    for message in (junk, mutated, b"\x81" + mutated):
        assert loads(dispatcher.answer(message)) is not None
    assert dispatcher.counts.internal_errors == 0


def test_batch(dispatcher: Dispatcher, target: Target) -> None:
    asked = [
        {**request(b"echo", [1]), b"id": 1},
        {**request(b"update", [1, 2, 3]), b"id": 2},
        {"method": "echo", "params": {"value": 3}, "id": "3"},
        {**request(b"nope", [1]), b"id": 4},
        {**request(b"fail", [5]), b"id": 5},
        6,
        None,
        {**request(b"echo", [{b"Fmethod": b"Fmethod"}]), b"id": 7},
    ]
    answers = loads(dispatcher.answer(dumps(asked)))
    assert [answer[b"id"] for answer in answers] == [1, 2, "3", 4, 5, None, None, 7]
    assert [answer.get(b"result", "error") for answer in answers] == [
        *(1, "error", 3, "error", "error", "error", "error"),
        {b"Fmethod": b"Fmethod"},
    ]
    assert target.calls == [("echo", 1), ("echo", 3), ("echo", {b"Fmethod": b"Fmethod"})]


NESTED = [
    ("80", []),
    ("9f ff", []),
    ("81 80", [[]]),
    ("82 R 81 R", [0, [0]]),
    ("9f R 9f R R ff 80 R ff", [0, [0, 0], [], 0]),
    ("83 82 R R R 81 81 R", [[0, 0], 0, [[0]]]),
    ("98 02 R R", [0, 0]),
]


@pytest.mark.parametrize(("asked", "shape"), NESTED)
def test_lists_in_a_batch(asked: str, shape: list[Any], dispatcher: Dispatcher) -> None:
    one = dumps(request(b"echo", [0]))
    answer = loads(dispatcher.answer(bytes.fromhex(asked.replace("R", one.hex()))))

    def shape_of(value: Any) -> Any:
        return [shape_of(item) for item in value] if isinstance(value, list) else value[b"result"]

    assert shape_of(answer) == shape


def test_a_batch_is_answered_in_pieces(dispatcher: Dispatcher, target: Target) -> None:
    message = dumps([request(b"echo", [number]) for number in range(5)])
    assert dispatcher.is_batch(message)
    assert not dispatcher.is_batch(dumps(request(b"now", [])))
    assert not dispatcher.is_batch(b"")
    pieces = []
    most_at_once = 0
    for piece in dispatcher.batch(message):
        pieces.append(piece)
        most_at_once = max(most_at_once, len(target.calls) - sum(map(bool, pieces[1:])))
    assert [call[1] for call in target.calls] == list(range(5))
    assert most_at_once <= 1
    assert b"".join(pieces) == dispatcher.answer(message)


def test_a_batch_that_is_too_long(target: Target, caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = Dispatcher(target.methods, limits=Limits(max_batch=3))
    one = dumps(request(b"echo", [0]))
    assert len(loads(dispatcher.answer(b"\x83" + 3 * one))) == 3
    assert len(target.calls) == 3
    # Lists in the list count too: they take as much memory.
    for message in (b"\x84" + 4 * one, b"\x9f" + 4 * one + b"\xff", b"\x83\x82" + 4 * one):
        said = error_of(dispatcher.answer(message, "somebody"), None)
        assert said == "a batch of more than 3 requests"
        assert caplog.records[-1].getMessage() == f"somebody: a message is refused: {said}"
    assert error_of(dispatcher.answer(b"\x98\xc8" + 200 * b"\x80"), None)
    assert len(target.calls) == 3
    assert dispatcher.counts.batches_too_long == len(caplog.records) == 4


def test_the_answers_to_a_batch_have_a_limit(
    target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    dispatcher = Dispatcher(target.methods, limits=Limits(max_frame=2000))
    message = dumps([{**request(b"echo", [bytes(900)]), b"id": number} for number in range(5)])
    answers = loads(dispatcher.answer(message, "somebody"))
    assert [answer[b"id"] for answer in answers] == list(range(5))
    assert [b"result" in answer for answer in answers] == [True, True, True, False, False]
    said = b"the answers to the batch are over 2000 bytes"
    assert answers[3][b"error"] == answers[4][b"error"] == {b"message": said}
    # What is answered with an error was not called.
    assert len(target.calls) == 3
    assert dispatcher.counts.batches_cut == 1
    (record,) = caplog.records
    assert record.getMessage() == "somebody: the answers to a batch are over 2000 bytes"


def test_encode_request(dispatcher: Dispatcher) -> None:
    message = encode_request(300, "echo", [("a", b"b")])
    assert loads(message) == {b"method": b"echo", b"id": 300, b"params": [("a", b"b")]}
    assert loads(dispatcher.answer(message)) == {b"id": 300, b"result": ("a", b"b")}


def test_two_methods_of_one_name(target: Target) -> None:
    with pytest.raises(ValueError, match="two methods are named 'now'"):
        Dispatcher([*target.methods, Method("now", target.now, ())])
