"""The RPCs over the abstract API, one family a file; `methods` is the table of them all."""

from goordinate.jobserver.methods import JobServer

__all__ = ["JobServer"]
