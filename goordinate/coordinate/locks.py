"""Hierarchical locks: who holds which path until when.

A path is a tuple of parts. It can be locked if nobody holds it, a prefix of it, or anything below
it. A lock that is not renewed in time is gone. The functions decide; `LockTree.apply` changes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from goordinate.coordinate.names import Name, identity

Path = tuple[bytes, ...]


class Lock(NamedTuple):
    """A lock: who holds it, and when it ends (moment of the backend's clock, seconds)."""

    owner: Name
    expires: float


#: Path -> its lock from now on; None: it is free.
LockChanges = Mapping[Path, Lock | None]


class _Node:
    """A prefix of locked paths; `lock` if it is locked itself, and the number of that lock."""

    __slots__ = ("below", "lock", "number")

    def __init__(self) -> None:
        self.below: dict[bytes, _Node] = {}
        self.lock: Lock | None = None
        self.number = 0


class LockTree:
    """The locks: a tree with a node for each prefix of a locked path, and nothing else."""

    def __init__(self) -> None:
        self._root = _Node()
        self._held: dict[Path, _Node] = {}
        # Each lock put has a number of its own.
        self._paths: dict[int, Path] = {}
        self._last_number = 0
        # A heap of ends and numbers. Locks that were renewed or removed leave theirs behind for a
        # while, but not their paths, which may be long.
        self._ends: list[tuple[float, int]] = []

    def get(self, path: Path) -> Lock | None:
        """The lock on exactly this path."""
        node = self._held.get(path)
        return None if node is None else node.lock

    def is_free(self, path: Path) -> bool:
        """Whether nobody holds the path, a prefix of it, or anything below it."""
        node = self._root
        for part in path:
            following = node.below.get(part)
            if following is None:
                return True
            if following.lock is not None:
                return False
            node = following
        return False  # the node is there because something below it is locked

    def due(self, now: float) -> LockChanges:
        """The locks whose time is over at `now`, to be freed. Costs what they are."""
        due: dict[Path, Lock | None] = {}
        waiting = [0]  # places in the heap; below one that is not due nothing is
        while waiting:
            place = waiting.pop()
            if place < len(self._ends) and self._ends[place][0] <= now:
                path = self._paths.get(self._ends[place][1])
                if path is not None:
                    due[path] = None
                waiting += (2 * place + 1, 2 * place + 2)
        return due

    def under(self, part: bytes) -> LockChanges:
        """All locks on paths that begin with `part`, to be freed."""
        found: dict[Path, Lock | None] = {}
        start = self._root.below.get(part)
        waiting: list[tuple[Path, _Node]] = [((part,), start)] if start is not None else []
        while waiting:
            path, node = waiting.pop()
            if node.lock is not None:
                found[path] = None
            waiting.extend(((*path, below), child) for below, child in node.below.items())
        return found

    def apply(self, changes: LockChanges) -> None:
        """Make the changes."""
        for path, lock in changes.items():
            if lock is None:
                self._remove(path)
            else:
                self._put(path, lock)
        ends, paths = self._ends, self._paths
        while ends and ends[0][1] not in paths:
            heapq.heappop(ends)
        if len(ends) > 2 * len(paths) + 100:
            self._ends = [end for end in ends if end[1] in paths]
            heapq.heapify(self._ends)

    def _put(self, path: Path, lock: Lock) -> None:
        node = self._root
        for part in path:
            node = node.below.setdefault(part, _Node())
        self._paths.pop(node.number, None)
        self._last_number += 1
        node.lock, node.number = lock, self._last_number
        self._held[path] = node
        self._paths[node.number] = path
        heapq.heappush(self._ends, (lock.expires, node.number))

    def _remove(self, path: Path) -> None:
        """Unlock a locked path, and drop the nodes that held only it."""
        held = self._held.pop(path)
        held.lock = None
        del self._paths[held.number]
        nodes = [self._root]
        for part in path:
            nodes.append(nodes[-1].below[part])
        for part in reversed(path):
            node = nodes.pop()
            if node.below or node.lock is not None:
                return
            del nodes[-1].below[part]


class Decided(NamedTuple):
    """What a call on locks does: nothing but name the path that is in the way, or the changes."""

    changes: LockChanges
    refused: Path | None = None


def lock_all(tree: LockTree, paths: Iterable[Path], lock: Lock) -> Decided:
    """Lock all the paths or none."""
    asked = LockTree()  # two paths of one call may be in each other's way
    changes: dict[Path, Lock | None] = {}
    for path in paths:
        if not (tree.is_free(path) and asked.is_free(path)):
            return Decided({}, path)
        asked.apply({path: lock})
        changes[path] = lock
    return Decided(changes)


def lock_some(tree: LockTree, paths: Sequence[Path], lock: Lock) -> tuple[LockChanges, list[bool]]:
    """Lock the paths that can be; for each path, whether it was."""
    asked = LockTree()
    changes: dict[Path, Lock | None] = {}
    locked = []
    for path in paths:
        free = tree.is_free(path) and asked.is_free(path)
        locked.append(free)
        if free:
            asked.apply({path: lock})
            changes[path] = lock
    return changes, locked


def renew(tree: LockTree, paths: Sequence[Path], lock: Lock) -> Decided:
    """Give all the paths another end, or none, if the owner does not hold them all."""
    refused = _not_held(tree, paths, lock.owner)
    return Decided({}, refused) if refused is not None else Decided(dict.fromkeys(paths, lock))


def unlock(tree: LockTree, paths: Sequence[Path], owner: Name) -> Decided:
    """Free all the paths, or none, if the owner does not hold them all."""
    refused = _not_held(tree, paths, owner)
    return Decided({}, refused) if refused is not None else Decided(dict.fromkeys(paths, None))


def _not_held(tree: LockTree, paths: Iterable[Path], owner: Name) -> Path | None:
    """The first of the paths that `owner` does not hold."""
    for path in paths:
        lock = tree.get(path)
        if lock is None or identity(lock.owner) != identity(owner):
            return path
    return None
