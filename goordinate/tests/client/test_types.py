"""A program that uses every public name, for mypy, which reads all tests with `--strict`."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goordinate import client, testing
from goordinate.client import (
    CoordinateException,
    LostLease,
    NoSuchWorkSpecError,
    NoSuchWorkUnitError,
    ProgrammerError,
    Retry,
    TaskMaster,
    TimeLimitExceeded,
    WorkUnit,
    as_bytes,
    as_text,
    overlay_config,
)
from goordinate.testing import InProcessClient, run_all, server, task_master


def count(unit: WorkUnit, *, fail: bool = False) -> None:
    """A run function."""
    key: str = unit.key
    raw: bytes = unit.key_bytes
    name: str = unit.work_spec_name
    spec: Mapping[str, Any] = unit.spec
    unit.data["seen"] = [key, as_text(raw), name, spec["name"], as_bytes(key)]
    lease: float = unit.default_lease_time
    kept: bool = unit.update(lease)
    if not kept or fail:
        raise Retry("again", delay=0.0)
    assert unit.worker_id is not None
    assert unit.expires is None
    assert unit.taskmaster is not None
    print(unit.taskmaster.config, unit)


def use_specs(master: TaskMaster) -> None:
    TaskMaster.validate_work_spec({"name": "s"})
    spec: dict[str, Any] = {"name": "s", "module": __name__, "run_function": "count"}
    done: bool = master.set_work_spec(spec)
    got: dict[str, Any] | None = master.get_work_spec("s")
    specs, following = master.list_work_specs(limit=1)
    first: tuple[str, dict[str, Any]] = specs[0]
    start: str | None = following
    names: list[str] = [each["name"] for each in master.iter_work_specs(start=start)]
    paused: bool = master.pause_work_spec(first[0], paused=False)
    master.add_flow({"flow": {"module": "m"}}, overlay_config({}, {"a": 1}))
    assert all([done, got, names, paused, master.del_work_spec("flow")])


def use_units(master: TaskMaster) -> None:
    master.update_bundle({"name": "s", "module": __name__, "run_function": "count"}, {"a": {}})
    added: bool = master.add_work_units("s", [("b", {}, {"priority": 1}), (b"c", {})])
    counts: dict[int, int] = master.count_work_units("s")
    status: dict[str, int] = master.status("s")
    units: list[tuple[str, Any]] | None = master.get_work_units("s", state=[master.AVAILABLE])
    every: dict[str, Any] = dict(master.iter_work_units("s", page=2))
    listed: dict[str, Any] = master.list_work_units("s", start=1)
    finished: dict[str, Any] = master.list_finished_work_units("s")
    state: int = master.get_work_unit_status("s", "a")["status"]
    moved: bool = master.prioritize_work_units("s", ["a"], adjustment=1)
    changed: bool = master.update_work_unit("s", "a", status=master.FINISHED)
    several: list[bool] = master.update_work_units([("s", "a", {"status": master.FAILED})])
    again: bool = master.retry("s", "a")
    deleted: int = master.del_work_units("s", ["c"], state=master.PENDING)
    assert all([added, counts, status, units, every, listed, not finished, state])
    assert all([moved, changed, several, again, not deleted])


def use_work(master: TaskMaster) -> None:
    one = master.get_work("w", lease_time=60, runtimes=["", "python3"])
    assert one is not None
    change = one.change(lease_time=5)
    master.update_work_units([change])
    one.run()
    ended: bool = one.finish()
    for unit in master.get_work("w", max_jobs=2):
        unit.settle(unit.failing(ValueError("x")))
        unit.retry(0.0)
        unit.settle(unit.retrying(0.0))
    done, more = master.update_and_get_work([one.finishing()], "w", max_jobs=3)
    states: list[bool] = [unit.fail("x") for unit in more]
    totals: dict[str, dict[int, int]] = master.wait("s", timeout=10.0, poll=0.1)
    local: WorkUnit = WorkUnit.local("u", {}, {"module": "builtins", "run_function": "type"})
    settled: bool = local.settled
    assert all([ended, done, states, totals, not settled])


def use_workers(master: TaskMaster) -> None:
    master.worker_register("p", master.RUN, environment={"pid": 1})
    master.worker_heartbeat("w", master.IDLE, 60.0, None, "p")
    modes: dict[str, Any] = master.workers()
    total: int = sum(master.mode_counts().values())
    held: dict[str, list[WorkUnit]] = master.get_child_work_units("p")
    assert all([modes, total, not held, master.get_heartbeat("p") == {"pid": 1}])
    master.worker_unregister("w")
    assert master.get_mode() != master.TERMINATE
    config: dict[str, Any] = master.get_server_config()
    assert all([config, master.rpc("now"), master.clear(), master.BLOCKED])


def test_the_program_does_what_it_says() -> None:
    with task_master(strings="auto") as master:
        assert isinstance(master.client, InProcessClient)
        use_specs(master)
        use_units(master)
        use_work(master)
        use_workers(master)
        assert run_all(master) == 0
        master.close()
    for error in (LostLease, NoSuchWorkSpecError, NoSuchWorkUnitError, ProgrammerError,
                  TimeLimitExceeded):  # fmt: skip
        assert issubclass(error, CoordinateException)
    assert callable(server)


def test_it_uses_every_public_name() -> None:
    tree = ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8")))
    used = set()
    for node in tree:
        used.add(getattr(node, "id", None) or getattr(node, "attr", None))
    names = {*client.__all__, "server", "task_master", "run_all", "InProcessClient"}
    for kind in (TaskMaster, WorkUnit):
        names |= {name for name, _ in inspect.getmembers(kind) if not name.startswith("_")}
    assert names - used == {"set_mode", "encoded"}  # a call with a warning; one for WorkUnit
    assert testing.__doc__
