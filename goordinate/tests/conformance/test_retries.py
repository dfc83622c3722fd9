"""max_retries: a unit whose lease has run out so often fails instead of going out again."""

from __future__ import annotations

import pytest

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.handles import Attempt, Queue, WorkSpec
from goordinate.coordinate.names import Name
from goordinate.coordinate.states import AVAILABLE, EXPIRED, FAILED, PENDING
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.conformance.steps import add, add_one, define, request, take


def lapse(namespace: Queue, clock: Clock, count: int = 1) -> list[Name]:
    """Request units and let their leases run out."""
    given = request(namespace, count, lease=10)
    clock.advance(10)
    return given


def test_the_third_request_gets_none(namespace: Queue, clock: Clock) -> None:
    spec = define(namespace, b"spec", max_retries=2)
    unit = add_one(spec, b"unit", data=dumps({b"a": [1], b"traceback": b"old"}))
    for _ in range(2):
        assert lapse(namespace, clock) == [b"unit"]
    assert unit.status == AVAILABLE
    assert request(namespace) == []
    assert (unit.status, unit.expiration) == (FAILED, clock.now)
    assert (unit.worker_name, unit.active_attempt) == (None, None)
    assert loads(unit.data) == {b"a": [1], b"traceback": b"too many retries"}
    assert [attempt.status for attempt in unit.attempts] == [EXPIRED, EXPIRED]
    assert spec.count_work_units() == {FAILED: 1}


@pytest.mark.parametrize("data", [b"\xf6", b"\x80", b"\x01"])
def test_data_that_is_no_map_becomes_one(namespace: Queue, clock: Clock, data: bytes) -> None:
    unit = add_one(define(namespace, b"spec", max_retries=1), b"unit", data=data)
    lapse(namespace, clock)
    assert request(namespace) == []
    assert loads(unit.data) == {b"traceback": b"too many retries"}


def test_part_of_a_batch(namespace: Queue, clock: Clock) -> None:
    spec = define(namespace, b"spec", max_retries=1)
    add(spec, b"b")
    lapse(namespace, clock)
    add(spec, b"c", b"d")
    # b and c are picked, b fails; d is not picked in its place.
    assert request(namespace, 2) == [b"c"]
    assert spec.work_unit(b"b").status == FAILED
    assert request(namespace, 2) == [b"d"]


def test_a_whole_batch(namespace: Queue, clock: Clock) -> None:
    spec = define(namespace, b"spec", max_retries=1)
    add(spec, b"a", b"b")
    assert lapse(namespace, clock, 2) == [b"a", b"b"]
    add(spec, b"c", b"d", b"e")
    assert request(namespace, 2) == [b"c", b"d"]
    assert spec.count_work_units() == {FAILED: 2, PENDING: 2, AVAILABLE: 1}


def test_the_next_unit_has_its_turn(namespace: Queue, clock: Clock) -> None:
    spec = define(namespace, b"spec", max_retries=1)
    add(spec, b"a", b"b")
    assert lapse(namespace, clock) == [b"a"]
    assert request(namespace) == [b"b"]
    assert spec.work_unit(b"a").status == FAILED


def test_the_next_spec_has_its_turn(namespace: Queue, clock: Clock) -> None:
    add(define(namespace, b"spec", max_retries=1, priority=5), b"a")
    lapse(namespace, clock)
    add(define(namespace, b"other"), b"b")
    assert request(namespace) == [b"b"]


def give_back(spec: WorkSpec, attempt: Attempt, way: str) -> None:
    """Make the unit available again before its lease is over."""
    if way == "retry":
        attempt.retry()
    elif way == "expire":
        attempt.expire()
    elif way == "update":
        spec.update_work_unit(b"unit", status=AVAILABLE)
    else:
        attempt.work_unit.clear_active_attempt()


@pytest.mark.parametrize("way", ["retry", "expire", "update", "clear"])
def test_only_leases_that_ran_out_count(namespace: Queue, clock: Clock, way: str) -> None:
    spec = define(namespace, b"spec", max_retries=1)
    add(spec, b"unit")
    for _ in range(5):
        attempt = take(namespace)
        clock.advance(1)
        give_back(spec, attempt, way)
    assert lapse(namespace, clock) == [b"unit"]
    assert request(namespace) == []


def test_giving_back_with_a_delay_forgets_no_lapse(namespace: Queue, clock: Clock) -> None:
    add(define(namespace, b"spec", max_retries=2), b"unit")
    lapse(namespace, clock)
    take(namespace).retry(delay=5)
    clock.advance(5)
    assert lapse(namespace, clock) == [b"unit"]
    assert request(namespace) == []


@pytest.mark.parametrize("way", ["retry", "expire", "update", "clear"])
def test_giving_back_forgets_no_lapse(namespace: Queue, clock: Clock, way: str) -> None:
    spec = define(namespace, b"spec", max_retries=2)
    add(spec, b"unit")
    lapse(namespace, clock)
    attempt = take(namespace)
    clock.advance(1)
    give_back(spec, attempt, way)
    assert lapse(namespace, clock) == [b"unit"]
    assert request(namespace) == []


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("delay", [0, 5])
def test_a_unit_that_is_added_again_begins_anew(
    namespace: Queue, clock: Clock, restart: bool, delay: float
) -> None:
    spec = define(namespace, b"spec", max_retries=1)
    add(spec, b"unit")
    lapse(namespace, clock)
    add(spec, b"unit", restart=restart, delay=delay)
    clock.advance(delay)
    assert lapse(namespace, clock) == [b"unit"]
    assert request(namespace) == []


@pytest.mark.parametrize("way", ["add", "restart", "update", "clear"])
def test_a_failed_unit_begins_anew(namespace: Queue, clock: Clock, way: str) -> None:
    spec = define(namespace, b"spec", max_retries=1)
    add(spec, b"unit")
    lapse(namespace, clock)
    assert request(namespace) == []
    if way == "update":
        spec.update_work_unit(b"unit", status=AVAILABLE)
    elif way == "clear":
        spec.work_unit(b"unit").clear_active_attempt()
    else:
        add(spec, b"unit", restart=way == "restart")
    assert lapse(namespace, clock) == [b"unit"]
    assert request(namespace) == []
