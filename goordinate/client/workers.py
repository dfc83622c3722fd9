"""The calls on workers and on the server itself."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from .constants import RUN
from .strings import Name
from .units import UnitCalls

logger = logging.getLogger(__name__)


class WorkerCalls(UnitCalls):
    """The calls on workers; `TaskMaster` has them all."""

    def worker_register(
        self,
        worker_id: Name,
        mode: str | None = None,
        lifetime: float = 6000,
        environment: Any = None,
        parent: Name | None = None,
    ) -> None:
        """The first heartbeat of a worker."""
        self.worker_heartbeat(worker_id, mode, lifetime, environment, parent)

    def worker_heartbeat(
        self,
        worker_id: Name,
        mode: str | None = None,
        lifetime: float = 6000,
        environment: Any = None,
        parent: Name | None = None,
    ) -> None:
        """Tell the server that a worker lives.

        lifetime: seconds after which it is forgotten. environment: what `get_heartbeat` gives.
        parent: the worker that has started it.
        """
        if parent is not None:
            parent = self._send(parent)
        params = (self._send(worker_id), mode, lifetime, self.rules.write(environment), parent)
        if not self._answer("worker_heartbeat", *params):
            logger.error("the server refused the heartbeat of worker %s", worker_id)

    def worker_unregister(self, worker_id: Name, parent: Name | None = None) -> None:
        """Tell the server that a worker has ended. `parent` has no effect."""
        if not self._answer("worker_unregister", self._send(worker_id)):
            logger.error("the server does not know worker %s", worker_id)

    def workers(self, alive: bool = True) -> dict[str, Any]:
        """{worker: mode} of the live workers. `alive` has no effect."""
        modes: dict[str, Any] = self.rules.answer(self._answer("list_worker_modes"))
        return modes

    def mode_counts(self) -> dict[Any, int]:
        """{mode: number of live workers}."""
        counts: dict[Any, int] = self.rules.answer(self._answer("mode_counts"))
        return counts

    def get_heartbeat(self, worker_id: Name) -> Any:
        """What a worker has last said of itself; None if it is gone."""
        return self.rules.answer(self._answer("get_worker_info", self._send(worker_id)))

    def get_server_config(self) -> dict[str, Any]:
        """The configuration of the server."""
        config: dict[str, Any] = self.rules.answer(self._answer("get_config"))
        return config

    def set_mode(self, mode: str) -> None:
        """No effect: the server has no modes. Kept for programs of the Python 2 package."""
        warnings.warn("set_mode() has no effect", DeprecationWarning, stacklevel=2)

    def get_mode(self) -> str:
        """Always RUN: the server has no modes."""
        return RUN
