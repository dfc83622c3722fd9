"""One unit run by a worker: the function is called, and the unit settled by how it ended.

Nothing here knows of processes, time limits or leases; those are the worker's.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from goordinate.cborrpc import CBORError

from .exceptions import Retry
from .functions import run_function
from .units import Change
from .work_unit import WorkUnit

logger = logging.getLogger(__name__)


class Ending(NamedTuple):
    """How a unit has ended.

    change: what is left to send, for `TaskMaster.update_work_units`; None if the function has
    settled the unit itself. error: what the function has raised.
    """

    change: Change | None
    error: BaseException | None


def perform(unit: WorkUnit) -> Ending:
    """Call the function of a unit, and return how it ended. Nothing is sent but what the function
    sends.

    A normal return finishes the unit, `Retry` gives it back, and anything else that is raised
    fails it, SystemExit and KeyboardInterrupt too. So does data that cannot be sent. A unit that
    the function has settled is left as it is.
    """
    logger.info("running work unit %s:%r", unit.work_spec_name, unit.key)
    error: BaseException | None = None
    try:
        run_function(unit.spec)(unit)
    except BaseException as fault:
        error = fault
        logger.log(
            logging.INFO if isinstance(fault, Retry) else logging.ERROR,
            "work unit %s:%r: %s", unit.work_spec_name, unit.key, type(fault).__name__,
            exc_info=not isinstance(fault, Retry),
        )  # fmt: skip
    try:
        change = _change(unit, error)
    except CBORError as fault:
        logger.error("work unit %s:%r: %s", unit.work_spec_name, unit.key, fault)
        return Ending(unit.failing(fault), fault)
    if error is None:
        logger.info("finished work unit %s:%r", unit.work_spec_name, unit.key)
    return Ending(change, error)


def _change(unit: WorkUnit, error: BaseException | None) -> Change | None:
    """What is left to send. Raises CBORError if that is data which cannot be sent, or be read."""
    if unit.settled:
        return None
    if error is None:
        return unit.finishing()
    if isinstance(error, Retry):
        return unit.retrying(error.delay)
    return unit.failing(error)


def work(unit: WorkUnit) -> bool:
    """Call the function of a unit and send how it ended. Returns whether it has ended well.

    Raises KeyboardInterrupt if the function did, after the unit was failed.
    """
    change, error = perform(unit)
    if change is not None:
        unit.settle(change)
    if isinstance(error, KeyboardInterrupt):
        raise error
    return error is None
