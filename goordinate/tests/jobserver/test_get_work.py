"""get_work: its answers and options, and what limits it."""

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


def test_one_unit(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"k", data={b"a": 1})
    rpc.expect(((b"s", b"k", {b"a": 1}), None), "get_work", b"w", {})
    expected = {b"status": PENDING, b"expiration": UNIX_START + 300, b"worker_id": b"w"}
    rpc.expect(([expected], None), "get_work_unit_status", b"s", [b"k"])


def test_nothing_to_do(rpc: Rpc) -> None:
    rpc.expect(NOTHING, "get_work", b"w", {})
    rpc.expect(NOTHING, "get_work", b"w", {b"max_jobs": 1})
    rpc.expect(([], None), "get_work", b"w", {b"max_jobs": 2})
    rpc.define(b"s")
    rpc.expect(NOTHING, "get_work", b"w", {})


@pytest.mark.parametrize("jobs", [0, -1])
def test_no_jobs_asked_for(rpc: Rpc, jobs: int) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"k")
    rpc.expect(([], None), "get_work", b"w", {b"max_jobs": jobs})
    assert rpc.state(b"s", b"k") == AVAILABLE


@pytest.mark.parametrize(
    ("jobs", "keys"),
    [(2, [b"a", b"b"]), (4, [b"a", b"b", b"c", b"d"]), (99, [b"a", b"b", b"c", b"d"])],
)
def test_many_units(rpc: Rpc, jobs: int, keys: list[bytes]) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"d", b"c", b"b", b"a", data={b"n": (1, 2)})
    answer = [(b"s", key, {b"n": (1, 2)}) for key in keys]
    rpc.expect((answer, None), "get_work", b"w", {b"max_jobs": jobs})
    assert rpc.keys(b"s", state=PENDING) == keys


@pytest.mark.parametrize("jobs", [1, b"1", 1.0, "1", None])
def test_one_job_asked_for_in_other_words(rpc: Rpc, jobs: object) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"k")
    rpc.expect(((b"s", b"k", {}), None), "get_work", b"w", {b"max_jobs": jobs})


def test_a_list_of_one(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"k")
    rpc.expect(([(b"s", b"k", {})], None), "get_work", b"w", {b"max_jobs": 5})


@pytest.mark.parametrize(
    ("lease", "seconds"),
    [
        (60, 60),
        (1, 1),
        (1.5, 1.5),
        (86_400, 86_400),
        (b"60", 60),
        (None, 300),
        (86_401, 300),
        (10**12, 300),
        (0.99, 300),
        (0, 300),
        (-60, 300),
    ],
)
@pytest.mark.parametrize("jobs", [1, 3])
def test_lease_time(rpc: Rpc, lease: object, seconds: float, jobs: int) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"k")
    rpc.get(lease_time=lease, max_jobs=jobs)
    assert rpc.status(b"s", b"k")[b"expiration"] == UNIX_START + seconds
    assert rpc.state(b"s", b"k") == PENDING
    rpc.clock.advance(seconds)
    assert rpc.state(b"s", b"k") == AVAILABLE


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([b"t"], b"t"),
        ((b"s", b"none"), b"s"),
        (["u"], b"u"),
        ([b"t", b"u"], b"u"),
        ([], b"u"),
        (None, b"u"),
        ([b"none"], None),
    ],
)
def test_work_spec_names(rpc: Rpc, names: object, expected: bytes | None) -> None:
    for number, name in enumerate((b"s", b"t", b"u")):
        rpc.define(name)
        rpc.add(name, b"k", priority=number)
    assert rpc.get(work_spec_names=names)[0] == expected


