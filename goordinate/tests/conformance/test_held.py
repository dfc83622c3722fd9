"""What the children of a worker hold, and what they held until their leases ran out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.handles import Queue, WorkSpec
from goordinate.coordinate.names import Name
from goordinate.coordinate.states import AVAILABLE, FINISHED, PENDING
from goordinate.tests.conformance.clock import UNIX_START, Clock
from goordinate.tests.conformance.steps import add, define, request, take

Shown = dict[Name, list[tuple[Name, float | None]]]

#: What `shown` shows at first.
BOTH: Shown = {b"child": [(b"unit", 10.0)], b"other": [(b"held", 500.0)]}


def beat(namespace: Queue, name: Name) -> None:
    """A heartbeat of a child."""
    namespace.heartbeat(name, mode=b"RUN", data=None, lifetime=1000, parent=b"parent")


def shown(namespace: Queue) -> Shown:
    """The units that each child has, and the ends of their leases, in seconds from the start."""
    return {
        child: [(held.unit.name, held.expires and held.expires - UNIX_START) for held in units]
        for child, units in namespace.namespace.held_by_children(b"parent")
    }


@pytest.fixture
def spec(namespace: Queue, clock: Clock) -> WorkSpec:
    """A spec with `unit`, on which the lease of a child is over, and `held`, that another holds."""
    spec = define(namespace, b"spec")
    beat(namespace, b"child")
    beat(namespace, b"other")
    add(spec, b"unit")
    take(namespace, b"child", lease=10)
    add(spec, b"held")
    take(namespace, b"other", lease=500)
    clock.advance(50)
    assert shown(namespace) == BOTH
    return spec


def test_it_is_listed_with_the_end_of_the_lease(namespace: Queue, spec: WorkSpec) -> None:
    assert spec.work_unit(b"unit").status == AVAILABLE
    assert spec.work_unit(b"unit").worker_name is None
    assert namespace.worker(b"child").active_attempts() == []


@pytest.mark.parametrize("name", [b"child", b"other", b"third"])
def test_until_it_is_handed_out(namespace: Queue, spec: WorkSpec, name: bytes) -> None:
    take(namespace, name, lease=100)
    expected: Shown = {**BOTH, b"child": []}
    if name in expected:  # the third is nobody's child
        expected[name] = [*expected[name], (b"unit", 150.0)]
    assert shown(namespace) == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec.update_work_unit(b"unit", status=FINISHED),
        lambda spec: spec.update_work_unit(b"unit", status=AVAILABLE, delay=5.0),
        lambda spec: spec.update_work_unit(b"unit", status=AVAILABLE, data=dumps(1)),
        lambda spec: spec.update_work_unit(b"unit", status=PENDING),
        lambda spec: add(spec, b"unit"),
        lambda spec: add(spec, b"unit", restart=True),
        lambda spec: spec.set_priorities([b"unit"], 5),
        lambda spec: spec.delete_work_units(names=[b"unit"]),
    ],
)
def test_until_it_is_changed_or_deleted(
    namespace: Queue, spec: WorkSpec, change: Callable[[WorkSpec], None]
) -> None:
    change(spec)
    assert shown(namespace) == {**BOTH, b"child": []}


def test_until_all_units_go(namespace: Queue, spec: WorkSpec) -> None:
    spec.delete_work_units()
    assert shown(namespace) == {b"child": [], b"other": []}
    add(spec, b"unit")
    assert shown(namespace) == {b"child": [], b"other": []}


def test_until_the_work_spec_goes(namespace: Queue, spec: WorkSpec) -> None:
    namespace.destroy_work_spec(b"spec")
    assert shown(namespace) == {b"child": [], b"other": []}


def test_until_it_fails_in_place_of_going_out(namespace: Queue, spec: WorkSpec) -> None:
    spec.set_control({"max_retries": 1})
    assert request(namespace) == []
    assert shown(namespace) == {**BOTH, b"child": []}


def test_of_a_worker_that_was_gone_meanwhile(namespace: Queue, spec: WorkSpec) -> None:
    namespace.worker(b"child").deactivate()
    beat(namespace, b"child")
    assert shown(namespace) == {**BOTH, b"child": []}


def test_a_heartbeat_keeps_it(namespace: Queue, spec: WorkSpec) -> None:
    beat(namespace, b"child")
    assert shown(namespace) == BOTH
