"""The backend: the state in memory, kept in a file."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

from goordinate.coordinate import api
from goordinate.coordinate.clock import Clock
from goordinate.memory import MemoryBackend
from goordinate.sqlite.commits import Commits
from goordinate.sqlite.file import QueueFile, reading
from goordinate.sqlite.load import Loader, load
from goordinate.sqlite.notes import Facts
from goordinate.sqlite.write import Upkeep


def end_process() -> None:
    """End the process at once with exit status 1: no answer leaves for what is not on disk, and
    after a failed fsync nobody knows what is. The next start goes on from the last commit."""
    logging.shutdown()
    os._exit(1)


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is kept."""

    #: None: an answer waits for the commit. Or it does not, and a commit is made every so many
    #: seconds.
    interval: float | None = None
    #: Seconds that a lease has at least after the start.
    restart_grace: float = 30.0
    #: How SQLite writes: FULL, but in tests that lose no power.
    synchronous: str = "FULL"
    fail: Callable[[], None] = end_process


class SqliteBackend(MemoryBackend):
    """All namespaces, in memory and in a file."""

    def __init__(self, path: str, clock: Clock, options: Options | None = None) -> None:
        """Open the file, or make it, and load what is in it. Raises FileError."""
        options = Options() if options is None else options
        super().__init__(clock)
        self._file = QueueFile(path)
        try:
            loader = self._load(options.restart_grace)
            connection = self._file.begin(options.synchronous)
        except BaseException:
            self._file.close()
            raise
        loader.notes.is_known = self._is_known
        loader.notes.facts_of = self._facts_of
        self._commits = Commits(
            connection,
            loader.notes,
            Upkeep(connection, loader.graves),
            clock,
            path=self._file.path,
            last_commit=loader.last_commit,
            offset=loader.offset,
            ahead=loader.ahead,
            interval=options.interval,
            fail=options.fail,
        )
        self.keep(self._commits)

    def _load(self, grace: float) -> Loader:
        with reading(self._file.path) as connection:
            loader = load(self._file.path, connection, self, self._clock, grace)
        return loader

    def _is_known(self, namespace: str, worker: bytes) -> bool:
        home = self._namespaces.get(namespace)
        return home is not None and home.knows_worker(worker)

    def _facts_of(self, place: tuple[str, bytes]) -> Facts:
        namespace, spec = place
        return self._namespaces[namespace].kept_facts(spec)

    def _forget(self, name: str) -> None:
        super()._forget(name)
        self._commits.forget(name)

    def health(self) -> api.Health:
        return api.Health(self._commits.waits_for, self._commits.counts)

    def close(self) -> None:
        self._commits.close()
        self._file.close()
