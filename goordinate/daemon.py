"""The daemon: configuration, backend, job server and sockets put together, and the signals.

The rule here: every way of not starting is one line on standard error and an exit status: 2 when
the command line or the file asks for what cannot be, 1 when the machine does not allow it.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import ipaddress
import logging
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NoReturn

import gevent
from gevent.event import Event

from goordinate import __version__, command_line, logs
from goordinate.backend import BackendError, open_backend
from goordinate.cborrpc.limits import Counts, Limits
from goordinate.cborrpc.messages import Dispatcher
from goordinate.cborrpc.server import Access, Server
from goordinate.config import Config, ConfigError, ServerConfig
from goordinate.coordinate.clock import SteadyClock
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

RESERVED_FILES = 32
"""Open files that are kept for other things than connections: the listening socket, the log, the
event loop's own, the configuration when it is read again."""


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
        leave(0)
    except (ConfigError, BackendError, StartError) as error:
        print(logs.one_line(f"goordinated: {error}"), file=sys.stderr)
        return 1 if isinstance(error, StartError) else 2


def leave(status: int) -> NoReturn:
    """End the process at once. To take the queue apart first would take a second for each million
    of units, while the clients wait for the next daemon."""
    logging.shutdown()
    os._exit(status)


def _log_warnings(config: Config) -> None:
    for warning in config.warnings:
        log.warning("%s", warning)


def raise_file_limit() -> int | None:
    """Allow as many open files as the system lets this process have; how many (None: no limit)."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError) as error:
        log.debug("open files: the limit cannot be raised to %d: %s", most, error)
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    log.debug("open files: the limit was %d and is %d", before, now)
    return None if now == resource.RLIM_INFINITY else now


def limits_of(config: ServerConfig, open_files: int | None) -> Limits:
    """The limits of a configuration, in a process that may have so many open files (None: any)."""
    connections = config.max_connections
    if open_files is not None:
        allowed = max(1, open_files - RESERVED_FILES)
        if connections is not None and connections > allowed:
            log.warning(
                "coordinate.server.max_connections is %d, the limit of open files (%d) allows %d",
                connections, open_files, allowed,
            )  # fmt: skip
        connections = allowed if connections is None else min(connections, allowed)
    return Limits(
        max_frame=config.max_frame,
        max_depth=config.max_depth,
        max_batch=config.max_batch,
        max_connections=connections,
        frame_timeout=config.frame_timeout,
        answer_timeout=config.answer_timeout,
        max_buffered=config.max_buffered,
    )


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
        self._open_files: int | None = None
        clock = SteadyClock()
        self._job_server = JobServer(
            open_backend(arguments.backend, clock).namespace(""),
            clock=clock,
            configuration=lambda: self._config.wire,
            stats=self._stats,
        )
        self._counts = Counts()
        self._limits = Limits()
        self._server = Server(
            (config.server.host, config.server.port),
            Dispatcher(
                self._job_server.methods,
                expected=(CoordinateError,),
                limits=self._limits,
                counts=self._counts,
            ),
            backlog=BACKLOG,
            limits=self._limits,
            counts=self._counts,
            rpclog=config.server.rpclog,
        )

    def _stats(self) -> Mapping[str, int]:
        """What server_stats tells."""
        return {"connections": self._server.connections, **asdict(self._counts)}

    def _apply_limits(self) -> None:
        """Let the limits of the configuration be in force."""
        server, job_queue = self._config.server, self._config.job_queue
        self._limits.change(limits_of(server, self._open_files))
        self._server.restrict(Access(server.allow, server.deny))
        self._job_server.limit_completed_count = job_queue.limit_completed_count
        self._job_server.limit_completed_age = job_queue.limit_completed_age

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises StartError."""
        self._open_files = raise_file_limit()
        self._apply_limits()
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
        log.info("serving on %s:%d", host, self._server.port)
        self._warn_if_open()
        archiver = gevent.spawn(archive_periodically, self._job_server)
        self._stop.wait()
        archiver.kill()
        self._server.stop(self._config.server.stop_timeout)
        self._remove_pid_file()
        log.info("stopped")

    def _warn_if_open(self) -> None:
        """Say so if others than this machine can connect, and nobody has said who may."""
        host = self._server.address[0]
        if not ipaddress.ip_address(host).is_loopback and not self._config.server.allow:
            log.warning(
                "whoever can reach %s can use the queue: coordinate.server.allow names no networks",
                host,
            )

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
            leave(1)
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
        self._config, self._levels = config, levels
        _log_warnings(config)
        self._apply_limits()
        self._warn_if_open()
        log.info("SIGHUP: configuration read again")
