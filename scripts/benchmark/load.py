"""The load on a server: builds loadgen.c, runs it beside the server, and reads its figures.

What is measured lies between `go` and `report`: the connections are made before, and each has
had one call answered.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.framing import frame
from scripts.processes.program import Program
from scripts.processes.server import ScriptError

HERE = Path(__file__).resolve().parent
SOURCES = ("loadgen.c", "loadgen_cbor.h", "loadgen_latency.h")


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
    errors: int
    lost: int  # connections that ended before their time
    idle_errors: int  # idle connections that got no answer at the end
    ran_out: int  # get_work calls that got nothing


@cache
def loadgen() -> str:
    """The path of the load generator, compiled when there is none of these sources yet."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise ScriptError("the load generator is a C program, and there is no C compiler (cc)")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES))
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = cache_home / "goordinate" / f"loadgen-{digest.hexdigest()[:16]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        unfinished = f"{program}.{os.getpid()}"
        command = [compiler, "-O2", "-o", unfinished, str(HERE / SOURCES[0])]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise ScriptError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
        Path(unfinished).rename(program)
    return str(program)


class Load(Program):
    """One run of the load generator: its connections are made at once, the load starts at `go`.

    `options` are its command line options without dashes; loadgen.c says what they mean.
    """

    def __init__(self, port: int, frames: Iterable[bytes] = (), /, **options: object) -> None:
        command: list[object] = [loadgen(), "--port", port]
        self._frames = tempfile.NamedTemporaryFile()  # noqa: SIM115 (closed in __exit__)
        if content := b"".join(frames):
            self._frames.write(content)
            self._frames.flush()
            command += ["--frames", self._frames.name]
        for name, value in options.items():
            if value is not False:
                command.append(f"--{name.replace('_', '-')}")
                command += [] if value is True else [value]
        super().__init__(command)

    def __exit__(self, *raised: Any) -> None:
        self._frames.close()
        super().__exit__(*raised)

    def report(self) -> Result:
        """Wait for the end of the load. Raises ScriptError when not all was answered well."""
        result = Result(**super().report())
        if result.errors or result.lost or result.idle_errors:
            raise ScriptError(
                f"of {result.calls} calls {result.errors} had an error; {result.lost} connections "
                f"were lost; {result.idle_errors} idle ones were not served"
            )
        return result


def run_load(port: int, frames: Iterable[bytes] = (), /, **options: object) -> Result:
    """One load from start to end, for loads of which only the generator's figures count."""
    with Load(port, frames, **options) as load:
        load.go()
        return load.report()


def request(method: str, *params: object) -> bytes:
    """The frame of one request."""
    return frame(dumps(_request(method, params)))


def batch_request(calls: Iterable[tuple[object, ...]]) -> bytes:
    """The frame of a list of requests, each (method, parameter, ..)."""
    return frame(dumps([_request(str(method), params) for method, *params in calls]))


def _request(method: str, params: Iterable[object]) -> dict[bytes, object]:
    return {b"params": list(params), b"id": 1, b"method": method.encode()}
