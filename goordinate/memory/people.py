"""The calls on workers and on locks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from goordinate.coordinate import api, locks
from goordinate.coordinate.journal import LocksChange, WorkerChange, WorkerRecord
from goordinate.coordinate.locks import Decided, Lock, LockChanges, Path
from goordinate.coordinate.names import Name, identity
from goordinate.coordinate.records import NUMBER, Record
from goordinate.memory.spec import Spec
from goordinate.memory.store import Store
from goordinate.memory.workers import Place, Worker


class PeopleCalls(Store):
    """What workers say of themselves, what is told of them, and what they lock."""

    def heartbeat(
        self, name: Name, *, mode: object, data: bytes | None, lifetime: float, parent: Name | None
    ) -> None:
        now = self._catch_up()
        record = WorkerRecord(
            name=self._workers.name_of(name),
            mode=mode,
            data=data,
            last_update=now,
            expiration=now + lifetime,
            active=True,
            parent=parent,
        )
        self.make([WorkerChange(record)])

    def deactivate_worker(self, name: Name) -> bool:
        self._catch_up()
        worker = self._workers.find(name)
        if worker is None or worker.record is None or not worker.record.active:
            return False
        self.make([WorkerChange(worker.record.inactive())])
        return True

    def set_parent(self, name: Name, parent: Name | None) -> None:
        self._catch_up()
        worker = self._workers.find(name)
        if worker is None or worker.record is None:
            record = WorkerRecord(self._workers.name_of(name), "", None, 0.0, 0.0, False, parent)
        else:
            record = replace(worker.record, parent=parent)
        self.make([WorkerChange(record)])

    def get_worker(self, name: Name) -> api.WorkerState | None:
        self._catch_up()
        worker = self._workers.find(name)
        return None if worker is None else self._worker_state(worker)

    def workers(self) -> list[api.WorkerState]:
        self._catch_up()
        return [self._worker_state(worker) for worker in self._workers.live()]

    def count_workers(self) -> api.WorkerCounts:
        self._catch_up()
        return api.WorkerCounts(self._workers.live_count, self._workers.parents_count)

    def children(self, parent: Name) -> list[api.WorkerState]:
        self._catch_up()
        return [self._worker_state(worker) for worker in self._workers.children(parent)]

    def held_by_children(self, parent: Name) -> list[tuple[Name, list[api.Held]]]:
        self._catch_up()
        return [(child.name, self._held(child)) for child in self._workers.children(parent)]

    def _held(self, worker: Worker) -> list[api.Held]:
        held = []
        self._note_what_lapsed(worker)
        for place, number in worker.held.items():
            spec, record = self._place(place, number)
            if spec is not None and record is not None:
                unit = self._unit_state(place[1], record)
                held.append(api.Held(spec.name, unit, unit.expiration))
        for place, (end, number) in worker.lapsed.items():
            spec, record = self._place(place, number)
            if spec is not None and record is not None:
                unit = self._unit_state(place[1], record)
                held.append(api.Held(spec.name, unit, self._unix(end)))
        return held

    def _note_what_lapsed(self, worker: Worker) -> None:
        """Note those of a worker's units that lapsed with many others as they are."""
        keys: dict[bytes, list[bytes]] = {}
        for spec_id, key in worker.held:
            keys.setdefault(spec_id, []).append(key)
        for spec_id in keys.keys() & self._specs.keys():
            self._note_lapsed(self._specs[spec_id], keys[spec_id])

    def _place(self, place: Place, number: int) -> tuple[Spec | None, Record | None]:
        """The spec and the unit on which a worker's attempt had this number, if they are there."""
        spec = self._specs.get(place[0])
        record = None if spec is None else spec.units.find(place[1])
        return spec, None if record is None or record[NUMBER] != number else record

    def worker_attempts(self, name: Name) -> list[api.AttemptState]:
        self._catch_up()
        worker = self._workers.find(name)
        if worker is None:
            return []
        self._note_what_lapsed(worker)
        places = dict.fromkeys([*((spec, key) for spec, key, _ in worker.history), *worker.held])
        wanted = {api.AttemptId(*ended) for ended in worker.history}
        attempts: list[api.AttemptState] = []
        for spec_id, key in places:
            spec = self._specs.get(spec_id)
            record = None if spec is None else spec.units.find(key)
            if record is None:
                continue
            held = worker.held.get((spec_id, key)) == record[NUMBER]
            for state in self._attempt_states(spec, key, record):
                if state.id in wanted or (state.active and held):
                    attempts.append(state)
        return sorted(attempts, key=lambda attempt: attempt.start_time)

    def _worker_state(self, worker: Worker) -> api.WorkerState:
        record = worker.record
        if record is None:
            return api.WorkerState(worker.name, False, "", None, 0.0, 0.0, None)
        return api.WorkerState(
            name=worker.name,
            active=record.active,
            mode=record.mode,
            data=record.data,
            last_update=self._unix(record.last_update) if record.last_update else 0.0,
            expiration=self._unix(record.expiration),
            parent=record.parent,
        )

    # --- locks ---------------------------------------------------------------------------------

    def lock(self, owner: Name, paths: Sequence[Path], timeout: float) -> Path | None:
        lock = Lock(owner, self._current_locks() + timeout)
        return self._decided(locks.lock_all(self._locks, paths, lock))

    def lock_some(self, owner: Name, paths: Sequence[Path], timeout: float) -> list[bool]:
        lock = Lock(owner, self._current_locks() + timeout)
        changes, locked = locks.lock_some(self._locks, paths, lock)
        self._change_locks(changes)
        return locked

    def renew_locks(self, owner: Name, paths: Sequence[Path], timeout: float) -> Path | None:
        lock = Lock(owner, self._current_locks() + timeout)
        return self._decided(locks.renew(self._locks, paths, lock))

    def unlock(self, owner: Name, paths: Sequence[Path]) -> Path | None:
        self._current_locks()
        return self._decided(locks.unlock(self._locks, paths, owner))

    def lock_owners(self, paths: Sequence[Path]) -> list[Name | None]:
        self._current_locks()
        held = map(self._locks.get, paths)
        return [None if lock is None else lock.owner for lock in held]

    def delete_locks(self, prefix: Name) -> int:
        self._current_locks()
        changes = self._locks.under(identity(prefix))
        self._change_locks(changes)
        return len(changes)

    def _current_locks(self) -> float:
        """Now; the locks whose time is over by then are gone."""
        now = self._catch_up()
        self._change_locks(self._locks.due(now))
        return now

    def _decided(self, decided: Decided) -> Path | None:
        self._change_locks(decided.changes)
        return decided.refused

    def _change_locks(self, changes: LockChanges) -> None:
        if changes:
            self.make([LocksChange(changes)])
