"""Python 3 beside Python 2 on one queue: the forms in which units and specs travel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goordinate.cborrpc import Client
from goordinate.client import TaskMaster
from goordinate.client.forms import identical
from goordinate.testing import task_master

SPEC = {b"name": b"s", b"min_gb": 1, b"module": b"m", "desc": "d"}


def stored(python2: Client, spec: str = "s") -> list[Any]:
    """The units as Python 2 sees them."""
    units: list[Any] = python2.call("get_work_units", spec, {})[0]
    return units


def test_units_take_the_form_of_their_spec(master: TaskMaster, python2: Client) -> None:
    python2.call("set_work_spec", SPEC)
    master.add_work_units("s", {"k": {"a": "x", "l": ["y"]}})
    assert identical(stored(python2), [(b"k", {b"a": b"x", b"l": [b"y"]})])
    master.set_work_spec({"name": "t"})
    master.add_work_units("t", {"k": {"a": "x", "b": b"y"}})
    assert identical(stored(python2, "t"), [("k", {"a": "x", "b": b"y"})])


def test_a_spec_takes_the_form_of_the_one_it_replaces(master: TaskMaster, python2: Client) -> None:
    python2.call("set_work_spec", SPEC)
    spec = master.get_work_spec("s")
    assert spec == {"name": "s", "min_gb": 1, "module": "m", "desc": "d"}
    master.set_work_spec({**spec, "module": "other", "run_function": "f"})
    assert identical(
        python2.call("get_work_spec", "s"),
        {**SPEC, b"module": b"other", b"run_function": b"f"},
    )


def test_a_spec_that_was_deleted_no_longer_gives_the_form(
    master: TaskMaster, python2: Client
) -> None:
    deletions: list[Callable[[], object]] = [lambda: master.del_work_spec("s"), master.clear]
    for delete in deletions:
        python2.call("set_work_spec", SPEC)
        master.add_work_units("s", {"k": {"a": "x"}})
        delete()
        python2.call("set_work_spec", {"name": "s"})  # by another program
        master.add_work_units("s", {"k": {"a": "x"}})
        assert identical(stored(python2), [("k", {"a": "x"})])
        master.clear()


def test_a_worker_keeps_what_it_does_not_change(master: TaskMaster, python2: Client) -> None:
    data = {b"a": b"caf\xc3\xa9", "b": "é", b"l": [b"x", "y", (b"t", 1)], b"bin": b"\xff\x00"}
    python2.call("set_work_spec", SPEC)
    python2.call("add_work_units", b"s", [(b"\xff\x00", data)])
    unit = master.get_work("w")
    assert unit is not None
    assert unit.key_bytes == b"\xff\x00"
    assert unit.data["a"] == "café"
    assert unit.data["bin"] == "\udcff\x00"
    unit.data["result"] = {"n": "é"}
    assert unit.update() is True
    changed = {**data, b"result": {b"n": "é".encode()}}
    assert identical(stored(python2), [(b"\xff\x00", changed)])
    unit.data["l"].append("z")
    assert unit.finish() is True
    assert identical(
        stored(python2), [(b"\xff\x00", {**changed, b"l": [b"x", "y", (b"t", 1), b"z"]})]
    )


def test_data_without_form_takes_that_of_the_spec(master: TaskMaster, python2: Client) -> None:
    python2.call("set_work_spec", SPEC)
    python2.call("add_work_units", b"s", [(b"k", {})])
    unit = master.get_work("w")
    assert unit is not None
    unit.data["a"] = "x"
    unit.finish()
    assert identical(stored(python2), [(b"k", {b"a": b"x"})])


def test_an_update_by_key_takes_the_form_of_what_is_there(
    master: TaskMaster, python2: Client
) -> None:
    python2.call("set_work_spec", SPEC)
    python2.call("add_work_units", b"s", [(b"k", {b"a": b"x", "t": "y"})])
    master.update_work_unit("s", "k", lease_time=5, data={"a": "x", "t": "y", "n": "z"})
    assert identical(stored(python2), [(b"k", {b"a": b"x", "t": "y", b"n": b"z"})])
    assert master.update_work_unit("s", "new", lease_time=5, data={"a": "x"}) is False


def test_a_failure_tells_python2_its_traceback_as_str(master: TaskMaster, python2: Client) -> None:
    python2.call("set_work_spec", SPEC)
    python2.call("add_work_units", b"s", [(b"k", {b"a": 1})])
    unit = master.get_work("w")
    assert unit is not None
    unit.fail(ValueError("broken"))
    ((_, data),) = stored(python2)
    assert data[b"traceback"].endswith(b"ValueError: broken\n")
    assert master.get_work_unit_status("s", "k")["traceback"].endswith("ValueError: broken\n")


def test_output_for_the_next_spec(master: TaskMaster, python2: Client) -> None:
    python2.call("set_work_spec", {**SPEC, b"then": b"t"})
    python2.call("set_work_spec", {**SPEC, b"name": b"t"})
    python2.call("add_work_units", b"s", [(b"\xff", {b"a": 1})])
    unit = master.get_work("w")
    assert unit is not None
    unit.data["output"] = {unit.key: {"from": unit.key}}
    unit.finish()
    assert identical(stored(python2, "t"), [(b"\xff", {b"from": b"\xff"})])


def test_python2_strings() -> None:
    master = task_master(strings="python2")
    master.update_bundle({"name": "s", "module": "p"}, {"k": {"a": ["x"]}})
    assert identical(master.client.call("get_work_spec", b"s"), {b"name": b"s", b"module": b"p"})
    assert identical(stored(master.client), [(b"k", {b"a": [b"x"]})])
    unit = master.get_work("w")
    assert unit is not None
    assert (unit.work_spec_name, unit.key, unit.data) == ("s", "k", {"a": ["x"]})
    unit.data["b"] = "y"
    unit.finish()
    assert identical(stored(master.client), [(b"k", {b"a": [b"x"], b"b": b"y"})])


def test_exact_strings() -> None:
    master = task_master(strings="exact")
    master.set_work_spec({b"name": b"s", "module": "p"})
    master.add_work_units(b"s", [(b"k", {b"a": "x"})])
    listed: Any = master.list_work_specs()
    assert listed == ([(b"s", {b"name": b"s", "module": "p"})], None)
    unit = master.get_work(b"w")
    assert unit is not None
    assert identical((unit.work_spec_name, unit.key, unit.data), (b"s", b"k", {b"a": "x"}))
    assert unit.key_bytes == b"k"
    unit.data["n"] = "y"
    unit.finish()
    assert identical(stored(master.client), [(b"k", {b"a": "x", "n": "y"})])
    assert master.get_work_unit_status(b"s", b"k")["worker_id"] == b"w"


def test_the_form_of_no_more_than_so_many_specs_is_remembered(master: TaskMaster) -> None:
    for number in range(1500):
        master.set_work_spec({"name": f"s{number}"})
    assert len(master._python2_specs) <= 1000
