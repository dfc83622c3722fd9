"""Run functions of the tests. Each notes what it does in a file, if the unit names one."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from goordinate.client import Retry, WorkUnit

KEPT: list[str] = []


def note(unit: WorkUnit, text: str) -> None:
    """Append a line to the file that the unit names."""
    with Path(unit.data["file"]).open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")


def nothing(unit: WorkUnit) -> None:
    """Does nothing."""


def remember(unit: WorkUnit) -> None:
    """Tells the process, and which units it has run before."""
    KEPT.append(unit.key)
    unit.data.update(pid=os.getpid(), kept=list(KEPT))


def sleep(unit: WorkUnit) -> None:
    """Takes as many seconds as the data says."""
    note(unit, f"begin {unit.key} {os.getpid()}")
    time.sleep(unit.data["seconds"])
    note(unit, f"end {unit.key}")


def hold_the_interpreter(unit: WorkUnit) -> None:
    """No other thread and no signal handler of the process runs meanwhile."""
    note(unit, "begin")
    ctypes.PyDLL(None).sleep(unit.data["seconds"])


def update_each_second(unit: WorkUnit) -> None:
    """Takes long, and tells that it goes on."""
    for turn in range(unit.data["turns"]):
        unit.data["turn"] = turn
        unit.update()
        time.sleep(1)


def for_ever(unit: WorkUnit) -> None:
    """Never ends by itself."""
    while True:
        time.sleep(0.01)


def for_ever_without_alarm(unit: WorkUnit) -> None:
    """Never ends, nor takes the signal that would interrupt it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    for_ever(unit)


def killed(unit: WorkUnit) -> None:
    """Kills its process."""
    os.kill(os.getpid(), signal.SIGKILL)


def gone(unit: WorkUnit) -> None:
    """Ends its process without a word."""
    os._exit(3)


def retried(unit: WorkUnit) -> None:
    """Is to run again later."""
    raise Retry(delay=1000)


def fails_by_itself(unit: WorkUnit) -> None:
    """Fails its unit, and returns."""
    unit.fail("by itself")


def leaves(unit: WorkUnit) -> None:
    """Would end the process."""
    sys.exit(3)


def data_none(unit: WorkUnit) -> None:
    """Takes the data away."""
    unit.data = None


def data_number(unit: WorkUnit) -> None:
    """Data need not be a map."""
    unit.data += 1


async def asynchronous(unit: WorkUnit) -> None:
    """A coroutine."""
    unit.data["ran"] = True


def unsendable(unit: WorkUnit) -> None:
    """Leaves what cannot be sent."""
    unit.data["x"] = object()


def given_away(unit: WorkUnit) -> Any:
    """Loses its unit to another worker, as if its lease had ended, and goes on."""
    master = unit.taskmaster
    assert master is not None
    name = unit.work_spec_name
    calls = [
        ("update_work_unit", (name, unit.key, {"status": 1})),
        ("get_work", ("another", {"work_spec_names": [name], "lease_time": 1000})),
    ]
    master.client.call_many(calls)
    note(unit, "lost")
    time.sleep(60)
    note(unit, "went on")
