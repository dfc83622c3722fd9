"""What cannot be written: no answer leaves for it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import gevent
import pytest

from goordinate.coordinate.clock import SteadyClock
from goordinate.sqlite import Options, SqliteBackend, check, commits
from goordinate.tests.sqlite.test_file import FAST, add, opened


def test_nothing_settles_on_a_full_disk_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "RETRY", 0.02)
    path = tmp_path / "queue.db"
    with opened(path) as backend:
        connection = backend._file.connection
        assert connection is not None
        add(backend, 10)
        backend.settle()
        connection.execute("PRAGMA max_page_count = 20")

        def client(number: int) -> None:
            add(backend, 20, 1000 * number, size=200)
            backend.settle()

        clients = [gevent.spawn(client, number) for number in range(1, 51)]
        gevent.joinall(clients, timeout=0.3)
        assert not any(client.dead for client in clients)
        assert backend.health().error == "database or disk is full"
        connection.execute("PRAGMA max_page_count = 100000")
        gevent.joinall(clients, timeout=30)
        assert all(client.successful() for client in clients)
        assert backend.health().error is None
    assert check(str(path)).endswith(": 1 work specs, 1010 units")


class Failing:
    """A connection on which a statement fails, as the disk does."""

    def __init__(self, connection: sqlite3.Connection, statement: str) -> None:
        self._connection = connection
        self._statement = statement

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: Any) -> Any:
        """Run a statement, or fail."""
        if statement == self._statement:
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(statement, *values)

    def executemany(self, statement: str, *values: Any) -> Any:
        """The same for many rows."""
        if "INSERT INTO unit" in statement and self._statement == "write":
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.executemany(statement, *values)


@pytest.mark.parametrize("statement", ["write", "COMMIT", "BEGIN IMMEDIATE"])
def test_after_an_io_error_nothing_settles_and_the_process_ends(
    tmp_path: Path, statement: str
) -> None:
    path = tmp_path / "queue.db"
    with opened(path) as backend:
        add(backend, 10)
    failed: list[bool] = []
    options = Options(synchronous="OFF", fail=lambda: failed.append(True))
    backend = SqliteBackend(str(path), SteadyClock(), options)
    backend._commits._connection = Failing(  # type: ignore[assignment]
        backend._commits._connection, statement
    )
    add(backend, 10, 10)
    waiting = gevent.spawn(backend.settle)
    waiting.join(timeout=0.3)
    assert failed == [True]
    assert not waiting.dead
    waiting.kill()
    backend._file.close()
    assert check(str(path)).endswith(": 1 work specs, 10 units")


def test_with_an_interval_nothing_waits(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    with opened(path, Options(synchronous="OFF", interval=0.05)) as backend:
        add(backend, 10)
        backend.settle()
        assert backend.health().counts["commits"] == 0
        gevent.sleep(0.5)
        assert backend.health().counts["commits"] == 1
    assert FAST.interval is None
