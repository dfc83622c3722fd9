"""The HTTP server: how it starts, serves and stops."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from typing import Final

from goordinate.cborrpc.server import Access
from goordinate.cborrpc.server.access import EVERYBODY
from goordinate.cborrpc.server.buffers import Buffers, BuffersFull
from goordinate.cborrpc.server.faults import AnswerUnread
from goordinate.cborrpc.server.listener import Address, Listener, Peer, listen, reset_when_closed

from .connection import Connection
from .faults import BodyUnfinished, HttpFault
from .limits import HttpLimits
from .routes import App
from .transport import Plain, Secure

log = logging.getLogger(__name__)

_ENDING: Final = 0.25
"""Seconds that it takes at most to cut off the connections that are left after a stop."""


class HttpServer:
    """Serves an application on a TCP address.

    address, backlog, access, settle: see `cborrpc.server.Server`.  limits: the object is shared.
    tls: the certificate; None: plain HTTP.  `certify` changes it for new connections.
    """

    def __init__(
        self,
        address: Address,
        app: App,
        *,
        backlog: int = 1024,
        limits: HttpLimits | None = None,
        access: Access = EVERYBODY,
        settle: Callable[[], None] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.app = app
        self.counts = app.counts
        self._address = address
        self._backlog = backlog
        self.limits = HttpLimits() if limits is None else limits
        self._access = access
        self._settle = settle
        self._tls = tls
        self._listener: Listener | None = None
        self._connections: set[Connection] = set()
        self._buffers = Buffers(self.limits)
        self._stopping = False

    @property
    def address(self) -> Address:
        """Host and port that are listened on; before the start, those that are wanted."""
        return self._address

    @property
    def port(self) -> int:
        """The port of `address`."""
        return self._address[1]

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return self._tls is not None

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return 0 if self._listener is None else self._listener.served

    def restrict(self, access: Access) -> None:
        """Change who may connect.  Connections that are open stay."""
        self._access = access
        if self._listener is not None:
            self._listener.access = access

    def certify(self, tls: ssl.SSLContext | None) -> None:
        """Take another certificate for the connections to come."""
        self._tls = tls

    def start(self) -> None:
        """Listen, and serve connections.  Raises OSError if the address cannot be listened on."""
        listening = listen(self._address, self._backlog)
        self._address = listening.getsockname()[:2]
        self._listener = Listener(listening, self._handle, self.counts, self.limits)
        self._listener.access = self._access
        self._listener.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Accept no more connections, answer the requests that have begun to arrive, close all.

        What is not done after `timeout` seconds is cut off.
        """
        if self._listener is None or self._stopping:
            return
        self._stopping = True
        for connection in list(self._connections):
            connection.stop()
        self._listener.stop(max(0.0, timeout - _ENDING))

    def _handle(self, sock: socket.socket, peer: Peer) -> None:
        """Serve one connection.  `gevent` closes it afterwards."""
        limits, tls = self.limits, self._tls
        transport = Plain(sock, limits) if tls is None else Secure(sock, limits, tls)
        connection = Connection(transport, peer, self.app, limits, self._buffers, self._settle)
        connection.stopping = self._stopping
        self._connections.add(connection)
        try:
            connection.serve()
        except ssl.SSLError as fault:
            self.counts.handshakes_failed += 1
            log.debug("%s: TLS failed: %s", connection, fault)
        except (HttpFault, AnswerUnread, BuffersFull) as fault:
            self._count(fault)
            log.warning("%s: closing the connection: %s", connection, fault)
            reset_when_closed(sock)
        except OSError as fault:
            log.debug("%s: connection lost: %s", connection, fault)
        except Exception:
            self.counts.internal_errors += 1
            log.exception("%s: closing the connection", connection)
            reset_when_closed(sock)
        finally:
            self._connections.discard(connection)
            self._buffers.hold(connection, 0)
            transport.close()

    def _count(self, fault: HttpFault | AnswerUnread | BuffersFull) -> None:
        """Count why a connection is closed."""
        if isinstance(fault, AnswerUnread):
            self.counts.answers_unread += 1
        elif isinstance(fault, BuffersFull):
            self.counts.buffers_full += 1
        elif isinstance(fault, BodyUnfinished):
            self.counts.bodies_unfinished += 1
        else:
            self.counts.heads_unfinished += 1
