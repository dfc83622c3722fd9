"""A daemon, and workers in processes of their own beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from goordinate.client import TaskMaster
from goordinate.testing import server
from goordinate.tests.worker import functions

PATIENCE = 60.0
"""Seconds after which something is not going to happen, on a busy machine too."""

ROOT = Path(functions.__file__).parents[3]


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What a condition is, once it is true. Fails after so many seconds."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)
    return value


def spec(function: str, name: str | None = None, **keys: Any) -> dict[str, Any]:
    """A work spec that calls a function of `functions`."""
    named = {"name": name or function, "module": functions.__name__, "run_function": function}
    return {**named, **keys}


class Worker:
    """A worker in a process group of its own; its log is in a file."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.log = folder / f"log-{time.monotonic_ns()}"
        path = os.pathsep.join([str(ROOT), str(folder), *filter(None, [os.getenv("PYTHONPATH")])])
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "goordinate.worker", *flags],
                env={**os.environ, "PYTHONPATH": path},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit status, when it has ended."""
        return self.process.wait(seconds)

    def text(self) -> str:
        """Its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: int) -> None:
        """Send a signal to the supervisor alone."""
        self.process.send_signal(number)

    def signal_group(self, number: int) -> None:
        """Send a signal to all of its processes, as a terminal does."""
        os.killpg(self.process.pid, number)

    def processes(self) -> list[psutil.Process]:
        """All that are left of its group."""
        found = []
        for process in psutil.process_iter():
            try:
                if os.getpgid(process.pid) == self.process.pid and (
                    process.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(process)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        return found

    def kill(self) -> None:
        """End what is left of it."""
        for process in self.processes():
            process.kill()
        self.process.wait()


Start = Callable[..., Worker]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts workers, with these flags; they are ended after the test."""
    started: list[Worker] = []

    def start_one(*flags: str) -> Worker:
        started.append(Worker(tmp_path, *flags))
        return started[-1]

    yield start_one
    for worker in started:
        if worker.process.poll() is None:
            worker.signal(signal.SIGABRT)
        worker.kill()


@pytest.fixture
def address() -> Iterator[str]:
    """Where a daemon with an empty queue is."""
    with server() as address:
        yield address


@pytest.fixture
def master(address: str) -> Iterator[TaskMaster]:
    """A client of it."""
    with TaskMaster(address) as master:
        yield master


def data_of(master: TaskMaster, name: str) -> dict[str, Any]:
    """{key: data} of a work spec."""
    return dict(master.iter_work_units(name))


def lines(path: Path) -> list[str]:
    """What run functions have noted in a file."""
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
