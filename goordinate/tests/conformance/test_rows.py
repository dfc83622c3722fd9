"""Lists of units as they are, backwards too; searching; a unit's place in the queue."""

from __future__ import annotations

import itertools

import pytest

from goordinate.coordinate.errors import NoSuchWorkUnit
from goordinate.coordinate.handles import Queue, WorkSpec
from goordinate.coordinate.names import Name, identity
from goordinate.coordinate.states import AVAILABLE, FAILED, FINISHED
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.conformance.steps import LEASE, add, listed, take

NAMES: list[Name] = [b"a", b"ab", "b", b"ba", b"c", "d"]


def rows(namespace: Queue, **query: object) -> list[Name]:
    """The names in a list."""
    found = namespace.namespace.list_unit_rows(b"spec", **query)  # type: ignore[arg-type]
    return [row.unit.name for row in found]


@pytest.fixture
def filled(spec: WorkSpec) -> WorkSpec:
    """The work spec with units of two priorities, one of which failed."""
    add(spec, *NAMES[::2])
    add(spec, *NAMES[1::2], priority=2)
    spec.update_work_unit(b"c", status=FAILED)
    return spec


STATUSES: list[list[int] | None] = [None, [], [AVAILABLE], [FAILED, FINISHED]]
LIMITS = [None, 0, 1, 3, 9]


@pytest.mark.parametrize("by_priority", [False, True])
def test_in_the_order_of_list_work_units(
    namespace: Queue, filled: WorkSpec, by_priority: bool
) -> None:
    starts = [{}, {"start": b"b"}, {"previous": b"ab"}, {"start": b"aa", "previous": b"b"}]
    for statuses, limit, where in itertools.product(STATUSES, LIMITS, starts):
        query = {"by_priority": by_priority, "statuses": statuses, "limit": limit, **where}
        assert rows(namespace, **query) == listed(filled, **query)


@pytest.mark.parametrize("before", [b"", b"a", "b", b"bb", b"z"])
def test_backwards(namespace: Queue, filled: WorkSpec, before: Name) -> None:
    for statuses in STATUSES:
        below = [
            name for name in listed(filled, statuses=statuses) if identity(name) < identity(before)
        ]
        for limit in LIMITS:
            wanted = below if limit is None else below[max(0, len(below) - limit) :]
            assert rows(namespace, statuses=statuses, limit=limit, before=before) == wanted


@pytest.mark.parametrize("other", [{"start": b"a"}, {"previous": b"a"}, {"by_priority": True}])
def test_backwards_goes_alone(namespace: Queue, filled: WorkSpec, other: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="before"):
        rows(namespace, before=b"c", **other)


def test_a_row(namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
    add(spec, "unit", priority=1)
    attempts = []
    for _ in range(3):
        (row,) = namespace.namespace.list_unit_rows(b"spec")
        attempts.append(row.attempts)
        assert [row.unit] == namespace.namespace.get_work_units(b"spec", [b"unit"])
        take(namespace)
        clock.advance(LEASE)
    assert attempts == [0, 1, 2]
    take(namespace)
    (row,) = namespace.namespace.list_unit_rows(b"spec")
    assert (row.attempts, row.unit.name, row.unit.worker_name) == (4, "unit", b"worker")


def test_the_tag_of_a_unit_changes_with_it(namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
    add(spec, b"a", b"b")

    def tag() -> str:
        (row,) = namespace.namespace.list_unit_rows(b"spec", limit=1)
        assert row.unit.tag == row.unit.tag
        return row.unit.tag

    tags = [tag()]
    spec.set_priorities([b"a"], 4)
    tags.append(tag())
    attempt = take(namespace)
    tags.append(tag())
    attempt.renew(2 * LEASE)
    tags.append(tag())
    attempt.finish()
    tags.append(tag())
    assert len(set(tags)) == len(tags)


def test_many_that_became_available_together(
    namespace: Queue, spec: WorkSpec, clock: Clock
) -> None:
    names = [b"%04d" % number for number in range(3000)]
    add(spec, *names)
    namespace.request_attempts(b"w", count=2500, lease=LEASE)
    clock.advance(LEASE + 1)
    assert rows(namespace, before=b"2000", limit=3) == [b"1997", b"1998", b"1999"]
    assert rows(namespace, before=b"2700", limit=2) == [b"2698", b"2699"]
    assert namespace.namespace.place_in_queue(b"spec", b"2600") == 2600
    assert namespace.namespace.place_in_queue(b"spec", b"0700") == 700


@pytest.mark.parametrize("look_at", [1, 2, 3, 10])
def test_searching(namespace: Queue, filled: WorkSpec, look_at: int) -> None:
    found: list[Name] = []
    start: Name | None = b""
    steps = 0
    while start is not None:
        steps += 1
        search = namespace.namespace.search_units(b"spec", b"b", start=start, look_at=look_at)
        found += [row.unit.name for row in search.found]
        assert len(search.found) <= look_at
        start = search.following
    assert found == [b"ab", "b", b"ba"]
    assert steps == -(-len(NAMES) // look_at)


def test_searching_in_some_states(namespace: Queue, filled: WorkSpec) -> None:
    search = namespace.namespace.search_units(b"spec", b"", statuses=[FAILED])
    assert [row.unit.name for row in search.found] == [b"c"]
    assert search.following is None


def test_place_in_the_queue(namespace: Queue, filled: WorkSpec) -> None:
    add(filled, b"e", b"f", priority=-1)
    queue = namespace.namespace.list_unit_rows(b"spec", statuses=[AVAILABLE], by_priority=True)
    places = [namespace.namespace.place_in_queue(b"spec", row.unit.name) for row in queue]
    assert places == list(range(7))
    assert namespace.namespace.place_in_queue(b"spec", b"c") is None
    with pytest.raises(NoSuchWorkUnit):
        namespace.namespace.place_in_queue(b"spec", b"none")
