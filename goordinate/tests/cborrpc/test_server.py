"""The server over real sockets, on a free port: literal bytes where that is possible."""

from __future__ import annotations

import logging
import re
import socket as plain_socket
import struct
import time
from typing import Any

import gevent
import pytest
from gevent import socket

from goordinate.cborrpc.framing import frame
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.messages import Dispatcher
from goordinate.cborrpc.server import Server, connection
from goordinate.tests.cborrpc.serving import (
    ANSWERED,
    ASKED,
    DEADLINE,
    HUGE,
    LARGE,
    Methods,
    Peer,
    Start,
    is_served,
    request,
)


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
            (served,) = server._connections
            host, port = peer.sock.getsockname()[:2]
            assert str(served) == (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        while server._connections:
            gevent.sleep(0)


def test_a_port_in_use(start: Start) -> None:
    taken = start()
    with pytest.raises(OSError, match="in use"):
        Server(taken.address, taken.dispatcher).start()


def count_sends(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The list that the length of each send will be added to."""
    sends = []
    original = connection.Connection._send

    def send(self: connection.Connection, data: bytes) -> None:
        sends.append(len(data))
        original(self, data)

    monkeypatch.setattr(connection.Connection, "_send", send)
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
    assert max(sends) < connection.SEND_SIZE + 200_000


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\xff",
        b"\xd8\x18\x01",
        b"\x81" * 300,
    ],
)
def test_bytes_that_are_no_frame_close_that_connection_only(
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
        assert server.counts.frames_malformed == 1


@pytest.mark.parametrize(
    "message", [b"", b"\xff", b"\xa1\x01", request("echo", 1) + b"\x00", b"\x81" * 300]
)
def test_a_message_that_is_none_is_answered(
    message: bytes, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with Peer(start()) as peer:
        host, port = peer.sock.getsockname()
        peer.send(ASKED + frame(message) + ASKED)
        answers = [peer.answer() for _ in range(3)]
        assert [b"error" in answer for answer in answers] == [False, True, False]
        assert answers[1][b"id"] in (1, None)
        assert peer.call("echo", 2) == 2
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{host}:{port}: a message is refused: ")


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

    def answer(self, message: bytes, *context: Any) -> bytes:
        """Fail for some."""
        if b"echo" in message:
            raise ZeroDivisionError
        return super().answer(message, *context)


def test_an_unexpected_exception_is_logged_and_survived(
    start: Start, methods: Methods, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(dispatcher=Faulty(methods.table))
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
    server = start(limits=Limits(max_frame=LARGE))
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


@pytest.mark.parametrize("number", [1, 100])
def test_stop_does_not_wait_for_clients_that_are_gone(number: int, start: Start) -> None:
    server = start()
    with Peer(server) as there:
        assert there.call("echo", 0) == 0
        for _ in range(number):
            # It blocks, so the server does nothing until the stop.
            gone = plain_socket.create_connection(server.address, DEADLINE)
            gone.sendall(ASKED)
            gone.close()
        started = time.monotonic()
        server.stop(DEADLINE)
        assert time.monotonic() - started < DEADLINE / 4


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
    assert re.search(r"\\x00\.\.\. \(\d+ long\)$", lines[3])
    assert len(lines[3]) < 2100
