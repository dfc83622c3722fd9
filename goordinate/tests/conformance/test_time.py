"""Time: leases and delays end on time, whichever call comes first, and a call has one moment."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.errors import LostLease, NotPending
from goordinate.coordinate.handles import Attempt, Queue, WorkSpec, WorkUnit
from goordinate.coordinate.states import AVAILABLE, DELAYED, EXPIRED, FAILED, FINISHED, PENDING
from goordinate.tests.conformance.clock import UNIX_START, Clock
from goordinate.tests.conformance.steps import DATA, add, add_one, define, listed, request, take


class World:
    """A unit whose lease, or delay, ends `SECONDS` after the start."""

    SECONDS = 60.0

    def __init__(self, namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
        self.namespace, self.spec, self.clock = namespace, spec, clock

    def leased(self) -> Attempt:
        """A pending unit, which has been renewed once."""
        add(self.spec, b"unit")
        attempt = take(self.namespace, lease=45)
        self.clock.advance(10)
        attempt.renew(50, dumps(2))
        return attempt


@pytest.fixture
def world(namespace: Queue, spec: WorkSpec, clock: Clock) -> World:
    """An empty spec at the start of time."""
    return World(namespace, spec, clock)


def outcome(call: Callable[[], object]) -> object:
    """What a call gives, or the type of what it raises."""
    try:
        return call()
    except (LostLease, NotPending) as error:
        return type(error)


#: A call -> what it gives while the lease runs, and once it has ended.
LEASE_SHOWS: dict[str, tuple[Callable[[World, Attempt], object], object, object]] = {
    "count": (lambda w, a: w.spec.count_work_units(), {PENDING: 1}, {AVAILABLE: 1}),
    "summarize": (
        lambda w, a: w.namespace.summarize(),
        [("", b"spec", PENDING, 1)],
        [("", b"spec", AVAILABLE, 1)],
    ),
    "list pending": (lambda w, a: listed(w.spec, statuses=[PENDING]), [b"unit"], []),
    "list available": (lambda w, a: listed(w.spec, statuses=[AVAILABLE]), [], [b"unit"]),
    "request": (lambda w, a: request(w.namespace), [], [b"unit"]),
    "delete pending": (lambda w, a: w.spec.delete_work_units(statuses=[PENDING]), 1, 0),
    "status": (lambda w, a: a.work_unit.status, PENDING, AVAILABLE),
    "data": (lambda w, a: a.work_unit.data, dumps(2), DATA),
    "item": (lambda w, a: a.work_unit.entry, b"\x44unit\x02", b"\x44unit" + DATA),
    "expiration": (lambda w, a: a.work_unit.expiration, UNIX_START + 60, None),
    "worker name": (lambda w, a: a.work_unit.worker_name, b"worker", None),
    "active attempt": (lambda w, a: a.work_unit.active_attempt == a, True, False),
    "attempt status": (lambda w, a: a.status, PENDING, EXPIRED),
    "attempt end": (lambda w, a: a.end_time is None, True, False),
    "holds": (lambda w, a: len(w.namespace.worker(b"worker").active_attempts()), 1, 0),
    "renew": (lambda w, a: outcome(lambda: a.renew(10)), None, LostLease),
    "finish": (lambda w, a: outcome(a.finish), None, NotPending),
    "fail": (lambda w, a: outcome(a.fail), None, NotPending),
    "retry": (lambda w, a: outcome(a.retry), None, NotPending),
    "expire": (lambda w, a: outcome(a.expire), None, None),
    "update, then status": (
        lambda w, a: updated(w.spec, a.work_unit).status,
        PENDING,
        AVAILABLE,
    ),
    "set priority, then status": (
        lambda w, a: prioritized(w.spec, a.work_unit).status,
        PENDING,
        AVAILABLE,
    ),
    "add, then status": (lambda w, a: add_one(w.spec, b"unit").status, PENDING, AVAILABLE),
}


def updated(spec: WorkSpec, unit: WorkUnit) -> WorkUnit:
    """A unit after its lease was asked to be longer."""
    spec.update_work_unit(b"unit", lease=100)
    return unit


def prioritized(spec: WorkSpec, unit: WorkUnit) -> WorkUnit:
    """A unit after its priority was set."""
    spec.set_priorities([b"unit"], 1)
    return unit


@pytest.mark.parametrize("call", LEASE_SHOWS)
@pytest.mark.parametrize(("seconds", "over"), [(49.75, 0), (50, 1), (50.25, 1), (10**7, 1)])
def test_the_end_of_a_lease(world: World, call: str, seconds: float, over: int) -> None:
    attempt = world.leased()
    world.clock.advance(seconds)
    look, *shown = LEASE_SHOWS[call]
    assert look(world, attempt) == shown[over]


#: The same for a delay: the calls that can tell a delayed unit from an available one.
DELAY_SHOWS: dict[str, tuple[Callable[[World], object], object, object]] = {
    "count": (lambda w: w.spec.count_work_units(), {DELAYED: 1}, {AVAILABLE: 1}),
    "summarize": (
        lambda w: w.namespace.summarize(),
        [("", b"spec", DELAYED, 1)],
        [("", b"spec", AVAILABLE, 1)],
    ),
    "list": (lambda w: listed(w.spec, statuses=[DELAYED]), [b"unit"], []),
    "request": (lambda w: request(w.namespace), [], [b"unit"]),
    "delete": (lambda w: w.spec.delete_work_units(statuses=[DELAYED]), 1, 0),
    "status": (lambda w: w.spec.work_unit(b"unit").status, DELAYED, AVAILABLE),
    "not before": (lambda w: w.spec.work_unit(b"unit").not_before, UNIX_START + 50, None),
}


@pytest.mark.parametrize("call", DELAY_SHOWS)
@pytest.mark.parametrize(("seconds", "over"), [(49.75, 0), (50, 1), (50.25, 1), (10**7, 1)])
def test_the_end_of_a_delay(world: World, call: str, seconds: float, over: int) -> None:
    add(world.spec, b"unit", delay=50)
    world.clock.advance(seconds)
    look, *shown = DELAY_SHOWS[call]
    assert look(world) == shown[over]


class TestLease:
    """Ends of leases, one by one."""

    def test_each_in_its_time(self, namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
        ends = {b"%02d" % number: 10 + (number * 7) % 20 * 0.25 for number in range(20)}
        add(spec, *ends)
        for name, end in ends.items():
            assert take(namespace, lease=end).work_unit.name == name
        clock.advance(9.875)
        for passed in range(21):
            still = [name for name, end in ends.items() if end > 9.875 + passed * 0.25]
            assert listed(spec, statuses=[PENDING]) == still
            clock.advance(0.25)

    def test_moved_inside_the_second_that_has_begun(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        add(spec, b"a", b"b", b"c", b"d")
        attempts = [take(namespace, lease=1.75) for _ in range(4)]
        clock.advance(1.25)
        assert listed(spec, statuses=[PENDING]) == [b"a", b"b", b"c", b"d"]
        for attempt, lease in zip(attempts, (0.375, 0.625, 60, 0.125), strict=True):
            attempt.renew(lease)
        held = []
        for _ in range(7):
            clock.advance(0.125)
            held.append(b"".join(listed(spec, statuses=[PENDING])))  # type: ignore[arg-type]
        assert held == [b"abc", b"abc", b"bc", b"bc", b"c", b"c", b"c"]

    def test_what_is_left_of_the_attempt(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = add_one(spec, b"unit")
        attempt = take(namespace, lease=10)
        attempt.renew(10, dumps(2))
        clock.advance(10)
        assert (attempt.status, attempt.data) == (EXPIRED, dumps(2))
        assert attempt.end_time is not None
        assert attempt.end_time >= UNIX_START + 10
        again = take(namespace, b"other")
        assert (again.data, unit.attempts) == (DATA, [attempt, again])

    @pytest.mark.parametrize("status", [FINISHED, FAILED])
    def test_a_unit_that_is_done_does_not_come_back(
        self, namespace: Queue, spec: WorkSpec, clock: Clock, status: int
    ) -> None:
        unit = add_one(spec, b"unit")
        take(namespace, lease=10)
        spec.update_work_unit(b"unit", status=status)
        clock.advance(10**6)
        assert unit.status == status
        assert request(namespace) == []

    def test_a_lease_moved_nearer(self, namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
        unit = add_one(spec, b"unit")
        attempt = take(namespace, lease=1000)
        clock.advance(10)
        attempt.renew(5)
        clock.advance(5)
        assert unit.status == AVAILABLE

    @pytest.mark.parametrize("lease", [0, -10])
    def test_a_lease_without_length_is_over_at_once(
        self, namespace: Queue, spec: WorkSpec, lease: float
    ) -> None:
        add(spec, b"unit")
        assert take(namespace, lease=lease).status == EXPIRED
        assert spec.count_work_units() == {AVAILABLE: 1}

    def test_by_an_update_too(self, spec: WorkSpec) -> None:
        add(spec, b"unit")
        spec.update_work_unit(b"unit", status=PENDING, lease=0)
        assert spec.count_work_units() == {AVAILABLE: 1}

    def test_a_clock_that_goes_back_does_no_harm(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        add(spec, b"a", b"b", b"c")
        take(namespace, lease=10)
        clock.advance(20)
        assert spec.count_work_units() == {AVAILABLE: 3}
        clock.advance(-50)
        take(namespace, lease=10)
        add(spec, b"d", delay=5)
        assert spec.count_work_units() == {AVAILABLE: 2, PENDING: 1, DELAYED: 1}
        clock.advance(10)
        assert spec.count_work_units() == {AVAILABLE: 4}


class TestOneMoment:
    """An operation happens at one moment, even if time passes while it runs."""

    @pytest.fixture
    def attempt(self, namespace: Queue, spec: WorkSpec, clock: Clock) -> Attempt:
        """An attempt whose lease ends between the next reading of the clock and the one after."""
        add(spec, b"unit")
        attempt = take(namespace, lease=15)
        clock.step = 10
        return attempt

    def test_attempts(self, attempt: Attempt) -> None:
        unit = attempt.work_unit
        assert [unit.attempts, unit.attempts] == [[attempt], [attempt]]

    @pytest.mark.parametrize("call", ["finish", "fail", "expire", "retry"])
    def test_the_end_of_an_attempt(self, attempt: Attempt, clock: Clock, call: str) -> None:
        getattr(attempt, call)()
        clock.step = 0
        assert attempt.end_time == UNIX_START + 10
        assert attempt.work_unit.attempts == [attempt]

    def test_renew(self, attempt: Attempt, clock: Clock) -> None:
        attempt.renew(30)
        clock.step = 0
        assert (attempt.status, attempt.expiration_time) == (PENDING, UNIX_START + 40)

    def test_clear(self, attempt: Attempt, clock: Clock) -> None:
        attempt.work_unit.clear_active_attempt()
        clock.step = 0
        assert (attempt.status, attempt.work_unit.attempts) == (PENDING, [attempt])

    def test_request(self, namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
        add(spec, b"a", b"b", b"c", b"d")
        clock.step = 10
        attempts = namespace.request_attempts(b"worker", count=4, lease=1000)
        clock.step = 0
        assert {attempt.start_time for attempt in attempts} == {UNIX_START + 10}
        assert {attempt.expiration_time for attempt in attempts} == {UNIX_START + 1010}


@pytest.mark.parametrize("step", [3600, -3600])
class TestWallClock:
    """Somebody sets the wall clock: what waits ends on time, and is shown by the new time."""

    def test_leases(self, namespace: Queue, spec: WorkSpec, clock: Clock, step: float) -> None:
        unit = add_one(spec, b"unit")
        attempt = take(namespace, lease=60)
        assert unit.expiration == UNIX_START + 60
        clock.set_wall_clock(step)
        start, end = UNIX_START + step, UNIX_START + step + 60
        assert (unit.status, unit.expiration) == (PENDING, end)
        assert (attempt.start_time, attempt.expiration_time) == (start, end)
        clock.advance(59.5)
        assert unit.status == PENDING
        clock.advance(0.5)
        assert unit.status == AVAILABLE
        assert attempt.end_time == end

    def test_delays_and_lives(
        self, namespace: Queue, spec: WorkSpec, clock: Clock, step: float
    ) -> None:
        unit = add_one(spec, b"unit", delay=60)
        namespace.heartbeat(b"worker", mode=b"RUN", data=None, lifetime=60, parent=None)
        clock.set_wall_clock(step)
        clock.advance(59.5)
        assert request(namespace) == []
        assert unit.not_before == clock.now + 0.5
        worker = namespace.find_worker(b"worker")
        assert worker is not None
        assert (worker.last_update, worker.expiration) == (clock.now - 59.5, clock.now + 0.5)
        clock.advance(0.5)
        assert namespace.find_worker(b"worker") is None
        assert request(namespace) == [b"unit"]

    def test_intervals(self, namespace: Queue, clock: Clock, step: float) -> None:
        define(namespace, b"made up", continuous=True, interval=60)
        assert request(namespace) == [b"%.6f" % UNIX_START]
        clock.set_wall_clock(step)
        clock.advance(59.5)
        assert request(namespace) == []
        clock.advance(0.5)
        assert request(namespace) == [b"%.6f" % clock.now]

    def test_age(self, spec: WorkSpec, clock: Clock, step: float) -> None:
        add(spec, b"unit")
        spec.update_work_unit(b"unit", status=FINISHED)
        clock.set_wall_clock(step)
        clock.advance(60)
        assert [spec.archive(None, age) for age in (60, 59.5)] == [0, 1]
