"""`--check FILE`: the file read through, all of it, whoever has it open."""

from __future__ import annotations

from goordinate.coordinate.clock import SteadyClock
from goordinate.memory import MemoryBackend
from goordinate.sqlite.file import FileError, check_header, reading
from goordinate.sqlite.load import load


def check(path: str) -> str:
    """How many work specs and units a file holds, in one line. Raises FileError."""
    try:
        with open(path, "rb") as file:
            check_header(path, file.read(100))
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    with reading(path) as connection:
        found = [line for (line,) in connection.execute("PRAGMA integrity_check(10)")]
        if found != ["ok"]:
            raise FileError(f"{path}: damaged: {'; '.join(found)}")
        clock = SteadyClock()
        loader = load(path, connection, MemoryBackend(clock), clock, 0.0)
    return f"{path}: {len(loader.notes.specs)} work specs, {loader.units} units"
