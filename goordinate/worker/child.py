"""A child: a process that gets units, runs them one after the other, and reports them.

The function runs in the main thread. What the supervisor has to know about units is in the `Slot`;
the pipe is for a child that has no work, and for the end.
"""

from __future__ import annotations

import faulthandler
import fcntl
import logging
import math
import os
import select
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from types import FrameType
from typing import Final

from goordinate.cborrpc import RemoteError
from goordinate.client import ProgrammerError, TimeLimitExceeded, WorkUnit
from goordinate.client.constants import AVAILABLE
from goordinate.client.running import perform
from goordinate.client.units import Change

from . import environment, logs, reports
from .config import WorkerConfig
from .master import ChildMaster
from .profile import Profiles
from .slots import Slot
from .time_limit import GRACE, Alarm

logger = logging.getLogger(__name__)

# What the pipe carries. From the child: it has no work; it has some; it ends, and holds nothing.
IDLE: Final = b"idle"
BUSY: Final = b"busy"
BYE: Final = b"bye"
# To the child: ask for work, and wait for it if the server lets it; end after the unit that runs.
LOOK: Final = b"look"
STOP: Final = b"stop"

BLOCKED_AT_START: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGABRT,
)
"""A child starts with these blocked, and lets them in when it can act on them."""

HOLD_SECONDS: Final = 1.0
"""How long the result of a unit may wait for those of the units after it."""

WAIT_SECONDS: Final = 30.0
"""How long a server is asked to wait until there is work."""

LAST_ANSWER: Final = 0.5
"""How long a child that is to end waits for the answer to its question for work."""

LONGEST_BACKOFF: Final = 30.0
_MEGABYTE: Final = 1024 * 1024


class _Stopped(Exception):
    """Raised where a child that holds nothing is told to end."""


