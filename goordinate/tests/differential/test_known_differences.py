"""The differences that docs/differences.md lists are there, each as it says."""

from __future__ import annotations

import pytest

from goordinate.tests.differential.conftest import StartPair
from goordinate.tests.differential.differences import (
    DIFFERENCES,
    NOTHING,
    Difference,
    add,
    get_work,
    heartbeat,
    spec,
)
from goordinate.tests.differential.pair import REFUSED, Pair, comparable
from goordinate.tests.exact import assert_exact

pytestmark = pytest.mark.original


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row.title)
def test_a_difference(pair: Pair, row: Difference) -> None:
    for call in row.before:
        for answer in pair.both(*call):
            assert answer is not REFUSED
    original, ours = pair.both(*row.call)
    assert_exact(comparable(row.call[0], original), row.original)
    assert_exact(comparable(row.call[0], ours), row.ours)


def test_the_scheduler_works_after_clear(start_pair: StartPair) -> None:
    pair = start_pair({})
    assert pair.both(*spec(b"s")) == ((True, None), (True, None))
    assert pair.both("clear", []) == (1, 1)
    for call in (spec(b"s"), add(b"s", b"a")):
        pair.both(*call)
    assert pair.both(*get_work()) == (NOTHING, ((b"s", b"a", {}), None))


def test_a_continuous_spec_makes_one_unit_a_call(pair: Pair) -> None:
    pair.both(*spec(b"s", continuous=True))
    original, ours = pair.both(*get_work(max_jobs=3))
    assert len(original[0]) == 3
    assert len({key for _, key, _ in original[0]}) < 3
    assert len(ours[0]) == 1


def test_an_interval_counts_from_the_last_unit_whenever_it_was_set(pair: Pair) -> None:
    pair.both(*spec(b"s", continuous=True, interval=3600))
    for answer in pair.both(*get_work()):
        pair_of, _ = answer
        assert pair_of[0] == b"s"
    pair.both("control_work_spec", [b"s", {b"interval": None}])
    original, ours = pair.both(*get_work())
    assert original == NOTHING
    assert ours[0][0] == b"s"


def test_num_children_counts_the_workers_that_have_live_children(pair: Pair) -> None:
    pair.both(*heartbeat(b"parent"))
    pair.both("worker_unregister", [b"w"])
    original, ours = pair.both("worker_stats", [])
    assert original[b"num_children"] > 0
    assert ours[b"num_children"] == 0
