"""Opening the file: what is refused stays as it is, and what was committed is there."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.clock import SteadyClock
from goordinate.coordinate.names import encoded
from goordinate.coordinate.new_units import NewWorkUnit
from goordinate.sqlite import FileError, Options, SqliteBackend, check, schema

FAST = Options(synchronous="OFF")


@contextmanager
def opened(path: Path, options: Options = FAST) -> Iterator[SqliteBackend]:
    """The backend of a file, for as long as the context lasts."""
    with closing(SqliteBackend(str(path), SteadyClock(), options)) as backend:
        yield backend


def add(backend: SqliteBackend, count: int, start: int = 0, size: int = 20) -> None:
    """Units of the work spec `s`, which is made."""
    namespace = backend.namespace("")
    namespace.set_work_spec(dumps({b"name": b"s"}))
    keys = [b"%08d" % n for n in range(start, start + count)]
    namespace.add_work_units(
        b"s",
        [NewWorkUnit(key, encoded(key) + dumps({b"d": b"x" * size}), None, 0.0) for key in keys],
    )


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    """A file with 1,000 units."""
    path = tmp_path / "queue.db"
    with opened(path) as backend:
        add(backend, 1000)
    return path


def test_check_tells_what_is_in_a_file(queue: Path) -> None:
    assert check(str(queue)) == f"{queue}: 1 work specs, 1000 units"


def _foreign(path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 10)


def _other_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _cut_off(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 // 4096 * 4096])


def _cut_off_by_a_little(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (_foreign, "not a queue: it is no SQLite database"),
        (_other_program, "not a queue: it is the database of another program"),
        (_newer, "it was written by a newer version (tables 3, here 2)"),
        (_cut_off, ""),
        (_cut_off_by_a_little, ""),
        (_damaged, ""),
    ],
)
def test_a_bad_file_is_refused_and_stays_as_it_is(queue: Path, harm: object, reason: str) -> None:
    harm(queue)  # type: ignore[operator]
    before = hashlib.sha256(queue.read_bytes()).digest()
    for look in (lambda: SqliteBackend(str(queue), SteadyClock(), FAST), lambda: check(str(queue))):
        with pytest.raises(FileError) as caught:
            look()
        assert str(caught.value).startswith(f"{queue}: {reason}")
        assert "\n" not in str(caught.value)
        assert hashlib.sha256(queue.read_bytes()).digest() == before


def test_a_second_daemon_is_refused(queue: Path) -> None:
    with opened(queue):
        with pytest.raises(FileError, match="this process has it open already"):
            SqliteBackend(str(queue), SteadyClock())
        command = [sys.executable, "-m", "goordinate", "-p", "0", "--backend", f"sqlite:{queue}"]
        second = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert second.returncode == 1
        line = f"goordinated: {queue}: another daemon has it open"
        assert second.stderr.splitlines()[-1] == line
    with opened(queue) as backend:
        assert backend.namespace("").count_work_units(b"s") == {1: 1000}


def test_an_older_version_is_migrated(queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = schema.VERSION + 1
    monkeypatch.setattr(schema, "VERSION", newer)
    monkeypatch.setattr(schema, "MIGRATIONS", {newer - 1: ("CREATE TABLE more (x)",)})
    with opened(queue) as backend:
        assert backend.namespace("").count_work_units(b"s") == {1: 1000}
    with closing(sqlite3.connect(queue)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (newer,)
        connection.execute("SELECT * FROM more")


def test_a_file_without_counters(queue: Path) -> None:
    with closing(sqlite3.connect(queue)) as connection:
        connection.execute("DROP TABLE facts")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert check(str(queue)) == f"{queue}: 1 work specs, 1000 units"
    with opened(queue) as backend:
        counters = backend.namespace("").get_facts(b"s").counters
        assert counters is not None
        assert (counters.added_client, counters.started) == (1000, 0)


def test_a_reader_of_the_live_file_takes_nothing_away(queue: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with opened(queue) as backend:
        add(backend, 100, 1000)
        backend.settle()
        with closing(sqlite3.connect(queue)) as reader, closing(sqlite3.connect(copy)) as target:
            reader.backup(target)
        add(backend, 100, 1100)
        backend.settle()
    assert check(str(copy)).endswith(": 1 work specs, 1100 units")
    assert check(str(queue)).endswith(": 1 work specs, 1200 units")


def test_a_lease_that_ended_meanwhile_goes_on_for_the_grace(queue: Path) -> None:
    with opened(queue) as backend:
        backend.namespace("").request_work(b"w", lease=0.001)
    with opened(queue, Options(synchronous="OFF", restart_grace=1000)) as backend:
        namespace = backend.namespace("")
        (unit,) = namespace.get_work_units(b"s", [b"00000000"])
        assert unit is not None
        assert unit.worker_name == b"w"
        assert 990 < (unit.expiration or 0) - namespace.now() <= 1000


@pytest.mark.parametrize("statuses", [None, [1], [1, 3]])
def test_all_units_go_and_come_again_in_one_commit(queue: Path, statuses: list[int] | None) -> None:
    with opened(queue) as backend:
        namespace = backend.namespace("")
        namespace.request_work(b"w", count=10, lease=1000)
        backend.settle()
        add(backend, 10, 2000)
        namespace.delete_work_units(b"s", statuses=statuses)
        add(backend, 20, 500)
        expected = namespace.count_work_units(b"s")
        backend.settle()
        # The rows themselves go bit by bit.
        with closing(sqlite3.connect(queue)) as reader:
            assert reader.execute("SELECT count(*) FROM unit").fetchone()[0] > 100
    with opened(queue) as backend:
        assert backend.namespace("").count_work_units(b"s") == expected
