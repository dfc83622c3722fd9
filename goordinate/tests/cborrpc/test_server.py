"""The server over real sockets, on a free port: literal bytes where that is possible.

The clients are greenlets of the same process; a deadline is on every test.
"""

from __future__ import annotations

import logging
import socket as plain_socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent import socket

from goordinate.cborrpc import server as server_module
from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.messages import Dispatcher, Method, Parameter
from goordinate.cborrpc.server import Server
from goordinate.cborrpc.tags import Encoded

DEADLINE = 30.0
"""Seconds after which a test gives up; a good run never comes near."""

# The first example of the protocol's description: list_work_specs({}) is ([], None).
ASKED = bytes.fromhex(
    "d818 5825 a3 46706172616d73 81a0 426964 01 466d6574686f64 4f6c6973745f776f726b5f7370656373"
)
ANSWERED = bytes.fromhex("d818 51 a2 426964 01 46726573756c74 d880 82 80 f6")

LARGE = 8 * 2**20
"""Bytes, more than are read or sent at once."""

HUGE = 64 * 2**20
"""Bytes, more than the system takes for a client that does not read."""


class Methods:
    """What is served, and how often each number was counted."""

    def __init__(self) -> None:
        self.counted: list[object] = []
        table = {"list_work_specs": self.list_work_specs, "echo": self.echo, "large": self.large}
        table |= {"busy": self.busy}
        self.dispatcher = Dispatcher(
            Method(name, call, (Parameter("value"),)) for name, call in table.items()
        )

    def list_work_specs(self, options: object) -> object:
        return [], None

    def echo(self, value: object) -> object:
        return value

    def large(self, length: Any) -> object:
        return Encoded(dumps(bytes(length)))

    def busy(self, value: object) -> object:
        """Takes two milliseconds."""
        end = time.perf_counter() + 0.002
        while time.perf_counter() < end:
            pass
        self.counted.append(value)
        return value


@pytest.fixture(autouse=True)
def deadline() -> Iterator[None]:
    with gevent.Timeout(DEADLINE):
        yield


@pytest.fixture
def methods() -> Methods:
    return Methods()


Start = Callable[..., Server]


@pytest.fixture
def start(methods: Methods) -> Iterator[Start]:
    """A function that starts a server on a free port."""
    servers: list[Server] = []

    def start(host: str = "127.0.0.1", dispatcher: Any = None, **options: Any) -> Server:
        server = Server((host, 0), dispatcher or methods.dispatcher, **options)
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop(0)


class Peer:
    """A client that sends bytes and takes apart what comes back."""

    def __init__(self, server: Server, host: str = "127.0.0.1") -> None:
        self.sock = socket.create_connection((host, server.port))
        self._reader = FrameReader()
        self._answers: list[bytes] = []

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def ask(self, method: str, value: object, request_id: object = 1) -> None:
        self.send(frame(request(method, value, request_id)))

    def receive(self, most: int) -> bytes:
        """What comes next, no more than so many bytes."""
        chunk: bytes = self.sock.recv(most)
        assert chunk, "the server closed the connection"
        return chunk

    def answer(self) -> Any:
        """The next answer."""
        while not self._answers:
            self._answers += self._reader.feed(self.receive(1 << 16))
        return loads(self._answers.pop(0))

    def call(self, method: str, value: object) -> Any:
        self.ask(method, value)
        return self.answer()[b"result"]

    def rest(self) -> bytes:
        """All that comes until the server closes the connection."""
        received = b""
        while True:
            try:
                chunk = self.sock.recv(1 << 16)
            except ConnectionResetError:
                return received
            if not chunk:
                return received
            received += chunk


def request(method: str, value: object, request_id: object = 1) -> bytes:
    return dumps({b"params": [value], b"id": request_id, b"method": method.encode()})


def is_served(server: Server) -> bool:
    """Whether a new client gets the answer of the protocol's description."""
    with Peer(server) as peer:
        peer.send(ASKED)
        return peer.receive(len(ANSWERED)) == ANSWERED


def test_literal_bytes(start: Start) -> None:
    with Peer(start()) as peer:
        # whole, byte by byte, and without tag 24
        for pieces in ([ASKED], [ASKED[i : i + 1] for i in range(len(ASKED))], [ASKED[4:]]):
            for piece in pieces:
                peer.send(piece)
                gevent.sleep(0)
            assert peer.receive(len(ANSWERED)) == ANSWERED


