"""Random sequences of all that clients can do, with time passing."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from goordinate.tests.model.calls import (
    CALLS,
    OUTPUTS,
    changes,
    options,
    priorities,
    some,
    workers,
)
from goordinate.tests.model.comparison import Comparison
from goordinate.tests.model.reading import Name, key_of
from goordinate.tests.model.world import FINISHED, MAX_LEASE, PENDING, STATES
from goordinate.tests.model.wrong import misfits, wrong_calls

Call = tuple[str, list[Any]]

#: A method of the machine, and its parameters.
Action = tuple[str, tuple[Any, ...]]

#: RPCs that only look at units of a work spec, and at what else runs out.
UNIT_LOOKS = ("count_work_units", "get_work_units", "get_work_unit_status")
OTHER_LOOKS = (
    *("get_child_work_units", "list_worker_modes", "get_worker_info", "mode_counts"),
    *("worker_stats", "readlock"),
)

#: RPCs that change something, and how often each is called of its own; an RPC that only looks is
#: called once for all of these, with options that the look after every step does not have.
WEIGHTS = {
    "set_work_spec": 6,
    "control_work_spec": 6,
    "add_work_units": 20,
    "prioritize_work_units": 6,
    "update_work_unit": 6,
    "del_work_units": 4,
    "del_work_spec": 2,
    "clear": 1,
    "get_work": 10,
    "worker_heartbeat": 8,
    "worker_unregister": 2,
    **dict.fromkeys(("lock", "locksome", "renew", "unlock"), 4),
    "delete_namespace": 2,
    **dict.fromkeys(("get_work_units", "list_work_specs"), 4),
}


def weighted(weights: dict[str, int]) -> SearchStrategy[str]:
    """One of these, each as often as it says."""
    return some([name for name, weight in weights.items() for _ in range(weight)])


def calls(weights: dict[str, int]) -> SearchStrategy[Call]:
    """A call of one of these RPCs."""
    return weighted(weights).flatmap(lambda method: st.tuples(st.just(method), CALLS[method]))


# Hypothesis chooses what comes first more often than its share, so it is what happens most.
right_calls = calls(
    {
        method: WEIGHTS.get(method, 1)
        for method in sorted(CALLS, key=lambda method: -WEIGHTS.get(method, 1))
        if method != "archive"
    }
)
looks = calls({**dict.fromkeys(UNIT_LOOKS, 3), **dict.fromkeys(OTHER_LOOKS, 1)})
numbers = st.integers(0, 20)
some_numbers = st.lists(numbers, min_size=1, max_size=4)

#: What is done in a step -> how often, and with what.
ACTIONS: dict[str, tuple[int, SearchStrategy[tuple[Any, ...]]]] = {
    "take": (12, st.tuples(workers, st.integers(1, 3), some([1, 5, 60]))),
    "step": (25, right_calls),
    "step_wrongly": (3, wrong_calls() | misfits()),
    "change": (6, st.tuples(numbers, changes)),
    "change_held": (6, st.tuples(numbers, changes)),
    "prioritize": (3, st.tuples(some_numbers, options(priority=priorities, adjustment=priorities))),
    "delete": (2, st.tuples(some_numbers, options(0, state=some(STATES)))),
    "finish": (8, st.tuples(numbers, some(OUTPUTS))),
    "archive": (
        2,
        st.tuples(some([None, 0, 1, 2]), some([None, 0, 10, 10_000]), CALLS["archive"]),
    ),
    "wait": (5, st.tuples(some([0.25, 1, 5, 10, 60, 300, 3600]), st.none() | looks)),
    "wait_for_the_next_end": (6, st.tuples(some([0, 0, 2**-10]), st.none() | looks)),
    "wait_for_all_leases": (1, st.tuples()),
    "set_the_wall_clock": (1, st.tuples(some([-3600.5, -1, 1, 86_400]))),
}
actions = weighted({name: often for name, (often, _) in ACTIONS.items()}).flatmap(
    lambda name: st.tuples(st.just(name), ACTIONS[name][1])
)


class Machine(Comparison):
    """The steps."""

    def act(self, action: Action) -> None:
        """Take a step, and look at all there is."""
        self.done["steps"] += 1
        name, given = action
        getattr(self, name)(*given)
        self.all_is_as_it_should_be()

    # --- calls ---------------------------------------------------------------------------------

    def step(self, method: str, params: list[Any]) -> None:
        """A call; what get_work hands out is looked at."""
        self.model.end_what_is_over()
        held = {(key_of(spec), key_of(key)) for spec, key in self.units(PENDING)}
        answer = self.call(method, params)
        if method == "get_work":
            taken, _ = answer
            for spec, key, _ in taken if isinstance(taken, list) else [taken]:
                if spec is not None:
                    # Nothing is handed out twice, and every lease has an end.
                    assert (key_of(spec), key_of(key)) not in held
                    held.add((key_of(spec), key_of(key)))
                    status = self.rpc.status(spec, key)
                    assert status[b"status"] == PENDING
                    lease = status[b"expiration"] - self.clock.unix(self.clock.time)
                    assert 1 <= lease <= MAX_LEASE

    def step_wrongly(self, method: str, params: Any) -> None:
        """A wrong call."""
        if method == "control_work_spec" and isinstance(params, list):
            # Of a spec that is not there, nothing is said of some values but that it is not.
            if not self.model.specs:
                return
            if isinstance(params[0], bytes | str):
                params = [min(self.model.specs), *params[1:]]
        self.refused(method, params)

    def take(self, worker: Name, count: int, lease: float) -> None:
        """A worker asks for any work."""
        self.step("get_work", [worker, {b"max_jobs": count, b"lease_time": lease}])

    def change(self, number: int, options: dict[Any, Any]) -> None:
        """Update a unit that is there, if there is one."""
        self.change_one_of(self.units(*STATES), number, options)

    def change_held(self, number: int, options: dict[Any, Any]) -> None:
        """Update a unit that is held."""
        self.change_one_of(self.units(PENDING), number, options)

    def finish(self, number: int, output: Any) -> None:
        """A worker has done its work."""
        done = {b"status": FINISHED, b"data": {b"output": output}}
        self.change_one_of(self.units(PENDING), number, done)

    def change_one_of(
        self, units: list[tuple[Name, Name]], number: int, options: dict[Any, Any]
    ) -> None:
        """Update one of some units."""
        if units:
            self.step("update_work_unit", [*units[number % len(units)], options])

    def prioritize(self, numbers: list[int], options: dict[Any, Any]) -> None:
        """Change the priorities of units that are there."""
        self.step_on_some("prioritize_work_units", numbers, options)

    def delete(self, numbers: list[int], options: dict[Any, Any]) -> None:
        """Delete units that are there."""
        self.step_on_some("del_work_units", numbers, options)

    def step_on_some(self, method: str, numbers: list[int], options: dict[Any, Any]) -> None:
        """A call on some units of one work spec."""
        units = self.units(*STATES)
        if units:
            chosen = [units[number % len(units)] for number in numbers]
            spec = chosen[0][0]
            keys = [key for name, key in chosen if name == spec]
            self.step(method, [spec, {**options, b"work_unit_keys": keys}])

    def units(self, *states: int) -> list[tuple[Name, Name]]:
        """The work spec and the key of each unit in these states."""
        return [
            (spec.name, spec.units[key].name)
            for _, spec in sorted(self.model.specs.items())
            for key in spec.in_states(states)
        ]

    def archive(self, keep: int | None, age: float | None, params: list[Any]) -> None:
        """Drop units that ended; other limits than before are configured."""
        self.model.limits = keep, age
        self.server.limit_completed_count, self.server.limit_completed_age = keep, age
        self.step("archive", params)

    # --- time ----------------------------------------------------------------------------------

    def wait(self, seconds: float, look: Call | None = None) -> None:
        """Let time pass, and call something, or let the next step be the first to do so."""
        held = self.units(PENDING)
        self.clock.advance(seconds)
        self.model.time += seconds
        self.waiting = True
        if look is not None:
            method, params = look
            if method in UNIT_LOOKS and held:  # where a lease may have ended
                params = [held[0][0], *params[1:]]
            self.step(method, params)

    def wait_for_the_next_end(self, short: float, look: Call | None) -> None:
        """To the moment at which something runs out, or just before."""
        self.model.end_what_is_over()
        ends = self.model.ends()
        self.wait(ends[0] - self.clock.time - short if ends else 0, look)

    def wait_for_all_leases(self) -> None:
        """The longest lease is over, so whatever is still pending has none."""
        self.wait(MAX_LEASE)
        for spec in list(self.model.specs.values()):
            for key in self.keys_listed(spec.name, PENDING):
                assert self.rpc.status(spec.name, key)[b"expiration"] is None

    def set_the_wall_clock(self, seconds: float) -> None:
        """Which moves no end of anything, but what the moments are called."""
        self.clock.set_wall_clock(seconds)
        self.model.shift += seconds
