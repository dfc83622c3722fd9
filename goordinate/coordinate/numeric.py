"""What counts as a number wherever a client gives one: a time, a priority, a weight."""

from __future__ import annotations

import math
from typing import TypeGuard


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a float can hold the value: no NaN, no infinity, no integer beyond all floats, and
    neither true nor false."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
