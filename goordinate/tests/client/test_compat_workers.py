"""`goordinate.compat.workers`: programs of the Python 2 package that run workers."""

from __future__ import annotations

import os
import pstats
import signal
import threading
from pathlib import Path

import pytest

import goordinate.compat as coordinate
from goordinate.client import ProgrammerError, TaskMaster
from goordinate.client.constants import FINISHED
from goordinate.compat.workers import ForkWorker, SingleWorker, run_worker
from goordinate.testing import server
from goordinate.worker import Supervisor, WorkerConfig
from goordinate.worker.__main__ import parser

SPEC = {"name": "s", "module": "goordinate.tests.worker.functions", "run_function": "nothing"}


def test_workers_and_profiles(tmp_path: Path) -> None:
    assert coordinate.workers.run_worker is run_worker
    with server() as address, TaskMaster(address) as master:
        destination = f"{tmp_path}/p.%(work_spec_name)s.%(work_unit_key)s.%(ymd)s.%(hms)s"
        config = {
            "address": address,
            "profile": {"work_specs": ["s"], "destination": destination},
            "fork_worker": {"num_workers": 1},
        }
        master.update_bundle(SPEC, {"a/b": {}})
        run_worker(SingleWorker, config)
        assert master.count_work_units("s") == {FINISHED: 1}
        master.add_work_units("s", {"c": {}})
        done = threading.Event()

        def stop() -> None:
            with TaskMaster(address) as other:
                other.wait("s", timeout=60, poll=0.05)
            done.set()
            os.kill(os.getpid(), signal.SIGTERM)

        waiting = threading.Thread(target=stop)
        waiting.start()
        run_worker(ForkWorker, config)
        waiting.join()
        assert done.is_set()
        assert master.count_work_units("s") == {FINISHED: 2}
        assert master.workers() == {}
    files = sorted(tmp_path.iterdir())
    assert [file.name.split(".")[:3] for file in files] == [["p", "s", "a%2Fb"], ["p", "s", "c"]]
    for file in files:
        functions = pstats.Stats(str(file)).get_stats_profile().func_profiles
        assert "nothing" in functions


def test_what_cannot_be_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ProgrammerError):
        run_worker(ForkWorker, {"worker": {"nosuch": 1}})
    assert "can be made" in caplog.text
    profile = {"work_specs": ["s"], "destination": "%(nosuch)s"}
    with pytest.raises(ProgrammerError):
        Supervisor(WorkerConfig(coordinate={"address": "h:1", "profile": profile}))


def test_the_flags_of_coordinate_worker_are_taken() -> None:
    flags = parser().parse_args(["--pidfile", "/p", "--logpath", "/l", "--foreground"])
    assert (flags.pid, flags.log_file) == ("/p", "/l")


def test_what_has_no_effect_is_told(caplog: pytest.LogCaptureFixture) -> None:
    block = {"worker": "fork_worker", "fork_worker": {"debug_worker": "children"}}
    WorkerConfig.from_file(block)
    assert [record.message.partition(" has")[0] for record in caplog.records] == [
        "debug_worker",
        "worker: 'fork_worker'",
    ]
