"""The names of the Python 2 package: `import goordinate.compat as coordinate`.

The rule here: nothing but names that are elsewhere. What differs: docs/client.md.
"""

from goordinate.client import CoordinateException, ProgrammerError, TaskMaster
from goordinate.compat import constants, exceptions, job_client, workers, workunit_run

config_name = "coordinate"
"""The block of a configuration file that is ours, for programs that pass the module to yakonfig."""

sub_modules: tuple[object, ...] = ()
"""The parts of that block that are others', also for yakonfig: none."""

__all__ = [
    "CoordinateException",
    "ProgrammerError",
    "TaskMaster",
    "config_name",
    "constants",
    "exceptions",
    "job_client",
    "sub_modules",
    "workers",
    "workunit_run",
]
