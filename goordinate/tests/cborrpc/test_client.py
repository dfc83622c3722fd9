"""The client: against the server in a thread of its own, and against peers that misbehave."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from goordinate.cborrpc.client import Client, RemoteError
from goordinate.cborrpc.decode import loads, opaque_item
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.errors import CBORError, EncodeError, RPCError
from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.requests import Method, Parameter
from goordinate.tests.cborrpc.serving import DEADLINE, in_a_thread


def echo(value: object) -> object:
    return value


def describe(value: object) -> object:
    return type(value).__name__.encode()


def fail(message: Any) -> object:
    raise RPCError(message)


METHODS = [Method(call.__name__, call, (Parameter("value"),)) for call in (echo, describe, fail)]


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """Where a server is, which runs in a thread."""
    with in_a_thread(METHODS) as address:
        yield address


@pytest.fixture
def client(address: tuple[str, int]) -> Iterator[Client]:
    with Client(address) as client:
        yield client


def test_values_come_back_as_they_went(client: Client) -> None:
    for value in (None, 1, -1.5, b"b", "t", [b"a"], ("t", [()]), {b"k": "v"}, {"k": None}):
        assert client.call("echo", value) == value
        assert type(client.call("echo", value)) is type(value)


def test_a_reader_takes_the_results_out_of_the_answers(client: Client) -> None:
    value = {b"k": ["v"]}
    assert client.call("echo", value, read=opaque_item) == dumps(value)
    calls: list[tuple[str, list[object]]] = [("echo", [value]), ("fail", ["no"]), ("echo", [5])]
    first, failed, last = client.call_many(calls, read=opaque_item)
    assert (first, last) == (dumps(value), dumps(5))
    assert isinstance(failed, RemoteError)


def test_text_goes_out_as_text_and_bytes_as_bytes(client: Client) -> None:
    assert client.call("describe", "x") == b"str"
    assert client.call("describe", b"x") == b"bytes"


def test_an_error_response_is_raised_and_the_connection_is_kept(client: Client) -> None:
    with pytest.raises(RemoteError, match=r"^no luck: é$") as caught:
        client.call("fail", "no luck: é")
    assert caught.value.method == "fail"
    sock = client._sock
    with pytest.raises(RemoteError, match="no such method 'nope'"):
        client.call("nope")
    with pytest.raises(RemoteError, match=r"echo\(\) takes \(value\), got 2 parameters"):
        client.call("echo", 1, 2)
    assert client.call("echo", 1) == 1
    assert client._sock is sock


def test_what_cannot_be_encoded_is_not_sent(client: Client) -> None:
    with pytest.raises(EncodeError):
        client.call("echo", object())
    assert client._sock is None


def test_call_many(client: Client) -> None:
    calls: list[tuple[str, list[Any]]] = [("echo", [number]) for number in range(300)]
    calls[5] = ("fail", [b"because"])
    answers = client.call_many(calls)
    error = answers[5]
    assert isinstance(error, RemoteError)
    assert error.method == "fail"
    answers[5] = 5
    assert answers == list(range(300))
    assert client.call_many([]) == []
    assert client.call_many(iter([("echo", (1,))])) == [1]


def test_it_connects_again_after_close(client: Client) -> None:
    assert client.call("echo", 1) == 1
    client.close()
    client.close()
    assert client.call("echo", 2) == 2


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:5932", ("localhost", 5932)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:5932", ("::1", 5932)),
        ("[fe80::1%eth0]:65535", ("fe80::1%eth0", 65535)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert Client(text).address == address
    assert Client(address).address == address


@pytest.mark.parametrize(
    "text",
    ["", "localhost", ":5932", "h:", "h:x", "h:-1", "h:65536", "::1:5932", "[]:1", "h:\u0661"],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="an address is host:port"):
        Client(text)


def test_ipv6() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        port = listening.getsockname()[1]
        with Scripted(listening, [answering()]), Client(f"[::1]:{port}") as client:
            assert client.call("anything") == 1


Script = Callable[[socket.socket], None]


class Scripted:
    """A server that gives each connection in turn to a script, in a thread."""

    def __init__(self, listening: socket.socket, scripts: list[Script]) -> None:
        listening.settimeout(DEADLINE)
        self._listening = listening
        self._scripts = scripts
        self._thread = threading.Thread(target=self._serve)
        self.address = listening.getsockname()[:2]

    def _serve(self) -> None:
        for script in self._scripts:
            connection, _ = self._listening.accept()
            with connection:
                connection.settimeout(DEADLINE)
                script(connection)

    def __enter__(self) -> Scripted:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()


def receive(connection: socket.socket) -> Any:
    """The next request."""
    reader = FrameReader()
    while True:
        chunk = connection.recv(65536)
        assert chunk
        for message in reader.feed(chunk):
            return loads(message)


def answering(*answers: object) -> Script:
    """A script that answers each request: by default one, with 1."""

    def script(connection: socket.socket) -> None:
        for answer in answers or (1,):
            request = receive(connection)
            connection.sendall(frame(dumps({b"id": request[b"id"], b"result": answer})))
        assert connection.recv(1) == b""

    return script


def closing(connection: socket.socket) -> None:
    """Take a request, and close."""
    receive(connection)


def half_an_answer(connection: socket.socket) -> None:
    """Send half an answer, and close."""
    receive(connection)
    connection.sendall(b"\xd8\x18\x50")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between retries, which are not waited for."""
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.mark.parametrize("losing", [closing, half_an_answer])
def test_a_lost_connection_is_tried_again(
    losing: Script, listening: socket.socket, waits: list[float]
) -> None:
    with (
        Scripted(listening, [losing, losing, answering(), losing, answering(2, 3)]) as server,
        Client(server.address) as client,
    ):
        assert client.call("anything") == 1
        assert waits == [0.5, 1.0]
        client.close()
        assert client.call("anything") == 2
        assert client.call("anything") == 3
        assert waits == [0.5, 1.0, 0.5]


