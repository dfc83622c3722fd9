"""Any bytes: a value or DecodeError; an answer or a closed connection; the next good client served.

    python scripts/fuzz.py                     all targets, a minute together
    python scripts/fuzz.py --seconds 3600      an hour
    python scripts/fuzz.py --target codec      one target: codec, framing or server
    python scripts/fuzz.py --seed 1            the inputs of an earlier run

What is checked is in codec.py, framing.py and server.py of fuzzing/, what is tried in inputs.py
there. The first fault ends the run: the inputs that show it are printed as hex, and the exit status
is 1. Nothing is reached but a daemon of its own on 127.0.0.1, which ends with the run.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import random
import signal
import sys
from collections.abc import Callable

from fuzzing.codec import Codec
from fuzzing.framing import Framing
from fuzzing.run import Found, Target, run
from fuzzing.server import Served

TARGETS: dict[str, Callable[[random.Random, contextlib.ExitStack], Target]] = {
    "codec": lambda rng, _: Codec(rng),
    "framing": lambda rng, _: Framing(rng),
    "server": Served,
}


def parse_arguments() -> argparse.Namespace:
    """The command line; argparse ends the program when it is wrong."""
    parser = argparse.ArgumentParser(description="Try bytes of all kinds; stop at the first fault.")
    add = parser.add_argument
    add("--seconds", type=float, default=60.0, help="for all targets together (default: 60)")
    add("--target", choices=TARGETS, help="only this one (default: all)")
    add("--seed", type=int, default=random.getrandbits(32), help="what the inputs are drawn from")
    return parser.parse_args()


def report(target: Target, found: Found | None) -> None:
    """Print the counts, and the fault if there is one."""
    counts = ", ".join(f"{count:,} {what}" for what, count in target.counts.items())
    print(f"{target.name}: {counts}", flush=True)
    if found is None:
        return
    print(f"FAULT in {target.name}: {found.fault}")
    print("These inputs show it:" if found.again else "Not seen again; the last input was:")
    print("\n".join(data.hex() for data in found.inputs))


def main() -> int:
    """Run; 0 when there was no fault."""
    arguments = parse_arguments()
    names = [arguments.target] if arguments.target else list(TARGETS)
    print(f"seed {arguments.seed}", flush=True)
    for name in names:
        with contextlib.ExitStack() as stack:
            target = TARGETS[name](random.Random(f"{arguments.seed} {name}"), stack)
            found = run(target, arguments.seconds / len(names))
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
