"""get_work that waits, over the wire: a server and its clients in one process, in real time."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import gevent
import pytest
from gevent import socket

from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.framing import frame
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.messages import Dispatcher
from goordinate.cborrpc.requests import Method, Wait
from goordinate.cborrpc.server import Server
from goordinate.coordinate.clock import Clock, SteadyClock
from goordinate.coordinate.errors import CoordinateError
from goordinate.jobserver import JobServer
from goordinate.memory import MemoryBackend
from goordinate.memory.namespace import MemoryNamespace
from goordinate.tests.cborrpc.serving import Peer
from goordinate.tests.conformance.clock import Clock as SetClock
from goordinate.tests.jobserver.rpc import AVAILABLE, DONE, FINISHED, NOTHING, PENDING

#: Seconds that the tests have; and a wait that does not end by itself in that time.
DEADLINE = 40.0
LONG = 60


class Queue:
    """A job server behind a socket."""

    def __init__(self, limits: Limits | None = None, clock: Clock | None = None) -> None:
        self.namespace: MemoryNamespace = MemoryBackend(clock or SteadyClock()).namespace("")
        self.job_server = JobServer(self.namespace, configuration=dict, stats=dict)
        self.observed: list[tuple[str, float]] = []
        dispatcher = Dispatcher(
            self.job_server.methods,
            expected=(CoordinateError,),
            observe=lambda name, seconds, _: self.observed.append((name, seconds)),
        )
        self.server = Server(("127.0.0.1", 0), dispatcher, limits=limits)
        self.server.start()
        self._peers: list[Peer] = []
        self.own = self.peer()
        self.call("set_work_spec", {b"name": b"s"})

    def peer(self) -> Peer:
        """One more client."""
        peer = Peer(self.server)
        self._peers.append(peer)
        return peer

    def call(self, method: str, *params: object) -> Any:
        """The answer to a call of the test's own client."""
        return ask(self.own, method, *params)

    def add(self, *keys: bytes, spec: bytes = b"s") -> None:
        assert self.call("add_work_units", spec, [(key, {}) for key in keys]) == DONE

    def waiting(self, spec: bytes | None = None, wait: float = LONG, **options: object) -> Peer:
        """A client that waits for work."""
        peer = self.peer()
        self.wait(peer, spec, wait, **options)
        return peer

    def wait(
        self, peer: Peer, spec: bytes | None = None, wait: float = LONG, **options: object
    ) -> None:
        """Let a client wait for work; returns when it does."""
        given: dict[str, object] = {"wait": wait, **options}
        if spec is not None:
            given["work_spec_names"] = [spec]
        send(peer, "get_work", b"w", given)
        self.settle()

    def settle(self) -> None:
        """Return when everything that was sent has been read."""
        for _ in range(3):
            self.call("now")

    def states(self, spec: bytes = b"s") -> Any:
        counts, _ = self.call("count_work_units", spec)
        return counts

    def stop(self) -> None:
        self.server.stop(0)
        for peer in self._peers:
            peer.sock.close()


def request(method: str, *params: object) -> bytes:
    return dumps({b"params": list(params), b"id": 1, b"method": method.encode()})


def send(peer: Peer, method: str, *params: object) -> None:
    peer.send(frame(request(method, *params)))


def ask(peer: Peer, method: str, *params: object) -> Any:
    send(peer, method, *params)
    return peer.answer()[b"result"]


def key(peer: Peer) -> Any:
    """The key of the unit that a client is given next."""
    (_, found, _), _ = peer.answer()[b"result"]
    return found


def silent(peer: Peer) -> bool:
    """Whether nothing has come."""
    peer.sock.settimeout(0.05)
    try:
        return not peer.sock.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return True
    finally:
        peer.sock.settimeout(None)


@pytest.fixture
def queue() -> Iterator[Queue]:
    """A queue with the work spec "s"."""
    with gevent.Timeout(DEADLINE):
        queue = Queue()
        yield queue
        queue.stop()


# --- what it waits for -------------------------------------------------------------------------


def bring_delayed(queue: Queue) -> None:
    queue.call("update_work_unit", b"s", b"u", {b"status": AVAILABLE, b"delay": 0.3})


def bring_by_interval(queue: Queue) -> None:
    queue.call("set_work_spec", {b"name": b"c", b"continuous": True, b"interval": 1.2})
    assert ask(queue.peer(), "get_work", b"other", {"max_jobs": 1, "wait": 0}) is not None


@pytest.mark.parametrize("by_time", ["lease", "delay", "interval"])
def test_what_time_brings(queue: Queue, by_time: str) -> None:
    queue.add(b"u")
    assert ask(queue.peer(), "get_work", b"w", {"lease_time": 1})[0][1] == b"u"
    peers = [queue.waiting() for _ in range(5)]
    if by_time == "delay":
        bring_delayed(queue)
    elif by_time == "interval":
        queue.call("update_work_unit", b"s", b"u", {b"lease_time": 3600})
        bring_by_interval(queue)
    assert key(peers[0]) is not None
    if by_time != "interval":
        assert queue.states() == {PENDING: 1}
        assert all(silent(peer) for peer in peers[1:])


