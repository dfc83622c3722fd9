"""Ends of leases: whichever call comes first after the moment, its answer shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from goordinate.tests.jobserver.rpc import AVAILABLE, DONE, PENDING, Rpc


def count(rpc: Rpc) -> object:
    return rpc.counts(b"s")


def status(rpc: Rpc) -> object:
    return rpc.status(b"s", b"k")


def pending(rpc: Rpc) -> object:
    return rpc.keys(b"s", state=PENDING)


def available(rpc: Rpc) -> object:
    return rpc.units(b"s", state=AVAILABLE)


def held(rpc: Rpc) -> object:
    return rpc.held(b"p")


def handed_out(rpc: Rpc) -> object:
    return rpc.get(worker=b"v")


def deleted(rpc: Rpc) -> object:
    return rpc.call("del_work_units", b"s", {b"state": PENDING})


def reprioritized(rpc: Rpc) -> object:
    rpc.expect(DONE, "prioritize_work_units", b"s", {b"work_unit_keys": [b"k"], b"priority": 1})
    return rpc.status(b"s", b"k")


def moved(rpc: Rpc) -> object:
    rpc.update(b"s", b"k", lease_time=1000)
    return rpc.status(b"s", b"k")


FREE = {b"status": AVAILABLE, b"expiration": None}

#: call -> its answer while the lease runs, and after it.
CALLS: dict[Callable[[Rpc], object], tuple[Any, Any]] = {
    count: ({PENDING: 1}, {AVAILABLE: 1}),
    status: ({b"status": PENDING, b"expiration": None, b"worker_id": b"w"}, FREE),
    pending: ([b"k"], []),
    available: ([], [(b"k", {b"n": 2})]),
    held: ({b"w": [b"k"]}, {b"w": []}),
    handed_out: ((None, None, None), (b"s", b"k", {b"n": 2})),
    deleted: ((1, None), (0, None)),
    reprioritized: ({b"status": PENDING, b"expiration": None, b"worker_id": b"w"}, FREE),
    moved: ({b"status": PENDING, b"expiration": None, b"worker_id": b"w"}, FREE),
}


def without_time(answer: object) -> object:
    """The answer with no lease in it, which the table does not tell."""
    if isinstance(answer, dict) and b"expiration" in answer:
        return {**answer, b"expiration": None}
    return answer


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
@pytest.mark.parametrize(("seconds", "over"), [(59.5, False), (60.0, True), (80_000.0, True)])
def test_whatever_call_comes_first(
    rpc: Rpc, call: Callable[[Rpc], object], seconds: float, over: bool
) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"k", data={b"n": 1})
    rpc.expect(DONE, "worker_heartbeat", b"w", b"RUN", 86_400, {}, b"p")
    assert rpc.taken(worker=b"w", lease_time=50) == b"k"
    rpc.clock.advance(10)
    rpc.update(b"s", b"k", lease_time=60, data={b"n": 2})
    rpc.clock.advance(seconds)
    assert without_time(call(rpc)) == CALLS[call][over]


def test_leases_end_each_in_its_time(rpc: Rpc) -> None:
    rpc.define(b"s")
    keys = [b"k%d" % number for number in range(10)]
    rpc.add(b"s", *keys)
    for number in range(10):
        assert rpc.taken(lease_time=10 + (number * 7) % 10) == keys[number]
    for passed in range(1, 20):
        rpc.clock.advance(1)
        still = [key for n, key in enumerate(keys) if 10 + (n * 7) % 10 > passed]
        assert rpc.keys(b"s", state=PENDING) == still


def test_fractions_of_a_second_count(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"a", b"b")
    rpc.get(lease_time=1.25)
    rpc.get(lease_time=1.75)
    rpc.clock.advance(1.5)
    assert rpc.keys(b"s", state=PENDING) == [b"b"]
    rpc.clock.advance(0.25)
    assert rpc.keys(b"s", state=PENDING) == []


def test_leases_inside_the_second_that_has_begun(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"a", b"b", b"c", b"d")
    assert len(rpc.get(lease_time=1.75, max_jobs=4)) == 4
    rpc.clock.advance(1.25)
    assert rpc.keys(b"s", state=PENDING) == [b"a", b"b", b"c", b"d"]
    rpc.update(b"s", b"b", lease_time=0.625)
    rpc.update(b"s", b"a", lease_time=0.375)
    rpc.update(b"s", b"d", lease_time=0.125)
    rpc.update(b"s", b"c", lease_time=60)
    ends = []
    for _ in range(7):
        rpc.clock.advance(0.125)
        ends.append(b"".join(rpc.keys(b"s", state=PENDING)))
    assert ends == [b"abc", b"abc", b"bc", b"bc", b"c", b"c", b"c"]


def test_a_lease_that_was_moved_does_not_end_at_its_old_time(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"k")
    rpc.get(lease_time=10)
    for _ in range(20):
        rpc.clock.advance(9)
        rpc.update(b"s", b"k", lease_time=10)
        assert rpc.state(b"s", b"k") == PENDING
    rpc.clock.advance(10)
    assert rpc.state(b"s", b"k") == AVAILABLE


def test_a_finished_unit_does_not_come_back(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"k")
    rpc.get(lease_time=10)
    rpc.update(b"s", b"k", status=4)
    rpc.clock.advance(100)
    assert rpc.state(b"s", b"k") == 4
    assert rpc.taken() is None


def test_the_worker_past_its_time_vanishes_and_its_leases_live_on(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"k")
    rpc.expect(DONE, "worker_heartbeat", b"w", b"RUN", 10, {}, b"p")
    rpc.get(worker=b"w", lease_time=100)
    rpc.clock.advance(11)
    assert rpc.held(b"p") == {}
    assert rpc.status(b"s", b"k")[b"worker_id"] == b"w"
    assert rpc.state(b"s", b"k") == PENDING
    rpc.clock.advance(89)
    assert rpc.state(b"s", b"k") == AVAILABLE


def test_a_clock_that_goes_back_does_no_harm(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"a", b"b")
    rpc.get(lease_time=100)
    rpc.clock.advance(-50)
    rpc.get(lease_time=100)
    assert rpc.keys(b"s", state=PENDING) == [b"a", b"b"]
    rpc.clock.advance(100)
    assert rpc.keys(b"s", state=PENDING) == [b"a"]
    rpc.clock.advance(50)
    assert rpc.keys(b"s", state=PENDING) == []


def test_an_answer_is_of_one_moment(rpc: Rpc) -> None:
    """However the clock goes on while it is made."""
    rpc.define(b"s")
    rpc.add(b"s", b"k", data={b"traceback": b"t"})
    rpc.expect(DONE, "worker_heartbeat", b"w", b"RUN", 86_400, {}, b"p")
    free = {b"status": AVAILABLE, b"expiration": None, b"traceback": b"t"}
    for number in range(20):
        rpc.clock.step = 0
        assert rpc.taken(worker=b"w", lease_time=10) == b"k"
        end = rpc.clock.now + 10
        # The lease ends when the clock has been looked at `number` times.
        rpc.clock.step = 10 / (number + 0.5)
        held = {b"status": PENDING, b"expiration": end, b"worker_id": b"w", b"traceback": b"t"}
        assert rpc.status(b"s", b"k") in (held, free)
        rpc.clock.step = 0
        rpc.update(b"s", b"k", status=AVAILABLE)

        assert rpc.taken(worker=b"w", lease_time=10) == b"k"
        end = rpc.clock.now + 10
        rpc.clock.step = 10 / (number + 0.5)
        children, _ = rpc.call("get_child_work_units", b"p")
        assert [unit[b"expires"] for unit in children[b"w"]] in ([], [end])
        rpc.clock.step = 0
        rpc.update(b"s", b"k", status=AVAILABLE)
