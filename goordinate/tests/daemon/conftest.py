"""The daemon as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import goordinate

COMMAND = [sys.executable, "-m", "goordinate"]

# The package under test, wherever the command runs.
ROOT = Path(goordinate.__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

DEADLINE = 20.0
"""Seconds after which a test gives up; a good run never comes near."""


class DaemonProcess:
    """`python -m goordinate` on a free port, its log in a file."""

    def __init__(self, folder: Path, arguments: list[str], command: list[str]) -> None:
        self._log = folder / f"log-{time.monotonic_ns()}"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--port", "0", *arguments],
                cwd=folder,
                env=ENVIRONMENT,
                stderr=log,
            )
        serving = self.wait_for_log(r"serving on (.*):(\d+)")
        self.host, self.port = serving[1], int(serving[2])

    def log(self) -> str:
        """What it has logged so far, but for lines of the last moment: they are written later."""
        return self._log.read_text(encoding="utf-8")

    def whole_log(self) -> str:
        """What it has logged, once it is stopped, which this does."""
        self.send(signal.SIGTERM)
        assert self.wait() == 0
        return self.log()

    def wait_for_log(self, pattern: str) -> re.Match[str]:
        """The first place in the log where `pattern` matches, once there is one."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            # The order matters: what a process logged before its end is then in the log.
            ended = self.process.poll()
            found = re.search(pattern, self.log())
            if found:
                return found
            assert ended is None, f"the daemon ended: {self.log()}"
            time.sleep(0.01)
        raise AssertionError(f"no {pattern!r} in: {self.log()}")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit status."""
        return self.process.wait(DEADLINE)


StartDaemon = Callable[..., DaemonProcess]


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[StartDaemon]:
    """A function that starts a daemon in the test's folder with the arguments it is given.

    `command` is what the arguments are given to, when it is not the plain command.
    """
    daemons: list[DaemonProcess] = []

    def start(*arguments: str, command: list[str] = COMMAND) -> DaemonProcess:
        daemons.append(DaemonProcess(tmp_path, list(arguments), command))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.process.kill()
        daemon.process.wait()
