"""A server under test and its clients, which are greenlets of the same process."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gevent import get_hub, socket
from gevent.event import Event

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.messages import Dispatcher
from goordinate.cborrpc.requests import Method, Parameter
from goordinate.cborrpc.server import Server
from goordinate.cborrpc.tags import Encoded

DEADLINE = 30.0
"""Seconds after which a test gives up; a good run never comes near."""

# The first example of the protocol's description: list_work_specs({}) is ([], None).
ASKED = bytes.fromhex(
    "d818 5825 a3 46706172616d73 81a0 426964 01 466d6574686f64 4f6c6973745f776f726b5f7370656373"
)
ANSWERED = bytes.fromhex("d818 51 a2 426964 01 46726573756c74 d880 82 80 f6")

LARGE = 8 * 2**20
"""Bytes, more than are read or sent at once."""

HUGE = 64 * 2**20
"""Bytes, more than the system takes for a client that does not read."""


Start = Callable[..., Server]
"""Starts a server with the options of `Server`."""


class Methods:
    """What is served, and how often each number was counted."""

    def __init__(self) -> None:
        self.counted: list[object] = []
        table = {"list_work_specs": self.list_work_specs, "echo": self.echo, "large": self.large}
        table |= {"busy": self.busy, "count": self.count}
        self.table = [Method(name, call, (Parameter("value"),)) for name, call in table.items()]
        self.dispatcher = Dispatcher(self.table)

    def list_work_specs(self, options: object) -> object:
        return [], None

    def echo(self, value: object) -> object:
        return value

    def large(self, length: Any) -> object:
        return Encoded(dumps(bytes(length)))

    def count(self, value: object) -> object:
        """Takes next to no time."""
        self.counted.append(value)
        return value

    def busy(self, value: object) -> object:
        """Takes two milliseconds."""
        end = time.perf_counter() + 0.002
        while time.perf_counter() < end:
            pass
        return self.count(value)


class Peer:
    """A client that sends bytes and takes apart what comes back."""

    def __init__(
        self,
        server: Server,
        host: str = "127.0.0.1",
        *,
        source: str | None = None,
        buffer: int | None = None,
    ) -> None:
        """source: the address to come from.  buffer: bytes that its system may hold unread."""
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            # As on Ethernet: the system acknowledges no less at once.
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        try:
            if source is not None:
                self.sock.bind((source, 0))
            self.sock.connect((host, server.port))
        except OSError:
            self.sock.close()
            raise
        self._reader = FrameReader()
        self._answers: list[bytes] = []

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def ask(self, method: str, value: object, request_id: object = 1) -> None:
        self.send(frame(request(method, value, request_id)))

    def receive(self, most: int) -> bytes:
        """What comes next, no more than so many bytes."""
        chunk: bytes = self.sock.recv(most)
        assert chunk, "the server closed the connection"
        return chunk

    def answer(self) -> Any:
        """The next answer."""
        while not self._answers:
            self._answers += self._reader.feed(self.receive(1 << 16))
        return loads(self._answers.pop(0))

    def call(self, method: str, value: object) -> Any:
        self.ask(method, value)
        return self.answer()[b"result"]

    def drain(self) -> None:
        """Receive until the connection is lost."""
        while True:
            self.receive(1 << 20)

    def rest(self) -> bytes:
        """All that comes until the server closes the connection."""
        received = b""
        while True:
            try:
                chunk = self.sock.recv(1 << 16)
            except ConnectionResetError:
                return received
            if not chunk:
                return received
            received += chunk


def request(method: str, value: object, request_id: object = 1) -> bytes:
    return dumps({b"params": [value], b"id": request_id, b"method": method.encode()})


def is_served(server: Server) -> bool:
    """Whether a new client gets the answer of the protocol's description."""
    with Peer(server) as peer:
        peer.send(ASKED)
        return peer.receive(len(ANSWERED)) == ANSWERED


@contextlib.contextmanager
def in_a_thread(
    methods: Sequence[Method], limits: Limits | None = None
) -> Iterator[tuple[str, int]]:
    """The address of a server that runs in a thread of its own."""
    addresses: list[tuple[str, int]] = []
    stops: list[Any] = []
    ready = threading.Event()

    def serve() -> None:
        server = Server(("127.0.0.1", 0), Dispatcher(methods, limits=limits), limits=limits)
        server.start()
        stop = Event()
        wake = get_hub().loop.async_()
        wake.start(stop.set)
        addresses.append(server.address)
        stops.append(wake.send)
        ready.set()
        stop.wait()
        server.stop()
        wake.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(DEADLINE)
    try:
        yield addresses[0]
    finally:
        stops[0]()
        thread.join(DEADLINE)
    assert not thread.is_alive()
