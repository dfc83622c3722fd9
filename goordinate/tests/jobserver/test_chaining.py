"""Chaining: what a unit that becomes FINISHED adds to the `then` spec."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from goordinate.tests.jobserver.rpc import AVAILABLE, DONE, FAILED, FINISHED, PENDING, Rpc

ID = UUID(int=7)


@pytest.fixture(autouse=True)
def specs(rpc: Rpc) -> None:
    """Every test here has a work spec `s` that feeds `t`."""
    rpc.define(b"s", then=b"t")
    rpc.define(b"t")


def finish(rpc: Rpc, output: object, key: str = "output") -> None:
    """A unit of `s` finishes with this output."""
    rpc.add(b"s", b"k")
    assert rpc.taken(work_spec_names=[b"s"]) == b"k"
    data = {b"other": b"x", key.encode(): output}
    rpc.expect(DONE, "update_work_unit", b"s", b"k", {b"status": FINISHED, b"data": data})
    assert rpc.state(b"s", b"k") == FINISHED


#: output -> the units of the next spec
SHAPES: list[tuple[object, list[tuple[Any, Any]]]] = [
    ({}, []),
    ([], []),
    ((), []),
    (None, []),
    (False, []),
    (0, []),
    (b"", []),
    ({b"a": {b"n": 1}}, [(b"a", {b"n": 1})]),
    ({b"b": {}, "a": (1, [2])}, [("a", (1, [2])), (b"b", {})]),
    ({b"a": None}, [(b"a", None)]),
    ([b"b", "a"], [("a", {}), (b"b", {})]),
    ((b"a",), [(b"a", {})]),
    ([(b"a", {b"n": 1}), [b"b", {b"n": 2}]], [(b"a", {b"n": 1}), (b"b", {b"n": 2})]),
    ([(b"a", {b"n": 1}, {}), [b"b", ID, {b"priority": 2}]], [(b"a", {b"n": 1}), (b"b", ID)]),
    ([(b"a", {}, {b"priority": 2, b"own": 1}, 3)], [(b"a", {})]),
    ([(b"a", {}, None), (b"b", {}, None, None)], [(b"a", {}), (b"b", {})]),
    (
        [b"a", "b", [b"c", {b"n": 1}], ("d", {"n": 2}, {"priority": 1}), (b"e", [])],
        [(b"a", {}), ("b", {}), (b"c", {b"n": 1}), ("d", {"n": 2}), (b"e", [])],
    ),
    ([b"a", (b"a", {b"n": 2})], [(b"a", {b"n": 2})]),
    ([b""], [(b"", {})]),
]


@pytest.mark.parametrize(("output", "units"), SHAPES, ids=lambda value: repr(value)[:60])
def test_shapes_of_output(rpc: Rpc, output: object, units: list[tuple[Any, Any]]) -> None:
    finish(rpc, output)
    rpc.expect((units, None), "get_work_units", b"t", {})


def test_the_key_output_may_be_text(rpc: Rpc) -> None:
    rpc.add(b"s", b"k", data={"output": {"a": "é"}})
    rpc.update(b"s", b"k", status=FINISHED)
    rpc.expect(([("a", "é")], None), "get_work_units", b"t", {})


@pytest.mark.parametrize(
    "output",
    [
        5,
        True,
        1.5,
        b"abc",
        "abc",
        ID,
        [5],
        [b"a", None],
        [b"a", []],
        [(b"a",)],
        [(b"a", {}, {}, 1, 2)],
        [(5, {})],
        [b"a", (b"b", {}, {b"priority": b"high"})],
        [(b"b", {}, {b"delay": b"long"})],
        [(b"b", {}, 5)],
        [(b"b", {}, {}, b"x")],
        {b"a": {}, 5: {}},
        {None: {}},
    ],
    ids=repr,
)
def test_another_shape_adds_nothing_and_the_finish_succeeds(rpc: Rpc, output: object) -> None:
    finish(rpc, output)
    rpc.expect(([], None), "get_work_units", b"t", {})


@pytest.mark.parametrize(
    "data", [{}, [], [b"output"], b"output", None, 5, {b"x": {b"output": [b"a"]}}]
)
def test_data_without_output(rpc: Rpc, data: object) -> None:
    rpc.expect(DONE, "add_work_units", b"s", [(b"k", data)])
    rpc.update(b"s", b"k", status=FINISHED)
    rpc.expect(([], None), "get_work_units", b"t", {})


def test_no_next_spec(rpc: Rpc) -> None:
    for then in (b"none", None, b""):
        rpc.define(b"s", then=then)
        finish(rpc, {b"a": {}})
    rpc.expect(([], None), "get_work_units", b"t", {})


def test_a_spec_that_feeds_itself(rpc: Rpc) -> None:
    rpc.define(b"s", then=b"s")
    rpc.add(b"s", b"k", data={b"output": [b"k", b"j"]})
    rpc.update(b"s", b"k", status=FINISHED)
    rpc.expect(([(b"j", {}), (b"k", {})], None), "get_work_units", b"s", {b"state": AVAILABLE})


class TestPriority:
    """A unit without its own priority inherits the finished unit's."""

    @pytest.mark.parametrize(
        ("output", "order"),
        [
            ({b"a": {}}, [b"a", b"m"]),
            ([b"a"], [b"a", b"m"]),
            ([(b"a", {})], [b"a", b"m"]),
            ([(b"a", {}, {})], [b"a", b"m"]),
            ([(b"a", {}, {b"own": 1})], [b"a", b"m"]),
            ([(b"a", {}, {b"priority": 1})], [b"m", b"a"]),
            ([(b"a", {}, {b"priority": 0})], [b"m", b"a"]),
            ([(b"a", {}, {}, 1)], [b"m", b"a"]),
        ],
        ids=repr,
    )
    def test_inherited(self, rpc: Rpc, output: object, order: list[bytes]) -> None:
        rpc.add(b"t", b"m", priority=2)
        rpc.add(b"s", b"k", priority=3, data={b"output": output})
        rpc.update(b"s", b"k", status=FINISHED)
        assert [rpc.taken(work_spec_names=[b"t"]) for _ in order] == order

    def test_a_negative_one_is_inherited_too(self, rpc: Rpc) -> None:
        rpc.add(b"t", b"m")
        rpc.add(b"s", b"k", priority=-1, data={b"output": [b"a"]})
        rpc.update(b"s", b"k", status=FINISHED)
        assert [rpc.taken(), rpc.taken()] == [b"m", b"a"]

    def test_a_unit_that_is_there_keeps_its_own(self, rpc: Rpc) -> None:
        rpc.add(b"t", b"a", b"m")
        rpc.add(b"s", b"k", priority=3, data={b"output": [b"m"]})
        rpc.update(b"s", b"k", status=FINISHED)
        assert [rpc.taken(), rpc.taken()] == [b"a", b"m"]


