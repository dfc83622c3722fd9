"""The daemon under trial: a process of its own, run from the tree that this file is in, and what is
seen of it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fuzzing.run import Fault
from goordinate.cborrpc import Client

ROOT: Final = Path(__file__).resolve().parents[2]

WAIT: Final = 20.0
"""Seconds for what should be done at once, whatever else the machine has to do."""


class Daemon:
    """A running daemon, and a connection to it that is kept; a good client calls over it."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        self.address = ("127.0.0.1", self._wait_for_port())
        self.client = Client(self.address, timeout=WAIT, retries=0)

    def _wait_for_port(self) -> int:
        end = time.monotonic() + WAIT
        while self._process.poll() is None and time.monotonic() < end:
            if found := re.search(r"serving on 127\.0\.0\.1:(\d+)", "\n".join(self.log())):
                return int(found[1])
            time.sleep(0.02)
        raise Fault("the daemon does not start", "\n".join(self.log()))

    def call(self, method: str, *params: object) -> Any:
        """The result of a call."""
        return self.client.call(method, *params)

    def at_rest(self) -> dict[str, int]:
        """Its counters, once it has no connection but this one, or after some time."""
        end = time.monotonic() + WAIT
        while True:
            stats = {name.decode(): count for name, count in self.call("server_stats").items()}
            if stats["connections"] == 1 or time.monotonic() > end:
                return stats
            time.sleep(0.05)

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self._process.pid}/fd"))

    def resident_bytes(self) -> int:
        """How much memory it holds."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def log(self) -> list[str]:
        """The lines that it has logged."""
        return self._log.read_text(errors="replace").splitlines()

    def complaints(self) -> list[str]:
        """The lines of its log that tell of a fault of its own."""
        return [line for line in self.log() if re.search(r" (ERROR|CRITICAL) |Traceback", line)]

    def stop(self) -> int:
        """Tell it to stop; its exit status."""
        self._process.terminate()
        return self._process.wait(WAIT)


@contextlib.contextmanager
def daemon(settings: Mapping[str, object], program: Sequence[str]) -> Iterator[Daemon]:
    """A daemon, new and empty, while the block runs.

    settings: those of its server.  program: what Python runs, before the daemon's arguments.
    """
    with tempfile.TemporaryDirectory() as folder:
        config, log = Path(folder, "config.yaml"), Path(folder, "log")
        config.write_text(json.dumps({"coordinate": {"server": dict(settings)}}))
        arguments = ["--host", "127.0.0.1", "--port", "0", "--config", str(config)]
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *program, *arguments],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            server = Daemon(process, log)
            with server.client:
                yield server
        finally:
            process.kill()
            process.wait()
