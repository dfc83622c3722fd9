"""Lists, counts, priorities and deletion of units."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from goordinate.coordinate.errors import NoSuchAttempt, NoSuchWorkUnit
from goordinate.coordinate.handles import Queue, WorkSpec
from goordinate.coordinate.names import Name
from goordinate.coordinate.states import AVAILABLE, DELAYED, FAILED, FINISHED, PENDING
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.conformance.steps import (
    add,
    add_one,
    define,
    listed,
    request,
    take,
    whole_state,
)

#: name -> (state, priority), in the order of names.
UNITS: dict[Name, tuple[int, float]] = {
    b"A": (AVAILABLE, 0),
    b"b": (FINISHED, 5),
    "c": (AVAILABLE, -1),
    b"d": (PENDING, 0),
    b"e": (DELAYED, 5),
    b"f": (FAILED, 0),
    b"g": (AVAILABLE, 5),
    b"h": (FINISHED, 0),
    b"i": (PENDING, 9),
    "é": (AVAILABLE, 0),
    b"\xff": (DELAYED, 0),
}

EVERY = [*UNITS]


@pytest.fixture
def units(spec: WorkSpec) -> WorkSpec:
    """A spec that holds `UNITS`."""
    for name, (status, priority) in UNITS.items():
        add(spec, name, priority=priority, delay=1000 if status == DELAYED else 0)
        if status not in (AVAILABLE, DELAYED):
            spec.update_work_unit(name, status=status)
    return spec


def expected(
    statuses: Collection[int] | None = None, by_priority: bool = False, after: int = 0
) -> list[Name]:
    """What a list of `UNITS` from number `after` on should hold."""
    found = [name for name in EVERY[after:] if statuses is None or UNITS[name][0] in statuses]
    return sorted(found, key=lambda name: -UNITS[name][1]) if by_priority else found


class TestList:
    """list_work_units: every part of the query narrows the answer."""

    STATUSES: tuple[Collection[int] | None, ...] = (
        None,
        [AVAILABLE],
        {PENDING, FAILED},
        (DELAYED,),
        [FINISHED, FINISHED],
        [],
        [2, 99],
        [AVAILABLE, DELAYED, PENDING, FINISHED, FAILED],
    )

    @pytest.mark.parametrize("statuses", STATUSES)
    @pytest.mark.parametrize("by_priority", [False, True])
    def test_statuses(
        self, units: WorkSpec, statuses: Collection[int] | None, by_priority: bool
    ) -> None:
        whole = expected(statuses, by_priority)
        assert listed(units, statuses=statuses, by_priority=by_priority) == whole
        for limit in range(len(whole) + 2):
            page = listed(units, statuses=statuses, by_priority=by_priority, limit=limit)
            assert page == whole[:limit]

    @pytest.mark.parametrize("statuses", STATUSES)
    @pytest.mark.parametrize("by_priority", [False, True])
    def test_start_and_previous(
        self, units: WorkSpec, statuses: Collection[int] | None, by_priority: bool
    ) -> None:
        query: dict[str, Any] = {"statuses": statuses, "by_priority": by_priority}
        for number, name in enumerate(EVERY):
            from_it = expected(statuses, by_priority, number)
            after_it = expected(statuses, by_priority, number + 1)
            assert listed(units, start=name, **query) == from_it
            assert listed(units, previous=name, **query) == after_it
            assert listed(units, start=name, limit=2, **query) == from_it[:2]
            assert listed(units, previous=name, limit=1, **query) == after_it[:1]

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"start": b""}, EVERY),
            ({"previous": b""}, EVERY),
            ({"start": b"bb"}, EVERY[2:]),
            ({"previous": b"bb"}, EVERY[2:]),
            ({"previous": b"\xff"}, []),
            ({"start": b"\xff\xff"}, []),
            ({"start": b"c", "previous": b"h"}, EVERY[8:]),
            ({"start": b"h", "previous": b"c"}, EVERY[7:]),
            ({"limit": 0}, []),
            ({"limit": -1}, []),
            ({"limit": None}, EVERY),
            ({"limit": 10**9}, EVERY),
            ({"start": "c", "limit": 3, "statuses": [PENDING, FAILED]}, [b"d", b"f", b"i"]),
        ],
    )
    def test_edges(self, units: WorkSpec, query: dict[str, Any], found: list[Name]) -> None:
        assert listed(units, **query) == found

    def test_pages_by_previous_are_the_whole(self, spec: WorkSpec) -> None:
        names: list[Name] = [b"%03d" % number for number in range(100)]
        add(spec, *reversed(names))
        add(spec, *names[::7], priority=2)
        pages: list[Name] = []
        while page := listed(spec, previous=pages[-1] if pages else None, limit=9):
            pages += page
        assert pages == names

    def test_the_unit_with_the_empty_name_is_one_like_any_other(
        self, namespace: Queue, spec: WorkSpec
    ) -> None:
        add(spec, b"", b"a")
        assert listed(spec, limit=1) == [b""]
        assert listed(spec, previous=b"") == [b"a"]
        assert request(namespace) == [b""]
        assert listed(spec, statuses=[PENDING]) == [b""]
        assert spec.delete_work_units(names=[b""]) == 1
        assert listed(spec) == [b"a"]


class TestCount:
    """count_work_units."""

    def test_no_units_no_counts(self, spec: WorkSpec) -> None:
        assert spec.count_work_units() == {}

    def test_every_state(self, units: WorkSpec) -> None:
        assert units.count_work_units() == {
            AVAILABLE: 4,
            DELAYED: 2,
            PENDING: 2,
            FINISHED: 2,
            FAILED: 1,
        }

    def test_along_a_life(self, namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
        add(spec, b"unit")
        assert spec.count_work_units() == {AVAILABLE: 1}
        attempt = take(namespace)
        assert spec.count_work_units() == {PENDING: 1}
        attempt.retry(delay=5)
        assert spec.count_work_units() == {DELAYED: 1}
        clock.advance(5)
        assert spec.count_work_units() == {AVAILABLE: 1}
        take(namespace, lease=5)
        clock.advance(5)
        assert spec.count_work_units() == {AVAILABLE: 1}
        take(namespace).finish()
        assert spec.count_work_units() == {FINISHED: 1}
        spec.delete_work_units()
        assert spec.count_work_units() == {}


class TestPriorities:
    """set_priorities, in any state."""

    def test_set_and_add(self, units: WorkSpec) -> None:
        units.set_priorities([*EVERY, b"none"], 20)
        assert [unit.priority for unit in units.list_work_units()] == [20] * len(EVERY)
        units.set_priorities(["A", b"c", b"none"], 10.5, add=True)
        units.set_priorities(iter([b"c"]), -31, add=True)
        assert units.work_unit(b"A").priority == 30.5
        assert units.work_unit(b"c").priority == -0.5
        units.set_priorities([b"A"], 0)
        assert listed(units, by_priority=True, limit=1) == [b"b"]
        assert listed(units, by_priority=True)[-2:] == [b"A", "c"]

    def test_a_unit_named_twice_is_changed_twice(self, spec: WorkSpec) -> None:
        unit = add_one(spec, b"unit", priority=1)
        spec.set_priorities([b"unit", "unit"], 2, add=True)
        assert unit.priority == 5

    def test_nothing_else_changes(self, namespace: Queue, units: WorkSpec, clock: Clock) -> None:
        taken = take(namespace)
        counts = units.count_work_units()
        seen = [(unit.status, unit.expiration, unit.not_before, unit.data, unit.attempts)
                for unit in units.list_work_units()]  # fmt: skip
        clock.advance(10)
        units.set_priorities(EVERY, 3, add=True)
        assert units.count_work_units() == counts
        assert seen == [
            (unit.status, unit.expiration, unit.not_before, unit.data, unit.attempts)
            for unit in units.list_work_units()
        ]
        assert namespace.worker(b"worker").active_attempts() == [taken]
        assert namespace.worker(b"worker").all_attempts() == [taken]

    def test_no_names_no_change(self, namespace: Queue, units: WorkSpec) -> None:
        before = whole_state(namespace)
        units.set_priorities([], 5)
        units.set_priorities([b"none"], 5)
        assert whole_state(namespace) == before

    def test_a_delayed_unit_keeps_its_priority(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        add(spec, b"now")
        add(spec, b"later", delay=10)
        spec.set_priorities([b"later"], 5)
        clock.advance(10)
        assert request(namespace, 2) == [b"later", b"now"]


class TestDelete:
    """delete_work_units: by name, by state, both, all."""

    @pytest.mark.parametrize(
        ("query", "gone"),
        [
            ({}, EVERY),
            ({"names": [b"A", "b", b"none", "A"]}, [b"A", b"b"]),
            ({"names": {b"c": None}.keys()}, ["c"]),
            ({"names": []}, []),
            ({"statuses": [PENDING]}, [b"d", b"i"]),
            ({"statuses": {DELAYED, FAILED}}, [b"e", b"f", b"\xff"]),
            ({"statuses": []}, []),
            ({"names": [b"A", b"b", b"d"], "statuses": [AVAILABLE, PENDING]}, [b"A", b"d"]),
            ({"names": EVERY, "statuses": []}, []),
            ({"names": [], "statuses": [PENDING]}, []),
            ({"names": EVERY}, EVERY),
        ],
    )
    def test_what_goes(self, units: WorkSpec, query: dict[str, Any], gone: list[Name]) -> None:
        assert units.delete_work_units(**query) == len(gone)
        left = [name for name in EVERY if name not in gone]
        assert listed(units) == left
        assert sum(units.count_work_units().values()) == len(left)

    @pytest.mark.parametrize("query", [{}, {"names": [b"a"]}, {"statuses": [PENDING]}])
    def test_workers_hold_them_no_more(
        self, namespace: Queue, spec: WorkSpec, clock: Clock, query: dict[str, Any]
    ) -> None:
        add(spec, b"a")
        take(namespace)
        assert spec.delete_work_units(**query) == 1
        assert namespace.worker(b"worker").active_attempts() == []
        clock.advance(1000)
        assert spec.count_work_units() == {}
        assert request(namespace) == []

    def test_units_and_attempts_are_gone(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit, kept = add_one(spec, b"a"), add_one(spec, b"b")
        past = take(namespace)
        past.retry()
        clock.advance(1)
        present, other = take(namespace), take(namespace)
        worker = namespace.worker(b"worker")
        assert spec.delete_work_units(names=[b"a"]) == 1
        assert worker.active_attempts() == worker.all_attempts() == [other]
        for use in (lambda: unit.status, lambda: unit.attempts, unit.clear_active_attempt):
            with pytest.raises(NoSuchWorkUnit, match="'a'"):
                use()
        for attempt in (past, present):
            for call in (attempt.finish, attempt.fail, attempt.expire, attempt.retry):
                with pytest.raises(NoSuchWorkUnit, match="'a'"):
                    call()
            with pytest.raises(NoSuchWorkUnit):
                attempt.renew(10)
        clock.advance(1000)
        assert spec.count_work_units() == {AVAILABLE: 1}
        assert kept.attempts == [other]

    @pytest.mark.parametrize("every", [False, True])
    def test_a_unit_added_again_has_no_past(
        self, namespace: Queue, spec: WorkSpec, clock: Clock, every: bool
    ) -> None:
        add(spec, b"unit")
        old = take(namespace)
        clock.advance(1)
        spec.delete_work_units(names=None if every else [b"unit"])
        unit = add_one(spec, b"unit")
        assert (unit.status, unit.attempts) == (AVAILABLE, [])
        with pytest.raises(NoSuchAttempt):
            old.finish()
        assert namespace.worker(b"worker").all_attempts() == []
        clock.advance(1000)  # the end of the old lease means nothing to the new unit
        assert take(namespace).work_unit == unit

    def test_deleting_frees_the_places_of_a_full_spec(self, namespace: Queue) -> None:
        spec = define(namespace, b"full", max_running=1)
        add(spec, b"a", b"b", b"c")
        assert [request(namespace), request(namespace)] == [[b"a"], []]
        spec.delete_work_units(names=[b"a"])
        assert [request(namespace), request(namespace)] == [[b"b"], []]
        spec.delete_work_units(statuses=[PENDING])
        assert request(namespace) == [b"c"]
        spec.delete_work_units()
        add(spec, b"d")
        assert request(namespace) == [b"d"]
