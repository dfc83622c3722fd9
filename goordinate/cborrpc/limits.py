"""How much of the server one client may take, and the counts of how often each limit was met.

Rule: a limit is a field of `Limits`, with its default; what happens at it is counted by a field
of `Counts`, and by one line in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .heads import MAX_DEPTH

MAX_FRAME: Final = 64 * 2**20
"""The longest message, in bytes, that is taken unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes from its clients.

    max_frame: bytes of a message; also of all the answers to a batch.  max_depth: arrays, maps
    and tags that are nested in a message, at most `heads.MAX_DEPTH`.  max_batch: requests in one
    list of requests.  max_connections: connections at once; None: any number.  frame_timeout:
    seconds in which a frame that has begun must arrive whole.  answer_timeout: seconds in which
    an answer must be taken by the client.  max_buffered: bytes of such frames and answers of all
    connections together.
    """

    max_frame: int = MAX_FRAME
    max_depth: int = MAX_DEPTH
    max_batch: int = 100_000
    max_connections: int | None = None
    frame_timeout: float = 60
    answer_timeout: float = 60
    max_buffered: int = 2**30


@dataclass(slots=True)
class Counts:
    """What has happened since the server was made."""

    #: Connections that were served, those still open included.
    connections_accepted: int = 0
    #: Connections closed at once: more than `Limits.max_connections`.
    connections_refused: int = 0
    #: Connections closed at once: from where nobody may connect.
    connections_denied: int = 0
    #: Times that accepting paused because the system had no descriptor for a connection.
    accept_pauses: int = 0
    #: Connections closed because bytes came that are no frame.
    frames_malformed: int = 0
    #: Connections closed because of a frame over `Limits.max_frame`.
    frames_too_large: int = 0
    #: Connections closed because a frame was not whole in `Limits.frame_timeout`.
    frames_unfinished: int = 0
    #: Connections closed because an answer was not taken in `Limits.answer_timeout`.
    answers_unread: int = 0
    #: Connections closed because all together held more than `Limits.max_buffered`.
    buffers_full: int = 0
    #: Messages that are not well-formed CBOR, answered with an error.
    messages_malformed: int = 0
    #: Messages nested deeper than `Limits.max_depth`, answered with an error.
    messages_too_deep: int = 0
    #: Lists of more requests than `Limits.max_batch`, answered with one error.
    batches_too_long: int = 0
    #: Lists of requests whose answers were over `Limits.max_frame`; the rest got errors.
    batches_cut: int = 0
    #: Calls that failed by a fault of the server.
    internal_errors: int = 0
