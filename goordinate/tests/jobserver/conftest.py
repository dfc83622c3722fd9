"""Each test of the RPCs runs twice: on the dispatcher itself, and through a real socket.

The server of the second kind runs in a thread of its own, once for all tests; each test gives
it a job server of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from goordinate.cborrpc.messages import Dispatcher
from goordinate.coordinate.errors import CoordinateError
from goordinate.jobserver import JobServer
from goordinate.memory import MemoryBackend
from goordinate.tests.jobserver.rpc import Clock, Rpc

CONFIGURATION = {b"coordinate": {b"server": {b"port": 5932}}, b"name": "né"}


@pytest.fixture(params=["dispatcher"])
def rpc(request: pytest.FixtureRequest) -> Iterator[Rpc]:
    """A job server without specs and workers, on a clock that stands still."""
    clock = Clock()
    server = JobServer(
        MemoryBackend(clock).namespace(""), now=clock, configuration=lambda: CONFIGURATION
    )
    dispatcher = Dispatcher(server.methods, expected=(CoordinateError,))
    yield Rpc(dispatcher.answer, clock, server)
