"""The row of get_work among ten thousand work specs, whoever asks and whatever has changed."""

from __future__ import annotations

from collections.abc import Iterable

from goordinate.cborrpc import Client
from scripts.benchmark.load import request
from scripts.benchmark.rounds import Bench, sample
from scripts.benchmark.table import Line, at_most, short

SPECS = 10_000
RUNTIMES = 12
CALLS = 600
SPECS_A_CALL = 100


def _spec(number: int) -> dict[bytes, object]:
    return {b"name": b"spec-%05d" % number, b"runtime": b"runtime-%d" % (number % RUNTIMES)}


def _get(runtime: int) -> bytes:
    return request("get_work", b"worker", {b"runtimes": [b"runtime-%d" % runtime]})


def many_specs(bench: Bench) -> list[Line]:
    """get_work, by workers of 12 runtimes in turns, and after each change of one spec."""
    loads: dict[str, Iterable[bytes]] = {
        f"workers of {RUNTIMES} runtimes take turns": [_get(n) for n in range(RUNTIMES)],
        "each after a set_work_spec that changes nothing": [
            request("set_work_spec", _spec(1)),
            _get(1),
        ],
        "each after a spec was paused or resumed": [
            frame
            for status in (2, 1)
            for frame in (
                request("control_work_spec", b"spec-00001", {b"status": status}),
                _get(1),
            )
        ],
    }
    with bench.server("ours", specs=0) as server:
        with Client(server.address) as client:
            for start in range(0, SPECS, SPECS_A_CALL):
                made = range(start, start + SPECS_A_CALL)
                client.call_many([("set_work_spec", (_spec(n),)) for n in made])
                client.call_many(
                    [("add_work_units", (b"spec-%05d" % n, [(b"a", {}), (b"b", {})])) for n in made]
                )
            for runtime in range(RUNTIMES):  # the first choice looks at all specs
                client.call("get_work", b"worker", {b"runtimes": [b"runtime-%d" % runtime]})
        lines = []
        for name, frames in loads.items():
            taken = sample(server, frames, connections=1, count=CALLS)
            median = short(taken.result.p50_us / 1e3)
            behind = f"processor time a call, the changes too; the caller's median {median} ms"
            measure = f"get_work among {SPECS:,} specs, {name}"
            lines.append(at_most(measure, 1, 0.3, taken.us / 1e3, "ms", behind))
        return lines
