"""Lines -> a file descriptor, without ever waiting for whoever reads it.

The rule here: `put` never blocks. A thread of the system writes; what it has not written yet is
bounded, and lines beyond the bound are dropped and counted. Lines are written in the order in which
they were put, and the place of those that were dropped is marked by a line that tells how many.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

MAX_WAITING = 2 * 2**20
"""Bytes of lines that wait to be written, besides those that are being written."""

RETRY = 1.0
"""Seconds from a write that failed to the next."""


class LineWriter:
    """Writes lines to `descriptor`; None: there is nowhere to write, and all lines are dropped.

    `told` makes the line that tells how many lines were dropped.
    """

    def __init__(
        self,
        descriptor: int | None,
        told: Callable[[int], bytes],
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._descriptor = descriptor
        self._told = told
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._lines: list[bytes] = []
        self._size = 0
        #: Dropped since the last line that told it.
        self._untold = 0
        self._writing = False
        self._failing = False
        self._in_line = False
        self._thread: threading.Thread | None = None
        #: How many lines were dropped.
        self.dropped = 0

    def put(self, line: bytes) -> None:
        """Write a line, which ends with a line end, soon; or drop it."""
        with self._changed:
            # After the first that is dropped so are all, until there is room for the line that
            # tells it: they would come before that line.
            if self._untold or self._size + len(line) > self._max_waiting:
                self._drop(1)
            else:
                self._lines.append(line)
                self._size += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout: float) -> None:
        """Wait until all is written, but no more than `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._failing or not (self._lines or self._untold or self._writing), timeout
            )

    def _drop(self, lines: int) -> None:
        self._untold += lines
        self.dropped += lines

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._untold)
                lines, untold = self._lines, self._untold
                self._lines, self._size, self._untold = [], 0, 0
                self._writing = True
            left = self._write(b"".join(lines) + (self._told(untold) if untold else b""))
            with self._changed:
                self._writing = False
                self._failing = bool(left)
                if left:
                    # The last line that is left is the one that tells of those before.
                    self._drop(left - bool(untold))
                    self._untold += untold
                self._changed.notify_all()
            if left:
                time.sleep(RETRY)

    def _write(self, data: bytes) -> int:
        """Write lines; how many are left, or cut off, because that fails."""
        rest = memoryview(b"\n" + data if self._in_line else data)
        descriptor = self._descriptor
        while rest and descriptor is not None:
            try:
                written = os.write(descriptor, rest)
            except BlockingIOError:
                # Others that have the same file open may have made it non-blocking.
                poll = select.poll()
                poll.register(descriptor, select.POLLOUT)
                poll.poll()
            except OSError:
                break
            else:
                self._in_line = rest[written - 1] != ord("\n")
                rest = rest[written:]
        return bytes(rest).count(b"\n")
