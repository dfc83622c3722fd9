"""A child as its supervisor sees it: started, told to stop, killed, and how it ended.

Children are forked from a forkserver, a process without threads in which the modules of the worker,
and those of --preload, are imported once.
"""

from __future__ import annotations

import importlib.util
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from types import ModuleType
from typing import Any, Final, NamedTuple

from goordinate.client import ProgrammerError

from . import child as child_module
from .child import BLOCKED_AT_START, LOOK, STOP
from .config import WorkerConfig
from .slots import Held, Slot, UnitName

logger = logging.getLogger(__name__)

_CONTEXT: Final = multiprocessing.get_context("forkserver")
_FORKSERVER_DIED: Final = 255
"""What multiprocessing says of a child whose forkserver has died, dead or not."""


class Dead(NamedTuple):
    """What was left by a child.

    reason: of its end, None if units are to be given back. running: the unit that it ran. clean: it
    held nothing.
    """

    worker_id: str
    pid: int
    reason: str | None
    running: UnitName | None
    clean: bool


def prepare(modules: Sequence[str]) -> None:
    """Have the forkserver import modules. Raises ProgrammerError if there is no such module."""
    for name in modules:
        try:
            found = importlib.util.find_spec(name)
        except ImportError:
            found = None
        if found is None:
            raise ProgrammerError(f"there is no module {name!r} to preload")
    _CONTEXT.set_forkserver_preload([child_module.__name__, *modules])


def start(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """A process that calls a function. Raises OSError or EOFError if it cannot be started."""
    process = _CONTEXT.Process(target=target, args=arguments)
    # The tracker unblocks signals when it starts; so it is started before they are blocked.
    resource_tracker.ensure_running()
    with _signals_blocked(), _no_main_module():
        forkserver.ensure_running()
        process.start()
    return process


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """What is started has signals blocked that a whole process group may get: the forkserver is
    there until the last child has ended."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED_AT_START)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _no_main_module() -> Iterator[None]:
    """A child does not import the program that started the supervisor."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class ChildProcess:
    """One child, started at once. `quota`: how many units it may begin, None for any number."""

    def __init__(self, config: WorkerConfig, worker_id: str, quota: int | None) -> None:
        self.worker_id = worker_id
        self.quota = quota
        self.started = time.monotonic()
        self.pipe: Connection
        self.pipe, theirs = multiprocessing.Pipe()
        self.slot = Slot()
        try:
            self._process = start(child_module.main, config, worker_id, theirs, self.slot, quota)
        except BaseException:
            self.pipe.close()
            self.slot.close()
            raise
        finally:
            theirs.close()
        self.pid = int(self._process.pid or 0)
        #: "looking" for work at first; then "idle" until it is told to look, "waiting" for what it
        #: finds, or "busy".
        self.state = "looking"
        #: It has said that it ends, and holds nothing.
        self.said_bye = False
        #: When it is killed if it is still there; None if it is not to be.
        self.kill_at: float | None = None
        self._reason: str | None = None
        self._killed = False

    @property
    def sentinel(self) -> int:
        """What becomes readable when the child has ended."""
        return int(self._process.sentinel)

    def held(self) -> Held | None:
        """What it holds; None if that is not known."""
        return self.slot.held()

    def look(self) -> None:
        """Have it look for work."""
        self.state = "waiting"
        self._tell(LOOK)

    def stop(self) -> None:
        """Have it end after the unit that runs."""
        self._tell(STOP)
        self.signal(signal.SIGTERM)

    def kill(self, reason: str | None) -> None:
        """End it now. reason: why the unit that runs has failed; None: it is given back."""
        if not self._killed:
            self._killed = True
            self._reason = reason
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def _tell(self, message: bytes) -> None:
        # A child that is gone is seen by its sentinel.
        with suppress(OSError):
            self.pipe.send_bytes(message)

    def ended(self) -> Dead:
        """How it ended, once its sentinel is readable. Gives back what it took here."""
        self._process.join()
        code = self._process.exitcode
        held = self.slot.held()
        running = None
        if held is not None and held.running is not None and held.running < len(held.units):
            spec, key = held.units[held.running]
            running = (spec, key)
        reason = self._reason
        if not self._killed and (code or running is not None):
            reason = _ending(self.pid, code)
        if code == _FORKSERVER_DIED:
            # It may still be there, but nobody would tell how it ends.
            self.signal(signal.SIGKILL)
            reason = None
        self._process.close()
        self.pipe.close()
        at_rest = (self.said_bye and code == 0) or self.state == "idle"
        clean = at_rest and held is not None and not held.units
        self.slot.close()
        return Dead(self.worker_id, self.pid, reason, running, clean)


def _ending(pid: int, code: int | None) -> str:
    if code is None or code >= 0:
        return f"worker process {pid} exited with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    return f"worker process {pid} was killed by signal {-code} ({name})"
