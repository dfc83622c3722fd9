"""Any bytes: a value or DecodeError; an answer or a closed connection; the next good client served.

    scripts/fuzz                     all targets, a minute together
    scripts/fuzz --seconds 3600      an hour
    scripts/fuzz --target codec      one target: codec, framing or server
    scripts/fuzz --seed 1            the inputs of an earlier run

or `python -m scripts.fuzzing`. What is checked is in codec.py, framing.py and server.py, what is
tried in inputs.py. The first fault ends the run: the smallest input that shows it is printed, and
the exit status is 1. Nothing is reached but a daemon of its own on 127.0.0.1, which ends with the
run.
"""

from __future__ import annotations

import argparse
import logging
import random
import signal
import sys
import traceback
from collections.abc import Callable

from scripts.fuzzing.codec import Codec
from scripts.fuzzing.framing import Framing
from scripts.fuzzing.run import Found, Target, run
from scripts.fuzzing.server import Served

TARGETS: dict[str, Callable[[], Target]] = {"codec": Codec, "framing": Framing, "server": Served}


def parse_arguments() -> argparse.Namespace:
    """The command line; argparse ends the program when it is wrong."""
    parser = argparse.ArgumentParser(description="Try bytes of all kinds; stop at the first fault.")
    add = parser.add_argument
    add("--seconds", type=float, default=60.0, help="for all targets together (default: 60)")
    add("--target", choices=TARGETS, help="only this one (default: all)")
    add("--seed", type=int, default=random.SystemRandom().getrandbits(32),
        help="what the inputs are drawn from")  # fmt: skip
    return parser.parse_args()


def report(target: Target, found: Found | None) -> None:
    """Print the counts, and the fault if there is one."""
    counts = ", ".join(f"{count:,} {what}" for what, count in target.counts.items())
    print(f"{target.name}: {counts}", flush=True)
    if found is None:
        return
    print(f"FAULT in {target.name}, round {found.round}: {type(found.fault).__name__}")
    print("".join(traceback.format_exception(found.fault)).rstrip())
    if found.shown_by is None:
        print("Seen after all inputs of the round.")
        return
    print("This input shows it:" if found.again else "Not seen again; the last input was:")
    print(found.shown_by)


def main() -> int:
    """Run; 0 when there was no fault."""
    arguments = parse_arguments()
    names = [arguments.target] if arguments.target else list(TARGETS)
    print(f"seed {arguments.seed}", flush=True)
    for name in names:
        target = TARGETS[name]()
        found = run(target, arguments.seconds / len(names), arguments.seed)
        report(target, found)
        if found is not None:
            return 1
    return 0


if __name__ == "__main__":
    # So that the daemon ends with this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # What the job server would log of bad messages.
    logging.disable(logging.CRITICAL)
    sys.exit(main())
