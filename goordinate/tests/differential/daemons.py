"""The original daemon and ours, each a process of its own on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import yaml

import goordinate
from goordinate.tests.connection import Connection
from goordinate.tests.original import original_python

#: Seconds a daemon gets to start.
DEADLINE = 30.0

#: How often a daemon is started that finds its port taken.
ATTEMPTS = 5

#: So that the package under test is found wherever ours runs.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(goordinate.__file__).parent.parent)}


def original_command() -> list[str]:
    """What starts the original."""
    return [original_python(), "-m", "coordinate.run"]


def our_command() -> list[str]:
    """What starts ours."""
    return [sys.executable, "-m", "goordinate"]


def free_port() -> int:
    """A port nobody listens on now; the original cannot pick one itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class DaemonProcess:
    """A daemon with a configuration file of its own, its log beside it."""

    def __init__(self, command: list[str], folder: Path, configuration: dict[str, object]) -> None:
        self._log = folder / "log"
        file = folder / "site.yaml"
        file.write_text(yaml.safe_dump(configuration), encoding="utf-8")
        for attempt in range(ATTEMPTS):
            self.address = ("127.0.0.1", free_port())
            options = ["--host", "127.0.0.1", "--port", str(self.address[1]), "-c", file.name]
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [*command, *options], cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log
                )
            if self._serves():
                return
            assert attempt < ATTEMPTS - 1, self._log.read_text(encoding="utf-8")

    def _serves(self) -> bool:
        """Wait until it serves; False if it has ended, as when its port was taken meanwhile."""
        end = time.monotonic() + DEADLINE
        while self._process.poll() is None:
            try:
                self.connect().close()
            except ConnectionRefusedError:
                assert time.monotonic() < end, "the daemon does not serve"
                time.sleep(0.02)
            else:
                return True
        return False

    def connect(self) -> Connection:
        """A new connection."""
        return Connection(self.address)

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