def test_a_worker_that_never_sent_a_heartbeat_gets_work_and_is_not_listed(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.add(b"s", b"k")
    assert rpc.get(worker=b"stranger")[1] == b"k"
    assert rpc.status(b"s", b"k")[b"worker_id"] == b"stranger"
    rpc.expect(({}, None), "list_worker_modes")
    rpc.expect({b"num_workers": 0, b"num_children": 0, b"num_expirable": 0}, "worker_stats")


def test_a_worker_may_hold_several_units(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.define(b"t")
    rpc.add(b"s", b"a", b"b")
    rpc.add(b"t", b"c")
    rpc.expect(DONE, "worker_heartbeat", b"w", b"RUN", 60, {}, b"p")
    got = [rpc.get(worker=b"w")[1] for _ in range(3)]
    assert sorted(got) == sorted(rpc.held(b"p")[b"w"]) == [b"a", b"b", b"c"]


def test_options_that_say_nothing(rpc: Rpc) -> None:
    rpc.define(b"s", min_gb=100)
    rpc.add(b"s", b"k")
    assert rpc.taken(available_gb=1, unheard_of=[{}], lease_time=None) == b"k"


class TestOrder:
    """Within a spec: highest priority first, then key order."""

    def test_key_order_is_that_of_the_bytes(self, rpc: Rpc) -> None:
        rpc.define(b"s")
        rpc.add(b"s", "é", b"b", "a", b"B", b"\xff", b"", "ab", b"10", b"9")
        order = [rpc.taken() for _ in range(9)]
        assert order == [b"", b"10", b"9", b"B", "a", "ab", b"b", "é", b"\xff"]

    def test_any_number_is_a_priority(self, rpc: Rpc) -> None:
        rpc.define(b"s")
        priorities = [-2.5, 10**30, 0, 0.5, -(10**30), 1, 1e300]
        for priority in priorities:
            rpc.add(b"s", b"%r" % priority, priority=priority)
        order = [rpc.taken() for _ in priorities]
        assert order == [b"%r" % priority for priority in sorted(priorities, reverse=True)]

    def test_a_unit_that_comes_back_is_in_its_old_place(self, rpc: Rpc) -> None:
        rpc.define(b"s")
        rpc.add(b"s", b"a", b"b", b"c")
        rpc.add(b"s", b"x", priority=2)
        assert [rpc.taken(lease_time=10) for _ in range(2)] == [b"x", b"a"]
        rpc.clock.advance(10)
        assert [rpc.taken() for _ in range(4)] == [b"x", b"a", b"b", b"c"]


class TestLimits:
    """max_getwork and max_running."""

    @pytest.mark.parametrize(("limit", "got"), [(1, 1), (3, 3), (9, 5), (0, 1), (None, 5)])
    def test_max_getwork(self, rpc: Rpc, limit: int | None, got: int) -> None:
        rpc.define(b"s", max_getwork=limit)
        rpc.add(b"s", b"a", b"b", b"c", b"d", b"e")
        assert len(rpc.get(max_jobs=7)) == got
        assert rpc.counts(b"s").get(PENDING) == got

    def test_max_running_counts_all_that_is_pending(self, rpc: Rpc) -> None:
        rpc.define(b"s", max_running=3)
        rpc.add(b"s", b"a", b"b", b"c", b"d", b"e")
        assert rpc.taken() == b"a"
        rpc.update(b"s", b"e", status=PENDING, lease_time=100)
        assert len(rpc.get(worker=b"w", max_jobs=9)) == 1
        rpc.expect(NOTHING, "get_work", b"v", {})
        rpc.update(b"s", b"a", status=FINISHED)
        rpc.expect(([(b"s", b"c", {})], None), "get_work", b"v", {b"max_jobs": 9})
        rpc.clock.advance(100)  # the lease of e is over
        assert rpc.taken() == b"d"
        assert rpc.taken() is None

    def test_max_running_zero_gives_nothing(self, rpc: Rpc) -> None:
        rpc.define(b"s", max_running=0, continuous=True)
        rpc.add(b"s", b"a")
        assert rpc.taken() is None

    def test_a_full_spec_leaves_the_turn_to_others(self, rpc: Rpc) -> None:
        rpc.define(b"full", max_running=1, weight=1000)
        rpc.define(b"other")
        rpc.add(b"full", b"a", b"b")
        rpc.add(b"other", b"c")
        assert [rpc.taken(), rpc.taken(), rpc.taken()] == [b"a", b"c", None]
        rpc.expect(DONE, "control_work_spec", b"full", {b"max_running": 2})
        assert rpc.taken() == b"b"


class TestRuntime:
    """runtime: a spec that names one goes only to workers whose runtimes hold it."""

    @pytest.fixture(autouse=True)
    def specs(self, rpc: Rpc) -> None:
        """A spec of runtime go, which has priority, and one without."""
        rpc.define(b"go", runtime=b"go", priority=1)
        rpc.define(b"plain")
        rpc.add(b"go", b"k")
        rpc.add(b"plain", b"k")

    @pytest.mark.parametrize(
        ("runtimes", "expected"),
        [
            ([b"go"], b"go"),
            (["go"], b"go"),
            ([b"python", b"go"], b"go"),
            ([b"", b"go"], b"go"),
            ([b""], b"plain"),
            ([], b"plain"),
            (None, b"plain"),
            ([b"java"], None),
        ],
    )
    def test_runtimes(self, rpc: Rpc, runtimes: object, expected: bytes | None) -> None:
        assert rpc.get(runtimes=runtimes)[0] == expected

    def test_a_worker_that_names_none_gets_specs_without(self, rpc: Rpc) -> None:
        assert rpc.get()[0] == b"plain"
        rpc.expect(NOTHING, "get_work", b"w", {})


class TestRetries:
    """max_retries: a unit whose lease has run out that many times becomes FAILED."""

    def run_out(self, rpc: Rpc) -> Any:
        """Take a unit and let its lease run out."""
        key = rpc.taken(lease_time=10)
        rpc.clock.advance(10)
        return key

    def test_the_unit_fails_instead_of_going_out_again(self, rpc: Rpc) -> None:
        rpc.define(b"s", max_retries=2)
        rpc.add(b"s", b"k", data={b"a": 1})
        assert [self.run_out(rpc), self.run_out(rpc)] == [b"k", b"k"]
        assert rpc.state(b"s", b"k") == AVAILABLE
        rpc.expect(NOTHING, "get_work", b"w", {})
        traceback = b"too many retries"
        status = {b"status": FAILED, b"expiration": rpc.clock.now, b"traceback": traceback}
        rpc.expect(([status], None), "get_work_unit_status", b"s", [b"k"])
        data = {b"a": 1, b"traceback": traceback}
        rpc.expect(([(b"k", data)], None), "get_work_units", b"s", {})

    def test_the_next_unit_goes_out_in_its_place(self, rpc: Rpc) -> None:
        rpc.define(b"s", max_retries=1)
        rpc.add(b"s", b"a", b"b")
        assert self.run_out(rpc) == b"a"
        assert rpc.taken() == b"b"
        assert rpc.state(b"s", b"a") == FAILED

    def test_only_leases_that_ran_out_count(self, rpc: Rpc) -> None:
        rpc.define(b"s", max_retries=1)
        rpc.add(b"s", b"k")
        for _ in range(5):
            assert rpc.taken() == b"k"
            rpc.update(b"s", b"k", status=AVAILABLE)
        assert self.run_out(rpc) == b"k"
        assert rpc.taken() is None

    def test_a_unit_added_again_begins_anew(self, rpc: Rpc) -> None:
        rpc.define(b"s", max_retries=1)
        rpc.add(b"s", b"k")
        self.run_out(rpc)
        rpc.add(b"s", b"k")
        assert rpc.taken() == b"k"
