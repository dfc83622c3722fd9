"""What has happened to the units of a work spec is counted, and every change has a number."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate.api import Backend, SpecFacts
from goordinate.coordinate.counters import DURATIONS, SpecCounters
from goordinate.coordinate.errors import NoSuchWorkSpec
from goordinate.coordinate.handles import Queue, WorkSpec
from goordinate.coordinate.states import AVAILABLE, FAILED, FINISHED, PENDING
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.conformance.steps import LEASE, add, define, take

NOTHING = SpecCounters()


def facts(namespace: Queue, spec: WorkSpec) -> SpecFacts:
    """A work spec in numbers; and what must hold of them."""
    found = namespace.namespace.get_facts(spec.name)
    counters = found.counters
    assert counters is not None
    added = counters.added_client + counters.added_chain + counters.added_continuous
    assert added - counters.deleted_client - counters.deleted_archive == len(spec.list_work_units())
    return found


def counted(namespace: Queue, spec: WorkSpec) -> dict[str, object]:
    """The counters that are not 0, without how long attempts took."""
    counters = facts(namespace, spec).counters
    assert counters is not None
    return {
        name: count
        for name, count in counters._asdict().items()
        if count and name not in ("durations", "seconds")
    }


def test_nothing(namespace: Queue, spec: WorkSpec) -> None:
    assert facts(namespace, spec).counters == NOTHING
    assert facts(namespace, spec).counts == {}


def test_no_such_work_spec(namespace: Queue) -> None:
    with pytest.raises(NoSuchWorkSpec):
        namespace.namespace.get_facts(b"none")


def test_units_that_come(namespace: Queue, spec: WorkSpec) -> None:
    add(spec, b"a", b"b")
    add(spec, b"c", priority=3)
    add(spec, b"d", delay=100)
    add(spec, b"a", b"e")
    add(spec, b"c", restart=True)
    assert counted(namespace, spec) == {"added_client": 5}


def test_units_that_go(namespace: Queue, spec: WorkSpec) -> None:
    add(spec, b"a", b"b", b"c", b"d", b"e")
    spec.delete_work_units(names=[b"a", b"none"])
    assert counted(namespace, spec) == {"added_client": 5, "deleted_client": 1}
    spec.update_work_unit(b"b", status=FINISHED)
    spec.update_work_unit(b"c", status=FAILED)
    spec.delete_work_units(statuses=[FINISHED])
    assert counted(namespace, spec)["deleted_client"] == 2
    spec.archive(0, None)
    assert counted(namespace, spec)["deleted_archive"] == 1
    # The archived one is not deleted once more.
    assert spec.delete_work_units() == 3
    expected = {"added_client": 5, "deleted_client": 4, "deleted_archive": 1}
    assert counted(namespace, spec) == {**expected, "finished": 1, "failed": 1}


@pytest.mark.parametrize(
    ("end", "counter"),
    [
        (lambda attempt: attempt.finish(), "finished"),
        (lambda attempt: attempt.fail(), "failed"),
        (lambda attempt: attempt.expire(), "expired"),
        (lambda attempt: attempt.retry(), "retryable"),
        (lambda attempt: attempt.retry(delay=50.0), "retryable"),
        (lambda attempt: attempt.work_unit.clear_active_attempt(), None),
        (lambda attempt: attempt.renew(500.0), None),
    ],
)
def test_ends_of_attempts(
    namespace: Queue,
    spec: WorkSpec,
    clock: Clock,
    end: Callable[[object], None],
    counter: str | None,
) -> None:
    add(spec, b"a", b"b")
    end(take(namespace))
    expected = {"added_client": 2, "started": 1}
    if counter is not None:
        expected[counter] = 1
    assert counted(namespace, spec) == expected
    clock.advance(60)  # the delay is over, which ends nothing
    assert counted(namespace, spec) == expected


def test_late_success(namespace: Queue, spec: WorkSpec) -> None:
    add(spec, b"a")
    attempt = take(namespace)
    attempt.fail()
    attempt.finish()
    expected = {"added_client": 1, "started": 1, "failed": 1, "finished": 1}
    assert counted(namespace, spec) == expected


def test_by_hand(namespace: Queue, spec: WorkSpec) -> None:
    add(spec, b"a")
    spec.update_work_unit(b"a", status=PENDING, worker=b"w", lease=LEASE)
    assert counted(namespace, spec) == {"added_client": 1, "started": 1}
    spec.update_work_unit(b"a", status=AVAILABLE)
    spec.update_work_unit(b"a", status=FINISHED)
    expected = {"added_client": 1, "started": 1, "retryable": 1, "finished": 1}
    assert counted(namespace, spec) == expected


def test_leases_that_run_out(namespace: Queue, clock: Clock) -> None:
    spec = define(namespace, b"spec", max_retries=1)
    add(spec, b"a")
    take(namespace)
    clock.advance(LEASE)
    expected = {"added_client": 1, "started": 1, "expired": 1}
    assert counted(namespace, spec) == expected
    assert namespace.request_attempts(b"worker") == []
    assert counted(namespace, spec) == {**expected, "given_up": 1}


def test_many_leases_that_run_out_together(namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
    names = [b"%04d" % number for number in range(2500)]
    add(spec, *names)
    assert len(namespace.request_attempts(b"w", count=2500, lease=LEASE)) == 2500
    clock.advance(LEASE + 1)
    expected = {"added_client": 2500, "started": 2500, "expired": 2500}
    assert counted(namespace, spec) == expected
    assert counted(namespace, spec) == expected
    spec.delete_work_units(statuses=[AVAILABLE])
    assert counted(namespace, spec) == {**expected, "deleted_client": 2500}


def test_chains(namespace: Queue, spec: WorkSpec) -> None:
    first = define(namespace, b"first", then=b"spec")
    add(first, b"a", b"b", b"c", data=dumps({b"output": [b"x", b"y"]}))
    for name in (b"a", b"b"):
        first.update_work_unit(name, status=FINISHED)
    assert counted(namespace, first) == {"added_client": 3, "finished": 2}
    assert counted(namespace, spec) == {"added_chain": 2}
    namespace.destroy_work_spec(b"spec")
    first.update_work_unit(b"c", status=FINISHED)
    assert counted(namespace, first) == {"added_client": 3, "finished": 3, "chain_dropped": 1}


def test_a_chain_into_the_spec_itself(namespace: Queue) -> None:
    spec = define(namespace, b"spec", then=b"spec")
    add(spec, b"a", data=dumps({b"output": [b"a", b"b", b"c"]}))
    take(namespace).finish()
    counts = counted(namespace, spec)
    assert counts["added_chain"] == 2
    assert counts["added_client"] == 1


def test_made_up_units(namespace: Queue) -> None:
    spec = define(namespace, b"spec", continuous=True)
    take(namespace)
    assert counted(namespace, spec) == {"added_continuous": 1, "started": 1}


def test_how_long_attempts_take(namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
    add(spec, b"a", b"b", b"c")
    for seconds in (0.0, 2.0, 2.0):
        attempt = take(namespace, lease=10**6)
        clock.advance(seconds)
        attempt.finish()
    spec.update_work_unit(b"a", status=FAILED)  # too late: it stays finished
    counters = facts(namespace, spec).counters
    assert counters is not None
    assert counters.seconds == 4.0
    within = dict(zip([*DURATIONS, None], counters.durations, strict=True))
    assert (within[0.01], within[5.0], sum(counters.durations)) == (1, 2, 3)


def test_a_spec_that_is_made_again_begins_anew(
    namespace: Queue, spec: WorkSpec, clock: Clock
) -> None:
    add(spec, b"a")
    before = facts(namespace, spec)
    namespace.destroy_work_spec(b"spec")
    clock.advance(1)
    after = facts(namespace, define(namespace, b"spec"))
    assert after.counters == NOTHING
    assert after.change is not None
    assert before.change is not None
    assert after.change > before.change


def test_each_change_has_a_number(namespace: Queue, spec: WorkSpec, clock: Clock) -> None:
    other = define(namespace, b"other")
    numbers = [facts(namespace, spec).change]
    assert numbers[0] is not None
    still = facts(namespace, other).change

    def changed() -> None:
        numbers.append(facts(namespace, spec).change)
        # To look is no change.
        assert facts(namespace, spec).change == numbers[-1]

    add(spec, b"a", b"b")
    changed()
    take(namespace)
    changed()
    clock.advance(LEASE)
    changed()
    spec.set_priorities([b"b"], 3)
    changed()
    spec.set_control({"weight": 7})
    changed()
    spec.update_work_unit(b"a", data=dumps(1), lease=5)
    changed()
    spec.update_work_unit(b"a", status=FINISHED)
    changed()
    spec.archive(0, None)
    changed()
    spec.delete_work_units(statuses=[AVAILABLE])
    changed()
    spec.delete_work_units()
    changed()
    assert numbers == sorted(set(numbers), key=lambda number: number or 0)
    assert facts(namespace, other).change == still


def test_pages_of_facts(namespace: Queue) -> None:
    for name in (b"a", "b", b"c"):
        add(define(namespace, name), b"unit")
    page = namespace.namespace.list_facts(None, 2)
    assert [spec.name for spec in page.specs] == [b"a", "b"]
    assert [spec.counts for spec in page.specs] == [{AVAILABLE: 1}] * 2
    assert page.following == b"c"
    rest = namespace.namespace.list_facts(page.following)
    assert [spec.name for spec in rest.specs] == [b"c"]
    assert rest.following is None


def test_a_namespace_is_found_but_not_made(backend: Backend) -> None:
    assert backend.find_namespace("other") is None
    assert [each.name for each in backend.namespaces()] == []
    define(Queue(backend.namespace("other")), b"spec")
    found = backend.find_namespace("other")
    assert found is not None
    assert found.count_work_units(b"spec") == {}
