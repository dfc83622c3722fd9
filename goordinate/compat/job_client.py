"""`coordinate.job_client`."""

from goordinate.client import TaskMaster, WorkUnit

__all__ = ["TaskMaster", "WorkUnit"]
