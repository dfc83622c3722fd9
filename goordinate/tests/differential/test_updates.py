"""update_work_unit in both daemons: every state before, state asked for, and set of options.

A unit that holds a long lease is always beside the one that is updated: without one, the original
gives up leases that were never set (see `differences`).
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from goordinate.tests.differential.pair import Pair

pytestmark = pytest.mark.original

AVAILABLE, PENDING, FINISHED, FAILED = STATES = 1, 3, 4, 5

LEASES = [None, 100, 1000.5, 86_400, 86_401, 0, -1]
DATA = [None, {b"output": {b"o2": {b"n": 2}}, "traceback": "t"}]
WORKERS = [None, b"w", b"v"]


@pytest.mark.parametrize("to", [None, *STATES])
@pytest.mark.parametrize("now", STATES)
def test_every_update(pair: Pair, now: int, to: int | None) -> None:
    pair.check("set_work_spec", {b"name": b"s", b"then": b"t"})
    pair.check("set_work_spec", {b"name": b"t"})
    for lease, data, worker in itertools.product(LEASES, DATA, WORKERS):
        if to is None and now != PENDING and lease is not None:
            continue  # the original writes it to units that have no lease
        if now == PENDING and lease == 0:
            continue  # the original does not see that the lease is shorter
        for name in (b"s", b"t"):
            pair.check("del_work_units", name, {b"all": True})
        pair.check("add_work_units", b"s", [(b"k", {b"output": [b"o"]}, {b"priority": 2})])
        if now != AVAILABLE:
            pair.check("get_work", b"w", {b"work_spec_names": [b"s"]})
        if now in (FINISHED, FAILED):
            pair.check("update_work_unit", b"s", b"k", {b"status": now})
        pair.check("add_work_units", b"s", [(b"other", {})])
        other = {b"status": PENDING, b"lease_time": 50_000}
        pair.check("update_work_unit", b"s", b"other", other)

        values = {b"status": to, b"lease_time": lease, b"data": data, b"worker_id": worker}
        options: dict[bytes, Any] = {k: value for k, value in values.items() if value is not None}
        pair.check("update_work_unit", b"s", b"k", options)
        pair.check("count_work_units", b"s")
        pair.check("get_work_unit_status", b"s", [b"k", b"other"])
        pair.check("get_work_units", b"s", {})
        pair.check("get_work_units", b"t", {b"state": [AVAILABLE]})
        pair.check("get_work", b"x", {b"work_spec_names": [b"s"]})
