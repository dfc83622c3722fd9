"""RPCs of workers: heartbeats, modes, what children hold."""

from __future__ import annotations

from typing import Any

import pytest

from goordinate.tests.conformance.clock import UNIX_START
from goordinate.tests.jobserver.rpc import DONE, Rpc


def beat(rpc: Rpc, worker: object, parent: object = None, **changes: object) -> None:
    """A heartbeat of a worker that runs, for 60 seconds."""
    values = {"mode": b"RUN", "expire_seconds": 60, "data": {}, **changes}
    given = (values["mode"], values["expire_seconds"], values["data"])
    rpc.expect(DONE, "worker_heartbeat", worker, *given, parent)


def stats(workers: int, parents: int) -> dict[bytes, int]:
    """The answer of worker_stats."""
    return {b"num_workers": workers, b"num_children": parents, b"num_expirable": workers}


class TestHeartbeat:
    """worker_heartbeat and worker_unregister."""

    def test_registers_and_refreshes(self, rpc: Rpc) -> None:
        rpc.expect(({}, None), "list_worker_modes")
        beat(rpc, b"w", data={b"n": 1})
        rpc.expect(({b"w": b"RUN"}, None), "list_worker_modes")
        rpc.clock.advance(50)
        beat(rpc, b"w", mode=b"IDLE", data={b"n": 2})
        rpc.expect(({b"w": b"IDLE"}, None), "list_worker_modes")
        rpc.expect(({b"n": 2}, None), "get_worker_info", b"w")
        rpc.clock.advance(59)
        rpc.expect(({b"w": b"IDLE"}, None), "list_worker_modes")
        rpc.clock.advance(1)
        rpc.expect(({}, None), "list_worker_modes")

    @pytest.mark.parametrize(
        ("seconds", "life", "noted"),
        [
            (10, 10, False),
            (0.5, 0.5, False),
            (86_400, 86_400, False),
            (86_400.5, 3600, True),
            (10**10, 3600, True),
            (-1, 300, True),
            (-0.5, 300, True),
        ],
    )
    def test_expire_seconds(self, rpc: Rpc, seconds: float, life: float, noted: bool) -> None:
        ok, note = rpc.call("worker_heartbeat", b"w", b"RUN", seconds, {}, None)
        assert ok is True
        assert isinstance(note, bytes) if noted else note is None
        rpc.clock.advance(life - 0.25)
        rpc.expect(({b"w": b"RUN"}, None), "list_worker_modes")
        rpc.clock.advance(0.25)
        rpc.expect(({}, None), "list_worker_modes")

    def test_unregister(self, rpc: Rpc) -> None:
        beat(rpc, b"w", b"p")
        rpc.expect(DONE, "worker_unregister", b"w")
        rpc.expect((False, b"no such worker 'w'"), "worker_unregister", b"w")
        rpc.expect(({}, None), "list_worker_modes")
        rpc.expect(({}, None), "get_child_work_units", b"p")
        rpc.expect((False, b"no such worker 'x'"), "worker_unregister", b"x")


class TestInfo:
    """list_worker_modes, mode_counts, get_worker_info, worker_stats."""

    @pytest.mark.parametrize(
        "data", [{}, {b"a": (1, "é", [2.0])}, {"text": b"x"}, [], b"bytes", None, 5], ids=repr
    )
    def test_info_is_what_came(self, rpc: Rpc, data: object) -> None:
        beat(rpc, b"w", data=data)
        rpc.expect((data, None), "get_worker_info", b"w")

    def test_info_of_an_unknown_worker(self, rpc: Rpc) -> None:
        rpc.expect((None, None), "get_worker_info", b"w")
        beat(rpc, b"w", data={b"a": 1})
        rpc.clock.advance(60)
        rpc.expect((None, None), "get_worker_info", b"w")

    def test_modes_are_given_back_as_they_came(self, rpc: Rpc) -> None:
        modes: dict[Any, Any] = {b"a": b"RUN", "b": "IDLE", b"c": None, b"d": 5, b"e": (1, b"x")}
        for worker, mode in modes.items():
            beat(rpc, worker, mode=mode)
        rpc.expect((modes, None), "list_worker_modes")

    def test_mode_counts(self, rpc: Rpc) -> None:
        rpc.expect(({}, None), "mode_counts")
        for number, mode in enumerate((b"RUN", "RUN", b"IDLE", b"RUN", b"TERMINATE")):
            beat(rpc, b"w%d" % number, mode=mode)
        rpc.expect(({b"RUN": 3, b"IDLE": 1, b"TERMINATE": 1}, None), "mode_counts")
        beat(rpc, b"w3", mode=b"IDLE")
        rpc.expect(DONE, "worker_unregister", b"w4")
        rpc.expect(({b"RUN": 2, b"IDLE": 2}, None), "mode_counts")

    def test_stats(self, rpc: Rpc) -> None:
        rpc.expect(stats(0, 0), "worker_stats")
        beat(rpc, b"p")
        beat(rpc, b"a", b"p")
        beat(rpc, b"b", b"p")
        beat(rpc, b"c", b"q")
        rpc.expect(stats(4, 2), "worker_stats")
        rpc.expect(DONE, "worker_unregister", b"c")
        rpc.expect(stats(3, 1), "worker_stats")
        rpc.clock.advance(60)
        rpc.expect(stats(0, 0), "worker_stats")


