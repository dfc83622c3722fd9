"""Runs of random sequences, which Hypothesis makes, and shrinks where they show a difference.

A run is short, as Hypothesis makes the later sequences of a long one by changing the first.
"""

from __future__ import annotations

import random
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from goordinate.coordinate.scheduler import Scheduler
from goordinate.tests.backends import BACKENDS
from goordinate.tests.conformance.clock import Clock
from goordinate.tests.model.calls import CALLS, SHAPES, some
from goordinate.tests.model.machine import Action, Machine, actions

SEQUENCES = 10

#: A step is left out now and then, so that Hypothesis can leave out all that need not be.
_takes_place = some([False] + [True] * 15)


@st.composite
def sequences(draw: DrawFn, steps: int) -> list[Action]:
    """What there is at the start, and so many steps or nearly."""
    begin: list[Action] = [
        ("step", ("set_work_spec", [dictionary])) for dictionary in draw(some(SHAPES))
    ]
    units = draw(st.lists(CALLS["add_work_units"], max_size=4))
    begin += [("step", ("add_work_units", params)) for params in units]
    return begin + [draw(actions) for _ in range(steps) if draw(_takes_place)]


def run(backend: str, number: int, steps: int, *, shrink: bool = True) -> None:
    """Ten sequences of so many steps on a backend; a number gives the same ones each time.

    Raises AssertionError with a short sequence and what differs at its end, if something does.
    """
    tried: list[Action] = []

    @seed(number)
    @settings(
        max_examples=SEQUENCES,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(sequences(steps))
    def compare(sequence: list[Action]) -> None:
        tried.clear()
        clock = Clock()
        # All schedulers draw alike, also those of a backend that is opened again: a sequence that
        # has failed fails again, and can be shrunk.
        draws = patch.object(Scheduler.__init__, "__defaults__", (random.Random(0),))
        with draws, BACKENDS[backend](clock) as empty:
            machine = Machine(empty, clock)
            for action in sequence:
                tried.append(action)
                machine.act(action)

    try:
        compare()
    except Exception as difference:
        lines = [f"  {name}{given!r}" for name, given in tried]
        told = f"{type(difference).__name__}: {difference}"
        raise AssertionError("\n".join(["after", *lines, told])) from difference
