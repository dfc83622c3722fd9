"""The model: every RPC as a client may understand it from the documentation.

It works on values and not on bytes, with dictionaries and linear scans, and shares no code with
the server. It takes calls that are right; that a wrong one is refused is for the tests to see.
An answer has `MESSAGE` where there is a message, in whatever words.
"""

from __future__ import annotations

from typing import Any

from goordinate.tests.jobserver.rpc import CONFIGURATION, STATS
from goordinate.tests.model.locks import LockRules
from goordinate.tests.model.specs import SpecRules
from goordinate.tests.model.units import UnitRules
from goordinate.tests.model.work import WorkRules
from goordinate.tests.model.workers import WorkerRules


class Model(SpecRules, UnitRules, WorkRules, WorkerRules, LockRules):
    """All RPCs on one world."""

    def call(self, method: str, params: list[Any], answer: Any) -> Any:
        """The answer to a call; that of the server is looked at where the rules leave a choice."""
        self.end_what_is_over()
        seen = {"answer": answer} if method == "get_work" else {}
        return getattr(self, method)(*params, **seen)

    def get_config(self) -> Any:
        return CONFIGURATION, None

    def now(self) -> Any:
        return self.unix(self.time)

    def server_stats(self) -> Any:
        return {name.encode(): count for name, count in STATS.items()}
