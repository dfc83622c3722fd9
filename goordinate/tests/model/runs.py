"""Runs of random sequences: few in a run, as Hypothesis makes later ones by changing the first."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from goordinate.tests.model.machine import Machine

SEQUENCES = 10

#: Find a failing sequence, and make it as short and plain as can be.
PHASES = (Phase.generate, Phase.shrink)


def run(number: int, steps: int, phases: Collection[Phase] = PHASES) -> None:
    """Ten sequences of so many steps; a number gives the same ones each time.

    Raises what the first that fails raises, with the sequence in its notes.
    """
    run_state_machine_as_test(
        seed(number)(Machine),
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=steps,
            phases=phases,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
