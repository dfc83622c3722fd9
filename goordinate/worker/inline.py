"""--isolation none: units run in the process of the supervisor, for debuggers.

Nothing watches over them: no time limit, no renewal. The lease is the time limit.
"""

from __future__ import annotations

import logging
import signal
import time
from types import FrameType
from typing import Final

from .config import WorkerConfig
from .single import SingleWorker

logger = logging.getLogger(__name__)

_DONE: Final = 0
_NO_SERVER: Final = 3


def run(config: WorkerConfig) -> int:
    """Run units until told to stop. Returns the exit status, as `Supervisor.run` does."""
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            raise KeyboardInterrupt
        stopping = True

    before = [(number, signal.signal(number, stop)) for number in (signal.SIGTERM, signal.SIGINT)]
    coordinate = {**config.coordinate, "default_lifetime": config.timeout}
    worker = SingleWorker(
        coordinate, None, config.work_spec_names, config.batch, runtimes=config.runtimes
    )
    idle_since = begun = time.monotonic()
    ran = 0
    try:
        worker.register()
        while not stopping:
            now = time.monotonic()
            if config.limit_seconds is not None and now >= begun + config.limit_seconds:
                break
            if config.limit_count is not None:
                worker.max_jobs = min(config.batch, config.limit_count - ran)
            done = worker.run_one()
            ran += done
            if done:
                idle_since = time.monotonic()
            elif config.burst or (
                config.max_idle is not None and now >= idle_since + config.max_idle
            ):
                break
            else:
                time.sleep(config.poll_interval)
            if config.limit_count is not None and ran >= config.limit_count:
                break
        worker.unregister()
    except OSError as fault:
        logger.error("no answer from the server: %s", fault)
        return _NO_SERVER
    finally:
        for number, handler in before:
            signal.signal(number, handler)
        worker.close()
    return _DONE
