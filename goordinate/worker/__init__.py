"""The worker: processes that run the units of a job server. See docs/worker.md.

`Supervisor` keeps child processes at work; `SingleWorker` runs units in the process that calls it.
"""

from .config import WorkerConfig
from .single import SingleWorker
from .supervisor import Supervisor

__all__ = ["SingleWorker", "Supervisor", "WorkerConfig"]
