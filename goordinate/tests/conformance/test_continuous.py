"""Continuous specs: a unit is made when there is none to give."""

from __future__ import annotations

import pytest

from goordinate.coordinate.control import PAUSED, RUNNABLE
from goordinate.coordinate.handles import Queue
from goordinate.coordinate.states import AVAILABLE, FINISHED, PENDING
from goordinate.tests.conformance.clock import UNIX_START, Clock
from goordinate.tests.conformance.steps import add, define, request, take


def test_a_unit_is_made_and_handed_out(namespace: Queue) -> None:
    spec = define(namespace, b"spec", continuous=True)
    attempt = take(namespace, lease=60)
    unit = attempt.work_unit
    assert isinstance(unit.name, bytes)
    assert float(unit.name) == UNIX_START
    assert (unit.data, unit.priority, unit.status) == (b"\xa0", -1, PENDING)
    assert (unit.expiration, unit.attempts) == (UNIX_START + 60, [attempt])
    assert spec.list_work_units() == [unit]
    assert namespace.worker(b"worker").active_attempts() == [attempt]


def test_one_however_many_are_asked_for(namespace: Queue) -> None:
    define(namespace, b"spec", continuous=True)
    assert len(request(namespace, 9)) == 1


def test_each_has_a_name_of_its_own(namespace: Queue) -> None:
    spec = define(namespace, b"spec", continuous=True)
    assert len({take(namespace).work_unit.name for _ in range(20)}) == 20
    assert spec.count_work_units() == {PENDING: 20}


def test_units_that_wait_come_first(namespace: Queue) -> None:
    spec = define(namespace, b"spec", continuous=True)
    add(spec, b"a", b"b")
    assert request(namespace, 9) == [b"a", b"b"]
    made = take(namespace)
    assert made.work_unit.name not in (b"a", b"b")
    made.retry()
    add(spec, b"z")
    assert request(namespace, 9) == [b"z", made.work_unit.name]


class TestInterval:
    """The next one may be made `interval` seconds after the last."""

    def test_not_before_it_has_passed(self, namespace: Queue, clock: Clock) -> None:
        define(namespace, b"spec", continuous=True, interval=60)
        take(namespace).finish()
        for passed, given in ((0, 0), (30, 0), (29.5, 0), (0.5, 1), (0, 0), (120, 1), (0, 0)):
            clock.advance(passed)
            attempts = namespace.request_attempts(b"worker")
            assert len(attempts) == given
            for attempt in attempts:
                attempt.finish()

    def test_units_that_wait_run_inside_it(self, namespace: Queue, clock: Clock) -> None:
        spec = define(namespace, b"spec", continuous=True, interval=60)
        made = take(namespace, lease=1000)
        add(spec, b"unit")
        assert take(namespace, lease=1000).work_unit.name == b"unit"
        assert request(namespace) == []
        clock.advance(60)  # handing out the unit that was there has not moved it
        assert take(namespace).work_unit != made.work_unit

    def test_changed(self, namespace: Queue, clock: Clock) -> None:
        spec = define(namespace, b"spec", continuous=True)
        spec.set_control({"interval": 10})
        take(namespace)
        assert request(namespace) == []
        spec.set_control({"interval": None})
        assert len(request(namespace)) == len(request(namespace)) == 1

    @pytest.mark.parametrize("by", ["control", "dictionary"])
    @pytest.mark.parametrize(
        ("first", "then", "wait"),
        [
            (3600, None, 0),
            (3600, 0, 0),
            (3600, 10, 0),
            (3600, 20, 0),
            (3600, 60, 40),
            (60, 3600, 3580),
            (None, 60, 40),
        ],
    )
    def test_a_changed_one_counts_from_the_last_unit(
        self,
        namespace: Queue,
        clock: Clock,
        first: float | None,
        then: float | None,
        wait: float,
        by: str,
    ) -> None:
        spec = define(namespace, b"spec", continuous=True, interval=first)
        take(namespace).finish()
        clock.advance(20)
        if by == "control":
            spec.set_control({"interval": then})
        else:
            define(namespace, b"spec", continuous=True, interval=then)
        if wait:
            clock.advance(wait - 0.5)
            assert request(namespace) == []
            clock.advance(0.5)
        assert len(request(namespace)) == 1


class TestNone:
    """When none is made."""

    @pytest.mark.parametrize(
        ("off", "on"),
        [
            ({"continuous": False}, {"continuous": True}),
            ({"status": PAUSED}, {"status": RUNNABLE}),
            ({"max_running": 0}, {"max_running": None}),
        ],
    )
    def test_switched_off_and_on(
        self, namespace: Queue, off: dict[str, object], on: dict[str, object]
    ) -> None:
        spec = define(namespace, b"spec", continuous=True)
        spec.set_control(off)
        assert request(namespace) == []
        assert spec.count_work_units() == {}
        spec.set_control(on)
        assert len(request(namespace)) == 1

    def test_not_more_than_may_run(self, namespace: Queue, clock: Clock) -> None:
        define(namespace, b"spec", continuous=True, max_running=2)
        attempts = [take(namespace), take(namespace)]
        assert request(namespace) == []
        clock.advance(1)
        attempts[0].finish()
        assert len(request(namespace)) == 1

    @pytest.mark.parametrize("call", ["expire", "retry", None])
    def test_one_that_came_back_goes_out_again(
        self, namespace: Queue, clock: Clock, call: str | None
    ) -> None:
        spec = define(namespace, b"spec", continuous=True)
        attempt = take(namespace, lease=10)
        clock.advance(1)
        if call:
            getattr(attempt, call)()
        else:
            clock.advance(9)
        assert spec.count_work_units() == {AVAILABLE: 1}
        assert take(namespace).work_unit == attempt.work_unit

    def test_a_spec_that_is_not_continuous(self, namespace: Queue) -> None:
        define(namespace, b"spec")
        assert request(namespace) == []


def test_specs_with_work_go_first(namespace: Queue) -> None:
    define(namespace, b"source", continuous=True, then=b"sink", weight=1000)
    sink = define(namespace, b"sink", weight=1)
    add(sink, b"a", b"b")
    given = [take(namespace).work_unit for _ in range(3)]
    assert [unit.work_spec.name for unit in given] == [b"sink", b"sink", b"source"]
    assert sink.count_work_units() == {PENDING: 2}


def test_a_made_unit_lives_like_any_other(namespace: Queue, clock: Clock) -> None:
    spec = define(namespace, b"spec", continuous=True, then=b"next")
    following = define(namespace, b"next")
    attempt = take(namespace)
    clock.advance(1)
    attempt.finish(bytes.fromhex("a1 466f7574707574 81 4161"))  # {b"output": [b"a"]}
    assert spec.count_work_units() == {FINISHED: 1}
    assert [unit.name for unit in following.list_work_units()] == [b"a"]
    assert spec.delete_work_units(names=[attempt.work_unit.name]) == 1
