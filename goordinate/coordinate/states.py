"""The states of work units and attempts, by the numbers of the RPC protocol.

2, BLOCKED, was never used. DELAYED, EXPIRED and RETRYABLE never go out to RPC clients.
"""

from __future__ import annotations

from collections.abc import Iterable

AVAILABLE = 1
PENDING = 3
FINISHED = 4
FAILED = 5
#: A unit that waits for its time to come. RPC clients see AVAILABLE.
DELAYED = 6
#: An attempt whose lease ran out.
EXPIRED = 7
#: An attempt whose unit was given back.
RETRYABLE = 8

#: The states of a unit.
UNIT_STATES = (AVAILABLE, DELAYED, PENDING, FINISHED, FAILED)

#: The states of a unit that RPC clients know.
RPC_STATES = (AVAILABLE, PENDING, FINISHED, FAILED)

#: The states of a unit that has ended.
ENDED = (FINISHED, FAILED)

NAMES = {
    AVAILABLE: "available",
    PENDING: "pending",
    FINISHED: "finished",
    FAILED: "failed",
    DELAYED: "delayed",
    EXPIRED: "expired",
    RETRYABLE: "retryable",
}


def rpc_state(status: int) -> int:
    """What RPC clients see of a unit in this state."""
    return AVAILABLE if status == DELAYED else status


def states_behind(rpc_states: Iterable[int]) -> set[int]:
    """The states of units that RPC clients mean by these. Unknown ones are left out."""
    known = set(RPC_STATES).intersection(rpc_states)
    return known | {DELAYED} if AVAILABLE in known else known
