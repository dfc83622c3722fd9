"""RPCs that list and remove work specs: list_work_specs, del_work_spec, clear."""

from __future__ import annotations

from typing import Any

import pytest

from goordinate.tests.jobserver.rpc import DONE, NOTHING, Rpc

NAMES: list[bytes | str] = [b"B", b"a", "b", b"c", "é", b"\xff"]


@pytest.mark.parametrize(
    ("options", "first", "last", "following"),
    [
        ({}, 0, 6, None),
        ({b"limit": 6}, 0, 6, None),
        ({b"limit": 2}, 0, 2, "b"),
        ({"limit": 1}, 0, 1, b"a"),
        ({b"limit": b"5"}, 0, 5, b"\xff"),
        ({b"limit": 0}, 0, 0, b"B"),
        ({b"start": b"a"}, 1, 6, None),
        ({b"start": "a", b"limit": 3}, 1, 4, "é"),
        ({b"start": b"aa", b"limit": 2}, 2, 4, "é"),
        ({b"start": b"A"}, 0, 6, None),
        ({b"start": "é".encode(), b"limit": 1}, 4, 5, b"\xff"),
        ({b"start": b"\xff\xff"}, 6, 6, None),
        ({b"start": None, b"limit": None}, 0, 6, None),
    ],
    ids=repr,
)
def test_list_work_specs(
    rpc: Rpc, options: dict[Any, Any], first: int, last: int, following: bytes | str | None
) -> None:
    dictionaries = [{b"name": name, b"n": index} for index, name in enumerate(NAMES)]
    for dictionary in reversed(dictionaries):
        rpc.expect(DONE, "set_work_spec", dictionary)
    rpc.expect((dictionaries[first:last], following), "list_work_specs", options)


def test_pages_hold_every_spec_once(rpc: Rpc) -> None:
    for number in range(25):
        rpc.define(b"s%02d" % number)
    listed: list[bytes] = []
    start: bytes | None = b""
    while start is not None:
        specs, start = rpc.call("list_work_specs", {b"limit": 4, b"start": start})
        assert len(specs) <= 4
        listed += [spec[b"name"] for spec in specs]
    assert listed == [b"s%02d" % number for number in range(25)]


def test_a_list_of_none(rpc: Rpc) -> None:
    rpc.expect(([], None), "list_work_specs", {})


def test_del_work_spec_takes_units_and_leases_with_it(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.define(b"other")
    rpc.add(b"s", b"a", b"b", b"c")
    rpc.expect(DONE, "worker_heartbeat", b"w", b"RUN", 60, {}, b"p")
    assert rpc.taken(worker=b"w", work_spec_names=[b"s"]) == b"a"
    rpc.expect(DONE, "del_work_spec", b"s")
    rpc.expect(None, "get_work_spec", b"s")
    rpc.expect((False, b"no such work_spec 's'"), "del_work_spec", b"s")
    assert rpc.held(b"p") == {b"w": []}
    rpc.expect(NOTHING, "get_work", b"w", {})
    rpc.define(b"s")
    rpc.expect(({}, None), "count_work_units", b"s")
    rpc.clock.advance(1000)
    rpc.expect(([], None), "get_work_units", b"s", {})
    rpc.expect(([{b"name": b"other"}, {b"name": b"s"}], None), "list_work_specs", {})


def test_clear_deletes_every_spec_and_says_how_many(rpc: Rpc) -> None:
    rpc.expect(0, "clear")
    for name in (b"a", b"b", b"c"):
        rpc.define(name)
        rpc.add(name, b"k1", b"k2")
    rpc.get(worker=b"w")
    rpc.expect(3, "clear")
    rpc.expect(([], None), "list_work_specs", {})
    rpc.expect(NOTHING, "get_work", b"w", {})
    rpc.expect(0, "clear")


def test_the_scheduler_works_after_clear(rpc: Rpc) -> None:
    rpc.define(b"a", then=b"b")
    rpc.define(b"b")
    rpc.expect(2, "clear")
    rpc.define(b"b")
    rpc.define(b"a", then=b"b")
    rpc.add(b"a", b"k", data={b"output": {b"k2": {}}})
    rpc.expect(((b"a", b"k", {b"output": {b"k2": {}}}), None), "get_work", b"w", {})
    rpc.update(b"a", b"k", status=4)
    rpc.expect(((b"b", b"k2", {}), None), "get_work", b"w", {})
