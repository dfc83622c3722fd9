"""Rows at a million work units, and at ten thousand connections: memory, single calls, pauses.

All are of our daemon; the times of single calls are taken by the caller. The work spec spec00
has the million; 39 more have a thousand each where a row has to do with all specs.
"""

from __future__ import annotations

import json
import timeit
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from statistics import median

from goordinate.cborrpc import Client
from scripts.benchmark.load import KEY, Load, Result, batch_request, get_work, request, run_load
from scripts.benchmark.rounds import UNITS_A_CALL, Bench, add_units, spec_name
from scripts.benchmark.servers import output_of
from scripts.benchmark.table import Line, at_most, report, short
from scripts.processes.server import LOAD_CORE, ScriptError, Server

MILLION = 1_000_000
SPECS = 40
REPEATS = 1_000
PAGE = 1_000
PAGES = 20
IDLE, BUSY = 10_000, 800
PAUSE_RUNS = 3
PROBE_EVERY_US = 1_000
AVAILABLE = 1


def memory(bench: Bench) -> list[Line]:
    """Resident bytes a unit: what the daemon grew by while a million came in, and were finished."""
    units = bench.sized(MILLION)
    with bench.server("ours") as server:
        empty = server.resident_bytes()
        add_units(server, units)
        waiting = (server.resident_bytes() - empty) / units
        done = run_load(server.port, mode="batch", batch=100, connections=16, count=units)
        if done.units != units:
            raise ScriptError(f"of {units} units {done.units} were finished")
        finished = (server.resident_bytes() - empty) / units
    behind = "of which 53 are key and data"
    measure = "resident bytes a finished unit with one attempt"
    return [
        at_most(f"resident bytes a waiting unit, at {units:,}", 256, 200, waiting, "bytes", behind),
        at_most(measure, 512, 350, finished, "bytes", behind),
    ]


