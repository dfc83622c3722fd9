"""The backends that the suites run on: a new one is a row of `BACKENDS`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from goordinate.coordinate.api import Backend
from goordinate.coordinate.clock import Clock
from goordinate.memory import MemoryBackend
from goordinate.sqlite import Options, SqliteBackend
from goordinate.tests.reopened import ReopenedBackend

#: No test here cuts the power, so nothing waits for a disk.
FAST = Options(restart_grace=0.0, synchronous="OFF")

#: A directory in memory, if there is one.
_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@contextmanager
def _memory(clock: Clock) -> Iterator[Backend]:
    yield MemoryBackend(clock)


@contextmanager
def _sqlite(clock: Clock) -> Iterator[Backend]:
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        backend = SqliteBackend(str(Path(folder, "queue.db")), clock, FAST)
        try:
            yield backend
        finally:
            backend.close()


@contextmanager
def _reopened(clock: Clock) -> Iterator[Backend]:
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        path = str(Path(folder, "queue.db"))
        backend = ReopenedBackend(lambda: SqliteBackend(path, clock, FAST))
        try:
            yield backend
        finally:
            backend.close()


BACKENDS: Mapping[str, Callable[[Clock], AbstractContextManager[Backend]]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "sqlite-reopened": _reopened,
}
"""Name -> an empty backend on a clock, for as long as the context lasts; it takes its files along
when it leaves."""

ONCE = frozenset({"sqlite-reopened"})
"""What the suites run on in one Python only: the code is that of `sqlite`, and each test takes
several times as long."""

EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("sqlite-reopened", "test_doing_units_again_costs_no_memory"): "each opening costs memory",
    ("sqlite-reopened", "test_filled_and_cleared"): "each opening costs memory",
    ("sqlite-reopened", "test_a_namespace_is_made_when_asked_for"): "an empty one leaves no trace",
    ("sqlite-reopened", "test_the_job_server_answers_as_the_model"): "what the last of the reasons "
    "here tells; and the form of a worker's name is forgotten if nothing on record has it",
    **{
        ("sqlite-reopened", name): "an opening reads the clock"
        for name in ("test_the_end_of_an_attempt", "test_renew", "test_clear", "test_request")
    },
    **{
        ("sqlite-reopened", name): "a unit that nobody has had since its lease ended is listed "
        "again, though its worker was away meanwhile or its priority is another"
        for name in (
            "test_until_it_is_changed_or_deleted",
            "test_of_a_worker_that_was_gone_meanwhile",
        )
    },
}
"""(backend, test) -> why the test does not run on it."""
