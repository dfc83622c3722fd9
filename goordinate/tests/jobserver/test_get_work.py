"""get_work: its answers and options."""

from __future__ import annotations

import pytest

from goordinate.tests.conformance.clock import UNIX_START
from goordinate.tests.jobserver.rpc import AVAILABLE, FAILED, NOTHING, PENDING, Rpc


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


def test_options_that_say_nothing(rpc: Rpc) -> None:
    rpc.define(b"s", min_gb=100)
    rpc.add(b"s", b"k")
    assert rpc.taken(available_gb=1, unheard_of=[{}], lease_time=None) == b"k"


@pytest.mark.parametrize(
    ("runtimes", "expected"),
    [
        ([b"go"], b"go"),
        (["go"], b"go"),
        ((b"", b"python", b"go"), b"go"),
        ([b""], b"plain"),
        ([b"java"], None),
        # A worker that names none gets specs without one.
        ([], b"plain"),
        (None, b"plain"),
    ],
)
def test_runtimes(rpc: Rpc, runtimes: object, expected: bytes | None) -> None:
    rpc.define(b"go", runtime=b"go", priority=1)
    rpc.define(b"plain")
    rpc.add(b"go", b"k")
    rpc.add(b"plain", b"k")
    assert rpc.get(runtimes=runtimes)[0] == expected


def test_a_unit_that_a_continuous_spec_made_up(rpc: Rpc) -> None:
    rpc.define(b"c", continuous=True)
    key = b"%.6f" % UNIX_START
    rpc.expect(((b"c", key, {}), None), "get_work", b"w", {})
    rpc.expect(([(key, {})], None), "get_work_units", b"c", {})
    rpc.clock.advance(1)
    rpc.expect(([(b"c", b"%.6f" % (UNIX_START + 1), {})], None), "get_work", b"w", {b"max_jobs": 5})


def test_a_unit_that_was_given_up(rpc: Rpc) -> None:
    rpc.define(b"s", max_retries=1)
    rpc.add(b"s", b"k", data={b"a": 1})
    assert rpc.taken(lease_time=10) == b"k"
    rpc.clock.advance(10)
    rpc.expect(NOTHING, "get_work", b"w", {})
    traceback = b"too many retries"
    status = {b"status": FAILED, b"expiration": rpc.clock.now, b"traceback": traceback}
    rpc.expect(([status], None), "get_work_unit_status", b"s", [b"k"])
