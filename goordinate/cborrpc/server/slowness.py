"""Cutting off a transfer that is too slow, by the rule of `progress`."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import gevent
from gevent import get_hub

from ..progress import CHECKS, Progress


class CutOff:
    """Raises an error in the greenlet that has made it, if its transfer is too slow.

    timeout: see `Progress`.  done: how many bytes have been transferred; it is only compared with
    what it was at the last check.  fault: makes the error, when it is raised: a frame that kept the
    error would be kept by its traceback, until the garbage collector runs.

    Until `close` is called, the greenlet may only wait for the transfer.
    """

    __slots__ = ("_done", "_done_before", "_fault", "_greenlet", "_progress", "_timer")

    def __init__(
        self, timeout: float, done: Callable[[], int], fault: Callable[[], Exception]
    ) -> None:
        self._greenlet = gevent.getcurrent()
        self._done = done
        self._done_before = done()
        self._fault = fault
        self._progress = Progress(timeout, monotonic())
        self._timer = get_hub().loop.timer(timeout / CHECKS, timeout / CHECKS)
        self._timer.start(self._check)

    def __enter__(self) -> CutOff:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """The transfer has ended."""
        self._timer.stop()
        self._timer.close()

    def _check(self) -> None:
        now, done = monotonic(), self._done()
        self._progress.add(done - self._done_before, now)
        self._done_before = done
        if self._progress.left(now) <= 0:
            self._timer.stop()
            self._greenlet.throw(self._fault())
