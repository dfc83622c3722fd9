"""Client programs that run beside a server, and what they and their callers say to each other.

A program gets ready and prints "ready"; a line on its standard input starts it, and another one,
or the end of the input, ends it, so that it never outlives its caller; it prints a line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import sys
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any, TypeVar

import gevent
import psutil
from gevent.socket import wait_read

from scripts.processes.server import LOAD_CORE, ROOT, ScriptError

END_SECONDS = 20.0

P = TypeVar("P", bound="Program")


class Program:
    """A program that runs on the core of all load, from the caller's side.

    `given` is what it finds on its standard input before anything else.
    """

    def __init__(self, command: Sequence[object], *, given: bytes = b"", nice: int = 0) -> None:
        self._process = subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        seen = psutil.Process(self._process.pid)
        seen.cpu_affinity([LOAD_CORE])
        seen.nice(nice)
        self._tell(given)

    def __enter__(self: P) -> P:
        self._line("ready")
        return self

    def __exit__(self, *raised: object) -> None:
        try:
            # The end of its input ends it.
            self._process.communicate(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def go(self) -> None:
        """Start what it does."""
        self._tell(b"go\n")

    def done(self, within: float) -> bool:
        """Whether it has ended by itself, before so many seconds are over."""
        assert self._process.stdout
        return bool(select.select([self._process.stdout], [], [], within)[0])

    def stop(self) -> Any:
        """End it if it has not ended; what it reports."""
        if not self.done(within=0):
            self._tell(b"stop\n")
        return self.report()

    def report(self) -> Any:
        """What it reports when it has ended by itself."""
        return json.loads(self._line("{"))

    def _tell(self, word: bytes) -> None:
        assert self._process.stdin
        self._process.stdin.write(word)
        self._process.stdin.flush()

    def _line(self, start: str) -> str:
        assert self._process.stdout
        assert self._process.stderr
        line = self._process.stdout.readline().decode()
        if not line.startswith(start):
            said = self._process.stderr.read().decode().strip()
            raise ScriptError(said or f"{self._process.args!r} ended early")
        return line


def module(name: str, *arguments: object) -> list[object]:
    """The command that runs a module of the scripts."""
    return [sys.executable, "-m", name, *arguments]


def ready() -> None:
    """Say that this program is ready, and wait to be started."""
    print("ready", flush=True)
    # Not by sys.stdin, which would read ahead.
    os.read(0, 100)


def told(within: float) -> bool:
    """Whether this program is told to end before so many seconds are over; greenlets wait too."""
    return bool(select.select([0], [], [], within)[0])


def run(greenlets: Sequence[gevent.Greenlet], seconds: float) -> None:
    """Wait until all greenlets have ended, it is told to end, or the time is over."""
    end = gevent.spawn(wait_read, 0)
    all_done = gevent.spawn(gevent.joinall, greenlets)
    gevent.wait([end, all_done], timeout=seconds, count=1)
    gevent.killall([end, all_done, *greenlets])


def latencies(seconds: Iterable[float]) -> dict[str, float]:
    """How many calls took so long, and in microseconds their mean, median, p99 and maximum."""
    ordered = sorted(seconds)
    mean, last = fmean(ordered), len(ordered) - 1
    p50, p99 = ordered[last // 2], ordered[last * 99 // 100]
    figures = {"mean_us": mean, "p50_us": p50, "p99_us": p99, "max_us": ordered[-1]}
    return {"calls": len(ordered), **{name: value * 1e6 for name, value in figures.items()}}


def report(figures: dict[str, Any]) -> None:
    """Tell what this program did."""
    print(json.dumps(figures), flush=True)


def raise_file_limit() -> int:
    """Let this process, and those that it starts, have as many files open as they may; how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
