"""Leases are short, and renewed for all units of all children in one message.

So the units of a machine that dies are out again soon, and a unit that takes long is kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from .master import SupervisorMaster
from .processes import ChildProcess
from .slots import UnitName


def renew(
    master: SupervisorMaster, children: Iterable[ChildProcess], lease: float
) -> Sequence[ChildProcess]:
    """Renew the leases that a third of `lease` has passed of. Returns the children that have a unit
    which is another worker's now, or is gone. Raises OSError."""
    now = time.monotonic()
    due: list[tuple[ChildProcess, UnitName]] = []
    for child in children:
        held = child.held()
        if held is not None and now - held.taken_at >= lease / 3 * 0.9:
            due += [(child, (spec, key)) for spec, key in held.units]
    if not due:
        return ()
    kept = master.keep_alive(
        [
            (spec, key, {"lease_time": lease, "holder": child.worker_id})
            for child, (spec, key) in due
        ]
    )
    lost = [unit for unit, is_kept in zip(due, kept, strict=True) if not is_kept]
    return [child for child, unit in lost if _is_to_be_run(child, unit)]


def _is_to_be_run(child: ChildProcess, unit: UnitName) -> bool:
    """Whether a child still runs a unit, or is going to: it may have ended it meanwhile."""
    held = child.held()
    if held is None:
        return False
    names = [(spec, key) for spec, key in held.units]
    return unit in names and names.index(unit) >= (held.running or 0)
