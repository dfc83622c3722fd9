"""request_attempts: which units are handed out, how many, and to whom."""

from __future__ import annotations

from collections import Counter

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.control import PAUSED, RUNNABLE
from goordinate.coordinate.handles import Attempt, Queue, WorkSpec
from goordinate.coordinate.names import Name
from goordinate.coordinate.states import AVAILABLE, DELAYED, FINISHED, PENDING
from goordinate.tests.conformance.clock import UNIX_START, Clock
from goordinate.tests.conformance.steps import (
    DATA,
    add,
    add_one,
    attempt_state,
    define,
    request,
    state,
    take,
    whole_state,
)


class TestAttempt:
    """What is given."""

    def test_an_attempt_under_a_lease(self, namespace: Queue, spec: WorkSpec) -> None:
        unit = add_one(spec, b"unit", priority=2)
        (attempt,) = namespace.request_attempts("worker", lease=60)
        assert attempt_state(attempt) == {
            "worker_name": "worker",
            "start_time": UNIX_START,
            "status": PENDING,
            "data": DATA,
            "end_time": None,
            "expiration_time": UNIX_START + 60,
        }
        assert state(unit) == {
            "name": b"unit",
            "item": dumps(b"unit") + DATA,
            "data": DATA,
            "status": PENDING,
            "priority": 2,
            "not_before": None,
            "expiration": UNIX_START + 60,
            "worker_name": "worker",
            "active_attempt": attempt,
        }
        assert attempt.work_unit == unit
        assert unit.work_spec.name == spec.name

    def test_the_lease_is_fifteen_minutes_if_none_is_asked_for(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = add_one(spec, b"unit")
        namespace.request_attempts(b"worker")
        clock.advance(899)
        assert unit.status == PENDING
        clock.advance(1)
        assert unit.status == AVAILABLE

    @pytest.mark.parametrize("count", [0, -1])
    def test_none_asked_for(self, namespace: Queue, spec: WorkSpec, count: int) -> None:
        add(spec, b"unit")
        before = whole_state(namespace)
        assert request(namespace, count) == []
        assert whole_state(namespace) == before

    def test_nothing_to_give(self, namespace: Queue) -> None:
        assert request(namespace) == []
        spec = define(namespace, b"spec")
        assert request(namespace, 5) == []
        add(spec, b"unit")
        assert request(namespace, 5) == [b"unit"]
        assert request(namespace, 5) == []


class TestOrder:
    """Within a spec: by priority, then by name."""

    def test_priority_then_name(self, namespace: Queue, spec: WorkSpec) -> None:
        add(spec, "é", b"b", "a", b"\xff", b"")
        add(spec, b"z", b"y", priority=1)
        add(spec, b"0", b"1", priority=-1.5)
        add(spec, b"n", priority=0.5)
        order: list[Name] = [b"y", b"z", b"n", b"", "a", b"b", "é", b"\xff", b"0", b"1"]
        assert request(namespace, 4) == order[:4]
        assert [take(namespace).work_unit.name for _ in order[4:]] == order[4:]

    def test_names_in_the_order_of_their_bytes(self, namespace: Queue, spec: WorkSpec) -> None:
        add(spec, "é", b"b", "a", b"B", b"\xff", b"", "ab", b"10", b"9")
        order = [b"", b"10", b"9", b"B", "a", "ab", b"b", "é", b"\xff"]
        assert [take(namespace).work_unit.name for _ in order] == order

    def test_any_number_is_a_priority(self, namespace: Queue, spec: WorkSpec) -> None:
        priorities = [-2.5, 10**30, 0, 0.5, -(10**30), 1, 1e300]
        for priority in priorities:
            add(spec, b"%r" % priority, priority=priority)
        order = [b"%r" % priority for priority in sorted(priorities, reverse=True)]
        assert request(namespace, 9) == order

    def test_a_delayed_unit_waits_and_then_leads(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        add(spec, b"low", b"middle")
        add(spec, b"high", priority=10, delay=90)
        assert request(namespace) == [b"low"]
        clock.advance(90)
        assert request(namespace, 9) == [b"high", b"middle"]

    def test_a_unit_that_comes_back_is_in_its_old_place(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        add(spec, b"a", b"b", b"c")
        add(spec, b"first", priority=2)
        attempts = [take(namespace, lease=10) for _ in range(3)]
        attempts[2].expire()
        attempts[0].retry()
        assert request(namespace, 9, lease=10) == [b"first", b"b", b"c"]
        clock.advance(10)
        assert request(namespace, 9) == [b"first", b"a", b"b", b"c"]

    def test_a_priority_set_since_counts(self, namespace: Queue, spec: WorkSpec) -> None:
        add(spec, b"a", b"b", b"c")
        spec.set_priorities([b"c"], 5)
        spec.set_priorities([b"a"], -5, add=True)
        assert request(namespace, 9) == [b"c", b"b", b"a"]


class TestSpecs:
    """All units of one answer are of one spec; which one may be narrowed."""

    @pytest.fixture(autouse=True)
    def specs(self, namespace: Queue) -> None:
        """Three specs of different priority; two named as text."""
        for name, priority in ((b"one", 0), ("two", 2), ("three", 1)):
            add(define(namespace, name, priority=priority), b"a", b"b")

    def chosen(self, namespace: Queue, *work_specs: Name) -> list[Name]:
        """The specs that units came from in one request."""
        found = namespace.request_attempts(b"worker", count=9, work_specs=work_specs)
        return [attempt.work_unit.work_spec.name for attempt in found]

    def test_the_higher_spec_wide_priority_first(self, namespace: Queue) -> None:
        for name in ("two", "three", b"one"):
            assert self.chosen(namespace) == [name, name]
        assert self.chosen(namespace) == []

    def test_only_those_named(self, namespace: Queue) -> None:
        assert self.chosen(namespace, b"none", b"three") == ["three", "three"]
        assert self.chosen(namespace, b"three", b"none") == []
        assert self.chosen(namespace, "one", "two") == ["two", "two"]
        assert self.chosen(namespace, "one") == [b"one", b"one"]

    def test_unknown_ones_give_none_and_none_named_is_all(self, namespace: Queue) -> None:
        assert self.chosen(namespace, b"none") == []
        assert self.chosen(namespace) == ["two", "two"]
        assert request(namespace, 9, work_specs=None) == [b"a", b"b"]

    def test_a_paused_spec_gives_nothing(self, namespace: Queue) -> None:
        namespace.work_spec(b"two").set_control({"status": PAUSED})
        assert self.chosen(namespace) == ["three", "three"]
        assert self.chosen(namespace, b"two") == []
        namespace.work_spec(b"two").set_control({"status": RUNNABLE})
        assert self.chosen(namespace, b"one", b"two") == ["two", "two"]

    def test_a_changed_dictionary_counts_at_once(self, namespace: Queue) -> None:
        define(namespace, b"one", priority=9)
        define(namespace, b"two", disabled=True)
        assert self.chosen(namespace) == [b"one", b"one"]
        assert self.chosen(namespace) == ["three", "three"]
        assert self.chosen(namespace) == []


class TestRuntimes:
    """A spec that names a runtime goes only to those who have it."""

    @pytest.mark.parametrize(
        ("runtimes", "expected"),
        [
            (None, [b"go", b"plain"]),
            ([], [b"go", b"plain"]),
            ([""], [b"plain"]),
            ([b""], [b"plain"]),
            (["python", "python_2", "python_2.7", ""], [b"plain"]),
            (["go"], [b"go"]),
            ([b"go", b""], [b"go", b"plain"]),
            (["Go"], []),
            (["java"], []),
        ],
    )
    def test_exact_match(
        self, namespace: Queue, runtimes: list[Name] | None, expected: list[Name]
    ) -> None:
        add(define(namespace, b"go", runtime="go", priority=1), b"unit")
        add(define(namespace, b"plain"), b"unit")
        found = []
        while attempts := namespace.request_attempts(b"worker", runtimes=runtimes):
            found += [attempt.work_unit.work_spec.name for attempt in attempts]
        assert found == expected


class TestLimits:
    """max_running and max_getwork."""

    def test_max_running_one(self, namespace: Queue) -> None:
        add(define(namespace, b"spec", max_running=1), b"a", b"b", b"c")
        attempt = take(namespace)
        assert request(namespace, 20) == []
        attempt.finish()
        assert request(namespace, 20) == [b"b"]

    def test_max_running_counts_all_that_is_pending(self, namespace: Queue, clock: Clock) -> None:
        spec = define(namespace, b"spec", max_running=3)
        add(spec, b"a", b"b", b"c", b"d", b"e", b"f")
        spec.update_work_unit(b"f", status=PENDING, lease=60)
        assert request(namespace, 9, lease=1000) == [b"a", b"b"]
        assert request(namespace) == []
        clock.advance(60)
        assert request(namespace, 9) == [b"c"]
        spec.set_control({"max_running": None})
        assert request(namespace, 9) == [b"d", b"e", b"f"]

    def test_max_running_zero(self, namespace: Queue) -> None:
        spec = define(namespace, b"spec", max_running=0)
        add(spec, b"a")
        assert request(namespace) == []
        spec.set_control({"max_running": 1})
        assert request(namespace) == [b"a"]

    @pytest.mark.parametrize(("limit", "given"), [(0, 1), (1, 1), (3, 3), (9, 5), (None, 5)])
    def test_max_getwork(self, namespace: Queue, limit: int | None, given: int) -> None:
        add(define(namespace, b"spec", max_getwork=limit), b"a", b"b", b"c", b"d", b"e")
        assert len(request(namespace, 7)) == given

    def test_a_full_spec_leaves_the_turn_to_others(self, namespace: Queue) -> None:
        add(define(namespace, b"full", max_running=1, priority=9), b"a", b"b")
        add(define(namespace, b"other"), b"c")
        assert [request(namespace) for _ in range(3)] == [[b"a"], [b"c"], []]


def test_eight_workers_do_each_unit_once(namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
    names = [b"%03d" % number for number in range(100)]
    add(spec, *names)
    done: Counter[Name] = Counter()
    held: dict[bytes, Attempt] = {}
    turns = 0
    while spec.count_work_units().get(FINISHED, 0) < 100:
        worker = b"worker %d" % (turns % 8)
        turns += 1
        clock.advance(0.25)
        if worker in held:
            attempt = held.pop(worker)
            attempt.finish()
            done[attempt.work_unit.name] += 1
        elif attempts := namespace.request_attempts(worker, lease=60):
            (held[worker],) = attempts
    assert done == Counter(names)
    assert all(len(unit.attempts) == 1 for unit in spec.list_work_units())


def test_delayed_units_are_not_there_for_the_scheduler(namespace: Queue, clock: Clock) -> None:
    later = define(namespace, b"later", priority=9)
    add(later, b"a", delay=60)
    add(define(namespace, b"now"), b"b")
    assert later.count_work_units() == {DELAYED: 1}
    assert request(namespace) == [b"b"]
    assert request(namespace) == []
    clock.advance(60)
    assert request(namespace) == [b"a"]
