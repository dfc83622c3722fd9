"""The client and limits: large and deep answers, slow ones, refusals; and forked processes."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from goordinate.cborrpc.client import Client, RemoteError
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.errors import EncodeError
from goordinate.cborrpc.framing import frame
from goordinate.cborrpc.heads import MAX_DEPTH
from goordinate.cborrpc.limits import ANSWERS, MAX_FRAME, Limits
from goordinate.cborrpc.requests import Method, Parameter
from goordinate.cborrpc.shown import shown
from goordinate.cborrpc.tags import Encoded, Tag
from goordinate.tests.cborrpc.serving import in_a_thread
from goordinate.tests.cborrpc.test_client import Scripted, listening, receive, waits

__all__ = ["listening", "waits"]


def echo(value: object) -> object:
    return value


def large(size: Any) -> object:
    return bytes(size)


def deep(levels: Any) -> object:
    return Encoded(b"\x81" * levels + b"\x01")


METHODS = [Method(call.__name__, call, (Parameter("value"),)) for call in (echo, large, deep)]


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """Where a server with the default limits is."""
    with in_a_thread(METHODS) as address:
        yield address


@pytest.fixture
def client(address: tuple[str, int]) -> Iterator[Client]:
    with Client(address, retries=0) as client:
        yield client


def test_an_answer_may_be_larger_than_a_request(client: Client) -> None:
    assert len(client.call("large", MAX_FRAME + 1)) == MAX_FRAME + 1


def test_the_largest_answer_of_a_server_with_default_limits_is_taken() -> None:
    """By numbers: it would take a gigabyte."""
    limits = Limits()
    errors = limits.max_batch * 100 + limits.max_frame  # for the rest of a batch, with their ids
    assert limits.max_frame + limits.max_answer + limits.max_frame + errors < ANSWERS.max_frame
    assert limits.max_depth < ANSWERS.max_depth


def test_an_answer_may_be_deeper_than_a_request(client: Client) -> None:
    # As deep as the data of a unit can be in a request, with what get_work puts around it.
    answer = client.call_many([("deep", [MAX_DEPTH + 10])])
    levels = 0
    while isinstance(answer, list):
        (answer,) = answer
        levels += 1
    assert levels == MAX_DEPTH + 11


@pytest.mark.parametrize("limits", [Limits(max_batch=3), Limits(max_depth=20)])
def test_the_reason_why_a_batch_is_refused_reaches_the_caller(limits: Limits) -> None:
    calls: list[tuple[str, list[Any]]]
    calls = [("echo", [1]), ("echo", [Encoded(b"\x81" * 30 + b"\x01")]), *[("echo", [3])] * 3]
    reason = "a batch of more than 3 requests|nested deeper than the limit at byte "
    with in_a_thread(METHODS, limits) as address, Client(address, retries=0) as client:
        with pytest.raises(RemoteError, match=reason) as caught:
            client.call_many(calls)
        assert caught.value.method is None
        assert client.call_many(calls[:1]) == [1]


@pytest.mark.parametrize("size", [100_001, 20_000_000])
def test_the_reason_why_a_request_is_refused_reaches_the_caller(size: int) -> None:
    limits = Limits(max_frame=100_000)
    with (
        in_a_thread(METHODS, limits) as address,
        # The connection ends after the answer, so the next call needs a retry.
        Client(address, retries=1, base_retry_seconds=0.01) as client,
    ):
        assert client.call("echo", 1) == 1
        with pytest.raises(RemoteError, match=r"^a frame of more than 100000 bytes$") as caught:
            client.call("echo", bytes(size))
        assert caught.value.method == "echo"
        with pytest.raises(RemoteError, match=r"^a frame of more than 100000 bytes$"):
            client.call_many([("echo", [bytes(size)])])
        assert client.call("echo", 2) == 2


def test_a_reason_that_came_before_the_connection_was_lost(
    listening: socket.socket, waits: list[float]
) -> None:
    def refuse(connection: socket.socket) -> None:
        """Answer before the request has been sent, and end the connection."""
        connection.recv(1000)
        connection.sendall(frame(dumps({b"id": None, b"error": {b"message": b"too large"}})))

    with (
        Scripted(listening, [refuse]) as server,
        Client(server.address) as client,
        pytest.raises(RemoteError, match="too large"),
    ):
        client.call("echo", bytes(50_000_000))
    assert waits == []


UNREADABLE = [
    Tag(2, "text"),
    Tag(3, [1]),
    Tag(24, b"\xff"),
    Tag(24, b"\x01\x02"),
    Tag(37, b"abc"),
    Tag(128, b"x"),
    Encoded(b"\xa1\x80\x01"),
    Encoded(b"\xff"),
    Encoded(b"\x01\x02"),
    Encoded(b""),
    {"a": [{"b": Tag(37, b"abc")}]},
    Encoded(b"\x81" * MAX_DEPTH + b"\x01"),
]


@pytest.mark.parametrize("value", UNREADABLE, ids=lambda value: shown(value, 30))
def test_what_cannot_be_read_again_is_not_sent(value: object, client: Client) -> None:
    reason = re.escape("what would be sent cannot be read again: ")
    with pytest.raises(EncodeError, match=reason):
        client.call("echo", value)
    with pytest.raises(EncodeError, match=reason):
        client.call_many([("echo", [1]), ("echo", [value])])
    assert client._sock is None


def test_tags_that_can_be_read_are_sent(client: Client) -> None:
    for value in (Tag(0, "2015-01-01"), Tag(2, b"\x01" * 20), Tag(24, b"\x01"), Tag(128, [1])):
        client.call("echo", value)


TIMEOUT = 2.0
PIECES = 16


def test_an_answer_that_comes_steadily_may_take_longer_than_the_timeout(
    listening: socket.socket,
) -> None:
    def steady(connection: socket.socket) -> None:
        request = receive(connection)
        answer = frame(dumps({b"id": request[b"id"], b"result": bytes(1_000_000)}))
        size = len(answer) // PIECES + 1
        for begin in range(0, len(answer), size):
            time.sleep(TIMEOUT / 8)
            connection.sendall(answer[begin : begin + size])
        assert connection.recv(1) == b""

    with (
        Scripted(listening, [steady]) as server,
        Client(server.address, timeout=TIMEOUT) as client,
    ):
        assert len(client.call("anything")) == 1_000_000


def test_a_request_that_is_taken_steadily_may_take_longer_than_the_timeout(
    listening: socket.socket,
) -> None:
    size = 20_000_000

    def steady(connection: socket.socket) -> None:
        received = 0
        while received < size:
            received += len(connection.recv(size // PIECES))
            time.sleep(TIMEOUT / 8)
        connection.sendall(frame(dumps({b"id": 1, b"result": 1})))
        assert connection.recv(1) == b""

    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 200_000)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
    with (
        Scripted(listening, [steady]) as server,
        Client(server.address, timeout=TIMEOUT, retries=0) as client,
    ):
        assert client.call("anything", bytes(size)) == 1


def test_a_forked_child_has_a_connection_of_its_own(client: Client) -> None:
    """In one connection, a process could read the answer to another's call."""
    assert client.call("echo", 0) == 0
    assert client._sock is not None
    ours = client._sock.getsockname()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            wrong = [number for number in range(-200, 0) if client.call("echo", number) != number]
            assert client._sock is not None
            told = not wrong and client._sock.getsockname() != ours
            os.write(writing, b"1" if told else b"0")
        finally:
            os._exit(0)
    os.close(writing)
    for number in range(200):
        assert client.call("echo", number) == number
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"1"
    os.waitpid(child, 0)
    assert client._sock.getsockname() == ours
