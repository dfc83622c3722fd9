"""The supervisor: one process without threads that keeps children at work.

Rule: it waits for nothing but its selector, and for the server no longer than `ANSWER_SECONDS`.
What it does is in the list of duties in `_duties`, each with the time at which it is due.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import selectors
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Final

from goordinate.client import ProgrammerError

from . import environment, inline, leases, logs
from .child import BUSY, BYE, IDLE
from .config import WorkerConfig
from .contact import Contact
from .looking import Looking
from .losses import Losses
from .master import SupervisorMaster
from .overdue import Overdue
from .processes import ChildProcess, prepare
from .profile import Profiles
from .signals import Signals
from .watch import Watcher

logger = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 5.0
"""How long the server may take to answer the supervisor."""

YOUNG: Final = 1.0
"""A child that dies within so many seconds, in its first unit or before, is replaced after a wait,
which doubles each time."""

LAST_WORDS: Final = 5.0
"""Seconds for which a worker that is to end waits for a server that does not answer."""

DONE: Final = 0
STOPPED_HARD: Final = 1
NO_SERVER: Final = 3


class Supervisor:
    """Runs units in child processes until it is told to stop: see docs/worker.md."""

    def __init__(self, config: WorkerConfig) -> None:
        if config.max_memory is not None and environment.psutil is None:
            raise ProgrammerError("max_memory needs psutil: pip install 'goordinate[worker]'")
        Profiles(config.coordinate.get("profile"))  # to be refused here, and not by each child
        if config.isolation == "unit":
            config = dataclasses.replace(config, batch=1, max_units=1)
        self._master = SupervisorMaster(config, ANSWER_SECONDS)
        host, port = self._master.client.address
        # Of several addresses, the children use the one that was drawn.
        self._config = dataclasses.replace(
            config, coordinate={**config.coordinate, "address": [host, port]}
        )
        #: The id under which the server knows it; it is the parent of its children.
        self.worker_id = environment.new_worker_id()
        self._contact = Contact(f"{host}:{port}")
        self._children: dict[int, ChildProcess] = {}
        self._losses = Losses(self.worker_id, config.on_death == "fail")
        self._looking = Looking(config.poll_interval)
        self._overdue = Overdue()
        self._selector = selectors.DefaultSelector()
        self._watcher: Watcher | None = None
        self._registered = False
        #: Worker ids of children that have ended well.
        self._free_ids: list[str] = []
        self._left = math.inf if config.limit_count is None else config.limit_count
        self._next_start = self._start_wait = 0.0
        self._next_heartbeat = self._next_renewal = 0.0
        self._idle_since: float | None = None
        self._stopping_since: float | None = None
        self._gone_since: float | None = None
        # Whether a signal has told it to stop, and whether it stops whatever work there is.
        self._signalled = self._stops_for_good = False
        self._cold = False
        self._status: int | None = None
        self._begun = time.monotonic()

    def run(self) -> int:
        """Work until told to stop. Returns the exit status: 0 done, 1 stopped hard, 3 there is no
        server and no reason to wait for one.

        Only in the main thread: it handles the signals of the process. Raises ProgrammerError for a
        module that cannot be preloaded.
        """
        logs.set_up(self._config)
        if self._config.isolation == "none":
            return inline.run(self._config)
        environment.set_title("goordinate worker")
        prepare(self._config.preload)
        with Signals(self._on_signal) as signals:
            self._selector.register(signals, selectors.EVENT_READ, signals.drain)
            try:
                if self._config.watch:
                    self._watcher = Watcher(self._config.watch)
                    self._selector.register(self._watcher, selectors.EVENT_READ, self._on_change)
                return self._loop()
            finally:
                for child in self._all():
                    child.kill(None)
                if self._watcher is not None:
                    self._watcher.close()
                self._selector.close()
                self._master.close()

    def _all(self) -> list[ChildProcess]:
        return list(self._children.values())

    # The loop.

    def _loop(self) -> int:
        while True:
            now = time.monotonic()
            self._do_what_is_due(now)
            if self._is_over(now):
                self._say_goodbye()
                return self._status or DONE
            due = min(self._due(now), default=now + 1.0)
            for key, _ in self._selector.select(max(0.0, due - time.monotonic())):
                with suppress(KeyError):  # a child that ended in this round
                    key.data()

    def _do_what_is_due(self, now: float) -> None:
        if self._stopping_since is None:
            self._see_whether_to_stop(now)
        if now >= self._contact.next_try:
            self._call_server(now)
        if self._registered and self._stopping_since is None:
            self._start_missing(now)
            self._looking.look(self._all(), now)
        self._overdue.see_to(self._all(), now)
        since, most = self._stopping_since, self._config.stop_timeout
        if since is not None and most is not None and now >= since + most and not self._cold:
            logger.warning("units still run %g s after the stop: they are given back", most)
            self._kill_all()

    def _call_server(self, now: float) -> None:
        """Heartbeats, leases, and what dead children have left."""
        contact, master = self._contact, self._master
        if now >= self._next_heartbeat and not self._is_going():
            if contact.attempt(self._heartbeat) is None:
                if not self._registered and self._config.burst:
                    self._status = NO_SERVER
                    self._stop()
                return
            self._registered = True
            self._next_heartbeat = now + self._config.heartbeat_interval
        if now >= self._next_renewal and self._children:
            lost = contact.attempt(lambda: leases.renew(master, self._all(), self._config.lease))
            if lost is None:
                return
            self._next_renewal = now + self._config.lease / 3
            for child in lost:
                logger.error("worker process %d is killed: it has lost its lease", child.pid)
                child.kill(None)
        losses = self._losses.due()
        if losses is not None and now >= losses:
            contact.attempt(lambda: self._losses.settle(master, now))
            contact.attempt(lambda: self._losses.unregister(master))
            if self._losses.gave_back:
                self._looking.hurry()

    def _heartbeat(self) -> bool:
        """Tell the server of all workers. Returns True; raises OSError."""
        call = self._master.heartbeat_call
        told = environment.environment()
        calls = [call(self.worker_id, told, None)]
        for child in self._all():
            told = environment.environment(child.pid)
            calls.append(call(child.worker_id, told, self.worker_id))
        calls += [call(free, None, self.worker_id) for free in self._free_ids]
        self._master.call_all(calls)
        return True

    def _due(self, now: float) -> Iterator[float]:
        """When there is something to do."""
        later = max(now, self._contact.next_try)
        if not self._is_going():
            yield max(later, self._next_heartbeat)
        if self._children:
            yield max(later, self._next_renewal)
        for moment in (self._losses.due(), self._gone_since):
            if moment is not None:
                yield max(later, moment)
        yield from self._overdue.due(self._all(), now)
        if self._stopping_since is None:
            yield from self._due_while_working(later)
        elif self._config.stop_timeout is not None and not self._cold:
            yield self._stopping_since + self._config.stop_timeout

    def _due_while_working(self, later: float) -> Iterator[float]:
        if len(self._children) < self._wanted():
            yield max(later, self._next_start)
        look = self._looking.due(self._all())
        if look is not None:
            yield look
        if self._config.limit_seconds is not None:
            yield self._begun + self._config.limit_seconds
        if self._idle_since is not None and self._config.max_idle is not None:
            yield self._idle_since + self._config.max_idle

    # Children.

    def _wanted(self) -> int:
        """How many children there should be."""
        return self._config.processes if self._left > 0 else len(self._children)

    def _start_missing(self, now: float) -> None:
        while len(self._children) < self._wanted() and now >= self._next_start:
            if not self._free_ids:
                if now < self._contact.next_try:
                    return
                self._free_ids.append(environment.new_worker_id())
                if self._contact.attempt(self._register_last) is None:
                    self._free_ids.pop()
                    return
            self._start(self._free_ids.pop())

    def _register_last(self) -> bool:
        """Have the server know the parent of a child before it asks for work."""
        self._master.call_all(
            [self._master.heartbeat_call(self._free_ids[-1], None, self.worker_id)]
        )
        return True

    def _start(self, worker_id: str) -> None:
        quota = None
        if math.isfinite(self._left):
            quota = math.ceil(self._left / (self._wanted() - len(self._children)))
            self._left -= quota
        child = ChildProcess(self._config, worker_id, quota)
        self._children[child.pid] = child
        self._selector.register(child.pipe, selectors.EVENT_READ, lambda: self._on_message(child))
        self._selector.register(child.sentinel, selectors.EVENT_READ, lambda: self._on_end(child))

    def _on_message(self, child: ChildProcess) -> None:
        now = time.monotonic()
        try:
            told = child.pipe.recv_bytes()
        except (EOFError, OSError):
            # Its sentinel tells the end. If it does not, the child has closed its pipe.
            self._selector.unregister(child.pipe)
            child.kill_at = now + LAST_WORDS
            return
        if told == IDLE:
            self._looking.found_none(child, now)
            if self._is_idle() and self._idle_since is None:
                self._idle_since = now
        elif told == BUSY:
            self._idle_since = None
            self._looking.found(child, self._all())
        elif told == BYE:
            child.said_bye = True
            child.kill_at = now + LAST_WORDS

    def _on_end(self, child: ChildProcess) -> None:
        now = time.monotonic()
        # What it said last counts.
        with suppress(EOFError, OSError):
            while child.pipe.poll():
                child.said_bye |= child.pipe.recv_bytes() == BYE
        with suppress(KeyError):
            self._selector.unregister(child.pipe)
        self._selector.unregister(child.sentinel)
        del self._children[child.pid]
        begun = child.slot.begun
        if child.quota is not None:
            self._left += child.quota - begun
        dead = child.ended()
        self._losses.add(dead, now)
        if dead.clean:
            self._free_ids.append(dead.worker_id)
        elif dead.reason is not None:
            logger.error("%s", dead.reason)
        if dead.clean or child.state == "idle" or begun > 1 or now - child.started >= YOUNG:
            self._start_wait = 0.0
        elif now >= self._next_start:  # several that die together count once
            self._start_wait = min(30.0, max(0.5, 2 * self._start_wait))
            self._next_start = now + self._start_wait
        if not self._is_going() and len(self._free_ids) > self._config.processes:
            self._losses.leave(self._free_ids.pop(0))

    def _is_idle(self) -> bool:
        """Whether no child has work. With --burst none may be asking for some either, or it would
        be given back and left."""
        without = {"idle"} if self._config.burst else {"idle", "waiting"}
        return bool(self._children) and all(child.state in without for child in self._all())

    # The end.

    def _see_whether_to_stop(self, now: float) -> None:
        config = self._config
        if config.limit_seconds is not None and now >= self._begun + config.limit_seconds:
            logger.info("no more units are taken: %g s are over", config.limit_seconds)
            self._stops_for_good = True
            self._stop()
        elif self._left <= 0 and not self._children:
            logger.info("%s units have run", config.limit_count)
            self._stops_for_good = True
            self._stop()
        elif self._is_idle() and not self._losses.unseen():
            if self._losses.gave_back:
                self._losses.gave_back = False
                self._looking.hurry()
            elif config.burst:
                self._stop()
            elif (
                config.max_idle is not None
                and self._idle_since is not None
                and now >= self._idle_since + config.max_idle
            ):
                logger.info("there was no work for %g s", config.max_idle)
                self._stop()

    def _stop(self) -> None:
        """Have the children end after the units that run."""
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
            for child in self._all():
                child.stop()

    def _kill_all(self) -> None:
        """Have all end at once; their units are given back."""
        self._cold = self._stops_for_good = True
        self._status = STOPPED_HARD
        self._losses.hurry = True
        self._stopping_since = self._stopping_since or time.monotonic()
        for child in self._all():
            child.kill(None)

    def _is_going(self) -> bool:
        """Whether it is to end and has no child any more."""
        return self._stopping_since is not None and not self._children

    def _is_over(self, now: float) -> bool:
        if not self._is_going():
            return False
        if not self._losses or not self._registered:
            if self._config.burst and self._losses.gave_back and not self._stops_for_good:
                # A unit was on its way to a child that died: there is work after all.
                self._stopping_since = self._gone_since = None
                return False
            return True
        if self._gone_since is None:
            self._gone_since = now
        if now < self._gone_since + LAST_WORDS:
            return False
        logger.warning("the server does not answer: units are left until their leases end")
        return True

    def _say_goodbye(self) -> None:
        if self._registered:
            known = [self.worker_id, *self._free_ids]
            self._contact.attempt(lambda: self._losses.unregister(self._master, *known))
            logger.info("the worker has stopped%s", " hard" if self._cold else "")

    # Signals, and changed files.

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Runs at any time, in the middle of a call of the server too."""
        if number == signal.SIGHUP:
            self._replace_children()
        elif number == signal.SIGUSR1:
            self._overdue.show_stacks(self._all())
        elif number == signal.SIGABRT or self._signalled:
            self._kill_all()
        else:
            self._signalled = self._stops_for_good = True
            logger.info("%s: no more units are taken", signal.Signals(number).name)
            self._stop()

    def _on_change(self) -> None:
        if self._watcher is not None and self._watcher.changed():
            logger.info("a file has changed: new processes")
            self._replace_children()

    def _replace_children(self) -> None:
        for child in self._all():
            child.stop()
