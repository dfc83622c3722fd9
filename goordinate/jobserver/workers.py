"""RPCs on workers: heartbeats, modes, what children hold."""

from __future__ import annotations

from typing import Any

from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.heads import NULL
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.requests import Method, Parameter
from goordinate.cborrpc.tags import Encoded
from goordinate.coordinate.api import Held, Namespace
from goordinate.coordinate.errors import NoSuchWorker
from goordinate.coordinate.names import Name, identity
from goordinate.jobserver.answers import DONE, message, too_large, whole
from goordinate.jobserver.options import name, number, optional_name
from goordinate.jobserver.stored import StoredReaders

#: Seconds of life given in place of a negative time, and in place of more than a day.
INSTEAD_OF_NEGATIVE = 300
INSTEAD_OF_HUGE = 3600
LONGEST_LIFE = 24 * 3600

WORKER_ID = Parameter("worker_id", name)


class WorkerCalls:
    """The RPCs of workers on one namespace."""

    def __init__(self, namespace: Namespace, limits: Limits) -> None:
        self._namespace = namespace
        self._limits = limits

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        stored = StoredReaders(self._limits)
        return [
            Method(
                "worker_heartbeat",
                self.worker_heartbeat,
                (
                    WORKER_ID,
                    Parameter("mode", stored.mode),
                    Parameter("expire_seconds", number),
                    Parameter("data", stored.item),
                    Parameter("parent", optional_name),
                ),
            ),
            Method("worker_unregister", self.worker_unregister, (WORKER_ID,)),
            Method("list_worker_modes", self.list_worker_modes, ()),
            Method("get_worker_info", self.get_worker_info, (WORKER_ID,)),
            Method("mode_counts", self.mode_counts, ()),
            Method("get_child_work_units", self.get_child_work_units, (WORKER_ID,)),
            Method("worker_stats", self.worker_stats, ()),
        ]

    def worker_heartbeat(
        self, worker_id: Name, mode: object, expire_seconds: float, data: bytes, parent: Name | None
    ) -> object:
        """Register a worker or refresh it; → (True, what was wrong with the time, or None)."""
        note = None
        if expire_seconds < 0:
            note = f"negative expire_seconds {expire_seconds} set to {INSTEAD_OF_NEGATIVE}"
            expire_seconds = INSTEAD_OF_NEGATIVE
        elif expire_seconds > LONGEST_LIFE:
            note = f"expire_seconds {expire_seconds} is over a day, set to {INSTEAD_OF_HUGE}"
            expire_seconds = INSTEAD_OF_HUGE
        self._namespace.heartbeat(
            worker_id, mode=mode, data=data, lifetime=expire_seconds, parent=parent or None
        )
        return True, None if note is None else message(note)

    def worker_unregister(self, worker_id: Name) -> object:
        """The worker is gone."""
        if not self._namespace.deactivate_worker(worker_id):
            return False, message(NoSuchWorker(worker_id))
        return DONE

    def list_worker_modes(self) -> object:
        """{worker id: mode} of the live workers."""
        modes = {worker.name: worker.mode for worker in self._namespace.workers()}
        return whole((modes, None), self._limits.max_answer)

    def get_worker_info(self, worker_id: Name) -> object:
        """What the worker said of itself with its last heartbeat."""
        worker = self._namespace.get_worker(worker_id)
        if worker is None or not worker.active:
            return None, None
        return Encoded(worker.data or NULL), None

    def mode_counts(self) -> object:
        """{mode: number of live workers}."""
        counts: dict[Any, int] = {}
        forms: dict[Any, Any] = {}  # the same mode as bytes and as text is one mode
        for worker in self._namespace.workers():
            mode: Any = worker.mode
            same = identity(mode) if isinstance(mode, bytes | str) else mode
            form = forms.setdefault(same, mode)
            counts[form] = counts.get(form, 0) + 1
        return whole((counts, None), self._limits.max_answer)

    def get_child_work_units(self, worker_id: Name) -> object:
        """{child id: [what it holds, ..]} of the live children of a worker.

        No unit is left out. Data that no longer fits, but for the first unit's, is null.
        """
        room = self._limits.max_answer
        children = self._namespace.held_by_children(worker_id)
        without_data = sum(
            len(dumps(_held(child, held, NULL))) for child, units in children for held in units
        )
        if without_data > room:
            raise too_large(room)
        left = room - without_data
        answer: dict[Name, list[dict[bytes, object]]] = {}
        first = True
        for child, units in children:
            answer[child] = items = []
            for held in units:
                data = held.unit.data
                fits = first or len(data) <= left
                left -= len(data) if fits else 0
                items.append(_held(child, held, data if fits else NULL))
                first = False
        return answer, None

    def worker_stats(self) -> object:
        """How many workers there are; no pair."""
        live, parents = self._namespace.count_workers()
        return {b"num_workers": live, b"num_children": parents, b"num_expirable": live}


def _held(child: Name, held: Held, data: bytes) -> dict[bytes, object]:
    return {
        b"work_spec_name": held.work_spec,
        b"work_unit_key": held.unit.name,
        b"work_unit_data": Encoded(data),
        b"worker_id": child,
        b"expires": held.expires,
    }
