"""Measures the daemon against the floor and the original, and prints the table of ratios.

    scripts/bench                all rows
    scripts/bench ROW ..         these rows
    scripts/bench --list         the names of the rows
    scripts/bench --write        all rows, and docs/performance.md

or `python -m scripts.benchmark`. docs/performance.md says how it is measured. The floor and ours
run on the Python that runs this, or on --python; ours is the tree that this file is in, or --source
(a tree with an optional build in it, say). The original is measured when
GOORDINATE_ORIGINAL_PYTHON is the path of a Python 2.7 that can import it. Nothing is reached but
127.0.0.1; every load has an end, and a server ends with its row.
"""

from __future__ import annotations

import argparse
import functools
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from scripts.benchmark import calls, large, scheduling, together
from scripts.benchmark.rounds import Bench
from scripts.benchmark.servers import Pythons, output_of
from scripts.benchmark.table import Line, circumstances, failure, render, write
from scripts.processes.server import LOAD_CORE, ROOT, SERVER_CORE, ScriptError

ENVIRONMENT = "GOORDINATE_ORIGINAL_PYTHON"

ROWS: dict[str, Callable[[Bench], list[Line]]] = {
    "generator": calls.generator,
    "small16": functools.partial(calls.small, connections=16),
    "small800": functools.partial(calls.small, connections=800),
    "work16": functools.partial(calls.work, connections=16),
    "work800": functools.partial(calls.work, connections=800),
    "specs": calls.specs,
    "waiting": calls.waiting,
    "add": calls.add,
    "batch": calls.batch,
    "memory": large.memory,
    "calls": large.calls,
    "pages": large.pages,
    "pauses": large.pauses,
    "idle": large.idle,
    "many_specs": scheduling.many_specs,
    "together": together.together,
}


def parse_arguments() -> argparse.Namespace:
    """The command line; argparse ends the program when it is wrong."""
    parser = argparse.ArgumentParser(description="Measure the daemon; print a table of ratios.")
    add = parser.add_argument
    add("rows", nargs="*", metavar="ROW", help="only these rows")
    add("--list", action="store_true", help="print the names of the rows")
    add("--quick", action="store_true", help="small sizes and two rounds, to try it out")
    add("--rounds", type=int, default=5, help="rounds of which the least counts (default: 5)")
    add("--write", action="store_true", help="write the table to docs/performance.md")
    add("--python", default=sys.executable, help="the Python for ours and the floor")
    add("--source", type=Path, default=ROOT, help="the tree that ours is run from")
    add("--original", default=os.environ.get(ENVIRONMENT), metavar="PYTHON",
        help=f"the Python 2.7 that has the original (default: ${ENVIRONMENT})")  # fmt: skip
    arguments = parser.parse_args()
    if arguments.write and (arguments.rows or arguments.quick):
        parser.error("--write is for all rows at their full sizes")
    if unknown := [name for name in arguments.rows if name not in ROWS]:
        parser.error(f"no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    return arguments


def check_original(python: str | None) -> str | None:
    """The path, when the original can be imported there; ScriptError when it cannot."""
    if python and not output_of([python, "-c", "import coordinate.run; print('yes')"]):
        raise ScriptError(f"{python} cannot import coordinate")
    return python or None


def measure(bench: Bench, names: list[str]) -> list[Line]:
    """The lines of these rows; each is printed when it is there."""
    lines = []
    for name in names:
        try:
            row = ROWS[name](bench)
        except ScriptError as error:
            row = [failure(name, str(error))]
        for line in row:
            print(f"{name}: {line.measure}: {line.measured} ({line.figures})", flush=True)
        lines += row
    return lines


def main() -> int:
    """Run; 0 when every row gave figures and met its bar, 1 when not."""
    arguments = parse_arguments()
    if arguments.list:
        print("\n".join(ROWS))
        return 0
    # So that servers and loads end with this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started, load = time.monotonic(), os.getloadavg()[0]
    try:
        if SERVER_CORE == LOAD_CORE:
            raise ScriptError("it takes two processor cores: one for the server, one for the load")
        pythons = Pythons(
            arguments.python, arguments.source.resolve(), check_original(arguments.original)
        )
        bench = Bench(pythons, 2 if arguments.quick else arguments.rounds, arguments.quick)
        lines = measure(bench, arguments.rows or list(ROWS))
    except ScriptError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    command = shlex.join(["scripts/bench", *sys.argv[1:]])
    facts = circumstances(pythons, command, time.monotonic() - started, load)
    text = f"\n{facts}\n\n{render(lines)}\n"
    print(text)
    if arguments.write:
        print(f"written to {write(text).relative_to(ROOT)}")
    return 0 if all(line.met is not False for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
