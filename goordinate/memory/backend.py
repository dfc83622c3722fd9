"""The backend: all namespaces, in memory."""

from __future__ import annotations

from goordinate.coordinate import api, attempt_data
from goordinate.coordinate.clock import Clock
from goordinate.coordinate.journal import Journal, NoJournal
from goordinate.memory.chores import Chores
from goordinate.memory.namespace import MemoryNamespace

#: Steps of the chores that `tidy` takes.
TIDIED_AT_ONCE = 20


class MemoryBackend(api.Backend):
    """All namespaces, in memory; what changes is told to `journal`."""

    def __init__(self, clock: Clock, journal: Journal | None = None) -> None:
        self._clock = clock
        self._journal = NoJournal() if journal is None else journal
        self._namespaces: dict[str, MemoryNamespace] = {}
        self._chores = Chores()
        self._attempt_data = attempt_data.DEFAULT_BUDGET

    def namespace(self, name: str) -> MemoryNamespace:
        namespace = self._namespaces.get(name)
        if namespace is None:
            namespace = MemoryNamespace(
                name, self._clock, self._journal, self._forget, self._chores
            )
            namespace.attempt_data = self._attempt_data
            self._namespaces[name] = namespace
        return namespace

    def find_namespace(self, name: str) -> api.Namespace | None:
        return self._namespaces.get(name)

    def namespaces(self) -> list[api.Namespace]:
        return [self._namespaces[name] for name in sorted(self._namespaces)]

    def _forget(self, name: str) -> None:
        """A namespace has been destroyed."""
        del self._namespaces[name]

    def keep(self, journal: Journal) -> None:
        """Tell the changes from now on to `journal`."""
        self._journal = journal
        for namespace in self._namespaces.values():
            namespace.keep(journal)

    def summarize(self) -> list[api.Summary]:
        return [summary for namespace in self.namespaces() for summary in namespace.summarize()]

    def tidy(self) -> bool:
        for namespace in list(self._namespaces.values()):
            namespace.now()  # what has run out has run out
        self._chores.work(TIDIED_AT_ONCE)
        return bool(self._chores)

    def bound_attempt_data(self, size: int) -> None:
        self._attempt_data = size
        for namespace in self._namespaces.values():
            namespace.attempt_data = size

    @property
    def must_settle(self) -> bool:
        return not isinstance(self._journal, NoJournal)

    def settle(self) -> None:
        self._journal.settle()

    def health(self) -> api.Health:
        return api.Health(None, {})

    def close(self) -> None:
        """Nothing is open."""
