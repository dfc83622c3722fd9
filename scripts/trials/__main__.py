"""The daemon among good clients and all kinds of bad ones, in two scenarios.

    scripts/faults                              the fault test, some minutes
    scripts/faults --units 10000 --untimed      small, and without what is a matter of time
    scripts/soak                                the soak, ten minutes
    scripts/soak --minutes 1

or `python -m scripts.trials SCENARIO`. All are real processes and sockets on 127.0.0.1. Each line
"ok" or "FAILED" is a check; the exit status is 0 only if all held.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time

from scripts.processes.server import ScriptError
from scripts.trials.checks import Report, note
from scripts.trials.faults import Size, fault_test
from scripts.trials.soak import soak


def parse_arguments() -> argparse.Namespace:
    """The command line; argparse ends the program when it is wrong."""
    parser = argparse.ArgumentParser(description="Try the daemon among all kinds of clients.")
    scenarios = parser.add_subparsers(dest="scenario", required=True)
    add = scenarios.add_parser("faults", help="all kinds of faults at once").add_argument
    add("--units", type=int, default=100_000, help="units of the chain (default: 100,000)")
    add("--workers", type=int, default=200, help="good workers (default: 200)")
    add("--untimed", action="store_true", help="leave out the check of the latencies")
    add = scenarios.add_parser("soak", help="a long and steady load").add_argument
    add("--minutes", type=float, default=10, help="how long (default: 10)")
    arguments = parser.parse_args()
    if arguments.scenario == "soak" and arguments.minutes < 1:
        parser.error("it takes a minute for each fault to happen")
    return arguments


def main() -> int:
    """Run; 0 when every check held, 1 when not."""
    arguments = parse_arguments()
    # So that all processes end with this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report = Report()
    started = time.monotonic()
    try:
        if arguments.scenario == "faults":
            size = Size(arguments.workers, arguments.units)
            fault_test(report, size, timed=not arguments.untimed)
        else:
            soak(report, arguments.minutes)
    except (ScriptError, OSError) as error:
        print(f"{arguments.scenario}: {error}", file=sys.stderr)
        return 1
    note(f"took {time.monotonic() - started:.0f} s")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