def test_delay(rpc: Rpc) -> None:
    finish(rpc, [(b"a", {b"n": 1}, {b"delay": 10})])
    assert rpc.keys(b"t") == [b"a"]
    assert rpc.taken() is None
    rpc.clock.advance(10)
    rpc.expect(((b"t", b"a", {b"n": 1}), None), "get_work", b"w", {})


@pytest.mark.parametrize("state", [AVAILABLE, PENDING, FINISHED, FAILED])
def test_a_unit_that_is_there_is_run_again_with_the_new_data(rpc: Rpc, state: int) -> None:
    rpc.add(b"t", b"a", data={b"n": 1})
    if state != AVAILABLE:
        rpc.get(worker=b"v")
        rpc.update(b"t", b"a", status=state)
    finish(rpc, {b"a": {b"n": 2}})
    status = {b"status": AVAILABLE, b"expiration": None}
    rpc.expect(([status], None), "get_work_unit_status", b"t", [b"a"])
    rpc.expect(([(b"a", {b"n": 2})], None), "get_work_units", b"t", {})


def test_output_from_before_the_finish_counts(rpc: Rpc) -> None:
    rpc.add(b"s", b"k", b"l", data={b"output": [b"early"]})
    rpc.get()
    rpc.update(b"s", b"k", lease_time=10, data={b"output": [b"progress"]})
    rpc.update(b"s", b"k", status=FINISHED)
    assert rpc.keys(b"t") == [b"progress"]
    rpc.update(b"s", b"l", status=FINISHED)
    assert rpc.keys(b"t") == [b"early", b"progress"]


def test_a_unit_chains_once_for_each_time_it_becomes_finished(rpc: Rpc) -> None:
    rpc.add(b"s", b"k", data={b"output": [b"a"]})
    for _ in range(2):
        rpc.update(b"s", b"k", status=FINISHED)
        assert rpc.keys(b"t") == [b"a"]
        rpc.call("del_work_units", b"t", {b"all": True})
        for status in (FINISHED, FAILED):
            rpc.update(b"s", b"k", status=status)
            assert rpc.keys(b"t") == []
        rpc.update(b"s", b"k", status=AVAILABLE)


def test_a_failure_does_not_chain_and_a_late_success_does(rpc: Rpc) -> None:
    rpc.add(b"s", b"k", data={b"output": [b"a"]})
    rpc.update(b"s", b"k", status=FAILED)
    assert rpc.keys(b"t") == []
    rpc.update(b"s", b"k", status=FINISHED)
    assert rpc.keys(b"t") == [b"a"]


def test_a_chain_of_three_with_a_large_output(rpc: Rpc) -> None:
    rpc.define(b"t", then=b"u")
    rpc.define("u")
    keys = [b"%04d" % number for number in range(1500)]
    finish(rpc, {key: {b"output": {b"u" + key: key}} for key in keys})
    assert rpc.counts(b"t") == {AVAILABLE: 1500}
    for _, key, _ in rpc.get(max_jobs=1500):
        rpc.update(b"t", key, status=FINISHED)
    expected = [(b"u" + key, key) for key in keys]
    rpc.expect((expected, None), "get_work_units", b"u", {b"limit": 2000})
