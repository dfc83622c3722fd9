"""RPCs that add, count and show work units.

add_work_units, count_work_units, get_work_units, get_work_unit_status.
"""

from __future__ import annotations

from typing import Any

import pytest

from goordinate.tests.conformance.clock import UNIX_START
from goordinate.tests.jobserver.rpc import AVAILABLE, DONE, FAILED, FINISHED, PENDING, Rpc


@pytest.fixture(autouse=True)
def spec(rpc: Rpc) -> None:
    """Every test here has a work spec `s`."""
    rpc.define(b"s")


def in_all_states(rpc: Rpc) -> None:
    """The units a, b, c, d in the four states, held by `w` if that is part of it."""
    rpc.add(b"s", b"b", b"c", b"d")
    for key in (b"b", b"c", b"d"):
        assert rpc.taken(worker=b"w") == key
    rpc.update(b"s", b"c", status=FINISHED)
    rpc.update(b"s", b"d", status=FAILED)
    rpc.add(b"s", b"a")


class TestAdd:
    """add_work_units."""

    @pytest.mark.parametrize(
        "unit",
        [
            (b"k", {b"d": 1}),
            [b"k", {b"d": 1}],
            (b"k", {b"d": 1}, {}),
            (b"k", {b"d": 1}, None),
            [b"k", {b"d": 1}, {b"priority": 0}],
            (b"k", {b"d": 1}, {b"priority": None, b"own": b"x"}, None),
            (b"k", {b"d": 1}, None, 3),
            (b"k", {b"d": 1}, {"delay": 0}),
        ],
        ids=repr,
    )
    def test_shapes_of_a_unit(self, rpc: Rpc, unit: object) -> None:
        rpc.expect(DONE, "add_work_units", b"s", [unit])
        rpc.expect(([(b"k", {b"d": 1})], None), "get_work_units", b"s", {})

    def test_the_list_may_be_a_tuple_or_empty(self, rpc: Rpc) -> None:
        rpc.expect(DONE, "add_work_units", b"s", ((b"k", {}), [b"j", {}]))
        rpc.expect(DONE, "add_work_units", b"s", [])
        assert rpc.keys(b"s") == [b"j", b"k"]

    def test_priority_from_meta_or_as_fourth_item(self, rpc: Rpc) -> None:
        units = [
            (b"a", {}),
            (b"b", {}, {b"priority": 2}),
            (b"c", {}, {"priority": 1.5}),
            [b"d", {}, {b"priority": 9}, 1],
            (b"e", {}, {}, 3),
            (b"f", {}, {b"priority": 0.5}, None),
            (b"g", {}, {b"priority": -1}),
        ]
        rpc.expect(DONE, "add_work_units", b"s", units)
        order = [rpc.taken() for _ in units]
        assert order == [b"e", b"b", b"c", b"d", b"f", b"a", b"g"]

    def test_a_delayed_unit_waits_and_is_available_to_the_eye(self, rpc: Rpc) -> None:
        rpc.add(b"s", b"later", delay=10)
        rpc.add(b"s", b"now")
        rpc.expect(({AVAILABLE: 2}, None), "count_work_units", b"s")
        assert rpc.status(b"s", b"later") == {b"status": AVAILABLE, b"expiration": None}
        assert rpc.keys(b"s", state=AVAILABLE) == [b"later", b"now"]
        for state in (2, 6):  # as no client knows of any other state
            assert rpc.keys(b"s", state=state) == []
        assert [rpc.taken(), rpc.taken()] == [b"now", None]
        rpc.clock.advance(9.9)
        assert rpc.taken() is None
        rpc.clock.advance(0.1)
        assert rpc.taken() == b"later"

    def test_a_key_that_exists_starts_anew(self, rpc: Rpc) -> None:
        """It is taken from its worker, and keeps its priority."""
        rpc.add(b"s", b"k", priority=5)
        rpc.add(b"s", b"other", priority=4)
        assert rpc.taken(worker=b"w") == b"k"
        rpc.add(b"s", b"k", data={b"n": 2}, priority=-9)
        rpc.expect(((b"s", b"k", {b"n": 2}), None), "get_work", b"v", {})


class TestCount:
    """count_work_units."""

    def test_only_states_with_a_count(self, rpc: Rpc) -> None:
        rpc.expect(({}, None), "count_work_units", b"s")
        rpc.add(b"s", b"k")
        rpc.expect(({AVAILABLE: 1}, None), "count_work_units", b"s")

    def test_every_state(self, rpc: Rpc) -> None:
        in_all_states(rpc)
        rpc.add(b"s", b"e", b"f")
        expected = {AVAILABLE: 3, PENDING: 1, FINISHED: 1, FAILED: 1}
        rpc.expect((expected, None), "count_work_units", b"s")


