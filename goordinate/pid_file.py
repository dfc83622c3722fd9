"""The file that holds the id of the daemon's process.

The rule here: the file belongs to the process that it names. The daemon takes it over at the
start, and at the end removes it only if no other process has taken it over since.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat

log = logging.getLogger("goordinate.daemon")


class PidFile:
    """The file at a path."""

    def __init__(self, path: str) -> None:
        self._path = path

    def write(self) -> None:
        """Let it name this process; a living process that it named is told in the log.

        Raises OSError.
        """
        other = self._named()
        if other is not None and other != os.getpid() and _is_alive(other):
            log.warning(
                "pid file %s: it named process %d, which is alive; it names this one now",
                self._path, other,
            )  # fmt: skip
        with open(self._path, "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    def remove(self) -> None:
        """Remove it, if it still names this process."""
        if self._named() == os.getpid():
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def _named(self) -> int | None:
        """The process that it names; None if there is no such file, or no number in it."""
        try:
            # Reading anything else, as a pipe, could wait for ever.
            if not stat.S_ISREG(os.stat(self._path).st_mode):
                return None
            with open(self._path, "rb") as file:
                return int(file.read(32))
        except (OSError, ValueError):
            return None


def _is_alive(process: int) -> bool:
    # 0 and negative numbers mean groups of processes.
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
