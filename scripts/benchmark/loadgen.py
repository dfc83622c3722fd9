"""The load generator: connections that each have one request outstanding, in one epoll loop.

Its caller is `Load`, which writes the options to its standard input. It makes the connections, with
one call on each; then it is a program as program.py describes. It knows where in an answer of the
servers that are compared the next request is to be found, and decodes no more than that: so it
costs less than the floor.
"""

from __future__ import annotations

import gc
import itertools
import math
import pickle
import re
import select
import signal
import socket
import sys
import time
from array import array
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NoReturn

from goordinate.cborrpc import DecodeError, Encoded
from goordinate.cborrpc.encode import array_head, dumps
from goordinate.cborrpc.framing import frame
from goordinate.cborrpc.heads import read_argument
from scripts.benchmark.load import DATA, KEY, SMALL, finish_message, get_work, request
from scripts.processes.program import latencies, raise_file_limit, ready, report, told

CONNECT_SECONDS = 10.0
LIMIT_SECONDS = 600
READ_SIZE = 64 * 1024

RESULT = b"Fresult"
RESULT_TRUE = re.compile(rb"Fresult(?:\xd8\x80)?\x82\xf5")
#: The name of the spec and the key of a unit, as they are encoded.
NAMES = re.compile(rb"Fspec\d\dMu\d{12}")
BEFORE_NAMES, AFTER_NAMES = NAMES.split(finish_message(b"spec00", KEY % 0))
NEW_UNIT = dumps((KEY % 0, DATA)).replace(KEY % 0, KEY)
#: Keys in no order: numbers times a prime, modulo the keys that there are, are all different.
PRIME, KEYS = 387_420_489_019, 10**12


class LoadError(Exception):
    """The server did not serve the load as it has to."""


@dataclass(frozen=True)
class Options:
    """What the load is.

    mode: "frames", `frames` in turn, over and over; "work", get_work of one unit, then
    update_work_unit to FINISHED with data; "batch", get_work of `batch` units, then their updates
    as one list of requests; "add", add_work_units of `batch` units.
    count: of requests ("frames") or units (all others); 0 is without end.
    every: if not 0, one connection asks at most once in so many microseconds, until it is stopped.
    idle: so many connections more, which have one call at the start and one at the end.
    top_up: add so many new units after every so many finished ones.
    first: the number of the first unit that is added.
    scatter: add units in no order of their keys.
    """

    port: int
    frames: tuple[bytes, ...] = (SMALL,)
    mode: str = "frames"
    connections: int = 1
    count: int = 0
    every: int = 0
    idle: int = 0
    batch: int = 1
    top_up: int = 0
    specs: int = 1
    first: int = 0
    scatter: bool = False


Asking = Generator[bytes, bytes, None]
"""What one connection asks: it gives frames, and is sent what is in the frame that answers each."""


