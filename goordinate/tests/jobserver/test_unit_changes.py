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
            ({b"priority": 1.5}, [b"c", b"a", b"b"]),
            ({b"priority": 1}, [b"a", b"c", b"b"]),
            ({b"priority": 0}, [b"a", b"b", b"c"]),
            ({b"priority": -1}, [b"a", b"b", b"c"]),
            ({b"adjustment": 2}, [b"a", b"c", b"b"]),
            ({b"adjustment": 2.5}, [b"c", b"a", b"b"]),
            ({b"adjustment": 1}, [b"a", b"b", b"c"]),
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

    def test_adjustments_add_up(self, rpc: Rpc) -> None:
        rpc.add(b"s", b"a", priority=25)
        rpc.add(b"s", b"b")
        for _ in range(3):
            options = {b"work_unit_keys": [b"b"], b"adjustment": 10}
            rpc.expect(DONE, "prioritize_work_units", b"s", options)
        assert rpc.taken() == b"b"

    def test_a_unit_that_is_held_has_its_priority_when_it_comes_back(self, rpc: Rpc) -> None:
        rpc.add(b"s", b"a", b"b")
        assert rpc.taken() == b"a"
        options = {b"work_unit_keys": [b"a"], b"priority": -1}
        rpc.expect(DONE, "prioritize_work_units", b"s", options)
        assert rpc.state(b"s", b"a") == PENDING
        rpc.update(b"s", b"a", status=AVAILABLE)
        assert [rpc.taken(), rpc.taken()] == [b"b", b"a"]

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

    def test_a_deleted_unit_is_gone(self, rpc: Rpc) -> None:
        rpc.expect(DONE, "worker_heartbeat", b"w", b"RUN", 60, {}, b"p")
        assert rpc.held(b"p") == {b"w": [b"p1", b"p2"]}
        rpc.expect((2, None), "del_work_units", b"s", {b"work_unit_keys": [b"a1", b"p1"]})
        assert rpc.held(b"p") == {b"w": [b"p2"]}
        assert rpc.state(b"s", b"a1") is None
        ok, note = rpc.call("update_work_unit", b"s", b"p1", {b"status": FINISHED})
        assert (ok, note) == (False, b"no such work unit 'p1'")
        rpc.clock.advance(1000)
        assert rpc.get(max_jobs=9) == [(b"s", b"a2", {}), (b"s", b"p2", {})]

    def test_deleting_all_ends_leases_and_frees_workers(self, rpc: Rpc) -> None:
        rpc.expect(DONE, "worker_heartbeat", b"w", b"RUN", 60, {}, b"p")
        rpc.expect((8, None), "del_work_units", b"s", {b"all": True})
        assert rpc.held(b"p") == {b"w": []}
        rpc.clock.advance(1000)
        rpc.expect(({}, None), "count_work_units", b"s")
        rpc.add(b"s", b"p1")
        assert rpc.taken() == b"p1"

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
        """Five finished and five failed units, one a second, alternately."""
        keys = [b"%d" % number for number in range(10)]
        rpc.add(b"s", *keys, b"waiting", b"held")
        for key in keys:
            rpc.clock.advance(1)
            rpc.update(b"s", key, status=FINISHED if int(key) % 2 else FAILED)
        assert rpc.taken() == b"held"

    def test_without_limits_nothing_is_dropped(self, rpc: Rpc) -> None:
        rpc.expect(None, "archive", {})
        rpc.expect(None, "archive")
        assert len(rpc.keys(b"s")) == 12

    def test_by_count_of_each_state(self, rpc: Rpc) -> None:
        rpc.server.limit_completed_count = 2
        rpc.expect(None, "archive", {})
        assert rpc.keys(b"s") == [b"6", b"7", b"8", b"9", b"held", b"waiting"]

    def test_by_age(self, rpc: Rpc) -> None:
        rpc.server.limit_completed_age = 3
        rpc.expect(None, "archive", {})
        assert rpc.keys(b"s") == [b"6", b"7", b"8", b"9", b"held", b"waiting"]
        rpc.clock.advance(1.5)
        rpc.expect(None, "archive", {})
        assert rpc.keys(b"s") == [b"8", b"9", b"held", b"waiting"]

    def test_by_both(self, rpc: Rpc) -> None:
        rpc.server.limit_completed_count = 1
        rpc.server.limit_completed_age = 100
        rpc.expect(None, "archive", {})
        assert rpc.keys(b"s", state=[FINISHED, FAILED]) == [b"8", b"9"]

    def test_archived_units_stay_in_the_counts_and_are_gone_elsewhere(self, rpc: Rpc) -> None:
        counts = {AVAILABLE: 1, PENDING: 1, FINISHED: 5, FAILED: 5}
        rpc.server.limit_completed_count = 0
        rpc.expect(None, "archive", {})
        rpc.expect((counts, None), "count_work_units", b"s")
        assert rpc.state(b"s", b"9") is None
        rpc.expect((5, None), "del_work_units", b"s", {b"state": FAILED})
        rpc.expect(({AVAILABLE: 1, PENDING: 1, FINISHED: 5}, None), "count_work_units", b"s")
        rpc.expect((7, None), "del_work_units", b"s", {b"all": True})
        rpc.expect(({}, None), "count_work_units", b"s")

    def test_units_that_were_finished_once_and_are_not_any_more(self, rpc: Rpc) -> None:
        rpc.server.limit_completed_count = 5
        rpc.expect(None, "archive", {})
        rpc.update(b"s", b"1", status=AVAILABLE)
        rpc.clock.advance(1)
        rpc.update(b"s", b"1", status=FINISHED)  # now the latest
        rpc.update(b"s", b"3", status=AVAILABLE)
        rpc.server.limit_completed_count = 2
        rpc.expect(None, "archive", {})
        assert rpc.keys(b"s", state=FINISHED) == [b"1", b"9"]
        assert rpc.state(b"s", b"3") == AVAILABLE

    def test_a_change_that_does_not_end_a_unit_again_leaves_it_in_its_place(self, rpc: Rpc) -> None:
        rpc.server.limit_completed_count = 5
        rpc.expect(None, "archive", {})
        rpc.update(b"s", b"1", status=FINISHED, data={b"new": 1})
        rpc.update(b"s", b"3", status=FAILED)
        options = {b"work_unit_keys": [b"5"], b"priority": 9}
        rpc.expect(DONE, "prioritize_work_units", b"s", options)
        rpc.server.limit_completed_count = 2
        rpc.expect(None, "archive", {})
        assert rpc.keys(b"s", state=FINISHED) == [b"7", b"9"]

    @pytest.mark.parametrize(
        ("names", "left"),
        [
            ([b"s"], 2),
            ((b"s", b"none"), 2),
            (["s"], 2),
            ([], 12),
            ([b"other"], 12),
            (None, 2),
        ],
    )
    def test_work_spec_names(self, rpc: Rpc, names: object, left: int) -> None:
        rpc.define(b"other")
        rpc.server.limit_completed_count = 0
        rpc.expect(None, "archive", {b"work_spec_names": names})
        assert len(rpc.keys(b"s")) == left
