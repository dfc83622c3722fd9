"""The live server under trial: a daemon of its own, with limits that are soon reached.

Rule: whatever is sent on other connections, a good client is served and its work is unharmed.
"""

from __future__ import annotations

import contextlib
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from random import Random
from typing import Final

from fuzzing.daemon import WAIT, daemon
from fuzzing.inputs import Messages, Streams
from fuzzing.run import Fault, ensure
from fuzzing.talk import Talk, expected_of
from goordinate.cborrpc import Client, dumps
from goordinate.cborrpc.framing import frame
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.messages import Dispatcher
from goordinate.cborrpc.requests import Method, encode_request

LIMITS: Final = Limits(max_frame=2**20, max_batch=100, frame_timeout=2.0, answer_timeout=2.0)

UNFINISHED: Final = 10
"""So many connections at most are left open with a frame that has begun."""

UNREAD: Final = 20 * frame(dumps({b"id": bytes(500_000), b"method": b"now", b"params": []}))
"""Requests whose answers are too much for the buffers of the system."""

GOOD: Final = frame(encode_request(2**60 + 1, "now", []))
"""A request that goes before and after each input."""

WORK_CHECKED: Final = 10
"""After so many inputs the good client looks at its work."""

UNITS: Final = [(b"unit-%d" % number, {b"data": number}) for number in range(3)]
"""That work."""

LOG_LINES: Final = 10
"""So many lines of the daemon's log are shown with a fault."""

GROWTH: Final = 64 * 2**20
"""Bytes by which the daemon may grow, for the workers and locks that it remembers."""


class Served:
    """The target; its daemon, which `program` is, ends with `stack`."""

    name = "server"
    lifetime = 1000

    def __init__(
        self,
        rng: Random,
        stack: contextlib.ExitStack,
        program: Sequence[str] = ("-m", "goordinate"),
    ) -> None:
        self._program = program
        self.counts: Counter[str] = Counter()
        self._streams = Streams(Messages(rng))
        self._spec = b"guarded-%016x" % rng.getrandbits(64)  # no input has this name
        self._running = stack.enter_context(contextlib.ExitStack())
        self._settled = False
        #: Connections that the server is to close by its own limits.
        self._left: list[Talk] = []
        stack.callback(self._hang_up)
        # Sees the calls of `clear` in a stream: only they may harm the good client's work.
        self._cleared = False
        self._spy = Dispatcher([Method("clear", self._see_clear, ())], limits=LIMITS)

    def make(self) -> bytes:
        """What is sent on a connection, after a good request and before another one."""
        return self._streams.stream()

    def renew(self) -> None:
        """The good client adds its work; if the daemon has not settled, it is a new one."""
        if not self._settled:
            self.close()
            self._daemon = self._running.enter_context(daemon(asdict(LIMITS), self._program))
            self._daemon.call("now")
            self._descriptors = self._daemon.descriptors()
            self._resident = self._daemon.resident_bytes()
        self._settled = False
        self._add_work()
        self._hang_up()
        self._left.append(self._connect())
        self._left[0].ignore(UNREAD)

    def attempt(self, data: bytes) -> None:
        """Send the input on a connection, in a way that it tells; then be a good client."""
        try:
            self._attempt(data)
        except Fault as fault:
            log = "\n".join(self._daemon.log()[-LOG_LINES:])
            raise Fault(fault.what, f"{fault.seen}\nThe end of the log:\n{log}") from None

    def settle(self) -> None:
        """Without its work and workers the server is as it was, and has closed what it should."""
        self._check_work()
        self._daemon.call("clear")
        for worker in self._daemon.call("list_worker_modes")[0]:
            self._daemon.call("worker_unregister", worker)
        stats = self._daemon.at_rest()
        ensure(stats["connections"] == 1, "connections stay open", stats)
        open_now = self._daemon.descriptors()
        ensure(open_now <= self._descriptors, "descriptors stay open", open_now)
        grown = self._daemon.resident_bytes() - self._resident
        ensure(grown < GROWTH, "the server grows", f"{grown / 2**20:.0f} MiB")
        complaints = self._daemon.complaints()
        ensure(not complaints, "the log tells of a fault", "\n".join(complaints))
        ensure(stats["internal_errors"] == 0, "internal errors are counted", stats)
        self._stats = stats
        self._settled = True

    def close(self) -> None:
        """End the daemon; if it has settled, it must end as it should, and its counters count."""
        if self._settled:
            self._settled = False
            del self._stats["connections"]
            self.counts.update({name: count for name, count in self._stats.items() if count})
            status = self._daemon.stop()
            ensure(status == 0, "the server does not stop as it should", status)
        self._running.close()

    def _attempt(self, data: bytes) -> None:
        self.counts["inputs"] += 1
        self.counts["bytes"] += len(data)
        rng = Random(zlib.crc32(data))
        stream = GOOD + data + GOOD
        self._cleared = False
        for message in expected_of(stream, LIMITS).messages:
            self._spy.answer(message)
        with contextlib.ExitStack() as ending:
            talk = ending.enter_context(contextlib.closing(self._connect()))
            # Who does not wait for the answers does not know when the work is gone.
            if rng.random() < 0.2 and not self._cleared:
                talk.leave(stream, rng)
            elif talk.ask(stream, rng) and len(self._left) <= UNFINISHED:
                self._left.append(talk)
                ending.pop_all()
        if self._cleared:
            self._add_work()
        self._be_good()
        if self.counts["inputs"] % WORK_CHECKED == 0:
            self._check_work()

    def _connect(self) -> Talk:
        return Talk(self._daemon.address, LIMITS, self.counts)

    def _hang_up(self) -> None:
        while self._left:
            self._left.pop().close()

    def _see_clear(self) -> None:
        self._cleared = True

    def _be_good(self) -> None:
        """A small call on a connection of its own."""
        with Client(self._daemon.address, timeout=WAIT, retries=0) as client:
            now = client.call("now")
        ensure(abs(now - time.time()) < WAIT, "a good client gets a wrong answer", now)
        self.counts["good clients served"] += 1

    def _add_work(self) -> None:
        """The good client's work; it is paused, so that nobody is given it."""
        self._daemon.call("set_work_spec", {b"name": self._spec, b"disabled": True})
        self._daemon.call("add_work_units", self._spec, UNITS)

    def _check_work(self) -> None:
        work = self._daemon.call("get_work_units", self._spec, {})
        ensure(work == (UNITS, None), "the work of a good client is harmed", work)
        self.counts["looks at its work"] += 1
