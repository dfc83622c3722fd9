"""What calls did is made safe before their answers leave."""

from __future__ import annotations

import logging

import gevent
import pytest
from gevent.event import Event
from gevent.queue import Queue

from goordinate.cborrpc.framing import frame
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.server import Server
from goordinate.tests.cborrpc.serving import DEADLINE, LARGE, Methods, Peer, Start, request


class Journal:
    """Its `settle` waits until the test lets it go on, and knows what had been called by then."""

    def __init__(self, methods: Methods) -> None:
        self._methods = methods
        #: For each `settle` that waits: how many calls came before, and what lets it go on.
        self.waiting: Queue[tuple[int, Event]] = Queue()

    def settle(self) -> None:
        """Wait."""
        go_on = Event()
        self.waiting.put((len(self._methods.counted), go_on))
        go_on.wait()


@pytest.fixture
def journal(methods: Methods) -> Journal:
    return Journal(methods)


def nothing_arrives(peer: Peer) -> bool:
    """Whether no byte comes, while the server has every opportunity to send some."""
    with gevent.Timeout(0.05, False):
        peer.receive(1)
        return False
    return True


def test_no_byte_of_an_answer_leaves_before_settle_returns(start: Start, journal: Journal) -> None:
    server = start(settle=journal.settle)
    with Peer(server) as peer:
        for number, work in enumerate(
            (
                frame(request("count", 1)),
                frame(request("count", 2)) * 3,
                frame(b"\x82" + 2 * request("count", 3)),
            )
        ):
            peer.send(work)
            called, go_on = journal.waiting.get()
            assert called == [1, 4, 6][number]
            assert nothing_arrives(peer)
            go_on.set()
            for _ in range([1, 3, 1][number]):
                assert peer.answer()
        assert journal.waiting.empty()


def test_each_piece_of_many_answers_is_settled(start: Start, journal: Journal) -> None:
    with Peer(start(settle=journal.settle)) as peer:
        peer.send((frame(request("large", 200_000)) + frame(request("count", 1))) * 4)
        for number in (3, 4, 1):
            _, go_on = journal.waiting.get()
            assert nothing_arrives(peer)
            go_on.set()
            for _ in range(number):
                assert peer.answer()


def test_answers_stay_in_order_when_settle_waits(start: Start, journal: Journal) -> None:
    def in_any_order() -> None:
        waiting = [journal.waiting.get()[1]]
        while True:
            gevent.sleep(0.001)
            while not journal.waiting.empty():
                waiting.append(journal.waiting.get()[1])
            if not waiting:
                waiting.append(journal.waiting.get()[1])
            waiting.pop().set()

    going_on = gevent.spawn(in_any_order)
    server = start(settle=journal.settle)
    with Peer(server) as one, Peer(server) as two:
        for number in range(50):
            for peer in (one, two):
                peer.ask("echo", number, number)
                if number % 3 == 0:
                    gevent.sleep(0)
        for peer in (one, two):
            assert [peer.answer()[b"id"] for _ in range(50)] == list(range(50))
    going_on.kill()


def test_others_are_served_while_settle_waits(start: Start, methods: Methods) -> None:
    held = Event()

    def settle() -> None:
        if b"hold" in methods.counted:
            methods.counted.clear()
            held.wait()

    server = start(settle=settle)
    with Peer(server) as waiting, Peer(server) as other:
        waiting.ask("count", b"hold", 7)
        for number in range(100):
            assert other.call("echo", number) == number
        assert nothing_arrives(waiting)
        held.set()
        assert waiting.answer()[b"id"] == 7


@pytest.mark.parametrize("fault", [ZeroDivisionError("no"), OSError(28, "No space left on device")])
def test_when_settle_raises_no_answer_is_sent(
    fault: Exception, start: Start, methods: Methods, caplog: pytest.LogCaptureFixture
) -> None:
    def settle() -> None:
        if b"lost" in methods.counted:
            methods.counted.clear()
            raise fault

    server = start(settle=settle)
    with Peer(server) as peer, Peer(server) as other:
        assert peer.call("count", 1) == 1
        peer.send(frame(request("count", b"lost")) * 3)
        assert peer.rest() == b""
        assert other.call("count", 2) == 2
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().endswith(
        ": closing the connection: what its calls did is not safe, so they get no answer"
    )
    assert record.exc_info is not None
    assert record.exc_info[1] is fault
    assert server.counts.internal_errors == 1


def test_answers_that_wait_for_settle_count_as_memory(start: Start, journal: Journal) -> None:
    server = start(settle=journal.settle, limits=Limits(max_buffered=LARGE))
    with Peer(server) as one, Peer(server) as two:
        one.ask("large", LARGE * 3 // 4)
        journal.waiting.get()
        two.ask("large", LARGE // 2)
        assert one.rest() == b""
        _, go_on = journal.waiting.get()
        go_on.set()
        assert two.answer()
    assert server.counts.buffers_full == 1
    while server.connections:
        gevent.sleep(0.001)
    assert server._buffers._total == 0


def test_stop_waits_for_settle(start: Start, journal: Journal) -> None:
    server: Server = start(settle=journal.settle)
    with Peer(server) as peer:
        peer.ask("count", 1)
        _, go_on = journal.waiting.get()
        stopping = gevent.spawn(server.stop, DEADLINE)
        gevent.sleep(0.01)
        go_on.set()
        assert peer.answer()[b"result"] == 1
        stopping.get()
