"""RPCs of hierarchical locks (from the Go daemon): lock, locksome, renew, unlock, readlock.

A key is a path: a list or tuple of parts. A path can be locked if neither it, nor a prefix of
it, nor anything below it is locked. A lock that is not renewed in time is gone. Locks are kept
in a tree that has a node for each prefix of a locked path and nothing else.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from goordinate.cborrpc.decode import opaque_item, read_list
from goordinate.cborrpc.errors import DecodeError
from goordinate.cborrpc.requests import Method, Parameter
from goordinate.cborrpc.tags import Encoded
from goordinate.coordinate.names import Name, identity, printable
from goordinate.jobserver.answers import DONE, message
from goordinate.jobserver.options import MAX_NAMES, name, names, seconds

DEFAULT_TIMEOUT = 60.0
MAX_TIMEOUT = 1_000_000.0

#: How much of a path a message shows.
SHOWN_PARTS = 20

Path = tuple[bytes, ...]


class _Node:
    """A prefix of locked paths; `owner` if it is locked itself."""

    __slots__ = ("below", "expires", "owner")

    def __init__(self) -> None:
        self.below: dict[bytes, _Node] = {}
        self.owner: Name | None = None
        self.expires = 0.0


class LockTree:
    """Who holds which path until when (seconds)."""

    def __init__(self) -> None:
        self._root = _Node()
        self._held: dict[Path, _Node] = {}
        self._ends: list[tuple[float, Path]] = []  # a heap; renewed locks leave entries behind

    def end(self, now: float) -> None:
        """Drop the locks whose time is over at `now`."""
        while self._ends and self._ends[0][0] <= now:
            expires, path = heapq.heappop(self._ends)
            node = self._held.get(path)
            if node is not None and node.expires == expires:
                self.remove(path)

    def owner(self, path: Path) -> Name | None:
        """Who holds exactly this path."""
        node = self._held.get(path)
        return None if node is None else node.owner

    def is_free(self, path: Path) -> bool:
        """Whether nobody holds it, a prefix of it, or anything below it."""
        node = self._root
        for part in path:
            following = node.below.get(part)
            if following is None:
                return True
            if following.owner is not None:
                return False
            node = following
        return False  # the node is there because something below it is locked

    def put(self, path: Path, owner: Name, expires: float) -> None:
        """Lock a free path, or move the end of a lock."""
        node = self._root
        for part in path:
            node = node.below.setdefault(part, _Node())
        node.owner, node.expires = owner, expires
        self._held[path] = node
        heapq.heappush(self._ends, (expires, path))
        if len(self._ends) > 2 * len(self._held) + 100:
            self._ends = [(node.expires, path) for path, node in self._held.items()]
            heapq.heapify(self._ends)

    def remove(self, path: Path) -> None:
        """Unlock a locked path, and drop the nodes that held only it."""
        self._held.pop(path).owner = None
        nodes = [self._root]
        for part in path:
            nodes.append(nodes[-1].below[part])
        for part in reversed(path):
            node = nodes.pop()
            if node.below or node.owner is not None:
                return
            del nodes[-1].below[part]

    def under(self, part: bytes) -> list[Path]:
        """The locked paths that begin with `part`."""
        found: list[Path] = []
        start = self._root.below.get(part)
        waiting: list[tuple[Path, _Node]] = [((part,), start)] if start is not None else []
        while waiting:
            path, node = waiting.pop()
            if node.owner is not None:
                found.append(path)
            waiting.extend(((*path, below), child) for below, child in node.below.items())
        return found


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
    """The RPCs of locks; `now` gives the time in seconds, on a clock that never jumps."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._tree = LockTree()

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
        expires = self._expiry(timeout)
        taken: list[Path] = []
        for key in keys:
            if not self._tree.is_free(key.path):
                for path in taken:
                    self._tree.remove(path)
                return False, message(f"cannot lock {_printable(key.path)}: it is locked")
            self._tree.put(key.path, locker_id, expires)
            taken.append(key.path)
        return DONE

    def locksome(self, locker_id: Name, timeout: float, keys: list[LockRequest]) -> object:
        """Lock the paths that can be; → ([path or None, ..], None)."""
        expires = self._expiry(timeout)
        locked: list[Encoded | None] = []
        for key in keys:
            free = self._tree.is_free(key.path)
            if free:
                self._tree.put(key.path, locker_id, expires)
            locked.append(Encoded(key.item) if free else None)
        return locked, None

    def renew(self, locker_id: Name, timeout: float, keys: list[LockRequest]) -> object:
        """Give all the paths a new time, or none, if the locker does not hold them all."""
        expires = self._expiry(timeout)
        refused = self._not_held(locker_id, keys)
        if refused is not None:
            return False, message(f"cannot renew {_printable(refused)}: not locked by the caller")
        for key in keys:
            self._tree.put(key.path, locker_id, expires)
        return DONE

    def unlock(self, locker_id: Name, keys: list[LockRequest]) -> object:
        """Unlock all the paths, or none, if the locker does not hold them all."""
        self._tree.end(self._now())
        refused = self._not_held(locker_id, keys)
        if refused is not None:
            return False, message(f"cannot unlock {_printable(refused)}: not locked by the caller")
        for path in {key.path for key in keys}:
            self._tree.remove(path)
        return DONE

    def readlock(self, keys: list[LockRequest]) -> object:
        """[owner or None, ..]; no pair."""
        self._tree.end(self._now())
        return [self._tree.owner(key.path) for key in keys]

    def delete_namespace(self, prefix: Name) -> object:
        """Drop all locks whose first part is `prefix`; no pair."""
        for path in self._tree.under(identity(prefix)):
            self._tree.remove(path)
        return 0

    def _expiry(self, timeout: float) -> float:
        """When a lock for `timeout` seconds ends; 0 is the default."""
        now = self._now()
        self._tree.end(now)
        return now + min(timeout or DEFAULT_TIMEOUT, MAX_TIMEOUT)

    def _not_held(self, locker_id: Name, keys: Iterable[LockRequest]) -> Path | None:
        """The first of the paths that the locker does not hold."""
        for key in keys:
            owner = self._tree.owner(key.path)
            if owner is None or identity(owner) != identity(locker_id):
                return key.path
        return None


def _printable(path: Path) -> str:
    shown = [printable(part) for part in path[:SHOWN_PARTS]]
    return f"[{', '.join(shown)}{', ...' if len(path) > SHOWN_PARTS else ''}]"
