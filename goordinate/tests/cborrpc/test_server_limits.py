"""What one client may take of the server, and what happens to it beyond that; the others are
served all the while."""

from __future__ import annotations

import errno
import logging
import re
import socket as plain_socket
import time

import gevent
import pytest
from gevent import socket

from goordinate.cborrpc.framing import frame
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.messages import Dispatcher
from goordinate.cborrpc.server import Access, Server, listener
from goordinate.cborrpc.tags import Encoded
from goordinate.tests.cborrpc.serving import (
    ASKED,
    DEADLINE,
    HUGE,
    Methods,
    Peer,
    Start,
    is_served,
    request,
)

SOON = 0.2
"""Seconds of the limits of time here; a test waits for them, so they are short."""


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, without who it was about."""
    return [record.getMessage().partition(": ")[2] for record in caplog.records]


def is_reset(server: Server, source: str | None = None) -> bool:
    """Whether the server resets a new connection (from an address), without a byte."""
    try:
        with Peer(server, source=source) as peer:
            peer.receive(1)
    except ConnectionResetError:
        return True
    return False


def wait_until_alone(server: Server) -> None:
    """Wait for all connections to be gone."""
    while server.connections:
        gevent.sleep(0.001)


@pytest.mark.parametrize("size", [2**31, 2**32, 2**64 - 1])
def test_a_frame_that_is_too_large_is_refused_at_its_head(
    size: int, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(limits=Limits(max_frame=1024))
    with Peer(server) as peer:
        peer.send(ASKED + b"\xd8\x18\x5b" + size.to_bytes(8, "big"))
        peer.answer()
        # Not a byte of its content has been sent.
        assert peer.answer() == {
            b"id": None,
            b"error": {b"message": b"a frame of more than 1024 bytes"},
        }
    wait_until_alone(server)
    assert messages(caplog) == ["closing the connection: a frame of more than 1024 bytes"]
    assert server.counts.frames_too_large == 1
    assert server.counts.frames_malformed == 0


def test_a_frame_that_is_not_finished_in_time(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(limits=Limits(frame_timeout=SOON))
    with Peer(server) as peer, Peer(server) as other:
        started = time.monotonic()
        peer.send(ASKED + ASKED[:10])
        peer.answer()
        # A few bytes more do not begin the time again.
        more = iter(ASKED[10:-1])
        while not caplog.records:
            peer.send(bytes([next(more)]))
            assert other.call("echo", 1) == 1
            gevent.sleep(SOON / 10)
        assert peer.rest() == b""
        assert SOON / 2 < time.monotonic() - started < DEADLINE / 2
        assert other.call("echo", 2) == 2
    assert messages(caplog) == [
        f"closing the connection: a frame arrives too slowly, the timeout is {SOON:g} s"
    ]
    assert server.counts.frames_unfinished == 1


def test_a_frame_that_comes_slowly_but_in_time_is_answered(start: Start) -> None:
    server = start(limits=Limits(frame_timeout=DEADLINE / 2))
    with Peer(server) as peer:
        for byte in ASKED + ASKED:
            peer.send(bytes([byte]))
            gevent.sleep(0.001)
        assert peer.answer() == peer.answer()
    assert server.counts.frames_unfinished == 0


def test_the_time_of_a_frame_begins_with_each_frame(start: Start) -> None:
    server = start(limits=Limits(frame_timeout=5 * SOON))
    with Peer(server) as peer:
        # Each chunk ends one frame and begins the next, for longer than one frame may take.
        peer.send(ASKED[:20])
        for _ in range(8):
            gevent.sleep(SOON)
            peer.send(ASKED[20:] + ASKED[:20])
            peer.answer()
    assert server.counts.frames_unfinished == 0


def test_idle_connections_are_never_cut_off(start: Start) -> None:
    server = start(limits=Limits(frame_timeout=SOON / 4, answer_timeout=SOON / 4))
    with Peer(server) as new, Peer(server) as used:
        assert used.call("echo", 1) == 1
        gevent.sleep(SOON)
        assert (new.call("echo", 2), used.call("echo", 3)) == (2, 3)


def test_an_answer_that_is_not_read_in_time(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    server = start(limits=Limits(answer_timeout=SOON))
    with Peer(server) as peer, Peer(server) as other:
        peer.ask("large", HUGE)
        peer.receive(1)
        while not caplog.records:
            assert other.call("echo", 1) == 1
            gevent.sleep(SOON / 10)
        # Not an end, behind which the system would keep what is unsent, but a reset.
        with pytest.raises(ConnectionResetError):
            peer.drain()
    said = f"closing the connection: an answer is read too slowly, the timeout is {SOON:g} s"
    assert messages(caplog) == [said]
    assert server.counts.answers_unread == 1
    wait_until_alone(server)


def test_of_frames_that_are_too_much_together_the_largest_goes(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(limits=Limits(max_buffered=1_000_000))
    whole = frame(request("echo", bytes(500_000)))
    with Peer(server) as first, Peer(server) as second, Peer(server) as third:
        first.send(whole[:300_000])
        second.send(whole[:400_000])
        third.send(whole[:200_000])
        while sum(each._reader.pending for each in server._connections) < 900_000:
            gevent.sleep(0.001)
        third.send(whole[200_000:350_000])
        assert second.rest() == b""
        first.send(whole[300_000:])
        third.send(whole[350_000:])
        assert len(first.answer()[b"result"]) == len(third.answer()[b"result"]) == 500_000
    said = "closing the connection: it holds 400000 of the 1000000 bytes that all may hold"
    assert messages(caplog) == [said]
    assert server.counts.buffers_full == 1
    wait_until_alone(server)
    assert server._buffers._total == 0


def test_of_answers_that_are_too_much_together_the_largest_goes(start: Start) -> None:
    server = start(limits=Limits(max_buffered=HUGE))
    with Peer(server) as first, Peer(server) as second, Peer(server) as other:
        first.ask("large", HUGE - 1_000_000)
        first.receive(1)
        second.ask("large", HUGE // 2)
        assert len(second.answer()[b"result"]) == HUGE // 2
        assert len(first.rest()) < HUGE - 1_000_000
        assert other.call("echo", 1) == 1
        # One that is too much alone goes alone.
        second.ask("large", HUGE * 2)
        assert len(second.rest()) < HUGE
        assert other.call("echo", 2) == 2
    assert server.counts.buffers_full == 2
    wait_until_alone(server)
    assert server._buffers._total == 0


def test_connections_beyond_the_limit_are_reset_and_the_others_served(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(limits=Limits(max_connections=2))
    with Peer(server) as one, Peer(server) as two:
        assert (one.call("echo", 1), two.call("echo", 2)) == (1, 2)
        for _ in range(5):
            assert is_reset(server)
        assert (one.call("echo", 3), two.call("echo", 4)) == (3, 4)
        assert server.connections == 2
    assert messages(caplog) == ["connection refused: the limit of 2 connections is reached"] * 5
    assert server.counts.connections_refused == 5
    assert server.counts.connections_accepted == 2
    wait_until_alone(server)
    assert is_served(server)


def test_a_burst_of_connections_does_not_pass_the_limit(start: Start) -> None:
    server = start(limits=Limits(max_connections=10))
    # These block, so the server cannot accept any before all are there.
    clients = [plain_socket.create_connection(server.address, DEADLINE) for _ in range(50)]
    while server.counts.connections_refused < 40:
        gevent.sleep(0.001)
    assert server.connections == 10
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("allow", "deny", "admitted"),
    [
        ([], [], ["127.0.0.1", "127.0.0.9"]),
        (["127.0.0.1"], [], ["127.0.0.1"]),
        (["10.0.0.0/8", "127.0.0.8/31"], [], ["127.0.0.9"]),
        (["::1"], [], []),
        ([], ["127.0.0.1"], ["127.0.0.9"]),
        (["127.0.0.0/8"], ["127.0.0.0/29"], ["127.0.0.9"]),
        ([], ["0.0.0.0/0", "::/0"], []),
    ],
)
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_only_who_is_admitted_is_served(
    host: str,
    allow: list[str],
    deny: list[str],
    admitted: list[str],
    start: Start,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = start(host, access=Access(allow, deny))
    denied = 0
    for source in ("127.0.0.1", "127.0.0.9"):
        if source in admitted:
            with Peer(server, source=source) as peer:
                assert peer.call("echo", 1) == 1
        else:
            assert is_reset(server, source)
            denied += 1
            said = caplog.records[-1].getMessage()
            assert said.startswith(f"{source}:")
            assert said.endswith(": connection denied: not from an allowed network")
    assert server.counts.connections_denied == denied == len(caplog.records)


def test_access_by_ipv6() -> None:
    access = Access(["fd00::/8", "fe80::/10", "10.0.0.0/8"], ["fd00:bad::/32"])
    hosts = ["fd00::1", "fd00:bad::1", "2001:db8::1", "fe80::1%eth0", "::ffff:10.1.1.1", "11.1.1.1"]
    assert [access.admits(host) for host in hosts] == [True, False, False, True, True, False]


@pytest.mark.parametrize("network", ["host", "10.0.0.1/8", "1.2.3.4/33"])
def test_what_is_no_network(network: str) -> None:
    with pytest.raises(ValueError, match=re.escape(network)):
        Access([network])


def test_limits_may_change_while_it_runs(start: Start) -> None:
    limits = Limits(max_connections=1)
    server = start(limits=limits)
    with Peer(server) as one:
        assert one.call("echo", 1) == 1
        assert is_reset(server)
        limits.change(Limits(max_connections=2))
        with Peer(server) as two:
            assert two.call("echo", bytes(3000)) == bytes(3000)
            # Connections that are open obey a change too, and stay.
            limits.change(Limits(max_connections=1, max_frame=2000))
            assert (one.call("echo", 3), two.call("echo", 4)) == (3, 4)
            assert is_reset(server)
            two.ask("echo", bytes(3000))
            assert b"error" in two.answer()
        server.restrict(Access(deny=["127.0.0.1"]))
        assert is_reset(server)
        assert one.call("echo", 5) == 5


def test_one_change_of_the_limits_is_seen_by_all_that_obey_them(
    start: Start, methods: Methods
) -> None:
    limits = Limits()
    server = start(dispatcher=Dispatcher(methods.table, limits=limits), limits=limits)
    batch = frame(b"\x83" + 3 * request("echo", 1))
    with Peer(server) as peer, Peer(server) as slow:
        peer.send(batch)
        assert len(peer.answer()) == 3
        assert slow.call("echo", 1) == 1
        limits.change(Limits(max_batch=2, max_depth=20, frame_timeout=SOON, max_buffered=2000))
        peer.send(batch)
        assert b"error" in peer.answer()
        peer.ask("echo", Encoded(b"\x81" * 30 + b"\x01"))
        assert b"error" in peer.answer()
        slow.send(frame(request("echo", 1))[:-1])
        assert slow.rest() == b""
        peer.send(frame(bytes(5000))[:4000])
        assert peer.rest() == b""
    counts = server.dispatcher.counts
    assert (counts.batches_too_long, counts.messages_too_deep) == (1, 1)
    assert (server.counts.frames_unfinished, server.counts.buffers_full) == (1, 1)


class FullTable:
    """A listening socket on a system that has no descriptor left, as long as it is told so."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.full = True
        self.asked = 0

    def accept(self) -> object:
        """Fail, or accept."""
        self.asked += 1
        if self.full:
            raise OSError(errno.EMFILE, "Too many open files")
        return self._real.accept()

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


