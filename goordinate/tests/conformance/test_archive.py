"""archive: done units are dropped and stay in the counts."""

from __future__ import annotations

import pytest

from goordinate.coordinate.errors import NoSuchWorkUnit
from goordinate.coordinate.handles import Queue, WorkSpec
from goordinate.coordinate.names import Name
from goordinate.coordinate.states import AVAILABLE, DELAYED, FAILED, FINISHED, PENDING
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.conformance.steps import add, add_one, listed, request, take, whole_state

#: In the order in which `end` ends them, 10 seconds apart: not that of names, nor of priorities.
ORDER: list[Name] = [b"c", b"a", "e", b"b", b"d"]


def end(spec: WorkSpec, clock: Clock, status: int = FINISHED, prefix: str = "") -> None:
    """Make done units, the last of which ended just now."""
    for number, name in enumerate(ORDER):
        text = name.decode() if isinstance(name, bytes) else name
        full = (prefix + text).encode() if isinstance(name, bytes) else prefix + text
        add(spec, full, priority=number % 2)
        clock.advance(10)
        spec.update_work_unit(full, status=status)


@pytest.mark.parametrize("status", [FINISHED, FAILED])
@pytest.mark.parametrize(
    ("keep", "max_age", "dropped"),
    [
        (None, None, 0),
        (5, None, 0),
        (9, None, 0),
        (3, None, 2),
        (1, None, 4),
        (0, None, 5),
        (None, 1000, 0),
        (None, 40, 0),
        (None, 39.5, 1),
        (None, 20, 2),
        (None, 0, 4),
        (3, 10, 3),
        (1, 20, 4),
        (0, 1000, 5),
        (9, 10, 3),
    ],
)
def test_by_count_and_by_age(
    spec: WorkSpec,
    clock: Clock,
    status: int,
    keep: int | None,
    max_age: float | None,
    dropped: int,
) -> None:
    end(spec, clock, status)
    assert spec.archive(keep, max_age) == dropped
    left = ORDER[dropped:]
    assert set(listed(spec)) == set(left)
    assert spec.count_work_units() == {status: 5}
    assert spec.archive(keep, max_age) == 0
    for name in ORDER[:dropped]:
        with pytest.raises(NoSuchWorkUnit):
            spec.work_unit(name)


def test_finished_and_failed_each_by_itself(spec: WorkSpec, clock: Clock) -> None:
    end(spec, clock, FINISHED)
    end(spec, clock, FAILED, "f")
    assert spec.archive(2, None) == 6
    assert listed(spec) == [b"b", b"d", b"fb", b"fd"]
    assert spec.count_work_units() == {FINISHED: 5, FAILED: 5}


