"""Workers that are killed while they hold units: processes, each ended by SIGKILL.

    python -m scripts.trials.killed PORT WORK_SPEC PAUSE SECONDS

One after the other takes some units, with the shortest lease there is or twice that, and is killed
as soon as it has them. Its caller is `Program`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection

from goordinate.cborrpc import Client
from scripts.processes.program import ready, report, told

LEASES = (1, 2)
#: So many names have these workers, in turn: the daemon remembers workers that are gone, and that
#: would look as if memory were not given back.
NAMES = 10
UNITS = 5
#: Seconds that a worker gets to take units; it may be refused, or wait to be accepted.
TAKE_SECONDS = 5.0

FORK = multiprocessing.get_context("fork")


def hold_units(port: int, spec: str, number: int, taken: Connection) -> None:
    """The life of such a worker: take units, tell how many, and do nothing more."""
    with contextlib.suppress(Exception), Client(("127.0.0.1", port), retries=0) as client:
        options = {
            b"max_jobs": UNITS,
            b"lease_time": LEASES[number % len(LEASES)],
            b"work_spec_names": [spec],
        }
        units, _ = client.call("get_work", b"killed-%d" % (number % NAMES), options)
        taken.send(len(units))
        time.sleep(TAKE_SECONDS)


def kill_one(port: int, spec: str, number: int) -> int:
    """Start a worker, kill it when it has units; how many it held when it was killed."""
    receiving, sending = FORK.Pipe(duplex=False)
    with receiving, sending:
        worker = FORK.Process(target=hold_units, args=(port, spec, number, sending))
        worker.start()
        sending.close()
        # It may have ended instead, turned away.
        told_or_ended = receiving.poll(TAKE_SECONDS)
        worker.kill()
        worker.join()
        held = told_or_ended and worker.exitcode == -signal.SIGKILL
        return int(receiving.recv()) if held else 0


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
