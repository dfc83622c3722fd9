"""What a client program and its caller, program.py, say to each other.

It gets ready and prints "ready"; a line on its standard input starts it, and another one, or the
end of the input, ends it, so that it never outlives its caller; it prints a line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import select
from collections.abc import Sequence
from typing import Any

import gevent
from gevent.socket import wait_read


def ready() -> None:
    """Say that it is ready, and wait to be started."""
    print("ready", flush=True)
    # Not by sys.stdin, which would read ahead.
    os.read(0, 100)


def told(within: float) -> bool:
    """Whether the program is told to end before so many seconds are over; greenlets wait too."""
    return bool(select.select([0], [], [], within)[0])


def run(greenlets: Sequence[gevent.Greenlet], seconds: float) -> None:
    """Wait until all greenlets have ended, it is told to end, or the time is over."""
    end = gevent.spawn(wait_read, 0)
    all_done = gevent.spawn(gevent.joinall, greenlets)
    gevent.wait([end, all_done], timeout=seconds, count=1)
    gevent.killall([end, all_done, *greenlets])


def report(figures: dict[str, Any]) -> None:
    """Tell what it did."""
    print(json.dumps(figures), flush=True)


def raise_file_limit() -> int:
    """Let this process, and those that it starts, have as many files open as they may; how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
