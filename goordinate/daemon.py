"""The daemon: configuration, backend and services put together, and the signals.

The rule here: every way of not starting is one line on standard error and an exit status: 2 when
the command line or the file asks for what cannot be, 1 when the machine does not allow it.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import gevent
from gevent.event import Event

from goordinate import __version__, command_line, logs
from goordinate.backend import (
    BackendError,
    BackendUnavailable,
    Durability,
    check_file,
    open_backend,
)
from goordinate.cborrpc.limits import Counts, Limits
from goordinate.cborrpc.messages import Dispatcher
from goordinate.cborrpc.server import Access, Server
from goordinate.cborrpc.server.access import peer_address
from goordinate.config import Config, ConfigError, ServerConfig
from goordinate.coordinate.clock import SteadyClock
from goordinate.coordinate.errors import CoordinateError
from goordinate.jobserver import JobServer
from goordinate.pid_file import PidFile
from goordinate.services import (
    Archiver,
    RPCService,
    Service,
    Services,
    StartError,
    Storage,
    Tidier,
    url_host,
)

log = logging.getLogger("goordinate.daemon")

BACKLOG = 1024
"""How many connections may wait to be accepted."""

GARBAGE_THRESHOLDS = (2000, 5, 5000)
"""When the cyclic garbage collector looks at the young, the middle and all objects. All means
every container there is, 100 ms with a million units in them, and there is next to nothing for it
to find: units are not tracked, and connections leave no cycles behind. The middle ones are up to
10,000, which takes 5 ms or so."""

RESERVED_FILES = 32
"""Open files that are kept for other things than connections: the listening socket, the log, the
event loop's own, the configuration when it is read again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon until it is told to stop; `argv` is without the name of the program.

    The exit status: 0 after SIGTERM or SIGINT, otherwise as the rule above says.
    """
    arguments = command_line.parse(argv)
    try:
        if arguments.check is not None:
            print(check_file(arguments.check))
            return 0
        config = command_line.read_config(arguments)
        log_handler = logs.set_up(command_line.log_levels(arguments, config))
        _log_warnings(config)
        if arguments.dump_config:
            sys.stdout.write(command_line.dump(arguments.dump_config, config))
            return 0
        config.require_supported()
        Daemon(arguments, config, log_handler).run()
        leave(0)
    except (ConfigError, BackendError, BackendUnavailable, StartError) as error:
        logging.shutdown()  # what was logged before comes first
        print(logs.one_line(f"goordinated: {error}"), file=sys.stderr)
        return 1 if isinstance(error, (BackendUnavailable, StartError)) else 2


def leave(status: int) -> NoReturn:
    """End the process at once. To free the queue first would take a second for each million of
    units, while the clients wait for the next daemon."""
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
        any_tags=config.tags == "any",
    )


class Daemon:
    """One run of the daemon: what is served, and what the signals do."""

    def __init__(
        self, arguments: argparse.Namespace, config: Config, log_handler: logs.LineHandler
    ) -> None:
        """Put the parts together; nothing listens yet. Raises BackendError, BackendUnavailable."""
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        self._arguments = arguments
        self._config = config
        self._levels = command_line.log_levels(arguments, config)
        self._stop = Event()
        self._open_files: int | None = None
        self._pid_file = PidFile(arguments.pid) if arguments.pid else None
        self._limits = Limits()
        self._backend = open_backend(
            config.backend,
            SteadyClock(),
            Durability(
                config.job_queue.sync,
                config.job_queue.sync_interval,
                config.job_queue.restart_grace,
            ),
        )
        self._job_server = JobServer(
            self._backend.namespace(""),
            configuration=lambda: self._config.wire,
            stats=lambda: {**self._services.counts(), **log_handler.counts()},
            limits=self._limits,
        )
        self._counts = Counts()
        self._server = Server(
            (config.server.host, config.server.port),
            Dispatcher(
                self._job_server.methods,
                expected=(CoordinateError,),
                limits=self._limits,
                counts=self._counts,
            ),
            backlog=BACKLOG,
            settle=self._backend.settle if self._backend.must_settle else None,
            limits=self._limits,
            counts=self._counts,
            rpclog=config.server.rpclog,
        )
        self._http = self._make_http()
        # The last to start, and the first to stop, is what others can reach.
        services: list[Service] = [
            Storage(self._backend),
            Tidier(self._backend),
            Archiver(self._job_server),
            RPCService(self._server),
        ]
        if self._http is not None:
            services.append(self._http)
        self._services = Services(services)

    def _make_http(self) -> Any:
        """The service of HTTP, if the configuration asks for it. Raises ConfigError."""
        if self._config.server.httpd is None:
            return None
        try:
            # Only here: what it needs is an extra.
            from goordinate import http_routes, http_service
        except ImportError as error:
            raise ConfigError(
                f"coordinate.server.httpd: {error.name} is not installed:"
                " pip install 'goordinate[http]'"
            ) from None
        return http_service.HttpService(
            self._config,
            http_routes.routes(self._backend),
            settle=self._backend.settle if self._backend.must_settle else None,
            backlog=BACKLOG,
        )

    def _apply_limits(self) -> None:
        """Let the limits of the configuration be in force."""
        server, job_queue = self._config.server, self._config.job_queue
        open_files = self._open_files
        if self._http is not None:
            http_files = self._http.files(open_files)
            open_files = None if open_files is None else open_files - http_files
        self._limits.change(limits_of(server, open_files))
        self._server.restrict(Access(server.allow, server.deny))
        self._job_server.limit_completed_count = job_queue.limit_completed_count
        self._job_server.limit_completed_age = job_queue.limit_completed_age
        self._job_server.hold_get_work = server.hold_get_work
        self._backend.bound_attempt_data(job_queue.attempt_data)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises StartError."""
        gevent.get_hub().print_exception = logs.unexpected
        self._open_files = raise_file_limit()
        self._apply_limits()
        gevent.signal_handler(signal.SIGTERM, self._on_stop_signal, "SIGTERM")
        gevent.signal_handler(signal.SIGINT, self._on_stop_signal, "SIGINT")
        self._services.start()
        # Not before: a second daemon on the port must not touch the first one's file.
        self._write_pid_file()
        # Not the address of the backend: that of a database may hold a password.
        log.info("version %s, backend %s", __version__, self._config.backend.partition(":")[0])
        log.info("serving on %s:%d", url_host(self._config.server.host), self._server.port)
        self._warn_if_open()
        gevent.signal_handler(signal.SIGHUP, self._reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        self._stop.wait()
        self._services.stop(self._config.server.stop_timeout)
        self._remove_pid_file()
        log.info("stopped")

    def _warn_if_open(self) -> None:
        """Say so if others than this machine can connect, and nobody has said who may."""
        host = self._server.address[0]
        if not peer_address(host).is_loopback and not self._config.server.allow:
            log.warning(
                "whoever can reach %s can use the queue: coordinate.server.allow names no networks",
                host,
            )

    def _write_pid_file(self) -> None:
        if self._pid_file is None:
            return
        try:
            self._pid_file.write()
        except OSError as error:
            self._services.stop(0)
            raise StartError(f"pid file {self._arguments.pid}: {error.strerror}") from None

    def _remove_pid_file(self) -> None:
        if self._pid_file is not None:
            self._pid_file.remove()

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
            settings = None if self._http is None else self._http.read(config)
        except ConfigError as error:
            log.error("SIGHUP: keeping the old configuration: %s", error)
            return
        levels = command_line.log_levels(self._arguments, config)
        logs.change(self._levels, levels)
        self._config, self._levels = config, levels
        _log_warnings(config)
        if self._http is not None:
            self._http.change(settings)
        self._apply_limits()
        self._warn_if_open()
        log.info("SIGHUP: configuration read again")
