"""Which work spec get_work takes from, as clients see it (the rules are in `scheduler`)."""

from __future__ import annotations

from collections import Counter

from goordinate.tests.jobserver.rpc import DONE, NOTHING, Rpc


def test_a_chain_drains_from_its_far_end(rpc: Rpc) -> None:
    rpc.define(b"a", then=b"b")
    rpc.define(b"b", then=b"c")
    rpc.define(b"c")
    for name in (b"a", b"b", b"c"):
        rpc.add(name, b"1", b"2")
    assert [rpc.get()[0] for _ in range(6)] == [b"c", b"c", b"b", b"b", b"a", b"a"]


def test_a_spec_that_does_not_preempt_for_the_next(rpc: Rpc) -> None:
    rpc.define(b"a", then=b"b", then_preempts=False, weight=30)
    rpc.define(b"b", weight=20)
    rpc.add(b"a", b"1", b"2", b"3")
    rpc.add(b"b", b"1", b"2")
    assert Counter(rpc.get()[0] for _ in range(5)) == {b"a": 3, b"b": 2}
    rpc.add(b"a", b"4")
    rpc.add(b"b", b"4")
    assert rpc.get()[0] == b"a"  # (1 + 3) / 30 is less than (1 + 2) / 20


def test_pending_units_settle_at_the_ratio_of_the_weights(rpc: Rpc) -> None:
    for name, weight in ((b"a", 10), (b"b", 30), (b"c", 60)):
        rpc.define(name, weight=weight)
        rpc.add(name, *(b"%03d" % number for number in range(100)))
    got = Counter(rpc.get()[0] for _ in range(100))
    for name, weight in ((b"a", 10), (b"b", 30), (b"c", 60)):
        assert abs(got[name] - weight) <= 1


def test_the_highest_priority_at_the_head_goes_first(rpc: Rpc) -> None:
    rpc.define(b"a", weight=1000)
    rpc.define(b"b", weight=1)
    rpc.add(b"a", b"plain")
    rpc.add(b"b", b"urgent", priority=1)
    rpc.add(b"b", b"plain")
    assert [rpc.get()[:2] for _ in range(2)] == [(b"b", b"urgent"), (b"a", b"plain")]


def test_a_unit_of_negative_priority_runs_last_but_runs(rpc: Rpc) -> None:
    rpc.define(b"a", weight=1000)
    rpc.define(b"b", weight=1)
    rpc.add(b"a", b"low", priority=-1)
    rpc.add(b"b", b"plain")
    assert [rpc.get()[0] for _ in range(2)] == [b"b", b"a"]


def test_the_priority_of_the_spec_comes_before_all(rpc: Rpc) -> None:
    rpc.define(b"low", priority=-1)
    rpc.define(b"plain", then=b"end")
    rpc.define(b"end")
    rpc.define(b"high", priority=2.5, weight=1)
    rpc.add(b"low", b"k", priority=99)
    rpc.add(b"plain", b"k")
    rpc.add(b"end", b"k")
    rpc.add(b"high", b"k", priority=-99)
    assert [rpc.get()[0] for _ in range(4)] == [b"high", b"end", b"plain", b"low"]


def test_paths_go_before_loops(rpc: Rpc) -> None:
    rpc.define(b"x", then=b"y", weight=1000)
    rpc.define(b"y", then=b"x", weight=1000)
    rpc.define(b"path", weight=1)
    rpc.add(b"x", b"k", priority=9)
    rpc.add(b"path", b"1", b"2")
    assert [rpc.get()[0] for _ in range(4)] == [b"path", b"path", b"x", None]


def test_changing_then_changes_the_order(rpc: Rpc) -> None:
    rpc.define(b"a", then=b"b")
    rpc.define(b"b")
    rpc.add(b"a", b"1", b"2", b"3")
    rpc.add(b"b", b"1", b"2", b"3")
    assert rpc.get()[0] == b"b"
    rpc.define(b"a")
    rpc.define(b"b", then=b"a")
    assert [rpc.get()[0] for _ in range(3)] == [b"a", b"a", b"a"]


def test_a_then_that_leads_nowhere_takes_nothing_out(rpc: Rpc) -> None:
    rpc.define(b"a", then=b"none")
    rpc.add(b"a", b"k")
    assert rpc.get()[0] == b"a"
    rpc.define(b"b", then=b"c")
    rpc.define(b"c")
    rpc.add(b"b", b"k")
    rpc.expect(DONE, "del_work_spec", b"c")
    assert rpc.get()[0] == b"b"


def test_all_units_of_an_answer_come_from_one_spec(rpc: Rpc) -> None:
    rpc.define(b"a", weight=2)
    rpc.define(b"b", weight=1)
    rpc.add(b"a", b"1", b"2")
    rpc.add(b"b", b"1", b"2", b"3")
    first = rpc.get(max_jobs=10)
    assert [unit[:2] for unit in first] == [(b"a", b"1"), (b"a", b"2")]
    assert {unit[0] for unit in rpc.get(max_jobs=10)} == {b"b"}
    rpc.expect(NOTHING, "get_work", b"w", {})


def test_spec_names_as_text_and_as_bytes_are_one_spec(rpc: Rpc) -> None:
    rpc.define("a", then=b"b")
    rpc.define(b"b", then="c")
    rpc.define("c")
    for name in (b"a", "b", b"c"):
        rpc.add(name, b"k")
    assert [rpc.get()[0] for _ in range(3)] == ["c", b"b", "a"]
