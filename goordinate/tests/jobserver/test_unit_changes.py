"""RPCs that change or remove many work units: prioritize_work_units, del_work_units, archive."""

from __future__ import annotations

from typing import Any

import pytest

from goordinate.tests.jobserver.rpc import AVAILABLE, DONE, FAILED, FINISHED, PENDING, Rpc


@pytest.fixture(autouse=True)
def spec(rpc: Rpc) -> None:
    """Every test here has a work spec `s`."""
    rpc.define(b"s")


class TestPrioritize:
    """prioritize_work_units."""

    @pytest.mark.parametrize(
        ("options", "order"),
        [
            ({b"priority": 5}, [b"c", b"a", b"b"]),
            ({b"priority": 1}, [b"a", b"c", b"b"]),
            ({b"priority": 0}, [b"a", b"b", b"c"]),
            ({b"adjustment": 2}, [b"a", b"c", b"b"]),
            ({b"adjustment": 2.5}, [b"c", b"a", b"b"]),
            ({b"priority": 5, b"adjustment": -99}, [b"c", b"a", b"b"]),
            ({b"priority": None, b"adjustment": 9}, [b"c", b"a", b"b"]),
            ({"priority": 5}, [b"c", b"a", b"b"]),
            ({}, [b"a", b"b", b"c"]),
        ],
        ids=repr,
    )
    def test_options(self, rpc: Rpc, options: dict[Any, Any], order: list[bytes]) -> None:
        rpc.add(b"s", b"a", priority=1)
        rpc.add(b"s", b"b")
        rpc.add(b"s", b"c", priority=-1)
        options = {b"work_unit_keys": [b"none", b"c"], **options}
        rpc.expect(DONE, "prioritize_work_units", b"s", options)
        assert [rpc.taken() for _ in order] == order

    def test_without_keys(self, rpc: Rpc) -> None:
        for options in ({}, {b"priority": 5}, {b"work_unit_keys": None, b"priority": 5}):
            ok, note = rpc.call("prioritize_work_units", b"s", options)
            assert ok is False
            assert b"work_unit_keys" in note


class TestDelete:
    """del_work_units."""

    @pytest.fixture(autouse=True)
    def units(self, rpc: Rpc, spec: None) -> None:
        """Two units in each of the four states: a1, a2, p1, p2, f1, f2, x1, x2."""
        rpc.add(b"s", b"f1", b"f2", b"p1", b"p2", b"x1", b"x2")
        assert len(rpc.get(worker=b"w", max_jobs=9)) == 6
        rpc.add(b"s", b"a1", b"a2")
        for key, status in ((b"f", FINISHED), (b"x", FAILED)):
            rpc.update(b"s", key + b"1", status=status)
            rpc.update(b"s", key + b"2", status=status)

    @pytest.mark.parametrize(
        ("options", "count", "left"),
        [
            ({b"all": True}, 8, b""),
            ({b"all": True, b"work_unit_keys": [b"a1"], b"state": FAILED}, 8, b""),
            ({b"all": 1}, 8, b""),
            ({"all": True}, 8, b""),
            ({b"all": False, b"state": FAILED}, 2, b"a1 a2 f1 f2 p1 p2"),
            ({b"work_unit_keys": [b"a1", b"p2", b"none"]}, 2, b"a2 f1 f2 p1 x1 x2"),
            ({b"work_unit_keys": [b"a1", b"a1"]}, 1, b"a2 f1 f2 p1 p2 x1 x2"),
            ({b"work_unit_keys": [b"a1", b"p1", b"x1"], b"state": PENDING}, 1,
             b"a1 a2 f1 f2 p2 x1 x2"),
            ({b"work_unit_keys": [b"a1"], b"state": FAILED}, 0, b"a1 a2 f1 f2 p1 p2 x1 x2"),
            ({b"work_unit_keys": []}, 0, b"a1 a2 f1 f2 p1 p2 x1 x2"),
            ({b"state": AVAILABLE}, 2, b"f1 f2 p1 p2 x1 x2"),
            ({b"state": PENDING}, 2, b"a1 a2 f1 f2 x1 x2"),
            ({b"state": FINISHED}, 2, b"a1 a2 p1 p2 x1 x2"),
            ({b"state": 2}, 0, b"a1 a2 f1 f2 p1 p2 x1 x2"),
        ],
        ids=repr,
    )  # fmt: skip
    def test_options(self, rpc: Rpc, options: dict[Any, Any], count: int, left: bytes) -> None:
        rpc.expect((count, None), "del_work_units", b"s", options)
        assert rpc.keys(b"s") == left.split()
        assert sum(rpc.counts(b"s").values()) == 8 - count

    @pytest.mark.parametrize("options", [{}, {b"all": False}, {b"state": None}])
    def test_nothing_usable(self, rpc: Rpc, options: dict[bytes, Any]) -> None:
        count, note = rpc.call("del_work_units", b"s", options)
        assert count == 0
        assert note
        assert len(rpc.keys(b"s")) == 8

    def test_delayed_units_are_available_ones(self, rpc: Rpc) -> None:
        rpc.add(b"s", b"later", delay=100)
        options = {b"work_unit_keys": [b"later", b"p1"], b"state": AVAILABLE}
        rpc.expect((1, None), "del_work_units", b"s", options)
        rpc.add(b"s", b"later", delay=100)
        rpc.expect((0, None), "del_work_units", b"s", {b"state": 6})
        rpc.expect((3, None), "del_work_units", b"s", {b"state": AVAILABLE})


class TestArchive:
    """archive: the limits are the server's configuration."""

    @pytest.fixture(autouse=True)
    def units(self, rpc: Rpc, spec: None) -> None:
        """Five finished units, one a second."""
        for key in (b"0", b"1", b"2", b"3", b"4"):
            rpc.clock.advance(1)
            rpc.add(b"s", key)
            rpc.update(b"s", key, status=FINISHED)

    def test_without_limits_nothing_is_dropped(self, rpc: Rpc) -> None:
        rpc.expect(None, "archive", {})
        rpc.expect(None, "archive")
        assert len(rpc.keys(b"s")) == 5

    @pytest.mark.parametrize(
        ("count", "age", "left"),
        [(2, None, 2), (None, 3, 4), (1, 3, 1), (4, 1, 2), (0, None, 0)],
    )
    def test_limits(self, rpc: Rpc, count: int | None, age: float | None, left: int) -> None:
        rpc.server.limit_completed_count = count
        rpc.server.limit_completed_age = age
        rpc.expect(None, "archive", {})
        assert len(rpc.keys(b"s")) == left
        # Archived units stay in the counts.
        rpc.expect(({FINISHED: 5}, None), "count_work_units", b"s")

    @pytest.mark.parametrize(
        ("names", "left"),
        [([b"s"], 0), ((b"s", b"none"), 0), (["s"], 0), ([], 5), ([b"other"], 5), (None, 0)],
    )
    def test_work_spec_names(self, rpc: Rpc, names: object, left: int) -> None:
        rpc.define(b"other")
        rpc.server.limit_completed_count = 0
        rpc.expect(None, "archive", {b"work_spec_names": names})
        assert len(rpc.keys(b"s")) == left
