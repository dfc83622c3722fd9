"""The servers under measurement: started on one core, and looked at from outside through /proc.

Processor time is user and system time of all threads of the server, from /proc/PID/stat, in
steps of 10 ms: the loads are long enough for that. Memory is VmRSS of /proc/PID/status.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 10.0

_TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """A measurement that cannot be made; the text is one line for the person who asked for it."""


@dataclass(frozen=True)
class Pythons:
    """What runs the servers: our Python and the tree it runs, and the original's Python if any."""

    ours: str = sys.executable
    source: Path = ROOT
    original: str | None = None


def cores() -> tuple[int, int]:
    """The core for the server, and the one for all the load; the same if there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


SERVER_CORE, LOAD_CORE = cores()


class Server:
    """One running server process on a port of 127.0.0.1."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.port = port
        self._process = process

    def processor_seconds(self) -> float:
        """User and system time of all its threads since it started."""
        stat = self._read("stat")
        fields = stat[stat.rindex(")") + 2 :].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_bytes(self) -> int:
        """Memory that it holds now, in bytes."""
        found = re.search(r"^VmRSS:\s+(\d+) kB", self._read("status"), re.MULTILINE)
        if not found:
            raise BenchError("the server has ended")
        return int(found[1]) * 1024

    def _read(self, name: str) -> str:
        return Path(f"/proc/{self._process.pid}/{name}").read_text()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _command(kind: str, pythons: Pythons, port: int, answer_bytes: int) -> list[str]:
    if kind == "floor":
        floor = str(ROOT / "scripts" / "bench_floor.py")
        return [pythons.ours, floor, str(port), str(answer_bytes)]
    if kind == "original":
        if pythons.original is None:
            raise BenchError("there is no Python 2.7 environment with the original")
        module = [pythons.original, "-m", "coordinate.run"]
    else:
        module = [pythons.ours, "-m", "goordinate"]
    return [*module, "--host", "127.0.0.1", "--port", str(port)]


@contextlib.contextmanager
def running(kind: str, pythons: Pythons, answer_bytes: int = 20) -> Iterator[Server]:
    """A server of a kind (floor, ours, original), new and empty, while the block runs.

    `answer_bytes` is the size of the floor's answers. Raises BenchError when it does not start.
    """
    port = _free_port()
    # The tree comes before an installed goordinate; the original's Python must not see it.
    environment = dict(os.environ)
    if kind == "original":
        environment.pop("PYTHONPATH", None)
    else:
        environment["PYTHONPATH"] = str(pythons.source)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            _command(kind, pythons, port, answer_bytes),
            cwd=pythons.source,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            os.sched_setaffinity(process.pid, {SERVER_CORE})
            if not _answers(process, port):
                log.seek(0)
                last = log.read().decode(errors="replace").strip().splitlines()[-1:]
                raise BenchError(f"{kind} does not start: {last[0] if last else 'no output'}")
            yield Server(process, port)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether the server takes connections before START_SECONDS are over."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.02)
    return False


def output_of(command: list[str], cwd: Path = ROOT) -> str:
    """What a command prints, or "" when it fails or is not there."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
