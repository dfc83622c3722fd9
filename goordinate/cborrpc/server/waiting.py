"""A call that waits, and the end of its connection meanwhile."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from gevent import get_hub
from gevent.event import Event
from gevent.monkey import get_original

from ..requests import Wait

_READABLE: Final = 1

_HAS_EPOLL: Final = hasattr(select, "EPOLLRDHUP")
"""Only Linux tells that a peer has closed a connection while bytes of it are unread.  Elsewhere
nothing is noticed here."""


class HangUps:
    """Notices that peers close their connections, without reading what they have sent before."""

    def __init__(self) -> None:
        self._gone: dict[int, Callable[[], None]] = {}
        self._epoll: Any = None
        self._readable: Any = None

    def watch(self, sock: socket.socket, gone: Callable[[], None]) -> None:
        """Call `gone` once, soon, when the peer has closed the connection or its half of it."""
        if not _HAS_EPOLL:
            return
        if self._epoll is None:
            # The system's, also where gevent has taken it away.
            self._epoll = get_original("select", "epoll")()
            self._readable = get_hub().loop.io(self._epoll.fileno(), _READABLE)
            self._readable.start(self.look)
        self._epoll.register(sock.fileno(), select.EPOLLRDHUP)
        self._gone[sock.fileno()] = gone

    def forget(self, sock: socket.socket) -> None:
        """Do not watch a connection any more."""
        if self._gone.pop(sock.fileno(), None) is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(sock.fileno())

    def look(self) -> None:
        """Call now what is to be called."""
        if not self._gone:
            return
        for descriptor, _ in self._epoll.poll(0):
            gone = self._gone.pop(descriptor, None)
            if gone is not None:
                self._epoll.unregister(descriptor)
                gone()

    def close(self) -> None:
        """Watch nothing any more."""
        self._gone.clear()
        if self._epoll is not None:
            self._readable.close()
            self._epoll.close()
            self._epoll = None


class Waiting:
    """The wait of one call.  `end` may be called by anybody."""

    def __init__(self, wait: Wait) -> None:
        self._wait = wait
        self._woken = Event()
        wait.notify = self._woken.set

    def end(self) -> None:
        """The call is to end soon, as its client has gone or the server stops."""
        self._wait.over = True
        self._woken.set()

    def run(self, sock: socket.socket, hang_ups: HangUps) -> None:
        """Return when the call is to go on or to end."""
        wait = self._wait
        hang_ups.watch(sock, self.end)
        try:
            if not (wait.woken or wait.over):
                self._woken.wait(max(0.0, wait.until - monotonic()))
            hang_ups.look()
        finally:
            hang_ups.forget(sock)
            wait.notify = None
            wait.woken = False
