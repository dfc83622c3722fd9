"""The workers: who lives, who holds which unit, whose children they are, what they did."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable
from typing import Any

from sortedcontainers import SortedDict

from goordinate.cborrpc.tags import Tag
from goordinate.coordinate.journal import WorkerRecord
from goordinate.coordinate.names import Name, identity
from goordinate.memory.chores import Chores, freeing
from goordinate.memory.deadlines import Deadlines

#: Workers without units that are remembered after they are gone, or that never said they live.
INACTIVE_WORKERS_KEPT = 1000

#: Bytes that these workers' names and what they said of themselves may take together.
INACTIVE_BYTES_KEPT = 8 * 2**20

#: Past attempts kept for each worker.
WORKER_ATTEMPTS_KEPT = 100

#: Bytes that the names of specs and units in them may take.
WORKER_ATTEMPTS_BYTES = 32 * 2**10

#: A name that is no longer than this cannot make them take more.
_SHORT = WORKER_ATTEMPTS_BYTES // WORKER_ATTEMPTS_KEPT

#: A unit: the identity of its spec, and its key.
Place = tuple[bytes, bytes]

#: An attempt: spec, key, number.
Attempt = tuple[bytes, bytes, int]


class Worker:
    """What is known of a worker. One that only asked for work, and never said that it lives, has
    no record."""

    __slots__ = ("held", "history", "lapsed", "name", "record", "since", "size")

    def __init__(self, name: Name) -> None:
        #: The name as it was first seen: one object for all its attempts.
        self.name = name
        self.record: WorkerRecord | None = None
        #: Bytes of its name and, once it is gone, of what it said of itself.
        self.size = sys.getsizeof(name)
        #: Since when it has been active.
        self.since = 0.0
        #: The units it holds, and the numbers of its attempts on them. Some may be gone that were
        #: deleted with many others: no other attempt of the spec has their numbers.
        self.held: dict[Place, int] = {}
        #: The units on which its lease ran out, which nobody has had since: when it did, and the
        #: number of the attempt. Only those of an active worker: the others have no parent that
        #: could ask for them. Some may be gone, as above.
        self.lapsed: dict[Place, tuple[float, int]] = {}
        #: Its past attempts, in the order of their ends.
        self.history: deque[Attempt] = deque(maxlen=WORKER_ATTEMPTS_KEPT)


class Workers:
    """All workers of a namespace. Deadlines of theirs have no spec: (None, identity)."""

    def __init__(self, deadlines: Deadlines[Any], chores: Chores) -> None:
        self._deadlines = deadlines
        self._chores = chores
        self._known: dict[bytes, Worker] = {}
        self._live: Any = SortedDict()  # identity -> Worker, the active ones
        # The others, but for those that hold units, the longest gone first; the size of each.
        self._inactive: dict[bytes, int] = {}
        self._inactive_size = 0
        self._children: dict[bytes, dict[bytes, None]] = {}  # parent -> active children

    def find(self, name: Name) -> Worker | None:
        """The worker of this name, alive or not."""
        return self._known.get(identity(name))

    def name_of(self, name: Name) -> Name:
        """The name in the form in which it was first seen."""
        worker = self._known.get(identity(name))
        return name if worker is None else worker.name

    def live(self) -> list[Worker]:
        """Those that are active, by name."""
        return list(self._live.values())

    def children(self, parent: Name) -> list[Worker]:
        """The active workers that named this one as their parent."""
        return [self._live[key] for key in self._children.get(identity(parent), ())]

    @property
    def live_count(self) -> int:
        """How many are active."""
        return len(self._live)

    @property
    def parents_count(self) -> int:
        """How many have active children."""
        return len(self._children)

    def apply(self, record: WorkerRecord) -> None:
        """Put a worker's record in place of the present one."""
        key = identity(record.name)
        worker = self._known.get(key)
        if worker is None:
            worker = self._known[key] = Worker(record.name)
        before, worker.record = worker.record, record
        if before is not None and before.active:
            self._deadlines.discard((None, key), before.expiration)
            self._leave_parent(key, before)
        self._inactive_size -= self._inactive.pop(key, 0)
        if record.active:
            if before is None or not before.active:
                worker.since = record.last_update
            self._live[key] = worker
            self._deadlines.add((None, key), record.expiration)
            if record.parent is not None:
                self._children.setdefault(identity(record.parent), {})[key] = None
        else:
            self._live.pop(key, None)
            if worker.lapsed:
                self._chores.add(freeing(worker.lapsed))
                worker.lapsed = {}
            worker.size = sum(map(_size, (worker.name, record.data, record.mode, record.parent)))
            if not worker.held:
                self._remember(key, worker)

    def hold(self, name: Name, place: Place, number: int) -> None:
        """The worker holds a unit from now on. Who holds one is not forgotten."""
        key = identity(name)
        worker = self._known.get(key)
        if worker is None:
            worker = self._known[key] = Worker(name)
        elif not worker.held:
            self._inactive_size -= self._inactive.pop(key, 0)
        elif place in worker.held:
            del worker.held[place]  # it is the last to come, not a unit of that name that is gone
        worker.held[place] = number

    def release(self, name: Name, place: Place, number: int) -> None:
        """The worker no longer holds a unit, on which its attempt had this number."""
        key = identity(name)
        worker = self._known[key]
        del worker.held[place]
        worker.history.append((*place, number))
        if len(place[0]) + len(place[1]) > _SHORT:
            _shorten(worker.history)
        if not worker.held and key not in self._live:
            self._remember(key, worker)

    def recall(self, name: Name, attempts: Iterable[Attempt]) -> None:
        """The worker had these attempts, the oldest first."""
        key = identity(name)
        worker = self._known.get(key)
        if worker is None:
            worker = self._known[key] = Worker(name)
        worker.history.extend(attempts)
        _shorten(worker.history)
        self._inactive_size -= self._inactive.pop(key, 0)
        if not worker.held and key not in self._live:
            self._remember(key, worker)

    def drop(self, name: Name, place: Place, number: int) -> None:
        """A unit is gone on which the worker's attempt had this number."""
        key = identity(name)
        worker = self._known.get(key)
        if worker is None or worker.held.get(place) != number:
            return
        del worker.held[place]
        if not worker.held and key not in self._live:
            self._remember(key, worker)

    def lapse(self, name: Name, place: Place, end: float, number: int, lapsed_at: float) -> bool:
        """The worker's lease on a unit ran out at `end`; whether that is kept. `lapsed_at`: when
        that was seen, if it was before this operation; else infinite."""
        worker = self._live.get(identity(name))
        if worker is None or worker.since >= lapsed_at:
            return False
        worker.lapsed[place] = (end, number)
        return True

    def forget_lapse(self, name: Name, place: Place, number: int) -> None:
        """The unit has changed or is gone since the worker's lease on it ran out."""
        worker = self._known.get(identity(name))
        if worker is not None and worker.lapsed.get(place, (0, None))[1] == number:
            del worker.lapsed[place]

    def _leave_parent(self, key: bytes, record: WorkerRecord) -> None:
        if record.parent is not None:
            parent = identity(record.parent)
            siblings = self._children[parent]
            del siblings[key]
            if not siblings:
                del self._children[parent]

    def _remember(self, key: bytes, worker: Worker) -> None:
        """The worker is gone, and holds nothing. The longest gone are forgotten for it."""
        inactive = self._inactive
        inactive[key] = worker.size
        self._inactive_size += worker.size
        while self._inactive_size > INACTIVE_BYTES_KEPT or len(inactive) > INACTIVE_WORKERS_KEPT:
            oldest = next(iter(inactive))
            self._inactive_size -= inactive.pop(oldest)
            del self._known[oldest]


def _size(value: object) -> int:
    """The bytes of memory of what a worker said."""
    size = sys.getsizeof(value)
    if isinstance(value, tuple | frozenset):
        size += sum(map(_size, value))
    elif isinstance(value, Tag):
        size += _size(value.value)
    return size


def _shorten(history: deque[Attempt]) -> None:
    """Forget the oldest attempts, so that the names in the others take no more than they may."""
    size, kept = 0, 0
    for spec, key, _ in reversed(history):
        size += len(spec) + len(key)
        if size > WORKER_ATTEMPTS_BYTES:
            break
        kept += 1
    while len(history) > kept:
        history.popleft()
