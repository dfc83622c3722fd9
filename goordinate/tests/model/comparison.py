"""A job server on a backend and the model, told the same; every answer is compared.

What must hold after every step is checked here too, by the answers of the server alone where
they tell.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from goordinate.coordinate.api import Backend
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.exact import assert_exact
from goordinate.tests.jobserver.rpc import Rpc, dispatcher_of, job_server
from goordinate.tests.model.calls import KEYS, PARENTS, PATHS, WORKERS
from goordinate.tests.model.model import Model
from goordinate.tests.model.reading import Name, fields, key_of
from goordinate.tests.model.world import AVAILABLE, FINISHED, MESSAGE, PENDING, STATES

#: A work spec and a key.
Place = tuple[bytes, bytes]


class Comparison:
    """Both sides, and what is checked; the backend is empty, and runs on the clock."""

    #: How often each RPC has been called as a step of its own, in all sequences of this process;
    #: with the other steps, and the sequences themselves.
    done: ClassVar[Counter[str]] = Counter()

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self.clock = clock
        self.server = job_server(backend, clock)
        self.rpc = Rpc(dispatcher_of(self.server).answer, clock, self.server)
        self.model = Model(self.keys_listed)
        #: The calls since the last look, and the units that were finished then.
        self.told: list[tuple[str, list[Any]]] = []
        self.finished: set[Place] = set()
        #: Time has passed since the last call: let the next one be the first to see it.
        self.waiting = False
        self.done["sequences"] += 1

    # --- calls ---------------------------------------------------------------------------------

    def check(self, method: str, *params: Any) -> Any:
        """Fail if the two answer a call differently; → the server's answer."""
        answer = self.rpc.call(method, *params)
        expected = self.model.call(method, list(params), answer)
        assert_exact(*comparable(method, answer, expected))
        return answer

    def call(self, method: str, params: list[Any]) -> Any:
        """The same, as a step or a part of one."""
        self.done[method] += 1
        self.waiting = False
        self.told.append((method, params))
        return self.check(method, *params)

    def refused(self, method: str, params: Any) -> None:
        """Fail unless the server answers a call with an error; what it changes will be seen."""
        self.done["wrong calls"] += 1
        self.waiting = False
        self.rpc.error(method, params)

    def keys_listed(self, spec: Name, state: int) -> set[bytes]:
        """The units of a work spec that the server lists in a state."""
        return {key_of(key) for key in self.rpc.keys(spec, state=state)}

    # --- what holds after every step -------------------------------------------------------------

    def all_is_as_it_should_be(self) -> None:
        if self.waiting:
            return
        self.check("list_work_specs", {})
        finished: set[Place] = set()
        for spec in list(self.model.specs):
            finished |= {(spec, key) for key in self._look_at(spec)}
        self._look_at_the_rest()
        for place in self.finished - finished:
            assert any(self._may_free(call, place) for call in self.told), f"{place} freed"
        self.finished, self.told = finished, []

    def _look_at(self, spec: bytes) -> set[bytes]:
        """Compare all there is to see of a work spec; → the keys of its finished units."""
        self.check("get_work_spec_meta", spec)
        counts, _ = self.check("count_work_units", spec)
        units, _ = self.check("get_work_units", spec, {})
        listed = {state: self._listed(spec, state) for state in STATES}
        # A unit is in one queue, and the counts are those of the queues and of what is archived.
        every = [key for keys in listed.values() for key in keys]
        assert sorted(every) == [key_of(key) for key, _ in units]
        archived = self.model.specs[spec].archived
        for state, keys in listed.items():
            assert counts.get(state, 0) == len(keys) + archived.get(state, 0)
        asked = sorted({*every, *map(key_of, KEYS)})
        shown, _ = self.check("get_work_unit_status", spec, asked)
        for key, status in zip(asked, shown, strict=True):
            assert (status is None) == (key not in every)
            if status is not None:
                assert key in listed[status[b"status"]]
                self._check_lease(status)
        return set(listed[FINISHED])

    def _listed(self, spec: bytes, state: int) -> list[bytes]:
        units, _ = self.check("get_work_units", spec, {b"state": state})
        return [key_of(key) for key, _ in units]

    def _check_lease(self, status: dict[bytes, Any]) -> None:
        """A lease that shows runs on; nothing that waits has one."""
        end = status[b"expiration"]
        if status[b"status"] == PENDING:
            assert end is None or end > self.clock.unix(self.clock.time)
        else:
            assert (end is None) == (status[b"status"] == AVAILABLE)

    def _look_at_the_rest(self) -> None:
        self.check("list_worker_modes")
        self.check("worker_stats")
        for worker in WORKERS:
            self.check("get_worker_info", worker)
        for parent in PARENTS:
            self.check("get_child_work_units", parent)
        self.check("readlock", list(PATHS))
        self.check("now")

    def _may_free(self, call: tuple[str, list[Any]], place: Place) -> bool:
        """Whether a call says that a finished unit is to be gone, or to run again."""
        method, params = call
        spec, key = place
        if method in ("archive", "clear"):
            return True
        if method not in ("del_work_spec", "del_work_units", "add_work_units", "update_work_unit"):
            return False
        if method == "update_work_unit" and fields(params[2]).get(b"status") == FINISHED:
            feeder = self.model.find(params[0])
            return feeder is not None and feeder.control.then == spec
        if key_of(params[0]) != spec:
            return False
        if method == "add_work_units":
            return key in {key_of(unit[0]) for unit in params[1]}
        if method == "update_work_unit":
            status = fields(params[2]).get(b"status")
            return key_of(params[1]) == key and status in (AVAILABLE, PENDING)
        return True


def comparable(method: str, answer: Any, expected: Any) -> tuple[Any, Any]:
    """An answer of the server and that of the model, without the words of messages, and without
    the order in which units held are told, as there is none."""
    if isinstance(expected, tuple) and len(expected) == 2 and expected[1] == MESSAGE:
        assert type(answer) is tuple
        assert len(answer) == 2
        assert type(answer[1]) is bytes
        assert answer[1]
        return (answer[0], MESSAGE), expected
    if method == "get_child_work_units":
        return _in_order(answer), _in_order(expected)
    return answer, expected


def _in_order(answer: Any) -> Any:
    held, message = answer
    return {worker: sorted(units, key=_place_of) for worker, units in held.items()}, message


def _place_of(unit: dict[bytes, Any]) -> tuple[bytes, bytes]:
    return key_of(unit[b"work_spec_name"]), key_of(unit[b"work_unit_key"])
