"""What a worker is told: by the configuration file, and by the flags of its command line."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from goordinate.client import ProgrammerError
from goordinate.client.constants import RUNTIMES

logger = logging.getLogger(__name__)

DEFAULT_ADDRESS: Final = "localhost:5932"

Isolation = Literal["pool", "unit", "none"]
OnDeath = Literal["fail", "retry"]
LogFormat = Literal["text", "json"]

_FORK_WORKER: Final = ("poll_interval", "heartbeat_interval", "child_lifetime")
"""Keys of the block `fork_worker` of the Python 2 package that are called so here too."""


@dataclass(frozen=True)
class WorkerConfig:
    """What a `Supervisor` does. All times are in seconds.

    Raises ProgrammerError for a value that cannot be.
    """

    #: The block `coordinate` of the configuration file: where the server is.
    coordinate: Mapping[str, Any] = field(default_factory=lambda: {"address": DEFAULT_ADDRESS})
    #: How many processes run units.
    processes: int = field(default_factory=lambda: os.cpu_count() or 1)
    #: Only units of these work specs; None for all.
    work_spec_names: tuple[str, ...] | None = None
    #: Only units of specs whose `runtime` is one of these; "" for specs without one.
    runtimes: tuple[str, ...] = RUNTIMES
    #: Units that a process asks for at once.
    batch: int = 1
    #: Stop when there is no work left.
    burst: bool = False
    #: Stop after so long without work.
    max_idle: float | None = None
    #: Stop after so many units.
    limit_count: int | None = None
    #: Take no more units after so long.
    limit_seconds: float | None = None
    #: The lease of a unit; it is renewed while the unit runs.
    lease: float = 120.0
    #: The time limit of a unit, from its start or its last `update()`; a work spec may have its own
    #: as `timeout`.
    timeout: float = 900.0
    #: A process ends after so many units, and another takes its place.
    max_units: int | None = None
    #: The same, when it takes more than so many megabytes of memory after a unit.
    max_memory: float | None = None
    #: The same, after so long.
    child_lifetime: float | None = None
    #: "pool": processes that run many units. "unit": a process for each. "none": in this process.
    isolation: Isolation = "pool"
    #: What becomes of a unit whose process died under it.
    on_death: OnDeath = "fail"
    #: Modules that are imported once, before processes are started.
    preload: tuple[str, ...] = ()
    #: When told to stop: units that run longer than this are killed and given back.
    stop_timeout: float | None = None
    #: The longest wait between two looks for work.
    poll_interval: float = 1.0
    #: The time between two heartbeats.
    heartbeat_interval: float = 15.0
    #: One line, or one JSON object, for each event.
    log_format: LogFormat = "text"
    #: Where to; None for standard error.
    log_file: str | None = None
    log_level: int = logging.INFO
    #: Replace the processes when a file in this folder changes.
    watch: str | None = None

    def __post_init__(self) -> None:
        for name in ("processes", "batch", "lease", "timeout", "poll_interval"):
            if getattr(self, name) <= 0:
                raise ProgrammerError(f"{name} is more than 0, not {getattr(self, name)!r}")
        for name, values in (
            ("isolation", get_args(Isolation)),
            ("on_death", get_args(OnDeath)),
            ("log_format", get_args(LogFormat)),
        ):
            if getattr(self, name) not in values:
                raise ProgrammerError(f"{name} is one of {', '.join(values)}")

    @classmethod
    def from_file(cls, coordinate: Mapping[str, Any], **flags: Any) -> WorkerConfig:
        """What the block `coordinate` of a configuration file says, and flags, which win unless
        they are None.

        In the file: `default_lifetime`, the time limit; `worker_job_fetch`, the batch;
        `fork_worker`, a block with `num_workers`, `num_workers_per_core`, `poll_interval`,
        `heartbeat_interval` and `child_lifetime`; and `worker`, a block with any field of this
        class. Raises ProgrammerError.
        """
        if not coordinate.get("address") and not coordinate.get("addresses"):
            coordinate = {**coordinate, "address": DEFAULT_ADDRESS}
        found: dict[str, Any] = {"coordinate": coordinate}
        if coordinate.get("default_lifetime"):
            found["timeout"] = float(coordinate["default_lifetime"])
        if coordinate.get("worker_job_fetch"):
            found["batch"] = coordinate["worker_job_fetch"]
        fork_worker = coordinate.get("fork_worker") or {}
        if fork_worker.get("num_workers"):
            found["processes"] = fork_worker["num_workers"]
        elif fork_worker.get("num_workers_per_core"):
            cores = os.cpu_count() or 1
            found["processes"] = max(1, int(cores * fork_worker["num_workers_per_core"]))
        found.update({name: fork_worker[name] for name in _FORK_WORKER if fork_worker.get(name)})
        if fork_worker.get("debug_worker"):
            logger.warning("debug_worker has no effect: the log level and SIGUSR1 are in its place")
        own = coordinate.get("worker")
        if own and not isinstance(own, Mapping):
            logger.warning("worker: %r has no effect: there is one kind of worker", own)
        if isinstance(own, Mapping):
            found.update(own)
        found.update({name: value for name, value in flags.items() if value is not None})
        unknown = found.keys() - cls.__dataclass_fields__.keys()
        if unknown:
            raise ProgrammerError(f"worker: nobody knows {', '.join(sorted(unknown))}")
        for name in ("preload", "runtimes", "work_spec_names"):
            if found.get(name) is not None:
                found[name] = tuple(found[name])
        return cls(**found)
