"""Attempts: every call in every state, and the history of a unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.errors import CoordinateError, LostLease, NoSuchAttempt, NotPending
from goordinate.coordinate.handles import Attempt, Queue, WorkSpec, WorkUnit
from goordinate.coordinate.states import (
    AVAILABLE,
    DELAYED,
    EXPIRED,
    FAILED,
    FINISHED,
    PENDING,
    RETRYABLE,
)
from goordinate.tests.conformance.clock import UNIX_START, Clock
from goordinate.tests.conformance.steps import (
    add,
    add_one,
    attempt_state,
    define,
    listed,
    state,
    take,
    whole_state,
)

OWN = dumps({b"own": 1})
GIVEN = dumps({b"output": [b"chained"]})

LEASE = 100.0
#: What `renew` and `retry` are called with.
SECONDS = 50.0
#: Seconds from the start of the attempt to its state, and from there to the call.
LATER = 10.0
AFTER = UNIX_START + 2 * LATER

CALLS: dict[str, Callable[[Attempt, bytes | None], None]] = {
    "renew": lambda attempt, data: attempt.renew(SECONDS, data),
    "expire": lambda attempt, data: attempt.expire(data),
    "finish": lambda attempt, data: attempt.finish(data),
    "fail": lambda attempt, data: attempt.fail(data),
    "retry": lambda attempt, data: attempt.retry(data, SECONDS),
    "retry at once": lambda attempt, data: attempt.retry(data),
}

#: How an attempt comes into a state: what is done to it, and whether it is active then.
STATES: dict[str, tuple[Callable[[Attempt], None], int, bool]] = {
    "pending": (lambda attempt: None, PENDING, True),
    "cleared": (lambda attempt: attempt.work_unit.clear_active_attempt(), PENDING, False),
    "expired": (lambda attempt: attempt.expire(), EXPIRED, False),
    "retryable": (lambda attempt: attempt.retry(), RETRYABLE, False),
    "finished": (lambda attempt: attempt.finish(), FINISHED, True),
    "failed": (lambda attempt: attempt.fail(), FAILED, True),
    "finished, cleared": (lambda attempt: _end(attempt.finish, attempt), FINISHED, False),
    "failed, cleared": (lambda attempt: _end(attempt.fail, attempt), FAILED, False),
}


def _end(call: Callable[[], None], attempt: Attempt) -> None:
    call()
    attempt.work_unit.clear_active_attempt()


class After(NamedTuple):
    """What a call on an active attempt leads to."""

    attempt: int
    unit: int
    #: Of the attempt, its end; while it is pending, the end of its lease.
    time: float
    #: Whether the unit shows the data given; else its own.
    shows_given: bool
    chains: bool = False
    not_before: float | None = None


#: (call, state of the active attempt) -> what it leads to; with any other state, NotPending.
ACTIVE = {
    ("renew", "pending"): After(PENDING, PENDING, AFTER + SECONDS, True),
    ("expire", "pending"): After(EXPIRED, AVAILABLE, AFTER, False),
    ("finish", "pending"): After(FINISHED, FINISHED, AFTER, True, chains=True),
    ("fail", "pending"): After(FAILED, FAILED, AFTER, True),
    ("retry", "pending"): After(RETRYABLE, DELAYED, AFTER, False, not_before=AFTER + SECONDS),
    ("retry at once", "pending"): After(RETRYABLE, AVAILABLE, AFTER, False),
    # A late success wins.
    ("finish", "failed"): After(FINISHED, FINISHED, AFTER, True, chains=True),
}

#: (call, state of the attempt that has lost its unit) -> its status then, whether it has the
#: data given then, and what is raised. With any other state, NotPending.
STALE: dict[tuple[str, str], tuple[int, bool, type[CoordinateError] | None]] = {
    ("renew", "cleared"): (EXPIRED, True, LostLease),
    ("renew", "expired"): (EXPIRED, True, LostLease),
    ("expire", "cleared"): (EXPIRED, True, None),
    ("expire", "expired"): (EXPIRED, False, None),
    ("finish", "cleared"): (FINISHED, True, None),
    ("finish", "failed, cleared"): (FINISHED, True, None),
    ("fail", "cleared"): (FAILED, True, None),
    ("retry", "cleared"): (RETRYABLE, True, None),
    ("retry at once", "cleared"): (RETRYABLE, True, None),
}

ACTIVE_STATES = [name for name, (_, _, active) in STATES.items() if active]
STALE_STATES = [name for name, (_, _, active) in STATES.items() if not active]


@pytest.fixture
def spec(namespace: Queue) -> WorkSpec:
    """A work spec that feeds another one."""
    define(namespace, b"next")
    return define(namespace, b"spec", then=b"next")


def bring(namespace: Queue, spec: WorkSpec, clock: Clock, before: str) -> tuple[WorkUnit, Attempt]:
    """A unit, and an attempt that came into the state `before` `LATER` seconds ago."""
    unit = add_one(spec, b"unit", data=OWN, priority=3)
    attempt = take(namespace, lease=LEASE, work_specs=[b"spec"])
    clock.advance(LATER)
    way, status, active = STATES[before]
    way(attempt)
    assert attempt.status == status
    assert (unit.active_attempt == attempt) is active
    clock.advance(LATER)
    return unit, attempt


def chained(namespace: Queue) -> bool:
    """Whether the next work spec has got the output of `GIVEN`."""
    return listed(namespace.work_spec(b"next")) == [b"chained"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("before", ACTIVE_STATES)
@pytest.mark.parametrize("data", [None, GIVEN])
def test_active(
    namespace: Queue,
    spec: WorkSpec,
    clock: Clock,
    call: str,
    before: str,
    data: bytes | None,
) -> None:
    unit, attempt = bring(namespace, spec, clock, before)
    after = ACTIVE.get((call, before))
    if after is None:
        whole = whole_state(namespace)
        with pytest.raises(NotPending, match=before):
            CALLS[call](attempt, data)
        assert whole_state(namespace) == whole
        return
    CALLS[call](attempt, data)
    pending = after.attempt == PENDING
    assert attempt_state(attempt) == {
        "worker_name": b"worker",
        "start_time": UNIX_START,
        "status": after.attempt,
        "data": data or OWN,
        "end_time": None if pending else after.time,
        "expiration_time": after.time,
    }
    has_it = after.unit in (PENDING, FINISHED, FAILED)
    shown = data if data is not None and after.shows_given else OWN
    assert state(unit) == {
        "name": b"unit",
        "item": dumps(b"unit") + shown,
        "data": shown,
        "status": after.unit,
        "priority": 3,
        "not_before": after.not_before,
        "expiration": after.time if has_it else None,
        "worker_name": b"worker" if has_it else None,
        "active_attempt": attempt if has_it else None,
    }
    assert unit.attempts == [attempt]
    worker = namespace.worker(b"worker")
    assert worker.active_attempts() == ([attempt] if pending else [])
    assert worker.all_attempts() == [attempt]
    assert chained(namespace) == (after.chains and data is not None)
    if after.not_before is not None:
        clock.advance(SECONDS)
        assert (unit.status, unit.not_before) == (AVAILABLE, None)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("before", STALE_STATES)
@pytest.mark.parametrize("data", [None, GIVEN])
@pytest.mark.parametrize("held", [False, True], ids=["free", "held by another"])
def test_stale(
    namespace: Queue,
    spec: WorkSpec,
    clock: Clock,
    call: str,
    before: str,
    data: bytes | None,
    held: bool,
) -> None:
    unit, attempt = bring(namespace, spec, clock, before)
    if held:
        take(namespace, b"other", lease=LEASE, work_specs=[b"spec"])
        clock.advance(LATER)
    unit_before, whole, end = state(unit), whole_state(namespace), attempt.end_time
    after = STALE.get((call, before))
    error = NotPending if after is None else after[2]
    if error is None:
        CALLS[call](attempt, data)
    else:
        with pytest.raises(error):
            CALLS[call](attempt, data)
    # Whatever it was, the unit belongs to others.
    assert state(unit) == unit_before
    assert not chained(namespace)
    if after is None:
        assert whole_state(namespace) == whole
        return
    status, stored, _ = after
    assert attempt.status == status
    assert attempt.data == (data if data is not None and stored else OWN)
    # An attempt ends once.
    assert end is None or attempt.end_time == end
    assert attempt.end_time is not None
    assert attempt.end_time > attempt.start_time
    assert unit.attempts[0] == attempt


def test_the_tables_name_only_what_there_is() -> None:
    assert {state for _, state in ACTIVE} <= set(ACTIVE_STATES)
    assert {state for _, state in STALE} <= set(STALE_STATES)
    assert {call for call, _ in (*ACTIVE, *STALE)} == set(CALLS)


class TestClear:
    """clear_active_attempt makes the unit available, whatever it is."""

    @pytest.mark.parametrize("before", ["pending", "finished", "failed"])
    def test_own_data_and_the_attempt_on_record(
        self, namespace: Queue, spec: WorkSpec, clock: Clock, before: str
    ) -> None:
        unit, attempt = bring(namespace, spec, clock, "pending")
        attempt.renew(LEASE, GIVEN)
        STATES[before][0](attempt)
        status, end = attempt.status, attempt.end_time
        clock.advance(LATER)
        unit.clear_active_attempt()
        assert (unit.status, unit.data, unit.active_attempt) == (AVAILABLE, OWN, None)
        assert (unit.expiration, unit.worker_name, unit.priority) == (None, None, 3)
        assert (attempt.status, attempt.data, attempt.end_time) == (status, GIVEN, end)
        assert unit.attempts == [attempt]
        assert namespace.worker(b"worker").active_attempts() == []
        clock.advance(LEASE)  # the old lease means nothing any more
        assert attempt.status == status
        assert take(namespace, b"other", work_specs=[b"spec"]).work_unit == unit

    def test_a_delayed_unit_is_available_then(self, spec: WorkSpec, clock: Clock) -> None:
        unit = add_one(spec, b"unit", delay=60)
        unit.clear_active_attempt()
        assert (unit.status, unit.not_before, unit.attempts) == (AVAILABLE, None, [])

    def test_an_available_unit_stays_so(self, namespace: Queue, spec: WorkSpec) -> None:
        unit = add_one(spec, b"unit")
        before = whole_state(namespace)
        unit.clear_active_attempt()
        assert whole_state(namespace) == before


class TestHistory:
    """Every attempt is on record; of one unit, the last 16."""

    def run(self, namespace: Queue, clock: Clock, count: int) -> list[Attempt]:
        """Take and give back a unit so often."""
        attempts = []
        for number in range(count):
            attempt = take(namespace, b"worker %d" % (number % 3))
            clock.advance(1)
            attempt.retry(dumps(number))
            attempts.append(attempt)
        return attempts

    def test_the_last_sixteen_are_kept(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = add_one(spec, b"unit")
        attempts = self.run(namespace, clock, 20)
        assert unit.attempts == attempts[-16:]
        assert [attempt.data for attempt in unit.attempts] == [dumps(n) for n in range(4, 20)]
        for attempt in attempts[:4]:
            with pytest.raises(NoSuchAttempt):
                attempt.finish()
            with pytest.raises(NoSuchAttempt):
                _ = attempt.status
        present = take(namespace)
        assert unit.attempts == [*attempts[-15:], present]
        present.finish()
        assert unit.attempts == [*attempts[-15:], present]
        unit.clear_active_attempt()
        assert unit.attempts == [*attempts[-15:], present]

    def test_taken_over_by_hand(self, spec: WorkSpec, clock: Clock) -> None:
        unit = add_one(spec, b"unit")
        spec.update_work_unit(b"unit", status=PENDING)
        for number in range(40):
            clock.advance(1)
            spec.update_work_unit(b"unit", status=PENDING, worker=b"%d" % number)
        assert [attempt.worker_name for attempt in unit.attempts] == [
            b"%d" % number for number in range(24, 40)
        ]

    def test_an_attempt_is_its_unit_worker_and_start(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        add(spec, b"a", b"b")
        one, other = take(namespace), take(namespace)
        assert one != other
        assert one == one.work_unit.active_attempt
        assert len({one, one.work_unit.attempts[0], other}) == 2
        assert one.work_unit != other.work_unit
        one.retry()
        clock.advance(1)
        again = take(namespace)
        assert again.work_unit == one.work_unit
        assert again != one
        assert (one.status, again.status) == (RETRYABLE, PENDING)

    def test_times(self, namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
        add(spec, b"unit")
        (attempt,) = namespace.request_attempts(b"worker")
        assert (attempt.start_time, attempt.end_time) == (UNIX_START, None)
        assert attempt.expiration_time == UNIX_START + 15 * 60
        clock.advance(5)
        attempt.renew(60)
        assert (attempt.expiration_time, attempt.end_time) == (UNIX_START + 65, None)
        clock.advance(5)
        attempt.finish()
        assert (attempt.start_time, attempt.end_time) == (UNIX_START, UNIX_START + 10)
        assert attempt.expiration_time == UNIX_START + 10
