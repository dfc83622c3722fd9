"""What a child tells its supervisor without a message: the units it holds, and which one runs.

It is in memory that both see, so it is still there when the child was killed. The child writes, the
supervisor reads. A number that is odd while the list of units is written lets the reader see that
it came in between.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import reduction
from typing import Any, Final, NamedTuple

from goordinate.cborrpc import dumps, loads

_PAGE: Final = 4096
_ATTEMPTS: Final = 100

# The numbers of the header, each a float.
_WRITES, _LENGTH, _TAKEN_AT, _RUNNING, _KILL_AT, _BEGUN = range(6)

UnitName = tuple[Any, Any]
"""The work spec and the key of a unit, as they are sent."""


class Held(NamedTuple):
    """What a child holds.

    units: in the order in which they run. taken_at: when it got them. running: the place of the
    one that runs, None between two. kill_at: when the supervisor ends it. Times are monotonic.
    """

    units: Sequence[UnitName]
    taken_at: float
    running: int | None
    kill_at: float | None


class Slot:
    """The memory that a child and its supervisor share.

    It can be sent to a child when this is started, and no other way.
    """

    def __init__(self) -> None:
        self._open(_anonymous_file(), _anonymous_file())
        os.ftruncate(self._file, _PAGE)
        self._map()

    def _open(self, file: int, stack: int) -> None:
        self._file = file
        #: A file to which the child writes where it is, when it is asked for it.
        self.stack_file = stack

    def _map(self) -> None:
        self._header = memoryview(mmap.mmap(self._file, _PAGE)).cast("d")

    def __getstate__(self) -> Any:
        return reduction.DupFd(self._file), reduction.DupFd(self.stack_file)

    def __setstate__(self, state: Any) -> None:
        self._open(*(shared.detach() for shared in state))
        self._map()

    def close(self) -> None:
        """Give the memory back."""
        os.close(self._file)
        os.close(self.stack_file)

    def take(self, units: Sequence[UnitName]) -> None:
        """These units are held, none runs."""
        self._header[_KILL_AT] = 0
        self._write(units, None, time.monotonic())

    def keep(self, units: Sequence[UnitName], running: int | None) -> None:
        """Of those that were taken, only these are held. The function that runs goes on."""
        self._write(units, running, self._header[_TAKEN_AT])

    def _write(self, units: Sequence[UnitName], running: int | None, taken_at: float) -> None:
        header = self._header
        written = dumps(units) if units else b""
        header[_WRITES] += 1
        if written:
            os.pwrite(self._file, written, _PAGE)
        header[_LENGTH] = len(written)
        header[_TAKEN_AT] = taken_at
        header[_RUNNING] = 0 if running is None else running + 1
        header[_WRITES] += 1

    def begin(self, place: int) -> None:
        """The unit at this place runs."""
        self._header[_RUNNING] = place + 1
        self._header[_BEGUN] += 1

    def limit(self, kill_at: float) -> None:
        """The child is to be killed at this time."""
        self._header[_KILL_AT] = kill_at

    def end(self) -> None:
        """No unit runs."""
        self._header[_RUNNING] = self._header[_KILL_AT] = 0

    @property
    def begun(self) -> int:
        """How many units were begun."""
        return int(self._header[_BEGUN])

    def held(self) -> Held | None:
        """What the child holds; None if it died while it wrote that."""
        header = self._header
        for _ in range(_ATTEMPTS):
            writes = header[_WRITES]
            if not writes % 2:
                length, taken_at = int(header[_LENGTH]), header[_TAKEN_AT]
                running, kill_at = int(header[_RUNNING]), header[_KILL_AT]
                written = os.pread(self._file, length, _PAGE)
                if header[_WRITES] == writes:
                    return Held(
                        loads(written) if written else [],
                        taken_at,
                        running - 1 if running else None,
                        kill_at or None,
                    )
            time.sleep(0.0001)
        return None

    @property
    def kill_at(self) -> float | None:
        """When the child is to be killed, by the monotonic clock."""
        return self._header[_KILL_AT] or None

    def clear_stack(self) -> None:
        """Empty the file of the stack. Both sides write at the same position."""
        os.ftruncate(self.stack_file, 0)
        os.lseek(self.stack_file, 0, os.SEEK_SET)

    def stack(self) -> str:
        """What the child has written of where it is."""
        size = os.fstat(self.stack_file).st_size
        return os.pread(self.stack_file, size, 0).decode("utf-8", "replace")


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("goordinate-worker")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
