"""Random requests that are nearly right: the methods there are, with parameters of their kinds.

Rule: a parameter or option is of the kind that `Requests` has for its name, a name if it has none;
one in ten is any item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from fuzzing.grammar import FLOATS, NOT_FINITE, Grammar
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.requests import Method
from goordinate.jobserver import JobServer
from goordinate.memory import MemoryBackend
from goordinate.tests.conformance.clock import Clock

NAMES: Final = (b"s", b"t", "s", b"k", b"w", "\u00e9", b"\xc3\xa9", b"\xff", b"", b"n" * 300)

AMOUNTS: Final = (0, 1, 2, 5, 300, -1, 2**64, 2**1023 - 1, 2**1024, b"60", "1.5", b"x", True, None)
"""What a client may give where a number should be; and floats."""

STATES: Final[tuple[object, ...]] = (1, 3, 4, 5, 2, 0, -1, 4.0, [1, 4], (3,), [])
"""States of a work unit, and what is none."""

SPEC_KEYS: Final = (
    *("name", "disabled", "weight", "nice", "continuous", "interval", "max_running"),
    *("max_getwork", "then", "then_preempts", "priority", "max_retries", "runtime"),
)
"""The keys of a work spec."""

OPTIONS: Final[Mapping[str, Sequence[str]]] = {
    "archive": ("work_spec_names",),
    "control_work_spec": ("status", "continuous", "interval", "max_running", "weight"),
    "del_work_units": ("all", "work_unit_keys", "state"),
    "get_work": ("max_jobs", "lease_time", "work_spec_names", "runtimes"),
    "get_work_units": ("work_unit_keys", "state", "start", "limit"),
    "list_work_specs": ("limit", "start"),
    "prioritize_work_units": ("work_unit_keys", "priority", "adjustment"),
    "update_work_unit": ("status", "lease_time", "data", "worker_id"),
}
"""The options that each method reads."""


SECONDS_A_READING: Final = 3.0
"""How far a job server's clock goes on each time it is read, so that leases end."""


def job_server() -> JobServer:
    """A job server without work, in memory."""
    clock = Clock()
    clock.step = SECONDS_A_READING
    namespace = MemoryBackend(clock).namespace("")
    return JobServer(namespace, configuration=dict, stats=dict)


class Requests:
    """Makes requests of the methods that a job server has."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._rng = grammar.rng
        self._methods = job_server().methods
        number, names, flag = self._number, self._names, grammar.simple
        self._values: Mapping[str, Callable[[], bytes]] = {
            **dict.fromkeys(("timeout", "expire_seconds", "lease_time", "interval"), number),
            **dict.fromkeys(("limit", "max_jobs", "max_running", "max_getwork"), number),
            **dict.fromkeys(("weight", "nice", "priority", "adjustment", "max_retries"), number),
            **dict.fromkeys(("work_unit_keys", "work_spec_names", "runtimes"), names),
            **dict.fromkeys(("all", "disabled", "continuous", "then_preempts"), flag),
            **dict.fromkeys(("status", "state"), self._state),
            "work_spec": self._work_spec,
            "work_unit_key_vals": self._new_units,
            "keys": self._paths,
            "data": self._data,
            "mode": self._any,
        }

    def message(self) -> bytes:
        """A request; one in ten times a list of requests."""
        if self._rng.random() < 0.9:
            return self._request()
        return self._several(self._request, (0, 1, 2, 3, 10, 101))

    def _request(self) -> bytes:
        """A request; one in ten has a parameter too few, one in ten lacks something else."""
        rng, grammar = self._rng, self._grammar
        method = rng.choice(self._methods)
        values = [
            (grammar.bytes_of(parameter.name.encode()), self._parameter(parameter.name, method))
            for parameter in method.parameters
        ]
        if values and rng.random() < 0.1:
            values.pop()
        by_name = rng.random() < 0.2
        params = grammar.map_of(values) if by_name else grammar.array_of([v for _, v in values])
        fields = [
            (b"Fparams", params),
            (b"Bid", grammar.number() if rng.random() < 0.9 else grammar.item()),
            (b"Fmethod", grammar.bytes_of(method.name.encode())),
        ]
        if rng.random() < 0.3:
            rng.shuffle(fields)
        if rng.random() < 0.1:
            fields.pop()
        return grammar.map_of(fields)

    def _parameter(self, name: str, method: Method) -> bytes:
        if name == "options":
            return self._map(OPTIONS[method.name])
        return self._value(name)

    def _value(self, name: str) -> bytes:
        if self._rng.random() < 0.1:
            return self._any()
        return self._values.get(name, self._name)()

    def _any(self) -> bytes:
        item = self._grammar.item()
        return item if self._rng.random() < 0.8 else self._grammar.nested(item)

    def _map(self, keys: Sequence[str]) -> bytes:
        """A map of some of these keys."""
        grammar = self._grammar
        some = self._rng.sample(keys, self._rng.randint(0, len(keys)))
        return grammar.map_of([(grammar.bytes_of(key.encode()), self._value(key)) for key in some])

    def _name(self) -> bytes:
        name = self._rng.choice(NAMES)
        return self._grammar.bytes_of(name) if isinstance(name, bytes) else dumps(name)

    def _number(self) -> bytes:
        return dumps(self._rng.choice(AMOUNTS + FLOATS + NOT_FINITE))

    def _state(self) -> bytes:
        return dumps(self._rng.choice(STATES))

    def _several(self, item: Callable[[], bytes], counts: Sequence[int] = (0, 1, 1, 2, 3)) -> bytes:
        items = [item() for _ in range(self._rng.choice(counts))]
        if self._rng.random() < 0.2:
            return self._grammar.tuple_of(items)
        return self._grammar.array_of(items)

    def _names(self) -> bytes:
        return self._several(self._name)

    def _paths(self) -> bytes:
        return self._several(self._names)

    def _work_spec(self) -> bytes:
        """A work spec, mostly with a name that others are called by too."""
        if self._rng.random() < 0.5:
            return b"\xa2Dname" + self._name() + b"Dthen" + self._name()
        return self._map(SPEC_KEYS)

    def _new_units(self) -> bytes:
        return self._several(self._new_unit)

    def _new_unit(self) -> bytes:
        unit = [self._name(), self._data(), self._map(("priority", "delay")), self._number()]
        count = self._rng.choice((1, 2, 2, 2, 3, 3, 4))
        return self._grammar.tuple_of(unit[:count])

    def _data(self) -> bytes:
        """Data of a work unit, at times with an output that adds units, or with a traceback."""
        kind = self._rng.random()
        if kind < 0.6:
            return self._any()
        if kind < 0.7:
            return b"\xa1Itraceback" + self._any()
        output = self._new_units() if kind < 0.9 else b"\xa1" + self._name() + self._data()
        return b"\xa1Foutput" + output
