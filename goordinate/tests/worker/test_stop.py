"""How a worker is stopped, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from goordinate.client import TaskMaster
from goordinate.client.constants import AVAILABLE, FINISHED, PENDING
from goordinate.tests.worker.conftest import Start, Worker, data_of, lines, spec, wait_for


def begin(
    master: TaskMaster, start: Start, address: str, file: Path, seconds: float, *flags: str
) -> tuple[Worker, list[str]]:
    """A worker of two processes that has begun two of eight units; what they have noted."""
    units = {f"u{number}": {"file": str(file), "seconds": seconds} for number in range(8)}
    master.update_bundle(spec("sleep"), units)
    worker = start("--address", address, "-j", "2", *flags)
    return worker, wait_for(lambda: len(lines(file)) >= 2 and lines(file))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("whole_group", [True, False])
def test_a_warm_stop(
    master: TaskMaster, address: str, start: Start, tmp_path: Path, number: int, whole_group: bool
) -> None:
    worker, _ = begin(master, start, address, tmp_path / "notes", 1.5, "--batch", "4")
    worker.signal_group(number) if whole_group else worker.signal(number)
    assert worker.wait() == 0
    counts = master.count_work_units("sleep")
    ended = sum(line.startswith("end") for line in lines(tmp_path / "notes"))
    begun = sum(line.startswith("begin") for line in lines(tmp_path / "notes"))
    assert 2 <= begun == ended < 8
    assert counts == {AVAILABLE: 8 - ended, FINISHED: ended}
    assert master.workers() == {}
    wait_for(lambda: not worker.processes())


def test_a_second_signal_stops_hard_and_gives_back(
    master: TaskMaster, address: str, start: Start, tmp_path: Path
) -> None:
    worker, _ = begin(master, start, address, tmp_path / "notes", 100, "--batch", "4")
    worker.signal_group(signal.SIGTERM)
    wait_for(lambda: "SIGTERM" in worker.text())
    worker.signal_group(signal.SIGTERM)
    assert worker.wait(20) == 1  # 2 seconds where nothing else runs
    assert master.count_work_units("sleep") == {AVAILABLE: 8}
    assert master.workers() == {}


def test_stop_timeout(master: TaskMaster, address: str, start: Start, tmp_path: Path) -> None:
    worker, _ = begin(master, start, address, tmp_path / "notes", 100, "--stop-timeout", "1")
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 1
    assert master.count_work_units("sleep") == {AVAILABLE: 8}


def test_nothing_is_left_of_a_worker_whose_supervisor_was_killed(
    master: TaskMaster, address: str, start: Start, tmp_path: Path
) -> None:
    worker, _ = begin(master, start, address, tmp_path / "notes", 2, "--batch", "2")
    worker.signal(signal.SIGKILL)
    wait_for(lambda: not worker.processes())
    # What ran was finished and told.
    assert master.count_work_units("sleep") == {AVAILABLE: 6, FINISHED: 2}


def test_an_orphan_does_not_outlive_its_lease(
    master: TaskMaster, address: str, start: Start, tmp_path: Path
) -> None:
    worker, _ = begin(master, start, address, tmp_path / "notes", 100, "--lease", "3")
    worker.signal(signal.SIGKILL)
    wait_for(lambda: not worker.processes())
    assert not any(line.startswith("end") for line in lines(tmp_path / "notes"))


def test_the_forkserver_may_be_killed_too(
    master: TaskMaster, address: str, start: Start, tmp_path: Path
) -> None:
    worker, noted = begin(master, start, address, tmp_path / "notes", 1, "--burst")
    forkserver = psutil.Process(int(noted[0].split()[2])).parent()
    assert forkserver is not None
    assert forkserver.pid != worker.process.pid
    forkserver.kill()
    assert worker.wait() == 0
    assert master.count_work_units("sleep") == {FINISHED: 8}


def test_sighup_replaces_the_processes_after_their_units(
    master: TaskMaster, address: str, start: Start
) -> None:
    worker = start("--address", address, "-j", "1")
    pids: list[int] = []
    for key in "abc":
        master.update_bundle(spec("remember"), {key: {}})
        wait_for(lambda: master.count_work_units("remember") == {FINISHED: len(pids) + 1})
        pids.append(data_of(master, "remember")[key]["pid"])
        if key == "b":
            worker.signal(signal.SIGHUP)
            wait_for(lambda: not psutil.pid_exists(pids[0]))
    assert pids[0] == pids[1] != pids[2]
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_sigusr1_shows_where_the_functions_are(
    master: TaskMaster, address: str, start: Start, tmp_path: Path
) -> None:
    flags = ("--log-format", "json", "--log-file", str(tmp_path / "log.json"))
    worker, _ = begin(master, start, address, tmp_path / "notes", 2, *flags)
    worker.signal(signal.SIGUSR1)
    wait_for(lambda: "in sleep" in (tmp_path / "log.json").read_text())
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    records = [json.loads(line) for line in lines(tmp_path / "log.json")]
    running = [record for record in records if record["message"].startswith("running")]
    assert running
    for record in running:
        assert record["spec"] == "sleep"
        assert record["key"] in record["message"]
    assert any("in sleep" in record["message"] for record in records)
    assert master.count_work_units("sleep").get(PENDING, 0) == 0


def test_a_worker_waits_for_its_server(address: str, start: Start, tmp_path: Path) -> None:
    nobody = "127.0.0.1:1"
    burst = start("--address", nobody, "--burst")
    assert burst.wait() == 3
    assert len(lines(burst.log)) == 1
    waiting = start("--address", nobody, "--log-file", str(tmp_path / "log"))
    wait_for(lambda: lines(tmp_path / "log"))
    time.sleep(2)  # it has tried again by now
    assert len(lines(tmp_path / "log")) == 1
    waiting.signal(signal.SIGTERM)
    assert waiting.wait() == 0


def test_files_that_change_replace_the_processes(
    master: TaskMaster, address: str, start: Start, tmp_path: Path
) -> None:
    pytest.importorskip("watchfiles")
    module = tmp_path / "watched_module.py"
    module.write_text("def run(unit): unit.data['version'] = 1\n")
    work_spec = {"name": "s", "module": "watched_module", "run_function": "run"}
    worker = start("--address", address, "-j", "1", "--watch", str(tmp_path))
    master.update_bundle(work_spec, {"u": {}})
    wait_for(lambda: master.count_work_units("s") == {FINISHED: 1})
    module.write_text("def run(unit): unit.data['version'] = 22\n")
    os.utime(module, (1, 1))  # so that no cached code is taken for it

    def second_version() -> bool:
        master.add_work_units("s", {"u": {}})
        wait_for(lambda: master.count_work_units("s") == {FINISHED: 1})
        return bool(data_of(master, "s")["u"] == {"version": 22})

    wait_for(second_version)
    assert "a file has changed" in worker.text()
