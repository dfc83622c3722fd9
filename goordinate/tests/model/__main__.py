"""The long mode: other sequences each time, and longer ones, for so many minutes.

Exit status 1 if the server and the model differ, with a short sequence that shows it.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time

from goordinate.tests.backends import BACKENDS
from goordinate.tests.model.machine import Machine
from goordinate.tests.model.runs import run

STEPS = 100


def main() -> int:
    """Run, and print what was found and how much was done."""
    parser = argparse.ArgumentParser(prog="check_model", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="default 10")
    parser.add_argument("--backend", choices=BACKENDS, default="memory", help="default memory")
    arguments = parser.parse_args()
    end = time.monotonic() + 60 * arguments.minutes
    logging.disable(logging.CRITICAL)  # the server's warnings, of which there are many
    numbers = random.SystemRandom()  # Hypothesis sets the state of the common one
    status = 0
    while status == 0 and time.monotonic() < end:
        try:
            run(arguments.backend, numbers.getrandbits(64), STEPS)
        except AssertionError as difference:
            print(difference)
            status = 1
    print_counts()
    return status


def print_counts() -> None:
    """How much has been done."""
    counts = Machine.done.copy()
    sequences, steps, wrong = (
        counts.pop(name, 0) for name in ("sequences", "steps", "wrong calls")
    )
    print(f"{sequences} sequences, {steps} steps; {wrong} wrong calls were refused. Right calls:")
    for method, count in sorted(counts.items()):
        print(f"{count:9} {method}")


if __name__ == "__main__":
    sys.exit(main())
