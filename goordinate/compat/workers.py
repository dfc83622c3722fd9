"""`coordinate.workers`. A `ForkWorker` is a `Supervisor`; `LoopWorker`, its child there, is not
here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from goordinate.worker import SingleWorker, Supervisor, WorkerConfig
from goordinate.worker.environment import new_worker_id as nice_identifier

logger = logging.getLogger(__name__)

__all__ = ["ForkWorker", "SingleWorker", "nice_identifier", "run_worker"]


class ForkWorker:
    """Units run in child processes until a signal stops it. config: the block `coordinate`, whose
    `fork_worker` it reads."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._supervisor = Supervisor(WorkerConfig.from_file(config))

    @property
    def worker_id(self) -> str:
        """The id under which the server knows it, while it runs."""
        return self._supervisor.worker_id

    def register(self, parent: str | None = None) -> str:
        """Its id. `run` tells the server of it. `parent` has no effect."""
        return self.worker_id

    def run(self) -> int:
        """Work until a signal says to stop. Returns the exit status, as `Supervisor.run`."""
        return self._supervisor.run()

    def unregister(self) -> None:
        """No effect: `run` has told the server."""

    def close(self) -> None:
        """No effect: `run` has closed its connection."""


def run_worker(worker_class: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Make a worker, register it, run it and unregister it. What it raises is logged, and raised
    again."""
    try:
        worker = worker_class(*args, **kwargs)
    except Exception:
        logger.critical("no worker %r can be made", worker_class, exc_info=True)
        raise
    try:
        worker.register()
        worker.run()
    except Exception:
        logger.exception("worker %r has died", worker_class)
        try:
            worker.unregister()
        except Exception as fault:
            logger.warning("it is not unregistered: %s", fault)
        raise
    else:
        worker.unregister()
    finally:
        worker.close()
