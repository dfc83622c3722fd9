"""RPCs on the daemon itself: its configuration, its clock, and what it has met."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from goordinate.cborrpc.requests import Method
from goordinate.coordinate.api import Namespace


class DaemonCalls:
    """The RPCs that tell of the daemon."""

    def __init__(
        self,
        namespace: Namespace,
        configuration: Callable[[], object],
        stats: Callable[[], Mapping[str, int]],
    ) -> None:
        self._namespace = namespace
        self._configuration = configuration
        self._stats = stats

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        return [
            Method("get_config", self.get_config, ()),
            Method("now", self.now, ()),
            Method("server_stats", self.server_stats, ()),
        ]

    def get_config(self) -> object:
        """The whole effective configuration."""
        return self._configuration(), None

    def now(self) -> object:
        """The Unix time in seconds."""
        return self._namespace.now()

    def server_stats(self) -> object:
        """{what: how many}: open connections, and how often each limit was met; no pair."""
        return {name.encode(): count for name, count in self._stats().items()}
