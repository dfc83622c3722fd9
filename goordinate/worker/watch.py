"""--watch: a process that tells the supervisor when a file in a folder has changed."""

from __future__ import annotations

import multiprocessing
from contextlib import suppress
from multiprocessing.connection import Connection

from goordinate.client import ProgrammerError

from .processes import start


class Watcher:
    """Watches a folder. Raises ProgrammerError if `watchfiles` is not installed."""

    def __init__(self, folder: str) -> None:
        try:
            import watchfiles  # noqa: F401  (the process needs it)
        except ImportError:
            raise ProgrammerError(
                "watch needs watchfiles: pip install 'goordinate[watch]'"
            ) from None
        self._pipe: Connection
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = start(_watch, folder, theirs)
        theirs.close()

    def fileno(self) -> int:
        """Readable after a change."""
        return self._pipe.fileno()

    def changed(self) -> bool:
        """Whether there was a change since it was asked last."""
        changed = False
        with suppress(EOFError, OSError):
            while self._pipe.poll():
                self._pipe.recv_bytes()
                changed = True
        return changed

    def close(self) -> None:
        """Watch no more."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _watch(folder: str, pipe: Connection) -> None:
    import watchfiles

    with suppress(OSError, EOFError):
        for changes in watchfiles.watch(
            folder, rust_timeout=1000, yield_on_timeout=True, raise_interrupt=False
        ):
            if changes:
                pipe.send_bytes(b"changed")
            elif pipe.poll():
                pipe.recv_bytes()  # only the end of the supervisor is to be read here
