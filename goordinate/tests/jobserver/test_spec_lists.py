"""RPCs that list and remove work specs: list_work_specs, del_work_spec, clear."""

from __future__ import annotations

from typing import Any

import pytest

from goordinate.tests.jobserver.rpc import DONE, Rpc

NAMES: list[bytes | str] = [b"B", b"a", "b", b"c", "é", b"\xff"]


@pytest.mark.parametrize(
    ("options", "first", "last", "following"),
    [
        ({}, 0, 6, None),
        ({b"limit": 2}, 0, 2, "b"),
        ({"limit": 1}, 0, 1, b"a"),
        ({b"limit": b"5"}, 0, 5, b"\xff"),
        ({b"limit": 0}, 0, 0, None),
        ({b"limit": -1}, 0, 0, None),
        ({b"limit": b"-5", b"start": b"a"}, 0, 0, None),
        ({b"start": b"aa", b"limit": 2}, 2, 4, "é"),
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


def test_a_list_of_none(rpc: Rpc) -> None:
    rpc.expect(([], None), "list_work_specs", {})


def test_del_work_spec(rpc: Rpc) -> None:
    rpc.define(b"s")
    rpc.define(b"other")
    rpc.expect(DONE, "del_work_spec", b"s")
    rpc.expect(None, "get_work_spec", b"s")
    rpc.expect((False, b"no such work_spec 's'"), "del_work_spec", b"s")
    rpc.expect(([{b"name": b"other"}], None), "list_work_specs", {})


def test_clear_says_how_many_specs_there_were(rpc: Rpc) -> None:
    rpc.expect(0, "clear")
    for name in (b"a", b"b", b"c"):
        rpc.define(name)
    rpc.expect(3, "clear")
    rpc.expect(([], None), "list_work_specs", {})
