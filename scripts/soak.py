"""The soak: a daemon under a steady mix of good and bad clients, looked at every few seconds.

    python scripts/soak.py                 ten minutes
    python scripts/soak.py --minutes 1

Good clients do small jobs of all kinds of calls, and delete what they made; a light version of all
the bad clients of the fault test is there too. Memory has to stay where it is, and when all have
left, no greenlet and no descriptor may be left. Each line "ok" or "FAILED" is a check; the exit
status is 0 only if all held. Nothing is reached but 127.0.0.1.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench_servers import BenchError
from faulting.chain import fill
from faulting.crowd import TIMEOUTS, Done, check_happened, crowd, moved
from faulting.program import Program
from faulting.report import Report, heading, megabytes, table, table_row
from faulting.server import Daemon, check_end, daemon

#: Share of the fault test's bad clients.
LIGHT = 0.1
JOBS = 20
#: Units that only the workers take that are killed.
ABANDONED = 1_000
#: More than the clients are but for a flood, which it refuses in part.
CONNECTIONS = 400

WARM_UP_SECONDS = 10.0
SAMPLE_SECONDS = 2.0
ROW_SECONDS = 30.0
#: Seconds for all to end, after their time.
SPARE_SECONDS = 60
TREND = 1.05


@dataclass(frozen=True)
class Sample:
    """What was seen of the daemon at one moment."""

    seconds: float
    resident: int
    connections: int
    accepted: int
    descriptors: int
    greenlets: int
    objects: int

    def row(self) -> tuple[str, ...]:
        """It as a row of the table."""
        return (
            f"{self.seconds:.0f} s",
            megabytes(self.resident),
            f"{self.connections:,}",
            f"{self.accepted:,}",
            f"{self.descriptors:,}",
            f"{self.greenlets:,}",
            f"{self.objects:,}",
        )


HEADINGS = ("time   ", "memory  ", "connections", "accepted", "descriptors", "greenlets", "objects")


class Watch:
    """Looks at the daemon; the table of what it sees has a row for each half minute."""

    def __init__(self, server: Daemon) -> None:
        self._server = server
        self._start = time.monotonic()
        self._next_row = ROW_SECONDS
        self.samples: list[Sample] = []
        table(HEADINGS, [])

    def look(self) -> Sample:
        """Look once."""
        stats, held = self._server.stats(), self._server.figures()
        return Sample(
            seconds=time.monotonic() - self._start,
            resident=self._server.resident_bytes(),
            connections=stats["connections"],
            accepted=stats["connections_accepted"],
            descriptors=self._server.descriptors(),
            greenlets=held["greenlets"],
            objects=held["objects"],
        )

    def show(self, seen: Sample) -> None:
        """The row of a sample."""
        table_row(seen.row(), map(len, HEADINGS))

    def go_on(self) -> None:
        """Look while the load is there."""
        seen = self.look()
        self.samples.append(seen)
        if seen.seconds >= self._next_row:
            self._next_row += ROW_SECONDS
            self.show(seen)


def load(server: Daemon, seconds: float, watch: Watch | None = None) -> tuple[dict[str, Any], Done]:
    """The mix for so long; what the good and the bad clients did."""
    fill(server.client, ABANDONED)
    limit = seconds + SPARE_SECONDS
    with (
        Program("mix", server.port, JOBS, round(limit)) as good,
        crowd(server, LIGHT, limit) as bad,
    ):
        good.go()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not good.done(min(left, SAMPLE_SECONDS)):
            if watch:
                watch.go_on()
        done = good.stop()
    server.call("clear")
    server.rest()
    return done, bad


def check_trend(report: Report, samples: list[Sample]) -> None:
    """That memory is the same in the last quarter of the samples as in the second one."""
    quarter = len(samples) // 4
    earlier = median(seen.resident for seen in samples[quarter : 2 * quarter])
    later = median(seen.resident for seen in samples[-quarter:])
    report.check(
        "memory is steady",
        later <= earlier * TREND,
        f"median {megabytes(earlier)} in the second quarter of the time, {megabytes(later)} in the "
        f"last: {later / earlier - 1:+.1%}",
    )


def soak(report: Report, minutes: float) -> None:
    """All of it."""
    with daemon({**TIMEOUTS, "max_connections": CONNECTIONS}) as server:
        load(server, WARM_UP_SECONDS)
        heading(
            f"{minutes:g} minutes, after a warm-up; the first and the last row are those without "
            "clients, and with nothing in the queue"
        )
        stats, watch = server.stats(), Watch(server)
        before = watch.look()
        watch.show(before)
        good, bad = load(server, minutes * 60, watch)
        after = watch.look()
        watch.show(after)
        heading("Checks")
        report.check(
            "every call of the good clients was answered well",
            good["calls"] > 0 and not good["faults"],
            "; ".join(good["faults"][:3]) or f"{good['calls']:,} calls in {good['jobs']:,} jobs",
        )
        check_happened(report, bad, moved(stats, server.stats()))
        heading("What is left, at the start and at the end")
        if not good["faults"]:
            check_trend(report, watch.samples)
        for what in ("greenlets", "descriptors", "connections"):
            first, last = getattr(before, what), getattr(after, what)
            report.check(f"no {what} more", first == last, f"{first} and {last}")
        check_end(report, server)


def main() -> int:
    """Run; 0 when every check held, 1 when not."""
    parser = argparse.ArgumentParser(description="Watch the daemon under a long and steady load.")
    parser.add_argument("--minutes", type=float, default=10, help="how long (default: 10)")
    arguments = parser.parse_args()
    if arguments.minutes < 1:
        parser.error("it takes a minute for each fault to happen")
    # So that all processes end with this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report = Report()
    try:
        soak(report, arguments.minutes)
    except (BenchError, OSError) as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
