"""The listening socket: which new connections are served, and which are closed at once.

Rule: a problem with new connections does not disturb those that are served, and waiting for its
end takes no processor time.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
from collections.abc import Callable
from typing import Any, Final, Protocol

import gevent
from gevent.monkey import get_original
from gevent.pool import Pool
from gevent.server import StreamServer

from .access import EVERYBODY

log = logging.getLogger(__name__)

Address = tuple[str, int]
Peer = tuple[Any, ...]

PAUSE: Final = 0.25
"""Seconds for which accepting pauses when the system has no descriptor for a new connection."""

KEEPALIVE: Final = {"TCP_KEEPIDLE": 300, "TCP_KEEPINTVL": 60, "TCP_KEEPCNT": 5}
"""When the system probes a silent peer: after five minutes, then each minute; after five probes
without an answer the connection is lost.  Otherwise a host that lost its power or its network
would hold its connection for ever."""

_ABORT: Final = struct.pack("ii", 1, 0)


def listen(address: Address, backlog: int) -> socket.socket:
    """A socket that listens on an address; see `Server`.  Raises OSError."""
    host, port = address
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = min(found, key=lambda info: info[0] != socket.AF_INET)
    # The system's socket, also where gevent has put its own in place of it.
    sock: socket.socket = get_original("socket", "socket")(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Its connections inherit these.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        if family == socket.AF_INET6:
            with contextlib.suppress(OSError):  # a system may keep "::" to IPv6
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(where)
        sock.listen(backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def reset_when_closed(sock: socket.socket) -> None:
    """Let the connection end with a reset.  The original's client then calls again; it takes the
    usual end of a connection for an answer that is lost."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)


def peer_name(peer: Peer) -> str:
    """Where a connection comes from, as host:port."""
    host, port = peer[:2]
    host = host.removeprefix("::ffff:")  # an IPv4 address, seen from IPv6
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Accepting(Protocol):
    """What a listener counts; see `limits.Counts`."""

    connections_accepted: int
    connections_refused: int
    connections_denied: int
    accept_pauses: int


class MostConnections(Protocol):
    """What a listener obeys; see `limits.Limits`."""

    max_connections: int | None


class Listener(StreamServer):  # type: ignore[misc]
    """Accepts connections, as plain sockets.  Each connection waits on its own."""

    def __init__(
        self,
        listening: socket.socket,
        handle: Callable[[socket.socket, Peer], None],
        counts: Accepting,
        limits: MostConnections,
    ) -> None:
        super().__init__(listening, handle, spawn=Pool())
        self.access = EVERYBODY
        self._counts = counts
        self._limits = limits
        self._without_descriptor = False

    @property
    def served(self) -> int:
        """How many connections are open."""
        return len(self.pool)

    def do_read(self) -> tuple[socket.socket, Peer] | None:
        """The next connection that is to be served, if one is waiting."""
        # Bounded, so that a flood of refused connections does not delay those that are served.
        for _ in range(self.max_accept):
            try:
                sock, peer = self.socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return None
            except OSError as fault:
                self._pause(fault)
                return None
            if self._without_descriptor:
                self._without_descriptor = False
                log.warning("accepting connections again")
            if self._takes(peer):
                sock.setblocking(False)
                self._counts.connections_accepted += 1
                return sock, peer
            reset_when_closed(sock)
            sock.close()
        return None

    def _takes(self, peer: Peer) -> bool:
        """Whether a connection from this peer is to be served."""
        if not self.access.admits(peer[0]):
            self._counts.connections_denied += 1
            log.warning("%s: connection denied: not from an allowed network", peer_name(peer))
            return False
        most = self._limits.max_connections
        if most is not None and self.served >= most:
            self._counts.connections_refused += 1
            log.warning(
                "%s: connection refused: the limit of %d connections is reached",
                peer_name(peer), most,
            )  # fmt: skip
            return False
        return True

    def _pause(self, fault: OSError) -> None:
        """Stop accepting for a while: the system has no room for a new connection."""
        self._counts.accept_pauses += 1
        if not self._without_descriptor:
            self._without_descriptor = True
            log.error(
                "cannot accept connections, trying again every %g s: %s", PAUSE, fault.strerror
            )
        # The socket stays readable, so watching it would be a busy loop.
        self.stop_accepting()
        gevent.spawn_later(PAUSE, self._go_on)

    def _go_on(self) -> None:
        if self.started:
            self.start_accepting()

    def accept_waiting(self, most: int) -> None:
        """Accept the connections that are waiting, at most `most` of them."""
        for _ in range(most):
            accepted = self.do_read()
            if accepted is None:
                break
            self.do_handle(*accepted)
