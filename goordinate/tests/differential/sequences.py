"""Random calls, by a seed: what clients might ask, but for what is known to differ.

A theme says what work specs there are. A sequence defines them, does random things to them, looks
at all that there is to see, and removes what it has made. What it leaves out, and why:

- Scores of specs that compete differ (weights are primes, and few units can be pending), no spec
  is fed by two, no two specs are continuous, and there is no continuous spec beside a loop: so
  the original's scheduler has nothing to draw or to take in the order of its dictionaries.
- Units of negative priority only where nobody asks for work: the original never gives them.
- Leases that are over at once begin with the update that gives them, and a call follows in which
  the original notices: it forgets to look at a lease that was made shorter.
- The original's queue is put in order after a unit was taken out of its middle.
- Each worker keeps its parent or changes between two, and has one form of its name.
- The other rows of `differences`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from goordinate.tests.differential.pair import Call, Made
from goordinate.tests.differential.pieces import DATA, Pieces

AVAILABLE, PENDING, FINISHED, FAILED = 1, 3, 4, 5

#: Weights such that (1 + pending) / weight is different for any two of them.
WEIGHTS = [17, 19, 23, 29, 31, 37, 41, 43]


@dataclass(frozen=True)
class Theme:
    """What specs a sequence has."""

    #: The lengths of its chains of specs.
    chains: tuple[int, ...]
    #: The length of a loop that the first chain runs into.
    loop: int = 0
    #: Whether the first spec makes up units.
    continuous: bool = False
    #: Whether there are negative priorities, and no calls of get_work.
    negative: bool = False


THEMES = {
    "one spec": Theme((1,)),
    "a chain": Theme((3,)),
    "several chains": Theme((3, 2, 1)),
    "a loop": Theme((2, 1), loop=2),
    "continuous": Theme((2, 1), continuous=True),
    "negative priorities": Theme((2,), negative=True),
}


class Sequence(Pieces):
    """One random sequence of calls."""

    def __init__(self, title: str, seed: int, length: int) -> None:
        self._theme = theme = THEMES[title]
        super().__init__(f"{title} {seed}", -3 if theme.negative else 0)
        self._length = length
        self._weights: dict[str, int] = {}
        self._then: dict[str, str | None] = {}
        names = iter("abcdefgh")
        loop = [next(names) for _ in range(theme.loop)]
        self._then.update(zip(loop, [*loop[1:], *loop[:1]], strict=True))
        for number, count in enumerate(theme.chains):
            chain = [next(names) for _ in range(count)]
            end = loop[0] if loop and number == 0 else None
            self._then.update(zip(chain, [*chain[1:], end], strict=True))
        self._maker = next(iter(self._then)) if theme.continuous else None
        # Always the same: ours counts a changed one from the last unit, the original does not.
        self._interval = self.random.choice([None, None, 3600, b"3600", 3600.5])
        self._named_as = {name: self.form(name) for name in self._then}
        # Of their own, as ours remembers for a while the form of the name of a worker gone by.
        self._workers = [self.form(f"w{number} of {title} {seed}") for number in range(4)]

    def calls(self) -> Iterator[Call]:
        """The calls, in order."""
        actions = self._actions()
        names, weights = list(actions), [share for share, _ in actions.values()]
        for name in self._then:
            yield from self._define(name)
        for name in self._then:
            yield from self._add(name)
            yield from self._add(name)
            yield from self._heartbeat(name)
        for _ in range(self._length):
            (chosen,) = self.random.choices(names, weights)
            for call in actions[chosen][1](self.random.choice(list(self._then))):
                yield self.by_name(call)
        yield from self._look_at_everything()
        for name in self._then:
            yield "del_work_spec", [self._spec(name)]
        for worker in self._workers:
            yield "worker_unregister", [worker]
        yield "list_work_specs", [{}]
        yield "list_worker_modes", []

    def _actions(self) -> dict[str, tuple[int, Any]]:
        """What may be done to a spec, and how often."""
        actions = {
            "define": (2, self._define),
            "control": (2, self._control),
            "show spec": (2, self._show_spec),
            "delete spec": (1, self._delete_spec),
            "add": (8, self._add),
            "count": (2, self._count),
            "list": (6, self._list),
            "status": (4, self._status),
            "prioritize": (3, self._prioritize),
            "update": (10, self._update),
            "update in two steps": (5, self._update_in_two_steps),
            "delete units": (2, self._delete_units),
            "get work": (14, self._get_work),
            "heartbeat": (4, self._heartbeat),
            "workers": (3, self._show_workers),
            "refused": (2, self._refused),
        }
        if self._theme.negative:
            del actions["get work"]
        return actions

    # --- pieces of calls -----------------------------------------------------------------------

    def _spec(self, name: str) -> bytes | str:
        """A spec, in either form; now and then one that is not there."""
        return self.form(name if self.chance(0.98) else "none")

    def _worker(self) -> bytes | str:
        return self.random.choice(self._workers)

    def _data(self, name: str) -> Any:
        # What a spec has made up has the priority -1, which its output must not inherit.
        return self.data(ranked=name == self._maker)

    # --- work specs ----------------------------------------------------------------------------

    def _define(self, name: str) -> Iterator[Call]:
        pick = self.random.choice
        weight = pick([weight for weight in WEIGHTS if weight not in self._weights.values()])
        self._weights[name] = weight
        dictionary: dict[Any, Any] = {self.form("name"): self._named_as[name]}
        dictionary |= self.options(
            {
                "disabled": (0.1, lambda: pick([True, False])),
                "max_running": (0.2, lambda: pick([None, 1, 2, 5, "3"])),
                "max_getwork": (0.2, lambda: pick([None, 1, 2, b"3"])),
                "then_preempts": (0.4, lambda: pick([True, False])),
                "min_gb": (0.2, lambda: 2),
                "config": (0.2, lambda: {b"k": pick(DATA)}),
            }
        )
        form = self.random.randint(0, 2)
        if form == 2:
            dictionary[self.form("nice")] = 20 - weight
        else:
            dictionary[self.form("weight")] = weight if form else str(weight)
        then = self._then[name]
        if then is not None:
            dictionary[self.form("then")] = self.form(then)
        if name == self._maker:
            dictionary[self.form("continuous")] = True
            if self._interval is not None or self.chance(0.3):
                dictionary[self.form("interval")] = self._interval
        yield "set_work_spec", [dictionary]
        # The original does not look at the graph again when a spec that is there is set.
        yield "control_work_spec", [self.form(name), {}]

    def _control(self, name: str) -> Iterator[Call]:
        pick = self.random.choice
        options = self.options(
            {
                "status": (0.4, lambda: pick([1, 1, 2])),
                "max_running": (0.3, lambda: pick([None, 1, 3, 7])),
            }
        )
        if name != self._maker and self.chance(0.2):
            options[self.form("interval")] = pick([None, 3600, 7200.5])
        if name == self._maker and self.chance(0.4):
            options[b"continuous"] = pick([True, False])
        elif self.chance(0.1):
            options[b"continuous"] = name != self._maker
        yield "control_work_spec", [self._spec(name), options]

    def _show_spec(self, name: str) -> Iterator[Call]:
        yield "get_work_spec", [self._spec(name)]
        yield "get_work_spec_meta", [self._spec(name)]
        options = self.options({"limit": (0.7, lambda: self.random.randint(1, 9))})
        yield "list_work_specs", [options]

    def _delete_spec(self, name: str) -> Iterator[Call]:
        if name in self._then.values():
            return  # a `then` that leads nowhere breaks the original's scheduler
        yield "del_work_spec", [self._spec(name)]
        yield from self._define(name)

    # --- work units ----------------------------------------------------------------------------

    def _add(self, name: str) -> Iterator[Call]:
        units: list[Any] = []
        for _ in range(self.random.randint(0, 6)):
            key, data = self.key(), self._data(name)
            meta = self.options({"priority": (0.5, self.priority), "own": (0.2, dict)})
            shapes: list[Any] = [
                (key, data), (key, data), (key, data, meta), (key, data, None),
                (key, data, meta, self.priority()), (key, data, meta, None),
            ]  # fmt: skip
            unit = self.random.choice(shapes)
            units.append(list(unit) if self.chance(0.3) else unit)
        yield "add_work_units", [self._spec(name), tuple(units) if self.chance(0.2) else units]

    def _count(self, name: str) -> Iterator[Call]:
        yield "count_work_units", [self._spec(name)]

    def _list(self, name: str) -> Iterator[Call]:
        pick = self.random.choice
        states = [AVAILABLE, PENDING, FINISHED, FAILED]
        state = [*states, 2, [1, 3], (4, 5), [], [5, 4, 3, 1], (1, 1)]
        options = self.options(
            {
                "state": (0.5, lambda: pick(state)),
                "start": (0.3, lambda: pick([self.key(), 0])),
                "limit": (0.4, lambda: pick([1, 2, 3, 5, 20_000, b"2"])),
                "work_unit_keys": (0.2, self.some_keys),
            }
        )
        yield "get_work_units", [self._spec(name), options]

    def _status(self, name: str) -> Iterator[Call]:
        yield "get_work_unit_status", [self._spec(name), self.some_keys()]

    def _prioritize(self, name: str) -> Iterator[Call]:
        options = {self.form("work_unit_keys"): self.some_keys()} if self.chance(0.95) else {}
        options |= self.options({
            "priority": (0.5, self.priority), "adjustment": (0.5, self.priority)
        })  # fmt: skip
        yield "prioritize_work_units", [self._spec(name), options]

    def _unit(self, name: str) -> Any:
        """The key of a unit of this spec to be updated."""
        if name == self._maker and self.chance(0.4):
            return Made(self.random.randint(0, 5))
        return self.key()

    def _update(self, name: str) -> Iterator[Call]:
        """An update to a state, with a lease if that is PENDING."""
        key = self._unit(name)
        status = self.random.choice([AVAILABLE, PENDING, FINISHED, FINISHED, FAILED])
        if isinstance(key, Made) and status == AVAILABLE:
            status = FINISHED  # the original never gives it again
        options: dict[Any, Any] = {self.form("status"): status}
        options |= self.options(
            {
                "lease_time": (0.3, lambda: 500),
                "data": (0.5, lambda: self._data(name)),
                "worker_id": (0.4, self._worker),
            }
        )
        if status == PENDING:
            lease = self.random.choice([100, 1000.5, 86_400, 86_401, 10**9])
            options = {k: v for k, v in options.items() if k not in (b"lease_time", "lease_time")}
            options[self.form("lease_time")] = lease
        yield "update_work_unit", [self._spec(name), key, options]
        yield self._queue_put_in_order(name)

    def _update_in_two_steps(self, name: str) -> Iterator[Call]:
        """Updates whose outcome hangs on the state of the unit, which the first step makes sure."""
        key = self.key()
        spec = self.form(name)
        first, second = self.random.choice([
            ({b"status": PENDING, b"lease_time": 700}, {b"lease_time": 1300}),
            ({b"status": FINISHED}, {b"status": PENDING, b"lease_time": 0}),
            ({b"status": AVAILABLE}, {b"status": PENDING, b"lease_time": 0}),
            ({b"status": PENDING, b"lease_time": 700}, {"status": PENDING, b"worker_id": b"x"}),
            ({b"status": PENDING, b"lease_time": 700}, {b"lease_time": 86_401, b"data": {}}),
            ({b"status": FINISHED}, {b"status": PENDING}),
            ({b"status": FAILED}, {"status": PENDING, "worker_id": b"x"}),
            ({b"status": FAILED}, {b"status": FINISHED}),
            ({b"status": FINISHED}, {b"status": FAILED}),
            ({b"status": PENDING, b"lease_time": 700}, {b"data": {}}),
            ({b"status": FINISHED}, {b"status": PENDING, b"lease_time": -1}),
            ({b"status": AVAILABLE}, {b"status": PENDING, b"lease_time": -0.5}),
        ])  # fmt: skip
        yield "update_work_unit", [spec, key, first]
        yield "update_work_unit", [spec, key, second]
        yield "count_work_units", [spec]
        yield "get_work_unit_status", [spec, [key]]
        yield self._queue_put_in_order(name)

    def _queue_put_in_order(self, name: str) -> Call:
        """A call that changes nothing but the order in which the original keeps its queue.

        It is a heap, which the original spoils when it takes a unit out of the middle.
        """
        return "prioritize_work_units", [self.form(name), {b"work_unit_keys": self.keys}]

    def _delete_units(self, name: str) -> Iterator[Call]:
        options = self.options(
            {
                "work_unit_keys": (0.6, self.some_keys),
                "state": (0.4, lambda: self.random.choice([1, 2, 3, 4, 5])),
                "all": (0.1, lambda: self.random.choice([True, False, 1, None])),
            }
        )
        yield "del_work_units", [self._spec(name), options]
        yield self._queue_put_in_order(name)

    def _get_work(self, name: str) -> Iterator[Call]:
        pick = self.random.choice
        options = self.options({
            "work_spec_names": (0.5, lambda: pick([
                [self.form(name)], (self._spec(name), b"none"), [], None, [b"none"],
                [self.form(each) for each in self._then if self.chance(0.5)],
            ])),
            "lease_time": (0.4, lambda: pick([60, 1000, 86_400, 90_000, 0.5, -1, b"500"])),
            "max_jobs": (0.4, lambda: pick([1, 1, b"1"] if self._theme.continuous else [1, 2, 9])),
            "available_gb": (0.2, lambda: 4),
        })  # fmt: skip
        yield "get_work", [self._worker(), options]

    # --- workers and the rest ------------------------------------------------------------------

    def _heartbeat(self, name: str) -> Iterator[Call]:
        pick = self.random.choice
        worker = pick(self._workers[:3])
        if self.chance(0.15):
            yield "worker_unregister", [worker]
            return
        parent = None if worker == self._workers[2] else pick([b"p", "q"])
        yield "worker_heartbeat", [
            worker, pick([b"RUN", "IDLE", None]), pick([60, 3600.5, 86_400, -1, 10**6]),
            {b"n": pick(DATA)}, parent,
        ]  # fmt: skip

    def _show_workers(self, name: str) -> Iterator[Call]:
        yield "list_worker_modes", []
        yield "mode_counts", []
        yield "worker_stats", []
        yield "get_worker_info", [self._worker()]
        yield "get_child_work_units", [self.form(self.random.choice("pq"))]
        yield "archive", [{}]

    def _refused(self, name: str) -> Iterator[Call]:
        """Calls that both refuse, without a trace."""
        spec = self._named_as[name]
        yield self.random.choice([
            ("add_work_units", [spec, [(b"new", {}), (5, {})]]),
            ("add_work_units", [spec, [(b"new", {}), (b"new",)]]),
            ("add_work_units", [spec, 5]),
            ("add_work_units", [spec]),
            ("set_work_spec", [{}]),
            ("set_work_spec", [{b"name": spec, b"interval": b"soon", b"own": 1}]),
            ("set_work_spec", [{b"name": spec, b"weight": b"heavy"}]),
            ("set_work_spec", [{b"name": spec, b"nice": None}]),
            ("set_work_spec", [{b"name": spec, b"max_running": b"few"}]),
            ("set_work_spec", [{b"name": spec, b"max_getwork": []}]),
            ("get_work_units", [spec, {b"limit": b"few"}]),
            ("get_work", [b"w", {b"max_jobs": b"few"}]),
            ("get_work", [b"w", {b"lease_time": b"soon"}]),
            ("get_work", [b"w", 5]),
            ("get_work", []),
            ("list_work_specs", [{b"limit": b"few"}]),
            ("update_work_unit", [spec, b"a"]),
            ("worker_heartbeat", [b"w"]),
            ("worker_heartbeat", {b"worker_id": b"w", b"unheard_of": 1}),
            ("mode_counts", [1]),
            ("no_such_method", []),
            ("_log_action", [b"a", []]),
            ("work_specs", []),
            ("count_work_units", 5),
        ])  # fmt: skip

    def _look_at_everything(self) -> Iterator[Call]:
        for name in self._then:
            spec = self.form(name)
            keys = [*self.keys, *(Made(number) for number in range(5))]
            yield "get_work_spec", [spec]
            yield "get_work_spec_meta", [spec]
            yield "count_work_units", [spec]
            yield "get_work_units", [spec, {}]
            yield "get_work_units", [spec, {b"state": [1, 3, 4, 5]}]
            yield "get_work_units", [spec, {b"work_unit_keys": keys}]
            yield "get_work_unit_status", [spec, keys]
        yield from self._show_workers("")