def calls(bench: Bench) -> list[Line]:
    """Single calls at a million units: one caller, one call after the other."""
    units = bench.sized(MILLION)
    middle = range(units // 2, units // 2 + REPEATS)
    summary = batch_request(("count_work_units", spec_name(i)) for i in range(SPECS))
    frames: dict[str, list[bytes]] = {
        "count": [request("count_work_units", spec_name(0))],
        f"summary of all specs (count_work_units of {SPECS}, one batch)": [summary],
        "prioritize one": [
            request(
                "prioritize_work_units",
                spec_name(0),
                {b"work_unit_keys": [KEY % i], b"priority": 5},
            )
            for i in middle
        ],
        "delete one": [
            request("del_work_units", spec_name(0), {b"work_unit_keys": [KEY % i]}) for i in middle
        ],
        "get_work": [get_work(0, 1)],
    }
    with bench.server("ours", SPECS) as server:
        _fill_all(server, units)
        return [
            _milliseconds(f"{name}, at {units:,}", run_load(server.port, sent, count=REPEATS))
            for name, sent in frames.items()
        ]


def _fill_all(server: Server, units: int) -> None:
    add_units(server, units)
    add_units(server, SPECS * UNITS_A_CALL, SPECS, first=10**10)


def _milliseconds(measure: str, result: Result) -> Line:
    p99, longest = short(result.p99_us / 1e3), short(result.max_us / 1e3)
    behind = f"median; p99 {p99} ms, longest {longest} ms"
    return at_most(measure, 1, 0.3, result.p50_us / 1e3, "ms", behind)


def pages(bench: Bench) -> list[Line]:
    """Pages from the middle and get_work of 1,000: the time until the client has decoded them."""
    units = bench.sized(MILLION)
    page: dict[bytes, object] = {b"start": KEY % (units // 2), b"limit": PAGE}
    asked: dict[str, tuple[str, object, dict[bytes, object]]] = {
        "page of 1,000 from the middle": ("get_work_units", spec_name(0), page),
        "the same, by state": ("get_work_units", spec_name(0), {**page, b"state": AVAILABLE}),
        "get_work of 1,000": ("get_work", b"worker-000000", {b"max_jobs": PAGE}),
    }
    lines = []
    with bench.server("ours", SPECS) as server:
        _fill_all(server, units)
        for name, (method, about, options) in asked.items():
            alone = run_load(server.port, [request(method, about, options)], count=PAGES)
            if bench.has_original:
                whose = "the Python 2 client's"
                times = _python2_times(bench, server, method, about, options)
            else:
                whose = "our own"
                with Client(server.address) as client:
                    call = partial(client.call, method, about, options)
                    times = timeit.repeat(call, number=1, repeat=PAGES)
            longest, middle = max(times) * 1e3, median(times) * 1e3
            behind = (
                f"median with {whose} decoding, longest {short(longest)} ms; "
                f"without decoding {short(alone.p50_us / 1e3)} ms"
            )
            lines.append(at_most(f"{name}, at {units:,}", 25, 10, middle, "ms", behind))
    return lines


def _python2_times(
    bench: Bench, server: Server, method: str, about: object, options: dict[bytes, object]
) -> list[float]:
    """Seconds of each of PAGES calls by the client of the original, in its Python 2.7."""
    call = json.dumps(
        [method, _text(about), {name.decode(): _text(v) for name, v in options.items()}]
    )
    program = str(Path(__file__).with_name("python2.py"))
    assert bench.pythons.original
    command = ["taskset", "-c", str(LOAD_CORE), bench.pythons.original, program]
    output = output_of([*command, str(server.port), str(PAGES), call])
    if not output:
        raise ScriptError(f"the Python 2 client failed at {method}")
    return list(map(float, output.split()))


def _text(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value


def pauses(bench: Bench) -> list[Line]:
    """What another client's small call takes while a million units come in and are worked off.

    It asks list_work_specs({}) at most once a millisecond. The units come over one connection in
    thousands, and are worked off by 16 connections, each unit with get_work and update_work_unit.
    """
    units = bench.sized(MILLION)
    coming: list[Result] = []
    going: list[Result] = []
    for _ in range(PAUSE_RUNS):
        with bench.server("ours") as server:
            coming.append(_probe(server, mode="add", batch=UNITS_A_CALL, count=units))
            going.append(_probe(server, mode="work", connections=16, count=units))
    lines = []
    for when, probes in (("come in", coming), ("are worked off", going)):
        what = f"another client's small call while {units:,} units {when}"
        p99s = [probe.p99_us for probe in probes]
        longest = [probe.max_us for probe in probes]
        for name, bar, reach, taken in (("p99", 20, 5, p99s), ("longest", 100, 20, longest)):
            first, *others = sorted(us / 1e3 for us in taken)
            behind = f"least of {PAUSE_RUNS} runs; others {_list(others)}"
            lines.append(at_most(f"{what}: {name}", bar, reach, first, "ms", behind))
    return lines


def _list(values: Iterable[float]) -> str:
    return ", ".join(f"{short(value)} ms" for value in values)


def _probe(server: Server, **options: object) -> Result:
    """The figures of the small calls beside a load."""
    with Load(server.port, every=PROBE_EVERY_US) as probe, Load(server.port, **options) as load:
        probe.go()
        load.go()
        load.report()
        result: Result = probe.stop()
        return result


def idle(bench: Bench) -> list[Line]:
    """10,000 connections that wait, and 800 that get and finish work among them."""
    units = bench.sized(30_000)
    waiting = IDLE // 10 if bench.quick else IDLE
    with bench.server("ours") as server:
        add_units(server, units + UNITS_A_CALL)
        before = server.resident_bytes()
        with Load(server.port, mode="work", connections=BUSY, idle=waiting, count=units) as load:
            each = (server.resident_bytes() - before) / (waiting + BUSY) / 1024
            load.go()
            result = load.report()
    measure = f"{waiting:,} idle connections, {BUSY} busy among them"
    served = (
        f"{result.calls:,} calls of the busy ones, and two of each idle one, all answered; "
        f"mean {short(result.mean_us / 1e3)} ms, p99 {short(result.p99_us / 1e3)} ms"
    )
    behind = "what all of them added, divided by them"
    return [
        report(f"{measure}: served", "yes", served),
        at_most(f"{measure}: memory of each", 40, 20, each, "KB", behind),
    ]
