"""The model's RPCs of locks: a dictionary of paths, looked through from end to end."""

from __future__ import annotations

from typing import Any

from goordinate.tests.model.reading import Name, key_of, number
from goordinate.tests.model.world import DONE, MESSAGE, Lock, World

Path = tuple[bytes, ...]

DEFAULT_TIMEOUT, MAX_TIMEOUT = 60, 1_000_000


def path_of(key: Any) -> Path:
    """The path that a list or tuple of parts names."""
    return tuple(key_of(part) for part in key)


class LockRules(World):
    """Locks."""

    def lock(self, locker: Name, timeout: Any, keys: Any) -> Any:
        before = dict(self.locks)
        for key in keys:
            if not self._take(locker, timeout, key):
                self.locks = before
                return False, MESSAGE
        return DONE

    def locksome(self, locker: Name, timeout: Any, keys: Any) -> Any:
        return [key if self._take(locker, timeout, key) else None for key in keys], None

    def _take(self, locker: Name, timeout: Any, key: Any) -> bool:
        """Lock a path, if neither it, nor a prefix of it, nor anything below it is locked."""
        path = path_of(key)
        for other in self.locks:
            shorter = min(len(path), len(other))
            if path[:shorter] == other[:shorter]:
                return False
        self.locks[path] = Lock(locker, self._until(timeout))
        return True

    def _until(self, timeout: Any) -> float:
        return self.time + min(number(timeout) or DEFAULT_TIMEOUT, MAX_TIMEOUT)

    def _holds(self, locker: Name, keys: Any) -> bool:
        held = [self.locks.get(path_of(key)) for key in keys]
        return all(lock is not None and key_of(lock.owner) == key_of(locker) for lock in held)

    def renew(self, locker: Name, timeout: Any, keys: Any) -> Any:
        if not self._holds(locker, keys):
            return False, MESSAGE
        for key in keys:
            self.locks[path_of(key)] = Lock(locker, self._until(timeout))
        return DONE

    def unlock(self, locker: Name, keys: Any) -> Any:
        if not self._holds(locker, keys):
            return False, MESSAGE
        for key in keys:
            self.locks.pop(path_of(key), None)
        return DONE

    def readlock(self, keys: Any) -> Any:
        locks = [self.locks.get(path_of(key)) for key in keys]
        return [None if lock is None else lock.owner for lock in locks]

    def delete_namespace(self, prefix: Name) -> Any:
        first = key_of(prefix)
        self.locks = {path: lock for path, lock in self.locks.items() if path[0] != first}
        return 0
