"""Right calls: for each RPC the parameters that a client may send, out of small pools.

The pools are small so that calls meet: a unit is added again, a lock is asked for by two. Names
come as bytes and as text.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from goordinate.tests.model.reading import Name
from goordinate.tests.model.world import AVAILABLE, FAILED, FINISHED, PAUSED, PENDING, RUNNABLE

SPECS = ("a", "b", "c", "d", "é")
KEYS = ("k1", "k2", "k3", "", "é")
WORKERS = ("v", "w", "x")
PARENTS = ("p", "w")
PATHS = ([b"a"], (b"a", "b"), ["a", b"b", "c"], [b"a", b"x"], (b"b",), ("é", b"b"))

some = st.sampled_from


def either(*names: str) -> SearchStrategy[Name]:
    """One of these names, as bytes or as text."""
    return some([form for name in names for form in (name.encode(), name)])


def listed(items: SearchStrategy[Any], most: int = 3) -> SearchStrategy[Any]:
    """A list or a tuple of a few."""
    lists = st.lists(items, min_size=1, max_size=most)
    return lists | lists.map(tuple) | st.just([])


@st.composite
def options(draw: DrawFn, /, least: int = 1, **values: SearchStrategy[Any]) -> dict[Any, Any]:
    """A map with a few of these options, their names as bytes or as text."""
    names = draw(st.lists(some(sorted(values)), min_size=least, max_size=3, unique=True))
    as_text = draw(st.booleans())
    return {name if as_text else name.encode(): draw(values[name]) for name in names}


spec_names = either(*SPECS, *SPECS, *SPECS, "none")
unit_keys = either(*KEYS)
workers = either(*WORKERS)
priorities = some([0, 0, 1, 5, -1, 0.5, -2.5])
leases = some([1, 1.5, 5, 10.25, 60, 300, 86_400])

#: Outputs, good ones first.
OUTPUTS: list[Any] = [
    [b"k1", "k2"],
    {b"k1": {b"n": 1}, "é": (1, [b"x"])},
    [(b"k3", {}, {b"priority": 5}), ["k1", b"d", {"delay": 10}]],
    (("k2", {b"output": [b"k1"]}, None), (b"", 1, {}, 2)),
    [b"\xff\x00"],
    [],
    None,
    [b"k1", (b"k2",)],
    {b"k1": {}, 5: {}},
    [("k1", {}, {b"delay": -1})],
    [("k1", {}, {b"priority": b"high"})],
    b"k1",
    5,
]
DATA: list[Any] = [
    {},
    *({b"output": output} for output in OUTPUTS),
    *({b"n": 1, "output": output} for output in OUTPUTS[:4]),
    {"output": OUTPUTS[0], b"output": OUTPUTS[1]},
    {b"traceback": b"line\n"},
    {"traceback": None, b"n": 2},
    None,
    7,
    1.5,
    b"traceback",
    "téxt",
    [1, (2, [b"x"]), UUID(int=9)],
]
data = some(DATA)


def _kinds_of_unit(key: Name, content: Any, meta: Any, fourth: Any) -> SearchStrategy[Any]:
    kinds = ((key, content), (key, content), (key, content, meta), (key, content, meta, fourth))
    return some([*kinds, list(kinds[-1])])


units = st.tuples(
    unit_keys,
    data,
    st.none() | options(priority=priorities, delay=some([0, 3, 10.5, 300, None]), own=data),
    st.none() | priorities,
).flatmap(lambda parts: _kinds_of_unit(*parts))

#: What a work spec may have beside its name and its `then`.
ORDINARY: dict[str, SearchStrategy[Any]] = {
    "disabled": some([False, False, True]),
    "weight": some([1, 20, b"40", 2.9, 0]),
    "nice": some([5, "19", -80]),
    "max_running": some([None, 0, 1, 2, "3"]),
    "max_getwork": some([None, 0, 1, b"2"]),
    "max_retries": some([None, 1, 2]),
    "then_preempts": st.booleans(),
    "priority": some([0, 0, 1, -0.5, None]),
    "runtime": some([b"go", "go", b"", None]),
    "continuous": st.booleans(),
    "interval": some([None, 5, 60.5, b"10", 0]),
    "config": data,
}


@st.composite
def dictionaries(draw: DrawFn) -> dict[Any, Any]:
    """The dictionary of a work spec."""
    given = draw(options(0, **ORDINARY))
    given[draw(either("name"))] = draw(either(*SPECS))
    then = draw(st.none() | spec_names | st.just(b""))
    if then is not None:
        given[draw(either("then"))] = then
    return given


def _spec(name: str, then: str | None = None, **keys: object) -> dict[bytes, Any]:
    given = {**keys} if then is None else {"then": then.encode(), **keys}
    return {b"name": name.encode(), **{key.encode(): value for key, value in given.items()}}


#: What there is at the start: chains, loops, continuous specs.
SHAPES = [
    [_spec("a", "b"), _spec("b", "c", max_retries=1), _spec("c", max_running=2), _spec("é")],
    [_spec("a", "c"), _spec("b", "d"), _spec("c", "é"), _spec("d", "é"), _spec("é", max_running=1)],
    [_spec("a", "c"), _spec("b", "c", then_preempts=False), _spec("c", "é"), _spec("é")],
    [_spec("a", "c", max_retries=2), _spec("b", max_getwork=1), _spec("é", "b", continuous=True)],
    [_spec("a", "b"), _spec("b", "a"), _spec("c", "a"), _spec("é", continuous=True)],
    [
        _spec("a", "b", continuous=True, interval=60),
        _spec("b", max_running=1),
        _spec("c", "c", max_retries=1),
    ],
    [_spec("a", "b"), _spec("b", "c", continuous=True), _spec("c"), _spec("é", continuous=True)],
    [_spec("a", max_retries=1), _spec("b", max_running=2), _spec("c", max_getwork=1)],
    [_spec("é", "é", continuous=True, interval=5, max_retries=2), _spec("a", "é", max_retries=1)],
    [],
]

timeouts = some([0, 0.5, 30, 2_000_000, b"10"])
paths = listed(some(PATHS), 2)
lockers = either("w", "l")

BESIDE_STATUS: dict[str, SearchStrategy[Any]] = {
    "lease_time": leases | some([0, 0.25, -1, b"-5", 86_400.5, b"60", None]),
    "data": data,
    "worker_id": workers | st.none(),
    "holder": workers | st.none(),
    "delay": some([0, 3, b"10.5", None]),
}
#: The options of an update that says what becomes of the unit.
changes = st.builds(
    lambda status, others: {**others, b"status": status},
    some([AVAILABLE, PENDING, FINISHED, FAILED]),
    options(0, **BESIDE_STATUS),
)

#: RPC -> its parameters.
PARAMETERS: dict[str, list[SearchStrategy[Any]]] = {
    "set_work_spec": [dictionaries()],
    "get_work_spec": [spec_names],
    "get_work_spec_meta": [spec_names],
    "control_work_spec": [
        spec_names,
        options(
            status=some([RUNNABLE, RUNNABLE, PAUSED]),
            continuous=st.booleans(),
            interval=some([None, 5, 60.5, b"10"]),
            max_running=some([None, 0, 1, 2, "3"]),
            weight=some([1, 20, b"40", 0]),
            own=data,
        ),
    ],
    "list_work_specs": [
        options(limit=some([None, 0, 1, 2, -1, b"3"]), start=st.none() | spec_names)
    ],
    "del_work_spec": [spec_names],
    "clear": [],
    "add_work_units": [spec_names, listed(units, 4)],
    "count_work_units": [spec_names],
    "get_work_units": [
        spec_names,
        options(
            work_unit_keys=listed(unit_keys),
            state=some([1, 3, 4, 5, 2, None]) | listed(some([1, 3, 4, 5, 2])),
            start=unit_keys | some([0, None]),
            limit=some([None, 0, 1, 2, -1, b"3", 20_000]),
            by_key=some([True, False, None]),
        ),
    ],
    "get_work_unit_status": [spec_names, listed(unit_keys)],
    "prioritize_work_units": [
        spec_names,
        options(
            work_unit_keys=listed(unit_keys),
            priority=priorities | some([None, b"2"]),
            adjustment=priorities | some([None, "1"]),
        ),
    ],
    "update_work_unit": [
        spec_names,
        unit_keys,
        options(1, status=some([AVAILABLE, PENDING, FINISHED, FAILED, None]), **BESIDE_STATUS),
    ],
    "del_work_units": [
        spec_names,
        options(
            work_unit_keys=listed(unit_keys),
            state=some([AVAILABLE, PENDING, FINISHED, FAILED, 2, None]),
            all=some([False, False, None, True]),
        ),
    ],
    "archive": [options(work_spec_names=listed(spec_names))],
    "get_work": [
        workers,
        options(
            max_jobs=some([1, 2, 3, 10, 0, -1, b"2", None]),
            lease_time=leases | some([0, 0.5, -5, 86_401, b"60", None]),
            work_spec_names=listed(spec_names, 2) | st.none(),
            runtimes=listed(some([b"go", "", b"java"]), 2) | st.none(),
            available_gb=some([1]),
        ),
    ],
    "worker_heartbeat": [
        workers,
        some([b"RUN", "RUN", b"IDLE", None, 5, (1, b"x")]),
        some([0, 10, 60.5, 3600, 86_400, -1, 10**6, b"60"]),
        data,
        either(*PARENTS) | some([None, b""]),
    ],
    "worker_unregister": [workers],
    "list_worker_modes": [],
    "get_worker_info": [workers],
    "mode_counts": [],
    "get_child_work_units": [either(*PARENTS, "x")],
    "worker_stats": [],
    "lock": [lockers, timeouts, paths],
    "locksome": [lockers, timeouts, paths],
    "renew": [lockers, timeouts, paths],
    "unlock": [lockers, paths],
    "readlock": [paths],
    "delete_namespace": [either("a", "b")],
    "get_config": [],
    "now": [],
    "server_stats": [],
}

#: RPC -> the list of its parameters.
CALLS: dict[str, SearchStrategy[list[Any]]] = {
    method: st.tuples(*parameters).map(list) for method, parameters in PARAMETERS.items()
}
