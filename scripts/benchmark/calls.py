"""Rows that compare processor time per call, or per work unit, of the floor, ours and the original.

Each case starts a new server, fills it outside of what is measured, and runs one load. The
connections wait for each answer before they ask again.
"""

from __future__ import annotations

from functools import partial

from goordinate.cborrpc.framing import frame
from scripts.benchmark.load import KEY, finish_message, get_work
from scripts.benchmark.rounds import UNITS_A_CALL, Bench, Sample, add_units, least, sample
from scripts.benchmark.table import Line, at_least, at_most, report

#: Calls, or units, in one load, so that each takes the server about two seconds.
CALLS = {"floor": 150_000, "ours": 80_000, "original": 20_000}
UNITS = {"ours": 30_000, "original": 6_000}
MILLION = 1_000_000
ORIGINAL_UNITS = 200_000  # in the row add
TOP_UP = 20

#: What a worker sends and gets for one unit of work: the floor is given requests and answers of
#: these sizes.
WORK = [get_work(0, 1), frame(finish_message(b"spec00", KEY % 0))]
SMALL_ANSWER, WORK_ANSWER = 20, 60  # bytes; get_work's is 98, update_work_unit's 20


def generator(bench: Bench) -> list[Line]:
    """That the load generator is faster than the floor, so faster than anything measured."""

    def floor() -> Sample:
        with bench.server("floor") as server:
            return sample(server, connections=16, count=bench.sized(CALLS["floor"]))

    best = least(bench.rounds, {"floor": floor}).samples["floor"][0]
    result = best.result
    own = result.cpu_seconds / result.calls * 1e6
    measure = "load generator: its time a call in place of the floor's"
    behind = (
        f"generator {own:.3g} us, floor {best.us:.3g} us; "
        f"{result.calls / result.seconds:,.0f} calls/s, server core {best.busy:.0%} busy, "
        f"load core {result.cpu_seconds / result.seconds:.0%}"
    )
    return [at_most(measure, 1, 1, own / best.us, "x", behind)]


def _kinds(bench: Bench, connections: int) -> list[str]:
    """What is compared; the original resets connections when 800 come."""
    return bench.kinds("floor", "ours", *["original"] * (connections < 100))


def small(bench: Bench, connections: int) -> list[Line]:
    """The smallest RPC, list_work_specs({}) with no specs."""

    def case(kind: str) -> Sample:
        with bench.server(kind, specs=0, answer_bytes=SMALL_ANSWER) as server:
            return sample(server, connections=connections, count=bench.sized(CALLS[kind]))

    kinds = _kinds(bench, connections)
    costs = least(bench.rounds, {kind: partial(case, kind) for kind in kinds})
    measure = f"smallest RPC, {connections} connections: floor / ours"
    return [at_least(measure, 0.50, 0.65, costs.ratio("floor", "ours"), str(costs))]


def _work(bench: Bench, kind: str, connections: int, specs: int = 1) -> Sample:
    if kind == "floor":
        count = bench.sized(CALLS["floor"])
        with bench.server(kind, answer_bytes=WORK_ANSWER) as server:
            return sample(server, WORK, connections=connections, count=count)
    units = bench.sized(UNITS[kind])
    with bench.server(kind, specs) as server:
        # Some more than are taken, so that no call finds nothing.
        add_units(server, units + specs * UNITS_A_CALL, specs)
        return sample(server, mode="work", connections=connections, count=units)


