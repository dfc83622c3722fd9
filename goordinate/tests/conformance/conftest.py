"""The backends that must pass the suite: a new one is a line in `BACKENDS`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from goordinate.coordinate.api import Backend, Namespace, WorkSpec
from goordinate.memory import MemoryBackend
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.conformance.steps import define

#: name -> what makes an empty backend on a clock.
BACKENDS: dict[str, Callable[[Clock], Backend]] = {
    "memory": MemoryBackend,
}


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until the test moves it."""
    return Clock()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, clock: Clock) -> Backend:
    """An empty backend, each of all there are."""
    return BACKENDS[request.param](clock)


@pytest.fixture
def namespace(backend: Backend) -> Namespace:
    """The namespace of the RPC clients, empty."""
    return backend.namespace("")


@pytest.fixture
def spec(namespace: Namespace) -> WorkSpec:
    """A work spec without units."""
    return define(namespace, b"spec")
