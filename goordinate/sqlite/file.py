"""Opening the file: whose it is, that nobody else has it, and that it is whole.

Rule: a file that is refused is as it was. So it is read through a connection that cannot write,
and a file whose header is not ours is not given to SQLite at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

from goordinate.sqlite import schema

#: The first bytes of every file of SQLite.
_MAGIC: Final = b"SQLite format 3\0"
#: Where the header has the two numbers; four bytes each.
_USER_VERSION_AT: Final = 60
_APPLICATION_ID_AT: Final = 68
_HEADER_SIZE: Final = 100

#: What the commits of one connection share.
_CACHE_KIB: Final = 16 * 1024
#: Pages in the write-ahead log from which on a commit copies them into the file.
_CHECKPOINT_PAGES: Final = 1000
#: Bytes that the log may keep when it begins anew.
_LOG_KEPT: Final = 16 * 1024 * 1024

#: Files that this process has open, as (device, inode). A second opening must not even open one:
#: to close it again would end the locks that SQLite has on it in this process.
_open_here: set[tuple[int, int]] = set()


def _connect(path: str, mode: str, timeout: float) -> sqlite3.Connection:
    """A connection. The whole path, so that SQLite takes no name such as ":memory:" for something
    else."""
    return sqlite3.connect(
        f"file:{quote(os.path.abspath(path))}?mode={mode}",
        uri=True,
        timeout=timeout,
        isolation_level=None,
    )


class FileError(Exception):
    """The file cannot be used; the text is one line that names it."""


class QueueFile:
    """A file that this process has for itself, and the connection that writes it."""

    def __init__(self, path: str) -> None:
        """Take the file, and make it if there is none. Raises FileError.

        Nothing is written to a file that exists until `begin`.
        """
        self.path = path
        self._place: tuple[int, int] | None = None
        self._descriptor = -1
        #: What writes; there is one after `begin`.
        self.connection: sqlite3.Connection | None = None
        try:
            self._take()
            if self._is_new():
                self._create()
            elif check_header(self.path, self._header()) < schema.VERSION:
                self._migrate()
        except OSError as error:
            self.close()
            raise FileError(f"{self.path}: {error.strerror}") from None
        except sqlite3.Error as error:
            self.close()
            raise FileError(f"{self.path}: {error}") from None
        except FileError:
            self.close()
            raise

    def _take(self) -> None:
        """Lock the file; the lock ends with the process."""
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(self.path)
            if (status.st_dev, status.st_ino) in _open_here:
                raise FileError(f"{self.path}: this process has it open already")
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        status = os.fstat(self._descriptor)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileError(f"{self.path}: another daemon has it open") from None
        self._place = (status.st_dev, status.st_ino)
        _open_here.add(self._place)

    def _is_new(self) -> bool:
        return os.fstat(self._descriptor).st_size == 0

    def _header(self) -> bytes:
        return os.pread(self._descriptor, _HEADER_SIZE, 0)

    def _create(self) -> None:
        """Make the tables. A crash meanwhile leaves an empty file, as SQLite's own journal says."""
        with contextlib.closing(_connect(self.path, "rw", 5)) as connection:
            run = connection.execute
            run("PRAGMA auto_vacuum = INCREMENTAL")
            run("PRAGMA synchronous = FULL")
            run("BEGIN EXCLUSIVE")
            run(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            run(f"PRAGMA user_version = {schema.VERSION}")
            for statement in schema.CREATE:
                run(statement)
            run("COMMIT")
            run("PRAGMA journal_mode = WAL")
        sync_directory(self.path)

    def _migrate(self) -> None:
        """Make the tables of an older version those of this one, all steps or none."""
        with contextlib.closing(_connect(self.path, "rw", 5)) as connection:
            run = connection.execute
            ((version,),) = run("PRAGMA user_version")
            if version >= schema.VERSION:
                return
            run("PRAGMA synchronous = FULL")
            run("BEGIN IMMEDIATE")
            for older in range(version, schema.VERSION):
                for statement in schema.MIGRATIONS[older]:
                    run(statement)
            run(f"PRAGMA user_version = {schema.VERSION}")
            run("COMMIT")
            # So that the header of the file itself says so.
            run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def begin(self, synchronous: str) -> sqlite3.Connection:
        """The connection that writes.

        `synchronous` is that of SQLite, FULL but in tests. Raises FileError.
        """
        connection = _connect(self.path, "rw", 0.05)
        self.connection = connection
        try:
            for setting in (
                "journal_mode = WAL",
                f"synchronous = {synchronous}",
                f"cache_size = -{_CACHE_KIB}",
                f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
                f"journal_size_limit = {_LOG_KEPT}",
                "temp_store = MEMORY",
            ):
                connection.execute(f"PRAGMA {setting}")
        except sqlite3.Error as error:
            self.close()
            raise FileError(f"{self.path}: {error}") from None
        return connection

    def close(self) -> None:
        """Give the file back."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if self._place is not None:
            _open_here.discard(self._place)
            self._place = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def check_header(path: str, header: bytes) -> int:
    """The version of the tables, by the first bytes of a file. Raises FileError if they are not
    those of one of ours."""
    if os.path.exists(f"{path}-journal"):
        return schema.VERSION  # it was cut off when it was made; SQLite will see to it
    if len(header) < _HEADER_SIZE or not header.startswith(_MAGIC):
        raise FileError(f"{path}: not a queue: it is no SQLite database")
    application = int.from_bytes(header[_APPLICATION_ID_AT : _APPLICATION_ID_AT + 4], "big")
    version = int.from_bytes(header[_USER_VERSION_AT : _USER_VERSION_AT + 4], "big")
    check_numbers(path, application, version)
    return version


def check_numbers(path: str, application: int, version: int) -> None:
    """Raises FileError for the file of another program, or of a newer version of this one."""
    if application != schema.APPLICATION_ID:
        raise FileError(f"{path}: not a queue: it is the database of another program")
    if version > schema.VERSION:
        raise FileError(
            f"{path}: it was written by a newer version (tables {version}, here {schema.VERSION})"
        )


@contextlib.contextmanager
def reading(path: str) -> Iterator[sqlite3.Connection]:
    """A connection that can only read, for as long as the context lasts.

    Raises FileError for what SQLite has to say against the file then.
    """
    try:
        connection = _connect(path, "ro", 5)
        with contextlib.closing(connection):
            connection.execute("PRAGMA cell_size_check = ON")
            connection.execute("BEGIN")  # all that is read is of one moment
            ((application,),) = connection.execute("PRAGMA application_id")
            ((version,),) = connection.execute("PRAGMA user_version")
            check_numbers(path, application, version)
            ((pages,),) = connection.execute("PRAGMA page_count")
            ((size,),) = connection.execute("PRAGMA page_size")
            yield connection
            _check_size(path, pages * size)
    except sqlite3.Error as error:
        raise FileError(f"{path}: {error}") from None


def _check_size(path: str, size: int) -> None:
    """Raises FileError if the file ends before its last page, and no log has that page."""
    log = f"{path}-wal"
    if os.stat(path).st_size < size and not (os.path.exists(log) and os.path.getsize(log)):
        raise FileError(f"{path}: it is cut off: {os.stat(path).st_size} of {size} bytes")


def sync_directory(path: str) -> None:
    """Make the entry of a file in its directory durable. Raises OSError."""
    descriptor = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
