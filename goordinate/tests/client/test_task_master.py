"""The calls of TaskMaster, on a job server in the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from goordinate.cborrpc import Client, RemoteError
from goordinate.client import (
    NoSuchWorkSpecError,
    ProgrammerError,
    TaskMaster,
    as_bytes,
    constants,
)
from goordinate.testing import task_master

SPEC = {"name": "s", "module": "m", "run_function": "f"}


def test_work_specs(master: TaskMaster) -> None:
    assert master.get_work_spec("s") is None
    assert master.set_work_spec(SPEC) is True
    assert master.get_work_spec("s") == SPEC
    assert master.list_work_specs() == ([("s", SPEC)], None)
    assert master.pause_work_spec("s") is True
    assert master.pause_work_spec("nosuch") is False
    assert master.del_work_spec("s") is True
    assert master.del_work_spec("s") is False
    master.set_work_spec(SPEC)
    assert master.clear() == 1


@pytest.mark.parametrize("spec", [{}, {"module": "m"}, {"name": "s", "min_gb": "1"}, {"name": ""}])
def test_a_work_spec_that_is_none(master: TaskMaster, spec: dict[str, Any]) -> None:
    with pytest.raises(ProgrammerError):
        master.set_work_spec(spec)
    with pytest.raises(ProgrammerError):
        TaskMaster.validate_work_spec(spec)


@pytest.mark.parametrize(("limit", "seen"), [(None, 5), (0, 0), (1, 1), (4, 4), (5, 5), (9, 5)])
def test_iter_work_specs_ends(master: TaskMaster, limit: int | None, seen: int) -> None:
    for number in range(5):
        master.set_work_spec({**SPEC, "name": f"s{number}"})
    names = [spec["name"] for spec in master.iter_work_specs(limit=limit)]
    assert names == [f"s{number}" for number in range(seen)]
    assert [spec["name"] for spec in master.iter_work_specs(1, start="s3")] == ["s3"]


UNITS: list[Any] = [
    {"a": {"x": 1}},
    [("a", {"x": 1})],
    (["a", {"x": 1}, {"priority": 3}],),
    [("a", {"x": 1}, None, 3)],
    iter([("a", {"x": 1})]),
]


@pytest.mark.parametrize("units", UNITS, ids=lambda units: type(units).__name__)
def test_add_work_units_takes(master: TaskMaster, units: Any) -> None:
    master.set_work_spec(SPEC)
    assert master.add_work_units("s", units) is True
    assert master.get_work_units("s") == [("a", {"x": 1})]
    assert master.add_work_units("nosuch", {}) is False


def test_a_key_that_is_no_string_is_refused(master: TaskMaster) -> None:
    master.set_work_spec(SPEC)
    with pytest.raises(RemoteError):
        master.add_work_units("s", [(("a", 1), {})])


def test_counts(master: TaskMaster) -> None:
    master.update_bundle(SPEC, {"a": {}, "b": {}, "c": {}}, nice=3)
    master.get_work("w")
    assert master.count_work_units("s") == {constants.AVAILABLE: 2, constants.PENDING: 1}
    assert master.status("s")["num_pending"] == 1
    assert master.status("s")["num_tasks"] == 3
    assert master.count_work_units("nosuch") is False


@pytest.mark.parametrize(
    "call",
    [
        lambda master: master.status("nosuch"),
        lambda master: master.list_work_units("nosuch"),
        lambda master: master.list_finished_work_units("nosuch"),
        lambda master: list(master.iter_work_units("nosuch")),
        lambda master: master.get_work_unit_status("nosuch", "a"),
        lambda master: master.wait("nosuch"),
    ],
)
def test_no_such_work_spec(master: TaskMaster, call: Callable[[TaskMaster], Any]) -> None:
    with pytest.raises(NoSuchWorkSpecError, match="'nosuch'"):
        call(master)


def test_get_work_units(master: TaskMaster) -> None:
    master.update_bundle(SPEC, {"a": 1, "b": 2, "c": 3})
    assert master.get_work_units("s", ["c", "x", "a"]) == [("c", 3), ("x", None), ("a", 1)]
    assert master.get_work_units("s", "abc") == [("abc", None)]
    assert master.get_work_units("s", limit=1, start="b") == [("b", 2)]
    assert master.get_work_units("s", state=constants.PENDING) == []
    assert master.get_work_units("nosuch") is None


def test_units_beyond_a_page(master: TaskMaster) -> None:
    units = {f"u{number:04}": {"n": number} for number in range(2500)}
    master.update_bundle(SPEC, units)
    master.prioritize_work_units("s", ["u2400"])
    assert list(master.iter_work_units("s")) == list(units.items())
    assert len(list(master.iter_work_units("s", page=7))) == 2500
    assert len(list(master.iter_work_units("s", page=99_999))) == 2500
    assert list(master.iter_work_units("s", start="u2499")) == [("u2499", {"n": 2499})]
    assert master.list_work_units("s") == units
    assert list(master.list_work_units("s", start=1498, limit=2)) == ["u1498", "u1499"]
    assert master.list_work_units("s", start=2500) == {}
    assert master.list_finished_work_units("s") == {}


def test_iter_work_units_of_binary_keys(master: TaskMaster, python2: Client) -> None:
    keys = sorted(bytes([first, second]) for first in range(0, 256, 5) for second in (0, 255))
    master.set_work_spec(SPEC)
    python2.call("add_work_units", b"s", [(key, {}) for key in keys])
    assert [as_bytes(key) for key, _ in master.iter_work_units("s", page=3)] == keys


def test_status_of_units(master: TaskMaster) -> None:
    master.update_bundle(SPEC, {"a": {}})
    unit = master.get_work("w", lease_time=100)
    assert unit is not None
    unit.fail("broken")
    status = master.get_work_unit_status("s", "a")
    assert status["status"] == constants.FAILED
    assert status["worker_id"] == "w"
    assert status["traceback"] == "broken"
    assert isinstance(status["expiration"], float)
    assert master.get_work_unit_status("s", "x") is None
    assert master.get_work_unit_status("s", ["x", "a"]) == [None, status]
    assert master.get_work_unit_status("nosuch", ["x"]) is None


def test_prioritize(master: TaskMaster) -> None:
    master.update_bundle(SPEC, dict.fromkeys("abcd"))
    assert master.prioritize_work_units("s", "d") is True
    assert master.prioritize_work_units("s", ["c"], priority=5) is True
    assert master.prioritize_work_units("s", ["b", "x"], adjustment=7) is True
    assert master.prioritize_work_units("nosuch", ["a"]) is False
    units = master.get_work("w", max_jobs=9)
    assert [unit.key for unit in units] == ["b", "c", "d", "a"]


def test_update_work_unit(master: TaskMaster) -> None:
    master.update_bundle(SPEC, {"a": {"x": 1}})
    assert master.update_work_unit("s", "a", status=constants.FINISHED, data={"x": 2}) is True
    assert master.get_work_units("s") == [("a", {"x": 2})]
    assert master.update_work_unit("s", "a") is False
    assert master.update_work_unit("s", "x", status=constants.FINISHED) is False
    assert master.update_work_unit("nosuch", "x", status=constants.FINISHED) is False
    with pytest.raises(ValueError, match="86400"):
        master.update_work_unit("s", "a", lease_time=86_401)


def test_holder_and_delay(master: TaskMaster) -> None:
    master.update_bundle(SPEC, {"a": {}})
    master.get_work("w")
    change = {"status": constants.FINISHED, "holder": "another"}
    assert master.update_work_units([("s", "a", change)]) == [False]
    assert master.update_work_unit("s", "a", status=1, holder="w", delay=1000) is True
    assert master.count_work_units("s") == {1: 1}
    assert master.get_work("w") is None


def test_changes_in_one_message(master: TaskMaster, monkeypatch: pytest.MonkeyPatch) -> None:
    master.update_bundle(SPEC, {"a": {"x": 1}, "b": {}})
    messages = []
    exchange = master.client.exchange

    def counted(message: bytes, wait: float = 0.0) -> bytes:
        messages.append(message)
        return exchange(message, wait)

    monkeypatch.setattr(master.client, "exchange", counted)
    units = master.get_work("w", max_jobs=2)
    units[0].data["x"] = 2
    done, more = master.update_and_get_work([unit.finishing() for unit in units], "w", max_jobs=2)
    assert (done, more) == ([True, True], [])
    assert len(messages) == 2
    assert dict(master.iter_work_units("s"))["a"] == {"x": 2}
    master.retry("s", "b")
    done, more = master.update_and_get_work([("s", "nosuch", {"status": 4})], "w")
    assert done == [False]
    assert [unit.key for unit in more] == ["b"]


def test_a_change_that_is_refused_raises(master: TaskMaster) -> None:
    master.update_bundle(SPEC, {"a": {}})
    with pytest.raises(RemoteError):
        master.update_work_units([("s", "a", {"status": 4}), ("s", "a", {"status": 99})])


def test_retry(master: TaskMaster) -> None:
    master.update_bundle(SPEC, {"a": {}, "b": {}})
    for unit in master.get_work("w", max_jobs=2):
        unit.finish()
    assert master.retry("s", "a", "b") is True
    assert master.count_work_units("s") == {1: 2}
    assert master.retry("s", "a", "nosuch") is False
    assert master.retry("nosuch", "a") is False
    assert master.retry("s") is True


def test_del_work_units(master: TaskMaster) -> None:
    master.update_bundle(SPEC, dict.fromkeys("abcdef"))
    master.get_work("w")
    assert master.del_work_units("s") == 0
    assert master.del_work_units("s", "f") == 1
    assert master.del_work_units("s", ["a", "b"], state=constants.AVAILABLE) == 1
    assert master.del_work_units("s", state=constants.PENDING) == 1
    assert master.del_work_units("s", all=1) == 0  # type: ignore[arg-type]
    assert master.del_work_units("s", all=True) == 3
    assert master.del_work_units("nosuch", all=True) == 0


def test_get_work(master: TaskMaster) -> None:
    assert master.get_work("w") is None
    assert master.get_work("w", max_jobs=None) is None
    assert master.get_work("w", max_jobs=3) == []
    master.update_bundle(SPEC, dict.fromkeys("abc"))
    assert master.get_work("w", work_spec_names=["other"]) is None
    unit = master.get_work("w", available_gb=1, work_spec_names=["s"])
    assert unit is not None
    assert (unit.key, unit.worker_id, unit.expires, unit.default_lease_time) == (
        "a", "w", None, 900,
    )  # fmt: skip
    assert len(master.get_work("w", max_jobs=5)) == 2


@pytest.mark.parametrize(
    "options", [{"available_gb": "1"}, {"max_jobs": "1"}, {"lease_time": 86_401}]
)
def test_get_work_refuses(master: TaskMaster, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"not '1'|86400"):
        master.get_work("w", **options)


def test_runtimes(master: TaskMaster) -> None:
    master.update_bundle({**SPEC, "runtime": "python3"}, {"a": {}})
    assert master.get_work("w") is None
    assert master.get_work("w", runtimes=[""]) is None
    assert master.get_work("w", runtimes=["", "python3"]) is not None


def test_workers(master: TaskMaster) -> None:
    master.update_bundle(SPEC, {"a": {"x": 1}})
    master.worker_register("p", "RUN", environment={"pid": 1})
    master.worker_register("w", parent="p")
    assert master.workers() == {"p": "RUN", "w": None}
    assert master.mode_counts() == {"RUN": 1, None: 1}
    assert master.get_heartbeat("p") == {"pid": 1}
    assert master.get_heartbeat("nosuch") is None
    assert master.get_child_work_units("p") == {}
    master.get_work("w")
    ((child, (held,)),) = master.get_child_work_units("p").items()
    assert (child, held.worker_id, held.key, held.data) == ("w", "w", "a", {"x": 1})
    assert held.expires is not None
    assert held.fail("late") is True
    master.worker_unregister("w")
    assert list(master.workers()) == ["p"]


def test_what_the_server_says_in_its_own_words(master: TaskMaster) -> None:
    assert master.get_server_config() == {"coordinate": {}}
    assert master.rpc("worker_stats") == master._rpc("worker_stats", ())
    assert master.rpc("worker_stats")["num_workers"] == 0
    with pytest.raises(RemoteError, match="no such method"):
        master.rpc("nosuch")
    with pytest.warns(DeprecationWarning, match="no effect"):
        master.set_mode(master.TERMINATE)
    assert master.get_mode() == master.RUN


def test_wait(master: TaskMaster) -> None:
    master.update_bundle({**SPEC, "then": "t"}, {"a": {}})
    master.set_work_spec({**SPEC, "name": "t"})
    with pytest.raises(TimeoutError, match="units are left"):
        master.wait("s", "t", timeout=0.05, poll=0.01)

    def work() -> None:
        while unit := master.get_work("w"):
            unit.data["output"] = {"b": {}}
            unit.finish()

    timer = threading.Timer(0.05, work)
    timer.start()
    assert master.wait("t", "s", timeout=30, poll=0.01) == {"s": {4: 1}, "t": {4: 1}}
    timer.join()
    assert master.wait() == {}


class Passing:
    """A server where a unit passes from one spec to the next between any two counts of a look."""

    def __init__(self, chain: list[str], looked: list[list[str]]) -> None:
        self.chain, self.looked, self.moves = chain, looked, 0

    def call_many(self, calls: list[tuple[str, Any]], read: Any) -> list[Any]:
        self.looked.append([name for _, (name,) in calls])
        answers = []
        for _, (name,) in calls:
            place, at = self.chain.index(name), self.moves
            states = {4: 1} if at > place else ({1: 1} if at == place else {})
            answers.append((states, None))
            self.moves += 1 if len(self.looked) == 1 or at else 0
        return answers


@pytest.mark.parametrize("order", [["c", "b", "a"], ["a", "b", "c"], ["b", "c", "a"]])
def test_wait_sees_a_unit_that_passes_between_two_counts(order: list[str]) -> None:
    server: Any = Passing(["a", "b", "c"], [])
    master = TaskMaster({}, client=server)
    counts = master.wait(*order, poll=0)
    assert counts == {"a": {4: 1}, "b": {4: 1}, "c": {4: 1}}


def test_a_flow(master: TaskMaster) -> None:
    flow: dict[str, Any] = {
        "first": {"module": "m", "then": "group.second", "config": {"x": {"y": None, "z": 2}}},
        "group": {"second": {"min_gb": 1}},
    }
    master.add_flow(flow, {"x": {"y": 1}, "w": 1})
    assert master.get_work_spec("first") == {
        "name": "first", "module": "m", "then": "group.second", "config": {"x": {"z": 2}, "w": 1},
    }  # fmt: skip
    assert master.get_work_spec("group.second") == {
        "name": "group.second", "min_gb": 1, "config": {"x": {"y": 1}, "w": 1},
    }  # fmt: skip
    assert "name" not in flow["first"]
    master.add_flow(flow)
    assert master.get_work_spec("group.second") == {"name": "group.second", "min_gb": 1}


@pytest.mark.parametrize("flow", [{"a": 1}, {"a": {"module": "m", "then": "b"}}, {"a": {"b": "c"}}])
def test_a_flow_that_is_none_sets_nothing(master: TaskMaster, flow: dict[str, Any]) -> None:
    with pytest.raises(ProgrammerError):
        master.add_flow({"good": {"module": "m"}, **flow})
    assert master.list_work_specs() == ([], None)


@pytest.mark.parametrize(
    ("config", "address"),
    [
        ("localhost:1", ("localhost", 1)),
        ({"address": "[::1]:2"}, ("::1", 2)),
        ({"address": ["h", 3]}, ("h", 3)),
        ({"addresses": ["h:4"]}, ("h", 4)),
        ({"addresses": [("h", 5)]}, ("h", 5)),
    ],
)
def test_addresses(config: Any, address: tuple[str, int]) -> None:
    with TaskMaster(config) as master:
        assert master.client.address == address


@pytest.mark.parametrize("config", [{}, {"address": ""}, {"addresses": []}, {"address": 5}])
def test_no_address(config: dict[str, Any]) -> None:
    with pytest.raises(ProgrammerError, match="no address"):
        TaskMaster(config)


def test_configuration() -> None:
    master = TaskMaster(
        {"address": "127.0.0.1:1", "default_lifetime": 5, "retries": 0, "python2_strings": True}
    )
    assert master.default_lifetime == 5
    with pytest.raises(ConnectionRefusedError):
        master.clear()
    assert master.rules.name_to_send("n") == b"n"
    unknown: Any = "utf-8"
    with pytest.raises(ProgrammerError, match="strings"):
        TaskMaster("h:1", strings=unknown)


def test_two_queues_in_one_process_are_apart() -> None:
    one, other = task_master(), task_master()
    one.set_work_spec(SPEC)
    assert other.clear() == 0
