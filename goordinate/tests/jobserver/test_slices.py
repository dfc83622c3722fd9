"""A small call that works on many units does so in slices: others have their turn in between."""

from __future__ import annotations

from itertools import pairwise

import pytest

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.requests import encode_request
from goordinate.coordinate.api import Backend
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.jobserver.rpc import (
    AVAILABLE,
    FAILED,
    FINISHED,
    PENDING,
    Rpc,
    dispatcher_of,
    job_server,
)

UNITS = 2000

#: Units that a slice works on, at most.
SLICE = 200


class Sliced(Rpc):
    """A job server, and what others see each time they have their turn."""

    def __init__(self, clock: Clock, backend: Backend) -> None:
        server = job_server(backend, clock)
        dispatcher = dispatcher_of(server)
        super().__init__(
            lambda message: dispatcher.answer(message, "test", self.look), clock, server
        )
        self._count = encode_request(1, "count_work_units", [b"s"])
        self._other = dispatcher
        self.seen: list[dict[int, int]] = []

    def look(self, _: object = None) -> None:
        """Another client counts."""
        counts, _ = loads(self._other.answer(self._count))[b"result"]
        self.seen.append(counts)


@pytest.fixture
def sliced(backend: Backend, clock: Clock) -> Sliced:
    """A job server without specs."""
    return Sliced(clock, backend)


def steps(seen: list[dict[int, int]], state: int) -> list[int]:
    """By how many the units of a state have become more, from one look to the next."""
    counts = [0, *(counts.get(state, 0) for counts in seen), UNITS]
    return [after - before for before, after in pairwise(counts)]


def test_units_that_failed_too_often(sliced: Sliced) -> None:
    sliced.define(b"s", max_retries=1)
    sliced.add(b"s", *(b"%05d" % number for number in range(UNITS)))
    sliced.call("get_work", b"w", {b"max_jobs": UNITS, b"lease_time": 5})
    sliced.clock.advance(5)
    sliced.look()
    assert sliced.seen.pop() == {AVAILABLE: UNITS}
    # All of them fail, and there is nothing left to give.
    assert sliced.call("get_work", b"w", {}) == ((None, None, None), None)
    assert max(steps(sliced.seen, FAILED)) <= SLICE
    sliced.look()
    assert sliced.seen[-1] == {FAILED: UNITS}


def test_the_first_that_may_still_run_is_given(sliced: Sliced) -> None:
    sliced.define(b"s", max_retries=1)
    sliced.add(b"s", *(b"%05d" % number for number in range(UNITS)))
    sliced.call("get_work", b"w", {b"max_jobs": UNITS, b"lease_time": 5})
    sliced.clock.advance(5)
    sliced.add(b"s", b"last")
    (spec, key, _), _ = sliced.call("get_work", b"w", {})
    assert (spec, key) == (b"s", b"last")
    assert len(sliced.seen) >= UNITS // SLICE


def test_deletion_by_state_when_leases_have_ended(sliced: Sliced) -> None:
    sliced.define(b"s")
    sliced.add(b"s", *(b"%05d" % number for number in range(UNITS)))
    sliced.call("get_work", b"w", {b"max_jobs": UNITS, b"lease_time": 5})
    sliced.add(b"s", b"last")
    sliced.call("update_work_unit", b"s", b"last", {b"status": PENDING})
    sliced.clock.advance(5)
    assert sliced.call("del_work_units", b"s", {b"state": AVAILABLE}) == (UNITS, None)
    # What a database has on record of them comes first, in slices, and then all go at once.
    assert len(sliced.seen) >= UNITS // SLICE // 4
    assert all(counts == {AVAILABLE: UNITS, PENDING: 1} for counts in sliced.seen)
    sliced.look()
    assert sliced.seen[-1] == {PENDING: 1}
    assert sliced.keys(b"s") == [b"last"]


def test_archive(sliced: Sliced) -> None:
    sliced.define(b"s")
    names = [b"%05d" % number for number in range(UNITS)]
    sliced.add(b"s", *names)
    for name in names:
        sliced.update(b"s", name, status=FINISHED)
    sliced.server.limit_completed_count = 0
    assert sliced.call("archive", {}) is None
    # They stay in the counts, whoever looks.
    assert len(sliced.seen) >= UNITS // SLICE
    assert all(counts == {FINISHED: UNITS} for counts in sliced.seen)
    assert sliced.keys(b"s") == []
