"""Calls that wait in the server, and calls that do not."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from goordinate.client import TaskMaster
from goordinate.testing import server


def test_a_call_waits_as_long_as_it_says_and_no_longer(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("coordinate: {server: {hold_get_work: 60}}")
    with server("--config", str(config)) as address, TaskMaster(address, timeout=0.5) as master:
        assert master.get_work("w") is None  # where the server would wait for a minute
        assert master.update_and_get_work([], "w") == ([], [])
        begun = time.monotonic()
        assert master.get_work("w", wait=1) is None  # longer than the timeout
        assert time.monotonic() - begun > 0.9
        master.update_bundle({"name": "s"}, {"k": {}})
        unit = master.get_work("w", wait=60)
        assert unit is not None
        # A signal ends a wait; the next call has a connection.
        signal.signal(signal.SIGALRM, lambda number, frame: master.client.half_close() and None)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        assert master.get_work("w", wait=60) is None
        assert time.monotonic() - begun < 30
        assert unit.finish() is True


def test_a_call_that_is_cut_short_is_not_tried_again() -> None:
    with server() as address:
        master = TaskMaster(address)
        assert master.client.half_close() is False  # there is no connection yet
        master.list_work_specs()
        master.client.half_close()
        with pytest.raises(ConnectionError):
            master.list_work_specs()
        assert master.list_work_specs() == ([], None)
        master.close()
