"""The client of a job server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any, Final, Literal, overload

from goordinate.cborrpc import Encoded, dumps
from goordinate.cborrpc.decode import decode_item, opaque_item

from . import answers, constants
from .constants import MAX_LEASE_SECONDS
from .forms import as_text
from .strings import Name
from .units import Change
from .work_unit import WorkUnit
from .workers import WorkerCalls


class TaskMaster(WorkerCalls):
    """The client of a job server: every call on work specs, work units and workers.

    config: the address of the server, "host:port", or a map, the block `coordinate` of the
    configuration file. Of it are read: `address` ("host:port", or a pair), or one of `addresses`,
    drawn by chance; `retries` (5), how often a call is tried again after the connection has failed;
    `base_retry_seconds` (0.5), the wait before the first retry, which doubles with each;
    `default_lifetime` (900), the seconds for which `get_work` asks; `python2_strings`, if true the
    same as strings="python2". strings: see docs/strings.md. timeout: seconds that a call may take
    without progress. client: the connection, if not one of its own.

    Raises ProgrammerError if the configuration names no server, ValueError if its address is none.
    A call raises `cborrpc.RemoteError` if the server answers with an error, OSError if the
    connection fails and all retries fail, and EncodeError if a value cannot be sent.

    Only one thread may use it at a time. It is a context manager that closes its connection; after
    `close` the next call opens another.
    """

    RUN: Final = constants.RUN
    IDLE: Final = constants.IDLE
    TERMINATE: Final = constants.TERMINATE
    AVAILABLE: Final = constants.AVAILABLE
    BLOCKED: Final = constants.BLOCKED
    PENDING: Final = constants.PENDING
    FINISHED: Final = constants.FINISHED
    FAILED: Final = constants.FAILED

    @overload
    def get_work(
        self,
        worker_id: Name,
        available_gb: float | None = ...,
        lease_time: float | None = ...,
        work_spec_names: Sequence[Name] | None = ...,
        max_jobs: Literal[1] | None = ...,
        *,
        runtimes: Sequence[str] | None = ...,
        wait: float = ...,
    ) -> WorkUnit | None: ...

    @overload
    def get_work(
        self,
        worker_id: Name,
        available_gb: float | None = ...,
        lease_time: float | None = ...,
        work_spec_names: Sequence[Name] | None = ...,
        max_jobs: int = ...,
        *,
        runtimes: Sequence[str] | None = ...,
        wait: float = ...,
    ) -> list[WorkUnit]: ...

    def get_work(
        self,
        worker_id: Name,
        available_gb: float | None = None,
        lease_time: float | None = None,
        work_spec_names: Sequence[Name] | None = None,
        max_jobs: int | None = 1,
        *,
        runtimes: Sequence[str] | None = None,
        wait: float = 0.0,
    ) -> Any:
        """Units for a worker to work on, all of one work spec.

        One unit, or None if there is none; with a `max_jobs` other than 1 a list of at most as
        many.

        available_gb: no effect. lease_time: seconds for which they are the worker's, None for
        `default_lifetime`. work_spec_names: only units of these. runtimes: only of specs whose
        `runtime` is one of these, "" for specs without one; None for only those. wait: seconds, 60
        at most, for which a goordinate server waits for a unit when it has none; others answer at
        once.

        Raises ValueError for a value of the wrong type, or a lease of more than a day.
        """
        call, one, lease = self._get_work(
            worker_id, available_gb, lease_time, work_spec_names, max_jobs, runtimes, wait
        )
        read = answers.ONE_UNIT if one else answers.MANY_UNITS
        found, _ = self.client.call(call[0], *call[1], read=read, wait=wait)
        units = self._units([found] if one else found, worker_id, lease)
        if one:
            return units[0] if units else None
        return units

    def update_and_get_work(
        self,
        changes: Iterable[Change],
        worker_id: Name,
        *,
        max_jobs: int = 1,
        lease_time: float | None = None,
        work_spec_names: Sequence[Name] | None = None,
        runtimes: Sequence[str] | None = None,
    ) -> tuple[list[bool], list[WorkUnit]]:
        """What `update_work_units` and then `get_work` return, in one message."""
        call, one, lease = self._get_work(
            worker_id, None, lease_time, work_spec_names, max_jobs, runtimes, 0.0
        )
        *answered, last = self._call_many([*self._updates(changes), call], read=opaque_item)
        found, _ = answers.take(answers.ONE_UNIT if one else answers.MANY_UNITS, last)
        done = [bool(answers.take(decode_item, answer)[0]) for answer in answered]
        return done, self._units([found] if one else found, worker_id, lease)

    def get_child_work_units(self, worker_id: Name) -> dict[str, list[WorkUnit]]:
        """{child: what it holds} of the live workers whose parent this one is; idle ones are left
        out. The lease of a unit may be over."""
        held, _ = self.client.call("get_child_work_units", self._send(worker_id))
        return {
            self.rules.name(child): [self._held(unit) for unit in units]
            for child, units in held.items()
            if units
        }

    def _get_work(
        self,
        worker_id: Name,
        available_gb: float | None,
        lease_time: float | None,
        work_spec_names: Sequence[Name] | None,
        max_jobs: int | None,
        runtimes: Sequence[str] | None,
        wait: float,
    ) -> tuple[tuple[str, Sequence[object]], bool, float]:
        """The call, whether its answer is one unit, and the seconds of the lease."""
        lease = self.default_lifetime if lease_time is None else lease_time
        if lease > MAX_LEASE_SECONDS:
            raise ValueError(f"a lease is at most {MAX_LEASE_SECONDS} seconds")
        # Without `wait` a server may wait for as long as it is configured to.
        options: dict[str, Any] = {"lease_time": lease, "wait": wait}
        if work_spec_names is not None:
            options["work_spec_names"] = self._send_all(work_spec_names)
        if available_gb is not None:
            if not isinstance(available_gb, Real):
                raise ValueError(f"available_gb is a number, not {available_gb!r}")
            options["available_gb"] = available_gb
        if max_jobs is not None:
            if not isinstance(max_jobs, int):
                raise ValueError(f"max_jobs is an integer, not {max_jobs!r}")
            options["max_jobs"] = max_jobs
        if runtimes is not None:
            options["runtimes"] = list(runtimes)
        call = ("get_work", (self._send(worker_id), options))
        return call, max_jobs is None or max_jobs == 1, lease

    def _units(self, found: Iterable[Any], worker_id: Name, lease: float) -> list[WorkUnit]:
        return [
            WorkUnit(self, spec, key, Encoded(data), worker_id, default_lease_time=lease)
            for spec, key, data in found
            if spec is not None and key is not None
        ]

    def _held(self, unit: dict[Any, Any]) -> WorkUnit:
        fields = {as_text(name): value for name, value in unit.items()}
        return WorkUnit(
            self,
            fields["work_spec_name"],
            fields["work_unit_key"],
            Encoded(dumps(fields["work_unit_data"])),
            fields.get("worker_id"),
            fields.get("expires"),
        )
