"""For the tests of programs that use the queue: a server in this process, or one of its own.

The pytest fixtures `task_master` and `goordinate_server` are made of these: `pytest_plugin`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from goordinate.backend import open_backend
from goordinate.cborrpc import Client
from goordinate.cborrpc.messages import Dispatcher
from goordinate.client import TaskMaster
from goordinate.client.connection import Strings
from goordinate.client.constants import RUNTIMES
from goordinate.client.running import work
from goordinate.client.strings import Name
from goordinate.coordinate.clock import SteadyClock
from goordinate.coordinate.errors import CoordinateError
from goordinate.jobserver import JobServer


class InProcessClient(Client):
    """A client whose messages a job server in this process answers. No socket is opened."""

    def __init__(self, job_server: JobServer) -> None:
        super().__init__(("in this process", 0))
        self._dispatcher = Dispatcher(job_server.methods, expected=(CoordinateError,))

    def exchange(self, message: bytes, wait: float = 0.0) -> bytes:
        """The answer to a message. No call waits."""
        return self._dispatcher.answer(message)


def task_master(*, strings: Strings = "auto") -> TaskMaster:
    """A TaskMaster on an empty queue of its own, in the memory of this process."""
    backend = open_backend("memory", SteadyClock())
    job_server = JobServer(
        backend.namespace(""), configuration=lambda: {"coordinate": {}}, stats=dict
    )
    return TaskMaster({}, strings=strings, client=InProcessClient(job_server))


def run_all(
    task_master: TaskMaster, specs: Sequence[Name] | None = None, *, limit: int = 10_000
) -> int:
    """Run units in this process, one after the other, until there is none to give. How many ran.

    specs: only units of these work specs. A unit that waits for its delay is left. Raises
    RuntimeError when `limit` units have run and there are more, as with a spec that is continuous
    or a function that always raises Retry.
    """
    for ran in range(limit + 1):
        unit = task_master.get_work("run_all", work_spec_names=specs, runtimes=RUNTIMES)
        if unit is None:
            return ran
        if ran == limit:
            unit.retry()
            break
        work(unit)
    raise RuntimeError(f"{limit} units have run and there are more")


START_SECONDS = 30.0
"""How long a server may take to start, or to stop."""


@contextmanager
def server(*arguments: str) -> Iterator[str]:
    """A server in a process of its own, on a free port of the local machine: its "host:port".

    arguments: of `goordinated`. Raises RuntimeError, with its log, if it does not serve.
    """
    with tempfile.TemporaryDirectory(prefix="goordinate-") as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "goordinate", "--host", "127.0.0.1", "--port", "0"]
        with log.open("wb") as output:
            process = subprocess.Popen([*command, *arguments], stdout=output, stderr=output)
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            try:
                process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where a server serves, once its log says it."""
    end = time.monotonic() + START_SECONDS
    while True:
        # In this order: the log of a process that has ended is whole.
        ended = process.poll() is not None
        text = log.read_text(encoding="utf-8")
        if serving := re.search(r"serving on (\S+:\d+)$", text, re.MULTILINE):
            return serving[1]
        if ended or time.monotonic() > end:
            raise RuntimeError(f"the server does not serve:\n{text}")
        time.sleep(0.02)
