"""Where the original is, for the tests marked `original`, which compare with it."""

from __future__ import annotations

import os

import pytest

#: The environment variable that names a Python 2.7 with the package `coordinate` installed.
ORIGINAL_PYTHON = "GOORDINATE_ORIGINAL_PYTHON"


def original_python() -> str:
    """The interpreter that has the original; the test fails if nobody says which."""
    python = os.environ.get(ORIGINAL_PYTHON)
    if not python:
        pytest.fail(f"set {ORIGINAL_PYTHON} to a Python 2.7 that has coordinate==0.1.5")
    return python
