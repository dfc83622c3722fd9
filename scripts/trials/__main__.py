"""Runs one scenario: the daemon among good clients and all kinds of bad ones.

    scripts/faults                              the fault test, some minutes
    scripts/faults --units 10000 --untimed      small, and without what is a matter of time
    scripts/soak                                the soak, ten minutes
    scripts/soak --minutes 1

or `python -m scripts.trials SCENARIO`. All are real processes and sockets on 127.0.0.1. Each line
"ok" or "FAILED" is a check; the exit status is 0 only if all held.

A scenario is a module with `add_arguments` and `run`, and has a line in SCENARIOS.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from typing import Protocol

from scripts.processes.server import ScriptError
from scripts.trials import faults, soak
from scripts.trials.checks import Report, note


class Scenario(Protocol):
    """A module of this package that is run as a whole; its docstring's first line tells of it."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options that it has on the command line."""

    def run(self, report: Report, arguments: argparse.Namespace) -> None:
        """Run it, and report its checks. Raises ScriptError when it can't be run."""


SCENARIOS: dict[str, Scenario] = {"faults": faults, "soak": soak}


def parse_arguments() -> argparse.Namespace:
    """The command line; argparse ends the program when it is wrong."""
    parser = argparse.ArgumentParser(description="Try the daemon among all kinds of clients.")
    scenarios = parser.add_subparsers(dest="scenario", required=True)
    for name, scenario in SCENARIOS.items():
        about = (scenario.__doc__ or "").partition("\n")[0]
        scenario.add_arguments(scenarios.add_parser(name, help=about, description=about))
    return parser.parse_args()


def main() -> int:
    """Run; 0 when every check held, 1 when not."""
    arguments = parse_arguments()
    # So that all processes end with this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    report = Report()
    started = time.monotonic()
    try:
        SCENARIOS[arguments.scenario].run(report, arguments)
    except (ScriptError, OSError) as error:
        print(f"{arguments.scenario}: {error}", file=sys.stderr)
        return 1
    note(f"took {time.monotonic() - started:.0f} s")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
