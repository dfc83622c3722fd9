"""How a cost is taken: what a run of the bench was asked for, and the least of several rounds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from goordinate.cborrpc import Client
from scripts.benchmark.load import Load, Result, run_load
from scripts.benchmark.servers import Pythons, running
from scripts.processes.server import ScriptError, Server

QUICK = 20
"""By how much --quick makes the sizes smaller."""

UNITS_A_CALL = 1000
"""Work units in one add_work_units."""


@dataclass(frozen=True)
class Bench:
    """What a run was asked for."""

    pythons: Pythons
    rounds: int
    quick: bool

    @property
    def has_original(self) -> bool:
        """Whether the original can be measured."""
        return self.pythons.original is not None

    def sized(self, n: int) -> int:
        """A size, smaller with --quick; a multiple of UNITS_A_CALL."""
        return max(UNITS_A_CALL, n // QUICK // UNITS_A_CALL * UNITS_A_CALL) if self.quick else n

    def kinds(self, *kinds: str) -> list[str]:
        """These kinds of servers, without the original when there is none."""
        return [kind for kind in kinds if kind != "original" or self.has_original]

    @contextlib.contextmanager
    def server(self, kind: str, specs: int = 1, answer_bytes: int = 20) -> Iterator[Server]:
        """A new server, with the work specs spec00, spec01, .. when it is not the floor."""
        with running(kind, self.pythons, answer_bytes) as server:
            if kind != "floor":
                with Client(server.address) as client:
                    for i in range(specs):
                        client.call("set_work_spec", work_spec(i))
            yield server


def spec_name(i: int) -> bytes:
    """The name of a spec that the load generator adds units to."""
    return b"spec%02d" % i


def work_spec(i: int) -> dict[bytes, object]:
    """A work spec such as workers run."""
    return {
        b"name": spec_name(i),
        b"min_gb": 1,
        b"module": b"pipeline.steps",
        b"run_function": b"run_step",
        b"config": {b"retries": 3},
    }


def add_units(server: Server, count: int, specs: int = 1, first: int = 0) -> Result:
    """Add units, in order of keys, over one connection."""
    return run_load(
        server.port, mode="add", count=count, batch=UNITS_A_CALL, specs=specs, first=first
    )


@dataclass(frozen=True)
class Sample:
    """The cost of one load to the server, in microseconds of its processor for one of `calls`."""

    us: float
    busy: float  # share of its core that the server used
    result: Result


def sample(
    server: Server, frames: Iterable[bytes] = (), /, *, per_unit: bool = False, **options: object
) -> Sample:
    """Run a load and take what it cost the server, by the call or by the work unit."""
    with Load(server.port, frames, **options) as load:
        before = server.processor_seconds()
        load.go()
        result = load.report()
        spent = server.processor_seconds() - before
    calls = result.units if per_unit else result.calls
    if not calls or spent <= 0:
        raise ScriptError("too small a load to measure")
    return Sample(spent / calls * 1e6, spent / result.seconds, result)


@dataclass(frozen=True)
class Costs:
    """What some cases cost in several rounds: the samples of each, the least one first."""

    samples: dict[str, list[Sample]]

    def us(self, case: str) -> float:
        """The least cost of a case."""
        return self.samples[case][0].us

    def ratio(self, case: str, other: str) -> float:
        """How many times the cost of another case a case costs."""
        return self.us(case) / self.us(other)

    def __str__(self) -> str:
        """The least costs, and the spread of the rounds: "floor 12.5 us (..14.1)"."""
        return "; ".join(
            f"{name} {taken[0].us:.3g} us (..{taken[-1].us:.3g})"
            for name, taken in self.samples.items()
        )


def least(rounds: int, cases: Mapping[str, Callable[[], Sample]]) -> Costs:
    """The costs of the cases, which take turns, round by round."""
    samples: dict[str, list[Sample]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            samples[name].append(case())
    return Costs({name: sorted(taken, key=lambda s: s.us) for name, taken in samples.items()})