def test_only_done_units(namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
    add(spec, b"available", b"pending", b"finished")
    add(spec, b"delayed", delay=10**6)
    spec.update_work_unit(b"pending", status=PENDING)
    spec.update_work_unit(b"finished", status=FINISHED)
    clock.advance(1000)
    assert spec.archive(0, 0) == 1
    assert listed(spec) == [b"available", b"delayed", b"pending"]
    assert spec.count_work_units() == {AVAILABLE: 1, DELAYED: 1, PENDING: 1, FINISHED: 1}
    before = whole_state(namespace)
    assert spec.archive(0, 0) == 0
    assert whole_state(namespace) == before


def test_again_and_again(spec: WorkSpec, clock: Clock) -> None:
    for turn in range(5):
        end(spec, clock, FINISHED, f"{turn} ")
        assert spec.archive(3, None) == (2 if turn == 0 else 5)
        assert listed(spec) == [b"%d b" % turn, b"%d d" % turn, f"{turn} e"]
        assert spec.count_work_units() == {FINISHED: 5 * (turn + 1)}


class TestLater:
    """The order is that of the ends, whatever happens to a unit between and after archives."""

    @pytest.fixture(params=[False, True], ids=["first archive", "archived before"])
    def done(self, request: pytest.FixtureRequest, spec: WorkSpec, clock: Clock) -> WorkSpec:
        """A spec with five done units."""
        if request.param:
            spec.archive(9, None)
        end(spec, clock)
        clock.advance(10)
        return spec

    def test_new_data_or_priority_are_no_new_end(self, done: WorkSpec) -> None:
        done.update_work_unit(b"c", data=b"\x00")
        done.set_priorities([b"a"], 5)
        done.update_work_unit(b"e", status=FAILED, data=b"\x00")  # stays finished
        assert done.archive(3, None) == 2
        assert listed(done) == [b"b", b"d", "e"]
        done.update_work_unit(b"e", data=b"\x01")
        done.set_priorities(["e"], 7)
        assert done.archive(None, 25) == 1
        assert listed(done) == [b"b", b"d"]

    def test_one_that_ran_again_has_a_new_end(
        self, namespace: Queue, done: WorkSpec, clock: Clock
    ) -> None:
        done.update_work_unit(b"c", status=AVAILABLE)
        attempt = take(namespace)
        assert done.archive(3, None) == 1
        assert listed(done) == [b"b", b"c", b"d", "e"]
        clock.advance(10)
        attempt.finish()
        assert done.archive(2, None) == 2
        assert listed(done) == [b"c", b"d"]
        assert done.count_work_units() == {FINISHED: 5}

    def test_a_late_success_is_of_the_finished(self, done: WorkSpec, clock: Clock) -> None:
        add(done, b"f")
        done.update_work_unit(b"f", status=FAILED)
        clock.advance(1)
        done.update_work_unit(b"f", status=FINISHED)
        assert done.archive(1, None) == 5
        assert listed(done) == [b"f"]
        assert done.count_work_units() == {FINISHED: 6}

    def test_deleted_ones_do_not_count(self, done: WorkSpec) -> None:
        done.delete_work_units(names=[b"c", b"d"])
        assert done.archive(2, None) == 1
        assert listed(done) == [b"b", "e"]

    def test_an_archived_one_added_again_is_new(self, namespace: Queue, done: WorkSpec) -> None:
        assert done.archive(0, None) == 5
        unit = add_one(done, b"c")
        assert (unit.status, unit.attempts, unit.priority) == (AVAILABLE, [], 0)
        assert done.count_work_units() == {AVAILABLE: 1, FINISHED: 5}
        assert request(namespace) == [b"c"]


class TestDeleting:
    """Archived units count as deleted where all of their state are."""

    @pytest.fixture
    def archived(self, spec: WorkSpec, clock: Clock) -> WorkSpec:
        """Five finished units, three of them archived, and five failed ones, likewise."""
        end(spec, clock, FINISHED)
        end(spec, clock, FAILED, "f")
        spec.archive(2, None)
        return spec

    def test_all(self, archived: WorkSpec) -> None:
        assert archived.delete_work_units() == 10
        assert archived.count_work_units() == {}
        assert archived.archive(0, None) == 0

    def test_by_state(self, archived: WorkSpec) -> None:
        assert archived.delete_work_units(statuses=[FAILED]) == 5
        assert archived.count_work_units() == {FINISHED: 5}
        assert archived.delete_work_units(statuses=[FINISHED, FAILED]) == 5
        assert archived.count_work_units() == {}

    def test_by_name(self, archived: WorkSpec) -> None:
        assert archived.delete_work_units(names=ORDER) == 2
        assert archived.delete_work_units(names=[b"fb"], statuses=[FAILED]) == 1
        assert archived.count_work_units() == {FINISHED: 3, FAILED: 4}


def test_attempts_of_archived_units_are_gone(
    namespace: Queue, spec: WorkSpec, clock: Clock
) -> None:
    add(spec, b"unit")
    attempt = take(namespace)
    clock.advance(1)
    attempt.finish()
    spec.archive(0, None)
    assert namespace.worker(b"worker").all_attempts() == []
    with pytest.raises(NoSuchWorkUnit):
        _ = attempt.status
