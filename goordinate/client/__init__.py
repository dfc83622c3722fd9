"""The client: programs that add work units, watch them and work on them, in Python 3.

`TaskMaster` makes every call of the server; `WorkUnit` is what a run function gets.
"""

from .exceptions import (
    CoordinateException,
    LostLease,
    NoSuchWorkSpecError,
    NoSuchWorkUnitError,
    ProgrammerError,
    Retry,
    TimeLimitExceeded,
)
from .flow import overlay_config
from .forms import as_bytes, as_text
from .task_master import TaskMaster
from .work_unit import WorkUnit

__all__ = [
    "CoordinateException",
    "LostLease",
    "NoSuchWorkSpecError",
    "NoSuchWorkUnitError",
    "ProgrammerError",
    "Retry",
    "TaskMaster",
    "TimeLimitExceeded",
    "WorkUnit",
    "as_bytes",
    "as_text",
    "overlay_config",
]
