"""A client program beside the daemon, as its caller has it; lines.py is its own side."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from bench_servers import LOAD_CORE, BenchError

SCRIPTS = Path(__file__).resolve().parents[1]
END_SECONDS = 20.0


class Program:
    """A program of this folder, run on the core of all load, from the caller's side."""

    def __init__(self, name: str, *arguments: object, nice: int = 0) -> None:
        self._name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"faulting.{name}", *map(str, arguments)],
            cwd=SCRIPTS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        os.sched_setaffinity(self._process.pid, {LOAD_CORE})
        os.setpriority(os.PRIO_PROCESS, self._process.pid, nice)

    def __enter__(self) -> Program:
        self._line("ready")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
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
        return json.loads(self._line("{"))

    def _tell(self, word: bytes) -> None:
        assert self._process.stdin
        self._process.stdin.write(word)
        self._process.stdin.flush()

    def _line(self, start: str) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline().decode()
        if not line.startswith(start):
            raise BenchError(f"{self._name} ended early")
        return line
