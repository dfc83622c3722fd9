"""The daemon under test, with one connection that asks; and what it holds, which it tells itself.

`python -m scripts.processes.daemon` is the daemon with one RPC more, `figures`: the numbers of its
greenlets, of the objects that Python's garbage collector knows, and of the blocks that Python's
allocator has given out.
"""

from __future__ import annotations

import contextlib
import gc
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from gevent.hub import RawGreenlet

from goordinate.cborrpc import Client
from goordinate.cborrpc.requests import Method
from goordinate.jobserver.daemon_info import DaemonCalls
from scripts.processes.server import Server, launch

CALL_SECONDS = 60.0
REST_SECONDS = 20.0
CONFIG = "config.yaml"
TELLING = ("-m", "scripts.processes.daemon")
"""What Python runs, before the daemon's arguments."""


class Daemon(Server):
    """A running daemon, and one connection to it, made at the start and kept, that asks."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        super().__init__(process, folder)
        self.client = Client(self.address, timeout=CALL_SECONDS, retries=0)

    def call(self, method: str, *params: object) -> Any:
        """The result of a call, over the connection that asks."""
        return self.client.call(method, *params)

    def counts(self, method: str) -> dict[str, int]:
        """Its counters, as `server_stats` gives them, or its `figures`."""
        return {name.decode(): count for name, count in self.call(method).items()}

    def stats(self) -> dict[str, int]:
        """Its counters."""
        return self.counts("server_stats")

    @contextlib.contextmanager
    def no_more_files(self) -> Iterator[None]:
        """While the block runs it can open no file or socket beyond those that it has."""
        before = self.process.rlimit(psutil.RLIMIT_NOFILE)
        self.process.rlimit(psutil.RLIMIT_NOFILE, (self.descriptors(), before[1]))
        try:
            yield
        finally:
            self.process.rlimit(psutil.RLIMIT_NOFILE, before)

    def rest(self) -> dict[str, int]:
        """Its counters, once it has no connection but the one that asks, or after some time."""
        deadline = time.monotonic() + REST_SECONDS
        while (stats := self.stats())["connections"] > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        return stats

    def complaints(self) -> list[str]:
        """The lines of its log that tell of a fault of its own; to have no descriptors is none."""
        return [
            line
            for line in self.log_lines()
            if re.search(r" (ERROR|CRITICAL) |Traceback", line)
            and "cannot accept connections" not in line
        ]


@contextlib.contextmanager
def daemon(
    settings: Mapping[str, object], program: Sequence[str] = TELLING, *, core: int | None = None
) -> Iterator[Daemon]:
    """A daemon, new and empty, while the block runs; `settings` are those of its server.

    `program` is what Python runs, before the daemon's arguments. Raises ScriptError if it does
    not start.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / CONFIG).write_text(json.dumps({"coordinate": {"server": dict(settings)}}))
        options = ["--host", "127.0.0.1", "--port", "0", "--config", CONFIG]
        command = [sys.executable, *program, *options]
        with launch(Daemon, command, folder, core=core) as server, server.client:
            yield server


def figures() -> dict[bytes, int]:
    """The numbers of what this process holds."""
    objects = gc.get_objects()
    return {
        b"greenlets": sum(isinstance(thing, RawGreenlet) for thing in objects),
        b"objects": len(objects),
        b"blocks": sys.getallocatedblocks(),
    }


if __name__ == "__main__":
    from goordinate.daemon import main

    usual = DaemonCalls.methods
    telling = Method("figures", figures, ())
    setattr(DaemonCalls, "methods", lambda self: [*usual(self), telling])  # noqa: B010
    sys.exit(main())
