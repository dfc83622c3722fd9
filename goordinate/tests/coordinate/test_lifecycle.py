"""The table of steps: the functions do what it says, and the documentation shows it.

`python -m goordinate.tests.coordinate.test_lifecycle` prints the table as the documentation has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.coordinate import lifecycle
from goordinate.coordinate.lifecycle import (
    ADDED,
    ADDED_OVER,
    CLEARED,
    DELAY,
    FAIL,
    FINISH,
    GIVEN,
    GIVEN_UP,
    KEEP,
    LAPSED,
    LEASE,
    NEW_DATA,
    PUT_OFF,
    RELEASE,
    RENEW,
    STEPS,
    UPDATED,
)
from goordinate.coordinate.records import ENTRY, OWN, STATUS, WHEN, WORKER, Record
from goordinate.coordinate.states import (
    AVAILABLE,
    DELAYED,
    FAILED,
    FINISHED,
    NAMES,
    PENDING,
    UNIT_STATES,
)

KEY = b"k"
ENTRY_OLD, ENTRY_NEW = (dumps(KEY) + dumps(data) for data in ({b"old": 1}, {b"new": 1}))
NOW = 50.0

CAUSES = [GIVEN, GIVEN_UP, LAPSED, ADDED, ADDED_OVER, CLEARED, *UPDATED.values(), PUT_OFF]


def a_unit(state: int) -> Record:
    """A unit in a state, that worker `w` holds or held."""
    unit = lifecycle.new(ENTRY_OLD, None, NOW + 9 if state == DELAYED else None)
    if state in (AVAILABLE, DELAYED):
        return unit
    held = lifecycle.leased(unit, b"w", 1.0, NOW + 9, 0)
    return held if state == PENDING else lifecycle.ended(held, state, 2.0)


def after(cause: str, unit: Record) -> Record:
    """The unit after what happened to it."""
    if cause == GIVEN:
        return lifecycle.leased(unit, b"v", NOW, NOW + 5, 0)
    if cause == GIVEN_UP:
        return lifecycle.given_up(unit, KEY, NOW)
    if cause == LAPSED:
        return lifecycle.lapsed(unit)
    if cause in (ADDED, ADDED_OVER):
        restart = cause == ADDED_OVER
        return lifecycle.added_again(unit, KEY, ENTRY_NEW, None, None, NOW, restart=restart)
    if cause == CLEARED:
        return lifecycle.cleared(unit, NOW)
    if cause == PUT_OFF:
        return lifecycle.updated(unit, KEY, AVAILABLE, None, None, None, NOW, 0, 8)[0]
    asked = next(state for state, name in UPDATED.items() if name == cause)
    return lifecycle.updated(unit, KEY, asked, NOW + 7, None, None, NOW, 0)[0]


#: What a step does -> (state, worker, time, data) that a unit shows then; ...: as before.
SHOWS: dict[str, tuple[Any, ...]] = {
    KEEP: (..., ..., ..., ...),
    RELEASE: (AVAILABLE, None, None, ...),
    DELAY: (DELAYED, None, NOW + 8, ...),
    LEASE: (PENDING, ..., ..., ...),
    RENEW: (PENDING, ..., NOW + 7, ...),
    NEW_DATA: (PENDING, ..., ..., ...),
    FINISH: (FINISHED, ..., NOW, ...),
    FAIL: (FAILED, ..., NOW, ...),
}


@pytest.mark.parametrize(("state", "cause"), STEPS)
def test_a_step_does_what_the_table_says(state: int, cause: str) -> None:
    unit, effect = a_unit(state), STEPS[state, cause]
    done = after(cause, unit)
    status, worker, when, shown = SHOWS[effect]
    assert done[STATUS] == (unit[STATUS] if status is ... else status)
    if effect == LEASE:
        assert done[WHEN] == NOW + (5 if cause == GIVEN else 7)
        assert done[WORKER] == (b"v" if cause == GIVEN else unit[WORKER])
        return
    assert done[WORKER] == (unit[WORKER] if worker is ... else worker)
    assert done[WHEN] == (unit[WHEN] if when is ... else when)
    if effect == NEW_DATA:
        assert done[OWN] == ENTRY_NEW
    elif cause in (ADDED, ADDED_OVER):
        shown = ENTRY_NEW
    if cause != GIVEN_UP:
        assert done[ENTRY] == (unit[ENTRY] if shown is ... else shown)


def table() -> str:
    """The table as the documentation has it."""
    rows = [
        ["what happens", *(NAMES[state] for state in UNIT_STATES)],
        ["---"] * (len(UNIT_STATES) + 1),
    ]
    for cause in CAUSES:
        rows.append([cause, *(STEPS.get((state, cause), "") for state in UNIT_STATES)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def test_the_documentation_shows_the_table() -> None:
    page = Path(__file__).parents[3].joinpath("docs", "architecture.md").read_text("utf-8")
    begin, end = "code -->\n", "<!-- steps end"
    shown = page[page.index(begin) + len(begin) : page.index(end)]
    assert shown == table()


def test_every_step_is_in_the_table() -> None:
    assert {cause for _, cause in STEPS} == set(CAUSES)


if __name__ == "__main__":
    print(table(), end="")
