"""The daemon: configuration, backend, job server and sockets put together, and the signals.

The rule here: every way of not starting is one line on standard error and an exit status: 2 when
the command line or the file asks for what cannot be, 1 when the machine does not allow it.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence

import gevent
from gevent.event import Event

from goordinate import __version__, command_line, logs
from goordinate.backend import BackendError, open_backend
from goordinate.cborrpc.framing import MAX_FRAME
from goordinate.cborrpc.messages import Dispatcher
from goordinate.cborrpc.server import Server
from goordinate.config import Config, ConfigError
from goordinate.coordinate.errors import CoordinateError
from goordinate.jobserver import JobServer

log = logging.getLogger("goordinate.daemon")

BACKLOG = 1024
"""How many connections may wait to be accepted."""

ARCHIVE_PERIOD = 60.0
"""Seconds from one archiving of finished work units to the next."""

GARBAGE_THRESHOLDS = (10_000, 5, 1000)
"""When the cyclic garbage collector looks at the young, the middle and all objects. All means
every container there is, 100 ms with a million units in them, and there is next to nothing for it
to find: units are not tracked, and connections leave no cycles behind."""

STOP_TIMEOUT = 10.0
"""Seconds that what has arrived before a stop gets to be answered."""


class StartError(Exception):
    """The machine does not let the daemon start; the text is one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon until it is told to stop; `argv` is without the name of the program.

    The exit status: 0 after SIGTERM or SIGINT, otherwise as the rule above says.
    """
    arguments = command_line.parse(argv)
    try:
        config = command_line.read_config(arguments)
        logs.set_up(command_line.log_levels(arguments, config))
        _log_warnings(config)
        if arguments.dump_config:
            sys.stdout.write(command_line.dump(arguments.dump_config, config))
            return 0
        config.require_supported()
        Daemon(arguments, config).run()
    except (ConfigError, BackendError, StartError) as error:
        print(logs.one_line(f"goordinated: {error}"), file=sys.stderr)
        return 1 if isinstance(error, StartError) else 2
    return 0


def _log_warnings(config: Config) -> None:
    for warning in config.warnings:
        log.warning("%s", warning)


def raise_file_limit() -> None:
    """Allow as many open files, so as many connections, as the system lets this process have."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError) as error:
        log.debug("open files: the limit cannot be raised to %d: %s", most, error)
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    log.debug("open files: the limit was %d and is %d", before, now)


def archive_periodically(job_server: JobServer, period: float = ARCHIVE_PERIOD) -> None:
    """Drop finished work units beyond the limits every `period` seconds, for ever."""
    while True:
        gevent.sleep(period)
        if job_server.limit_completed_count is None and job_server.limit_completed_age is None:
            continue
        try:
            job_server.archive()
        except Exception:
            log.exception("archiving failed; the next try is in %g s", period)


class Daemon:
    """One run of the daemon: what is served, and what the signals do."""

    def __init__(self, arguments: argparse.Namespace, config: Config) -> None:
        """Put the parts together; nothing listens yet. Raises BackendError."""
        self._arguments = arguments
        self._config = config
        self._levels = command_line.log_levels(arguments, config)
        self._stop = Event()
        limits = config.job_queue
        self._job_server = JobServer(
            open_backend(arguments.backend, time.time).namespace(""),
            now=time.time,
            configuration=lambda: self._config.wire,
            limit_completed_count=limits.limit_completed_count,
            limit_completed_age=limits.limit_completed_age,
        )
        self._server = Server(
            (config.server.host, config.server.port),
            Dispatcher(self._job_server.methods, expected=(CoordinateError,)),
            backlog=BACKLOG,
            max_frame=MAX_FRAME,
            rpclog=config.server.rpclog,
        )

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises StartError."""
        raise_file_limit()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        gevent.signal_handler(signal.SIGTERM, self._on_stop_signal, "SIGTERM")
        gevent.signal_handler(signal.SIGINT, self._on_stop_signal, "SIGINT")
        gevent.signal_handler(signal.SIGHUP, self._reload)
        wanted = self._config.server
        host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
        try:
            self._server.start()
        except (OSError, ValueError) as error:
            # ValueError: a name that no host can have, as one with a null character.
            reason = getattr(error, "strerror", None) or error
            raise StartError(f"cannot listen on {host}:{wanted.port}: {reason}") from None
        # Not before: a second daemon on the port must not touch the first one's file.
        self._write_pid_file()
        log.info("version %s, backend %s", __version__, self._arguments.backend)
        log.info("serving on %s:%d", host, self._server.address[1])
        archiver = gevent.spawn(archive_periodically, self._job_server)
        self._stop.wait()
        archiver.kill()
        self._server.stop(STOP_TIMEOUT)
        self._remove_pid_file()
        log.info("stopped")

    def _write_pid_file(self) -> None:
        if not self._arguments.pid:
            return
        try:
            with open(self._arguments.pid, "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
        except OSError as error:
            self._server.stop(0)
            raise StartError(f"pid file {self._arguments.pid}: {error.strerror}") from None

    def _remove_pid_file(self) -> None:
        if self._arguments.pid:
            with contextlib.suppress(OSError):
                os.unlink(self._arguments.pid)

    def _on_stop_signal(self, name: str) -> None:
        if self._stop.is_set():
            log.warning("%s again: exiting at once", name)
            self._remove_pid_file()
            logging.shutdown()
            os._exit(1)
        log.info("%s: answering what has arrived, then stopping", name)
        self._stop.set()

    def _reload(self) -> None:
        """SIGHUP: apply what can change in the file; a file with a fault changes nothing."""
        try:
            config = command_line.read_config(self._arguments, running=self._config)
            config.require_supported()
        except ConfigError as error:
            log.error("SIGHUP: keeping the old configuration: %s", error)
            return
        levels = command_line.log_levels(self._arguments, config)
        logs.change(self._levels, levels)
        self._job_server.limit_completed_count = config.job_queue.limit_completed_count
        self._job_server.limit_completed_age = config.job_queue.limit_completed_age
        self._config, self._levels = config, levels
        _log_warnings(config)
        log.info("SIGHUP: configuration read again")
