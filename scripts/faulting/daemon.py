"""Runs the daemon, as `python -m goordinate` does, and tells what it holds when it is asked to.

    python scripts/faulting/daemon.py FILE [the daemon's arguments]

On SIGUSR2 it writes to FILE, as JSON, the numbers of its greenlets, of the objects that Python's
garbage collector knows, and of the blocks that Python's allocator has given out.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys

import gevent
from gevent.hub import RawGreenlet

from goordinate.daemon import main


def write_figures(path: str) -> None:
    """Write the figures; the file is there when it is whole."""
    objects = gc.get_objects()
    figures = {
        "greenlets": sum(isinstance(thing, RawGreenlet) for thing in objects),
        "objects": len(objects),
        "blocks": sys.getallocatedblocks(),
    }
    with open(f"{path}.unfinished", "w", encoding="ascii") as file:
        json.dump(figures, file)
    os.rename(f"{path}.unfinished", path)


if __name__ == "__main__":
    gevent.signal_handler(signal.SIGUSR2, write_figures, sys.argv[1])
    sys.exit(main(sys.argv[2:]))
