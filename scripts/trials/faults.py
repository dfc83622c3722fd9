"""The fault test: good workers drain a chain of work while every kind of bad client is at work.

One daemon, in two runs of the same work: a quiet one, and one in which all faults happen at once;
before them a rehearsal. The daemon has one processor core, all that talks to it another. Then its
descriptors are used up while it has nothing else to do.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

from scripts.processes.daemon import Daemon, daemon
from scripts.processes.program import Program, module, raise_file_limit
from scripts.processes.server import SERVER_CORE, ScriptError
from scripts.trials.chain import faults_of_the_queue, fill
from scripts.trials.checks import (
    Look,
    Report,
    check_end,
    check_left,
    cleared,
    heading,
    megabytes,
    moved,
    note,
)
from scripts.trials.crowd import EVIDENCE, TIMEOUTS, check_happened, crowd
from scripts.trials.full_table import check_full_table

#: Connections beside those of the good workers, before the daemon takes no more: less than a flood
#: brings in, and more than the other bad clients are.
OTHER_CONNECTIONS = 1_200
SPARE_FILES = 600

#: Seconds for which the daemon can accept nobody, and then again all, by turns.
FULL, NOT_FULL = 2.0, 4.0
#: Seconds for the faults that take longer than a small drain.
LATE_SECONDS = 30.0

P99_TIMES = 3.0
MEMORY_SHARE, MEMORY_BYTES = 1.10, 8 * 2**20
BLOCKS_SHARE = 1.05

Drain = dict[str, Any]
"""What the good workers report."""


@dataclass(frozen=True)
class Size:
    """How large the test is."""

    workers: int
    units: int

    @property
    def seconds(self) -> int:
        """So long it may take to drain it, on a slow machine that has more to do."""
        return 120 + self.units // 400


def good_workers(server: Daemon, size: Size) -> Program:
    """The good workers, connected and not yet started."""
    arguments = server.port, size.workers, size.units, size.seconds
    return Program(module("scripts.trials.workers", *arguments))


def check_drain(report: Report, server: Daemon, size: Size, drain: Drain) -> None:
    """That all units are finished, each once, and that every answer was as it has to be."""
    finished = 2 * size.units
    report.check(
        "every call of the good workers was answered well",
        not drain["faults"],
        "; ".join(drain["faults"]) or f"{drain['calls']:,} calls",
    )
    report.check(
        "every unit was finished by one good worker, once",
        drain["finished_once"] == finished,
        f"{drain['finished_once']:,} of {finished:,}",
    )
    wrong = faults_of_the_queue(server.client, size.units)
    report.check(
        "the daemon lists every unit once, and counts it as finished",
        not wrong,
        "; ".join(wrong) or f"{size.units:,} in each of the two work specs",
    )
    seconds = drain["seconds"]
    p50, p99, longest = (drain[name] / 1e3 for name in ("p50_us", "p99_us", "max_us"))
    note(
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {longest:.1f} ms; "
        f"{seconds:.1f} s, {drain['calls'] / seconds:,.0f} calls/s; "
        f"the workers' process used {drain['cpu_seconds'] / seconds:.0%} of its core"
    )


def rehearsal(server: Daemon, size: Size) -> None:
    """All of it once, so that the daemon's memory has been as large as the faults make it: what
    it grows by after that, it does not give back."""
    heading("Rehearsal: all faults and all work once")
    fill(server.client, size.units)
    with good_workers(server, size) as workers, crowd(server, 1, 2 * size.seconds):
        workers.go()
        workers.done(size.seconds)
        workers.stop()
    note(f"memory {megabytes(server.resident_bytes())}; {megabytes(cleared(server).resident)} left")


def quiet_run(report: Report, server: Daemon, size: Size) -> tuple[Drain, Look]:
    """The work with nobody there but the good workers."""
    heading(f"Quiet run: {size.workers} workers, {size.units:,} units through a chain of two")
    fill(server.client, size.units)
    with good_workers(server, size) as workers:
        workers.go()
        workers.done(size.seconds)
        drain: Drain = workers.stop()
    check_drain(report, server, size, drain)
    return drain, cleared(server)


def faulted_run(report: Report, server: Daemon, size: Size) -> tuple[Drain, Look]:
    """The same work with all faults at once."""
    heading("The same with all faults at once")
    fill(server.client, size.units)
    before = server.stats()
    with good_workers(server, size) as workers, crowd(server, 1, 2 * size.seconds) as done:
        workers.go()
        times = use_up_descriptors(server, workers, size, before)
        drain: Drain = workers.stop()
    done["descriptors used up"] = {"times": times}
    server.rest()
    check_drain(report, server, size, drain)
    check_happened(report, done, moved(before, server.stats()))
    return drain, cleared(server)


def use_up_descriptors(server: Daemon, workers: Program, size: Size, before: dict[str, int]) -> int:
    """By turns let the daemon have no more descriptors and as many as it wants, until the drain is
    done, and until every counter of the faults has moved; how often."""
    counters = {counter for _, counter in EVIDENCE.values() if counter}
    times = 0
    latest = time.monotonic() + size.seconds
    drained = False
    while time.monotonic() < latest:
        if drained:
            time.sleep(NOT_FULL)
        elif workers.done(NOT_FULL):
            drained = True
            latest = time.monotonic() + LATE_SECONDS
        since = moved(before, server.stats())
        if drained and all(since[counter] for counter in counters):
            break
        with server.no_more_files():
            times += 1
            time.sleep(FULL)
    return times


def check_rest(report: Report, quiet: Look, faulted: Look) -> None:
    """That the faults left nothing behind."""
    heading("What is left afterwards, the queue cleared: after the quiet run, and after the other")
    report.check(
        "memory returns to where it was",
        faulted.resident <= quiet.resident * MEMORY_SHARE + MEMORY_BYTES,
        f"{megabytes(quiet.resident)} and {megabytes(faulted.resident)}",
    )
    report.check(
        "no more objects than before",
        faulted.blocks <= quiet.blocks * BLOCKS_SHARE,
        f"{quiet.blocks:,} and {faulted.blocks:,} blocks of Python's allocator",
    )
    check_left(report, quiet, faulted)


def check_latency(report: Report, quiet: Drain, faulted: Drain, *, timed: bool) -> None:
    """That the faults did not get in the good workers' way."""
    times = faulted["p99_us"] / quiet["p99_us"]
    figures = f"{faulted['p99_us'] / 1e3:.1f} / {quiet['p99_us'] / 1e3:.1f} ms = {times:.2f}"
    if timed:
        what = f"p99 of the good workers is within {P99_TIMES:g} times that of the quiet run"
        report.check(what, times <= P99_TIMES, figures)
    else:
        note(f"p99 of the good workers, not checked: {figures}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options on the command line."""
    add = parser.add_argument
    add("--units", type=int, default=100_000, help="units of the chain (default: 100,000)")
    add("--workers", type=int, default=200, help="good workers (default: 200)")
    add("--untimed", action="store_true", help="leave out the check of the latencies")


def run(report: Report, arguments: argparse.Namespace) -> None:
    """All of it."""
    size = Size(arguments.workers, arguments.units)
    connections = size.workers + OTHER_CONNECTIONS
    if (files := raise_file_limit()) < connections + SPARE_FILES:
        raise ScriptError(f"only {files} files may be open: too few for {size.workers} workers")
    with daemon({**TIMEOUTS, "max_connections": connections}, core=SERVER_CORE) as server:
        rehearsal(server, size)
        quiet_drain, quiet = quiet_run(report, server, size)
        faulted_drain, faulted = faulted_run(report, server, size)
        check_rest(report, quiet, faulted)
        check_latency(report, quiet_drain, faulted_drain, timed=not arguments.untimed)
        check_full_table(report, server)
        check_end(report, server)
