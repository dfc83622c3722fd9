"""update_work_unit: its options, and what it refuses (the table of states is in conformance)."""

from __future__ import annotations

from typing import Any

import pytest

from goordinate.tests.conformance.clock import UNIX_START
from goordinate.tests.jobserver.rpc import AVAILABLE, FAILED, FINISHED, PENDING, Rpc


@pytest.fixture(autouse=True)
def unit(rpc: Rpc) -> None:
    """Every test here has a work spec `s` that feeds `t`, and its unit `k`, which `w` holds."""
    rpc.define(b"s", then=b"t")
    rpc.define(b"t")
    rpc.add(b"s", b"k", data={b"output": [b"o"]})
    assert rpc.taken(worker=b"w") == b"k"


def shows(
    status: int, expiration: float | None = None, worker: bytes | None = None
) -> dict[bytes, Any]:
    """What get_work_unit_status shows of a unit."""
    answer: dict[bytes, Any] = {b"status": status, b"expiration": expiration}
    return answer if worker is None else {**answer, b"worker_id": worker}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (AVAILABLE, shows(AVAILABLE)),
        (PENDING, shows(PENDING, UNIX_START + 300, b"w")),
        (FINISHED, shows(FINISHED, UNIX_START + 10, b"w")),
        (FAILED, shows(FAILED, UNIX_START + 10, b"w")),
    ],
)
def test_status(rpc: Rpc, status: int, expected: dict[bytes, Any]) -> None:
    rpc.clock.advance(10)
    rpc.update(b"s", b"k", status=status)
    rpc.expect(([expected], None), "get_work_unit_status", b"s", [b"k"])
    assert rpc.keys(b"t") == ([b"o"] if status == FINISHED else [])


@pytest.mark.parametrize("status", [None, PENDING])
@pytest.mark.parametrize(
    ("lease", "seconds"),
    [(1, 1), (0.25, 0.25), (86_400, 86_400), (86_400.5, 300), (10**9, 300), (b"60", 60)],
)
def test_lease_time(rpc: Rpc, lease: object, seconds: float, status: int | None) -> None:
    rpc.clock.advance(10)
    rpc.update(b"s", b"k", lease_time=lease, status=status)
    assert rpc.status(b"s", b"k") == shows(PENDING, UNIX_START + 10 + seconds, b"w")


def test_a_lease_time_of_no_seconds(rpc: Rpc) -> None:
    rpc.update(b"s", b"k", lease_time=0)
    assert rpc.status(b"s", b"k") == shows(AVAILABLE)


@pytest.mark.parametrize("status", [None, PENDING])
@pytest.mark.parametrize("lease", [-1, -0.25, b"-300", -(10**300)])
def test_a_lease_time_below_0_gives_back(rpc: Rpc, lease: object, status: int | None) -> None:
    rpc.update(b"s", b"k", lease_time=lease, status=status, data={b"n": 2})
    assert rpc.status(b"s", b"k") == shows(AVAILABLE)
    rpc.expect(((b"s", b"k", {b"n": 2}), None), "get_work", b"v", {})


@pytest.mark.parametrize("status", [AVAILABLE, FINISHED, FAILED])
def test_a_lease_time_below_0_beside_another_state(rpc: Rpc, status: int) -> None:
    rpc.update(b"s", b"k", lease_time=-1, status=status)
    assert rpc.state(b"s", b"k") == status
    rpc.update(b"s", b"k", lease_time=-1)
    assert rpc.state(b"s", b"k") == status


def test_pending_without_a_lease(rpc: Rpc) -> None:
    rpc.add(b"s", b"free")
    rpc.update(b"s", b"free", status=PENDING)
    rpc.expect(([shows(PENDING)], None), "get_work_unit_status", b"s", [b"free"])


def test_data(rpc: Rpc) -> None:
    new = {b"output": {b"new": {b"n": (1,)}}, b"traceback": b"t"}
    rpc.update(b"s", b"k", lease_time=30, data=new)
    rpc.expect(([(b"k", new)], None), "get_work_units", b"s", {})
    rpc.update(b"s", b"k", status=FINISHED, data=None)  # which changes nothing
    rpc.expect(([(b"k", new)], None), "get_work_units", b"s", {})
    assert rpc.status(b"s", b"k")[b"traceback"] == b"t"
    rpc.expect(((b"t", b"new", {b"n": (1,)}), None), "get_work", b"w", {})


def test_worker_id(rpc: Rpc) -> None:
    rpc.update(b"s", b"k", lease_time=300, worker_id=b"v")  # nothing without a status
    assert rpc.status(b"s", b"k")[b"worker_id"] == b"w"
    rpc.update(b"s", b"k", status=PENDING, worker_id=b"v")
    assert rpc.status(b"s", b"k")[b"worker_id"] == b"v"
    rpc.update(b"s", b"k", status=FINISHED, worker_id=b"w")
    assert rpc.status(b"s", b"k")[b"worker_id"] == b"v"


