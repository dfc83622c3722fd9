"""Which units a worker runs, in which processes, and what it tells the server."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from goordinate.client import ProgrammerError, TaskMaster
from goordinate.client.constants import AVAILABLE, FINISHED
from goordinate.testing import server, task_master
from goordinate.tests.worker import functions
from goordinate.tests.worker.conftest import Start, data_of, lines, spec, wait_for
from goordinate.worker import SingleWorker, Supervisor, WorkerConfig


def add(master: TaskMaster, count: int, function: str = "remember", **keys: Any) -> None:
    """Units of a work spec."""
    master.update_bundle(spec(function, **keys), {f"u{number}": {} for number in range(count)})


@pytest.mark.parametrize(
    ("flags", "processes"),
    [
        (("-j", "1"), 1),
        (("-j", "1", "--batch", "4"), 1),
        (("-j", "1", "--max-units", "4"), 3),
        (("-j", "1", "--max-units", "4", "--batch", "3"), 3),
        (("-j", "1", "--max-memory", "1"), 10),
        (("-j", "1", "--isolation", "unit"), 10),
        (("--isolation", "none"), 1),
    ],
)
def test_the_processes_that_run_units(
    master: TaskMaster, address: str, start: Start, flags: tuple[str, ...], processes: int
) -> None:
    add(master, 10)
    worker = start("--address", address, "--burst", *flags)
    assert worker.wait() == 0
    assert master.count_work_units("remember") == {FINISHED: 10}
    done = data_of(master, "remember").values()
    assert len({data["pid"] for data in done}) == processes
    # What a module keeps lives as long as its process.
    assert max(len(data["kept"]) for data in done) == -(-10 // processes)
    assert master.workers() == {}


@pytest.mark.parametrize("flags", [("-j", "3", "--batch", "2"), ("--isolation", "none")])
def test_limit_count(
    master: TaskMaster, address: str, start: Start, flags: tuple[str, ...]
) -> None:
    add(master, 20)
    worker = start("--address", address, "--limit-count", "7", *flags)
    assert worker.wait() == 0
    assert master.count_work_units("remember") == {AVAILABLE: 13, FINISHED: 7}


def test_max_idle_and_limit_seconds(master: TaskMaster, address: str, start: Start) -> None:
    add(master, 3)
    idle = start("--address", address, "-j", "2", "--max-idle", "1")
    assert idle.wait() == 0
    assert master.count_work_units("remember") == {FINISHED: 3}
    assert "there was no work for 1 s" in idle.text()
    limited = start("--address", address, "-j", "2", "--limit-seconds", "1")
    assert limited.wait() == 0


def test_which_work_specs(master: TaskMaster, address: str, start: Start) -> None:
    for name, keys in {"a": {}, "b": {"runtime": "python3"}, "c": {"runtime": "go"}}.items():
        add(master, 1, "nothing", name=name, **keys)
    assert start("--address", address, "--burst", "--work-spec", "a").wait() == 0
    assert start("--address", address, "--burst", "--runtime", "go").wait() == 0
    assert [master.count_work_units(name) for name in "abc"] == [
        {FINISHED: 1},
        {AVAILABLE: 1},
        {FINISHED: 1},
    ]
    add(master, 1, "nothing", name="a")
    assert start("--address", address, "--burst").wait() == 0
    assert master.count_work_units("b") == {FINISHED: 1}


def test_a_spec_that_is_replaced_counts_for_the_next_unit(
    master: TaskMaster, address: str, start: Start
) -> None:
    worker = start("--address", address, "-j", "1")
    for number, function in enumerate(["nothing", "remember", "nothing", "fails_by_itself"]):
        master.set_work_spec(spec(function, "s"))
        master.add_work_units("s", {f"u{number}": {}})
        wait_for(lambda: not master.list_work_units("s"))
    assert "kept" in data_of(master, "s")["u1"]
    assert "kept" not in data_of(master, "s")["u2"]
    assert master.get_work_unit_status("s", "u3")["traceback"] == "by itself"
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_chains_and_all_processes_come_to_work(
    master: TaskMaster, address: str, start: Start, tmp_path: Path
) -> None:
    worker = start("--address", address, "-j", "2")
    wait_for(lambda: len(master.workers()) == 3)
    file = str(tmp_path / "notes")
    units = {f"u{number}": {"file": file, "seconds": 1} for number in range(4)}
    master.update_bundle(spec("sleep"), units)
    wait_for(lambda: len(lines(tmp_path / "notes")) == 8)
    assert len({line.split()[2] for line in lines(tmp_path / "notes") if "begin" in line}) == 2
    environments = [master.get_heartbeat(worker_id) for worker_id in master.workers()]
    told = [environment["pid"] for environment in environments if environment]
    assert worker.process.pid in told
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_preload(master: TaskMaster, address: str, start: Start) -> None:
    add(master, 4)
    flags = ("-j", "1", "--isolation", "unit", "--preload", functions.__name__)
    assert start("--address", address, "--burst", *flags).wait() == 0
    assert master.count_work_units("remember") == {FINISHED: 4}
    wrong = start("--address", address, "--preload", "no_such_module")
    assert wrong.wait() == 2
    assert lines(wrong.log) == ["worker: there is no module 'no_such_module' to preload"]


def test_the_daemon_may_be_killed_and_started_again(start: Start, tmp_path: Path) -> None:
    with server() as address, TaskMaster(address) as master:
        port = address.rpartition(":")[2]
        add(master, 1)
        worker = start("--address", address, "-j", "2")
        wait_for(lambda: master.count_work_units("remember") == {FINISHED: 1})
        (daemon,) = [
            process
            for process in psutil.Process().children()
            if any(c.laddr.port == int(port) for c in process.net_connections() if c.laddr)
        ]
        daemon.kill()
        daemon.wait()
    with server("--port", port) as again, TaskMaster(again) as master:
        add(master, 5)
        wait_for(lambda: master.count_work_units("remember") == {FINISHED: 5})
        wait_for(lambda: len(master.workers()) == 3)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert master.workers() == {}
    assert "Traceback" not in worker.text()
    assert "answers again" in worker.text()


def test_configuration_of_the_python_2_package() -> None:
    block = {
        "addresses": ["h:1"],
        "worker": "fork_worker",
        "worker_job_fetch": 5,
        "default_lifetime": 60,
        "fork_worker": {"num_workers": 3, "poll_interval": 2, "child_lifetime": 10},
    }
    config = WorkerConfig.from_file(block, batch=None, burst=True)
    assert (config.batch, config.timeout, config.processes) == (5, 60.0, 3)
    assert (config.poll_interval, config.child_lifetime, config.burst) == (2, 10, True)
    assert WorkerConfig.from_file({**block, "worker": {"lease": 30}}).lease == 30
    assert WorkerConfig.from_file({}).coordinate == {"address": "localhost:5932"}
    for wrong in (
        {"worker": {"lese": 1}},
        {"worker": {"batch": 0}},
        {"worker": {"isolation": "x"}},
    ):
        with pytest.raises(ProgrammerError):
            WorkerConfig.from_file(wrong)


def test_a_single_worker() -> None:
    master = task_master()
    add(master, 3, "nothing")
    add(master, 1, "leaves")
    worker = SingleWorker({}, master, ["nothing", "leaves"], max_jobs=2)
    with pytest.raises(ProgrammerError):
        worker.run()
    worker_id = worker.register()
    with pytest.raises(ProgrammerError):
        worker.register()
    assert worker.heartbeat() == "RUN"
    assert list(master.workers()) == [worker_id]
    ran = [worker.run_one() for _ in range(4)]
    assert sum(ran) == 4
    assert worker.run() is False
    assert master.count_work_units("nothing") == {FINISHED: 3}
    assert master.get_work_unit_status("leaves", "u0")["traceback"].endswith("SystemExit: 3\n")
    worker.unregister()
    assert master.workers() == {}


def test_a_supervisor_in_this_process(master: TaskMaster, address: str) -> None:
    before = signal.getsignal(signal.SIGTERM)
    add(master, 3)
    config = WorkerConfig(coordinate={"address": address}, processes=1, burst=True)
    assert Supervisor(config).run() == 0
    assert master.count_work_units("remember") == {FINISHED: 3}
    assert signal.getsignal(signal.SIGTERM) is before
