"""The servers that are compared: the floor, ours and the original."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.processes.server import ROOT, SERVER_CORE, ScriptError, Server, launch


@dataclass(frozen=True)
class Pythons:
    """What runs the servers: our Python and the tree it runs, and the original's Python if any."""

    ours: str = sys.executable
    source: Path = ROOT
    original: str | None = None


@contextlib.contextmanager
def running(kind: str, pythons: Pythons, answer_bytes: int = 20) -> Iterator[Server]:
    """A server of a kind (floor, ours, original), new and empty, while the block runs.

    `answer_bytes` is the size of the floor's answers. Raises ScriptError when it does not start.
    """
    host = ["--host", "127.0.0.1"]
    command = [pythons.ours, "-m", "goordinate", *host, "--port", "0"]
    # The original's Python must not see our packages.
    python_path: Path | None = pythons.source
    if kind == "floor":
        command = [pythons.ours, "-m", "scripts.benchmark.floor", str(answer_bytes)]
        python_path = ROOT
    elif kind == "original":
        if pythons.original is None:
            raise ScriptError("there is no Python 2.7 environment with the original")
        command = [pythons.original, "-m", "coordinate.run", *host, "--port", str(_free_port())]
        python_path = None
    with (
        tempfile.TemporaryDirectory() as folder,
        launch(Server, command, Path(folder), python_path=python_path, core=SERVER_CORE) as server,
    ):
        yield server


def _free_port() -> int:
    """A port for the original, which takes 0 for its default."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def output_of(command: list[str], python_path: Path | None = None) -> str:
    """What a command prints, or "" when it fails or is not there."""
    environment = {**os.environ, "PYTHONPATH": str(python_path or "")}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