@pytest.mark.parametrize("options", [{}, {b"data": {}}, {b"worker_id": b"w"}, {b"status": None}])
def test_neither_status_nor_lease_time(rpc: Rpc, options: dict[bytes, Any]) -> None:
    before = rpc.status(b"s", b"k"), rpc.units(b"s")
    ok, note = rpc.call("update_work_unit", b"s", b"k", options)
    assert ok is False
    assert b"status" in note
    assert b"lease_time" in note
    assert (rpc.status(b"s", b"k"), rpc.units(b"s")) == before


@pytest.mark.parametrize("options", [{b"status": FINISHED}, {b"lease_time": 5}])
def test_no_such_unit(rpc: Rpc, options: dict[bytes, Any]) -> None:
    answer = (False, b"no such work unit 'none'")
    rpc.expect(answer, "update_work_unit", b"s", b"none", options)
    rpc.expect((1, None), "del_work_units", b"s", {b"work_unit_keys": [b"k"]})
    rpc.expect((False, b"no such work unit 'k'"), "update_work_unit", b"s", b"k", options)
    assert rpc.keys(b"s") == []


class TestHolder:
    """By `holder` a worker says who, as it believes, holds the unit."""

    OPTIONS: tuple[dict[str, Any], ...] = (
        {"status": FINISHED},
        {"status": FAILED},
        {"status": AVAILABLE},
        {"status": PENDING, "worker_id": b"v"},
        {"lease_time": 1000, "data": {b"n": 2}},
        {"lease_time": -1},
    )

    @pytest.mark.parametrize("options", OPTIONS, ids=repr)
    def test_another_has_it(self, rpc: Rpc, options: dict[str, Any]) -> None:
        before = rpc.status(b"s", b"k"), rpc.units(b"s"), rpc.units(b"t")
        given = {name.encode(): value for name, value in options.items()}
        for holder in (b"v", "v", b"", b"ww"):
            answer = rpc.call("update_work_unit", b"s", b"k", {**given, b"holder": holder})
            assert answer == (False, b"work unit 'k' is held by 'w'")
        assert (rpc.status(b"s", b"k"), rpc.units(b"s"), rpc.units(b"t")) == before

    @pytest.mark.parametrize("holder", [b"w", "w", None])
    @pytest.mark.parametrize("options", OPTIONS, ids=repr)
    def test_the_caller_has_it(
        self, rpc: Rpc, options: dict[str, Any], holder: bytes | str | None
    ) -> None:
        rpc.update(b"s", b"k", holder=holder, **options)
        wanted = AVAILABLE if options.get("lease_time") == -1 else options.get("status", PENDING)
        assert rpc.state(b"s", b"k") == wanted

    def test_nobody_has_it(self, rpc: Rpc) -> None:
        rpc.add(b"s", b"by hand")
        rpc.update(b"s", b"by hand", status=PENDING)
        rpc.update(b"s", b"by hand", status=FINISHED, holder=b"w")
        assert rpc.state(b"s", b"by hand") == FINISHED

    def test_the_lease_is_over(self, rpc: Rpc) -> None:
        rpc.clock.advance(300)
        rpc.update(b"s", b"k", status=FINISHED, holder=b"w")  # nobody has taken it since
        rpc.update(b"s", b"k", status=PENDING, lease_time=5, holder=b"v")
        assert rpc.state(b"s", b"k") == PENDING


class TestDelay:
    """`delay` beside status 1: the unit may run after so many seconds."""

    @pytest.mark.parametrize("status", [AVAILABLE, PENDING, FINISHED, FAILED])
    @pytest.mark.parametrize("delay", [10, b"10", 10.0])
    def test_of_every_state(self, rpc: Rpc, status: int, delay: object) -> None:
        rpc.update(b"s", b"k", status=status)
        rpc.update(b"s", b"k", status=AVAILABLE, delay=delay)
        assert rpc.status(b"s", b"k") == shows(AVAILABLE)
        rpc.clock.advance(9.5)
        assert rpc.taken(work_spec_names=[b"s"]) is None
        rpc.clock.advance(0.5)
        assert rpc.taken(work_spec_names=[b"s"]) == b"k"

    @pytest.mark.parametrize("delay", [0, None])
    def test_of_no_seconds(self, rpc: Rpc, delay: object) -> None:
        rpc.update(b"s", b"k", status=AVAILABLE, delay=delay)
        assert rpc.taken(work_spec_names=[b"s"]) == b"k"

    @pytest.mark.parametrize(
        "options",
        [
            {b"status": FINISHED},
            {b"status": PENDING, b"lease_time": 5},
            {b"lease_time": 5},
            {b"lease_time": -1},
        ],
    )
    def test_beside_anything_else(self, rpc: Rpc, options: dict[bytes, Any]) -> None:
        before = rpc.status(b"s", b"k")
        ok, note = rpc.call("update_work_unit", b"s", b"k", {**options, b"delay": 10})
        assert ok is False
        assert b"delay" in note
        assert b"status 1" in note
        assert rpc.status(b"s", b"k") == before
