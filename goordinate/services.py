"""What the daemon runs: services that start and stop together.

The rule here: services start in the order in which they are given and stop in the reverse one.
When one cannot start, those that have started are stopped.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Protocol

import gevent

from goordinate.cborrpc.server import Server
from goordinate.coordinate.api import Backend
from goordinate.jobserver import JobServer

log = logging.getLogger("goordinate.daemon")

ARCHIVE_PERIOD = 60.0
"""Seconds from one archiving of finished work units to the next."""

TIDY_PERIOD = 0.1
"""Seconds from one look at what was left for later to the next, when nothing was."""

TIDY_TIME = 0.002
"""Seconds that are spent on it before others have their turn, and that these then have."""

LAST_COMMIT = 1.0
"""Seconds that the last commit gets, at least, whatever time is left for the stop."""


class StartError(Exception):
    """The machine does not let the daemon start; the text is one line."""


class Service(Protocol):
    """A part of the daemon that works by itself once it is started."""

    def start(self) -> None:
        """Begin; what takes time goes on in greenlets. Raises StartError."""

    def stop(self, timeout: float) -> None:
        """End, within `timeout` seconds; nothing if it has not started."""

    def counts(self) -> Mapping[str, int]:
        """What `server_stats` tells of it: what, and how many."""


class Services:
    """Several services, as one."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = services
        self._started: list[Service] = []

    def start(self) -> None:
        """Start all, or none. Raises StartError."""
        try:
            for service in self._services:
                service.start()
                self._started.append(service)
        except BaseException:
            self.stop(0)
            raise

    def stop(self, timeout: float) -> None:
        """Stop those that have started, all together within `timeout` seconds."""
        end = time.monotonic() + timeout
        while self._started:
            service = self._started.pop()
            try:
                service.stop(max(0.0, end - time.monotonic()))
            except Exception:
                log.exception("%s: stopping failed", type(service).__name__)

    def counts(self) -> dict[str, int]:
        """The counts of all."""
        return {
            name: count for service in self._services for name, count in service.counts().items()
        }


class Storage:
    """What keeps the state. It is open before the start, and closed by the stop."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def start(self) -> None:
        """Nothing is left to do."""

    def stop(self, timeout: float) -> None:
        """Make safe all that was done."""
        with gevent.Timeout(max(timeout, LAST_COMMIT)) as too_long:
            try:
                self._backend.close()
            except gevent.Timeout as late:
                if late is not too_long:
                    raise
                log.error("not all that was done is on disk; calls that did it got no answers")

    def counts(self) -> Mapping[str, int]:
        """What the backend counts."""
        return self._backend.health().counts


class RPCService:
    """The server of the RPCs."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def start(self) -> None:
        """Listen. Raises StartError."""
        host, port = self._server.address
        try:
            self._server.start()
        except (OSError, ValueError) as error:
            # ValueError: a name that no host can have, as one with a null character.
            reason = getattr(error, "strerror", None) or error
            raise StartError(f"cannot listen on {url_host(host)}:{port}: {reason}") from None

    def stop(self, timeout: float) -> None:
        """Answer what has arrived, and close all connections."""
        self._server.stop(timeout)

    def counts(self) -> Mapping[str, int]:
        """The open connections, and how often each limit was met."""
        return {"connections": self._server.connections, **asdict(self._server.counts)}


class Background:
    """A service that is one greenlet, which works on by itself."""

    def __init__(self) -> None:
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self, timeout: float) -> None:
        """End at once."""
        if self._greenlet is not None:
            self._greenlet.kill(timeout=timeout)

    def counts(self) -> Mapping[str, int]:
        """Nothing."""
        return {}

    def _run(self) -> None:
        """What the greenlet does; it does not return."""
        raise NotImplementedError


class Archiver(Background):
    """Drops finished work units beyond the limits every `period` seconds."""

    def __init__(self, job_server: JobServer, period: float = ARCHIVE_PERIOD) -> None:
        super().__init__()
        self._job_server = job_server
        self._period = period

    def _run(self) -> None:
        server = self._job_server
        while True:
            gevent.sleep(self._period)
            if server.limit_completed_count is None and server.limit_completed_age is None:
                continue
            try:
                for _ in server.archive():
                    gevent.sleep(0.001)  # others have their turn
            except Exception:
                log.exception("archiving failed; the next try is in %g s", self._period)


class Tidier(Background):
    """Does what operations on many units have left for later, a little at a time."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self._backend = backend

    def _run(self) -> None:
        while True:
            end = time.monotonic() + TIDY_TIME
            more = True
            try:
                while more and time.monotonic() < end:
                    more = self._backend.tidy()
            except Exception:
                log.exception("tidying up failed; the next try is in %g s", TIDY_PERIOD)
                more = False
            gevent.sleep(TIDY_TIME if more else TIDY_PERIOD)  # others have their turn


def url_host(host: str) -> str:
    """A host as it stands before a colon and a port."""
    return f"[{host}]" if ":" in host else host
