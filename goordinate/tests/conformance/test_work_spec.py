"""Work specs: names, the dictionary, and the control values that it gives."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.errors import DecodeError
from goordinate.coordinate.control import PAUSED, RUNNABLE, Control
from goordinate.coordinate.errors import (
    BadWorkSpec,
    BadWorkSpecName,
    CannotBecomeContinuous,
    ChangedName,
    CoordinateError,
    NoSuchWorkSpec,
    NoWorkSpecName,
)
from goordinate.coordinate.handles import Queue, WorkSpec
from goordinate.coordinate.names import Name
from goordinate.tests.conformance.steps import add, define, listed, names, whole_state

#: What a dictionary with a name and nothing else gives.
DEFAULTS = Control(
    status=RUNNABLE,
    priority=0,
    weight=20,
    continuous=False,
    can_be_continuous=False,
    interval=None,
    max_running=None,
    max_getwork=None,
    max_retries=None,
    then=None,
    then_preempts=True,
    runtime=b"",
)


class TestNames:
    """Bytes and text are one name; the form first stored goes out."""

    @pytest.mark.parametrize(
        ("first", "second"), [(b"spec", "spec"), ("spec", b"spec"), ("é", "é".encode())]
    )
    def test_both_forms_name_one_spec(self, namespace: Queue, first: Name, second: Name) -> None:
        define(namespace, first)
        define(namespace, second, weight=3)
        for name in (first, second):
            spec = namespace.work_spec(name)
            assert spec.name == first
            assert spec.control.weight == 3
        assert names(namespace.list_work_specs()[0]) == [first]

    @pytest.mark.parametrize("name", [b"\xff\x00\n", b" ", b"x" * 70_000, "\U0001f40d"])
    def test_any_bytes_are_a_name(self, namespace: Queue, name: Name) -> None:
        define(namespace, name)
        assert namespace.work_spec(name).name == name

    def test_the_name_of_the_key_may_be_text(self, namespace: Queue) -> None:
        assert namespace.set_work_spec(dumps({"name": "spec", "weight": 7})).control.weight == 7


class TestRefused:
    """A dictionary that is refused changes nothing."""

    BAD = (
        (dumps({}), NoWorkSpecName),
        (dumps({b"name": None}), NoWorkSpecName),
        (dumps({b"name": b""}), NoWorkSpecName),
        (dumps({b"name": ""}), NoWorkSpecName),
        (dumps({b"weight": 5}), NoWorkSpecName),
        (dumps({b"name": 4}), BadWorkSpecName),
        (dumps({b"name": [b"spec"]}), BadWorkSpecName),
        (dumps([b"name", b"spec"]), BadWorkSpec),
        (dumps(None), BadWorkSpec),
        (dumps(b"spec"), BadWorkSpec),
        (b"\xa1\x44name", DecodeError),
        (b"", DecodeError),
    )

    @pytest.mark.parametrize(("data", "error"), BAD)
    def test_as_a_new_spec(self, namespace: Queue, data: bytes, error: type[Exception]) -> None:
        define(namespace, b"other")
        before = whole_state(namespace)
        with pytest.raises(error):
            namespace.set_work_spec(data)
        assert whole_state(namespace) == before

    @pytest.mark.parametrize(("data", "error"), [*BAD, (dumps({b"name": b"other"}), ChangedName)])
    def test_as_new_data(
        self, namespace: Queue, spec: WorkSpec, data: bytes, error: type[Exception]
    ) -> None:
        add(spec, b"unit")
        before = whole_state(namespace)
        with pytest.raises(error):
            spec.set_data(data)
        assert whole_state(namespace) == before

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("weight", b"heavy"),
            ("weight", [1]),
            ("weight", float("inf")),
            ("weight", float("nan")),
            ("nice", b"very"),
            ("nice", {}),
            ("nice", None),
            ("interval", b"soon"),
            ("interval", [5]),
            ("interval", b"inf"),
            ("interval", float("nan")),
            ("interval", 10**400),
            ("max_running", b"few"),
            ("max_running", {}),
            ("max_running", -1),
            ("max_running", b"-3"),
            ("max_getwork", -1),
            ("max_retries", -1),
            ("max_retries", -2.5),
            ("max_getwork", float("-inf")),
            ("max_retries", [3]),
            ("priority", b"high"),
            ("priority", float("nan")),
            ("priority", -(10**400)),
            ("then", 4),
            ("then", [b"next"]),
            ("runtime", 3),
        ],
    )
    def test_a_value_that_does_not_fit_is_named(
        self, namespace: Queue, spec: WorkSpec, key: str, value: object
    ) -> None:
        before = whole_state(namespace)
        with pytest.raises(BadWorkSpec, match=key) as caught:
            define(namespace, b"new", **{"max_running": 1, key: value})
        assert (caught.value.work_spec, caught.value.key) == (b"new", key)
        with pytest.raises(BadWorkSpec, match=key):
            define(namespace, b"spec", **{key: value})
        assert whole_state(namespace) == before
        with pytest.raises(NoSuchWorkSpec):
            namespace.work_spec(b"new")


class TestData:
    """The dictionary is kept as it came."""

    @pytest.mark.parametrize(
        "data",
        [
            dumps({b"name": b"spec", b"tuple": (1, [], {}), b"list": []}),
            # The same in an odd encoding: indefinite map, long heads, text and byte strings.
            bytes.fromhex("bf 5804 6e616d65 59 0004 73706563 78 01 78 1800 ff"),
            dumps({b"name": b"spec", "name": b"spec"}),
        ],
    )
    def test_exact(self, namespace: Queue, data: bytes) -> None:
        spec = namespace.set_work_spec(data)
        assert spec.data == data
        assert namespace.work_spec(b"spec").data == data
        spec.set_data(dumps({b"name": "spec", b"new": 1}))
        assert spec.data == dumps({b"name": "spec", b"new": 1})
        assert spec.name == b"spec"

    def test_units_stay_when_the_dictionary_changes(self, namespace: Queue) -> None:
        spec = define(namespace, b"spec", weight=3)
        add(spec, b"a", b"b")
        define(namespace, b"spec")
        spec.set_data(dumps({b"name": b"spec"}))
        assert listed(spec) == [b"a", b"b"]


#: keys of the dictionary -> the control values that differ from the defaults.
CONTROLS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"nice": 5}, {"weight": 15}),
    ({"nice": -80}, {"weight": 100}),
    ({"nice": 0}, {}),
    ({"nice": 19}, {"weight": 1}),
    ({"nice": 20}, {"weight": 1}),
    ({"nice": 1000}, {"weight": 1}),
    ({"weight": 7}, {"weight": 7}),
    ({"weight": 7, "nice": 5}, {"weight": 7}),
    ({"weight": 0}, {"weight": 1}),
    ({"weight": -3}, {"weight": 1}),
    ({"weight": b"7"}, {"weight": 7}),
    ({"weight": 2.9}, {"weight": 2}),
    ({"weight": None, "nice": 5}, {"weight": 15}),
    ({"priority": 4}, {"priority": 4}),
    ({"priority": -2.5}, {"priority": -2.5}),
    ({"priority": None}, {}),
    ({"disabled": True}, {"status": PAUSED}),
    ({"disabled": False}, {}),
    ({"continuous": True}, {"continuous": True, "can_be_continuous": True}),
    ({"continuous": False}, {}),
    ({"interval": 60}, {"interval": 60}),
    ({"interval": 0.25}, {"interval": 0.25}),
    ({"interval": b"1.5"}, {"interval": 1.5}),
    ({"interval": "2.5"}, {"interval": 2.5}),
    ({"interval": None}, {}),
    ({"max_running": 3}, {"max_running": 3}),
    ({"max_running": b"3"}, {"max_running": 3}),
    ({"max_running": None}, {}),
    ({"max_getwork": 5}, {"max_getwork": 5}),
    ({"max_retries": 2}, {"max_retries": 2}),
    ({"then": b"next"}, {"then": b"next"}),
    ({"then": "next"}, {"then": "next"}),
    ({"then": b""}, {}),
    ({"then": None}, {}),
    ({"then_preempts": False}, {"then_preempts": False}),
    ({"runtime": b"go"}, {"runtime": b"go"}),
    ({"runtime": "go"}, {"runtime": b"go"}),
    ({"runtime": None}, {}),
    ({"min_gb": 8, "module": b"m", "config": {b"priority": 3}, "status": 2}, {}),
]


class TestControl:
    """The control values: from the dictionary, and changed since."""

    @pytest.mark.parametrize(("keys", "differ"), CONTROLS)
    @pytest.mark.parametrize("text", [False, True], ids=["bytes", "text"])
    def test_from_the_dictionary(
        self, namespace: Queue, keys: dict[str, Any], differ: dict[str, Any], text: bool
    ) -> None:
        dictionary = {(key if text else key.encode()): value for key, value in keys.items()}
        spec = namespace.set_work_spec(dumps({b"name": b"spec", **dictionary}))
        assert spec.control == replace(DEFAULTS, **differ)

    def test_a_new_dictionary_derives_all_anew(self, namespace: Queue) -> None:
        spec = define(namespace, b"spec", weight=3, max_running=1, disabled=True, then=b"next")
        spec.set_control({"max_getwork": 4, "status": RUNNABLE, "priority": 9})
        spec.set_data(dumps({b"name": b"spec", b"interval": 5}))
        assert spec.control == replace(DEFAULTS, interval=5)
        spec.set_control({"weight": 99})
        define(namespace, "spec", max_retries=3)
        assert spec.control == replace(DEFAULTS, max_retries=3)

    def test_every_value_that_may_be_changed(self, namespace: Queue) -> None:
        spec = define(namespace, b"spec", continuous=True, then=b"next", runtime=b"go")
        before = spec.control
        changes: dict[str, object] = {
            "status": PAUSED,
            "continuous": False,
            "interval": 2.5,
            "max_running": 3,
            "max_getwork": 4,
            "max_retries": 5,
            "weight": 6,
            "priority": 7,
        }
        for key, value in changes.items():
            spec.set_control({key: value})
        assert spec.control == replace(before, **changes)  # type: ignore[arg-type]
        assert namespace.work_spec(b"spec").control == spec.control

    def test_several_at_once_and_none(self, spec: WorkSpec) -> None:
        spec.set_control({"weight": 0, "interval": b"60"})
        assert spec.control == replace(DEFAULTS, weight=1, interval=60)
        spec.set_control({"interval": None})
        spec.set_control({})
        assert spec.control == replace(DEFAULTS, weight=1)

    @pytest.mark.parametrize(
        "change",
        [
            {"status": 3},
            {"status": None},
            {"status": True},
            {"weight": None},
            {"weight": b"x"},
            {"interval": []},
            {"max_running": {}},
            {"max_getwork": b"x"},
            {"max_retries": float("nan")},
            {"interval": -1},
            {"max_running": -1},
            {"max_running": "-1"},
            {"max_getwork": -1},
            {"max_retries": -1},
            {"priority": None},
            {"priority": 10**400},
            {"then": b"next"},
            {"can_be_continuous": True},
            {"unheard_of": 1},
        ],
    )
    def test_a_refused_change_changes_nothing(
        self, spec: WorkSpec, change: dict[str, object]
    ) -> None:
        before = asdict(spec.control)
        with pytest.raises(BadWorkSpec, match=next(iter(change))):
            spec.set_control({"weight": 77, **change} if "weight" not in change else change)
        assert asdict(spec.control) == before

    @pytest.mark.parametrize("keys", [{}, {"continuous": False}])
    def test_only_a_spec_defined_so_can_be_continuous(
        self, namespace: Queue, keys: dict[str, object]
    ) -> None:
        spec = define(namespace, b"spec", **keys)
        with pytest.raises(CannotBecomeContinuous) as caught:
            spec.set_control({"continuous": True, "weight": 77})
        assert caught.value.name == b"spec"
        assert spec.control == DEFAULTS
        spec.set_control({"continuous": False})

    def test_continuous_off_and_on(self, namespace: Queue) -> None:
        spec = define(namespace, b"spec", continuous=True)
        for switch in (False, True):
            spec.set_control({"continuous": switch})
            assert spec.control.continuous is switch
            assert spec.control.can_be_continuous is True


def test_errors_are_of_one_tree() -> None:
    """The job server makes them all answers by their base."""
    for error in (BadWorkSpec, BadWorkSpecName, ChangedName, NoWorkSpecName):
        assert issubclass(error, CoordinateError)