@pytest.fixture
def short_pause(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(listener, "PAUSE", SOON / 4)
    return SOON / 4


def test_accepting_pauses_when_there_is_no_descriptor_and_goes_on_later(
    start: Start, caplog: pytest.LogCaptureFixture, short_pause: float
) -> None:
    server = start()
    assert server._listener is not None
    with Peer(server) as other:
        assert other.call("echo", 1) == 1
        table = server._listener.socket = FullTable(server._listener.socket)
        started = time.monotonic()
        with Peer(server) as waiting:
            waiting.send(ASKED)
            while table.asked < 3:
                assert other.call("echo", 2) == 2
            # It tried after each pause and not in between.
            assert time.monotonic() - started >= 2 * short_pause * 0.9
            table.full = False
            assert waiting.answer()
        assert other.call("echo", 3) == 3
    assert server.counts.accept_pauses >= 3
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (
            logging.ERROR,
            f"cannot accept connections, trying again every {short_pause:g} s: Too many open files",
        ),
        (logging.WARNING, "accepting connections again"),
    ]


def test_stopping_while_accepting_pauses(start: Start, short_pause: float) -> None:
    server = start()
    assert server._listener is not None
    table = server._listener.socket = FullTable(server._listener.socket)
    with Peer(server) as waiting:
        while not table.asked:
            gevent.sleep(0.001)
        server.stop()
        with pytest.raises(ConnectionResetError):
            waiting.receive(1)
        gevent.sleep(2 * short_pause)
    with pytest.raises(ConnectionRefusedError):
        Peer(server)


