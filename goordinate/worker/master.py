"""The connection of a child: results go out and units come in, in one list of requests."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from goordinate.cborrpc import Client, Encoded, RemoteError
from goordinate.cborrpc.decode import decode_item, opaque_item
from goordinate.client import TaskMaster, WorkUnit, answers
from goordinate.client.constants import RUN
from goordinate.client.units import Change

from .config import WorkerConfig

logger = logging.getLogger(__name__)

LIFETIME: Final = 60.0
"""Seconds without a heartbeat after which the server forgets a worker."""


class Refused(NamedTuple):
    """A change that the server answers with an error."""

    change: Change
    error: RemoteError


class Exchange(NamedTuple):
    """What came back: the changes that were refused, and new units."""

    refused: Sequence[Refused]
    units: Sequence[WorkUnit]


class ChildMaster(TaskMaster):
    """The TaskMaster of a child. The run functions use it too."""

    def __init__(self, config: WorkerConfig, worker_id: str, client: Client | None = None) -> None:
        super().__init__(config.coordinate, client=client)
        self.worker_id = worker_id
        self._options = config
        self._specs: dict[str, tuple[bytes, Mapping[str, Any]]] = {}
        self._last_spec: str | None = None
        #: Called with each change that a run function makes, before it is sent.
        self.notice: Callable[[Change], None] = lambda change: None

    def update_work_units(self, changes: Iterable[Change]) -> list[bool]:
        """As in TaskMaster."""
        changes = list(changes)
        for change in changes:
            self.notice(change)
        return super().update_work_units(changes)

    def exchange(self, changes: Sequence[Change], max_units: int, wait: float = 0.0) -> Exchange:
        """Make the changes, and get at most `max_units` units, in one message.

        wait: seconds for which the server may wait for a unit. Raises OSError if there is no
        answer, RemoteError if the server refuses the message as a whole.
        """
        calls = list(self._updates(changes))
        if max_units:
            call, _, lease = self._get_work(
                str(self.worker_id),
                None,
                self._options.lease,
                self._options.work_spec_names,
                max_units,
                self._options.runtimes,
                wait,
            )
            calls.append(call)
            if self._last_spec is not None:
                # Asked for after the units: it is the spec under which they were given.
                calls.append(("get_work_spec", (self._send(self._last_spec),)))
        answered = self.client.call_many(calls, read=opaque_item, wait=wait)
        refused = [
            Refused(change, answer)
            for change, answer in zip(changes, answered, strict=False)
            if isinstance(answer, RemoteError)
        ]
        if not max_units:
            return Exchange(refused, ())
        found, *spec = answered[len(changes) :]
        if isinstance(found, RemoteError):
            raise found
        return Exchange(refused, self._taken(found, max_units, lease, spec))

    def _taken(
        self, found: bytes, max_units: int, lease: float, spec: Sequence[Any]
    ) -> list[WorkUnit]:
        """The units of an answer, with their work spec."""
        read = answers.ONE_UNIT if max_units == 1 else answers.MANY_UNITS
        rows, _ = answers.take(read, found)
        units = self._units([rows] if max_units == 1 else rows, str(self.worker_id), lease)
        if units:
            name = units[0].work_spec_name
            fresh = spec[0] if spec and name == self._last_spec else None
            # Without it, the unit asks for its spec when it runs, and fails if there is none.
            with contextlib.suppress(OSError, RemoteError):
                work_spec = self._spec(name, None if isinstance(fresh, RemoteError) else fresh)
                if work_spec is not None:
                    for unit in units:
                        unit.spec = work_spec
            self._last_spec = name
        return units

    def _spec(self, name: str, answer: bytes | None) -> Mapping[str, Any] | None:
        """The work spec of units that came; answer: how it came with them, if it did. None if it is
        gone."""
        stored: bytes | None
        stored = self._stored_spec(name) if answer is None else answers.take(answers.SPEC, answer)
        if stored is None:
            return None
        known = self._specs.get(name)
        if known is None or known[0] != stored:
            if len(self._specs) > 100:
                self._specs.clear()
            known = self._specs[name] = (stored, self.rules.read(stored))
            self._remember(name, stored)
        return known[1]

    def holds(self, unit: WorkUnit) -> tuple[Any, Any]:
        """The name of a unit as it is sent."""
        return self._send(unit.work_spec_name), self._send(unit.key)


class SupervisorMaster(TaskMaster):
    """The TaskMaster of a supervisor: it waits for no server."""

    def __init__(self, config: WorkerConfig, timeout: float) -> None:
        super().__init__({**config.coordinate, "retries": 0}, timeout=timeout)

    def call_all(self, calls: Iterable[tuple[str, Sequence[object]]]) -> list[Any]:
        """The results of calls in one message; RemoteError for one that fails."""
        return self.client.call_many(calls, read=decode_item)

    def heartbeat_call(
        self, worker_id: str, environment: Any, parent: str | None
    ) -> tuple[str, Sequence[object]]:
        """The call that is a heartbeat."""
        told: Encoded = self.rules.write(environment)
        return "worker_heartbeat", (worker_id, RUN, LIFETIME, told, parent)

    def keep_alive(self, changes: Sequence[Change]) -> list[bool]:
        """Renew leases. False for a unit that is gone, or that another worker has."""
        told = self.call_all(self._updates(changes))
        return [isinstance(answer, RemoteError) or bool(answer[0]) for answer in told]
