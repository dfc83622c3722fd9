"""Which work spec gives: what the scheduler must see of each (its rules are in `scheduler`)."""

from __future__ import annotations

from collections import Counter

from goordinate.coordinate.handles import Queue
from goordinate.coordinate.names import Name
from goordinate.tests.conformance.steps import add, define, request, take


def given(namespace: Queue, count: int) -> list[Name]:
    """The specs that units come from, one request after the other."""
    return [take(namespace).work_unit.work_spec.name for _ in range(count)]


def test_a_chain_drains_from_its_far_end(namespace: Queue) -> None:
    for name, then in ((b"a", b"b"), (b"b", b"c"), (b"c", None)):
        add(define(namespace, name, then=then), b"1", b"2")
    assert given(namespace, 6) == [b"c", b"c", b"b", b"b", b"a", b"a"]


def test_a_spec_that_does_not_preempt_for_the_next(namespace: Queue) -> None:
    first = define(namespace, b"a", then=b"b", then_preempts=False, weight=30)
    second = define(namespace, b"b", weight=20)
    add(first, b"1", b"2", b"3")
    add(second, b"1", b"2")
    assert Counter(given(namespace, 5)) == {b"a": 3, b"b": 2}
    add(first, b"4")
    add(second, b"4")
    assert given(namespace, 1) == [b"a"]  # (1 + 3) / 30 is less than (1 + 2) / 20


def test_pending_units_settle_at_the_ratio_of_the_weights(namespace: Queue) -> None:
    weights = {b"a": 10, b"b": 30, b"c": 60}
    for name, weight in weights.items():
        add(define(namespace, name, weight=weight), *(b"%03d" % number for number in range(100)))
    got = Counter(given(namespace, 100))
    assert all(abs(got[name] - weight) <= 1 for name, weight in weights.items())


def test_the_highest_priority_at_the_head_goes_first(namespace: Queue) -> None:
    add(define(namespace, b"a", weight=1000), b"plain")
    spec = define(namespace, b"b", weight=1)
    add(spec, b"plain")
    add(spec, b"urgent", priority=1)
    assert given(namespace, 2) == [b"b", b"a"]


def test_a_priority_set_since_counts(namespace: Queue) -> None:
    add(define(namespace, b"a", weight=1000), b"plain")
    spec = define(namespace, b"b", weight=1)
    add(spec, b"plain", b"urgent")
    spec.set_priorities([b"urgent"], 1)
    assert given(namespace, 2) == [b"b", b"a"]


def test_the_priority_of_the_spec_comes_before_all(namespace: Queue) -> None:
    add(define(namespace, b"low", priority=-1), b"unit", priority=99)
    add(define(namespace, b"plain", then=b"end"), b"unit")
    add(define(namespace, b"end"), b"unit")
    add(define(namespace, b"high", priority=2.5, weight=1), b"unit", priority=-99)
    assert given(namespace, 4) == [b"high", b"end", b"plain", b"low"]


def test_changing_then_changes_the_order(namespace: Queue) -> None:
    for name, then in ((b"a", b"b"), (b"b", None)):
        add(define(namespace, name, then=then), b"1", b"2", b"3")
    assert given(namespace, 1) == [b"b"]
    define(namespace, b"a")
    define(namespace, b"b", then=b"a")
    assert given(namespace, 3) == [b"a", b"a", b"a"]


def test_a_then_that_leads_nowhere_takes_nothing_out(namespace: Queue) -> None:
    add(define(namespace, b"a", then=b"none"), b"unit")
    assert given(namespace, 1) == [b"a"]
    add(define(namespace, b"b", then=b"c"), b"unit")
    define(namespace, b"c")
    namespace.destroy_work_spec(b"c")
    assert given(namespace, 1) == [b"b"]


def test_a_chain_made_anew_after_clear(namespace: Queue) -> None:
    for first, second in ((b"a", b"b"), (b"b", b"a")):
        add(define(namespace, first, then=second), b"unit")
        add(define(namespace, second), b"unit")
        assert given(namespace, 2) == [second, first]
        assert namespace.clear() == 2
        assert request(namespace) == []


def test_all_units_of_an_answer_come_from_one_spec(namespace: Queue) -> None:
    add(define(namespace, b"a", weight=2), b"1", b"2")
    add(define(namespace, b"b", weight=1), b"3", b"4", b"5")
    answers = [request(namespace, 10) for _ in range(3)]
    assert answers == [[b"1", b"2"], [b"3", b"4", b"5"], []]


def test_spec_names_as_text_and_as_bytes_are_one_spec(namespace: Queue) -> None:
    chain: list[tuple[Name, Name | None]] = [("a", b"b"), (b"b", "é"), ("é", None)]
    for name, then in chain:
        add(define(namespace, name, then=then), b"unit")
    assert given(namespace, 3) == ["é", b"b", "a"]