def test_hosts_that_are_gone_are_noticed(start: Start) -> None:
    server = start()
    with Peer(server) as peer:
        peer.call("echo", 1)
        (served,) = server._connections
        option = served._sock.getsockopt
        assert option(plain_socket.SOL_SOCKET, plain_socket.SO_KEEPALIVE)
        assert option(plain_socket.IPPROTO_TCP, plain_socket.TCP_NODELAY)
        for name, value in listener.KEEPALIVE.items():
            assert option(plain_socket.IPPROTO_TCP, getattr(plain_socket, name)) == value


@pytest.mark.parametrize("form", ["pipelined", "batch"])
def test_a_hundred_thousand_requests_delay_another_little(
    form: str, start: Start, methods: Methods
) -> None:
    server = start()
    one, number = request("count", 0), 100_000
    if form == "pipelined":
        work = frame(one) * number
    else:
        work = frame(b"\x9a" + number.to_bytes(4, "big") + one * number)

    with Peer(server) as busy, Peer(server) as other:
        # Null ends the connection when all has been answered.
        gevent.spawn(busy.send, work + b"\xf6")
        reading = gevent.spawn(busy.rest)
        waits = []
        while len(methods.counted) < number:
            before = len(methods.counted)
            assert other.call("echo", 1) == 1
            waits.append(len(methods.counted) - before)
        # Each call of the other waited for what one client may do in a turn, no more.
        assert max(waits) < number / 20
        assert len(reading.get()) > number


@pytest.mark.parametrize("sent", [b"", ASKED * 3])
def test_what_arrives_in_part_costs_no_more_than_has_arrived(sent: bytes, start: Start) -> None:
    server = start()
    with Peer(server) as peer:
        peer.send(sent + b"\xd8\x18\x5a\x03\xff\xff\xff" + bytes(1000))
        while not (server._connections and next(iter(server._connections))._reader.pending > 1000):
            gevent.sleep(0.001)
        (served,) = server._connections
        assert served._reader._buffer.__sizeof__() < 3000
