"""WorkUnit: how it is changed, settled and run."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from goordinate.cborrpc import Encoded, dumps
from goordinate.client import (
    NoSuchWorkSpecError,
    ProgrammerError,
    Retry,
    TaskMaster,
    WorkUnit,
    constants,
)
from goordinate.client.running import perform, work


def spec(function: str, **keys: Any) -> dict[str, Any]:
    return {"name": "s", "module": __name__, "run_function": function, **keys}


def unit_of(
    master: TaskMaster, function: str = "nothing", data: Any = None, **keys: Any
) -> WorkUnit:
    """A unit that worker "w" has got."""
    master.update_bundle(spec(function), {"u": {"x": 1} if data is None else data})
    unit = master.get_work("w")
    assert unit is not None
    return unit


def state(master: TaskMaster) -> int:
    status: int = master.get_work_unit_status("s", "u")["status"]
    return status


def data_of(master: TaskMaster) -> Any:
    ((_, data),) = master.iter_work_units("s")
    return data


def test_update_sends_the_data_and_moves_the_lease(master: TaskMaster) -> None:
    unit = unit_of(master)
    before = master.get_work_unit_status("s", "u")["expiration"]
    unit.data["y"] = [1]
    assert unit.update(5000) is True
    assert data_of(master) == {"x": 1, "y": [1]}
    assert 4000 < master.get_work_unit_status("s", "u")["expiration"] - before < 4200
    unit.data["y"].append(2)
    assert unit.update() is True
    assert data_of(master) == {"x": 1, "y": [1, 2]}
    assert unit.update(10**6) is True
    assert not unit.settled


def test_data_that_was_not_changed_is_not_sent(master: TaskMaster) -> None:
    unit = unit_of(master)
    assert unit.change(status=4)[2]["data"] is None
    assert unit.data == {"x": 1}
    assert unit.change(status=4)[2]["data"] is None
    unit.data["x"] = True
    assert unit.change(status=4)[2]["data"] is not None
    unit.update()
    assert unit.change(status=4)[2]["data"] is None


@pytest.mark.parametrize("lease", [0, -1, -10.5])
def test_a_lease_of_0_or_less_gives_back(master: TaskMaster, lease: float) -> None:
    unit = unit_of(master)
    assert unit.update(lease) is True
    assert unit.settled
    assert state(master) == constants.AVAILABLE


def test_retry_with_a_delay(master: TaskMaster) -> None:
    unit = unit_of(master)
    unit.data["x"] = 2
    assert unit.retry(1000) is True
    assert state(master) == constants.AVAILABLE
    assert master.get_work("w") is None
    assert data_of(master) == {"x": 2}


def test_a_unit_that_another_worker_has_is_left_alone(master: TaskMaster) -> None:
    unit = unit_of(master)
    master.retry("s", "u")
    master.get_work("another")
    unit.data["x"] = 2
    assert unit.update() is False
    assert unit.finish() is False
    assert unit.fail("late") is False
    assert unit.retry() is False
    assert master.get_work_unit_status("s", "u")["worker_id"] == "another"
    assert data_of(master) == {"x": 1}


def test_a_unit_that_was_deleted(master: TaskMaster) -> None:
    unit = unit_of(master)
    master.del_work_units("s", all=True)
    assert unit.update() is False
    assert unit.finish() is False
    assert unit.settled


def test_finish_drops_the_traceback_of_an_earlier_failure(master: TaskMaster) -> None:
    unit = unit_of(master)
    unit.fail("first time")
    assert data_of(master) == {"x": 1, "traceback": "first time"}
    master.retry("s", "u")
    again = master.get_work("w")
    assert again is not None
    assert again.finish() is True
    assert data_of(master) == {"x": 1}


def test_finish_keeps_a_traceback_that_the_function_left(master: TaskMaster) -> None:
    unit = unit_of(master, data={"traceback": "old", "x": "traceback"})
    unit.data["traceback"] = "new"
    unit.finish()
    assert data_of(master) == {"traceback": "new", "x": "traceback"}


def test_fail_tells_the_traceback_of_the_exception_it_is_given(master: TaskMaster) -> None:
    unit = unit_of(master)
    try:
        raise ValueError("broken")
    except ValueError as error:
        fault = error
    assert unit.fail(fault) is True
    assert state(master) == constants.FAILED
    traceback = data_of(master)["traceback"]
    assert traceback.startswith("Traceback")
    assert traceback.endswith("ValueError: broken\n")


@pytest.mark.parametrize("data", [0, [1], "text"])
def test_fail_of_data_that_is_no_dict(
    master: TaskMaster, data: Any, caplog: pytest.LogCaptureFixture
) -> None:
    unit = unit_of(master, data=data)
    assert unit.fail(ValueError("broken")) is True
    assert state(master) == constants.FAILED
    assert data_of(master) == data
    assert "ValueError: broken" in caplog.text


def test_the_spec_is_fetched_and_can_be_set(master: TaskMaster) -> None:
    unit = unit_of(master)
    assert unit.spec["run_function"] == "nothing"
    unit.spec = {"name": "other"}
    assert unit.spec == {"name": "other"}
    with pytest.raises(NoSuchWorkSpecError):
        _ = WorkUnit(master, "nosuch", "u").spec


def test_a_unit_made_by_hand(master: TaskMaster) -> None:
    unit_of(master)
    unit = WorkUnit(master, "s", b"u", {"x": 1}, worker_id="w")
    assert (unit.key, unit.key_bytes) == ("u", b"u")
    unit.data["y"] = 2
    assert unit.finish() is True
    assert data_of(master) == {"x": 1, "y": 2}
    assert "u" in str(unit)
    assert "worker_id='w'" in repr(unit)


# What specs name.


def nothing(unit: WorkUnit) -> None:
    pass


def arguments(unit: WorkUnit, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    return args, kwargs


class Namespace:
    inner = nothing


async def waits(unit: WorkUnit) -> str:
    unit.data["awaited"] = True
    return "waited"


def breaks(unit: WorkUnit) -> None:
    unit.data["y"] = 2
    raise ValueError("broken")


def retries(unit: WorkUnit) -> None:
    unit.data["y"] = 2
    raise Retry("not yet", delay=1000)


def leaves(unit: WorkUnit) -> None:
    raise SystemExit(3)


def interrupted(unit: WorkUnit) -> None:
    raise KeyboardInterrupt


def fails_itself(unit: WorkUnit) -> None:
    unit.fail("by itself")


def gives_back_and_breaks(unit: WorkUnit) -> None:
    unit.update(0)
    raise ValueError("broken")


def no_data(unit: WorkUnit) -> None:
    unit.data = None


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (None, ((), {})),
        ([1, "x"], ((1, "x"), {})),
        ((1,), ((1,), {})),
        ({"a": 1}, ((), {"a": 1})),
    ],
)
def test_run_params(params: Any, expected: Any) -> None:
    unit = WorkUnit.local("u", {}, spec("arguments", run_params=params))
    assert unit.run() == expected
    assert unit.settled


def test_run_params_in_specs_of_python2_and_exact() -> None:
    keys: dict[Any, Any] = {
        b"name": b"s", b"module": __name__.encode(), b"run_function": b"arguments",
        b"run_params": {b"a": b"x"},
    }  # fmt: skip
    assert WorkUnit.local("u", {}, keys).run() == ((), {"a": b"x"})


@pytest.mark.parametrize(
    "changes",
    [
        {"module": None},
        {"run_function": None},
        {"run_function": ""},
        {"run_params": "foo"},
        {"run_params": 5},
    ],
)
def test_a_spec_that_says_nothing_to_run(changes: dict[str, Any]) -> None:
    unit = WorkUnit.local("u", {}, {**spec("nothing"), **changes})
    with pytest.raises(ProgrammerError):
        unit.run()


def test_a_function_with_dots_and_a_coroutine(master: TaskMaster) -> None:
    WorkUnit.local("u", {}, spec("Namespace.inner")).run()
    unit = unit_of(master, "waits")
    assert unit.run() == "waited"
    assert data_of(master) == {"x": 1, "awaited": True}


def test_run_finishes_and_raises_what_the_function_raises(master: TaskMaster) -> None:
    unit = unit_of(master)
    unit.run()
    assert state(master) == constants.FINISHED
    assert unit.finish() is True  # twice, as programs do
    broken = unit_of(master, "breaks")
    with pytest.raises(ValueError, match="broken"):
        broken.run()
    assert state(master) == constants.PENDING


@pytest.mark.parametrize(
    ("function", "data", "ended", "well"),
    [
        ("nothing", None, constants.FINISHED, True),
        ("nothing", 0, constants.FINISHED, True),
        ("no_data", None, constants.FINISHED, True),
        ("waits", None, constants.FINISHED, True),
        ("breaks", None, constants.FAILED, False),
        ("breaks", {}, constants.FAILED, False),
        ("retries", None, constants.AVAILABLE, False),
        ("leaves", None, constants.FAILED, False),
        ("fails_itself", None, constants.FAILED, True),
        ("gives_back_and_breaks", None, constants.AVAILABLE, False),
        ("nosuch", None, constants.FAILED, False),
    ],
)
def test_how_a_worker_settles_a_unit(
    master: TaskMaster, function: str, data: Any, ended: int, well: bool
) -> None:
    assert work(unit_of(master, function, data)) is well
    assert state(master) == ended


def test_an_interrupt_fails_the_unit_and_goes_on(master: TaskMaster) -> None:
    unit = unit_of(master, "interrupted")
    with pytest.raises(KeyboardInterrupt):
        work(unit)
    assert state(master) == constants.FAILED


def test_perform_sends_nothing(master: TaskMaster) -> None:
    unit = unit_of(master, "retries")
    ending = perform(unit)
    assert state(master) == constants.PENDING
    assert isinstance(ending.error, Retry)
    assert ending.change is not None
    assert master.update_work_units([ending.change]) == [True]
    assert state(master) == constants.AVAILABLE
    assert data_of(master) == {"x": 1, "y": 2}
    assert master.get_work("w") is None  # it waits for its delay


def test_what_the_log_says_of_a_unit(master: TaskMaster, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "goordinate.client"):
        work(unit_of(master, "breaks"))
        work(unit_of(master, "retries"))
    assert "s:'u'" in caplog.text
    assert caplog.text.count("Traceback") == 1


def test_a_local_unit() -> None:
    unit = WorkUnit.local(b"u", {"x": 1}, spec("breaks"))
    with pytest.raises(ValueError, match="broken"):
        unit.run()
    assert not unit.settled
    assert unit.fail("it broke") is True
    assert unit.settled
    assert unit.data == {"x": 1, "y": 2, "traceback": "it broke"}
    assert unit.update() is True
    with pytest.raises(ProgrammerError):
        WorkUnit.local("u").run()


def leaves_what_cannot_be_sent(unit: WorkUnit) -> None:
    unit.data["when"] = object()


def leaves_a_circle(unit: WorkUnit) -> None:
    unit.data["self"] = unit.data


def retries_with_what_cannot_be_sent(unit: WorkUnit) -> None:
    unit.data["when"] = object()
    raise Retry


def breaks_with_what_cannot_be_sent(unit: WorkUnit) -> None:
    unit.data["when"] = object()
    raise ValueError("broken \ud800 \udcff")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("leaves_what_cannot_be_sent", "cannot encode"),
        ("leaves_a_circle", "nested deeper"),
        ("retries_with_what_cannot_be_sent", "cannot encode"),
        ("breaks_with_what_cannot_be_sent", r"broken \ud800 \udcff"),
    ],
    ids=["finishes", "circle", "retries", "breaks"],
)
@pytest.mark.parametrize("key", ["x", b"x"], ids=["text", "bytes"])
def test_data_that_cannot_be_sent_fails_the_unit(
    master: TaskMaster,
    function: str,
    message: str,
    key: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, "goordinate")  # xdist cannot pass surrogates on
    master.set_work_spec(spec(function))
    master.client.call("add_work_units", "s", [("u", {key: 1})])
    unit = master.get_work("w")
    assert unit is not None
    assert work(unit) is False
    status = master.get_work_unit_status("s", "u")
    assert status["status"] == constants.FAILED
    assert message in status["traceback"]
    assert data_of(master) == {"x": 1, "traceback": status["traceback"]}


def reads_its_data(unit: WorkUnit) -> None:
    assert unit.data


@pytest.mark.parametrize("function", ["reads_its_data", "nothing"])
def test_data_that_cannot_be_read_fails_the_unit(
    master: TaskMaster, caplog: pytest.LogCaptureFixture, function: str
) -> None:
    got = unit_of(master, function)
    # {("traceback",): None}, as Python 2 writes it: a list is the key.  Ours takes no such data
    # from a client, but the original does.
    unreadable = Encoded(b"\xa1\x81" + dumps(b"traceback") + b"\xf6")
    unit = WorkUnit(master, "s", got.key, unreadable, got.worker_id)
    assert work(unit) is False
    assert state(master) == constants.FAILED
    assert "a map key cannot be a list" in caplog.text


def test_data_of_another_kind_in_place_of_what_has_a_traceback(master: TaskMaster) -> None:
    unit = unit_of(master, data="traceback")
    unit.data = {"traceback": "new"}
    assert unit.finish() is True
    assert data_of(master) == {"traceback": "new"}


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf")])
def test_delays_that_are_none(master: TaskMaster, delay: float) -> None:
    with pytest.raises(ValueError, match="delay"):
        Retry(delay=delay)
    with pytest.raises(ValueError, match="delay"):
        unit_of(master).retry(delay)
