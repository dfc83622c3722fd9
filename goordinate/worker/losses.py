"""What dead children have left: the unit that ran is failed, the others are given back.

The server is asked what they hold, since a unit may have been on its way to a child when it died.
For the same reason it is asked twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from goordinate.client import WorkUnit, as_text
from goordinate.client.constants import AVAILABLE
from goordinate.client.units import Change

from .master import SupervisorMaster
from .processes import Dead

logger = logging.getLogger(__name__)

LOOKS: Final = (0.1, 1.0)
"""Seconds after the death at which the server is asked. The first is not 0: a last message of the
child may still be on its way."""

LAST_LOOKS: Final = (0.05, 0.3)
"""The same, when all is to end at once."""


@dataclass
class _Loss:
    dead: Dead
    died_at: float
    looks: int = 0


class Losses:
    """The dead of one supervisor. fails: whether a unit fails whose process died under it."""

    def __init__(self, supervisor_id: str, fails: bool) -> None:
        self._supervisor_id = supervisor_id
        self._fails = fails
        self._losses: list[_Loss] = []
        self._leaving: list[str] = []
        #: Units were given back since somebody looked for work.
        self.gave_back = False
        #: All is to end at once.
        self.hurry = False

    def __bool__(self) -> bool:
        return bool(self._losses)

    def unseen(self) -> bool:
        """Whether there is one that the server was not asked about yet."""
        return any(loss.looks == 0 for loss in self._losses)

    def add(self, dead: Dead, now: float) -> None:
        """A child has died."""
        if not dead.clean:
            self._losses.append(_Loss(dead, now))

    def leave(self, worker_id: str) -> None:
        """A worker that holds nothing is no more."""
        self._leaving.append(worker_id)

    def due(self) -> float | None:
        """When `settle` has something to do; None for not at all."""
        looks = LAST_LOOKS if self.hurry else LOOKS
        return min((loss.died_at + looks[loss.looks] for loss in self._losses), default=None)

    def settle(self, master: SupervisorMaster, now: float) -> bool:
        """Settle what is due. Returns True; raises OSError, and then is to be called again."""
        looks = LAST_LOOKS if self.hurry else LOOKS
        due = [loss for loss in self._losses if now >= loss.died_at + looks[loss.looks]]
        if not due:
            return True
        # A server that was started again may not know them.
        master.call_all(
            master.heartbeat_call(who, None, self._supervisor_id)
            for who in {loss.dead.worker_id for loss in due}
        )
        held = master.get_child_work_units(self._supervisor_id)
        changes = [
            change
            for loss in due
            for change in self._changes(loss.dead, held.get(loss.dead.worker_id, ()))
        ]
        if changes:
            master.update_work_units(changes)
            self.gave_back = True
        for loss in due:
            loss.looks += 1
            if loss.looks == len(looks):
                self._losses.remove(loss)
                self._leaving.append(loss.dead.worker_id)
        return True

    def unregister(self, master: SupervisorMaster, *more: str) -> bool:
        """Tell the server of the workers that are no more. Returns True; raises OSError."""
        leaving = [*self._leaving, *more]
        if leaving:
            master.call_all(("worker_unregister", (worker_id,)) for worker_id in leaving)
        self._leaving = []
        return True

    def _changes(self, dead: Dead, units: Sequence[WorkUnit]) -> list[Change]:
        changes = []
        for unit in units:
            ran = dead.running is not None and _name(unit) == tuple(map(as_text, dead.running))
            if ran and dead.reason is not None and self._fails:
                logger.error("%s:%r fails: %s", unit.work_spec_name, unit.key, dead.reason)
                changes.append(unit.failing(dead.reason))
            else:
                logger.info("%s:%r is given back", unit.work_spec_name, unit.key)
                changes.append(unit.change(status=AVAILABLE))
        return changes


def _name(unit: WorkUnit) -> tuple[str, str]:
    return as_text(unit.work_spec_name), as_text(unit.key)