class TestChildren:
    """get_child_work_units: what registered children with this parent hold."""

    @pytest.fixture(autouse=True)
    def family(self, rpc: Rpc) -> None:
        """`a` and `b` are children of `p`; `s` has the units k1 to k4."""
        rpc.define(b"s")
        rpc.add(b"s", b"k1", b"k2", b"k3", b"k4", data={b"n": 1})
        beat(rpc, b"p")
        beat(rpc, b"a", b"p", expire_seconds=1000)
        beat(rpc, b"b", b"p", expire_seconds=1000)

    def test_every_live_child_is_listed(self, rpc: Rpc) -> None:
        rpc.expect(({b"a": [], b"b": []}, None), "get_child_work_units", b"p")
        rpc.expect(({}, None), "get_child_work_units", b"a")
        rpc.expect(({}, None), "get_child_work_units", b"nobody")

    def test_what_a_unit_shows(self, rpc: Rpc) -> None:
        rpc.get(worker=b"a")
        unit = {
            b"work_spec_name": b"s",
            b"work_unit_key": b"k1",
            b"work_unit_data": {b"n": 1},
            b"worker_id": b"a",
            b"expires": UNIX_START + 300,
        }
        rpc.expect(({b"a": [unit], b"b": []}, None), "get_child_work_units", b"p")
        rpc.update(b"s", b"k1", lease_time=1000, data={b"n": (2,)})
        unit[b"expires"] = UNIX_START + 1000
        unit[b"work_unit_data"] = {b"n": (2,)}
        rpc.expect(({b"a": [unit], b"b": []}, None), "get_child_work_units", b"p")

    def test_names_have_the_form_in_which_they_were_stored(self, rpc: Rpc) -> None:
        rpc.define("t")
        rpc.add(b"t", "x")
        rpc.get(worker="a", work_spec_names=[b"t"])
        children, _ = rpc.call("get_child_work_units", "p")
        names = (b"work_spec_name", b"work_unit_key", b"worker_id")
        assert [[unit[name] for name in names] for unit in children[b"a"]] == [["t", "x", b"a"]]

    def test_a_lease_that_is_over(self, rpc: Rpc) -> None:
        rpc.get(worker=b"a", lease_time=100)
        rpc.clock.advance(500)
        unit = {
            b"work_spec_name": b"s",
            b"work_unit_key": b"k1",
            b"work_unit_data": {b"n": 1},
            b"worker_id": b"a",
            b"expires": UNIX_START + 100,
        }
        rpc.expect(({b"a": [unit], b"b": []}, None), "get_child_work_units", b"p")
        assert rpc.taken(worker=b"b") == b"k1"
        assert rpc.held(b"p") == {b"a": [], b"b": [b"k1"]}

    def test_parents_change(self, rpc: Rpc) -> None:
        rpc.get(worker=b"a")
        beat(rpc, b"a", b"q")
        assert rpc.held(b"p") == {b"b": []}
        assert rpc.held(b"q") == {b"a": [b"k1"]}
        beat(rpc, b"a", None)
        assert rpc.held(b"q") == {}

    def test_an_empty_parent_is_none(self, rpc: Rpc) -> None:
        beat(rpc, b"c", b"")
        assert rpc.held(b"") == {}
