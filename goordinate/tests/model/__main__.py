"""The long mode: other sequences each time, and longer ones, for so many minutes.

Exit status 1 if the server and the model differ, with the shortest sequence found that shows it.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
import traceback

from goordinate.tests.model.machine import Machine
from goordinate.tests.model.runs import run

STEPS = 100


def main() -> int:
    """Run, and print what was found and how much was done."""
    parser = argparse.ArgumentParser(prog="check_model", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="default 10")
    end = time.monotonic() + 60 * parser.parse_args().minutes
    logging.disable(logging.CRITICAL)  # the server's warnings, of which there are many
    difference = None
    while difference is None and time.monotonic() < end:
        try:
            run(random.getrandbits(64), STEPS)
        except Exception as error:
            difference = error
    if difference is not None:
        print_difference(difference)
    print_counts()
    return 0 if difference is None else 1


def print_difference(difference: Exception) -> None:
    """Where it was seen, the sequence, and what differs."""
    print("".join(traceback.format_tb(difference.__traceback__)[-4:]))
    print(*getattr(difference, "__notes__", []), sep="\n")
    print(f"{type(difference).__name__}: {difference}\n")


def print_counts() -> None:
    """How much has been done."""
    counts = Machine.done.copy()
    sequences, steps, wrong = (counts.pop(name) for name in ("sequences", "steps", "wrong calls"))
    print(f"{sequences} sequences, {steps} steps; {wrong} wrong calls were refused. Right calls:")
    for method, count in sorted(counts.items()):
        print(f"{count:9} {method}")


if __name__ == "__main__":
    sys.exit(main())
