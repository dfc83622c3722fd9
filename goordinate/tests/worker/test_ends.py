"""How units end, and how processes end under them."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from goordinate.client import TaskMaster
from goordinate.client.constants import AVAILABLE, FAILED, FINISHED, PENDING
from goordinate.tests.worker.conftest import Start, lines, spec, wait_for

ENDS = {
    "nothing": ({}, FINISHED, None),
    "retried": ({}, AVAILABLE, None),
    "fails_by_itself": ({}, FAILED, "by itself"),
    "leaves": ({}, FAILED, "SystemExit: 3"),
    "data_none": ({}, FINISHED, None),
    "data_number": (0, FINISHED, None),
    "asynchronous": ({}, FINISHED, None),
    "unsendable": ({}, FAILED, "object"),
    "killed": ({}, FAILED, "was killed by signal 9 (SIGKILL)"),
    "gone": ({}, FAILED, "exited with status 3"),
    "for_ever": ({}, FAILED, "TimeLimitExceeded"),
    "for_ever_without_alarm": ({}, FAILED, "went on for 10 s after its time limit"),
    "no_such_function": ({}, FAILED, "AttributeError"),
    "update_each_second": ({"turns": 5}, FINISHED, None),
}
"""Function: data, state of the unit at the end, what its traceback says."""


@pytest.mark.parametrize("batch", ["1", "10"])
def test_how_units_end(master: TaskMaster, address: str, start: Start, batch: str) -> None:
    ends = {name: end for name, end in ENDS.items() if batch == "1" or "alarm" not in name}
    for function, (data, _, _) in ends.items():
        timeout = 3 if function == "update_each_second" else 1
        units = {"u": data} if batch == "1" else {"u": data, "v": data}
        master.update_bundle(spec(function, timeout=timeout), units)
    worker = start("--address", address, "-j", "4", "--burst", "--batch", batch)
    assert worker.wait() == 0
    for function, (_, state, told) in ends.items():
        status = master.get_work_unit_status(function, "u")
        assert status["status"] == state, function
        traceback = status.get("traceback")
        assert (traceback is None) if told is None else (told in traceback), function
    assert "in function" not in master.get_work_unit_status("for_ever", "u")["traceback"]
    assert master.workers() == {}


def test_units_of_a_killed_process_are_given_back_but_the_one_that_ran(
    master: TaskMaster, address: str, start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "notes"
    units = {f"u{number}": {"file": str(file), "seconds": 0.2} for number in range(4)}
    units["u0"]["seconds"] = 60
    master.update_bundle(spec("sleep"), units)
    worker = start("--address", address, "-j", "1", "--burst", "--batch", "10")
    (begun,) = wait_for(lambda: lines(file))
    killed_at = time.monotonic()
    psutil.Process(int(begun.split()[2])).kill()
    wait_for(lambda: master.get_work_unit_status("sleep", "u0")["status"] == FAILED)
    assert time.monotonic() - killed_at < 10  # and not the lease
    assert worker.wait() == 0
    assert master.count_work_units("sleep") == {FAILED: 1, FINISHED: 3}


def test_on_death_retry(master: TaskMaster, address: str, start: Start, tmp_path: Path) -> None:
    file = tmp_path / "notes"
    master.update_bundle(spec("sleep"), {"u": {"file": str(file), "seconds": 2}})
    worker = start("--address", address, "-j", "1", "--burst", "--on-death", "retry")
    (begun,) = wait_for(lambda: lines(file))
    psutil.Process(int(begun.split()[2])).kill()
    assert worker.wait() == 0
    assert master.count_work_units("sleep") == {FINISHED: 1}
    assert [line.split()[0] for line in lines(file)] == ["begin", "begin", "end"]


def test_a_lost_unit_kills_its_process_and_is_left_alone(
    master: TaskMaster, address: str, start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "notes"
    master.update_bundle(spec("given_away"), {"u": {"file": str(file)}})
    worker = start("--address", address, "-j", "1", "--burst", "--lease", "3")
    assert worker.wait() == 0
    assert lines(file) == ["lost"]
    assert "has lost its lease" in worker.text()
    status = master.get_work_unit_status("given_away", "u")
    assert (status["status"], status["worker_id"]) == (PENDING, "another")


def test_a_lease_is_renewed_while_the_function_holds_the_interpreter(
    master: TaskMaster, address: str, start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "notes"
    unit = {"file": str(file), "seconds": 7}
    master.update_bundle(spec("hold_the_interpreter"), {"u": unit})
    # Another process looks for work all the time.
    worker = start("--address", address, "-j", "2", "--burst", "--lease", "3")
    wait_for(lambda: lines(file))
    while worker.process.poll() is None:
        assert master.get_work("thief") is None
        time.sleep(0.1)
    assert lines(file) == ["begin"]
    assert master.count_work_units("hold_the_interpreter") == {FINISHED: 1}


def kill_at_random(worker: psutil.Process) -> None:
    """Kill one of the processes that run units."""
    found = [
        process
        for process in worker.children(recursive=True)
        if process.parent() != worker and process.is_running()
    ]
    if found:
        random.choice(found).send_signal(signal.SIGKILL)


@pytest.mark.parametrize(
    ("units", "batch"),
    [(300, 1), pytest.param(10_000, 1, marks=pytest.mark.once),
     pytest.param(10_000, 20, marks=pytest.mark.once)],
)  # fmt: skip
def test_no_unit_is_lost_when_processes_are_killed(
    master: TaskMaster, address: str, start: Start, units: int, batch: int
) -> None:
    master.update_bundle(spec("nothing"), {f"u{number}": {} for number in range(units)})
    worker = start(
        *("--address", address, "-j", "4", "--burst", "--batch", str(batch)),
        *("--lease", "600"),  # so that none comes back by its lease
    )
    process = psutil.Process(worker.process.pid)
    end = time.monotonic() + 60 + units / 20
    while worker.process.poll() is None:
        assert time.monotonic() < end
        try:
            kill_at_random(process)
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.1)
    assert worker.wait() == 0, worker.text()[-3000:]
    counts = master.count_work_units("nothing")
    assert sum(counts.values()) == counts.get(FINISHED, 0) + counts.get(FAILED, 0) == units
    for _, data in master.iter_work_units("nothing", state=FAILED):
        assert "SIGKILL" in data["traceback"]
    assert "Traceback" not in worker.text()
