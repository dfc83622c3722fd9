"""A TaskMaster on a job server in the process, and a Python 2 program on the same one."""

from __future__ import annotations

import pytest

from goordinate.cborrpc import Client
from goordinate.client import TaskMaster
from goordinate.testing import task_master as new_task_master


@pytest.fixture
def master() -> TaskMaster:
    """On an empty queue."""
    return new_task_master()


@pytest.fixture
def python2(master: TaskMaster) -> Client:
    """Calls the same server with what a Python 2 program sends."""
    return master.client
