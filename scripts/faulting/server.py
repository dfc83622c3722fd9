"""The daemon under test: a process on a core of its own, and what is seen of it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench_servers import ROOT, SERVER_CORE, START_SECONDS, STOP_SECONDS, BenchError, Server

from faulting.report import Report
from goordinate.cborrpc import Client

PROGRAM = Path(__file__).with_name("daemon.py")
CALL_SECONDS = 60.0
REST_SECONDS = 20.0
LOG, FIGURES = "log", "figures"


class Daemon(Server):
    """A running daemon, and one connection to it, made at the start and kept, that asks."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        super().__init__(process, port)
        self._log = folder / LOG
        self._figures = folder / FIGURES
        self.client = Client(("127.0.0.1", port), timeout=CALL_SECONDS, retries=0)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def call(self, method: str, *params: object) -> Any:
        """The result of a call, over the connection that asks."""
        return self.client.call(method, *params)

    def stats(self) -> dict[str, int]:
        """Its counters, as `server_stats` gives them."""
        return {name.decode(): count for name, count in self.call("server_stats").items()}

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def figures(self) -> dict[str, int]:
        """The numbers of what it holds, as daemon.py tells them."""
        self._figures.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR2)
        deadline = time.monotonic() + CALL_SECONDS
        while not self._figures.exists():
            if time.monotonic() > deadline:
                raise BenchError("the daemon does not tell what it holds")
            time.sleep(0.01)
        figures: dict[str, int] = json.loads(self._figures.read_text())
        return figures

    @contextlib.contextmanager
    def no_more_files(self) -> Iterator[None]:
        """While the block runs it can open no file or socket beyond those that it has."""
        before = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (self.descriptors(), before[1]))
        try:
            yield
        finally:
            resource.prlimit(self.pid, resource.RLIMIT_NOFILE, before)

    def rest(self) -> None:
        """Wait until there is no connection but the one that asks, as long as that may take."""
        deadline = time.monotonic() + REST_SECONDS
        while self.stats()["connections"] > 1 and time.monotonic() < deadline:
            time.sleep(0.1)

    def log_lines(self) -> list[str]:
        """What it has logged."""
        return self._log.read_text(errors="replace").splitlines()

    def complaints(self) -> list[str]:
        """The lines of its log that tell of a fault of its own; to have no descriptors is none."""
        return [
            line
            for line in self.log_lines()
            if re.search(r" (ERROR|CRITICAL) |Traceback", line)
            and "cannot accept connections" not in line
        ]

    def stop(self) -> int | None:
        """Tell it to stop: its exit status, or None when it has not ended in time."""
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return None


@contextlib.contextmanager
def daemon(settings: Mapping[str, object]) -> Iterator[Daemon]:
    """A daemon, new and empty, while the block runs; `settings` are those of its server.

    Raises BenchError when it does not start.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, log = folder / "config.yaml", folder / LOG
        config.write_text(json.dumps({"coordinate": {"server": dict(settings)}}))
        command = [sys.executable, str(PROGRAM), str(folder / FIGURES), "--config", str(config)]
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", "0"],
                cwd=ROOT,
                # The tree comes before an installed goordinate.
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            os.sched_setaffinity(process.pid, {SERVER_CORE})
            server = Daemon(process, _port(process, log), folder)
            with server.client:
                yield server
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that it says it is serving on."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        ended = process.poll() is not None or time.monotonic() > deadline
        text = log.read_text(errors="replace")
        if found := re.search(r"serving on 127\.0\.0\.1:(\d+)", text):
            return int(found[1])
        if ended:
            raise BenchError(f"the daemon does not start: {text.strip()[-300:] or 'no output'}")
        time.sleep(0.05)


def check_end(report: Report, server: Daemon) -> None:
    """That a daemon which has been left alone is in order, and stops when it is told to."""
    stats, complaints = server.stats(), server.complaints()
    report.check(
        "only the connection that asks is left",
        stats["connections"] == 1,
        f"{stats['connections']} open, {stats['connections_accepted']:,} accepted",
    )
    report.check(
        "no fault of the daemon's own",
        stats["internal_errors"] == 0 and not complaints,
        "; ".join(complaints[:3]) or f"{len(server.log_lines()):,} lines of log",
    )
    status = server.stop()
    report.check("the daemon stops when told to", status == 0, f"exit status {status}")