def test_a_connection_that_ended_between_calls_is_replaced(
    listening: socket.socket, waits: list[float]
) -> None:
    def once(connection: socket.socket) -> None:
        request = receive(connection)
        connection.sendall(frame(dumps({b"id": request[b"id"], b"result": 1})))

    with (
        Scripted(listening, [once, once]) as server,
        Client(server.address) as client,
    ):
        assert client.call("anything") == 1
        assert client.call("anything") == 1
        assert waits == [0.5]


def test_in_the_end_it_gives_up(waits: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    with Client(address) as client, pytest.raises(ConnectionRefusedError):
        client.call("anything")
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0]
    del waits[:]
    with (
        Client(address, retries=2, base_retry_seconds=0.1) as client,
        pytest.raises(ConnectionRefusedError),
    ):
        client.call_many([("anything", ())])
    assert waits == [0.1, 0.2]
    with Client(address, retries=0) as client, pytest.raises(ConnectionRefusedError):
        client.call("anything")
    assert waits == [0.1, 0.2]


def test_a_late_answer_is_never_the_answer_to_another_call(
    listening: socket.socket, waits: list[float]
) -> None:
    timed_out = threading.Event()

    def late(connection: socket.socket) -> None:
        request = receive(connection)
        assert timed_out.wait(DEADLINE)
        connection.sendall(frame(dumps({b"id": request[b"id"], b"result": "late"})))

    def trickling(connection: socket.socket) -> None:
        request = receive(connection)
        answer = frame(dumps({b"id": request[b"id"], b"result": bytes(100_000)}))
        while not timed_out.is_set():
            connection.sendall(answer[:1])
            answer = answer[1:]
            timed_out.wait(0.001)

    for script in (late, trickling):
        timed_out.clear()
        with (
            Scripted(listening, [script, answering("right")]) as server,
            Client(server.address, timeout=0.1) as client,
        ):
            with pytest.raises(TimeoutError, match=r"no answer within 0\.1 s"):
                client.call("anything")
            timed_out.set()
            assert client.call("anything") == "right"
    assert waits == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\xff",
        frame(b"\xff"),
        frame(dumps(None)),
        frame(dumps([{b"id": 1, b"result": 1}])),
        frame(dumps({b"id": 2, b"result": 1})),
        frame(dumps({b"result": 1})),
        frame(dumps({b"id": 1, b"result": 1})) * 2,
        frame(dumps({b"id": 1, b"result": 1})) + b"\xd8",
        b"\xd8\x18\x5a\x7f\xff\xff\xff",
    ],
)
def test_what_is_no_answer(answer: bytes, listening: socket.socket, waits: list[float]) -> None:
    def script(connection: socket.socket) -> None:
        receive(connection)
        connection.sendall(answer)
        assert connection.recv(1) == b""

    with (
        Scripted(listening, [script, answering()]) as server,
        Client(server.address) as client,
    ):
        with pytest.raises(CBORError):
            client.call("anything")
        assert client.call("anything") == 1
    assert waits == []


@pytest.mark.parametrize("answer", [{}, 1, [], [{b"id": 1, b"result": 1}] * 3, [{b"id": 1}, 1]])
def test_what_is_no_answer_to_a_batch(answer: object, listening: socket.socket) -> None:
    def script(connection: socket.socket) -> None:
        receive(connection)
        connection.sendall(frame(dumps(answer)))
        assert connection.recv(1) == b""

    with (
        Scripted(listening, [script]) as server,
        Client(server.address) as client,
        pytest.raises(CBORError),
    ):
        client.call_many([("anything", []), ("anything", [])])


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ({b"message": b"told \xff"}, r"told \xff"),
        ({b"message": "text"}, "text"),
        (b"odd", "{b'id': 1, b'error': b'odd'}"),
        (None, "{b'id': 1, b'error': None}"),
    ],
)
def test_error_messages(error: object, message: str, listening: socket.socket) -> None:
    def script(connection: socket.socket) -> None:
        receive(connection)
        connection.sendall(frame(dumps({b"id": 1, b"error": error})))
        assert connection.recv(1) == b""

    with Scripted(listening, [script]) as server, Client(server.address) as client:
        with pytest.raises(RemoteError) as caught:
            client.call("anything")
        assert str(caught.value) == message


def run(code: str) -> None:
    """Run code in a Python of its own."""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=DEADLINE)


def test_gevent_is_not_imported() -> None:
    run(
        "import sys, goordinate.cborrpc as c; c.Client('h:1'); c.RemoteError;"
        "assert 'gevent' not in sys.modules"
    )


def test_in_a_process_that_gevent_has_patched_only_the_caller_waits() -> None:
    run(
        "from gevent import monkey; monkey.patch_all()\n"
        "from goordinate.cborrpc import Client\n"
        "from goordinate.cborrpc.messages import Dispatcher, Method\n"
        "from goordinate.cborrpc.server import Server\n"
        "server = Server(('127.0.0.1', 0), Dispatcher([Method('one', lambda: 1, ())]))\n"
        "server.start()\n"
        "with Client(server.address) as client:\n"
        "    assert client.call('one') == 1\n"
        "server.stop()\n"
    )
