"""All the bad clients, and the workers that are killed, beside the daemon; and the evidence that
each of these faults happened."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping

from scripts.processes.daemon import Daemon
from scripts.processes.program import Program, module
from scripts.tables import table
from scripts.trials.chain import FIRST
from scripts.trials.checks import Report, heading

FRAME_TIMEOUT, ANSWER_TIMEOUT = 5.0, 5.0
TIMEOUTS = {"frame_timeout": FRAME_TIMEOUT, "answer_timeout": ANSWER_TIMEOUT}
"""The daemon's settings, short enough that its limits are met again and again."""

BELOW_OTHERS = 10
KILL_PAUSE = 0.1

Done = dict[str, dict[str, int]]
"""What has been done, and how often, by fault."""

#: What has to have been done, and the daemon's counter that has to have moved, if it has one.
EVIDENCE = {
    "workers killed": ("units held", None),
    "connections reset in the middle of a frame": ("reset", None),
    "connections reset in the middle of an answer": ("reset", None),
    "readers that stop": ("cut off", "answers_unread"),
    "connections that send a byte a second": ("cut off", "frames_unfinished"),
    "a flood of connections": ("floods", "connections_refused"),
    "descriptors used up": ("times", "accept_pauses"),
    "a client that sends random bytes": ("bytes", "frames_malformed"),
    "a client whose calls are refused": ("answered", "messages_malformed"),
    "a client that pipelines 2,000 requests": ("answered", None),
    "a client that sends batches of 20,000 requests": ("answered", None),
}


@contextlib.contextmanager
def crowd(server: Daemon, share: float, seconds: float) -> Iterator[Done]:
    """All of them, a share of them, while the block runs; what they did is there after it."""
    done: Done = {}
    timeouts = FRAME_TIMEOUT, ANSWER_TIMEOUT
    clients = module("scripts.trials.bad_clients", server.port, share, *timeouts, seconds)
    pause = KILL_PAUSE / share
    killed = module("scripts.trials.killed", server.port, FIRST.decode(), pause, seconds)
    with Program(clients, nice=BELOW_OTHERS) as bad, Program(killed) as victims:
        bad.go()
        # So long do those that send a byte a second take to be all there.
        time.sleep(FRAME_TIMEOUT)
        victims.go()
        yield done
        done.update(victims.stop())
        done.update(bad.stop())


def check_happened(report: Report, done: Done, counted: Mapping[str, int]) -> None:
    """That each fault happened, that the daemon noticed it if it has a limit for it, and that none
    was cut short that is within all limits; a table of all that was done."""
    rows = []
    for name, counts in done.items():
        what, counter = EVIDENCE[name]
        times = counts.get(what, 0)
        noticed = counter is None or counted[counter] > 0
        held = times > 0 and noticed and not counts.get("cut short")
        report.check(f"it happened: {name}", held, f"{what} {times:,}")
        did = ", ".join(f"{what} {count:,}" for what, count in counts.items())
        rows.append((name, did, f"{counter} {counted[counter]:,}" if counter else ""))
    heading("What the faults did, and which of the daemon's counters they moved")
    print(table(("fault", "done", "counted by the daemon"), rows), flush=True)
