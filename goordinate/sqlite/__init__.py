"""The durable backend: the state in memory, and every change of it in a SQLite file."""

from goordinate.sqlite.backend import Options, SqliteBackend
from goordinate.sqlite.check import check
from goordinate.sqlite.file import FileError

__all__ = ["FileError", "Options", "SqliteBackend", "check"]
