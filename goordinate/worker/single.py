"""A worker in this process, for scripts and tests: it runs what there is, and returns."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from goordinate.client import ProgrammerError, TaskMaster
from goordinate.client.constants import RUN, RUNTIMES
from goordinate.client.running import work

from . import environment
from .profile import Profiles

logger = logging.getLogger(__name__)


class SingleWorker:
    """Runs units one after the other in this process. Nothing renews their leases.

    config: as for TaskMaster; `profile` as in `Profiles`. task_master: the connection, if not one
    of its own. work_spec_names: only units of these. max_jobs: units asked for at once. runtimes:
    only units of specs with one of these; "" for specs without.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | str,
        task_master: TaskMaster | None = None,
        work_spec_names: Sequence[str] | None = None,
        max_jobs: int = 1,
        *,
        runtimes: Sequence[str] = RUNTIMES,
    ) -> None:
        self.task_master = task_master or TaskMaster(config)
        self.work_spec_names = work_spec_names
        self.max_jobs = max_jobs
        self.runtimes = runtimes
        #: The id under which the server knows it; None if it is not registered.
        self.worker_id: str | None = None
        self._parent: str | None = None
        self._profiles = Profiles(config.get("profile") if isinstance(config, Mapping) else None)

    def environment(self) -> dict[str, Any]:
        """What a heartbeat says of this worker."""
        return {**environment.environment(), "worker_id": self.worker_id, "parent": self._parent}

    def register(self, parent: str | None = None) -> str:
        """Tell the server that this worker is there. Returns its id. Raises ProgrammerError if it
        is registered."""
        if self.worker_id is not None:
            raise ProgrammerError("the worker is registered already")
        self.worker_id = self.task_master.worker_id = environment.new_worker_id()
        self._parent = parent
        self.heartbeat()
        return self.worker_id

    def heartbeat(self) -> str:
        """Tell the server that this worker lives. Returns RUN: there are no other modes. Raises
        ProgrammerError if it is not registered."""
        self.task_master.worker_heartbeat(
            self._id(), RUN, environment=self.environment(), parent=self._parent
        )
        return RUN

    def unregister(self) -> None:
        """Tell the server that this worker has ended. Raises ProgrammerError if it is not
        registered."""
        self.task_master.worker_unregister(self._id())
        self.worker_id = self.task_master.worker_id = None

    def close(self) -> None:
        """Close the connection."""
        self.task_master.close()

    def run(self) -> bool:
        """Get units and run them. Returns whether there were any, failed ones too. Raises
        ProgrammerError if it is not registered."""
        return self.run_one() > 0

    def run_one(self) -> int:
        """The same. Returns how many units there were.

        Raises KeyboardInterrupt if a function did; the units that were not begun are given back.
        """
        worker_id = self._id()
        units = self.task_master.get_work(
            worker_id,
            work_spec_names=self.work_spec_names,
            max_jobs=self.max_jobs,
            runtimes=self.runtimes,
        )
        taken = units if isinstance(units, list) else [units] if units else []
        left = list(taken)
        try:
            while left:
                unit = left.pop(0)
                with self._profiles.of(unit):
                    work(unit)
        finally:
            for unit in left:
                unit.retry()
        return len(taken)

    def _id(self) -> str:
        if self.worker_id is None:
            raise ProgrammerError("the worker is not registered")
        return self.worker_id
