"""What a worker tells of itself, and its name in the list of processes."""

from __future__ import annotations

import os
import platform
import socket
import uuid
from typing import Any

from goordinate import __version__

# The extra `worker` has both.
psutil: Any
setproctitle: Any
try:
    import psutil
except ImportError:
    psutil = None
try:
    import setproctitle
except ImportError:
    setproctitle = None


def new_worker_id() -> str:
    """A name that no other worker has."""
    return uuid.uuid4().hex


def environment(pid: int | None = None) -> dict[str, Any]:
    """What a heartbeat says of a process, of this one if None."""
    pid = pid or os.getpid()
    told: dict[str, Any] = {
        "hostname": socket.gethostname(),
        "pid": pid,
        "version": __version__,
        "python": platform.python_version(),
    }
    memory = resident(pid)
    if memory is not None:
        told["rss"] = memory
    return told


def resident(pid: int | None = None) -> int | None:
    """The bytes of memory of a process, of this one if None. None if it is gone, or if `psutil` is
    not installed."""
    if psutil is None:
        return None
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def set_title(title: str) -> None:
    """Name this process in the list of processes, if `setproctitle` is installed."""
    if setproctitle is not None:
        setproctitle.setproctitle(title)
