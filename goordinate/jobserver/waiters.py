"""Who waits for work: calls of get_work that found none, in the order in which they came.

Rule: a unit goes to the first call that can take it. Only that call is woken, and when it has been
answered the next one, as long as there is something to give. A call that comes meanwhile has its
turn after them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from time import monotonic

from goordinate.cborrpc.requests import Wait
from goordinate.coordinate.api import Namespace
from goordinate.coordinate.names import Name, identity

#: Seconds by which a call sleeps longer than until the change that it waits for.
_LATE = 0.001


class _Group:
    """Calls that can take the same units: those of some work specs (None: of all) that name one of
    some runtimes. The oldest first."""

    __slots__ = ("calls", "runtimes", "specs")

    def __init__(self, specs: frozenset[bytes] | None, runtimes: frozenset[bytes]) -> None:
        self.specs = specs
        self.runtimes = runtimes
        self.calls: OrderedDict[Waiter, None] = OrderedDict()

    def takes(self, spec: bytes, runtime: bytes) -> bool:
        """Whether its calls can take units of this work spec."""
        return runtime in self.runtimes and (self.specs is None or spec in self.specs)


class Waiter:
    """A call that waits for work."""

    __slots__ = ("end", "group", "number", "wait")

    def __init__(self, group: _Group, number: int, seconds: float) -> None:
        self.group = group
        #: Older calls have lower ones.
        self.number = number
        #: When it has waited long enough, on the clock of `time.monotonic`.
        self.end = monotonic() + seconds
        self.wait = Wait()


class Waiters:
    """The calls that wait for work in a namespace."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        #: The calls, the oldest first.
        self.calls: OrderedDict[Waiter, None] = OrderedDict()
        self._groups: dict[tuple[frozenset[bytes] | None, frozenset[bytes]], _Group] = {}
        # The groups that name a work spec, by its identity; those that name none, at None.
        self._naming: dict[bytes | None, dict[_Group, None]] = {}
        self._number = 0
        # When the oldest call wakes up because time alone may bring work.
        self._alarm = 0.0
        #: Work specs that have something for a call that waits, with their runtimes. The first such
        #: call has been woken.
        self.due: dict[bytes, bytes] = {}

    def enter(
        self, specs: Collection[Name] | None, runtimes: Collection[Name], seconds: float
    ) -> Waiter:
        """A call for units of these work specs (None or empty: all) that name one of these
        runtimes has found none, and waits for so long."""
        if not self.calls:
            self._namespace.watch(self._changed)
        names = frozenset(map(identity, specs)) if specs else None
        key = names, frozenset(map(identity, runtimes))
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(*key)
            for name in names or (None,):
                self._naming.setdefault(name, {})[group] = None
        self._number += 1
        waiter = Waiter(group, self._number, seconds)
        group.calls[waiter] = self.calls[waiter] = None
        return waiter

    def step(self, waiter: Waiter) -> Wait:
        """The next step of a call that has found nothing: it waits.

        The oldest call also wakes up when time alone may bring work. For all, not for itself.
        """
        group, wait = waiter.group, waiter.wait
        for spec in [spec for spec, runtime in self.due.items() if group.takes(spec, runtime)]:
            del self.due[spec]  # it was looked for
        wait.until = waiter.end
        if waiter is next(iter(self.calls)):
            self._alarm = monotonic() + self._namespace.next_change() + _LATE
            wait.until = min(wait.until, self._alarm)
        return wait

    def leave(self, waiter: Waiter) -> None:
        """A call is answered, or nobody waits for its answer any more."""
        oldest = waiter is next(iter(self.calls))
        del self.calls[waiter]
        group = waiter.group
        del group.calls[waiter]
        if not group.calls:
            del self._groups[group.specs, group.runtimes]
            for name in group.specs or (None,):
                naming = self._naming[name]
                del naming[group]
                if not naming:
                    del self._naming[name]
        if not self.calls:
            self._namespace.watch(None)
            self.due.clear()
            return
        for spec, runtime in list(self.due.items()):
            self._wake_first(spec, runtime)
        if oldest:
            next(iter(self.calls)).wait.wake()

    def _changed(self, spec: bytes, runtime: bytes, offers: bool) -> None:
        """A work spec has changed, and offers units or does not."""
        if not offers:
            self.due.pop(spec, None)
        elif spec not in self.due:
            self.due[spec] = runtime
            self._wake_first(spec, runtime)
        if monotonic() + self._namespace.next_change() + 2 * _LATE < self._alarm:
            next(iter(self.calls)).wait.wake()

    def _wake_first(self, spec: bytes, runtime: bytes) -> None:
        """Wake the oldest call that can take units of this work spec, if there is any."""
        first = [next(iter(group.calls)) for group in self._taking(spec, runtime)]
        if first:
            min(first, key=lambda waiter: waiter.number).wait.wake()
        else:
            del self.due[spec]

    def _taking(self, spec: bytes, runtime: bytes) -> Iterator[_Group]:
        for name in (spec, None):
            for group in self._naming.get(name, ()):
                if runtime in group.runtimes:
                    yield group
