"""What the package gives to the tests of others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goordinate.client import Retry, TaskMaster, WorkUnit
from goordinate.testing import run_all, server, task_master
from goordinate.tests.differential.daemons import ENVIRONMENT

USERS_TEST = """
import socket

from goordinate.testing import run_all


def double(unit):
    unit.data["result"] = 2 * unit.data["number"]
    unit.data["output"] = {unit.key: {"from": unit.key}}


def check(unit):
    assert unit.data["from"] == unit.key


def no_socket(*args, **kwargs):
    raise AssertionError("a socket was opened")


def test_the_flow(task_master, monkeypatch):
    monkeypatch.setattr(socket, "socket", no_socket)
    task_master.add_flow({
        "double": {"module": __name__, "run_function": "double", "then": "check"},
        "check": {"module": __name__, "run_function": "check", "runtime": "python3"},
    })
    task_master.add_work_units("double", {"a": {"number": 1}, "b": {"number": 2}})
    assert run_all(task_master) == 4
    assert dict(task_master.iter_work_units("double"))["b"]["result"] == 4
    assert task_master.status("check")["num_finished"] == 2


def test_each_test_has_a_queue_of_its_own(task_master):
    assert task_master.list_work_specs() == ([], None)
"""


def run_users_tests(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """The end of a run of pytest on a user's file."""
    (folder / "test_user.py").write_text(text)
    options = ["-q", "-p", "goordinate.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_user.py"],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_a_users_test_passes_without_a_socket(tmp_path: Path) -> None:
    run = run_users_tests(tmp_path, USERS_TEST)
    assert "2 passed" in run.stdout, run.stdout + run.stderr


def test_the_guard_of_that_test_sees_a_socket(tmp_path: Path) -> None:
    run = run_users_tests(
        tmp_path,
        USERS_TEST.replace("run_all(task_master) == 4", "socket.socket()"),
    )
    assert "a socket was opened" in run.stdout


def test_the_fixture_with_a_real_server(tmp_path: Path) -> None:
    run = run_users_tests(
        tmp_path,
        "from goordinate.client import TaskMaster\n\n"
        "def test_it(goordinate_server):\n"
        "    with TaskMaster(goordinate_server) as master:\n"
        "        assert master.clear() == 0\n",
    )
    assert "1 passed" in run.stdout, run.stdout + run.stderr


def test_a_server_that_cannot_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="nosuch"), server("--backend", "nosuch"):
        pass


def spec_of(function: Callable[[WorkUnit], Any]) -> dict[str, Any]:
    return {"name": "s", "module": __name__, "run_function": function.__name__}


def always_retry(unit: WorkUnit) -> None:
    raise Retry


def test_what_never_ends_is_an_error() -> None:
    master = task_master()
    master.update_bundle(spec_of(always_retry), {"u": {}})
    with pytest.raises(RuntimeError, match="20 units have run"):
        run_all(master, limit=20)
    assert master.status("s")["num_available"] == 1


def nothing(unit: WorkUnit) -> None:
    pass


def test_run_all_of_some_specs() -> None:
    master: TaskMaster = task_master()
    for name in ("s", "t"):
        master.update_bundle({**spec_of(nothing), "name": name}, {"u": {}, "v": {}})
    assert run_all(master, ["t"], limit=2) == 2
    assert master.status("s")["num_available"] == 2
    assert run_all(master) == 2
    assert run_all(master) == 0