@pytest.mark.parametrize(
    ("host", "reached_at"),
    [
        ("127.0.0.1", ["127.0.0.1"]),
        ("localhost", ["127.0.0.1"]),
        ("0.0.0.0", ["127.0.0.1", "127.0.0.2"]),
        ("", ["127.0.0.1", "127.0.0.2"]),
        ("::1", ["::1"]),
        ("::", ["::1", "127.0.0.1"]),
    ],
)
def test_addresses(host: str, reached_at: list[str], start: Start) -> None:
    server = start(host)
    assert server.address[1] == server.port > 0
    for address in reached_at:
        with Peer(server, address) as peer:
            assert peer.call("echo", b"x") == b"x"
            (connection,) = server._connections
            host, port = peer.sock.getsockname()[:2]
            assert connection.peer == (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        while server._connections:
            gevent.sleep(0)


def test_a_port_in_use(start: Start) -> None:
    taken = start()
    with pytest.raises(OSError, match="in use"):
        Server(taken.address, taken.dispatcher).start()


def count_sends(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The list that the length of each send will be added to."""
    sends = []
    original = server_module._Connection._send

    def send(self: server_module._Connection, data: bytes) -> None:
        sends.append(len(data))
        original(self, data)

    monkeypatch.setattr(server_module._Connection, "_send", send)
    return sends


def test_pipelined_requests_are_answered_in_order_and_together(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    sends = count_sends(monkeypatch)
    with Peer(start()) as peer:
        # As many as are read at once.
        peer.send(b"".join(frame(request("echo", n, n)) for n in range(1000)))
        assert [peer.answer() for _ in range(1000)] == [
            {b"id": n, b"result": n} for n in range(1000)
        ]
    assert len(sends) <= 3


def test_many_large_answers_are_sent_in_slices(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    sends = count_sends(monkeypatch)
    with Peer(start()) as peer:
        peer.send(b"".join(frame(request("large", 100_000, n)) for n in range(100)))
        assert [peer.answer()[b"id"] for _ in range(100)] == list(range(100))
    assert max(sends) < server_module.SEND_SIZE + 200_000


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\xff",
        b"\xd8\x18\x01",
        b"\xd8\x18\x5a\x04\x00\x00\x01",  # a byte more than 64 MiB
        frame(b"\xff"),
        frame(b""),
        frame(b"\xa1\x01"),
        frame(request("echo", 1) + b"\x00"),
        b"\x81" * 300,
        frame(b"\x81" * 300),
    ],
)
def test_bad_input_closes_that_connection_only(
    garbage: bytes, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = start()
    with Peer(server) as other, Peer(server) as peer:
        assert other.call("echo", 1) == 1
        host, port = peer.sock.getsockname()
        peer.send(ASKED + garbage + ASKED)
        # What came before it is answered.
        assert peer.rest() == ANSWERED
        assert other.call("echo", 2) == 2
        assert is_served(server)
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert record.getMessage().startswith(f"{host}:{port}: closing the connection: ")


@pytest.mark.parametrize("null", [b"\xf6", frame(b"\xf6")])
def test_null_ends_the_connection(
    null: bytes, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = start()
    with Peer(server) as peer:
        peer.send(ASKED + null + ASKED)
        assert peer.rest() == ANSWERED
    assert is_served(server)
    assert caplog.records == []


@pytest.mark.parametrize("sent", [b"", ASKED, ASKED[:-1], ASKED[:2], ASKED + ASKED[:10]])
@pytest.mark.parametrize("reset", [False, True])
def test_clients_may_go_at_any_time(
    sent: bytes, reset: bool, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = start()
    with Peer(server) as peer:
        peer.send(sent)
        if reset:
            abort = struct.pack("ii", 1, 0)
            peer.sock.setsockopt(plain_socket.SOL_SOCKET, plain_socket.SO_LINGER, abort)
    assert is_served(server)
    while server._connections:
        gevent.sleep(0)
    assert caplog.records == []


def test_a_client_that_goes_while_it_is_answered(start: Start) -> None:
    server = start()
    with Peer(server) as peer:
        peer.ask("large", HUGE)
        peer.receive(1)
    assert is_served(server)
    while server._connections:
        gevent.sleep(0)


class Faulty(Dispatcher):
    """A dispatcher with a fault."""

    def answer(self, message: bytes) -> bytes:
        """Fail for some."""
        if b"echo" in message:
            raise ZeroDivisionError
        return super().answer(message)


def test_an_unexpected_exception_is_logged_and_survived(
    start: Start, methods: Methods, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(dispatcher=Faulty(methods.dispatcher._methods.values()))
    with Peer(server) as peer:
        peer.ask("echo", 1)
        assert peer.rest() == b""
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    assert is_served(server)


def test_a_thousand_connect_at_once(start: Start) -> None:
    server = start()
    # These block, so the server cannot accept any before all are there.
    clients = [plain_socket.create_connection(server.address, DEADLINE) for _ in range(1000)]
    try:
        for client in clients:
            client.sendall(ASKED)
        readers = [
            gevent.spawn(lambda s: (socket.wait_read(s.fileno()), s.recv(100))[1], client)
            for client in clients
        ]
        gevent.joinall(readers, raise_error=True)
        assert {reader.value for reader in readers} == {ANSWERED}
        assert len(server._connections) == 1000
    finally:
        for client in clients:
            client.close()


def test_a_large_answer_to_a_client_that_does_not_read_delays_nobody(start: Start) -> None:
    server = start()
    with Peer(server) as slow, Peer(server) as other:
        slow.send(frame(request("large", LARGE)) * 2 + frame(request("echo", 3)))
        for number in range(100):
            assert other.call("echo", number) == number
        assert len(slow.answer()[b"result"]) == LARGE
        assert len(slow.answer()[b"result"]) == LARGE
        assert slow.answer()[b"result"] == 3


def test_a_client_that_does_not_read_is_not_read_from(start: Start, methods: Methods) -> None:
    server = start()
    with Peer(server) as slow, Peer(server) as other:
        slow.ask("large", HUGE)
        slow.send(b"".join(frame(request("busy", n)) for n in range(10)))
        for number in range(100):
            assert other.call("echo", number) == number
        assert methods.counted == []


def test_a_large_request(start: Start) -> None:
    server = start(max_frame=LARGE)
    with Peer(server) as peer:
        assert peer.call("echo", bytes(LARGE - 100)) == bytes(LARGE - 100)
        with pytest.raises(ConnectionError):
            peer.send(frame(request("echo", bytes(LARGE))) * 2)
    assert is_served(server)


@pytest.mark.parametrize("form", ["pipelined", "batch"])
def test_much_work_for_one_client_delays_another_little(
    form: str, start: Start, methods: Methods
) -> None:
    server = start()
    requests = [request("busy", number, number) for number in range(300)]
    if form == "batch":
        work = frame(b"\x99\x01\x2c" + b"".join(requests))
    else:
        work = b"".join(map(frame, requests))
    with Peer(server) as busy, Peer(server) as other:
        assert other.call("echo", 0) == 0
        busy.send(work)
        done = []
        for number in range(10):
            assert other.call("echo", number) == number
            done.append(len(methods.counted))
        # Each call of the other had to wait for one or two requests of the first.
        assert 0 < done[-1] < 50
        answers = busy.answer() if form == "batch" else [busy.answer() for _ in requests]
        assert [answer[b"result"] for answer in answers] == list(range(300))


def test_stop_answers_what_has_arrived_and_closes_the_rest(
    start: Start, methods: Methods, caplog: pytest.LogCaptureFixture
) -> None:
    server = start()
    with Peer(server) as busy, Peer(server) as idle, Peer(server) as half:
        for peer in (busy, idle, half):
            assert peer.call("echo", 0) == 0
        busy.send(b"".join(frame(request("busy", number, number)) for number in range(30)))
        half.send(frame(request("echo", 1)) + ASKED[:10])
        # This one connects and asks before it can have been accepted.
        late = plain_socket.create_connection(server.address, DEADLINE)
        late.sendall(ASKED)
        stopping = gevent.spawn(server.stop, DEADLINE)
        assert [busy.answer()[b"result"] for _ in range(30)] == list(range(30))
        assert half.answer()[b"result"] == 1
        assert (busy.rest(), idle.rest(), half.rest()) == (b"", b"", b"")
        stopping.get()
        assert late.recv(len(ANSWERED)) == ANSWERED
        late.close()
        assert not server._connections
        with pytest.raises(ConnectionRefusedError):
            Peer(server)
        server.stop()  # once more does no harm
    assert caplog.records == []


def test_stop_is_noticed_by_clients_as_a_lost_connection(start: Start) -> None:
    server = start()
    with Peer(server) as peer:
        assert peer.call("echo", 0) == 0
        server.stop()
        with pytest.raises(ConnectionResetError):
            peer.sock.recv(1)


def test_stop_cuts_off_a_client_that_does_not_read(start: Start) -> None:
    server = start()
    with Peer(server) as slow:
        slow.ask("large", HUGE)
        slow.sock.recv(1)
        started = time.monotonic()
        server.stop(0.1)
        assert time.monotonic() - started < DEADLINE / 2
        assert not server._connections
        assert len(slow.rest()) < HUGE


def test_serve_forever_ends_with_stop(methods: Methods) -> None:
    server = Server(("127.0.0.1", 0), methods.dispatcher)
    serving = gevent.spawn(server.serve_forever)
    gevent.sleep(0)
    assert is_served(server)
    assert not serving.ready()
    server.stop()
    serving.get()


@pytest.mark.parametrize("rpclog", [False, True])
@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_rpclog(rpclog: bool, level: int, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(level, "goordinate.rpc")
    with Peer(start(rpclog=rpclog)) as peer:
        host, port = peer.sock.getsockname()
        assert peer.call("echo", "a\nb") == "a\nb"
        assert len(peer.call("large", 5000)) == 5000
    if not rpclog or level > logging.DEBUG:
        assert caplog.records == []
        return
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:3] == [
        rf"{host}:{port}: request {{b'params': ['a\nb'], b'id': 1, b'method': b'echo'}}",
        rf"{host}:{port}: answer {{b'id': 1, b'result': 'a\nb'}}",
        f"{host}:{port}: request {{b'params': [5000], b'id': 1, b'method': b'large'}}",
    ]
    assert lines[3].endswith(r"\x00...")
    assert len(lines[3]) < 2100
