"""The soak: a daemon under a steady mix of good and bad clients, looked at every few seconds.

Good clients do small jobs of all kinds of calls, and delete what they made; a light version of all
the bad clients of the fault test is there too. Memory has to stay where it is, and when all have
left, no greenlet and no descriptor may be left.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

from scripts.processes.daemon import Daemon, daemon
from scripts.processes.program import Program, module
from scripts.processes.server import SERVER_CORE, ScriptError
from scripts.trials.chain import fill
from scripts.trials.checks import (
    Look,
    Report,
    check_end,
    check_left,
    cleared,
    heading,
    look,
    megabytes,
    moved,
    note,
)
from scripts.trials.crowd import TIMEOUTS, Done, check_happened, crowd

#: Share of the fault test's bad clients.
LIGHT = 0.1
JOBS = 20
#: Units that only the workers take that are killed.
ABANDONED = 1_000
#: More than the clients are but for a flood, which it refuses in part.
CONNECTIONS = 400

WARM_UP_SECONDS = 10.0
SAMPLE_SECONDS = 2.0
SAY_SECONDS = 30.0
#: Seconds for all to end, after their time.
SPARE_SECONDS = 60
TREND = 1.05


class Watch:
    """Looks at the daemon, and says every half minute what it sees."""

    def __init__(self, server: Daemon) -> None:
        self._server = server
        self._start = self._said = time.monotonic()
        self.looks: list[Look] = []

    def go_on(self) -> None:
        """Look while the load is there."""
        seen = look(self._server)
        self.looks.append(seen)
        if (now := time.monotonic()) - self._said >= SAY_SECONDS:
            self._said = now
            note(f"{now - self._start:4.0f} s: {seen}")


def load(server: Daemon, seconds: float, watch: Watch | None = None) -> tuple[dict[str, Any], Done]:
    """The mix for so long; what the good and the bad clients did."""
    fill(server.client, ABANDONED)
    limit = seconds + SPARE_SECONDS
    with (
        Program(module("scripts.trials.jobs", server.port, JOBS, round(limit))) as good,
        crowd(server, LIGHT, limit) as bad,
    ):
        good.go()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not good.done(min(left, SAMPLE_SECONDS)):
            if watch:
                watch.go_on()
        done = good.stop()
    return done, bad


def check_trend(report: Report, looks: list[Look]) -> None:
    """That memory is the same in the last quarter of what was seen as in the second one."""
    quarter = len(looks) // 4
    earlier = median(seen.resident for seen in looks[quarter : 2 * quarter])
    later = median(seen.resident for seen in looks[-quarter:])
    report.check(
        "memory is steady",
        later <= earlier * TREND,
        f"median {megabytes(earlier)} in the second quarter of the time, {megabytes(later)} in the "
        f"last: {later / earlier - 1:+.1%}",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options on the command line."""
    parser.add_argument("--minutes", type=float, default=10, help="how long (default: 10)")


def run(report: Report, arguments: argparse.Namespace) -> None:
    """All of it."""
    minutes = arguments.minutes
    if minutes < 1:
        raise ScriptError("it takes a minute for each fault to happen")
    with daemon({**TIMEOUTS, "max_connections": CONNECTIONS}, core=SERVER_CORE) as server:
        load(server, WARM_UP_SECONDS)
        before = cleared(server)
        heading(f"{minutes:g} minutes, after a warm-up")
        note(f"without clients, and with nothing in the queue: {before}")
        stats, watch = server.stats(), Watch(server)
        good, bad = load(server, minutes * 60, watch)
        after = cleared(server)
        note(f"without clients again: {after}")
        heading("Checks")
        report.check(
            "every call of the good clients was answered well",
            good["calls"] > 0 and not good["faults"],
            "; ".join(good["faults"][:3]) or f"{good['calls']:,} calls in {good['jobs']:,} jobs",
        )
        check_happened(report, bad, moved(stats, server.stats()))
        heading("What is left, at the start and at the end")
        if not good["faults"]:
            check_trend(report, watch.looks)
        check_left(report, before, after)
        check_end(report, server)
