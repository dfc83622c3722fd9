"""What the suites of the backends share: a clock, and each backend in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from goordinate.coordinate.api import Backend
from goordinate.tests.backends import BACKENDS
from goordinate.tests.conformance.clock import Clock


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until the test moves it."""
    return Clock()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Backend]:
    """An empty backend; the test runs once on each there is."""
    with BACKENDS[request.param](clock) as backend:
        yield backend
