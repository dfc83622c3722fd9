"""Children that go on after their time, and where children are: their stacks."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Final

from .processes import ChildProcess
from .time_limit import GRACE

logger = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.5
"""How often it is seen whether a child that is busy goes on too long."""

_STACK_SECONDS: Final = 0.3
"""How long a child has to write where it is."""


class Overdue:
    """Kills what goes on too long, and tells where it was."""

    def __init__(self) -> None:
        # Children that were asked for their stack, when it is read, and whether they are killed.
        self._asked: dict[int, tuple[float, bool]] = {}

    def see_to(self, children: Sequence[ChildProcess], now: float) -> None:
        """Do what is due."""
        for child in children:
            asked = self._asked.get(child.pid)
            if asked is not None and now >= asked[0]:
                del self._asked[child.pid]
                self._read(child, asked[1], now)
            elif child.kill_at is not None and now >= child.kill_at:
                child.kill(None)
            elif _is_too_long(child, now) and not (asked and asked[1]):
                self._ask(child, kill=True)
        for pid in self._asked.keys() - {child.pid for child in children}:
            del self._asked[pid]

    def due(self, children: Sequence[ChildProcess], now: float) -> Iterator[float]:
        """When `see_to` may have something to do."""
        for when, _ in self._asked.values():
            yield when
        for child in children:
            if child.kill_at is not None:
                yield child.kill_at
            elif child.state == "busy":
                yield now + _LOOK_SECONDS

    def show_stacks(self, children: Sequence[ChildProcess]) -> None:
        """Log where the children are."""
        for child in children:
            if child.pid not in self._asked:
                self._ask(child, kill=False)

    def _ask(self, child: ChildProcess, kill: bool) -> None:
        child.slot.clear_stack()
        child.signal(signal.SIGUSR1)
        self._asked[child.pid] = (time.monotonic() + _STACK_SECONDS, kill)

    def _read(self, child: ChildProcess, kill: bool, now: float) -> None:
        stack = child.slot.stack()
        if not kill:
            logger.info("stack of worker process %d:\n%s", child.pid, stack)
        elif _is_too_long(child, now):
            child.kill(
                f"TimeLimitExceeded: the function went on for {GRACE:g} s after its time limit;"
                f" worker process {child.pid} was killed by signal 9 (SIGKILL)\n{stack}"
            )


def _is_too_long(child: ChildProcess, now: float) -> bool:
    kill_at = child.slot.kill_at
    return kill_at is not None and now >= kill_at
