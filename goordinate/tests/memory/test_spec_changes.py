"""What a change of one work spec costs among many: the others are not asked what they offer."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from goordinate.coordinate.handles import Queue
from goordinate.memory import MemoryBackend
from goordinate.memory.spec import Spec
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.conformance.steps import add, define

SPECS = 200

#: What is changed: keys of the dictionary that is set, or control values, each time others.
CHANGES: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    "nothing": [({}, {}), ({}, {})],
    "a key of the client's own": [({"mine": 1}, {}), ({"mine": 2}, {})],
    "paused": [({}, {"status": 2}), ({}, {"status": 1})],
    "disabled": [({"disabled": True}, {}), ({}, {})],
    "max_running": [({"max_running": 0}, {}), ({"max_running": 3}, {})],
    "max_getwork": [({"max_getwork": 1}, {}), ({"max_getwork": 3}, {})],
    "max_retries": [({"max_retries": 1}, {}), ({"max_retries": 3}, {})],
    "interval": [({"interval": 1}, {}), ({"interval": 3}, {})],
    "weight": [({}, {"weight": 1}), ({"weight": 30}, {})],
    "priority": [({}, {"priority": 1}), ({"priority": -1}, {})],
    "then_preempts": [({"then_preempts": False}, {}), ({}, {})],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_asks_no_other_spec(change: str) -> None:
    queue = Queue(MemoryBackend(Clock()).namespace(""))
    for number in range(SPECS):
        spec = define(queue, b"spec %d" % number, then=b"spec %d" % (number // 3 * 3 + 2))
        add(spec, *(b"%d" % n for n in range(30)))
    queue.request_attempts(b"worker")
    asked = []
    offer = Spec.offer

    def counted(spec: Spec) -> Any:
        asked.append(spec)
        return offer(spec)

    with patch.object(Spec, "offer", counted):
        for turn in range(3):
            for keys, values in CHANGES[change]:
                define(queue, b"spec 7", then=b"spec 8", **keys)
                if values:
                    queue.work_spec(b"spec 7").set_control(values)
                asked.clear()
                queue.request_attempts(b"worker")
                assert len(asked) <= 3, turn
