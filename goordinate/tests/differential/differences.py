"""Where ours answers differently from the original, each shown by a call.

Every row is a bold line of docs/differences.md, which says why, and a test: after the calls of
`before`, `call` is answered so by the original, and so by ours. The random calls of `sequences`
leave these alone, and `pair.comparable` names what it takes out of answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from goordinate.tests.differential.pair import A_MESSAGE, REFUSED, Call

DONE = (True, None)
NOTHING = ((None, None, None), None)

AVAILABLE, PENDING, FINISHED, FAILED = 1, 3, 4, 5


@dataclass(frozen=True)
class Difference:
    """One difference, and the calls that show it."""

    title: str
    before: list[Call]
    call: Call
    original: Any
    ours: Any


def spec(name: bytes, **keys: object) -> Call:
    """The call that sets a work spec."""
    return "set_work_spec", [{b"name": name, **{k.encode(): value for k, value in keys.items()}}]


def add(name: bytes, *units: Any) -> Call:
    """The call that adds these units; a key alone has an empty map as its data."""
    return "add_work_units", [name, [u if isinstance(u, tuple) else (u, {}) for u in units]]


def update(name: bytes, key: Any, **options: object) -> Call:
    """The call that updates a unit."""
    given = {option.encode(): value for option, value in options.items()}
    return "update_work_unit", [name, key, given]


def get_work(**options: object) -> Call:
    """The call by which worker `w` asks for work."""
    return "get_work", [b"w", {option.encode(): value for option, value in options.items()}]


def heartbeat(parent: bytes | None, data: object = b"", mode: object = b"RUN") -> Call:
    """The call by which worker `w` says that it lives."""
    return "worker_heartbeat", [b"w", mode, 60, {} if data == b"" else data, parent]


def status(key: Any, name: bytes = b"s") -> Call:
    """The call that asks for the status of a unit."""
    return "get_work_unit_status", [name, [key]]


def listed(**options: object) -> Call:
    """The call that lists units of `s`."""
    return "get_work_units", [b"s", {option.encode(): value for option, value in options.items()}]


def meta(**changes: object) -> dict[bytes, Any]:
    """The control values of a spec that has these beside the defaults."""
    values = {"status": 1, "continuous": False, "interval": None, "max_running": None, "weight": 20}
    return {key.encode(): value for key, value in {**values, **changes}.items()}


UNIT = [spec(b"s"), add(b"s", b"a")]
TWO = [spec(b"s"), add(b"s", b"a", b"b")]
FREE = {b"status": AVAILABLE, b"expiration": None}
CHAIN = [spec(b"s", then=b"t"), spec(b"t")]


def finished(output: object) -> list[Call]:
    """Calls after which a unit of `s`, which feeds `t`, has finished with this output."""
    return [*CHAIN, add(b"s", (b"a", {b"output": output})), update(b"s", b"a", status=FINISHED)]


WORK_SPECS = [
    Difference(
        "a page of work specs begins where it should",
        [spec(b"a"), spec(b"b"), spec(b"c")],
        ("list_work_specs", [{b"start": b"b"}]),
        ([{b"name": b"a"}, {b"name": b"b"}, {b"name": b"c"}], None),
        ([{b"name": b"b"}, {b"name": b"c"}], None),
    ),
    Difference(
        "a page of no work specs is empty",
        [spec(b"a"), spec(b"b")],
        ("list_work_specs", [{b"limit": 0}]),
        ([{b"name": b"a"}], b"b"),
        ([], None),
    ),
    Difference(
        "a work spec needs a name that is a string with something in it",
        [],
        ("set_work_spec", [{b"name": b""}]),
        DONE,
        REFUSED,
    ),
    Difference(
        "`then` must be a string",
        [],
        ("set_work_spec", [{b"name": b"s", b"then": 5}]),
        DONE,
        REFUSED,
    ),
    Difference(
        "a limit is not negative",
        [],
        ("set_work_spec", [{b"name": b"s", b"max_running": -1}]),
        DONE,
        REFUSED,
    ),
    Difference(
        "a weight is at least 1",
        [spec(b"s", weight=0)],
        ("get_work_spec_meta", [b"s"]),
        (meta(weight=0), None),
        (meta(weight=1), None),
    ),
    Difference(
        "`continuous` is true or false",
        [spec(b"s", continuous=1)],
        ("get_work_spec_meta", [b"s"]),
        (meta(continuous=1), None),
        (meta(continuous=True), None),
    ),
    Difference(
        "control_work_spec reads values as set_work_spec does",
        [spec(b"s"), ("control_work_spec", [b"s", {b"interval": b"60", b"max_running": b"2"}])],
        ("get_work_spec_meta", [b"s"]),
        (meta(interval=b"60", max_running=b"2"), None),
        (meta(interval=60.0, max_running=2), None),
    ),
    Difference(
        "control_work_spec refuses what set_work_spec would",
        [spec(b"s")],
        ("control_work_spec", [b"s", {b"status": 3}]),
        DONE,
        REFUSED,
    ),
]

SCHEDULING = [
    Difference(
        "a unit of negative priority runs when nothing else does",
        [spec(b"s"), add(b"s", (b"a", {}, {b"priority": -1}))],
        get_work(),
        NOTHING,
        ((b"s", b"a", {}), None),
    ),
    Difference(
        "a `then` that leads nowhere takes no spec out of scheduling",
        [spec(b"r", then=b"s"), spec(b"s", then=b"none"), add(b"s", b"a")],
        get_work(),
        NOTHING,
        ((b"s", b"a", {}), None),
    ),
    Difference(
        "a changed `then` counts at once",
        [
            spec(b"s", then=b"t"), spec(b"t"), add(b"s", b"a"), add(b"t", b"b"),
            spec(b"s"), spec(b"t", then=b"s"),
        ],
        get_work(),
        ((b"t", b"b", {}), None),
        ((b"s", b"a", {}), None),
    ),
    Difference(
        "the queue stays in order when a unit leaves it from the middle",
        [
            spec(b"s"), add(b"s", b"5", b"3"), add(b"s", b"6"), add(b"s", b"4"), add(b"s", b"1"),
            add(b"s", b"2"), add(b"s", b"0"),
            ("del_work_units", [b"s", {b"work_unit_keys": [b"5"]}]),
        ],
        get_work(max_jobs=4),
        ([(b"s", b"0", {}), (b"s", b"1", {}), (b"s", b"3", {}), (b"s", b"2", {})], None),
        ([(b"s", b"0", {}), (b"s", b"1", {}), (b"s", b"2", {}), (b"s", b"3", {})], None),
    ),
    Difference(
        "no jobs asked for, none given",
        UNIT,
        get_work(max_jobs=0),
        ([(b"s", b"a", {})], None),
        ([], None),
    ),
    Difference(
        "an option that is null is left out",
        UNIT,
        get_work(max_jobs=None, lease_time=None),
        REFUSED,
        ((b"s", b"a", {}), None),
    ),
]  # fmt: skip

UNITS = [
    Difference(
        "the same bytes are the same name beyond ASCII too",
        [spec(b"s"), add(b"s", "é")],
        add(b"s", "é".encode()),
        REFUSED,
        DONE,
    ),
    Difference(
        "a unit added again with null for data has null",
        [spec(b"s"), add(b"s", (b"a", {b"n": 1})), add(b"s", (b"a", None))],
        listed(),
        ([(b"a", {b"n": 1})], None),
        ([(b"a", None)], None),
    ),
    Difference(
        "a priority is a number",
        [spec(b"s")],
        add(b"s", (b"a", {}, {b"priority": b"high"})),
        DONE,
        REFUSED,
    ),
    Difference(
        "a list of keys is a list",
        [spec(b"s"), add(b"s", b"a", b"b")],
        listed(work_unit_keys=b"ab"),
        ([(b"a", {}), (b"b", {})], None),
        REFUSED,
    ),
    Difference(
        "a page of no units is empty", UNIT, listed(limit=0), ([(b"a", {})], None), ([], None)
    ),
    Difference(
        "every unit has a status, whatever its data",
        [spec(b"s"), add(b"s", (b"a", 5))],
        status(b"a"),
        REFUSED,
        ([FREE], None),
    ),
    Difference(
        "a state to delete is a number",
        UNIT,
        ("del_work_units", [b"s", {b"state": [AVAILABLE]}]),
        (0, None),
        REFUSED,
    ),
    Difference(
        "null for the keys to prioritize is as good as none",
        UNIT,
        ("prioritize_work_units", [b"s", {b"work_unit_keys": None}]),
        REFUSED,
        (False, A_MESSAGE),
    ),
]

UPDATES = [
    Difference(
        "a unit has one of the four states", UNIT, update(b"s", b"a", status=2), DONE, REFUSED
    ),
    Difference(
        "a state is an integer", UNIT, update(b"s", b"a", status=4.0), DONE, REFUSED
    ),
    Difference(
        "a lease alone concerns units that are pending",
        [*UNIT, update(b"s", b"a", lease_time=0), update(b"s", b"a", status=PENDING)],
        ("count_work_units", [b"s"]),
        ({AVAILABLE: 1}, None),
        ({PENDING: 1}, None),
    ),
    Difference(
        "a unit made pending without a lease stays so",
        [*UNIT, update(b"s", b"a", status=PENDING)],
        ("count_work_units", [b"s"]),
        ({AVAILABLE: 1}, None),
        ({PENDING: 1}, None),
    ),
    Difference(
        "a length of time is not negative",
        [],
        ("set_work_spec", [{b"name": b"s", b"interval": -1}]),
        DONE,
        REFUSED,
    ),
    Difference(
        "a lease that is over is over in every answer",
        [*UNIT, update(b"s", b"a", status=PENDING, lease_time=0)],
        listed(state=PENDING),
        ([(b"a", {})], None),
        ([], None),
    ),
    Difference(
        "a lease that is over is not given back by moving it",
        [
            *UNIT, update(b"s", b"a", status=PENDING, lease_time=0),
            update(b"s", b"a", lease_time=100),
        ],
        ("count_work_units", [b"s"]),
        ({PENDING: 1}, None),
        ({AVAILABLE: 1}, None),
    ),
    Difference(
        "a lease made shorter ends at its new time",
        [
            *TWO, update(b"s", b"a", status=PENDING, lease_time=100),
            update(b"s", b"b", status=PENDING, lease_time=200), update(b"s", b"b", lease_time=0),
        ],
        ("count_work_units", [b"s"]),
        ({PENDING: 2}, None),
        ({AVAILABLE: 1, PENDING: 1}, None),
    ),
]  # fmt: skip

CHAINING = [
    Difference(
        "a string is no output",
        finished(b"xy"),
        ("get_work_units", [b"t", {}]),
        ([(b"x", {}), (b"y", {})], None),
        ([], None),
    ),
    Difference(
        "a finish succeeds whatever the output",
        [*CHAIN, add(b"s", (b"a", {b"output": 5}))],
        update(b"s", b"a", status=FINISHED),
        REFUSED,
        DONE,
    ),
    Difference(
        "null for the meta data of a chained unit is as good as none",
        [*CHAIN, add(b"s", (b"a", {b"output": [(b"x", {}, None)]}))],
        update(b"s", b"a", status=FINISHED),
        REFUSED,
        DONE,
    ),
    Difference(
        "the data of a finished unit is not changed by chaining",
        finished([(b"x", {}, {b"own": 1})]),
        listed(),
        ([(b"a", {b"output": [(b"x", {}, {b"own": 1, b"priority": 0})]})], None),
        ([(b"a", {b"output": [(b"x", {}, {b"own": 1})]})], None),
    ),
]

WORKERS = [
    Difference(
        "a worker may be given a parent later", [heartbeat(None)], heartbeat(b"p"), REFUSED, DONE
    ),
    Difference(
        "a worker may say nothing of itself",
        [heartbeat(None, data=None)],
        ("get_worker_info", [b"w"]),
        REFUSED,
        (None, None),
    ),
    Difference("a mode is a simple value", [], heartbeat(None, mode=[b"RUN"]), DONE, REFUSED),
]

WIRE = [
    Difference(
        "options of ours are unknown to the original",
        [*UNIT, get_work()],
        update(b"s", b"a", status=FINISHED, holder=b"v"),
        DONE,
        (False, A_MESSAGE),
    ),
    Difference("locks, from Go", [], ("lock", [b"w", 5, [[b"a"]]]), REFUSED, DONE),
    Difference("only the RPCs can be called", [], ("maybe_periodic_snapshot", []), False, REFUSED),
]

DIFFERENCES = [*WORK_SPECS, *SCHEDULING, *UNITS, *UPDATES, *CHAINING, *WORKERS, *WIRE]