class Asker:
    """What all connections ask, and the units that they added or finished."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._left = options.count or math.inf
        self._next_unit = options.first
        self.units = 0

    def ask(self, number: int) -> Asking:
        """What the connection of this number asks."""
        if self._options.mode == "frames":
            return self._frames()
        return self._add() if self._options.mode == "add" else self._work(number)

    def _take(self, count: int) -> bool:
        """Whether there is more to do; if so, this much of it is taken."""
        self._left -= count
        return self._left > -count

    def _frames(self) -> Asking:
        frames = itertools.cycle(self._options.frames)
        while self._take(1):
            answer = yield next(frames)
            if RESULT not in answer:
                raise LoadError(f"the answer is no result: {answer!r:.200}")

    def _add(self) -> Asking:
        batch = self._options.batch
        while self._take(batch):
            check_done((yield self._new_units(batch)), 1)
            self.units += batch

    def _work(self, number: int) -> Asking:
        batch, top_up = self._options.batch, self._options.top_up
        ask, finished = get_work(number, batch), 0
        while self._take(batch):
            answer = yield ask
            units: list[bytes] = NAMES.findall(answer)
            if len(units) != batch:
                raise LoadError(f"{len(units)} units, not {batch}, are in {answer!r:.200}")
            calls = [BEFORE_NAMES + names + AFTER_NAMES for names in units]
            alone = self._options.mode == "work"
            answer = yield frame(calls[0] if alone else array_head(batch) + b"".join(calls))
            check_done(answer, batch)
            self.units += batch
            finished += batch
            if top_up and finished >= top_up:
                finished = 0
                check_done((yield self._new_units(top_up)), 1)

    def _new_units(self, count: int) -> bytes:
        """The request that adds so many new units."""
        first, specs = self._next_unit, self._options.specs
        self._next_unit += count
        numbers = range(first, first + count)
        keys = (n * PRIME % KEYS for n in numbers) if self._options.scatter else numbers
        units = b"".join([NEW_UNIT % key for key in keys])
        spec = b"spec%02d" % (first // count % specs)
        return request("add_work_units", spec, Encoded(array_head(count) + units))


def check_done(answer: bytes, calls: int) -> None:
    """Fail unless each of the calls is answered with (True, ..)."""
    if len(RESULT_TRUE.findall(answer)) != calls:
        raise LoadError(f"not all is done: {answer!r:.200}")


def connect(port: int) -> socket.socket:
    """A new connection, on which one call has been answered."""
    sock = socket.create_connection(("127.0.0.1", port), CONNECT_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    exchange(sock)
    # A timeout would cost a poll at every send and recv.
    sock.settimeout(None)
    return sock


def exchange(sock: socket.socket) -> None:
    """Make one small call."""
    sock.sendall(SMALL)
    receive(sock)


def receive(sock: socket.socket) -> bytes:
    """What is in the frame that comes. Raises LoadError if the connection is lost."""
    data = sock.recv(READ_SIZE)
    size, start = read_argument(data, 2) if data else (1, 0)
    while missing := start + size - len(data):
        more = sock.recv(missing, socket.MSG_WAITALL)
        if not more or missing < 0:
            raise LoadError("a connection is lost")
        data += more
    return data[start:]


@dataclass(slots=True)
class Busy:
    """A connection, what takes an answer and gives the next request, and when the last one went."""

    sock: socket.socket
    following: Callable[[bytes], bytes]
    started: float


def run(askers: dict[socket.socket, Asking], times: array[float]) -> None:
    """Ask on all connections until nobody asks any more, or until told to stop."""
    epoll, now = select.epoll(), time.perf_counter
    epoll.register(0, select.EPOLLIN)
    asking: dict[int, Busy] = {}
    for sock, asker in askers.items():
        if (first := next(asker, None)) is not None:
            epoll.register(sock, select.EPOLLIN)
            asking[sock.fileno()] = Busy(sock, asker.send, now())
            sock.sendall(first)
    while asking:
        for descriptor, _ in epoll.poll():
            if not descriptor:
                return
            busy = asking[descriptor]
            answer = receive(busy.sock)
            times.append(now() - busy.started)
            try:
                request = busy.following(answer)
            except StopIteration:
                epoll.unregister(descriptor)
                del asking[descriptor]
            else:
                busy.started = now()
                busy.sock.sendall(request)


def probe(sock: socket.socket, every: float, times: array[float]) -> None:
    """Make one small call after the other, at most once in so many seconds, until told to stop."""
    due = time.perf_counter()
    while not told(within=max(0.0, due - time.perf_counter())):
        started = time.perf_counter()
        exchange(sock)
        times.append(time.perf_counter() - started)
        due = max(due + every, time.perf_counter())


def overdue(*_: object) -> NoReturn:
    """Called by the alarm."""
    raise LoadError(f"not done in {LIMIT_SECONDS} seconds")


def main() -> None:
    """Put the load on the server; report how it went."""
    options = Options(**pickle.load(sys.stdin.buffer))
    asker, times = Asker(options), array("d")
    busy = {connect(options.port): asker.ask(number) for number in range(options.connections)}
    idle = [connect(options.port) for _ in range(options.idle)]
    # Nothing here is garbage, and the collector would make pauses.
    gc.disable()
    ready()
    signal.signal(signal.SIGALRM, overdue)
    signal.alarm(LIMIT_SECONDS)
    start, before = time.perf_counter(), time.process_time()
    if options.every:
        probe(next(iter(busy)), options.every / 1e6, times)
    else:
        run(busy, times)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - before
    for sock in idle:
        exchange(sock)
    figures = {"units": asker.units, "seconds": seconds, "cpu_seconds": cpu_seconds}
    report({**figures, **latencies(times)})


if __name__ == "__main__":
    raise_file_limit()
    try:
        main()
    except (LoadError, DecodeError, OSError) as error:
        sys.exit(f"the load: {error}")
