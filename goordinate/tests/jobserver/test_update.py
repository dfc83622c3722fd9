"""update_work_unit: the table of states, leases, data, workers, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from goordinate.tests.conformance.clock import UNIX_START
from goordinate.tests.jobserver.rpc import (
    AVAILABLE,
    DONE,
    FAILED,
    FINISHED,
    NOTHING,
    PENDING,
    Rpc,
)

STATES = (AVAILABLE, PENDING, FINISHED, FAILED)

#: Seconds from the moment in which a unit came into its state to the update.
LATER = 10


@pytest.fixture(autouse=True)
def specs(rpc: Rpc) -> None:
    """Every test here has a work spec `s` that feeds `t`."""
    rpc.define(b"s", then=b"t")
    rpc.define(b"t")


def put(rpc: Rpc, state: int, key: bytes = b"k") -> None:
    """Add a unit with an output and bring it into `state`; worker `w` has it or had it."""
    rpc.add(b"s", key, data={b"output": {b"out-" + key: {b"n": 1}}})
    if state != AVAILABLE:
        assert rpc.taken(worker=b"w", work_spec_names=[b"s"]) == key
    if state in (FINISHED, FAILED):
        # Finished without chaining, so that what the tests find in `t` is from their own update.
        rpc.define(b"s")
        rpc.update(b"s", key, status=state)
        rpc.define(b"s", then=b"t")
    rpc.clock.advance(LATER)


AFTER = UNIX_START + LATER


def shows(status: int, expiration: float | None, worker: bytes | None = None) -> dict[bytes, Any]:
    """What get_work_unit_status shows of a unit."""
    answer: dict[bytes, Any] = {b"status": status, b"expiration": expiration}
    return answer if worker is None else {**answer, b"worker_id": worker}


# (state before, state asked for) -> what status shows then, and whether it chained.
# FINISHED and FAILED to PENDING have a row of their own below.
TABLE: dict[tuple[int, int], tuple[dict[bytes, Any], bool]] = {
    (AVAILABLE, AVAILABLE): (shows(AVAILABLE, None), False),
    (AVAILABLE, PENDING): (shows(PENDING, None), False),
    (AVAILABLE, FINISHED): (shows(FINISHED, AFTER), True),
    (AVAILABLE, FAILED): (shows(FAILED, AFTER), False),
    (PENDING, AVAILABLE): (shows(AVAILABLE, None), False),
    (PENDING, PENDING): (shows(PENDING, UNIX_START + 300, b"w"), False),
    (PENDING, FINISHED): (shows(FINISHED, AFTER, b"w"), True),
    (PENDING, FAILED): (shows(FAILED, AFTER, b"w"), False),
    (FINISHED, AVAILABLE): (shows(AVAILABLE, None), False),
    (FINISHED, FINISHED): (shows(FINISHED, UNIX_START, b"w"), False),
    (FINISHED, FAILED): (shows(FINISHED, UNIX_START, b"w"), False),
    (FAILED, AVAILABLE): (shows(AVAILABLE, None), False),
    (FAILED, FINISHED): (shows(FINISHED, AFTER, b"w"), True),
    (FAILED, FAILED): (shows(FAILED, UNIX_START, b"w"), False),
}

# The same with a lease of 50 seconds, and who is named as worker then.
LEASED: dict[int, dict[bytes, Any]] = {
    AVAILABLE: shows(PENDING, AFTER + 50),
    PENDING: shows(PENDING, AFTER + 50, b"w"),
    FINISHED: shows(PENDING, AFTER + 50, b"w"),
    FAILED: shows(PENDING, AFTER + 50, b"w"),
}


@pytest.mark.parametrize(("now", "to"), TABLE)
def test_the_table(rpc: Rpc, now: int, to: int) -> None:
    put(rpc, now)
    rpc.expect(DONE, "update_work_unit", b"s", b"k", {b"status": to})
    expected, chained = TABLE[now, to]
    rpc.expect(([expected], None), "get_work_unit_status", b"s", [b"k"])
    rpc.expect(({expected[b"status"]: 1}, None), "count_work_units", b"s")
    assert rpc.keys(b"t") == ([b"out-k"] if chained else [])
    again = rpc.taken(worker=b"v", work_spec_names=[b"s"])
    assert again == (b"k" if expected[b"status"] == AVAILABLE else None)


@pytest.mark.parametrize("now", STATES)
def test_to_pending_with_a_lease(rpc: Rpc, now: int) -> None:
    put(rpc, now)
    rpc.update(b"s", b"k", status=PENDING, lease_time=50)
    rpc.expect(([LEASED[now]], None), "get_work_unit_status", b"s", [b"k"])
    rpc.expect(NOTHING, "get_work", b"v", {b"work_spec_names": [b"s"]})
    rpc.clock.advance(51)
    rpc.expect(([shows(AVAILABLE, None)], None), "get_work_unit_status", b"s", [b"k"])


@pytest.mark.parametrize("now", [FINISHED, FAILED])
def test_from_an_end_to_pending_without_a_lease_is_a_lease_that_is_over(rpc: Rpc, now: int) -> None:
    put(rpc, now)
    rpc.expect(DONE, "update_work_unit", b"s", b"k", {b"status": PENDING})
    rpc.expect(([shows(AVAILABLE, None)], None), "get_work_unit_status", b"s", [b"k"])


def test_a_unit_pending_without_a_lease_stays_until_somebody_says_otherwise(rpc: Rpc) -> None:
    put(rpc, AVAILABLE)
    rpc.update(b"s", b"k", status=PENDING)
    rpc.clock.advance(1e6)
    assert rpc.state(b"s", b"k") == PENDING
    rpc.update(b"s", b"k", lease_time=20)
    assert rpc.status(b"s", b"k") == shows(PENDING, AFTER + 1e6 + 20)
    rpc.clock.advance(20)
    assert rpc.state(b"s", b"k") == AVAILABLE


@pytest.mark.parametrize("to", [None, *STATES])
@pytest.mark.parametrize("now", STATES)
def test_data_replaces_the_units_data_first(rpc: Rpc, now: int, to: int | None) -> None:
    put(rpc, now)
    new = {b"output": [b"new"], b"traceback": b"t"}
    what: dict[str, Any] = {"lease_time": 30} if to is None else {"status": to, "lease_time": 30}
    rpc.update(b"s", b"k", data=new, **what)
    rpc.expect(([(b"k", new)], None), "get_work_units", b"s", {})
    assert rpc.status(b"s", b"k")[b"traceback"] == b"t"
    chains = to == FINISHED and now != FINISHED
    assert rpc.keys(b"t") == ([b"new"] if chains else [])


def test_data_of_null_changes_nothing(rpc: Rpc) -> None:
    put(rpc, PENDING)
    rpc.update(b"s", b"k", status=FINISHED, data=None)
    rpc.expect(([(b"k", {b"output": {b"out-k": {b"n": 1}}})], None), "get_work_units", b"s", {})
    assert rpc.keys(b"t") == [b"out-k"]


def test_data_stays_when_the_unit_goes_back(rpc: Rpc) -> None:
    rpc.add(b"s", b"k", data={b"n": 1})
    rpc.get()
    rpc.update(b"s", b"k", status=AVAILABLE, data={b"n": 2})
    rpc.expect(((b"s", b"k", {b"n": 2}), None), "get_work", b"w", {})
    rpc.update(b"s", b"k", lease_time=5, data={b"n": 3})
    rpc.clock.advance(6)
    rpc.expect(((b"s", b"k", {b"n": 3}), None), "get_work", b"w", {})


class TestLease:
    """lease_time, with and without a status."""

    @pytest.mark.parametrize("status", [None, PENDING])
    @pytest.mark.parametrize(
        ("lease", "seconds"),
        [(1, 1), (0.25, 0.25), (86_400, 86_400), (86_400.5, 300), (10**9, 300), (b"60", 60)],
    )
    def test_seconds_from_now(
        self, rpc: Rpc, lease: object, seconds: float, status: int | None
    ) -> None:
        put(rpc, PENDING)
        rpc.update(b"s", b"k", lease_time=lease, status=status)
        expected = shows(PENDING, float(AFTER + seconds), b"w")
        rpc.expect(([expected], None), "get_work_unit_status", b"s", [b"k"])

    def test_a_lease_that_is_over_at_once(self, rpc: Rpc) -> None:
        put(rpc, PENDING)
        rpc.update(b"s", b"k", lease_time=0)
        assert rpc.status(b"s", b"k") == shows(AVAILABLE, None)
        assert rpc.taken(worker=b"v", work_spec_names=[b"s"]) == b"k"

    @pytest.mark.parametrize("now", [AVAILABLE, FINISHED, FAILED])
    def test_alone_it_moves_the_lease_of_a_pending_unit_only(self, rpc: Rpc, now: int) -> None:
        put(rpc, now)
        before = rpc.status(b"s", b"k")
        rpc.update(b"s", b"k", lease_time=50)
        assert rpc.status(b"s", b"k") == before

    @pytest.mark.parametrize("to", [AVAILABLE, FINISHED, FAILED])
    def test_it_says_nothing_beside_another_state(self, rpc: Rpc, to: int) -> None:
        put(rpc, PENDING)
        rpc.update(b"s", b"k", status=to, lease_time=50)
        rpc.expect(([TABLE[PENDING, to][0]], None), "get_work_unit_status", b"s", [b"k"])

    def test_without_a_status_the_worker_stays(self, rpc: Rpc) -> None:
        put(rpc, PENDING)
        rpc.update(b"s", b"k", lease_time=50, worker_id=b"v")
        assert rpc.status(b"s", b"k") == shows(PENDING, AFTER + 50, b"w")


class TestWorker:
    """worker_id, and whose list a unit is on."""

    @pytest.fixture(autouse=True)
    def workers(self, rpc: Rpc, specs: None) -> None:
        """The workers `w` and `v` are children of `p`."""
        for worker in (b"w", b"v"):
            rpc.expect(DONE, "worker_heartbeat", worker, b"RUN", 3600, {}, b"p")

    def test_pending_again_sets_the_worker(self, rpc: Rpc) -> None:
        put(rpc, PENDING)
        rpc.update(b"s", b"k", status=PENDING, worker_id=b"v")
        assert rpc.status(b"s", b"k") == shows(PENDING, UNIX_START + 300, b"v")
        assert rpc.held(b"p") == {b"w": [], b"v": [b"k"]}

    def test_pending_again_with_the_same_worker(self, rpc: Rpc) -> None:
        put(rpc, PENDING)
        rpc.update(b"s", b"k", status=PENDING, worker_id="w", lease_time=50)
        assert rpc.status(b"s", b"k") == shows(PENDING, AFTER + 50, b"w")
        assert rpc.held(b"p") == {b"w": [b"k"], b"v": []}

    @pytest.mark.parametrize("to", [AVAILABLE, FINISHED, FAILED])
    def test_the_unit_leaves_the_list_of_its_worker(self, rpc: Rpc, to: int) -> None:
        put(rpc, PENDING)
        assert rpc.held(b"p") == {b"w": [b"k"], b"v": []}
        rpc.update(b"s", b"k", status=to, worker_id=b"v")
        assert rpc.held(b"p") == {b"w": [], b"v": []}
        assert rpc.status(b"s", b"k").get(b"worker_id") == (None if to == AVAILABLE else b"w")

    def test_a_worker_whose_lease_has_run_out_may_still_finish(self, rpc: Rpc) -> None:
        put(rpc, PENDING)
        rpc.clock.advance(300)
        assert rpc.taken(worker=b"v", work_spec_names=[b"s"]) == b"k"
        rpc.update(b"s", b"k", status=FINISHED, worker_id=b"w")
        assert rpc.state(b"s", b"k") == FINISHED
        assert rpc.held(b"p") == {b"w": [], b"v": []}
        assert rpc.keys(b"t") == [b"out-k"]
        # The one that has it now finishes too: no fault, and nothing chains twice.
        rpc.expect((1, None), "del_work_units", b"t", {b"all": True})
        rpc.update(b"s", b"k", status=FINISHED, worker_id=b"v")
        assert rpc.keys(b"t") == []

    def test_a_late_finish_of_a_unit_that_waits_again(self, rpc: Rpc) -> None:
        put(rpc, PENDING)
        rpc.clock.advance(300)
        assert rpc.state(b"s", b"k") == AVAILABLE
        rpc.update(b"s", b"k", status=FINISHED, worker_id=b"w")
        assert rpc.state(b"s", b"k") == FINISHED
        assert rpc.taken(worker=b"v", work_spec_names=[b"s"]) is None


class TestRefused:
    """What update_work_unit does not do."""

    @pytest.mark.parametrize(
        "options", [{}, {b"data": {}}, {b"worker_id": b"w"}, {b"status": None}]
    )
    def test_neither_status_nor_lease_time(self, rpc: Rpc, options: dict[bytes, Any]) -> None:
        put(rpc, PENDING)
        before = rpc.status(b"s", b"k"), rpc.units(b"s")
        ok, note = rpc.call("update_work_unit", b"s", b"k", options)
        assert ok is False
        assert b"status" in note
        assert b"lease_time" in note
        assert (rpc.status(b"s", b"k"), rpc.units(b"s")) == before

    @pytest.mark.parametrize("options", [{b"status": FINISHED}, {b"lease_time": 5}])
    def test_no_such_unit(self, rpc: Rpc, options: dict[bytes, Any]) -> None:
        answer = (False, b"no such work unit 'none'")
        rpc.expect(answer, "update_work_unit", b"s", b"none", options)
        assert rpc.keys(b"s") == []

    @pytest.mark.parametrize("status", [0, 2, 6, 7, -1, 10**30, True, 4.0, b"4", [4]])
    def test_a_status_that_is_none_of_the_four(self, rpc: Rpc, status: object) -> None:
        put(rpc, PENDING)
        before = rpc.status(b"s", b"k"), rpc.units(b"s")
        options = {b"status": status, b"data": {b"new": 1}}
        rpc.refuse("update_work_unit", b"s", b"k", options, saying=("options", "status"))
        assert (rpc.status(b"s", b"k"), rpc.units(b"s")) == before

    @pytest.mark.parametrize("lease", [b"soon", [1], float("nan"), float("inf"), True])
    def test_a_lease_time_that_is_no_number(self, rpc: Rpc, lease: object) -> None:
        put(rpc, PENDING)
        before = rpc.status(b"s", b"k"), rpc.units(b"s")
        options = {b"lease_time": lease, b"data": {b"new": 1}}
        rpc.refuse("update_work_unit", b"s", b"k", options, saying=("lease_time", "number"))
        assert (rpc.status(b"s", b"k"), rpc.units(b"s")) == before
