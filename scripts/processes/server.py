"""The one launcher of servers, and what psutil sees of a server from outside."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

ROOT = Path(__file__).resolve().parents[2]
LOG = "log"
START_SECONDS = 30.0
STOP_SECONDS = 10.0

_CORES = sorted(psutil.Process().cpu_affinity())
SERVER_CORE, LOAD_CORE = _CORES[0], _CORES[-1]
"""The processor core of a server, and that of all load; the same if there is only one."""

S = TypeVar("S", bound="Server")


class ScriptError(Exception):
    """What was asked for cannot be done; the text is one line for the person who asked."""


class Server:
    """A running server on a port of 127.0.0.1; its output is the file `log` in its folder."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._popen = process
        self._log = folder / LOG
        self.process = psutil.Process(process.pid)
        self.port = self._wait_for_port()
        self.address = ("127.0.0.1", self.port)

    def _wait_for_port(self) -> int:
        deadline = time.monotonic() + START_SECONDS
        while self._popen.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(psutil.Error):  # it may end meanwhile
                for connection in self.process.net_connections("tcp"):
                    if connection.status == psutil.CONN_LISTEN:
                        return int(connection.laddr.port)
            time.sleep(0.02)
        said = self.log_lines()[-1:] or ["no output"]
        raise ScriptError(f"the server does not start: {said[0]}")

    def processor_seconds(self) -> float:
        """User and system time of all its threads since it started, in steps of 10 ms."""
        times = self.process.cpu_times()
        return times.user + times.system

    def resident_bytes(self) -> int:
        """Memory that it holds now, in bytes."""
        return self.process.memory_info().rss

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return self.process.num_fds()

    def log_lines(self) -> list[str]:
        """What it has logged."""
        return self._log.read_text(errors="replace").splitlines()

    def stop(self) -> int | None:
        """Tell it to stop: its exit status, or None if it has not ended in STOP_SECONDS."""
        self._popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._popen.wait(STOP_SECONDS)
        return None


@contextlib.contextmanager
def launch(
    make: Callable[[subprocess.Popen[bytes], Path], S],
    command: Sequence[str],
    folder: Path,
    *,
    python_path: Path | None = ROOT,
    core: int | None = None,
) -> Iterator[S]:
    """A new server, run in a folder while the block runs; `make` is its class.

    `python_path` is where Python finds packages first (None: only where it always does), `core`
    the only processor core that it may use. Raises ScriptError if it does not start.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if python_path is not None:
        environment["PYTHONPATH"] = str(python_path)
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        if core is not None:
            psutil.Process(process.pid).cpu_affinity([core])
        yield make(process, folder)
    finally:
        process.kill()
        process.wait()