class Child:
    """The work of one child. `quota`: how many units it may begin, None for any number."""

    def __init__(
        self,
        config: WorkerConfig,
        worker_id: str,
        pipe: Connection,
        slot: Slot,
        quota: int | None,
    ) -> None:
        self._config = config
        self._pipe = pipe
        self._slot = slot
        self._quota = quota
        self._master = ChildMaster(config, worker_id)
        self._master.notice = self._notice
        # A connection for what is sent while a function may be using the other.
        self._aside = ChildMaster(config, worker_id)
        self._stopping = False
        self._orphan = False
        # Where it is when it is told to end: in a question for work, or waiting for the supervisor.
        self._asking = self._interruptible = False
        self._told_busy = False
        self._started = time.monotonic()
        self._held: list[WorkUnit] = []
        self._running: WorkUnit | None = None
        self._unsent: list[Change] = []
        self._unsent_since = 0.0
        self._taken_at = 0.0
        # When an orphan has no lease any more; it is renewed when a third of it has passed.
        self._orphan_end = math.inf
        self._alarm = Alarm(self._on_alarm)
        self._profiles = Profiles(config.coordinate.get("profile"))

    def run(self) -> None:
        """Work until told to stop, or until it is time for another process."""
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGIO, self._on_pipe)
        fcntl.fcntl(self._pipe, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(self._pipe, fcntl.F_GETFL)
        fcntl.fcntl(self._pipe, fcntl.F_SETFL, flags | os.O_ASYNC)
        faulthandler.register(signal.SIGUSR1, self._slot.stack_file, all_threads=True)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, BLOCKED_AT_START)
        environment.set_title("goordinate worker: idle")
        try:
            self._work()
        except _Stopped:
            return  # the supervisor sees to what may have been given out meanwhile
        finally:
            self._master.close()
        self._tell(BYE)

    def _work(self) -> None:
        wait = 0.0
        while True:
            asked = time.monotonic()
            units = self._exchange(0 if self._leaving() else self._room(), wait)
            if not units:
                # A server that does not know how to wait, or stops, answers early.
                waited = wait > 0 and time.monotonic() - asked >= wait / 2
                if self._leaving() or not (waited or self._told_to_look()):
                    return
                # With --burst the worker ends when nobody has work, and nobody asks for any.
                wait = 0.0 if self._config.burst else WAIT_SECONDS
                continue
            wait = 0.0
            if not self._told_busy:
                self._told_busy = True
                self._tell(BUSY)
            self._run_all(units)

    # What ends the child.

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        if self._asking:
            self._cut_short()
        elif self._interruptible:
            raise _Stopped

    def _cut_short(self) -> None:
        """Have the server answer now. Units that are on their way come with the answer."""
        if not self._master.client.half_close():
            raise _Stopped
        self._alarm.give_up(LAST_ANSWER, _Stopped())

    def _is_spoken_to(self) -> bool:
        """Whether there is something to read in the pipe, or it has ended."""
        return bool(select.select([self._pipe], [], [], 0)[0])

    def _leaving(self) -> bool:
        """Whether no more units are taken."""
        if not self._stopping and self._is_spoken_to():
            self._read_pipe()
        return self._stopping or self._is_worn() or self._room() == 0

    def _read_pipe(self) -> bool:
        """Read what the supervisor says. Returns False if it says that this is the end."""
        try:
            told = self._pipe.recv_bytes()
        except (EOFError, OSError):
            self._orphan = True
            told = STOP
        if told == STOP:
            self._stopping = True
        return told != STOP

    def _is_worn(self) -> bool:
        config, now = self._config, time.monotonic()
        if config.child_lifetime is not None and now - self._started >= config.child_lifetime:
            return True
        if config.max_memory is None or not self._slot.begun:
            return False
        return (environment.resident() or 0) > config.max_memory * _MEGABYTE

    def _room(self) -> int:
        """How many units may be asked for."""
        room = self._config.batch
        for most in (self._quota, self._config.max_units):
            if most is not None:
                room = min(room, most - self._slot.begun)
        return max(0, room)

    # What goes to the server and comes from it.

    def _exchange(self, max_units: int, wait: float) -> Sequence[WorkUnit]:
        """Report what has ended and get units, for which the server may wait; try until there is an
        answer."""
        backoff = 0.5
        while self._unsent or max_units:
            try:
                # To stop means to give up a question, but no result.
                self._asking = not self._unsent
                if self._asking and (self._stopping or (wait and self._is_spoken_to())):
                    raise _Stopped
                answer = self._master.exchange(self._unsent, max_units, wait)
                self._asking = False
            except OSError as fault:
                self._asking = False
                if not (self._stopping and not self._unsent):
                    logger.warning("no answer from the server, trying again: %s", fault)
                    self._pause(backoff)
                    backoff = min(LONGEST_BACKOFF, 2 * backoff)
                continue
            except RemoteError as fault:
                self._asking = False
                logger.error("the server refuses a request: %s", fault)
                if self._unsent:
                    self._unsent = reports.send_one_by_one(self._master, self._unsent)
                else:
                    self._pause(backoff)
                    backoff = min(LONGEST_BACKOFF, 2 * backoff)
                continue
            if self._stopping:
                self._alarm.stop()
            self._unsent = []
            # Before anything else can happen: they are this child's now.
            self._hold(list(answer.units))
            for refused in answer.refused:
                reports.fail(self._master, refused)
            return answer.units
        return ()

    def _hold(self, units: list[WorkUnit]) -> None:
        if units or self._held:
            self._held = units
            self._slot.take([self._master.holds(unit) for unit in units])
            self._taken_at = time.monotonic()

    def _keep(self, units: list[WorkUnit]) -> None:
        """Of the units that are held, only these still are."""
        self._held = units
        running = units.index(self._running) if self._running in units else None
        self._slot.keep([self._master.holds(unit) for unit in units], running)

    def _pause(self, seconds: float) -> None:
        """Wait; less if the supervisor says something."""
        if self._stopping:
            time.sleep(seconds)
        elif select.select([self._pipe], [], [], seconds)[0]:
            self._read_pipe()

    def _tell(self, message: bytes) -> None:
        try:
            self._pipe.send_bytes(message)
        except OSError:
            self._stopping = True  # the supervisor is gone

    def _told_to_look(self) -> bool:
        """Wait until the supervisor says that there may be work. False: this is the end."""
        self._told_busy = False
        environment.set_title("goordinate worker: idle")
        self._tell(IDLE)
        try:
            self._interruptible = True
            return not self._stopping and self._read_pipe()
        except _Stopped:
            return False
        finally:
            self._interruptible = False

    # The units.

    def _run_all(self, units: Sequence[WorkUnit]) -> None:
        for unit in units:
            if self._stopping or (self._unsent and self._leaving()):
                self._unsent.append(unit.change(status=AVAILABLE))
                continue
            if self._unsent and time.monotonic() - self._unsent_since >= HOLD_SECONDS:
                self._send_aside()
            change = self._run_one(unit)
            if change is not None:
                if not self._unsent:
                    self._unsent_since = time.monotonic()
                self._unsent.append(change)
                if unit is not units[-1] and _feeds_another(unit):
                    self._send_aside()

    def _run_one(self, unit: WorkUnit) -> Change | None:
        """Run a unit. Returns what is left to send."""
        self._running = unit
        logs.set_running(unit)
        environment.set_title(f"goordinate worker: {unit.work_spec_name} {unit.key!r}")
        try:
            self._slot.begin(self._held.index(unit))
            try:
                self._slot.limit(self._alarm.start(self._limit_of(unit)) + GRACE)
                with self._profiles.of(unit):
                    change = perform(unit).change
            except TimeLimitExceeded as fault:
                # It came when the function was just over.
                change = unit.failing(fault)
            finally:
                self._alarm.stop()
            self._slot.end()
            return change
        except Exception as fault:
            logger.exception("the result of a unit cannot be sent")
            self._slot.end()
            return reports.failure(self._master, unit.work_spec_name, unit.key, fault)
        finally:
            self._running = None
            logs.set_running(None)

    def _limit_of(self, unit: WorkUnit) -> float:
        try:
            own = unit.spec.get("timeout")
        except Exception:  # running the unit meets the same fault, and tells it
            own = None
        if own is None:
            return self._config.timeout
        if isinstance(own, bool) or not isinstance(own, int | float) or own <= 0:
            raise ProgrammerError(f"'timeout' of a work spec is a number above 0, not {own!r}")
        return float(own)

    def _notice(self, change: Change) -> None:
        """A run function changes a unit. It may be the one that runs."""
        spec, key, options = change
        for unit in self._held:
            if (unit.work_spec_name, unit.key) == (spec, key):
                if options.get("status") is not None:
                    # From here on it is nobody's concern: not renewed, not failed.
                    self._keep([other for other in self._held if other is not unit])
                else:
                    self._slot.limit(self._alarm.start(self._limit_of(unit)) + GRACE)
                return

    def _on_alarm(self, now: float) -> float:
        """What is due while a function runs. Returns when there is something again."""
        if self._unsent and now - self._unsent_since >= HOLD_SECONDS:
            self._send_aside()
        if now >= self._orphan_end:
            os._exit(1)  # nobody has renewed the lease
        return min(
            self._orphan_end,
            self._unsent_since + HOLD_SECONDS if self._unsent else math.inf,
        )

    def _on_pipe(self, number: int, frame: FrameType | None) -> None:
        """There is something in the pipe. While a function runs that may be its end, and while the
        child asks for work that is its own end."""
        if self._asking and self._is_spoken_to():
            self._stopping = True
            self._cut_short()
        if self._running is None:
            return
        while not self._orphan and self._is_spoken_to():
            self._read_pipe()
        if self._orphan and self._orphan_end == math.inf:
            lease, now = self._config.lease, time.monotonic()
            self._orphan_end = max(self._taken_at + lease, now + lease / 3)
            self._alarm.again()

    def _send_aside(self) -> None:
        """Report what has ended, while other units are held or running."""
        try:
            refused = self._aside.exchange(self._unsent, 0).refused
        except (OSError, RemoteError):
            self._unsent_since = time.monotonic()
            return
        sent = {(spec, key) for spec, key, _ in self._unsent}
        self._unsent = []
        self._keep([u for u in self._held if (u.work_spec_name, u.key) not in sent])
        for item in refused:
            reports.fail(self._master, item)


def _feeds_another(unit: WorkUnit) -> bool:
    """Whether its output may give units to a spec that runs before this one."""
    spec = unit.spec
    if not spec.get("then") or not spec.get("then_preempts", True):
        return False
    return isinstance(unit.data, dict) and bool(unit.data.get("output"))


def main(
    config: WorkerConfig, worker_id: str, pipe: Connection, slot: Slot, quota: int | None
) -> None:
    """The whole life of a child process."""
    logs.set_up(config)
    Child(config, worker_id, pipe, slot, quota).run()
