"""The life of a work unit and of an attempt: every state and every change, as tables.

The code that changes a unit looks the change up here; nothing else decides whether it may happen.
"""

from __future__ import annotations

# Work unit states, by the numbers of the RPC protocol (2, BLOCKED, was never used).
AVAILABLE = 1
PENDING = 3
FINISHED = 4
FAILED = 5
#: Waiting for its time to come; RPC clients see AVAILABLE.
DELAYED = 6

UNIT_STATUS_NAMES = {
    AVAILABLE: "available",
    PENDING: "pending",
    FINISHED: "finished",
    FAILED: "failed",
    DELAYED: "delayed",
}

# Attempt states that a unit does not have.
EXPIRED = 7
RETRYABLE = 8

ATTEMPT_STATUS_NAMES = {
    PENDING: "pending",
    EXPIRED: "expired",
    FINISHED: "finished",
    FAILED: "failed",
    RETRYABLE: "retryable",
}

# What happens to a unit on update_work_unit (see `CHANGES`).
KEEP = "keep"  # nothing changes
RELEASE = "release"  # available again, without worker and lease
LEASE = "lease"  # pending, under a lease if one was given
RENEW = "renew"  # still pending: lease moved, worker set, each if given
FINISH = "finish"  # finished now; chains into the next work spec
FAIL = "fail"  # failed now

#: (state now, state asked for) -> what to do: the table of update_work_unit.
CHANGES = {
    (AVAILABLE, AVAILABLE): KEEP,
    (AVAILABLE, PENDING): LEASE,
    (AVAILABLE, FINISHED): FINISH,
    (AVAILABLE, FAILED): FAIL,
    (DELAYED, AVAILABLE): KEEP,
    (DELAYED, PENDING): LEASE,
    (DELAYED, FINISHED): FINISH,
    (DELAYED, FAILED): FAIL,
    (PENDING, AVAILABLE): RELEASE,
    (PENDING, PENDING): RENEW,
    (PENDING, FINISHED): FINISH,
    (PENDING, FAILED): FAIL,
    (FINISHED, AVAILABLE): RELEASE,
    (FINISHED, PENDING): LEASE,
    (FINISHED, FINISHED): KEEP,
    (FINISHED, FAILED): KEEP,  # a success is never undone by a late failure
    (FAILED, AVAILABLE): RELEASE,
    (FAILED, PENDING): LEASE,
    (FAILED, FINISHED): FINISH,  # the late success wins
    (FAILED, FAILED): KEEP,
}

# What a call on an attempt does, by the attempt's state and whether its unit is still in its
# hands ("active").
END = "end"  # the attempt ends, and its unit with it
END_ALONE = "end alone"  # the attempt ends, its unit belongs to others
LOST = "lost"  # the attempt is expired now, LostLease is raised
NOTHING = "nothing"  # too late, and no harm done
TOO_LATE = "too late"  # NotPending is raised
GO_ON = "go on"  # the lease is moved

RENEW_CALL = "renew"
EXPIRE_CALL = "expire"
FINISH_CALL = "finish"
FAIL_CALL = "fail"
RETRY_CALL = "retry"

#: (call, attempt's state, active) -> what to do; any other combination is TOO_LATE.
ATTEMPT_CALLS = {
    (RENEW_CALL, PENDING, True): GO_ON,
    (RENEW_CALL, PENDING, False): LOST,
    (RENEW_CALL, EXPIRED, False): LOST,
    (EXPIRE_CALL, PENDING, True): END,
    (EXPIRE_CALL, PENDING, False): END_ALONE,
    (EXPIRE_CALL, EXPIRED, False): NOTHING,
    (FINISH_CALL, PENDING, True): END,
    (FINISH_CALL, PENDING, False): END_ALONE,
    (FINISH_CALL, FAILED, True): END,  # the late success wins
    (FINISH_CALL, FAILED, False): END_ALONE,
    (FAIL_CALL, PENDING, True): END,
    (FAIL_CALL, PENDING, False): END_ALONE,
    (RETRY_CALL, PENDING, True): END,
    (RETRY_CALL, PENDING, False): END_ALONE,
}

#: The state an attempt has after a call that ends it.
ENDS_AS = {
    EXPIRE_CALL: EXPIRED,
    FINISH_CALL: FINISHED,
    FAIL_CALL: FAILED,
    RETRY_CALL: RETRYABLE,
}

#: Attempts kept for each unit, the active one included; older ones are forgotten.
ATTEMPTS_KEPT = 16
