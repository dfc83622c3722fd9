"""The numbers and names of the protocol: states of units and specs, priorities, modes, leases."""

from __future__ import annotations

from typing import Final, Literal

# States of a work unit.
AVAILABLE: Final = 1
BLOCKED: Final = 2
"""Never used by any server; kept for programs that name it."""
PENDING: Final = 3
FINISHED: Final = 4
FAILED: Final = 5

WORK_UNIT_STATUS_BY_NAME: Final = {
    "AVAILABLE": AVAILABLE,
    "BLOCKED": BLOCKED,
    "PENDING": PENDING,
    "FINISHED": FINISHED,
    "FAILED": FAILED,
}
WORK_UNIT_STATUS_NAMES_BY_NUMBER: Final[dict[int, str]] = {
    number: name for name, number in WORK_UNIT_STATUS_BY_NAME.items()
}

# States of a work spec.
RUNNABLE: Final = 1
PAUSED: Final = 2

WORK_SPEC_STATUS_BY_NAME: Final = {"RUNNABLE": RUNNABLE, "PAUSED": PAUSED}
WORK_SPEC_STATUS_NAMES_BY_NUMBER: Final[dict[int, str]] = {
    number: name for name, number in WORK_SPEC_STATUS_BY_NAME.items()
}

# Priorities of a work unit: higher goes first.
PRI_GENERATED: Final = -1
PRI_STANDARD: Final = 0
PRI_PRIORITY: Final = 1

# Modes of a worker.
RUN: Final[Literal["RUN"]] = "RUN"
IDLE: Final[Literal["IDLE"]] = "IDLE"
TERMINATE: Final[Literal["TERMINATE"]] = "TERMINATE"

# Runtimes of work specs.
RUNTIMES: Final = ("", "python3")
"""What a Python 3 worker runs if it is not told: specs without a runtime, and those for
Python 3."""

# Leases, in seconds.
DEFAULT_LEASE_SECONDS: Final = 300
MIN_LEASE_SECONDS: Final = 1
MAX_LEASE_SECONDS: Final = 86_400
