"""The journal of the backend: group commits, and when answers may leave.

Rule: an answer leaves when everything that was done before it is on disk. All that was noted while
a commit ran is the next one, so that many connections share one fsync, and an idle daemon commits
at once.

Statements and COMMIT run in the thread of the event loop: with a second thread the interpreter
lock goes to and fro with every statement. What stops is told in the log and counted.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Final

import gevent
from gevent import get_hub
from gevent.event import Event

from goordinate.coordinate.clock import TOLERANCE, Clock
from goordinate.coordinate.journal import Change
from goordinate.sqlite.notes import Batch, Notes
from goordinate.sqlite.schema import PUT_CLOCK
from goordinate.sqlite.write import SLICE, Upkeep, write

log = logging.getLogger(__name__)

#: Seconds until a commit that found no room is tried again.
RETRY: Final = 1.0

#: Seconds between two lines in the log that say so.
TELL_EVERY: Final = 10.0

#: A commit that takes longer than this (seconds) is told in the log.
SLOW: Final = 1.0

#: Seconds between two steps that make the file smaller.
UPKEEP_EVERY: Final = 0.02

#: Commits between two looks at how much of the file is free.
LOOK_EVERY: Final = 100

#: The words of SQLite for what passes: no room on the disk, or somebody else writes.
_PASSING: Final = ("database or disk is full", "database is locked")


class Commits:
    """A `Journal` in a file, and the greenlet that writes it."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        notes: Notes,
        upkeep: Upkeep,
        clock: Clock,
        *,
        path: str,
        last_commit: int,
        offset: float,
        ahead: float,
        interval: float | None,
        fail: Callable[[], None],
    ) -> None:
        """`offset`: seconds by which the times in the file are ahead of the moments of the clock;
        `ahead`: those by which Unix time is ahead of the times in the file, as it says.

        `interval`: None, or answers do not wait, and a commit is made every so many seconds.

        `fail` is called when nothing can be written any more, and ends the process.
        """
        self._connection = connection
        self._notes = notes
        self._upkeep = upkeep
        self._clock = clock
        self._path = path
        self._number = last_commit
        self._offset = offset
        # As the file says, and as the transaction that is open says.
        self._ahead = self._new_ahead = ahead
        self._interval = interval
        self._fail = fail
        #: Why the latest try to commit found no room; None: it did.
        self.waits_for: str | None = None
        self.counts = dict.fromkeys(("commits", "commits_slow", "commits_waited"), 0)
        # What those wait for that want the notes of now, and of the running commit, on disk.
        self._next = Event()
        self._running: Event | None = None
        self._told = -TELL_EVERY
        # Whether the greenlet has something to do, or is going to look.
        self._awake = False
        self._wake = Event()
        self._greenlet = gevent.spawn(self._run)

    # --- what the backend calls ----------------------------------------------------------------

    def note(self, namespace: str, changes: Sequence[Change]) -> None:
        """Take note of the changes of one operation."""
        if changes:
            self._notes.note(namespace, changes)
            if not self._awake:
                self._awaken()

    def settle(self) -> None:
        """Return when all that was noted is on disk, if answers wait for that."""
        if self._interval is not None and self.waits_for is None:
            return
        if self._notes.dirty:
            self._next.wait()
        elif self._running is not None:
            self._running.wait()

    def forget(self, namespace: str) -> None:
        """A namespace is destroyed, and all in it was before."""
        self._notes.forget(namespace)
        self._awaken()

    def close(self) -> None:
        """Write what is noted, and how the clock is set, and end."""
        self._interval = None
        if abs(self._ahead_now() - self._ahead) > TOLERANCE:
            self._notes.dirty = True
            self._awaken()
        self.settle()
        self._greenlet.kill()

    def _awaken(self) -> None:
        self._awake = True
        self._wake.set()

    def _ahead_now(self) -> float:
        """The seconds by which Unix time is ahead of the times in the file, as the clock is set."""
        now = self._clock()
        return round(self._clock.unix(now) - now, 6) - self._offset

    # --- the greenlet --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while True:
                self._wake.wait()
                self._wake.clear()
                _pause(self._interval or 0.0)  # whatever has arrived by then takes part
                while self._notes.dirty:
                    self._commit_notes()
                    _pause(self._interval or 0.0)
                self._awake = False
                while self._upkeep.due and not self._awake:
                    self._keep_up()
                    self._wake.wait(UPKEEP_EVERY)
        except Exception as error:
            expected = isinstance(error, sqlite3.Error)
            log.critical("%s: cannot write: %s", self._path, error, exc_info=not expected)
            self._fail()

    def _commit_notes(self) -> None:
        """Write what has been noted; those that wait for it go on."""
        batch = self._notes.take_batch()
        self._running, self._next = self._next, Event()
        self._number += 1
        number = self._number
        self._persist(lambda: self._write(batch, number))
        self._ahead = self._new_ahead
        self._upkeep.committed(batch, number)
        self._running.set()
        self._running = None
        self.counts["commits"] += 1
        if self.counts["commits"] % LOOK_EVERY == 0:
            self._upkeep.look()

    def _write(self, batch: Batch, number: int) -> None:
        ahead = self._ahead_now()
        if abs(ahead - self._ahead) > TOLERANCE:
            self._new_ahead = ahead
            self._connection.execute(PUT_CLOCK, (ahead,))
        written = 0
        for count in write(self._connection, batch, self._notes.specs, number, self._offset):
            written += count
            if written >= SLICE:
                written = 0
                _pause(0.0)

    def _keep_up(self) -> None:
        self._persist(self._upkeep.step)

    def _persist(self, write: Callable[[], None]) -> None:
        """Make a transaction of what `write` writes; as often as it takes, if there is no room."""
        while True:
            started = time.monotonic()
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                write()
                self._connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if str(error) not in _PASSING:
                    raise
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                self._wait_for_room(str(error))
            else:
                break
        if self.waits_for is not None:
            log.warning("%s: writing goes on", self._path)
            self.waits_for = None
        seconds = time.monotonic() - started
        if seconds > SLOW:
            self.counts["commits_slow"] += 1
            log.warning("%s: a commit took %.1f s", self._path, seconds)

    def _wait_for_room(self, reason: str) -> None:
        self.counts["commits_waited"] += 1
        self.waits_for = reason
        if time.monotonic() - self._told >= TELL_EVERY:
            self._told = time.monotonic()
            log.error(
                "%s: %s: no call is answered until there is room; trying again every %g s",
                self._path, reason, RETRY,
            )  # fmt: skip
        gevent.sleep(RETRY)


def _pause(seconds: float) -> None:
    """Let all greenlets have their turn that can run by then.

    gevent.sleep(0) would not do: it does not look at the sockets.
    """
    hub = get_hub()
    with hub.loop.timer(seconds) as timer:
        hub.wait(timer)
