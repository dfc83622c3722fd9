"""RPCs on the daemon itself: its configuration and its clock."""

from __future__ import annotations

from collections.abc import Callable

from goordinate.cborrpc.messages import Method


class DaemonCalls:
    """The RPCs that tell of the daemon."""

    def __init__(self, now: Callable[[], float], configuration: Callable[[], object]) -> None:
        self._now = now
        self._configuration = configuration

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        return [Method("get_config", self.get_config, ()), Method("now", self.now, ())]

    def get_config(self) -> object:
        """The whole effective configuration."""
        return self._configuration(), None

    def now(self) -> object:
        """The Unix time in seconds."""
        return float(self._now())