def test_an_end_that_comes_nearer_while_calls_wait(queue: Queue) -> None:
    queue.add(b"u")
    ask(queue.peer(), "get_work", b"w", {"lease_time": 3600})
    peer = queue.waiting()
    queue.call("update_work_unit", b"s", b"u", {b"lease_time": 0.5})
    assert key(peer) == b"u"


def test_resumed_and_freed(queue: Queue) -> None:
    queue.call("set_work_spec", {b"name": b"s", b"max_running": 1})
    queue.call("control_work_spec", b"s", {b"status": 2})
    queue.add(b"u", b"v")
    first, second = queue.waiting(), queue.waiting()
    assert silent(first)
    queue.call("control_work_spec", b"s", {b"status": 1})
    assert key(first) == b"u"
    assert silent(second)
    queue.call("update_work_unit", b"s", b"u", {b"status": FINISHED})
    assert key(second) == b"v"


def test_nothing_at_the_end(queue: Queue) -> None:
    peer = queue.waiting(wait=0.3)
    assert silent(peer)
    assert peer.answer()[b"result"] == NOTHING
    many = queue.waiting(wait=0.3, max_jobs=2)
    assert many.answer()[b"result"] == ([], None)


@pytest.mark.parametrize("options", [{"wait": 0}, {"wait": None}, {}, {"wait": 5, "max_jobs": 0}])
def test_calls_that_do_not_wait(queue: Queue, options: dict[str, object]) -> None:
    started = time.monotonic()
    (nothing, _) = ask(queue.own, "get_work", b"w", options)
    assert nothing in ((None, None, None), [])
    assert time.monotonic() - started < 4


def test_a_call_that_names_too_much_does_not_wait(queue: Queue) -> None:
    names = [b"%d" % number for number in range(1001)]
    assert ask(queue.own, "get_work", b"w", {"wait": LONG, "work_spec_names": names}) == NOTHING
    assert ask(queue.own, "get_work", b"w", {"wait": LONG, "runtimes": names}) == NOTHING


def test_a_negative_wait_is_refused(queue: Queue) -> None:
    send(queue.own, "get_work", b"w", {"wait": -1})
    assert b"wait: expected a number of seconds" in queue.own.answer()[b"error"][b"message"]


def test_many_units_at_once(queue: Queue) -> None:
    peer = queue.waiting(max_jobs=2)
    queue.add(b"a", b"b", b"c")
    units, _ = peer.answer()[b"result"]
    assert [name for _, name, _ in units] == [b"a", b"b"]


def test_clients_that_do_not_know_it_are_held(queue: Queue) -> None:
    queue.job_server.hold_get_work = LONG
    peer = queue.peer()
    send(peer, "get_work", b"w", {})
    queue.settle()
    assert ask(queue.own, "get_work", b"w", {"wait": 0}) == NOTHING
    queue.add(b"u")
    assert key(peer) == b"u"


# --- who gets it -------------------------------------------------------------------------------


def test_the_order_of_arrival_decides(queue: Queue) -> None:
    peers = [queue.waiting() for _ in range(20)]
    queue.add(*(b"%02d" % number for number in range(15)))
    queue.add(*(b"%02d" % number for number in range(15, 20)))
    assert [key(peer) for peer in peers] == [b"%02d" % number for number in range(20)]


def test_only_among_those_that_can_take_it(queue: Queue) -> None:
    queue.call("set_work_spec", {b"name": b"p", b"runtime": b"python3"})
    other, new, old = (
        queue.waiting(b"none"),
        queue.waiting(runtimes=[b"python3"]),
        queue.waiting(),
    )
    queue.add(b"u")
    assert key(old) == b"u"
    queue.add(b"v", spec=b"p")
    assert key(new) == b"v"
    assert silent(other)
    queue.call("set_work_spec", {b"name": b"none"})
    queue.add(b"x", spec=b"none")
    assert key(other) == b"x"


def test_who_comes_with_the_unit_comes_after_who_waits(queue: Queue) -> None:
    peers = [queue.waiting() for _ in range(3)]
    units: list[object] = [(b"%d" % number, {}) for number in range(3)]
    late = queue.peer()
    # In one message, so that nobody has a turn in between.
    calls = [request("add_work_units", b"s", units), request("get_work", b"late", {})]
    late.send(frame(b"\x82" + b"".join(calls)))
    assert [answer[b"result"] for answer in late.answer()] == [DONE, NOTHING]
    assert [key(peer) for peer in peers] == [b"0", b"1", b"2"]


