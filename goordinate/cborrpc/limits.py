"""How much of the server one client may take, and how often each limit was reached.

Rule: a limit is a field of `Limits`, with its default.  Each time it is reached, a field of
`Counts` counts it, and there is one line in the log.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from .heads import MAX_DEPTH

MAX_FRAME: Final = 64 * 2**20
"""Bytes of the longest message that is taken, unless it is set otherwise."""


@dataclass(slots=True)
class Limits:
    """What a server takes from its clients.

    One object is shared by all that obey it: the dispatcher, the server, its connections, and a
    job server that has to know `max_answer`.  `change` changes it for all of them.

    max_frame: bytes of a message; also of all the answers to a batch.  max_depth: how deep
    arrays, maps and tags may be nested in a message, at most `heads.MAX_DEPTH`.  max_batch:
    requests in one list of requests.  max_connections: connections at once; None: any number.
    frame_timeout, answer_timeout: the timeouts, in seconds, of a frame that arrives and of an
    answer that is sent; `progress` has the rule.  max_buffered: bytes that partial frames and
    unread answers of all connections may take together.  max_answer: bytes of the answer to one
    call; a method whose answer can grow answers with as much as fits.  any_tags: whether what is
    stored may have tags that not all clients can read (`readable`).
    """

    max_frame: int = MAX_FRAME
    max_depth: int = MAX_DEPTH
    max_batch: int = 100_000
    max_connections: int | None = None
    frame_timeout: float = 60
    answer_timeout: float = 60
    max_buffered: int = 2**30
    max_answer: int = 256 * 2**20
    any_tags: bool = False

    def change(self, limits: Limits) -> None:
        """Take over all values of other limits."""
        for each in fields(self):
            setattr(self, each.name, getattr(limits, each.name))


ANSWERS: Final = Limits(max_frame=2**30, max_depth=MAX_DEPTH + 64)
"""What our client takes from a server.  One with the default limits sends less: the answer to a
batch is no longer than `max_frame`, one answer of `max_answer` and a work unit, and the errors for
the rest of the batch.  What clients store leaves room for the answer around it, so answers are
nested no deeper than requests may be.  Not every server sees to that, so the client takes more."""


@dataclass(slots=True)
class Counts:
    """What has happened since the server was started."""

    #: Connections that were served, including those still open.
    connections_accepted: int = 0
    #: Connections closed at once: more than `Limits.max_connections`.
    connections_refused: int = 0
    #: Connections closed at once: not from an allowed network.
    connections_denied: int = 0
    #: How often accepting paused because the system had no descriptor for a connection.
    accept_pauses: int = 0
    #: Connections closed because of bytes that are no frame.
    frames_malformed: int = 0
    #: Connections closed because of a frame over `Limits.max_frame`, answered with an error.
    frames_too_large: int = 0
    #: Connections closed because a frame arrived too slowly for `Limits.frame_timeout`.
    frames_unfinished: int = 0
    #: Connections closed because an answer was read too slowly for `Limits.answer_timeout`.
    answers_unread: int = 0
    #: Connections closed because all together took more than `Limits.max_buffered`.
    buffers_full: int = 0
    #: Messages that are not well-formed CBOR, answered with an error.
    messages_malformed: int = 0
    #: Messages nested deeper than `Limits.max_depth`, answered with an error.
    messages_too_deep: int = 0
    #: Lists of more requests than `Limits.max_batch`, answered with one error.
    batches_too_long: int = 0
    #: Lists of requests whose answers were over `Limits.max_frame`; the rest got errors.
    batches_cut: int = 0
    #: Calls that failed, and connections closed, by a fault of the server.
    internal_errors: int = 0
