"""Settings of the property tests, which run on machines that are busy with other things, and what
the tests of the server begin with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from hypothesis import HealthCheck, settings

from goordinate.cborrpc.server import Server
from goordinate.tests.cborrpc.serving import DEADLINE, Methods, Start

settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")


@pytest.fixture
def methods() -> Methods:
    """What is served."""
    return Methods()


@pytest.fixture
def start(methods: Methods) -> Iterator[Start]:
    """A function that starts a server on a free port; the test has `DEADLINE` seconds."""
    servers: list[Server] = []

    def start(host: str = "127.0.0.1", dispatcher: Any = None, **options: Any) -> Server:
        server = Server((host, 0), dispatcher or methods.dispatcher, **options)
        server.start()
        servers.append(server)
        return server

    with gevent.Timeout(DEADLINE):
        yield start
    for server in servers:
        server.stop(0)
