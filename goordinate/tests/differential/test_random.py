"""Random calls to the original daemon and to ours: every answer must be the same, types included.

Each seed is a sequence of calls; a failure prints the seed and the calls that led to it. Other
seeds run with GOORDINATE_DIFFERENTIAL_SEEDS=FIRST-LAST in the environment.
"""

from __future__ import annotations

import os

import pytest

from goordinate.tests.differential.pair import Pair
from goordinate.tests.differential.sequences import THEMES, Sequence

pytestmark = pytest.mark.original

SEEDS = os.environ.get("GOORDINATE_DIFFERENTIAL_SEEDS", "0-12")

#: Random actions of a sequence, of one or several calls each.
LENGTH = 60


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("seed", range(int(SEEDS.split("-")[0]), int(SEEDS.split("-")[1]) + 1))
def test_the_answers_are_the_same(pair: Pair, theme: str, seed: int) -> None:
    pair.makes_units = THEMES[theme].continuous
    try:
        for call in Sequence(theme, seed, LENGTH).calls():
            pair.check_call(call)
    except AssertionError as error:
        calls = "\n".join(f"  {call!r}" for call in pair.history)
        pytest.fail(f"theme {theme!r}, seed {seed}, after\n{calls}\n{error}")
