"""The server: connections in, answers out.  The one file with sockets on this side.

Rule: a greenlet for each connection, which waits in `gevent` and nowhere else; no thread, no
lock.  Requests of one connection are answered in the order in which they came, and what
arrived together is answered together, in one send.  A connection with much to do lets the
others have a turn between any two of its requests.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import socket
import struct
import sys
import termios
from time import monotonic
from typing import Any, Final

import gevent
from gevent import get_hub
from gevent.event import Event
from gevent.monkey import get_original
from gevent.pool import Pool
from gevent.server import StreamServer

from .decode import loads
from .errors import CBORError, DecodeError
from .framing import MAX_FRAME, FrameReader, frame
from .messages import NULL, Dispatcher

log = logging.getLogger(__name__)
rpc_log = logging.getLogger("goordinate.rpc")

Address = tuple[str, int]

TURN: Final = 0.001
"""Seconds for which a connection answers before the others have their turn."""

READ_SIZE: Final = 64 * 1024
"""How many bytes are read at once."""

SEND_SIZE: Final = 256 * 1024
"""So many bytes of answers are sent before more requests are looked at."""

_READABLE, _WRITABLE = 1, 2
_LOGGED_CHARACTERS: Final = 2000
_ABORT: Final = struct.pack("ii", 1, 0)


class Server:
    """Serves a dispatcher's methods on a TCP address.

    address: host and port to listen on.  "" is every IPv4 interface, "::" every interface; of
    the addresses that a name has, an IPv4 one is taken if there is one, because the original's
    clients know no other.  Port 0 picks a free one.
    backlog: how many connections may wait to be accepted.  max_frame: the longest message
    that is taken, in bytes.  rpclog: log each message and its answer at debug level, on the
    logger `goordinate.rpc`.
    """

    def __init__(
        self,
        address: Address,
        dispatcher: Dispatcher,
        *,
        backlog: int = 1024,
        max_frame: int = MAX_FRAME,
        rpclog: bool = False,
    ) -> None:
        self.dispatcher = dispatcher
        self.max_frame = max_frame
        self.rpclog = rpclog
        self.stopping = False
        self._address = address
        self._backlog = backlog
        self._listener: _Listener | None = None
        self._connections: set[_Connection] = set()
        self._stopped = Event()

    @property
    def address(self) -> Address:
        """Host and port: once started those that are listened on, before that those wanted."""
        return self._address

    @property
    def port(self) -> int:
        """The port of `address`."""
        return self._address[1]

    def start(self) -> None:
        """Listen, and serve whoever connects as long as the event loop runs.

        OSError if the address cannot be had.
        """
        listening = _listen(self._address, self._backlog)
        self._address = listening.getsockname()[:2]
        self._listener = _Listener(listening, self._handle, spawn=Pool())
        self._listener.start()

    def serve_forever(self) -> None:
        """Start, and come back when the server has been stopped."""
        self.start()
        self._stopped.wait()

    def stop(self, timeout: float = 10.0) -> None:
        """Accept no more connections, answer the requests that have arrived, close all.

        A request that has arrived in part is dropped.  What is not done after `timeout`
        seconds is cut off.
        """
        if self._listener is None or self.stopping:
            return
        self.stopping = True
        self._listener.accept_waiting(self._backlog)
        hub = get_hub()
        for connection in self._connections:
            hub.cancel_wait(connection.readable, _Stopping)
        self._listener.stop(timeout)
        self._stopped.set()

    def _handle(self, sock: socket.socket, peer: tuple[Any, ...]) -> None:
        """Serve one connection; `gevent` closes it afterwards."""
        connection = _Connection(self, sock, peer)
        self._connections.add(connection)
        try:
            connection.serve()
        except CBORError as fault:
            log.warning("%s: closing the connection: %s", connection.peer, fault)
        except OSError as fault:
            log.debug("%s: connection lost: %s", connection.peer, fault)
        except Exception:
            log.exception("%s: closing the connection", connection.peer)
        finally:
            self._connections.discard(connection)
            connection.readable.close()


def _listen(address: Address, backlog: int) -> socket.socket:
    host, port = address
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = min(found, key=lambda info: info[0] != socket.AF_INET)
    # The system's socket, also where gevent has put its own in place of it.
    sock: socket.socket = get_original("socket", "socket")(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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


class _Listener(StreamServer):  # type: ignore[misc]
    """Accepts connections, as plain sockets: waiting on them is `_Connection`'s part."""

    def do_read(self) -> tuple[socket.socket, tuple[Any, ...]] | None:
        """The next connection, if there is one waiting, and where it comes from."""
        try:
            sock, peer = self.socket.accept()
        except BlockingIOError:
            return None
        sock.setblocking(False)
        return sock, peer

    def accept_waiting(self, most: int) -> None:
        """Accept the connections that are waiting, of which there are no more than `most`."""
        with contextlib.suppress(OSError):
            for _ in range(most):
                accepted = self.do_read()
                if accepted is None:
                    break
                self.do_handle(*accepted)


class _Stopping(Exception):
    """Thrown into a connection that waits for requests when the server stops."""


