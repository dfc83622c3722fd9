"""The live server under trial: a daemon of its own, with limits that are soon reached.

Whatever is sent on other connections, a good client is served and its work is unharmed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Final

from goordinate.cborrpc import Client, dumps
from goordinate.cborrpc.framing import frame
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.messages import Dispatcher
from goordinate.cborrpc.requests import Method
from scripts.fuzzing.run import Target
from scripts.fuzzing.talk import WAIT, Sending, Talk, expected_of, sendings
from scripts.processes.daemon import Daemon, daemon

LIMITS: Final = Limits(max_frame=2**20, max_batch=100, frame_timeout=2.0, answer_timeout=2.0)
SETTINGS: Final = {
    name: getattr(LIMITS, name)
    for name in ("max_frame", "max_batch", "frame_timeout", "answer_timeout")
}

UNFINISHED: Final = 10
"""So many connections at most are left open with a frame that has begun."""

UNREAD: Final = 20 * frame(dumps({b"id": bytes(500_000), b"method": b"now", b"params": []}))
"""Requests whose answers are too much for the buffers of the system."""

SPEC: Final = b"guarded-2f1c0d8e5b7a9436"
"""The good client's work spec, whose name no input has."""

UNITS: Final = [(b"unit-%d" % number, {b"data": number}) for number in range(3)]
"""Its work."""

LOG_LINES: Final = 10
"""So many lines of the daemon's log are shown with a fault."""

GROWTH: Final = 64 * 2**20
"""Bytes by which the daemon may grow, for the workers and locks that it remembers."""


class Served(Target):
    """The target. Each round has a new daemon, and so has an input after one with a fault."""

    name = "server"
    round = 500
    inputs = sendings

    def __init__(self, program: Sequence[str] = ("-m", "goordinate")) -> None:
        super().__init__()
        self._program = program
        self._daemon: Daemon | None = None
        self._running = contextlib.ExitStack()
        #: Connections that the server is to close by its own limits.
        self._left: list[Talk] = []
        # Sees the calls of `clear` in a stream: only they may harm the good client's work.
        self._cleared = False
        self._spy = Dispatcher([Method("clear", self._see_clear, ())], limits=LIMITS)

    def attempt(self, given: Sending) -> None:
        """Send the input on a connection, in its way; then be a good client."""
        server = self._daemon or self._start()
        self.counts["inputs"] += 1
        self.counts["bytes"] += len(given.stream)
        self._cleared = False
        for message in expected_of(given.whole, LIMITS).messages:
            self._spy.answer(message)
        try:
            self._send(server, given)
            if self._cleared:
                _add_work(server)
            self._be_good(server)
            complaints = server.complaints()
            assert not complaints, f"the log tells of a fault: {complaints}"
        except Exception as fault:
            log = "\n".join(server.log_lines()[-LOG_LINES:])
            self.close()
            fault.args = (f"{fault}\nThe end of the log:\n{log}",)
            raise

    def settle(self) -> None:
        """Without its work and workers the server is as it was, and ends as it should."""
        server = self._daemon
        assert server is not None
        server.call("clear")
        for worker in server.call("list_worker_modes")[0]:
            server.call("worker_unregister", worker)
        stats = server.rest()
        assert stats["connections"] == 1, f"connections stay open: {stats}"
        assert server.descriptors() <= self._descriptors, "descriptors stay open"
        grown = server.resident_bytes() - self._resident
        assert grown < GROWTH, f"the server grows: {grown / 2**20:.0f} MiB"
        assert stats["internal_errors"] == 0, f"internal errors are counted: {stats}"
        del stats["connections"]
        self.counts.update({name: count for name, count in stats.items() if count})
        status = server.stop()
        assert status == 0, f"the server does not stop as it should: {status}"
        self.close()

    def close(self) -> None:
        """End the daemon."""
        while self._left:
            self._left.pop().close()
        self._running.close()
        self._daemon = None

    def _start(self) -> Daemon:
        server = self._running.enter_context(daemon(SETTINGS, self._program))
        server.call("now")
        self._descriptors, self._resident = server.descriptors(), server.resident_bytes()
        _add_work(server)
        self._left.append(Talk(server.port, LIMITS, self.counts))
        self._left[0].ignore(UNREAD)
        self._daemon = server
        return server

    def _send(self, server: Daemon, given: Sending) -> None:
        with contextlib.ExitStack() as ending:
            talk = ending.enter_context(contextlib.closing(Talk(server.port, LIMITS, self.counts)))
            # Who does not wait for the answers does not know when the work is gone.
            if given.leaves_after is not None and not self._cleared:
                talk.leave(given.whole, given.leaves_after)
            elif talk.ask(given) and len(self._left) <= UNFINISHED:
                self._left.append(talk)
                ending.pop_all()

    def _see_clear(self) -> None:
        self._cleared = True

    def _be_good(self, server: Daemon) -> None:
        """A small call on a connection of its own, and a look at the good client's work."""
        with Client(server.address, timeout=WAIT, retries=0) as client:
            now = client.call("now")
        assert abs(now - time.time()) < WAIT, f"a good client gets a wrong answer: {now}"
        self.counts["good clients served"] += 1
        work = server.call("get_work_units", SPEC, {})
        assert work == (UNITS, None), f"the work of a good client is harmed: {work}"


def _add_work(server: Daemon) -> None:
    """The good client's work; it is paused, so that nobody is given it."""
    server.call("set_work_spec", {b"name": SPEC, b"disabled": True})
    server.call("add_work_units", SPEC, UNITS)
