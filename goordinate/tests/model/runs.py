"""Runs of random sequences, and what is left of one that shows a difference.

A run is short, as Hypothesis makes the later sequences of a long one by changing the first. It
draws them; a sequence that fails is made short here: steps are left out while it still fails. They
hang on each other too little for Hypothesis, which would take minutes for that.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from goordinate.tests.model.machine import Action, Machine

SEQUENCES = 10


def run(number: int, steps: int) -> None:
    """Ten sequences of so many steps; a number gives the same ones each time.

    AssertionError with a short sequence and what differs at its end, if something does.
    """
    try:
        draw(number, steps)
    except Exception as error:
        sequence = shortest(Machine.history)
        difference = difference_after(sequence) or error
        lines = [f"  {name}{given!r}" for name, given in sequence]
        told = f"{type(difference).__name__}: {difference}"
        raise AssertionError("\n".join(["after", *lines, told])) from difference


def draw(number: int, steps: int) -> None:
    """The same, but the first sequence that fails is left as it is, in `Machine.history`."""
    run_state_machine_as_test(
        seed(number)(Machine),
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=steps,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def difference_after(sequence: list[Action]) -> Exception | None:
    """What a sequence shows, if the server and the model differ in it."""
    machine = Machine()
    try:
        for action in sequence:
            machine.perform(action)
            machine.all_is_as_it_should_be()
    except Exception as error:
        return error
    return None


def shortest(sequence: list[Action]) -> list[Action]:
    """A sequence that shows a difference, without the steps that it does not need for that."""
    size = len(sequence) // 2
    while size > 0:
        left = _without(sequence, size)
        if left == sequence or size > 1:
            size //= 2
        sequence = left
    return sequence


def _without(sequence: list[Action], size: int) -> list[Action]:
    """Of every so many steps in a row, those that are needed."""
    start = len(sequence) - size
    while start > -size:
        left = sequence[: max(0, start)] + sequence[start + size :]
        if difference_after(left) is not None:
            sequence = left
        start -= size
    return sequence
