"""A durable backend that is closed and opened again before a call.

So whatever a call does must be in the file, and be the same when it comes back. To open it takes
some milliseconds, so of many calls only some come after an opening.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from goordinate.coordinate import api
from goordinate.coordinate.errors import Gone

#: Calls that each come after an opening; later every so many do.
FIRST, LATER = 25, 300


class _Namespace:
    """Stands for a namespace of the backend that is open at the time of a call."""

    def __init__(self, backend: ReopenedBackend, name: str) -> None:
        self._backend = backend
        self.name = name
        self._gone = False

    def __getattr__(self, call: str) -> Callable[..., Any]:
        if not callable(getattr(api.Namespace, call, None)):
            raise AttributeError(call)

        def run(*arguments: Any, **options: Any) -> Any:
            if self._gone:
                raise Gone
            namespace = self._backend.reopen().namespace(self.name)
            result = getattr(namespace, call)(*arguments, **options)
            self._gone = call == "destroy"
            if call == "watch":
                self._backend.watchers[self.name] = arguments[0]
            return result

        return run


class ReopenedBackend(api.Backend):
    """See above; `start` opens the backend, each time on the same file and clock."""

    def __init__(self, start: Callable[[], api.Backend]) -> None:
        self._start = start
        self._backend = start()
        self._calls = 0
        #: Those who watch, by the names of the namespaces: they begin anew after each opening.
        self.watchers: dict[str, api.Watcher | None] = {}
        self._attempt_data: int | None = None

    def reopen(self) -> api.Backend:
        """Close the backend, and open it again, or not."""
        self._calls += 1
        if self._calls > FIRST and self._calls % LATER:
            return self._backend
        self._backend.close()
        self._backend = self._start()
        if self._attempt_data is not None:
            self._backend.bound_attempt_data(self._attempt_data)
        for name, watcher in self.watchers.items():
            self._backend.namespace(name).watch(watcher)
        return self._backend

    def namespace(self, name: str) -> Any:
        return _Namespace(self, name)

    def namespaces(self) -> list[api.Namespace]:
        return [self.namespace(each.name) for each in self.reopen().namespaces()]

    def summarize(self) -> list[api.Summary]:
        return self.reopen().summarize()

    def bound_attempt_data(self, size: int) -> None:
        self._attempt_data = size
        self.reopen()

    def settle(self) -> None:
        self._backend.settle()

    def health(self) -> api.Health:
        return self._backend.health()

    def close(self) -> None:
        self._backend.close()
