"""The row of what happens to many units at once: how long another client waits meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from goordinate.cborrpc import Client
from scripts.benchmark.load import Load, Result
from scripts.benchmark.rounds import UNITS_A_CALL, Bench, add_units, spec_name
from scripts.benchmark.table import Line, at_most, short
from scripts.processes.server import Server

SIZES = (100_000, 1_000_000)
PROBE_EVERY_US = 1_000
WATCHED = 3.0
"""Seconds for which the other client calls, in the quiet and when it happens."""

LEASED_A_SECOND = 20_000
"""Units that can be leased in a second, at least."""

MARGIN = 20
"""Milliseconds that another client may wait longer than in the quiet."""

Trigger = Callable[[Client], object]

CALLS: dict[str, Trigger] = {
    "del_work_units by state": lambda client: client.call(
        "del_work_units", spec_name(0), {b"state": 1}
    ),
    "del_work_units of all": lambda client: client.call(
        "del_work_units", spec_name(0), {b"all": True}
    ),
    "del_work_spec": lambda client: client.call("del_work_spec", spec_name(0)),
    "clear": lambda client: client.call("clear"),
}


def together(bench: Bench) -> list[Line]:
    """The longest time of a small call beside each, at both sizes."""
    lines = []
    for size in SIZES:
        units = bench.sized(size)
        for name, call in CALLS.items():
            with bench.server("ours") as server, Client(server.address) as client:
                add_units(server, units)
                lines.append(_line(server, name, units, partial(call, client)))
        with bench.server("ours") as server, Client(server.address) as client:
            add_units(server, units)
            end = _lease(client, units)
            _wait_until(end - WATCHED - 1)
            what = f"{units:,} leases end together"
            lines.append(_line(server, what, 0, partial(_wait_until, end)))
    return lines


def _lease(client: Client, units: int) -> float:
    """Lease all units, so that the leases end at nearly the same moment: which."""
    end = time.monotonic() + 2 * WATCHED + 4 + units / LEASED_A_SECOND
    for _ in range(units // UNITS_A_CALL):
        options = {b"max_jobs": UNITS_A_CALL, b"lease_time": end - time.monotonic()}
        client.call("get_work", b"worker", options)
    return end


def _wait_until(moment: float) -> None:
    time.sleep(max(0, moment - time.monotonic()))


def _line(server: Server, what: str, units: int, happen: Callable[[], object]) -> Line:
    quiet = _probe(server, lambda: None)
    busy = _probe(server, happen)
    measure = f"another client's longest wait: {what}" + (f", at {units:,}" if units else "")
    behind = (
        f"longest in the quiet {short(quiet.max_us / 1e3)} ms; "
        f"p99 {short(busy.p99_us / 1e3)} ms, in the quiet {short(quiet.p99_us / 1e3)} ms"
    )
    bar = MARGIN + round(quiet.max_us / 1e3)
    return at_most(measure, bar, MARGIN / 2, busy.max_us / 1e3, "ms", behind)


def _probe(server: Server, happen: Callable[[], object]) -> Result:
    """The figures of another client's small calls while it happens, and some time after."""
    with Load(server.port, every=PROBE_EVERY_US) as probe:
        probe.go()
        happen()
        time.sleep(WATCHED)
        result: Result = probe.stop()
        return result
