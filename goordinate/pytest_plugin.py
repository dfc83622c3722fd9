"""The pytest fixtures `task_master` and `goordinate_server`; installed with the package.

Only a test that uses a fixture pays for what it imports.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def task_master() -> Any:
    """A TaskMaster on an empty queue in this process; `goordinate.testing.run_all` runs its
    units."""
    from goordinate.testing import task_master

    return task_master()


@pytest.fixture
def goordinate_server() -> Iterator[str]:
    """The "host:port" of a server in a process of its own, with an empty queue."""
    from goordinate.testing import server

    with server() as address:
        yield address