# options -> the keys that are listed; a to d are in the four states, x and y have priorities
LISTS: list[tuple[dict[Any, Any], list[bytes]]] = [
    ({}, [b"a", b"b", b"c", b"d", b"x", b"y"]),
    ({b"limit": 2}, [b"a", b"b"]),
    ({b"limit": 0}, []),
    ({b"limit": b"3"}, [b"a", b"b", b"c"]),
    ({b"start": b"b"}, [b"b", b"c", b"d", b"x", b"y"]),
    ({b"start": b"bb", b"limit": 1}, [b"c"]),
    ({b"start": "c", "limit": 2}, [b"c", b"d"]),
    ({b"start": b"z"}, []),
    ({b"start": 0}, [b"a", b"b", b"c", b"d", b"x", b"y"]),
    ({b"start": None, b"limit": None, b"state": None}, [b"a", b"b", b"c", b"d", b"x", b"y"]),
    ({b"state": AVAILABLE}, [b"y", b"a", b"x"]),
    ({b"state": PENDING}, [b"b"]),
    ({b"state": FINISHED}, [b"c"]),
    ({"state": FAILED}, [b"d"]),
    ({b"state": 2}, []),
    ({b"state": [FINISHED, FAILED]}, [b"c", b"d"]),
    ({b"state": (AVAILABLE, PENDING)}, [b"y", b"a", b"b", b"x"]),
    ({b"state": [AVAILABLE, AVAILABLE]}, [b"y", b"a", b"x"]),
    ({b"state": []}, []),
    ({b"state": AVAILABLE, b"limit": 2}, [b"y", b"a"]),
    ({b"state": AVAILABLE, b"start": b"b"}, [b"y", b"x"]),
    ({b"state": [1, 3, 4, 5], b"start": b"c", b"limit": 3}, [b"y", b"c", b"d"]),
    ({b"state": AVAILABLE, b"by_key": True}, [b"a", b"x", b"y"]),
    ({b"state": [1, 3, 4, 5], b"by_key": 1, b"start": b"b", b"limit": 4}, [b"b", b"c", b"d", b"x"]),
    ({b"state": AVAILABLE, b"by_key": False}, [b"y", b"a", b"x"]),
    ({b"state": AVAILABLE, b"by_key": None}, [b"y", b"a", b"x"]),
    ({"by_key": True, b"limit": 2}, [b"a", b"b"]),
    ({b"work_unit_keys": []}, [b"a", b"b", b"c", b"d", b"x", b"y"]),
    ({b"work_unit_keys": None, b"limit": 1}, [b"a"]),
]


class TestGet:
    """get_work_units."""

    @pytest.mark.parametrize(("options", "expected"), LISTS, ids=lambda value: repr(value))
    def test_options(self, rpc: Rpc, options: dict[Any, Any], expected: list[bytes]) -> None:
        in_all_states(rpc)
        rpc.add(b"s", b"x", priority=-1)
        rpc.add(b"s", b"y", priority=1)
        rpc.expect(([(key, {}) for key in expected], None), "get_work_units", b"s", options)

    def test_by_key_in_the_order_asked_whatever_else_is_asked(self, rpc: Rpc) -> None:
        in_all_states(rpc)
        options = {
            b"work_unit_keys": [b"d", b"none", b"a", b"d"],
            b"state": 4, b"start": b"b", b"limit": 1,
        }  # fmt: skip
        expected: list[Any] = [(b"d", {}), (b"none", None), (b"a", {}), (b"d", {})]
        rpc.expect((expected, None), "get_work_units", b"s", options)
        rpc.expect(([(b"a", {})], None), "get_work_units", b"s", {b"work_unit_keys": (b"a",)})

    def test_limits(self, rpc: Rpc) -> None:
        keys = [b"%05d" % number for number in range(10_001)]
        rpc.add(b"s", *keys)
        assert rpc.keys(b"s") == keys[:1000]
        assert rpc.keys(b"s", state=AVAILABLE) == keys[:1000]
        assert rpc.keys(b"s", limit=10_000) == keys[:10_000]
        assert rpc.keys(b"s", limit=20_000) == keys[:10_000]
        assert rpc.keys(b"s", limit=20_000, start=keys[1]) == keys[1:]
        assert rpc.keys(b"s", work_unit_keys=keys) == keys


class TestStatus:
    """get_work_unit_status."""

    def test_every_state(self, rpc: Rpc) -> None:
        in_all_states(rpc)
        expected: list[Any] = [
            {b"status": FAILED, b"expiration": UNIX_START, b"worker_id": b"w"},
            {b"status": AVAILABLE, b"expiration": None},
            None,
            {b"status": PENDING, b"expiration": UNIX_START + 300, b"worker_id": b"w"},
            {b"status": FINISHED, b"expiration": UNIX_START, b"worker_id": b"w"},
        ]
        keys = [b"d", b"a", b"none", b"b", b"c"]
        rpc.expect((expected, None), "get_work_unit_status", b"s", keys)
        rpc.expect(([], None), "get_work_unit_status", b"s", [])
        rpc.expect(([expected[1]] * 2, None), "get_work_unit_status", b"s", (b"a", b"a"))

    @pytest.mark.parametrize(
        ("data", "traceback"),
        [
            ({b"traceback": b"line 1\nline 2"}, b"line 1\nline 2"),
            ({"traceback": "text"}, "text"),
            ({b"a": [{b"traceback": 1}], b"traceback": (1, [2.0])}, (1, [2.0])),
            ({b"traceback": None}, None),
            ({b"traceback": b""}, b""),
        ],
        ids=repr,
    )
    def test_traceback(self, rpc: Rpc, data: object, traceback: object) -> None:
        rpc.add(b"s", b"k", data=data)
        expected = {b"status": AVAILABLE, b"expiration": None, b"traceback": traceback}
        rpc.expect(([expected], None), "get_work_unit_status", b"s", [b"k"])

    @pytest.mark.parametrize(
        "data",
        [{}, {b"a": b"traceback"}, {b"x": {b"traceback": 1}}, [b"traceback"], b"traceback", 5, ()],
        ids=repr,
    )
    def test_no_traceback(self, rpc: Rpc, data: object) -> None:
        rpc.expect(DONE, "add_work_units", b"s", [(b"k", data)])
        expected = {b"status": AVAILABLE, b"expiration": None}
        rpc.expect(([expected], None), "get_work_unit_status", b"s", [b"k"])
