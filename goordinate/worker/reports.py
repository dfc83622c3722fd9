"""Results that the server does not take. Such a unit fails, with the data that the server has."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from goordinate.cborrpc import RemoteError
from goordinate.client import WorkUnit
from goordinate.client.units import Change

from .master import ChildMaster, Refused

logger = logging.getLogger(__name__)


def send_one_by_one(master: ChildMaster, changes: Iterable[Change]) -> list[Change]:
    """For a list that is refused as a whole: it may be too long, or one change in it. Returns those
    that are still to be sent, since there was no answer."""
    unsent = []
    for change in changes:
        try:
            for refused in master.exchange([change], 0).refused:
                fail(master, refused)
        except RemoteError as fault:
            fail(master, Refused(change, fault))
        except OSError:
            unsent.append(change)
    return unsent


def fail(master: ChildMaster, refused: Refused) -> None:
    """Fail a unit whose result the server has refused."""
    spec, key, _ = refused.change
    logger.error("%s:%r: the server refuses the result: %s", spec, key, refused.error)
    try:
        master.exchange([failure(master, spec, key, str(refused.error))], 0)
    except (OSError, RemoteError) as fault:
        logger.error("%s:%r is left until its lease ends: %s", spec, key, fault)


def failure(master: ChildMaster, spec: Any, key: Any, reason: str | BaseException) -> Change:
    """What fails a unit whose data, as the function has left it, cannot be sent."""
    found = master.get_work_units(spec, [key])
    data = found[0][1] if found else None
    return WorkUnit(master, spec, key, data, master.worker_id).failing(reason)
