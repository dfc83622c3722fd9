"""The load on a server: builds loadgen.c, runs it beside the server, and reads its figures.

What is measured lies between `go` and `result`: the connections are made before, and each has
had one call answered.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType

from bench_servers import LOAD_CORE, BenchError

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.framing import FrameReader, frame

HERE = Path(__file__).resolve().parent
SOURCES = ("loadgen.c", "loadgen_cbor.h", "loadgen_latency.h")
CALL_SECONDS = 60.0


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
        raise BenchError("the load generator is a C program, and there is no C compiler (cc)")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES))
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = cache_home / "goordinate" / f"loadgen-{digest.hexdigest()[:16]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        unfinished = f"{program}.{os.getpid()}"
        command = [compiler, "-O2", "-o", unfinished, str(HERE / SOURCES[0])]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
        Path(unfinished).rename(program)
    return str(program)


class Load:
    """One run of the load generator: its connections are made at once, the load starts at `go`.

    `options` are its command line options without dashes; loadgen.c says what they mean.
    """

    def __init__(self, port: int, frames: Iterable[bytes] = (), /, **options: object) -> None:
        self._frames = tempfile.NamedTemporaryFile()  # noqa: SIM115 (closed in __exit__)
        command = [loadgen(), "--port", str(port)]
        if content := b"".join(frames):
            self._frames.write(content)
            self._frames.flush()
            command += ["--frames", self._frames.name]
        for name, value in options.items():
            if value is not False:
                command.append(f"--{name.replace('_', '-')}")
                command += [] if value is True else [str(value)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        os.sched_setaffinity(self._process.pid, {LOAD_CORE})

    def __enter__(self) -> Load:
        self._line("ready")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._frames.close()
        try:
            # The end of its input ends it.
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def go(self) -> None:
        """Start the load."""
        self._tell(b"go\n")

    def stop(self) -> None:
        """End the load; without this it ends when its count is reached."""
        self._tell(b"stop\n")

    def result(self) -> Result:
        """Wait for the end of the load; BenchError when anything in it was not answered well."""
        result = Result(**json.loads(self._line("{")))
        if result.errors or result.lost or result.idle_errors:
            raise BenchError(
                f"of {result.calls} calls {result.errors} had an error; {result.lost} connections "
                f"were lost; {result.idle_errors} idle ones were not served"
            )
        return result

    def _tell(self, word: bytes) -> None:
        assert self._process.stdin
        self._process.stdin.write(word)
        self._process.stdin.flush()

    def _line(self, start: str) -> str:
        assert self._process.stdout
        assert self._process.stderr
        line = self._process.stdout.readline().decode()
        if not line.startswith(start):
            said = self._process.stderr.read().decode().strip()
            raise BenchError(said or "the load generator ended early")
        return line


def run_load(port: int, frames: Iterable[bytes] = (), /, **options: object) -> Result:
    """One load from start to end, for loads of which only the generator's figures count."""
    with Load(port, frames, **options) as load:
        load.go()
        return load.result()


def request(method: str, *params: object) -> bytes:
    """The frame of one request."""
    return frame(dumps(_request(method, params)))


def batch_request(calls: Iterable[tuple[object, ...]]) -> bytes:
    """The frame of a list of requests, each (method, parameter, ..)."""
    return frame(dumps([_request(str(method), params) for method, *params in calls]))


def _request(method: str, params: Iterable[object]) -> dict[bytes, object]:
    return {b"params": list(params), b"id": 1, b"method": method.encode()}


def ask(port: int, method: str, *params: object) -> object:
    """Make one call and return its result; BenchError for an error message."""
    with socket.create_connection(("127.0.0.1", port), CALL_SECONDS) as sock:
        sock.sendall(request(method, *params))
        reader = FrameReader()
        while chunk := sock.recv(1 << 20):
            for message in reader.feed(chunk):
                answer = loads(message)
                if not isinstance(answer, dict) or b"result" not in answer:
                    raise BenchError(f"{method}: {answer!r}")
                return answer[b"result"]
    raise BenchError(f"{method}: the server closed the connection")
