"""Each test of the RPCs runs twice on each backend: on the dispatcher itself, and through a real
socket.

The server of the second kind runs in a thread of its own, once for all tests of a process; each
test gives it a job server of its own, and moves that one's clock between calls.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from gevent import get_hub

from goordinate.cborrpc.client import Client
from goordinate.cborrpc.errors import EncodeError
from goordinate.cborrpc.messages import Dispatcher
from goordinate.cborrpc.server import Server
from goordinate.coordinate.api import Backend
from goordinate.jobserver import JobServer
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.connection import Connection
from goordinate.tests.jobserver.rpc import Rpc, dispatcher_of, job_server

#: Seconds after which a server that does not start or stop fails the test.
DEADLINE = 20.0


class ServerThread:
    """A server, and the thread with the event loop that runs it."""

    def __init__(self) -> None:
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._started.wait(DEADLINE)

    def _run(self) -> None:
        hub = get_hub()
        self.server = Server(("127.0.0.1", 0), Dispatcher(()))
        self._stopping = hub.loop.async_()
        self.server.start()
        self._started.set()
        hub.wait(self._stopping)
        self.server.stop(0)
        hub.destroy(destroy_loop=True)

    def stop(self) -> None:
        """Stop the server and its thread."""
        self._stopping.send()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()


class SocketRpc(Rpc):
    """A job server behind a socket: calls go through our client, bytes through a connection."""

    def __init__(self, address: tuple[str, int], clock: Clock, server: JobServer) -> None:
        self._connection = Connection(address)
        self._client = Client(address)
        super().__init__(self._connection.exchange, clock, server)

    def call(self, method: str, *params: object) -> object:
        try:
            return self._client.call(method, *params)
        except EncodeError:  # our client does not send what it cannot read; others may
            return super().call(method, *params)

    def close(self) -> None:
        """Close both connections."""
        self._connection.close()
        self._client.close()


@pytest.fixture(scope="session")
def server_thread() -> Iterator[ServerThread]:
    """The server of all tests that go through a socket."""
    thread = ServerThread()
    yield thread
    thread.stop()


@pytest.fixture(params=["dispatcher", "socket"])
def rpc(request: pytest.FixtureRequest, backend: Backend, clock: Clock) -> Iterator[Rpc]:
    """A job server without specs and workers, on a clock that stands still."""
    server = job_server(backend, clock)
    dispatcher = dispatcher_of(server)
    if request.param == "dispatcher":
        yield Rpc(dispatcher.answer, clock, server)
        return
    behind = request.getfixturevalue("server_thread").server
    behind.dispatcher = dispatcher
    rpc = SocketRpc(behind.address, clock, server)
    yield rpc
    rpc.close()
