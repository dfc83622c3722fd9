"""The load on a server: runs the load generator beside it, and reads its figures.

What is measured lies between `go` and `report`: the connections are made before, and each has
had one call answered.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from goordinate.cborrpc.encode import array_head, dumps
from goordinate.cborrpc.framing import frame
from scripts.processes.program import Program, module


@dataclass(frozen=True)
class Result:
    """The figures of one load; latencies in microseconds, each the time of one request."""

    calls: int
    units: int
    seconds: float
    cpu_seconds: float  # of the load generator
    mean_us: float
    p50_us: float
    p99_us: float
    max_us: float


class Load(Program):
    """One run of the load generator: its connections are made at once, the load starts at `go`.

    `options` are the fields of `loadgen.Options`. A load that is not all answered as it has to be
    ends with ScriptError.
    """

    def __init__(self, port: int, frames: Iterable[bytes] = (), /, **options: object) -> None:
        given = {"port": port, "frames": tuple(frames) or (SMALL,), **options}
        super().__init__(module("scripts.benchmark.loadgen"), given=pickle.dumps(given))

    def report(self) -> Result:
        """Wait for the end of the load."""
        return Result(**super().report())


def run_load(port: int, frames: Iterable[bytes] = (), /, **options: Any) -> Result:
    """One load from start to end, for loads of which only the generator's figures count."""
    with Load(port, frames, **options) as load:
        load.go()
        return load.report()


def message(method: str, *params: object) -> bytes:
    """One request, in the order of a Python 2 client; its id takes three bytes, as most do."""
    return dumps({b"params": list(params), b"id": 1_000, b"method": method.encode()})


def request(method: str, *params: object) -> bytes:
    """The frame of one request."""
    return frame(message(method, *params))


def batch_request(calls: Iterable[tuple[Any, ...]]) -> bytes:
    """The frame of a list of requests, each (method, parameter, ..)."""
    messages = [message(method, *params) for method, *params in calls]
    return frame(array_head(len(messages)) + b"".join(messages))


SMALL = request("list_work_specs", {})
"""The smallest request."""

KEY = b"u%012d"
"""The key of a unit, of its number."""

DATA = {b"data": b"work to do".ljust(32)}
"""The data of a unit, before and after it is worked on: 40 bytes encoded."""


def get_work(worker: int, max_jobs: int) -> bytes:
    """The frame of a worker's request for units."""
    options = {b"lease_time": 900, b"available_gb": 7, b"max_jobs": max_jobs}
    return request("get_work", b"worker-%06d" % worker, options)


def finish_message(spec: bytes, key: bytes) -> bytes:
    """The request that finishes a unit."""
    return message("update_work_unit", spec, key, {b"status": 4, b"data": DATA})
