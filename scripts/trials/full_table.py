"""The daemon when its table of descriptors is full and it has nothing else to do."""

from __future__ import annotations

import contextlib
import time

from scripts.processes.connection import Connection, request
from scripts.processes.daemon import Daemon
from scripts.trials.checks import Report, heading

WAITING = 50
IDLE_SECONDS = 3.0
#: The share of a core that is no spinning: one that spins takes all of it.
IDLE_SHARE = 0.2


def check_full_table(report: Report, server: Daemon) -> None:
    """That it serves those it has, waits without spinning, and then takes those that waited."""
    heading(f"Descriptors used up: {WAITING} connections wait for a daemon that can open no more")
    with contextlib.ExitStack() as stack:
        with server.no_more_files():
            before = server.stats()["accept_pauses"]
            spent = server.processor_seconds()
            waiting = [stack.enter_context(Connection(server.port)) for _ in range(WAITING)]
            for connection in waiting:
                connection.send(request("now"))
            time.sleep(IDLE_SECONDS)
            share = (server.processor_seconds() - spent) / IDLE_SECONDS
            stats = server.stats()
        report.check("it accepts none", stats["connections"] == 1, f"{stats['connections']} open")
        pauses = stats["accept_pauses"] - before
        report.check("it notices", pauses > 0, f"accept_pauses {pauses}")
        report.check(
            "it waits without spinning",
            share < IDLE_SHARE,
            f"{share:.1%} of its core in {IDLE_SECONDS:g} s",
        )
        since = time.monotonic()
        answered = sum(connection.is_answered() for connection in waiting)
        report.check(
            "when it can again, it serves those that waited",
            answered == WAITING,
            f"{answered} of {WAITING}, after {time.monotonic() - since:.1f} s",
        )
    server.rest()
