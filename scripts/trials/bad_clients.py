"""The bad clients: every kind of connection that does what none should, all at once.

    python -m scripts.trials.bad_clients PORT SHARE FRAME_TIMEOUT ANSWER_TIMEOUT SECONDS

SHARE is 1 for the fault test, and less for fewer clients that come less often. The two timeouts
are those of the daemon. Being refused, reset or closed is what such clients are there for, so none
of it ends them. Its caller is `Program`.
"""

from __future__ import annotations

import contextlib
import random
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable

import gevent

from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.framing import frame
from scripts.processes.connection import Connection, NoAnswer, request
from scripts.processes.program import raise_file_limit, ready, report, run
from scripts.trials.chain import LARGE, LARGE_UNITS

SEED = 20151124

NOW = request("now")
NOW_ANSWER = frame(dumps({b"id": 1, b"result": 0.5}))
LARGE_PAGE = request("get_work_units", LARGE, {b"limit": LARGE_UNITS})


class Fault(ABC):
    """A kind of bad client; `counts` says what all of this kind have done.

    A client does what it does once in `act`; after that, and a pause, it does it again.
    """

    name: str
    clients = 1
    pause = 0.0

    def __init__(self, port: int, timeouts: tuple[float, float]) -> None:
        self.port = port
        self.frame_timeout, self.answer_timeout = timeouts
        self.counts: Counter[str] = Counter()
        self.random = random.Random(SEED)

    @abstractmethod
    def act(self) -> None:
        """Do it once."""

    def run(self, pause: float) -> None:
        """Do it again and again, the first time at any time within the first pause or second."""
        gevent.sleep(self.random.uniform(0, max(pause, 1.0)))
        while True:
            try:
                self.act()
            except (OSError, NoAnswer):
                self.counts["turned away"] += 1
                # Or a client that is refused would be back at once.
                gevent.sleep(0.1)
            gevent.sleep(pause)