def test_who_comes_when_a_lease_ends_comes_after_who_waits() -> None:
    clock = SetClock()
    with gevent.Timeout(DEADLINE):
        queue = Queue(clock=clock)
        queue.add(b"u")
        ask(queue.peer(), "get_work", b"w", {"lease_time": 100})
        peer = queue.waiting()
        clock.advance(100)
        assert ask(queue.own, "get_work", b"late", {}) == NOTHING
        assert key(peer) == b"u"
        queue.stop()


@pytest.mark.parametrize("how", ["served", "gone"])
def test_when_the_oldest_has_left_the_next_looks_after_the_time(queue: Queue, how: str) -> None:
    queue.add(b"u")
    ask(queue.own, "get_work", b"w", {"lease_time": 2})
    oldest, then = queue.waiting(), queue.waiting()
    if how == "served":
        queue.add(b"v")
        assert key(oldest) == b"v"
    else:
        close(oldest)
    assert key(then) == b"u"


class Counted:
    """How often work is asked for, by calls that come from now on."""

    def __init__(self, namespace: MemoryNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        asking = namespace.request_work

        def request_work(*args: Any, **options: Any) -> Any:
            self.asked += 1
            return asking(*args, **options)

        monkeypatch.setattr(namespace, "request_work", request_work)


@pytest.fixture
def counted(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """How often work is asked for."""
    return Counted(queue.namespace, monkeypatch)


def test_one_unit_wakes_one_call(queue: Queue, counted: Counted) -> None:
    peers = [queue.waiting() for _ in range(100)]
    counted.asked = 0
    for number, peer in enumerate(peers[:50]):
        queue.add(b"%d" % number)
        assert key(peer) == b"%d" % number
    # Each unit wakes the first, and as it was the oldest, the next one looks after the time.
    assert counted.asked <= 2 * 50


def test_units_for_some_that_wait_wake_as_many(queue: Queue, counted: Counted) -> None:
    queue.add(b"first")
    ask(queue.own, "get_work", b"w", {"lease_time": 60})  # nothing ends earlier
    oldest = queue.waiting(b"none")
    peers = [queue.waiting() for _ in range(5)]
    counted.asked = 0
    queue.add(b"a", b"b", b"c")
    assert [key(peer) for peer in peers[:3]] == [b"a", b"b", b"c"]
    queue.settle()
    assert counted.asked == 3
    assert all(silent(peer) for peer in (oldest, *peers[3:]))


def test_other_work_wakes_nobody(queue: Queue, counted: Counted) -> None:
    queue.call("set_work_spec", {b"name": b"other"})
    queue.add(b"first")
    ask(queue.own, "get_work", b"w", {"lease_time": 60})  # nothing ends earlier
    peer = queue.waiting(b"s")
    queue.add(*(b"%d" % number for number in range(100)), spec=b"other")
    worker = queue.peer()
    ask(worker, "get_work", b"other", {"work_spec_names": [b"other"]})
    queue.settle()
    counted.asked = 0
    for _ in range(99):
        (_, name, _), _ = ask(worker, "get_work", b"other", {"work_spec_names": [b"other"]})
        assert queue.call("update_work_unit", b"other", name, {b"status": FINISHED}) == DONE
    assert counted.asked == 99
    assert silent(peer)


def test_who_waits_costs_nothing(queue: Queue, counted: Counted) -> None:
    queue.add(b"u")
    ask(queue.peer(), "get_work", b"w", {"lease_time": 3600})
    peers = [queue.waiting() for _ in range(10)]
    counted.asked = 0
    gevent.sleep(2)
    assert counted.asked == 0
    assert all(silent(peer) for peer in peers)


# --- the connection meanwhile ------------------------------------------------------------------


def close(peer: Peer) -> None:
    peer.sock.close()


def half_close(peer: Peer) -> None:
    peer.sock.shutdown(socket.SHUT_WR)


def reset(peer: Peer) -> None:
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()


def send_more_and_close(peer: Peer) -> None:
    send(peer, "update_work_unit", b"s", b"done", {b"status": FINISHED})
    peer.send(frame(request("now")) * 1000)
    peer.sock.close()


LEAVE = [close, half_close, reset, send_more_and_close]


def test_a_call_that_is_woken_when_its_client_has_just_gone() -> None:
    wait = Wait()
    seen: list[bool] = []
    wait.until = time.monotonic() + LONG

    def call() -> Generator[Wait, None, None]:
        yield wait
        seen.append(wait.over)

    server = Server(("127.0.0.1", 0), Dispatcher([Method("call", call, ())]))
    server.start()
    peer = Peer(server)
    with gevent.Timeout(DEADLINE):
        send(peer, "call")
        while wait.notify is None:
            gevent.sleep(0.01)
        # The event loop has no turn in between.
        peer.sock.close()
        wait.wake()
        while not seen:
            gevent.sleep(0.01)
    assert seen == [True]
    server.stop(0)


@pytest.mark.parametrize("leave", LEAVE)
@pytest.mark.parametrize("noticed", [True, False])
def test_who_has_gone_takes_no_unit(
    queue: Queue, leave: Callable[[Peer], None], noticed: bool
) -> None:
    queue.add(b"done")
    ask(queue.own, "get_work", b"w", {})
    gone, waits = queue.waiting(), queue.waiting()
    send(queue.own, "now")
    queue.own.answer()
    leave(gone)
    if noticed:
        queue.settle()
    queue.add(b"u")
    assert key(waits) == b"u"
    queue.add(b"v")
    assert ask(queue.own, "get_work", b"w", {})[0][1] == b"v"
    if leave is send_more_and_close:
        # What it had sent is served.
        while queue.states().get(FINISHED) != 1:
            queue.settle()


def test_half_closed_it_gets_nothing_at_once(queue: Queue) -> None:
    peer = queue.waiting()
    half_close(peer)
    assert peer.answer()[b"result"] == NOTHING


def test_all_who_wait_have_gone(queue: Queue) -> None:
    for peer in [queue.waiting() for _ in range(10)]:
        close(peer)
    queue.add(b"u")
    queue.settle()
    assert queue.states() == {AVAILABLE: 1}
    assert ask(queue.own, "get_work", b"w", {})[0][1] == b"u"


def test_later_requests_wait_behind_it(queue: Queue) -> None:
    peer = queue.peer()
    calls = request("count_work_units", b"s"), request("get_work", b"w", {"wait": LONG})
    peer.send(b"".join(map(frame, calls)) * 2)
    # What came before it is answered at once.
    assert peer.answer()[b"result"] == ({}, None)
    assert silent(peer)
    send(peer, "count_work_units", b"s")
    queue.add(b"u")
    assert key(peer) == b"u"
    assert peer.answer()[b"result"] == ({PENDING: 1}, None)
    assert silent(peer)
    queue.add(b"v")
    assert key(peer) == b"v"
    assert peer.answer()[b"result"] == ({PENDING: 2}, None)


def test_in_a_list_of_requests(queue: Queue) -> None:
    queue.add(b"u")
    peer = queue.peer()
    ask(peer, "get_work", b"w", {})
    finish = request("update_work_unit", b"s", b"u", {b"status": FINISHED})
    peer.send(frame(b"\x82" + finish + request("get_work", b"w", {"wait": LONG})))
    queue.settle()
    assert queue.states() == {FINISHED: 1}  # it does not wait
    assert silent(peer)
    queue.add(b"v")
    done, given = (answer[b"result"] for answer in peer.answer())
    assert done == DONE
    assert given[0][1] == b"v"


def test_what_those_hold_who_wait_is_bounded() -> None:
    with gevent.Timeout(DEADLINE):
        queue = Queue(Limits(max_buffered=1_000_000))
        small = queue.waiting()
        large = [queue.peer() for _ in range(5)]
        for peer in large:
            filler = request("count_work_units", bytes(300_000))
            # The first ones wait when the next ones come.
            peer.send(frame(b"\x82" + filler + request("get_work", b"w", {"wait": LONG})))
            gevent.sleep(0.2)
        assert queue.server.counts.buffers_full == 2
        assert queue.server.connections == 5  # 3 of the large ones
        queue.add(b"u")
        assert key(small) == b"u"
        queue.stop()


def test_when_the_server_stops_all_get_nothing(queue: Queue) -> None:
    peers = [queue.waiting() for _ in range(20)]
    send(peers[0], "get_work", b"w", {"wait": LONG})  # one more behind the first
    started = time.monotonic()
    stopping = gevent.spawn(queue.server.stop, 30)
    for peer in peers:
        assert peer.answer()[b"result"] == NOTHING
    assert peers[0].answer()[b"result"] == NOTHING
    stopping.join()
    assert time.monotonic() - started < 10


def test_the_time_of_a_call_is_without_its_wait(queue: Queue) -> None:
    peer = queue.waiting(wait=0.5)
    peer.answer()
    assert [seconds < 0.4 for name, seconds in queue.observed if name == "get_work"] == [True]


def test_nothing_is_left_of_who_has_waited(queue: Queue) -> None:
    for peer in [queue.waiting(b"s", wait=0.1), queue.waiting(wait=0.1), queue.waiting()]:
        close(peer)
    peer = queue.waiting(wait=0.1)
    peer.answer()
    queue.settle()
    calls = next(row for row in queue.job_server.methods if row.name == "get_work").call
    waiters = calls.__self__._waiters  # type: ignore[attr-defined]
    assert not waiters.calls
    assert not waiters._groups
    assert not waiters._naming
    assert not waiters.due
