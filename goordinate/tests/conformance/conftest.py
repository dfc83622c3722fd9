"""What the tests begin with."""

from __future__ import annotations

import pytest

from goordinate.coordinate.api import Backend
from goordinate.coordinate.handles import Queue, WorkSpec
from goordinate.tests.conformance.steps import define, open_namespace


@pytest.fixture
def namespace(backend: Backend) -> Queue:
    """The namespace of the RPC clients, empty."""
    return open_namespace(backend)


@pytest.fixture
def spec(namespace: Queue) -> WorkSpec:
    """A work spec without units."""
    return define(namespace, b"spec")
