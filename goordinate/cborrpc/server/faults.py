"""Why a connection ends."""

from __future__ import annotations

from ..errors import FrameError


class FrameUnfinished(FrameError):
    """A frame arrived too slowly."""

    def __init__(self, timeout: float) -> None:
        super().__init__(f"a frame arrives too slowly, the timeout is {timeout:g} s")


class AnswerUnread(Exception):
    """The client read an answer too slowly."""

    def __init__(self, timeout: float) -> None:
        super().__init__(f"an answer is read too slowly, the timeout is {timeout:g} s")


class Unsettled(Exception):
    """What calls did could not be made safe, so their answers are not sent."""


class Stopping(Exception):
    """Raised in a connection that waits for requests when the server stops."""
