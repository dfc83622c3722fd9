"""An answer is bounded before its units are leased or listed: `Limits.max_answer`."""

from __future__ import annotations

from typing import Any

import pytest

from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.requests import encode_request
from goordinate.tests.jobserver.rpc import AVAILABLE, DONE, PENDING, Rpc

ROOM = 10_000
#: Bytes of the data of a unit: nine of them fit, with their names.
SIZE = 1000


@pytest.fixture
def filled(rpc: Rpc) -> Rpc:
    """Fifty units in a spec, of which an answer has room for nine."""
    rpc.server.limits.max_answer = ROOM
    rpc.define(b"s")
    rpc.add(b"s", *(b"%03d" % number for number in range(50)), data=bytes(SIZE))
    return rpc


def test_no_more_units_are_leased_than_the_answer_holds(filled: Rpc) -> None:
    taken = []
    for left in (41, 32, 23, 14, 5):
        units = filled.get(max_jobs=50)
        assert len(units) == 9
        taken += [key for _, key, _ in units]
        assert filled.counts(b"s") == {AVAILABLE: left, PENDING: 50 - left}
    taken += [key for _, key, _ in filled.get(max_jobs=50)]
    assert taken == [b"%03d" % number for number in range(50)]


def test_the_name_of_the_spec_counts_too(rpc: Rpc) -> None:
    rpc.server.limits.max_answer = ROOM
    name = b"n" * (ROOM // 5)
    rpc.define(name)
    rpc.add(name, *(b"%03d" % number for number in range(50)))
    assert len(rpc.get(max_jobs=50)) == 4
    assert rpc.counts(name) == {AVAILABLE: 46, PENDING: 4}


@pytest.mark.parametrize("jobs", [1, 5])
def test_a_unit_that_is_larger_than_an_answer_is_handed_out_alone(rpc: Rpc, jobs: int) -> None:
    rpc.server.limits.max_answer = ROOM
    rpc.define(b"s")
    rpc.add(b"s", b"a", b"b", data=bytes(2 * ROOM))
    unit = (b"s", b"a", bytes(2 * ROOM))
    assert rpc.get(max_jobs=jobs) == (unit if jobs == 1 else [unit])
    assert rpc.counts(b"s") == {AVAILABLE: 1, PENDING: 1}


@pytest.mark.parametrize("size", [SIZE, 2 * ROOM, ROOM // 2 + 1])
@pytest.mark.parametrize("options", [{}, {"state": 1}, {"state": [1, 3], "by_key": True}])
def test_pages_that_begin_with_the_last_key_show_every_unit(
    rpc: Rpc, size: int, options: dict[str, Any]
) -> None:
    """Also if two units are more than an answer holds: a page of one would look like the end."""
    rpc.server.limits.max_answer = ROOM
    rpc.define(b"s")
    names = [b"%03d" % number for number in range(20)]
    rpc.add(b"s", *names, data=bytes(size))
    seen = rpc.units(b"s", **options)
    assert len(seen) == max(2, ROOM // (size + 10))
    while True:
        page = rpc.units(b"s", start=seen[-1][0], **options)
        assert page[0] == seen[-1]
        if len(page) == 1:
            break
        seen += page[1:]
    assert [name for name, _ in seen] == names


@pytest.mark.parametrize("size", [SIZE, 2 * ROOM])
def test_pages_of_work_specs(rpc: Rpc, size: int) -> None:
    rpc.server.limits.max_answer = ROOM
    names = [b"%03d" % number for number in range(20)]
    for name in names:
        rpc.define(name, config=bytes(size))
    seen, start, pages = [], None, 0
    while start is not None or not pages:
        specs, start = rpc.call("list_work_specs", {b"start": start} if start else {})
        seen += [spec[b"name"] for spec in specs]
        pages += 1
    assert seen == names
    assert pages == (3 if size == SIZE else 20)
    specs, start = rpc.call("list_work_specs", {b"limit": 5})
    assert (len(specs), start) == ((5, b"005") if size == SIZE else (1, b"001"))


def test_answers_that_name_what_they_ask_for_are_whole_or_an_error(filled: Rpc) -> None:
    few, many = [b"001"] * 9, [b"001"] * 10
    assert len(filled.units(b"s", work_unit_keys=few)) == 9
    text = filled.error("get_work_units", [b"s", {b"work_unit_keys": many}])
    assert f"the answer is over {ROOM} bytes: ask for less at once" in text

    filled.add(b"s", b"t", data={b"traceback": bytes(SIZE)})
    assert len(filled.call("get_work_unit_status", b"s", [b"t"] * 9)[0]) == 9
    assert "ask for less at once" in filled.error("get_work_unit_status", [b"s", [b"t"] * 10])

    owner = b"o" * SIZE
    filled.expect(DONE, "lock", owner, 60, [[b"p"]])
    assert filled.call("readlock", [[b"p"]] * 9) == [owner] * 9
    assert "ask for less at once" in filled.error("readlock", [[[b"p"]] * 10])


def test_one_unit_that_is_asked_for_comes_whatever_its_size(rpc: Rpc) -> None:
    rpc.server.limits.max_answer = ROOM
    rpc.define(b"s")
    data = {b"traceback": bytes(2 * ROOM)}
    rpc.add(b"s", b"k", data=data)
    assert rpc.units(b"s", work_unit_keys=[b"k"]) == [(b"k", data)]
    assert rpc.status(b"s", b"k")[b"traceback"] == bytes(2 * ROOM)


def test_a_parent_sees_every_unit_of_its_children(filled: Rpc) -> None:
    """The data that does not fit is null, which the original's worker can deal with."""
    for child in (b"a", b"b"):
        filled.expect(DONE, "worker_heartbeat", child, b"RUN", 60, {}, b"p")
        for _ in range(3):
            filled.get(worker=child, max_jobs=4)
    children, _ = filled.call("get_child_work_units", b"p")
    units = [unit for child in (b"a", b"b") for unit in children[child]]
    assert [len(children[child]) for child in (b"a", b"b")] == [12, 12]
    assert len({unit[b"work_unit_key"] for unit in units}) == 24
    data = [unit[b"work_unit_data"] for unit in units]
    assert data.count(bytes(SIZE)) + data.count(None) == 24
    assert 4 <= data.count(bytes(SIZE)) <= 9
    filled.server.limits.max_answer = 1
    assert "the answer is over 1 bytes" in filled.error("get_child_work_units", [b"p"])


def test_workers_and_their_modes(rpc: Rpc) -> None:
    rpc.server.limits.max_answer = ROOM
    for number in range(9):
        rpc.expect(DONE, "worker_heartbeat", b"%d" % number + bytes(SIZE), b"RUN", 60, {}, None)
    assert len(rpc.call("list_worker_modes")[0]) == 9
    rpc.expect(DONE, "worker_heartbeat", b"9" + bytes(SIZE), b"RUN", 60, {}, None)
    assert f"over {ROOM} bytes" in rpc.error("list_worker_modes", [])
    rpc.expect(({b"RUN": 10}, None), "mode_counts")


def test_a_batch_leases_no_more_than_its_answer_holds(filled: Rpc) -> None:
    """The rest of a batch whose answers are too long is not served."""
    request = encode_request(1, "get_work", [b"w", {b"max_jobs": 50}])
    answers = loads(filled.exchange(b"\x86" + 6 * request))
    given = sum(len(answer[b"result"][0]) for answer in answers if b"result" in answer)
    assert filled.counts(b"s").get(PENDING, 0) == given == 50
