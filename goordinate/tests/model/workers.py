"""The model's RPCs of workers."""

from __future__ import annotations

from collections import Counter
from typing import Any

from goordinate.tests.model.reading import Name, key_of, number
from goordinate.tests.model.world import DONE, MESSAGE, PENDING, Worker, World

#: Seconds of life: the most that are given, what is given in place of more, and of less than none.
LONGEST_LIFE, INSTEAD_OF_MORE, INSTEAD_OF_NEGATIVE = 86_400, 3600, 300


class WorkerRules(World):
    """Workers."""

    def worker_heartbeat(
        self, worker: Name, mode: Any, expire_seconds: Any, data: Any, parent: Name | None
    ) -> Any:
        life, message = number(expire_seconds), None
        if life < 0 or life > LONGEST_LIFE:
            life, message = (INSTEAD_OF_NEGATIVE if life < 0 else INSTEAD_OF_MORE), MESSAGE
        # An empty name of a parent is none.
        above = key_of(parent) if parent else None
        self.workers[self.see(worker)] = Worker(mode, data, above, self.time + life)
        return True, message

    def worker_unregister(self, worker: Name) -> Any:
        if key_of(worker) not in self.workers:
            return False, MESSAGE
        del self.workers[key_of(worker)]
        return DONE

    def list_worker_modes(self) -> Any:
        return {self.worker_names[key]: one.mode for key, one in self.workers.items()}, None

    def get_worker_info(self, worker: Name) -> Any:
        known = self.workers.get(key_of(worker))
        return None if known is None else known.data, None

    def mode_counts(self) -> Any:
        # A mode that is a string is the same as bytes and as text, and shown as the first worker
        # by name has it.
        modes = [self.workers[key].mode for key in sorted(self.workers)]
        same = [key_of(mode) if isinstance(mode, bytes | str) else mode for mode in modes]
        shown = dict(reversed(list(zip(same, modes, strict=True))))
        return {shown[mode]: count for mode, count in Counter(same).items()}, None

    def get_child_work_units(self, worker: Name) -> Any:
        children = [key for key, one in self.workers.items() if one.parent == key_of(worker)]
        return {self.worker_names[child]: self._held(child) for child in children}, None

    def _held(self, worker: bytes) -> list[dict[bytes, Any]]:
        held = []
        for spec in self.specs.values():
            for unit in spec.units.values():
                end = unit.when
                if unit.status != PENDING or unit.worker != worker:
                    if unit.lapsed is None or unit.lapsed[0] != worker:
                        continue
                    end = unit.lapsed[1]  # nobody has had it since
                held.append(
                    {
                        b"work_spec_name": spec.name,
                        b"work_unit_key": unit.name,
                        b"work_unit_data": unit.data,
                        b"worker_id": self.worker_names[worker],
                        b"expires": self.unix(end),
                    }
                )
        return held

    def worker_stats(self) -> Any:
        parents = {one.parent for one in self.workers.values()} - {None}
        live = len(self.workers)
        return {b"num_workers": live, b"num_children": len(parents), b"num_expirable": live}
