"""The server: how it starts, serves and stops."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Final

from gevent.event import Event

from ..errors import FrameError, FrameTooLarge
from ..limits import Counts, Limits
from ..messages import Dispatcher
from .access import EVERYBODY, Access
from .buffers import Buffers, BuffersFull
from .connection import Connection
from .faults import AnswerUnread, FrameUnfinished, Unsettled
from .listener import Address, Listener, Peer, listen, reset_when_closed
from .waiting import HangUps

log = logging.getLogger(__name__)

_ENDING: Final = 0.25
"""Seconds that it takes at most to cut off the connections that are left after a stop."""


class Server:
    """Serves a dispatcher's methods on a TCP address.

    address: host and port to listen on.  "" is every IPv4 interface, "::" every interface.  Of the
    addresses of a name, an IPv4 one is taken if there is one, because the original's clients know
    no other.  Port 0 picks a free port.

    backlog: how many connections may wait to be accepted.  access: who may connect.  limits: what
    clients may take.  The object is shared; see `Limits`.  Partial frames and answers that are
    being sent keep the timeout with which they began, and max_connections closes no connection;
    everything else obeys a change at once.

    settle: is called after calls have been served and before their answers are sent.  It returns
    when what the calls did is safe.  It may switch greenlets.  If it raises, no answer is sent and
    the connection is closed.  None: nothing has to be made safe.

    rpclog: log each message and its answer at debug level, on the logger `goordinate.rpc`.
    """

    def __init__(
        self,
        address: Address,
        dispatcher: Dispatcher,
        *,
        backlog: int = 1024,
        limits: Limits | None = None,
        access: Access = EVERYBODY,
        counts: Counts | None = None,
        settle: Callable[[], None] | None = None,
        rpclog: bool = False,
    ) -> None:
        self.dispatcher = dispatcher
        self.counts = Counts() if counts is None else counts
        self._limits = Limits() if limits is None else limits
        self._access = access
        self._settle = settle
        self._rpclog = rpclog
        self._stopping = False
        self._address = address
        self._backlog = backlog
        self._listener: Listener | None = None
        self._connections: set[Connection] = set()
        self._buffers = Buffers(self._limits)
        self._hang_ups = HangUps()
        self._stopped = Event()

    @property
    def address(self) -> Address:
        """Host and port that are listened on; before the start, those that are wanted."""
        return self._address

    @property
    def port(self) -> int:
        """The port of `address`."""
        return self._address[1]

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return 0 if self._listener is None else self._listener.served

    def restrict(self, access: Access) -> None:
        """Change who may connect.  Connections that are open stay."""
        self._access = access
        if self._listener is not None:
            self._listener.access = access

    def start(self) -> None:
        """Listen, and serve connections as long as the event loop runs.

        Raises OSError if the address cannot be listened on.
        """
        listening = listen(self._address, self._backlog)
        self._address = listening.getsockname()[:2]
        self._listener = Listener(listening, self._handle, self.counts, self._limits)
        self._listener.access = self._access
        self._listener.start()

    def serve_forever(self) -> None:
        """Start, and return when the server has been stopped."""
        self.start()
        self._stopped.wait()

    def stop(self, timeout: float = 10.0) -> None:
        """Accept no more connections, answer the requests that have arrived, close all.

        Partial requests are dropped, and a call that waits ends.  A peer that has closed its
        connection is not waited for.  What is not done after `timeout` seconds is cut off.
        """
        if self._listener is None or self._stopping:
            return
        self._stopping = True
        self._listener.accept_waiting(self._backlog)
        for connection in self._connections:
            connection.stop()
        self._listener.stop(max(0.0, timeout - _ENDING))
        self._hang_ups.close()
        self._stopped.set()

    def _handle(self, sock: socket.socket, peer: Peer) -> None:
        """Serve one connection.  `gevent` closes it afterwards."""
        connection = Connection(
            sock,
            peer,
            self.dispatcher,
            self._limits,
            self._buffers,
            self._hang_ups,
            settle=self._settle,
            rpclog=self._rpclog,
        )
        connection.stopping = self._stopping
        self._connections.add(connection)
        try:
            connection.serve()
        except (FrameError, AnswerUnread, BuffersFull) as fault:
            self._count(fault)
            log.warning("%s: closing the connection: %s", connection, fault)
            if isinstance(fault, AnswerUnread | BuffersFull):
                # Otherwise the system would keep the unsent bytes for minutes.
                reset_when_closed(sock)
        except OSError as fault:
            log.debug("%s: connection lost: %s", connection, fault)
        except Unsettled as fault:
            self.counts.internal_errors += 1
            log.error("%s: closing the connection: %s", connection, fault, exc_info=fault.__cause__)
            reset_when_closed(sock)
        except Exception:
            self.counts.internal_errors += 1
            log.exception("%s: closing the connection", connection)
        finally:
            self._connections.discard(connection)
            connection.close()

    def _count(self, fault: FrameError | AnswerUnread | BuffersFull) -> None:
        """Count why a connection is closed."""
        if isinstance(fault, AnswerUnread):
            self.counts.answers_unread += 1
        elif isinstance(fault, BuffersFull):
            self.counts.buffers_full += 1
        elif isinstance(fault, FrameUnfinished):
            self.counts.frames_unfinished += 1
        elif isinstance(fault, FrameTooLarge):
            self.counts.frames_too_large += 1
        else:
            self.counts.frames_malformed += 1
