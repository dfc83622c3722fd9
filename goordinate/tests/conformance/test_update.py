"""update_work_unit: the table of states, and what it does to data, lease and worker."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.errors import HeldByAnother
from goordinate.coordinate.handles import Queue, WorkSpec, WorkUnit
from goordinate.coordinate.names import Name
from goordinate.coordinate.states import AVAILABLE, DELAYED, FAILED, FINISHED, PENDING, RETRYABLE
from goordinate.tests.conformance.clock import UNIX_START, Clock
from goordinate.tests.conformance.steps import add, add_one, define, listed, request, state, take

#: What the unit has as its data, with an output for the next work spec.
OWN = dumps({b"output": [b"chained"]})
#: The same, as the test changes it.
NEW = dumps({b"output": [b"chained anew"]})

DELAY = 500.0
LEASE = 100.0
#: Seconds from the moment when the unit came into its state to the update.
LATER = 10.0
AFTER = UNIX_START + LATER


class Shown(NamedTuple):
    """What a unit shows of its state."""

    status: int
    expiration: float | None = None
    worker: Name | None = None
    not_before: float | None = None


FREE = Shown(AVAILABLE)
WAITING = Shown(DELAYED, not_before=UNIX_START + DELAY)

#: (state now, state asked for) -> what the unit shows then, and whether it chains. The unit of
#: the last three is or was in the hands of b"worker". No lease is given.
TABLE = {
    ("available", AVAILABLE): (FREE, False),
    ("available", PENDING): (Shown(PENDING), False),
    ("available", FINISHED): (Shown(FINISHED, AFTER), True),
    ("available", FAILED): (Shown(FAILED, AFTER), False),
    ("delayed", AVAILABLE): (WAITING, False),
    ("delayed", PENDING): (Shown(PENDING), False),
    ("delayed", FINISHED): (Shown(FINISHED, AFTER), True),
    ("delayed", FAILED): (Shown(FAILED, AFTER), False),
    ("pending", AVAILABLE): (FREE, False),
    ("pending", PENDING): (Shown(PENDING, UNIX_START + LEASE, b"worker"), False),
    ("pending", FINISHED): (Shown(FINISHED, AFTER, b"worker"), True),
    ("pending", FAILED): (Shown(FAILED, AFTER, b"worker"), False),
    ("finished", AVAILABLE): (FREE, False),
    # The time of the end becomes the end of the lease, which so is over already.
    ("finished", PENDING): (FREE, False),
    ("finished", FINISHED): (Shown(FINISHED, UNIX_START, b"worker"), False),
    ("finished", FAILED): (Shown(FINISHED, UNIX_START, b"worker"), False),
    ("failed", AVAILABLE): (FREE, False),
    ("failed", PENDING): (FREE, False),
    ("failed", FINISHED): (Shown(FINISHED, AFTER, b"worker"), True),
    ("failed", FAILED): (Shown(FAILED, UNIX_START, b"worker"), False),
}

#: The rows that are another with a lease of `LEASE` seconds.
LEASED = {
    ("available", PENDING): Shown(PENDING, AFTER + LEASE),
    ("delayed", PENDING): Shown(PENDING, AFTER + LEASE),
    ("pending", PENDING): Shown(PENDING, AFTER + LEASE, b"worker"),
    ("finished", PENDING): Shown(PENDING, AFTER + LEASE, b"worker"),
    ("failed", PENDING): Shown(PENDING, AFTER + LEASE, b"worker"),
}

STATES = ("available", "delayed", "pending", "finished", "failed")


@pytest.fixture
def spec(namespace: Queue) -> WorkSpec:
    """A work spec that feeds another one."""
    define(namespace, b"next")
    return define(namespace, b"spec", then=b"next")


def put(namespace: Queue, spec: WorkSpec, clock: Clock, now: str) -> WorkUnit:
    """A unit that came into the state `now`, without chaining, `LATER` seconds ago."""
    unit = add_one(spec, b"unit", data=OWN, delay=DELAY if now == "delayed" else 0)
    if now not in ("available", "delayed"):
        attempt = take(namespace, lease=LEASE, work_specs=[b"spec"])
        if now == "finished":
            attempt.finish()
        elif now == "failed":
            attempt.fail()
    namespace.work_spec(b"next").delete_work_units()
    clock.advance(LATER)
    return unit


def shown(unit: WorkUnit) -> Shown:
    """What the unit shows."""
    return Shown(unit.status, unit.expiration, unit.worker_name, unit.not_before)


@pytest.mark.parametrize(("now", "asked"), TABLE)
@pytest.mark.parametrize("lease", [None, LEASE])
@pytest.mark.parametrize("data", [None, NEW])
def test_every_row(
    namespace: Queue,
    spec: WorkSpec,
    clock: Clock,
    now: str,
    asked: int,
    lease: float | None,
    data: bytes | None,
) -> None:
    unit = put(namespace, spec, clock, now)
    spec.update_work_unit("unit", status=asked, lease=lease, data=data)
    after, chains = TABLE[now, asked]
    if lease is not None:
        after = LEASED.get((now, asked), after)
    assert shown(unit) == after
    assert spec.count_work_units() == {after.status: 1}
    assert unit.data == (data or OWN)
    chained: list[Name] = [b"chained anew" if data else b"chained"] if chains else []
    assert listed(namespace.work_spec(b"next")) == chained
    # What shows is what is: a unit is handed out if it is available, and else is not.
    given = namespace.request_attempts(b"next worker", work_specs=[b"spec"])
    assert [attempt.work_unit for attempt in given] == ([unit] if after.status == AVAILABLE else [])


def test_the_table_is_whole() -> None:
    assert set(TABLE) == {(now, to) for now in STATES for to in (1, PENDING, FINISHED, FAILED)}


@pytest.mark.parametrize("now", STATES)
@pytest.mark.parametrize("lease", [None, LEASE])
@pytest.mark.parametrize("data", [None, NEW])
def test_without_a_status(
    namespace: Queue,
    spec: WorkSpec,
    clock: Clock,
    now: str,
    lease: float | None,
    data: bytes | None,
) -> None:
    unit = put(namespace, spec, clock, now)
    before = shown(unit)
    spec.update_work_unit(b"unit", lease=lease, data=data, worker=b"stranger")
    moved = now == "pending" and lease is not None
    assert shown(unit) == (before._replace(expiration=AFTER + LEASE) if moved else before)
    assert unit.data == (data or OWN)
    assert listed(namespace.work_spec(b"next")) == []


class TestData:
    """`data` changes the unit's own data for good."""

    @pytest.mark.parametrize("now", STATES)
    def test_it_outlives_the_attempt(
        self, namespace: Queue, spec: WorkSpec, clock: Clock, now: str
    ) -> None:
        unit = put(namespace, spec, clock, now)
        spec.update_work_unit(b"unit", data=NEW)
        unit.clear_active_attempt()
        assert unit.data == NEW
        assert take(namespace, work_specs=[b"spec"]).data == NEW

    def test_it_takes_the_place_of_the_data_of_an_attempt(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = put(namespace, spec, clock, "pending")
        attempt = unit.active_attempt
        assert attempt is not None
        attempt.renew(LEASE, dumps(1))
        spec.update_work_unit(b"unit", data=NEW)
        assert (unit.data, attempt.data) == (NEW, NEW)
        attempt.expire()
        assert unit.data == NEW

    def test_data_of_an_attempt_that_ended_by_update_is_its_own(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = put(namespace, spec, clock, "pending")
        attempt = unit.active_attempt
        assert attempt is not None
        attempt.renew(LEASE, NEW)
        spec.update_work_unit(b"unit", status=AVAILABLE)
        assert (unit.data, attempt.data) == (OWN, NEW)


class TestWorker:
    """Who holds the unit, and whose list it is on."""

    def holders(self, namespace: Queue, spec: WorkSpec) -> list[bytes]:
        """The workers that hold the unit."""
        return [name for name in (b"worker", b"other") if namespace.worker(name).active_attempts()]

    @pytest.mark.parametrize("asked", [AVAILABLE, FINISHED, FAILED])
    def test_the_unit_leaves_the_list_of_its_worker(
        self, namespace: Queue, spec: WorkSpec, clock: Clock, asked: int
    ) -> None:
        unit = put(namespace, spec, clock, "pending")
        (attempt,) = unit.attempts
        assert self.holders(namespace, spec) == [b"worker"]
        spec.update_work_unit(b"unit", status=asked, worker=b"other")
        assert self.holders(namespace, spec) == []
        assert attempt.status == (RETRYABLE if asked == AVAILABLE else asked)
        assert attempt.end_time == AFTER
        assert namespace.worker(b"worker").all_attempts() == [attempt]

    def test_a_pending_unit_goes_to_another_worker(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = put(namespace, spec, clock, "pending")
        (first,) = unit.attempts
        spec.update_work_unit(b"unit", status=PENDING, worker=b"other")
        assert shown(unit) == Shown(PENDING, UNIX_START + LEASE, b"other")
        assert self.holders(namespace, spec) == [b"other"]
        second = unit.active_attempt
        assert second is not None
        assert unit.attempts == [first, second]
        assert (second.worker_name, second.start_time) == (b"other", AFTER)
        assert (first.worker_name, first.start_time) == (b"worker", UNIX_START)

    def test_the_worker_that_has_it_already(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = put(namespace, spec, clock, "pending")
        before = state(unit)
        spec.update_work_unit(b"unit", status=PENDING, worker="worker")
        assert state(unit) == before
        assert len(unit.attempts) == 1
        assert namespace.worker(b"worker").all_attempts() == unit.attempts

    def test_pending_by_hand_is_nobodys(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = put(namespace, spec, clock, "available")
        spec.update_work_unit(b"unit", status=PENDING, lease=LEASE)
        attempt = unit.active_attempt
        assert attempt is not None
        assert (attempt.worker_name, attempt.status) == (None, PENDING)
        assert self.holders(namespace, spec) == []
        spec.update_work_unit(b"unit", status=PENDING, worker=b"other")
        assert shown(unit) == Shown(PENDING, AFTER + LEASE, b"other")
        clock.advance(LEASE)
        assert shown(unit) == FREE

    def test_without_a_lease_it_stays_pending(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = put(namespace, spec, clock, "available")
        spec.update_work_unit(b"unit", status=PENDING)
        clock.advance(10**9)
        assert shown(unit) == Shown(PENDING)
        spec.update_work_unit(b"unit", lease=LEASE)
        clock.advance(LEASE)
        assert shown(unit) == FREE


def test_it_chains_each_time_it_becomes_finished(
    namespace: Queue, spec: WorkSpec, clock: Clock
) -> None:
    following = namespace.work_spec(b"next")
    put(namespace, spec, clock, "pending")
    for again in (False, True):
        if again:
            spec.update_work_unit(b"unit", status=AVAILABLE)
        spec.update_work_unit(b"unit", status=FINISHED)
        assert listed(following) == [b"chained"]
        following.delete_work_units()


@pytest.mark.parametrize("held", [False, True])
def test_a_worker_whose_lease_has_run_out_may_still_finish(
    namespace: Queue, spec: WorkSpec, clock: Clock, held: bool
) -> None:
    following = namespace.work_spec(b"next")
    unit = put(namespace, spec, clock, "pending")
    clock.advance(LEASE)
    if held:
        take(namespace, b"other", work_specs=[b"spec"])
    spec.update_work_unit(b"unit", status=FINISHED, worker=b"worker")
    assert unit.status == FINISHED
    assert namespace.worker(b"other").active_attempts() == []
    assert listed(following) == [b"chained"]
    # The one that had it then finishes too: nothing chains twice.
    following.delete_work_units()
    spec.update_work_unit(b"unit", status=FINISHED, worker=b"other")
    assert listed(following) == []
    assert request(namespace) == []


def test_a_finished_unit_is_never_failed_by_a_late_worker(
    namespace: Queue, spec: WorkSpec, clock: Clock
) -> None:
    add(spec, b"unit")
    take(namespace, b"slow", lease=LEASE)
    clock.advance(LEASE)
    take(namespace, b"quick", lease=LEASE).finish()
    before = state(spec.work_unit(b"unit"))
    spec.update_work_unit(b"unit", status=FAILED, worker=b"slow")
    assert state(spec.work_unit(b"unit")) == before


class TestLeaseBelow0:
    """By which a worker gives a unit back."""

    @pytest.mark.parametrize("status", [None, PENDING])
    def test_the_unit_is_available_and_no_lease_ran_out(
        self, namespace: Queue, status: int | None
    ) -> None:
        unit = add_one(define(namespace, b"spec", max_retries=1), b"unit")
        for _ in range(3):
            attempt = take(namespace)
            unit.work_spec.update_work_unit(b"unit", status=status, lease=-1.0, worker=b"other")
            assert unit.status == AVAILABLE
            assert attempt.status == RETRYABLE

    @pytest.mark.parametrize("ends_as", [FINISHED, FAILED])
    def test_of_a_unit_that_has_ended(self, namespace: Queue, ends_as: int) -> None:
        unit = add_one(define(namespace, b"spec"), b"unit")
        unit.work_spec.update_work_unit(b"unit", status=ends_as)
        before = state(unit)
        unit.work_spec.update_work_unit(b"unit", lease=-1.0)
        assert state(unit) == before
        unit.work_spec.update_work_unit(b"unit", status=PENDING, lease=-1.0)
        assert unit.status == AVAILABLE


@pytest.mark.parametrize("now", STATES)
def test_a_delay(namespace: Queue, spec: WorkSpec, clock: Clock, now: str) -> None:
    """It counts from now, in every state, and takes the unit from its worker."""
    unit = put(namespace, spec, clock, now)
    attempt = unit.active_attempt
    spec.update_work_unit(b"unit", status=AVAILABLE, delay=60.0, data=NEW)
    assert shown(unit) == Shown(DELAYED, not_before=AFTER + 60)
    assert unit.data == NEW
    assert unit.active_attempt is None
    assert attempt is None or attempt.status == {"pending": RETRYABLE}.get(now, attempt.status)
    clock.advance(60)
    assert request(namespace, work_specs=[b"spec"]) == [b"unit"]


def test_a_unit_that_is_put_off_keeps_the_count_of_its_leases(
    namespace: Queue, clock: Clock
) -> None:
    unit = add_one(define(namespace, b"spec", max_retries=1), b"unit")
    take(namespace, lease=10)
    clock.advance(10)
    unit.work_spec.update_work_unit(b"unit", status=AVAILABLE, delay=5.0)
    clock.advance(5)
    assert request(namespace) == []
    assert unit.status == FAILED


class TestHolder:
    """A caller may say who it believes holds the unit."""

    def test_another_has_it(self, namespace: Queue) -> None:
        unit = add_one(define(namespace, b"spec"), b"unit")
        take(namespace, b"worker")
        before = state(unit)
        for change in ({"status": FINISHED}, {"lease": 500.0, "data": NEW}, {"status": AVAILABLE}):
            with pytest.raises(HeldByAnother) as caught:
                unit.work_spec.update_work_unit(b"unit", holder=b"other", **change)
            assert (caught.value.name, caught.value.holder) == (b"unit", b"worker")
        assert state(unit) == before

    @pytest.mark.parametrize("holder", [b"worker", "worker"])
    def test_it_has_it(self, namespace: Queue, holder: Name) -> None:
        unit = add_one(define(namespace, b"spec"), b"unit")
        take(namespace, b"worker")
        unit.work_spec.update_work_unit(b"unit", holder=holder, status=FINISHED)
        assert unit.status == FINISHED

    @pytest.mark.parametrize("now", [one for one in STATES if one != "pending"])
    def test_nobody_has_it(self, namespace: Queue, spec: WorkSpec, clock: Clock, now: str) -> None:
        unit = put(namespace, spec, clock, now)
        spec.update_work_unit(b"unit", holder=b"other", status=PENDING, lease=LEASE)
        assert unit.status == PENDING
