"""Workers that are killed while they hold units: processes, each ended by SIGKILL.

    python -m scripts.trials.killed PORT WORK_SPEC PAUSE SECONDS

One after the other takes some units, with the shortest lease there is or twice that, and is killed
as soon as it has them. Its caller is `Program`.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections import Counter
from typing import NoReturn

from goordinate.cborrpc import Client
from scripts.processes.program import ready, report, told

LEASES = (1, 2)
#: So many names have these workers, in turn: the daemon remembers workers that are gone, and that
#: would look as if memory were not given back.
NAMES = 10
UNITS = 5
#: Seconds that a worker gets to take units; it may be refused, or wait to be accepted.
TAKE_SECONDS = 5.0


def hold_units(port: int, spec: str, number: int, hand_over: int) -> NoReturn:
    """The life of such a worker: take units, tell how many, and do nothing more."""
    try:
        with Client(("127.0.0.1", port), retries=0) as client:
            options = {
                b"max_jobs": UNITS,
                b"lease_time": LEASES[number % len(LEASES)],
                b"work_spec_names": [spec],
            }
            units, _ = client.call("get_work", b"killed-%d" % (number % NAMES), options)
            os.write(hand_over, b"%d" % len(units))
            time.sleep(TAKE_SECONDS)
    finally:
        os._exit(1)


def kill_one(port: int, spec: str, number: int) -> int:
    """Start a worker, kill it when it has units; how many it held when it was killed."""
    taken, hand_over = os.pipe()
    try:
        pid = os.fork()
        if not pid:
            hold_units(port, spec, number, hand_over)
        os.close(hand_over)
        hand_over = -1
        select.select([taken], [], [], TAKE_SECONDS)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            return 0
        # What it wrote is in the pipe, or nothing is, and then there is its end.
        return int(os.read(taken, 20) or 0)
    finally:
        os.close(taken)
        if hand_over >= 0:
            os.close(hand_over)


def main() -> None:
    """Kill workers until told to end; report how many, and what they held."""
    port, spec = int(sys.argv[1]), sys.argv[2]
    pause, seconds = float(sys.argv[3]), float(sys.argv[4])
    counts: Counter[str] = Counter()
    ready()
    deadline = time.monotonic() + seconds
    while not told(pause) and time.monotonic() < deadline:
        counts["started"] += 1
        units = kill_one(port, spec, counts["started"])
        if units:
            counts["killed while they held units"] += 1
            counts["units held"] += units
    report({"workers killed": counts})


if __name__ == "__main__":
    main()
