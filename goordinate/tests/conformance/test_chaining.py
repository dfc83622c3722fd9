"""Chaining: the output of a finished unit becomes units of the next work spec."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.handles import Queue, WorkSpec
from goordinate.coordinate.names import Name
from goordinate.coordinate.states import AVAILABLE, DELAYED, FAILED, FINISHED, PENDING, RETRYABLE
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.conformance.steps import (
    DATA,
    LEASE,
    add,
    add_one,
    define,
    listed,
    request,
    take,
)

Unit = tuple[Name, object, float, float | None]


@pytest.fixture
def following(namespace: Queue, spec: WorkSpec) -> WorkSpec:
    """The work spec that gets the output of `spec`."""
    define(namespace, b"spec", then=b"next")
    return define(namespace, b"next")


#: A unit may be finished by its attempt, or by an update.
WAYS = ("attempt", "update")


def finish(
    namespace: Queue,
    spec: WorkSpec,
    data: bytes,
    way: str = "attempt",
    priority: float | None = None,
) -> None:
    """Add a unit, take it and finish it with this data."""
    add(spec, b"unit", priority=priority)
    attempt = take(namespace, work_specs=[spec.name])
    if way == "attempt":
        attempt.finish(data)
    else:
        spec.update_work_unit(b"unit", status=FINISHED, data=data)


def chained(spec: WorkSpec, now: float) -> list[Unit]:
    """The units of a spec: name, data, priority, delay."""
    return [
        (
            unit.name,
            loads(unit.data),
            unit.priority,
            None if unit.not_before is None else unit.not_before - now,
        )
        for unit in spec.list_work_units()
    ]


#: output -> the units it becomes.
SHAPES: dict[str, tuple[Any, list[Unit]]] = {
    "map": ({b"a": {b"n": 1}, "b": [2]}, [(b"a", {b"n": 1}, 0, None), ("b", [2], 0, None)]),
    "names": ([b"a", "b"], [(b"a", {}, 0, None), ("b", {}, 0, None)]),
    "a tuple of names": ((b"a", b"b"), [(b"a", {}, 0, None), (b"b", {}, 0, None)]),
    "pairs": ([(b"a", 1), ["b", (2,)]], [(b"a", 1, 0, None), ("b", (2,), 0, None)]),
    "meta": (
        [
            (b"a", 1, {b"priority": 5}),
            [b"b", 2, {"delay": 60}],
            (b"c", 3, {b"priority": -0.5, b"delay": 1.5, b"own": []}),
            (b"d", 4, {}),
            (b"e", 5, None),
            (b"f", 6, None, None),
        ],
        [
            (b"a", 1, 5, None),
            (b"b", 2, 0, 60),
            (b"c", 3, -0.5, 1.5),
            (b"d", 4, 0, None),
            (b"e", 5, 0, None),
            (b"f", 6, 0, None),
        ],
    ),
    "a fourth item, whole or not": (
        [
            (b"a", 1, {}, 7),
            (b"b", 2, None, 7.5),
            [b"c", 3, {b"priority": 1}, 7],
            (b"d", 4, {b"priority": 1}, None),
        ],
        [(b"a", 1, 7, None), (b"b", 2, 7.5, None), (b"c", 3, 7, None), (b"d", 4, 1, None)],
    ),
    "mixed": (
        [b"a", (b"b", 2), ["c", 3, {b"priority": 4}], "d"],
        [(b"a", {}, 0, None), (b"b", 2, 0, None), ("c", 3, 4, None), ("d", {}, 0, None)],
    ),
    "the last of a name wins": (
        [(b"a", 1, {b"priority": 1}), (b"b", 2), ("a", 3, {b"delay": 9})],
        [("a", 3, 0, 9), (b"b", 2, 0, None)],
    ),
    "odd names": ([b"", b"\xff", "é", b"x" * 300], [
        (b"", {}, 0, None), (b"x" * 300, {}, 0, None), ("é", {}, 0, None), (b"\xff", {}, 0, None),
    ]),
    "what Python has and null in a map": (
        {b"a": UUID(int=7), b"b": None}, [(b"a", UUID(int=7), 0, None), (b"b", None, 0, None)],
    ),
    "nothing": ([], []),
    "an empty map": ({}, []),
    "an empty tuple": ((), []),
    "null": (None, []),
    "false": (False, []),
    "zero": (0, []),
    "an empty string": (b"", []),
}  # fmt: skip


@pytest.mark.parametrize(("output", "expected"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("key", [b"output", "output"])
def test_every_shape(
    namespace: Queue,
    spec: WorkSpec,
    following: WorkSpec,
    clock: Clock,
    key: Name,
    output: object,
    expected: list[Unit],
) -> None:
    finish(namespace, spec, dumps({b"a": 1, key: output, b"z": 2}))
    assert chained(following, clock.now) == expected
    assert spec.count_work_units() == {FINISHED: 1}


#: output that is refused, all of it.
BAD: dict[str, Any] = {
    "a number": 5,
    "a fraction": 1.5,
    "true": True,
    "an id": UUID(int=7),
    "a name alone": b"a",
    "a name alone as text": "a",
    "a list of numbers": [b"a", 5],
    "a null among names": [b"a", None],
    "a name that is no string in a map": {b"a": 1, 5: 1},
    "a name that is null in a map": {None: 1},
    "one item": [b"a", (b"b",)],
    "no item": [b"a", ()],
    "five items": [b"a", (b"b", 1, {}, 1, 1)],
    "a name that is a list": [b"a", ([b"b"], 1)],
    "meta that is a list": [b"a", (b"b", 1, [5])],
    "meta that is a number": [b"a", (b"b", 1, 5)],
    "a priority that is text": [b"a", (b"b", 1, {b"priority": b"high"})],
    "a fourth item that is text": [b"a", (b"b", 1, {}, b"x")],
    "a priority that is a truth": [b"a", (b"b", 1, {b"priority": True})],
    "a priority that is no number": [b"a", (b"b", 1, {b"priority": float("nan")})],
    "an enormous priority": [b"a", (b"b", 1, {}, 10**400)],
    "a delay that is text": [b"a", (b"b", 1, {b"delay": b"long"})],
    "a delay without end": [b"a", (b"b", 1, {b"delay": float("inf")})],
    "an enormous delay": [b"a", (b"b", 1, {b"delay": 10**400})],
}


@pytest.mark.parametrize("output", BAD.values(), ids=BAD)
@pytest.mark.parametrize("way", WAYS)
def test_bad_output_adds_nothing_and_the_unit_is_finished(
    namespace: Queue, spec: WorkSpec, following: WorkSpec, output: object, way: str
) -> None:
    data = dumps({b"output": output})
    finish(namespace, spec, data, way)
    assert spec.count_work_units() == {FINISHED: 1}
    assert spec.work_unit(b"unit").data == data
    assert following.count_work_units() == {}


@pytest.mark.parametrize(
    "data",
    [{}, [], [b"output"], b"output", None, 5, {b"outputs": [b"a"]}, {b"x": {b"output": [b"a"]}}],
)
def test_data_without_output(
    namespace: Queue, spec: WorkSpec, following: WorkSpec, data: object
) -> None:
    finish(namespace, spec, dumps(data))
    assert following.count_work_units() == {}


def test_data_is_cut_out_as_it_stands(
    namespace: Queue, spec: WorkSpec, following: WorkSpec
) -> None:
    # {_ text "output": [_ tuple(bytes "k" with a long head, an odd item)]}
    odd = bytes.fromhex("bf 6161 1800 fa3f800000 d82550" + "07" * 16 + "ff")
    head, tail = bytes.fromhex("bf 666f7574707574 9f d88082 58016b"), b"\xff\xff"
    finish(namespace, spec, head + odd + tail)
    unit = following.work_unit("k")
    assert (unit.name, unit.data) == (b"k", odd)
    finish(namespace, spec, bytes.fromhex("a1 466f7574707574 bf 5801 6c") + odd + b"\xff")
    assert following.work_unit(b"l").data == odd


class TestWhen:
    """The output is that of the data as of the end, given then or before."""

    OUTPUT = dumps({b"output": [b"a"]})
    OTHER = dumps({b"output": [b"b"]})

    @pytest.mark.parametrize(
        ("first", "renewed", "given", "expected"),
        [
            (OUTPUT, None, None, [b"a"]),
            (DATA, OUTPUT, None, [b"a"]),
            (DATA, None, OUTPUT, [b"a"]),
            (OTHER, OUTPUT, None, [b"a"]),
            (OUTPUT, OTHER, OUTPUT, [b"a"]),
            (OUTPUT, None, DATA, []),
            (OUTPUT, DATA, None, []),
        ],
    )
    def test_effective_data(
        self,
        namespace: Queue,
        spec: WorkSpec,
        following: WorkSpec,
        first: bytes,
        renewed: bytes | None,
        given: bytes | None,
        expected: list[Name],
    ) -> None:
        add(spec, b"unit", data=first)
        attempt = take(namespace)
        attempt.renew(LEASE, renewed)
        assert following.count_work_units() == {}
        attempt.finish(given)
        assert listed(following) == expected

    def test_an_update_before_the_end_counts(self, spec: WorkSpec, following: WorkSpec) -> None:
        add(spec, b"unit", data=self.OTHER)
        spec.update_work_unit(b"unit", status=PENDING, lease=LEASE)
        spec.update_work_unit(b"unit", lease=LEASE, data=self.OUTPUT)
        spec.update_work_unit(b"unit", status=FINISHED)
        assert listed(following) == [b"a"]

    def test_only_a_finish_chains(
        self, namespace: Queue, spec: WorkSpec, following: WorkSpec, clock: Clock
    ) -> None:
        add(spec, b"unit")
        for end in ("expire", "retry", "fail"):
            clock.advance(1)
            getattr(take(namespace), end)(self.OUTPUT)
        assert following.count_work_units() == {}

    def test_then_as_it_is_at_the_end_counts(
        self, namespace: Queue, spec: WorkSpec, following: WorkSpec
    ) -> None:
        add(spec, b"unit")
        attempt = take(namespace)
        define(namespace, b"spec", then="other")
        other = define(namespace, b"other")
        attempt.finish(self.OUTPUT)
        assert listed(other) == [b"a"]
        assert listed(following) == []

    @pytest.mark.parametrize("then", [b"none", None, b""])
    def test_no_next_spec(self, namespace: Queue, spec: WorkSpec, then: Name | None) -> None:
        define(namespace, b"spec", then=then)
        finish(namespace, spec, self.OUTPUT)
        assert namespace.summarize() == [("", b"spec", FINISHED, 1)]

    def test_what_is_chained_is_handed_out(
        self, namespace: Queue, spec: WorkSpec, following: WorkSpec
    ) -> None:
        assert request(namespace) == []
        finish(namespace, spec, self.OUTPUT)
        assert request(namespace, work_specs=["next"]) == [b"a"]

    @pytest.mark.parametrize("way", WAYS)
    def test_into_itself(self, namespace: Queue, spec: WorkSpec, way: str) -> None:
        define(namespace, b"spec", then=b"spec")
        finish(namespace, spec, dumps({b"output": [(b"unit", 5), b"more"]}), way)
        assert spec.count_work_units() == {AVAILABLE: 2}
        unit = spec.work_unit(b"unit")
        assert (unit.data, [attempt.status for attempt in unit.attempts]) == (b"\x05", [FINISHED])


class TestAgain:
    """Units of the next spec that exist already."""

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("status", [FINISHED, FAILED, AVAILABLE])
    def test_one_that_is_done_runs_again(
        self, namespace: Queue, spec: WorkSpec, following: WorkSpec, status: int, way: str
    ) -> None:
        unit = add_one(following, b"a", priority=5)
        following.update_work_unit(b"a", status=status)
        finish(namespace, spec, dumps({b"output": [("a", 7)]}), way)
        assert (unit.status, unit.name, unit.data) == (AVAILABLE, b"a", b"\x07")
        assert unit.priority == (0 if way == "attempt" else 5)

    def test_a_pending_one_is_left_to_its_worker_by_an_attempt(
        self, namespace: Queue, spec: WorkSpec, following: WorkSpec
    ) -> None:
        unit = add_one(following, b"a")
        attempt = take(namespace, b"other")
        finish(namespace, spec, dumps({b"output": [(b"a", 7, {b"priority": 3})]}))
        assert (unit.status, unit.active_attempt) == (PENDING, attempt)
        assert (unit.data, unit.priority) == (DATA, 3)
        attempt.retry()
        assert unit.data == b"\x07"

    def test_a_pending_one_is_taken_from_its_worker_by_an_update(
        self, namespace: Queue, spec: WorkSpec, following: WorkSpec
    ) -> None:
        unit = add_one(following, b"a")
        attempt = take(namespace, b"other")
        finish(namespace, spec, dumps({b"output": [(b"a", 7)]}), "update")
        assert (unit.status, unit.data, attempt.status) == (AVAILABLE, b"\x07", RETRYABLE)


class TestPriority:
    """A unit without one inherits it when the finish is an update; by an attempt it gets 0."""

    #: output of one unit -> its own priority, if it has one.
    OUTPUTS: tuple[tuple[Any, float | None], ...] = (
        ({b"a": 1}, None),
        ([b"a"], None),
        ([(b"a", 1)], None),
        ([(b"a", 1, {})], None),
        ([(b"a", 1, {b"own": 1})], None),
        ([(b"a", 1, None, None)], None),
        ([(b"a", 1, {b"priority": 5})], 5),
        ([(b"a", 1, {b"priority": 0})], 0),
        ([(b"a", 1, {}, 5)], 5),
    )

    @pytest.mark.parametrize(("output", "own"), OUTPUTS)
    @pytest.mark.parametrize("priority", [9, -1])
    @pytest.mark.parametrize("way", WAYS)
    def test_inherited(
        self,
        namespace: Queue,
        spec: WorkSpec,
        following: WorkSpec,
        output: object,
        own: float | None,
        priority: float,
        way: str,
    ) -> None:
        finish(namespace, spec, dumps({b"output": output}), way, priority)
        inherited = priority if way == "update" else 0
        assert following.work_unit(b"a").priority == (inherited if own is None else own)


def test_a_delay_begins_with_the_end(
    namespace: Queue, spec: WorkSpec, following: WorkSpec, clock: Clock
) -> None:
    add(spec, b"unit")
    attempt = take(namespace, lease=1000)
    clock.advance(100)
    attempt.finish(dumps({b"output": [(b"a", 1, {b"delay": 90})]}))
    assert following.count_work_units() == {DELAYED: 1}
    assert following.work_unit(b"a").not_before == clock.now + 90
    clock.advance(89)
    assert request(namespace) == []
    clock.advance(1)
    assert request(namespace) == [b"a"]


def test_a_chain_of_three_with_a_large_output(
    namespace: Queue, spec: WorkSpec, following: WorkSpec
) -> None:
    define(namespace, b"next", then=b"last")
    last = define(namespace, b"last")
    names = [b"%04d" % number for number in range(1500)]
    finish(namespace, spec, dumps({b"output": {name: {b"output": [name]} for name in names}}))
    assert following.count_work_units() == {AVAILABLE: 1500}
    for attempt in namespace.request_attempts(b"worker", count=2000):
        attempt.finish()
    assert listed(last) == names