class _Connection:
    """One connection, and the greenlet that serves it."""

    __slots__ = ("_peer", "_reader", "_server", "_sock", "_turn_ends", "readable")

    def __init__(self, server: Server, sock: socket.socket, peer: tuple[Any, ...]) -> None:
        self._server = server
        self._sock = sock
        self._peer = peer
        self._reader = FrameReader(server.max_frame, max_depth=server.dispatcher.max_depth)
        self._turn_ends = 0.0
        self.readable = get_hub().loop.io(sock.fileno(), _READABLE)

    @property
    def peer(self) -> str:
        """Where the connection comes from, as host:port."""
        host, port = self._peer[:2]
        host = host.removeprefix("::ffff:")  # an IPv4 address, seen from IPv6
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def serve(self) -> None:
        """Answer requests until the client goes or the server stops.

        CBORError if something comes that is no message; OSError if the connection is lost.
        """
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server, readable = self._server, self.readable
        wait, receive = get_hub().wait, self._sock.recv
        try:
            # To wait and then read takes one system call; the usual read first, and wait if
            # there is nothing, takes two and an exception for nearly every request.
            while not server.stopping:
                wait(readable)
                try:
                    chunk = receive(READ_SIZE)
                except BlockingIOError:
                    continue
                if not self._take(chunk):
                    return
                del chunk  # or it would stay while the connection is idle
        except _Stopping:
            pass
        self._finish()

    def _finish(self) -> None:
        """Answer what has arrived, then end the connection in such a way that it is noticed.

        The original's client takes the usual end of a connection for a lost answer and
        gives up; when the connection is reset it calls again.
        """
        arrived = self._in_kernel(termios.FIONREAD)
        while arrived > 0:
            chunk = self._sock.recv(min(arrived, READ_SIZE))
            if not self._take(chunk):
                return
            arrived -= len(chunk)
        # A reset overtakes answers that the client's system has not acknowledged.
        while self._in_kernel(termios.TIOCOUTQ):
            gevent.sleep(0.01)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)

    def _in_kernel(self, queue: int) -> int:
        """How many bytes the system holds that we have not read, or not got rid of."""
        return int.from_bytes(fcntl.ioctl(self._sock, queue, bytes(4)), sys.byteorder)

    def _take(self, chunk: bytes) -> bool:
        """Answer the messages that are whole with `chunk`; whether to go on afterwards."""
        if not chunk:
            return False
        self._turn_ends = monotonic() + TURN
        reader = self._reader
        messages = reader.feed(chunk)
        while messages:
            if not self._answer(messages):
                return False
            messages = reader.feed(b"") if reader.pending else []
        return True

    def _answer(self, messages: list[bytes]) -> bool:
        """Send the answers to messages, in order; whether to go on afterwards."""
        respond = self._respond_and_log if self._server.rpclog else self._respond
        answers: list[bytes] = []
        size = 0
        going_on, fault = True, None
        for message in messages:
            if message == NULL:
                going_on = False
                break
            try:
                answer = frame(respond(message))
            except DecodeError as exc:
                fault = exc
                break
            answers.append(answer)
            size += len(answer)
            if size > SEND_SIZE:
                self._send(b"".join(answers))
                answers, size = [], 0
            if monotonic() > self._turn_ends:
                self._give_way()
        if answers:
            self._send(b"".join(answers))
        if fault:
            raise fault
        return going_on

    def _respond(self, message: bytes) -> bytes:
        dispatcher = self._server.dispatcher
        if not dispatcher.is_batch(message):
            return dispatcher.answer(message)
        pieces = []
        for piece in dispatcher.batch(message):
            pieces.append(piece)
            if monotonic() > self._turn_ends:
                self._give_way()
        return b"".join(pieces)

    def _respond_and_log(self, message: bytes) -> bytes:
        if rpc_log.isEnabledFor(logging.DEBUG):
            rpc_log.debug("%s: request %s", self.peer, _in_words(message))
        answer = self._respond(message)
        if rpc_log.isEnabledFor(logging.DEBUG):
            rpc_log.debug("%s: answer %s", self.peer, _in_words(answer))
        return answer

    def _send(self, data: bytes) -> None:
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:])

    def _send_rest(self, rest: memoryview) -> None:
        """Send what the system had no room for, as the client takes it."""
        hub = get_hub()
        with hub.loop.io(self._sock.fileno(), _WRITABLE) as writable:
            while rest:
                hub.wait(writable)
                with contextlib.suppress(BlockingIOError):
                    rest = rest[self._sock.send(rest) :]
        self._turn_ends = monotonic() + TURN

    def _give_way(self) -> None:
        """Let each connection that has something to do have its turn.

        Not by gevent.sleep(0): what that wakes runs up to 50 times before the event loop looks
        at the sockets again.
        """
        hub = get_hub()
        with hub.loop.timer(0) as timer:
            hub.wait(timer)
        self._turn_ends = monotonic() + TURN


def _in_words(message: bytes) -> str:
    try:
        text = repr(loads(message))
    except CBORError:
        text = message.hex()
    return text if len(text) <= _LOGGED_CHARACTERS else f"{text[:_LOGGED_CHARACTERS]}..."
