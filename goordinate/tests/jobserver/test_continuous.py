"""Continuous work specs: units are made up when there are none."""

from __future__ import annotations

import pytest

from goordinate.tests.conformance.clock import UNIX_START
from goordinate.tests.jobserver.rpc import DONE, NOTHING, PENDING, Rpc


def test_one_unit_is_made_and_handed_out(rpc: Rpc) -> None:
    rpc.define(b"c", continuous=True)
    spec, key, data = rpc.get(worker=b"w")
    assert spec == b"c"
    assert type(key) is bytes
    assert float(key) == UNIX_START
    assert data == {}
    status = {b"status": PENDING, b"expiration": UNIX_START + 300, b"worker_id": b"w"}
    rpc.expect(([status], None), "get_work_unit_status", b"c", [key])
    rpc.expect(([(key, {})], None), "get_work_units", b"c", {})


def test_one_however_many_are_asked_for(rpc: Rpc) -> None:
    rpc.define(b"c", continuous=True)
    assert len(rpc.get(max_jobs=5)) == 1


def test_every_one_has_a_key_of_its_own(rpc: Rpc) -> None:
    rpc.define(b"c", continuous=True)
    keys = [rpc.taken() for _ in range(5)]
    assert len(set(keys)) == 5
    rpc.expect(({PENDING: 5}, None), "count_work_units", b"c")


@pytest.mark.parametrize("interval", [60, 60.0, b"60"])
def test_the_interval_begins_when_a_unit_is_made(rpc: Rpc, interval: object) -> None:
    rpc.define(b"c", continuous=True, interval=interval)
    first = rpc.taken()
    assert first is not None
    rpc.update(b"c", first, status=4)
    rpc.clock.advance(30)
    rpc.expect(NOTHING, "get_work", b"w", {})
    rpc.clock.advance(30)
    assert rpc.taken() is not None
    rpc.clock.advance(120)
    assert rpc.taken() is not None
    rpc.expect(NOTHING, "get_work", b"w", {})


def test_units_that_wait_are_given_inside_the_interval(rpc: Rpc) -> None:
    rpc.define(b"c", continuous=True, interval=60)
    made = rpc.taken()
    rpc.add(b"c", b"by hand")
    assert rpc.taken() == b"by hand"
    rpc.clock.advance(60)
    # Handing out a unit that was there has not moved the interval.
    assert rpc.taken() not in (None, made)


def test_waiting_units_come_before_made_ones(rpc: Rpc) -> None:
    rpc.define(b"c", continuous=True)
    rpc.add(b"c", b"a", b"b")
    units = rpc.get(max_jobs=9)
    assert [key for _, key, _ in units] == [b"a", b"b"]


def test_a_made_unit_has_priority_minus_one(rpc: Rpc) -> None:
    rpc.define(b"c", continuous=True)
    made = rpc.taken()
    rpc.add(b"c", b"z")
    rpc.update(b"c", made, status=1)
    assert [rpc.taken(), rpc.taken()] == [b"z", made]


def test_max_running_holds_for_made_units(rpc: Rpc) -> None:
    rpc.define(b"c", continuous=True, max_running=1)
    made = rpc.taken()
    assert made is not None
    rpc.expect(NOTHING, "get_work", b"w", {})
    rpc.update(b"c", made, status=4)
    assert rpc.taken() is not None


def test_ordinary_work_goes_first(rpc: Rpc) -> None:
    rpc.define(b"c", continuous=True, weight=1000)
    rpc.define(b"s", weight=1)
    rpc.add(b"s", b"a", b"b")
    assert [rpc.get()[0] for _ in range(3)] == [b"s", b"s", b"c"]


def test_a_made_unit_chains_like_any_other(rpc: Rpc) -> None:
    rpc.define(b"c", continuous=True, interval=60, then=b"s")
    rpc.define(b"s")
    made = rpc.taken()
    rpc.update(b"c", made, status=4, data={b"output": {b"k": {b"n": 1}}})
    rpc.expect(((b"s", b"k", {b"n": 1}), None), "get_work", b"w", {})


def test_the_interval_can_be_changed(rpc: Rpc) -> None:
    rpc.define(b"c", continuous=True)
    rpc.expect(DONE, "control_work_spec", b"c", {b"interval": 10})
    assert rpc.taken() is not None
    assert rpc.taken() is None
    rpc.clock.advance(10)
    rpc.expect(DONE, "control_work_spec", b"c", {b"interval": None})
    assert rpc.taken() is not None
    assert rpc.taken() is not None


def test_paused_and_deleted_specs_make_none(rpc: Rpc) -> None:
    rpc.define(b"c", continuous=True, interval=10)
    assert rpc.taken() is not None
    rpc.expect(DONE, "control_work_spec", b"c", {b"status": 2})
    rpc.clock.advance(20)
    assert rpc.taken() is None
    rpc.expect(DONE, "del_work_spec", b"c")
    rpc.clock.advance(20)
    assert rpc.taken() is None
