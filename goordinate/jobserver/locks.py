"""RPCs of hierarchical locks (from the Go daemon): lock, locksome, renew, unlock, readlock.

A key is a path: a list or tuple of parts. The rules are in `coordinate.locks`.
"""

from __future__ import annotations

from goordinate.cborrpc.decode import opaque_item, read_list
from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.errors import DecodeError
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.requests import Method, Parameter
from goordinate.cborrpc.tags import Encoded
from goordinate.coordinate.api import Namespace
from goordinate.coordinate.locks import Path
from goordinate.coordinate.names import Name, identity, printable
from goordinate.jobserver.answers import DONE, bounded, message, plain_list
from goordinate.jobserver.options import MAX_NAMES, name, names, seconds

DEFAULT_TIMEOUT = 60.0
MAX_TIMEOUT = 1_000_000.0

#: How much of a path a message shows.
SHOWN_PARTS = 20


class LockRequest:
    """A path as asked for: its identity, and its CBOR as it came."""

    __slots__ = ("item", "path")

    def __init__(self, path: Path, item: bytes) -> None:
        self.path = path
        self.item = item


def lock_path(buf: bytes, pos: int, depth: int) -> tuple[LockRequest, int]:
    """The reader of a path: a list or tuple of at least one part."""
    parts, end = names(buf, pos, depth)
    if not parts:
        raise DecodeError("expected a path of at least one part", pos)
    return LockRequest(tuple(map(identity, parts)), opaque_item(buf, pos, depth)[0]), end


def lock_paths(buf: bytes, pos: int, depth: int) -> tuple[list[LockRequest], int]:
    """The reader of a list of paths."""
    paths, end = read_list(buf, pos, depth, lock_path, MAX_NAMES)
    if sum(len(path.path) for path in paths) > MAX_NAMES:
        raise DecodeError(f"paths of more than {MAX_NAMES} parts", pos)
    return paths, end


class LockCalls:
    """The RPCs of locks on one namespace."""

    def __init__(self, namespace: Namespace, limits: Limits) -> None:
        self._namespace = namespace
        self._limits = limits

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        locker, timeout = Parameter("locker_id", name), Parameter("timeout", seconds)
        keys = Parameter("keys", lock_paths)
        return [
            Method("lock", self.lock, (locker, timeout, keys)),
            Method("locksome", self.locksome, (locker, timeout, keys)),
            Method("renew", self.renew, (locker, timeout, keys)),
            Method("unlock", self.unlock, (locker, keys)),
            Method("readlock", self.readlock, (keys,)),
            Method("delete_namespace", self.delete_namespace, (Parameter("prefix", name),)),
        ]

    def lock(self, locker_id: Name, timeout: float, keys: list[LockRequest]) -> object:
        """Lock all the paths or none."""
        refused = self._namespace.lock(locker_id, _paths(keys), _timeout(timeout))
        if refused is not None:
            return False, message(f"cannot lock {_printable(refused)}: it is locked")
        return DONE

    def locksome(self, locker_id: Name, timeout: float, keys: list[LockRequest]) -> object:
        """Lock the paths that can be; → ([path or None, ..], None)."""
        locked = self._namespace.lock_some(locker_id, _paths(keys), _timeout(timeout))
        pairs = zip(keys, locked, strict=True)
        return [Encoded(key.item) if taken else None for key, taken in pairs], None

    def renew(self, locker_id: Name, timeout: float, keys: list[LockRequest]) -> object:
        """Give all the paths a new time, or none, if the locker does not hold them all."""
        refused = self._namespace.renew_locks(locker_id, _paths(keys), _timeout(timeout))
        if refused is not None:
            return False, message(f"cannot renew {_printable(refused)}: not locked by the caller")
        return DONE

    def unlock(self, locker_id: Name, keys: list[LockRequest]) -> object:
        """Unlock all the paths, or none, if the locker does not hold them all."""
        refused = self._namespace.unlock(locker_id, _paths(keys))
        if refused is not None:
            return False, message(f"cannot unlock {_printable(refused)}: not locked by the caller")
        return DONE

    def readlock(self, keys: list[LockRequest]) -> object:
        """[owner or None, ..]; no pair."""
        owners = map(dumps, self._namespace.lock_owners(_paths(keys)))
        return plain_list(bounded(owners, self._limits.max_answer))

    def delete_namespace(self, prefix: Name) -> object:
        """Drop all locks whose first part is `prefix`; no pair."""
        self._namespace.delete_locks(prefix)
        return 0


def _paths(keys: list[LockRequest]) -> list[Path]:
    return [key.path for key in keys]


def _timeout(timeout: float) -> float:
    """The seconds of a lock; 0 is the default."""
    return min(timeout or DEFAULT_TIMEOUT, MAX_TIMEOUT)


def _printable(path: Path) -> str:
    shown = [printable(part) for part in path[:SHOWN_PARTS]]
    return f"[{', '.join(shown)}{', ...' if len(path) > SHOWN_PARTS else ''}]"
