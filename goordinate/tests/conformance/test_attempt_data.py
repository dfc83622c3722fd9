"""What past attempts keep of their data: a unit's own, and so many bytes of other data."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.api import Backend
from goordinate.coordinate.errors import LostLease
from goordinate.coordinate.handles import Attempt, Queue, WorkSpec, WorkUnit
from goordinate.coordinate.states import AVAILABLE, FAILED, FINISHED, PENDING
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.conformance.steps import add, add_one, listed, take


def data_of_size(size: int, letter: bytes = b"x") -> bytes:
    """Data whose encoding has `size` bytes; 300 or more."""
    return dumps(letter * (size - 3))


def not_kept(size: int) -> dict[bytes, int]:
    """What stands for data of so many bytes."""
    return {b"data_not_kept": size}


def shown(unit: WorkUnit) -> list[object]:
    """The sizes of the data of the attempts; where it was not kept, what says so."""
    data = [attempt.data for attempt in unit.attempts]
    return [loads(each) if b"data_not_kept" in each else len(each) for each in data]


def retried(namespace: Queue, clock: Clock, *sizes: int) -> list[Attempt]:
    """Attempts on the only unit there is, each given back with data of such a size."""
    attempts = []
    for number, size in enumerate(sizes):
        attempt = take(namespace)
        clock.advance(1)
        attempt.retry(data_of_size(size, b"%d" % (number % 10)))
        attempts.append(attempt)
    return attempts


class TestBudget:
    """The latest data is kept, as far as it fits."""

    def test_what_fits_is_kept(self, namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
        unit = add_one(spec, b"unit")
        retried(namespace, clock, 1000, 1000, 1000, 1000)
        assert shown(unit) == [1000] * 4

    def test_the_latest_that_fits_is_kept(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = add_one(spec, b"unit")
        attempts = retried(namespace, clock, 400, 3000, 2000, 20_000, 1000)
        # 1000 and 2000 leave less than 3000, and enough for 400.
        assert shown(unit) == [400, not_kept(3000), 2000, not_kept(20_000), 1000]
        assert unit.attempts == attempts
        retried(namespace, clock, 4000)
        # What has not been kept does not come back.
        kept = [not_kept(size) for size in (400, 3000, 2000, 20_000, 1000)]
        assert shown(unit) == [*kept, 4000]

    def test_the_name_counts_with_the_data(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = add_one(spec, b"n" * 3000)
        retried(namespace, clock, 1000, 1000)
        assert shown(unit) == [not_kept(1000), 1000]

    @pytest.mark.parametrize("budget", [0, 1, 10_000])
    def test_as_the_configuration_says(
        self, backend: Backend, namespace: Queue, spec: WorkSpec, clock: Clock, budget: int
    ) -> None:
        backend.bound_attempt_data(budget)
        unit = add_one(spec, b"unit")
        retried(namespace, clock, 300, 9000, 9000)
        kept = budget == 10_000
        assert shown(unit) == [
            300 if kept else not_kept(300),
            not_kept(9000),
            9000 if kept else not_kept(9000),
        ]
        assert unit.data == dumps({b"own": 1})

    def test_a_smaller_budget_counts_from_the_next_step(
        self, backend: Backend, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = add_one(spec, b"unit")
        retried(namespace, clock, 2000)
        backend.bound_attempt_data(1000)
        assert shown(unit) == [2000]
        retried(namespace, clock, 600)
        assert shown(unit) == [not_kept(2000), 600]
        # A namespace that is made later has it too.
        other = Queue(backend.namespace("other"))
        later = add_one(other.set_work_spec(dumps({b"name": b"spec"})), b"unit")
        retried(other, clock, 2000)
        assert shown(later) == [not_kept(2000)]


class TestOwnData:
    """The unit's own data is there anyway, and takes nothing of the budget."""

    def test_it_is_kept_whatever_its_size(
        self, backend: Backend, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        backend.bound_attempt_data(0)
        unit = add_one(spec, b"unit", data=data_of_size(20_000))
        for _ in range(5):
            take(namespace)
            clock.advance(1000)
        assert shown(unit) == [20_000] * 5

    def test_until_the_unit_gets_other_data(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = add_one(spec, b"unit", data=data_of_size(20_000))
        take(namespace).retry()
        add(spec, b"unit", data=data_of_size(9000))
        assert shown(unit) == [not_kept(20_000)]
        take(namespace).retry(data_of_size(1000))
        assert shown(unit) == [not_kept(20_000), 1000]
        # Others of the unit's own data count once, however many attempts show them.
        add(spec, b"unit", data=data_of_size(3000))
        for _ in range(4):
            take(namespace).expire()
        spec.update_work_unit(b"unit", status=FAILED, data=data_of_size(300))
        assert shown(unit) == [not_kept(20_000), 1000, 3000, 3000, 3000, 3000]

    def test_while_the_active_attempt_has_its_own(self, namespace: Queue, spec: WorkSpec) -> None:
        unit = add_one(spec, b"unit", data=data_of_size(9000))
        take(namespace).retry()
        attempt = take(namespace)
        attempt.renew(100, data_of_size(8000))
        spec.update_work_unit(b"unit", status=PENDING, worker=b"other")
        # The unit's own, the active attempt's, and the active attempt, which took it over.
        assert shown(unit) == [9000, 8000, 8000]
        unit.clear_active_attempt()
        assert shown(unit) == [9000, not_kept(8000), not_kept(8000)]
        assert len(unit.data) == 9000

    def test_an_attempt_that_says_what_the_unit_has(
        self, backend: Backend, namespace: Queue, spec: WorkSpec
    ) -> None:
        backend.bound_attempt_data(0)
        unit = add_one(spec, b"unit", data=data_of_size(9000))
        take(namespace).retry(data_of_size(9000))
        assert shown(unit) == [9000]
        take(namespace).finish(data_of_size(9000))
        assert shown(unit) == [9000, 9000]
        assert (unit.status, len(unit.data)) == (FINISHED, 9000)
        unit.clear_active_attempt()
        assert (unit.status, len(unit.data)) == (AVAILABLE, 9000)


def test_late_data_is_bounded_too(namespace: Queue, spec: WorkSpec) -> None:
    unit = add_one(spec, b"unit")
    late = take(namespace)
    late.expire(data_of_size(9000))
    assert shown(unit) == [not_kept(9000)]
    with pytest.raises(LostLease):
        late.renew(10, data_of_size(8000))
    assert shown(unit) == [not_kept(8000)]
    with pytest.raises(LostLease):
        late.renew(10, data_of_size(1000))
    assert shown(unit) == [1000]
    assert loads(unit.data) == {b"own": 1}


def add_again(spec: WorkSpec, attempt: Attempt, data: bytes) -> None:
    attempt.finish()
    add(spec, attempt.work_unit.name, data=data, restart=True)


def finish_by_hand(spec: WorkSpec, attempt: Attempt, data: bytes) -> None:
    spec.update_work_unit(attempt.work_unit.name, status=FINISHED, data=data)
    spec.update_work_unit(attempt.work_unit.name, status=AVAILABLE)


def take_over(spec: WorkSpec, attempt: Attempt, data: bytes) -> None:
    spec.update_work_unit(attempt.work_unit.name, status=PENDING, data=data, worker=b"other")
    spec.update_work_unit(attempt.work_unit.name, status=AVAILABLE)


def finish_and_clear(spec: WorkSpec, attempt: Attempt, data: bytes) -> None:
    attempt.finish(data)
    attempt.work_unit.clear_active_attempt()


#: Ways to do a unit again with other data each time.
AGAIN: dict[str, Callable[[WorkSpec, Attempt, bytes], None]] = {
    "added again": add_again,
    "finished by hand": finish_by_hand,
    "taken over": take_over,
    "finished and cleared": finish_and_clear,
    "given back": lambda spec, attempt, data: attempt.retry(data),
    "expired": lambda spec, attempt, data: attempt.expire(data),
}


@pytest.mark.parametrize("way", AGAIN)
def test_doing_units_again_costs_no_memory(
    namespace: Queue, spec: WorkSpec, clock: Clock, way: str
) -> None:
    units, size = 20, 50_000
    add(spec, *(b"%d" % n for n in range(units)), data=data_of_size(size))

    def do_all(turn: int) -> None:
        for n in range(units):
            attempt = take(namespace, b"worker")
            clock.advance(1)
            AGAIN[way](spec, attempt, data_of_size(size, b"%d" % (turn % 10)))
            spec.set_priorities([attempt.work_unit.name], -turn)
            del attempt, n

    for turn in range(2):
        do_all(turn)
    gc.collect()
    tracemalloc.start()
    try:
        for turn in range(2, 20):
            do_all(turn)
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(spec.work_unit(listed(spec)[0]).attempts) == 16
    # Once, as the old data was there before, and some 300 bytes an attempt.
    assert grown < units * (size + 16 * 1000)
