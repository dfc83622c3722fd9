"""The signals of the supervisor, while it runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final

HANDLED: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGABRT,
    signal.SIGHUP,
    signal.SIGUSR1,
)


class Signals:
    """A context in which `handler` is called for each signal; the file wakes up a selector."""

    def __init__(self, handler: Callable[[int, FrameType | None], None]) -> None:
        self._handler = handler
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in HANDLED:
            self._before[number] = signal.signal(number, self._handler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read)
        os.close(self._write)

    def fileno(self) -> int:
        """Readable after a signal."""
        return self._read

    def drain(self) -> None:
        """Make it wait for the next signal."""
        os.read(self._read, 4096)
