"""What the suites of the backends share: a clock, and each backend in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from goordinate.coordinate.api import Backend
from goordinate.tests.backends import BACKENDS, EXCEPTIONS, ONCE
from goordinate.tests.conformance.clock import Clock


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until the test moves it."""
    return Clock()


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.once] if name in ONCE else []) for name in BACKENDS
    ]
)
def backend(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Backend]:
    """An empty backend; the test runs once on each there is."""
    with BACKENDS[request.param](clock) as backend:
        yield backend


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the tests that are no tests of a backend."""
    items[:] = [item for item in items if not _is_exception(item)]


def _is_exception(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return False
    backend = item.callspec.params.get("backend")
    # The server of these has a thread of its own, and a file belongs to the thread that opened it.
    # The daemon on a file is tried in tests/sqlite.
    if "socket" in item.callspec.params.values() and backend in ("sqlite", "sqlite-reopened"):
        return True
    return (backend, item.originalname) in EXCEPTIONS
