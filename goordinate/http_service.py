"""HTTP as a service of the daemon: the configuration made into a server, and changed while it runs.

The rule here: what a configuration asks for is checked, files read included, before anything of it
is in force.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import NamedTuple

from goordinate.cborrpc.server import Access as Networks
from goordinate.cborrpc.server.access import peer_address
from goordinate.config import Config, ConfigError
from goordinate.http import Access, App, HttpLimits, HttpServer, Route, Token
from goordinate.http import access as tokens
from goordinate.http.tls import CertificateError, context
from goordinate.sections import http_address
from goordinate.services import StartError, url_host

log = logging.getLogger("goordinate.daemon")

SHARE = 4
"""Of the open files that the process may have, one of so many is for HTTP, at most."""


class Settings(NamedTuple):
    """What a configuration asks for, checked."""

    tokens: list[Token]
    limits: HttpLimits
    tls: ssl.SSLContext | None
    networks: Networks
    hosts: list[str]


def settings_of(config: Config) -> Settings:
    """What a configuration asks for. Raises ConfigError."""
    http = config.http
    place = "coordinate.http.tokens"
    try:
        found = [tokens.token(one["name"], one["role"], one["token"]) for one in http.tokens]
        if http.tokens_file is not None:
            place = http.tokens_file
            found += tokens.read_tokens(Path(http.tokens_file).read_text(encoding="utf-8"))
        tokens.check_names(found)
    except (tokens.TokenError, OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{place}: {reason}") from None
    if http.key is not None and http.certificate is None:
        raise ConfigError("coordinate.http.key: there is no certificate with it")
    try:
        tls = None if http.certificate is None else context(http.certificate, http.key)
    except CertificateError as error:
        raise ConfigError(str(error)) from None
    host, _ = http_address(config.server.httpd or "")
    if not (found or http.without_tokens or _is_loopback(host)):
        raise ConfigError(
            f"coordinate.server.httpd: {host or '0.0.0.0'} is more than this machine, and there"
            " are no tokens: set coordinate.http.tokens, tokens_file, or without_tokens"
        )
    limits = HttpLimits(**{key.name: getattr(http, key.name) for key in fields(HttpLimits)})
    networks = Networks(config.server.allow, config.server.deny)
    return Settings(found, limits, tls, networks, [*http.hosts, *([host] if host else [])])


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine only; one that cannot be found cannot be listened on."""
    try:
        found = socket.getaddrinfo(host or None, 0, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return True
    return all(peer_address(str(info[4][0])).is_loopback for info in found)


class HttpService:
    """The server of HTTP."""

    def __init__(
        self,
        config: Config,
        routes: Iterable[Route],
        *,
        settle: Callable[[], None] | None = None,
        backlog: int = 1024,
    ) -> None:
        """Put it together; nothing listens yet. Raises ConfigError."""
        settings = settings_of(config)
        self._access = Access(settings.tokens, settings.hosts)
        self._server = HttpServer(
            http_address(config.server.httpd or ""),
            App(routes, self._access),
            backlog=backlog,
            limits=settings.limits,
            access=settings.networks,
            settle=settle,
            tls=settings.tls,
        )

    @property
    def server(self) -> HttpServer:
        """The server itself."""
        return self._server

    def files(self, open_files: int | None) -> int:
        """How many of these open files its connections may take, and take no more from now on."""
        limits = self._server.limits
        if open_files is not None and limits.max_connections is not None:
            limits.max_connections = min(limits.max_connections, open_files // SHARE)
        return limits.max_connections or 0

    def start(self) -> None:
        """Listen. Raises StartError."""
        host, port = self._server.address
        try:
            self._server.start()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StartError(f"cannot listen on {url_host(host)}:{port}: {reason}") from None
        scheme = "https" if self._server.secure else "http"
        host = self._server.address[0]
        log.info("serving %s on %s:%d", scheme, url_host(host), self._server.port)
        self.warn()

    def warn(self) -> None:
        """Say what an operator should know of who can use it."""
        host = self._server.address[0]
        if peer_address(host).is_loopback:
            return
        if not self._access.has_tokens:
            log.warning("whoever can reach %s can use the queue by HTTP: there are no tokens", host)
        elif not self._server.secure:
            log.warning("tokens go to %s as they are: coordinate.http names no certificate", host)

    def read(self, config: Config) -> Settings:
        """What another configuration asks for. Raises ConfigError."""
        return settings_of(config)

    def change(self, settings: Settings) -> None:
        """Let other settings be in force; TLS stays or stays away."""
        self._access.change(settings.tokens, settings.hosts)
        self._server.limits.change(settings.limits)
        self._server.restrict(settings.networks)
        if (settings.tls is None) == self._server.secure:
            log.warning("coordinate.http.certificate: TLS cannot come or go while running")
        elif settings.tls is not None:
            self._server.certify(settings.tls)
        self.warn()

    def stop(self, timeout: float) -> None:
        """Answer what has arrived, and close all connections."""
        self._server.stop(timeout)

    def counts(self) -> Mapping[str, int]:
        """The open connections, and how often each limit was met."""
        counts = {"connections": self._server.connections, **asdict(self._server.counts)}
        return {f"http_{name}": count for name, count in counts.items()}
