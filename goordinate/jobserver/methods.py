"""The table: RPC name -> function.

Every RPC is a row that its family gives: specs, units, work, workers, locks, daemon_info. Only
these names can be called. An RPC runs from start to end without switching greenlets, but for one
that returns a generator: others have their turn between its steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.requests import Method
from goordinate.coordinate.api import Namespace
from goordinate.jobserver.daemon_info import DaemonCalls
from goordinate.jobserver.locks import LockCalls
from goordinate.jobserver.specs import SpecCalls
from goordinate.jobserver.units import UnitCalls
from goordinate.jobserver.work import WorkCalls
from goordinate.jobserver.workers import WorkerCalls


class JobServer:
    """All RPCs on one namespace.

    `configuration` gives what get_config answers, `stats` what server_stats does. `limits`, which
    are shared with the server, bound an answer and say which tags may be stored. Done units
    beyond `limit_completed_count` a spec (each of finished and failed), or older than
    `limit_completed_age` seconds, are dropped by `archive`; None keeps all. A `get_work` that finds
    nothing, and does not say how long it waits, waits for `hold_get_work` seconds.
    """

    def __init__(
        self,
        namespace: Namespace,
        *,
        configuration: Callable[[], object],
        stats: Callable[[], Mapping[str, int]],
        limits: Limits | None = None,
        hold_get_work: float = 0.0,
        limit_completed_count: int | None = None,
        limit_completed_age: float | None = None,
    ) -> None:
        self.limit_completed_count = limit_completed_count
        self.limit_completed_age = limit_completed_age
        self.hold_get_work = hold_get_work
        self.limits = limits = Limits() if limits is None else limits
        self._units = UnitCalls(
            namespace, limits, lambda: (self.limit_completed_count, self.limit_completed_age)
        )
        #: The table.
        self.methods: tuple[Method, ...] = (
            *SpecCalls(namespace, limits).methods(),
            *self._units.methods(),
            *WorkCalls(namespace, limits, lambda: self.hold_get_work).methods(),
            *WorkerCalls(namespace, limits).methods(),
            *LockCalls(namespace, limits).methods(),
            *DaemonCalls(namespace, configuration, stats).methods(),
        )

    def archive(self) -> Iterator[None]:
        """Drop done units beyond the limits, in every work spec (RPC `archive`).

        Yields between slices, so that others may have their turn.
        """
        return self._units.archive({})