def work(bench: Bench, connections: int) -> list[Line]:
    """get_work, then update_work_unit to FINISHED with data; the cost is of one RPC."""
    kinds = _kinds(bench, connections)
    cases = {kind: partial(_work, bench, kind, connections) for kind in kinds}
    costs = least(bench.rounds, cases)
    bar, reach = (0.35, 0.50) if connections < 100 else (0.30, 0.45)
    measure = f"get_work + finish with data, {connections} connections: floor / ours"
    lines = [at_least(measure, bar, reach, costs.ratio("floor", "ours"), str(costs))]
    if "original" in kinds:
        ratio = costs.ratio("original", "ours")
        behind = f"{connections} connections, as above"
        lines.append(at_least("get_work + finish: original / ours", 3, 5, ratio, behind))
    if connections >= 100:
        results = [taken.result for taken in costs.samples["ours"]]
        fair = min(results, key=lambda result: result.p99_us / result.mean_us)
        measure = f"fairness, {connections} busy connections: p99 over mean latency"
        behind = f"mean {fair.mean_us / 1e3:.3g} ms, p99 {fair.p99_us / 1e3:.3g} ms"
        lines.append(at_most(measure, 3, 2, fair.p99_us / fair.mean_us, "x", behind))
    return lines


def specs(bench: Bench) -> list[Line]:
    """40 work specs, with as many units together, in place of one."""
    cases = {
        f"{kind}, {count}": partial(_work, bench, kind, 16, count)
        for kind in bench.kinds("ours", "original")
        for count in (1, 40)
    }
    costs = least(bench.rounds, cases)
    measure = "get_work + finish, 40 specs in place of one: one / 40"
    return [at_least(measure, 0.75, 0.95, costs.ratio("ours, 1", "ours, 40"), str(costs))]


def waiting(bench: Bench) -> list[Line]:
    """A million waiting units in place of a thousand.

    To keep a thousand waiting, each connection adds 20 units after every 20 that it finished, in
    both cases; the cost of that is in what is compared.
    """
    first = 10**9  # the number of the first unit that is added by the way

    def case(units: int) -> Sample:
        with bench.server("ours") as server:
            add_units(server, units)
            count = bench.sized(UNITS["ours"])
            return sample(
                server, mode="work", connections=16, count=count, top_up=TOP_UP, first=first
            )

    many = bench.sized(MILLION)
    cases = {f"{units:,} waiting": partial(case, units) for units in (1_000, many)}
    costs = least(min(bench.rounds, 3), cases)
    measure = f"get_work + finish, {many:,} waiting units in place of 1,000: 1,000 / {many:,}"
    return [at_least(measure, 0.85, 1, costs.ratio(*cases), str(costs))]


def add(bench: Bench) -> list[Line]:
    """add_work_units in thousands: the cost of a unit on the way to a million."""

    def case(kind: str, units: int, scatter: bool = False) -> Sample:
        with bench.server(kind) as server:
            return sample(
                server, per_unit=True, mode="add", count=units, batch=UNITS_A_CALL, scatter=scatter
            )

    units = bench.sized(MILLION)
    fewer = bench.sized(ORIGINAL_UNITS)
    cases = {
        "ours": partial(case, "ours", units),
        "ours, keys in no order": partial(case, "ours", units, scatter=True),
    }
    if bench.has_original:
        cases["original"] = partial(case, "original", fewer)
    costs = least(min(bench.rounds, 3), cases)
    measure = f"add, a unit, on the way to {units:,}"
    if not bench.has_original:
        return [report(measure, f"{costs.us('ours'):.3g} us", str(costs))]
    behind = f"{costs}; the original to {fewer:,} units"
    ratio = costs.ratio("original", "ours")
    return [at_least(f"{measure}: original / ours", 4, 8, ratio, behind)]


def batch(bench: Bench) -> list[Line]:
    """get_work of 100, and the 100 finishes as one list of requests; the cost is of one unit."""

    def case(kind: str) -> Sample:
        units = bench.sized(UNITS[kind] * 2)
        with bench.server(kind) as server:
            add_units(server, units + UNITS_A_CALL)
            return sample(
                server, per_unit=True, mode="batch", batch=100, connections=16, count=units
            )

    kinds = bench.kinds("ours", "original")
    costs = least(bench.rounds, {kind: partial(case, kind) for kind in kinds})
    measured = f"{costs.us('ours'):.3g} us a unit"
    if "original" in kinds:
        measured += f"; original / ours {costs.ratio('original', 'ours'):.3g}"
    return [report("get_work of 100, the finishes as one batch", measured, str(costs))]
