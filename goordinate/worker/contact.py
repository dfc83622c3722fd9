"""The supervisor and the server: calls that wait for no server, and how often it is tried."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, TypeVar

from goordinate.cborrpc import CBORError, RemoteError

logger = logging.getLogger(__name__)

_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0

T = TypeVar("T")


class Contact:
    """Whether the server answers. `server`: its name in the log."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._wait = _FIRST_WAIT
        self._away = False
        #: No call is worth trying before this time, by the monotonic clock.
        self.next_try = 0.0

    def attempt(self, call: Callable[[], T]) -> T | None:
        """What a call returns; None if the server does not answer, which is told once."""
        try:
            result = call()
        except OSError as fault:
            if not self._away:
                logger.warning("no answer from the server %s, waiting: %s", self._server, fault)
            self._away = True
            self.next_try = time.monotonic() + self._wait
            self._wait = min(_LONGEST_WAIT, 2 * self._wait)
            return None
        except (RemoteError, CBORError) as fault:
            logger.error("the server %s refuses a call: %s", self._server, fault)
            self.next_try = time.monotonic() + self._wait
            return None
        if self._away:
            logger.info("the server %s answers again", self._server)
        self._away = False
        self._wait = _FIRST_WAIT
        return result