class ResetInFrame(Fault):
    """A connection that is served, and is reset in the middle of its next frame."""

    name = "connections reset in the middle of a frame"
    pause = 0.05

    def act(self) -> None:
        with Connection(self.port) as connection:
            connection.send(NOW)
            connection.receive(len(NOW_ANSWER))
            connection.send(NOW[: len(NOW) // 2])
            gevent.sleep(0.01)
            connection.reset()
            self.counts["reset"] += 1


class ResetInAnswer(Fault):
    """A connection that asks for a large answer, and is reset when it has some bytes of it."""

    name = "connections reset in the middle of an answer"
    pause = 0.1

    def act(self) -> None:
        with Connection(self.port, small_buffer=True) as connection:
            connection.send(LARGE_PAGE)
            connection.receive(1_000)
            connection.reset()
            self.counts["reset"] += 1


class Unread(Fault):
    """A reader that stops: it asks for more than the system's buffers hold, and reads nothing."""

    name = "readers that stop"
    clients = 10
    requests = 20

    def act(self) -> None:
        with Connection(self.port, small_buffer=True) as connection:
            connection.send(LARGE_PAGE * self.requests)
            since = time.monotonic()
            while not (lost := connection.is_lost()):
                if time.monotonic() > since + 3 * self.answer_timeout:
                    break
                gevent.sleep(0.2)
            early = time.monotonic() < since + self.answer_timeout / 2
        self.counts["left alone" if not lost else "turned away" if early else "cut off"] += 1


class Drip(Fault):
    """A connection that sends a long frame, a byte a second."""

    name = "connections that send a byte a second"
    clients = 1_000
    pause = 0.01
    long_frame = frame(bytes(10_000))

    def run(self, pause: float) -> None:
        # So that they are not all cut off, and come again, at the same time.
        gevent.sleep(self.random.uniform(0, self.frame_timeout))
        super().run(pause)

    def act(self) -> None:
        with Connection(self.port) as connection:
            since = time.monotonic()
            closed = False
            for byte in self.long_frame:
                connection.send(bytes((byte,)))
                self.counts["bytes"] += 1
                closed = connection.is_closed(within=1.0)
                if closed or time.monotonic() > since + 3 * self.frame_timeout:
                    break
            early = time.monotonic() < since + self.frame_timeout / 2
        self.counts["left alone" if not closed else "turned away" if early else "cut off"] += 1


class Flood(Fault):
    """More connections at once than the daemon takes; they are kept for some seconds."""

    name = "a flood of connections"
    pause = 4.0
    connections = 400
    opening, held = 1.0, 1.0

    def act(self) -> None:
        self.counts["floods"] += 1
        opened: list[Connection] = []
        tried = 0
        with contextlib.ExitStack() as stack:
            try:
                while tried < self.connections:
                    with contextlib.suppress(OSError):  # it may be refused before it is made
                        opened.append(stack.enter_context(Connection(self.port)))
                    tried += 1
                    gevent.sleep(self.opening / self.connections)
                gevent.sleep(self.held)
            finally:
                # Also when it is told to end in the middle.
                let_in = sum(not connection.is_closed(within=0) for connection in opened)
                self.counts["let in"] += let_in
                self.counts["refused"] += tried - let_in


class RandomBytes(Fault):
    """A client that sends random bytes until it is closed, and then comes again."""

    name = "a client that sends random bytes"
    clients = 5
    pause = 0.1

    def act(self) -> None:
        with Connection(self.port) as connection:
            self.counts["connections"] += 1
            while not connection.is_closed(within=0.02):
                chunk = self.random.randbytes(self.random.randint(1, 500))
                self.counts["bytes"] += len(chunk)
                connection.send(chunk)


class Refused(Fault):
    """A client all of whose calls are refused with an error, each after a large message."""

    name = "a client whose calls are refused"
    pause = 0.1
    large = bytes(100_000)
    messages = (
        request("no_such_method", large),
        request("now", large),
        request("get_work", large, {b"max_jobs": b"no number"}),
        frame(dumps(large)[:-1]),
    )

    def act(self) -> None:
        with Connection(self.port) as connection:
            for message in self.messages:
                connection.send(message)
                connection.receive(1)
                self.counts["answered"] += 1


class Much(Fault):
    """A client that asks for a great deal at once, as it may, and has to get all of it."""

    pause = 0.1
    request: bytes
    answer: bytes

    def act(self) -> None:
        with Connection(self.port) as connection:
            connection.send(NOW)
            connection.receive(len(NOW_ANSWER))
            # It may have been turned away until here, and not any more.
            try:
                connection.send(self.request)
                connection.receive(len(self.answer))
                self.counts["answered"] += 1
            except (OSError, NoAnswer):
                self.counts["cut short"] += 1


class Pipeline(Much):
    """A client that sends thousands of requests before it reads the first answer."""

    name = "a client that pipelines 2,000 requests"
    request = NOW * 2_000
    answer = NOW_ANSWER * 2_000


class Batch(Much):
    """A client that sends one list of a great many requests."""

    name = "a client that sends batches of 20,000 requests"
    request = frame(dumps([{b"id": 1, b"method": b"now", b"params": []}] * 20_000))
    answer = frame(dumps([{b"id": 1, b"result": 0.5}] * 20_000))


FAULTS: tuple[Callable[[int, tuple[float, float]], Fault], ...] = (
    ResetInFrame, ResetInAnswer, Unread, Drip, Flood, RandomBytes, Refused, Pipeline, Batch,
)  # fmt: skip


def main() -> None:
    """Be all of them until told to end; report what each has done."""
    port, share, *timeouts, seconds = (float(argument) for argument in sys.argv[1:])
    faults = [fault(int(port), (timeouts[0], timeouts[1])) for fault in FAULTS]
    raise_file_limit()
    ready()
    clients = [
        gevent.spawn(fault.run, fault.pause / share)
        for fault in faults
        for _ in range(max(1, round(fault.clients * share)))
    ]
    run(clients, seconds)
    report({fault.name: fault.counts for fault in faults})


if __name__ == "__main__":
    main()
