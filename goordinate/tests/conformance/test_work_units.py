"""Work units: their names and data, and adding them again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.errors import NoSuchWorkUnit
from goordinate.coordinate.handles import Queue, WorkSpec
from goordinate.coordinate.names import Name
from goordinate.coordinate.new_units import new_work_unit
from goordinate.coordinate.states import (
    AVAILABLE,
    DELAYED,
    EXPIRED,
    FAILED,
    FINISHED,
    PENDING,
    RETRYABLE,
)
from goordinate.tests.conformance.clock import UNIX_START, Clock
from goordinate.tests.conformance.steps import (
    DATA,
    ENCODINGS,
    LEASE,
    add,
    add_one,
    attempt_state,
    define,
    listed,
    request,
    state,
    take,
    whole_state,
)

NAMES = [b"", b"a", "a\n", "é", b"\xff\x00", b"b" * 23, b"b" * 24, b"c" * 255, b"c" * 256]
LONG_NAMES = [b"d" * 65_535, b"d" * 65_536, "ü" * 40_000]


def own(number: int) -> bytes:
    """Data that can be told from other data."""
    return dumps({b"n": number})


class TestNames:
    """Any bytes are a name; as text they are the same name."""

    @pytest.mark.parametrize("name", [*NAMES, *LONG_NAMES], ids=lambda name: f"{name!r:.20}")
    def test_any_bytes(self, namespace: Queue, spec: WorkSpec, name: Name) -> None:
        unit = add_one(spec, name, data=own(1))
        assert (unit.name, unit.data) == (name, own(1))
        assert unit.entry == dumps(name) + own(1)
        assert listed(spec) == [name]
        attempt = take(namespace)
        assert attempt.work_unit == unit
        attempt.renew(10, own(2))
        assert (unit.name, unit.data) == (name, own(2))
        spec.update_work_unit(name, status=FINISHED, data=own(3))
        assert unit.entry == dumps(name) + own(3)

    @pytest.mark.parametrize(("first", "second"), [(b"a", "a"), ("a", b"a"), ("é", "é".encode())])
    def test_the_form_first_stored_goes_out(
        self, spec: WorkSpec, first: Name, second: Name
    ) -> None:
        add(spec, first)
        add(spec, second, data=own(2))
        add(spec, second, data=own(3), restart=True)
        assert listed(spec) == [first]
        for name in (first, second):
            unit = spec.work_unit(name)
            assert (unit.name, unit.entry) == (first, dumps(first) + own(3))
        assert spec.count_work_units() == {AVAILABLE: 1}
        assert spec.delete_work_units(names=[second]) == 1

    def test_names_of_other_specs_are_other_units(self, namespace: Queue) -> None:
        one, other = define(namespace, b"one"), define(namespace, b"other")
        units = [add_one(one, b"unit", data=own(1)), add_one(other, b"unit", data=own(2))]
        take(namespace, work_specs=[b"other"])
        add(one, b"unit", data=own(3))
        assert [unit.data for unit in units] == [own(3), own(2)]
        assert [unit.status for unit in units] == [AVAILABLE, PENDING]
        assert units[0] != units[1]

    @pytest.mark.parametrize("name", [b"none", "none", b""])
    def test_unknown(self, spec: WorkSpec, name: Name) -> None:
        with pytest.raises(NoSuchWorkUnit) as caught:
            spec.work_unit(name)
        assert caught.value.name == name
        with pytest.raises(NoSuchWorkUnit):
            spec.update_work_unit(name, status=FINISHED)

    def test_get_in_the_order_asked_for(self, spec: WorkSpec) -> None:
        add(spec, b"a", "b", b"c")
        found = spec.get_work_units(["c", b"none", b"a", b"b", b"a"])
        assert [None if unit is None else unit.name for unit in found] == [
            *(b"c", None, b"a", "b", b"a"),
        ]
        assert spec.get_work_units([]) == []


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_data_is_exact_to_the_byte(
    namespace: Queue, spec: WorkSpec, clock: Clock, encoding: str
) -> None:
    data = bytes.fromhex(encoding)
    unit = add_one(spec, "unit", data=data)
    assert unit.data == data
    attempt = take(namespace, lease=5)
    assert (attempt.data, unit.data) == (data, data)
    clock.advance(5)
    assert unit.data == data
    second = take(namespace)
    second.renew(10, dumps(None))
    assert (second.data, unit.data, attempt.data) == (b"\xf6", b"\xf6", data)
    second.finish(data)
    assert (second.data, unit.data) == (data, data)
    add(spec, "unit", data=b"\x00")
    spec.update_work_unit("unit", data=data)
    assert unit.data == data


def test_values_keep_their_types(spec: WorkSpec) -> None:
    value = {b"a": [], "b": (), b"c": (1, [2.0]), "d": UUID(int=7), b"e": None, b"f": True}
    unit = add_one(spec, b"unit", data=dumps(value))
    assert repr(loads(unit.data)) == repr(value)


class TestNew:
    """A unit that was not there."""

    def test_defaults(self, spec: WorkSpec) -> None:
        unit = add_one(spec, b"unit")
        assert state(unit) == {
            "name": b"unit",
            "item": dumps(b"unit") + DATA,
            "data": DATA,
            "status": AVAILABLE,
            "priority": 0,
            "not_before": None,
            "expiration": None,
            "worker_name": None,
            "active_attempt": None,
        }
        assert unit.attempts == []
        assert unit.work_spec.name == spec.name

    @pytest.mark.parametrize("priority", [5, -1, 0.5, 0, -0.0, 1e300, -(10**30)])
    def test_priority(self, spec: WorkSpec, priority: float) -> None:
        assert add_one(spec, b"unit", priority=priority).priority == priority

    @pytest.mark.parametrize("delay", [60, 0.5, 1e9])
    def test_delay(self, spec: WorkSpec, delay: float) -> None:
        unit = add_one(spec, b"unit", delay=delay, priority=3)
        assert (unit.status, unit.not_before, unit.priority) == (DELAYED, UNIX_START + delay, 3)
        assert unit.expiration is None

    @pytest.mark.parametrize("delay", [0, -5, 0.0])
    def test_no_delay(self, spec: WorkSpec, delay: float) -> None:
        unit = add_one(spec, b"unit", delay=delay)
        assert (unit.status, unit.not_before) == (AVAILABLE, None)

    @pytest.mark.parametrize("restart", [False, True])
    def test_of_two_in_one_call_the_last_wins(self, spec: WorkSpec, restart: bool) -> None:
        units = [
            new_work_unit(b"a", own(1), 5),
            new_work_unit(b"b", own(2)),
            new_work_unit("a", own(3), 7, 60),
        ]
        spec.add_work_units(iter(units), restart=restart)
        assert spec.count_work_units() == {AVAILABLE: 1, DELAYED: 1}
        unit = spec.work_unit(b"a")
        assert (unit.data, unit.priority, unit.not_before) == (own(3), 7, UNIX_START + 60)

    def test_nothing_is_left_of_the_first(self, spec: WorkSpec) -> None:
        spec.add_work_units([new_work_unit(b"a", own(1), 5, 60), new_work_unit(b"a", own(2))])
        unit = spec.work_unit(b"a")
        assert (unit.data, unit.priority, unit.status) == (own(2), 0, AVAILABLE)

    def test_none_at_all(self, spec: WorkSpec) -> None:
        spec.add_work_units([])
        assert spec.count_work_units() == {}

    def test_the_same_many_times(self, namespace: Queue, spec: WorkSpec) -> None:
        names = [b"%04d" % number for number in range(1000)]
        for _ in range(8):
            add(spec, *names)
        assert spec.count_work_units() == {AVAILABLE: 1000}
        assert request(namespace, 2000) == names

    def test_a_fault_half_way_adds_nothing(self, namespace: Queue, spec: WorkSpec) -> None:
        def units() -> Any:
            yield new_work_unit(b"a", DATA)
            raise OSError("cut off")

        before = whole_state(namespace)
        with pytest.raises(OSError, match="cut off"):
            spec.add_work_units(units())
        assert whole_state(namespace) == before


#: state of a unit that is not pending -> the status of its attempt on record.
NOT_PENDING = {
    "available": None,
    "delayed": None,
    "expired": EXPIRED,
    "finished": FINISHED,
    "failed": FAILED,
}


class TestAgain:
    """A unit that is there gets new data; what else, depends on its state and on `restart`."""

    def bring(self, namespace: Queue, spec: WorkSpec, clock: Clock, before: str) -> None:
        """Make a unit, of priority 3, that is in the state `before`."""
        add(spec, b"unit", data=own(1), priority=3, delay=500 if before == "delayed" else 0)
        if before in ("expired", "finished", "failed"):
            attempt = take(namespace)
            if before == "expired":
                clock.advance(LEASE)
            elif before == "finished":
                attempt.finish(own(2))
            else:
                attempt.fail(own(2))
        clock.advance(10)

    @pytest.mark.parametrize("before", NOT_PENDING)
    @pytest.mark.parametrize("restart", [False, True])
    @pytest.mark.parametrize("delay", [0, 60])
    @pytest.mark.parametrize("priority", [None, 7])
    def test_not_pending(
        self,
        namespace: Queue,
        spec: WorkSpec,
        clock: Clock,
        before: str,
        restart: bool,
        delay: float,
        priority: float | None,
    ) -> None:
        self.bring(namespace, spec, clock, before)
        add(spec, b"unit", data=own(9), priority=priority, delay=delay, restart=restart)
        unit = spec.work_unit(b"unit")
        assert state(unit) == {
            "name": b"unit",
            "item": dumps(b"unit") + own(9),
            "data": own(9),
            "status": DELAYED if delay else AVAILABLE,
            "priority": 3 if restart else priority or 0,
            "not_before": clock.now + delay if delay else None,
            "expiration": None,
            "worker_name": None,
            "active_attempt": None,
        }
        status = NOT_PENDING[before]
        assert [attempt.status for attempt in unit.attempts] == ([status] if status else [])
        assert spec.count_work_units() == {unit.status: 1}
        assert request(namespace) == ([] if delay else [b"unit"])

    def test_pending_stays_pending(self, namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
        unit = add_one(spec, b"unit", data=own(1), priority=3)
        attempt = take(namespace)
        before = attempt_state(attempt)
        clock.advance(10)
        add(spec, b"unit", data=own(2), priority=7, delay=60)
        assert attempt_state(attempt) == before
        assert unit.active_attempt == attempt
        assert (unit.status, unit.priority, unit.data) == (PENDING, 7, own(1))
        assert unit.not_before is None
        # The new data is the unit's own: it shows when the attempt is over.
        attempt.expire()
        assert (unit.status, unit.data) == (AVAILABLE, own(2))
        assert take(namespace).data == own(2)

    def test_pending_has_no_priority_of_its_own_any_more(
        self, namespace: Queue, spec: WorkSpec
    ) -> None:
        unit = add_one(spec, b"unit", priority=3)
        take(namespace)
        add(spec, b"unit")
        assert unit.priority == 0

    def test_pending_is_taken_from_its_worker_with_restart(
        self, namespace: Queue, spec: WorkSpec, clock: Clock
    ) -> None:
        unit = add_one(spec, b"unit", data=own(1), priority=3)
        attempt = take(namespace)
        attempt.renew(LEASE, own(2))
        clock.advance(10)
        add(spec, b"unit", data=own(9), priority=7, restart=True)
        assert (unit.status, unit.priority, unit.data) == (AVAILABLE, 3, own(9))
        assert unit.active_attempt is None
        assert (attempt.status, attempt.data) == (RETRYABLE, own(2))
        assert attempt.end_time == UNIX_START + 10
        assert namespace.worker(b"worker").active_attempts() == []
        clock.advance(LEASE)
        assert unit.status == AVAILABLE
        again = take(namespace, b"other")
        assert again.data == own(9)
        assert unit.attempts == [attempt, again]
