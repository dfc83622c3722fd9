"""A unit of work, as a run function gets it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import Any, Final

from goordinate.cborrpc import DecodeError, Encoded, EncodeError

from .constants import AVAILABLE, FAILED, FINISHED, MAX_LEASE_SECONDS
from .exceptions import NoSuchWorkSpecError, checked_delay
from .forms import as_bytes, identical
from .functions import run_function
from .strings import RULES, Name
from .units import Change, Data
from .workers import WorkerCalls

logger = logging.getLogger(__name__)

_UNREAD: Final = object()


class WorkUnit:
    """A unit of a work spec: its key, its data, and what a worker may do with it.

    The data is what the run function reads and changes. It is sent, if it was changed, by each of
    `update`, `finish`, `fail` and `retry`. Units come from `TaskMaster.get_work`; `local` makes one
    without a server.
    """

    def __init__(
        self,
        taskmaster: WorkerCalls | None,
        work_spec_name: Name,
        key: Name,
        data: Data = None,
        worker_id: Name | None = None,
        expires: float | None = None,
        default_lease_time: float = 900,
    ) -> None:
        #: The TaskMaster that the unit came from; None for a local one.
        self.taskmaster = taskmaster
        self._rules = RULES["auto"] if taskmaster is None else taskmaster.rules
        #: The name of the work spec.
        self.work_spec_name: str = self._rules.name(work_spec_name)
        #: The key, as str; see `key_bytes`.
        self.key: str = self._rules.name(key)
        #: The worker that has the unit.
        self.worker_id: str | None = self._rules.name(worker_id)
        #: The Unix time at which the lease ends, if the server has told it.
        self.expires = expires
        #: Seconds from now to which `update` moves the lease.
        self.default_lease_time = default_lease_time
        #: Whether it was finished, failed or given back through this object.
        self.settled = False
        self._spec: Mapping[str, Any] | None = None
        # The data as the server has it. What the caller gives may have another form there.
        self._as_stored = isinstance(data, Encoded)
        self._stored: Encoded = data if isinstance(data, Encoded) else self._rules.write(data)
        self._data: Any = _UNREAD if self._as_stored else data

    @classmethod
    def local(cls, key: Name, data: Data = None, spec: Mapping[str, Any] | None = None) -> WorkUnit:
        """A unit that no server knows: what it is told, it only notes in `settled`."""
        spec = spec or {}
        unit = cls(None, spec.get("name", ""), key, data)
        unit.spec = spec
        return unit

    @property
    def key_bytes(self) -> bytes:
        """The bytes of the key, for one that is not text."""
        return as_bytes(self.key)

    @property
    def data(self) -> Data:
        """The data of the unit; any value that CBOR can hold, most often a dict."""
        if self._data is _UNREAD:
            self._data = self._rules.read(self._stored)
        return self._data

    @data.setter
    def data(self, value: Data) -> None:
        self._data = value

    @property
    def spec(self) -> Mapping[str, Any]:
        """The work spec, fetched when it is first needed. Raises NoSuchWorkSpecError."""
        if self._spec is None and self.taskmaster is not None:
            self._spec = self.taskmaster.get_work_spec(self.work_spec_name)
        if self._spec is None:
            raise NoSuchWorkSpecError(f"no such work spec {self.work_spec_name!r}")
        return self._spec

    @spec.setter
    def spec(self, value: Mapping[str, Any]) -> None:
        self._spec = value

    def __str__(self) -> str:
        return f"work unit {self.work_spec_name!r} {self.key!r} {self.data!r}"

    def __repr__(self) -> str:
        return (
            f"WorkUnit(work_spec_name={self.work_spec_name!r}, key={self.key!r},"
            f" worker_id={self.worker_id!r}, expires={self.expires!r},"
            f" default_lease_time={self.default_lease_time!r}, data={self.data!r})"
        )

    def update(self, lease_time: float | None = None) -> bool:
        """Send the data and keep the unit for `lease_time` more seconds, `default_lease_time` if
        None, a day at most. With 0 or less, give it back: it is available again.

        Returns False if the unit is gone, or another worker has it.
        """
        lease = self.default_lease_time if lease_time is None else lease_time
        if lease <= 0:
            return self.retry()
        return self._send(self.change(lease_time=min(lease, MAX_LEASE_SECONDS)))

    def finish(self) -> bool:
        """Send the data; the unit is finished. The `traceback` of an earlier failure leaves the
        data. Returns False if the unit is gone, or another worker has it."""
        return self.settle(self.finishing())

    def fail(self, exc: BaseException | str | None = None) -> bool:
        """Send the data; the unit has failed. If the data is a dict, it gets the traceback of
        `exc`, or the text, as `traceback`. Returns False if the unit is gone, or another worker
        has it."""
        return self.settle(self.failing(exc))

    def retry(self, delay: float = 0.0) -> bool:
        """Send the data; the unit is available again, after `delay` seconds. Returns False if the
        unit is gone, or another worker has it. Raises ValueError for a delay that is none."""
        return self.settle(self.retrying(delay))

    def run(self) -> Any:
        """Call the function that the work spec names, and finish the unit if it is not settled yet.

        Returns what the function does. Raises ProgrammerError if the spec names none, and what the
        function raises; then the unit is as it was.
        """
        result = run_function(self.spec)(self)
        if not self.settled:
            self.finish()
        return result

    def finishing(self) -> Change:
        """What `finish` sends, for `TaskMaster.update_work_units`."""
        if self._stored.find(b"traceback") >= 0 and isinstance(self.data, dict):
            earlier = self._rules.read(self._stored)
            for name in ("traceback", b"traceback") if isinstance(earlier, dict) else ():
                if name in self.data and earlier.get(name) == self.data[name]:
                    del self.data[name]
        return self.change(status=FINISHED)

    def retrying(self, delay: float = 0.0) -> Change:
        """What `retry` sends, for `TaskMaster.update_work_units`."""
        return self.change(status=AVAILABLE, delay=checked_delay(delay) or None)

    def failing(self, exc: BaseException | str | None = None) -> Change:
        """What `fail` sends, for `TaskMaster.update_work_units`. Data that cannot be sent is left
        as the server has it, but for the traceback."""
        if isinstance(exc, BaseException):
            lines = "".join(traceback.format_exception(exc))
            exc = lines.encode("utf-8", "backslashreplace").decode()
        if exc:
            self._note_failure(exc)
        try:
            return self.change(status=FAILED)
        except EncodeError as fault:
            logger.error("%s %r: its data is dropped: %s", self.work_spec_name, self.key, fault)
            self._data = _UNREAD
            if exc:
                self._note_failure(exc)
            return self.change(status=FAILED)

    def _note_failure(self, text: str) -> None:
        """Leave a traceback in the data; in the log, where the data has no place for it."""
        try:
            data = self.data
        except DecodeError as fault:
            logger.error("%s %r: its data is unreadable: %s", self.work_spec_name, self.key, fault)
            data = None
        if isinstance(data, dict):
            data["traceback"] = text
        else:
            logger.error("%s %r has failed: %s", self.work_spec_name, self.key, text)

    def change(self, **options: float | None) -> Change:
        """What is sent to have these options of `TaskMaster.update_work_unit` changed, with the
        data if it was changed, unless another worker has the unit."""
        changed = self._changed_data()
        return (
            self.work_spec_name,
            self.key,
            {**options, "data": changed, "holder": self.worker_id},
        )

    def _changed_data(self) -> Any:
        """The data, if it was changed: encoded, if the form in which it is stored is known."""
        if self._data is _UNREAD or identical(self._data, self._rules.read(self._stored)):
            return None
        if not self._as_stored or self.taskmaster is None:
            return self._data
        written = self.taskmaster.encoded(self.work_spec_name, self._data, self._stored)
        return None if written == self._stored else written

    def settle(self, change: Change) -> bool:
        """Send what `finishing`, `failing` or `change` has returned, with which the unit ends."""
        done = self._send(change)
        self.settled = True
        return done

    def _send(self, change: Change) -> bool:
        if self.taskmaster is None:
            return True
        done = self.taskmaster.update_work_units([change])[0]
        changed = change[2]["data"]
        if done and changed is not None:
            self._stored = changed if isinstance(changed, Encoded) else self._rules.write(changed)
        return done
