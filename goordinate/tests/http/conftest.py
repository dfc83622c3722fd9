"""What the tests begin with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from goordinate.tests.http.serving import Start, starting


@pytest.fixture
def start() -> Iterator[Start]:
    """A function that starts a server; see `serving.starting`."""
    with starting() as function:
        yield function
