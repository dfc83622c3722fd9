"""Framing under trial: a stream gives the same messages however it is cut, or the same FrameError.

Rule: what the messages are is told by reading item after item with the codec.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from fuzzing.inputs import Messages, Streams, cut
from fuzzing.run import ensure
from goordinate.cborrpc.decode import read_string, skip_item
from goordinate.cborrpc.errors import DecodeError, FrameError
from goordinate.cborrpc.framing import FrameReader
from goordinate.cborrpc.heads import ARRAY, BYTES, MAP, MAX_DEPTH, TAG, read_argument
from goordinate.cborrpc.limits import MAX_FRAME, Limits
from goordinate.cborrpc.tags import EMBEDDED

LIMITS: Final = ((MAX_FRAME, MAX_DEPTH), (MAX_FRAME, MAX_DEPTH), (300, 5))
"""The longest message and the deepest nesting that are taken, of which one pair is chosen."""


@dataclass(frozen=True)
class Fed:
    """What a reader gave."""

    messages: list[bytes]
    fault: str
    pending: int


class Framing:
    """The target."""

    name = "framing"
    lifetime = 1000

    def __init__(self, rng: Random) -> None:
        self.counts: Counter[str] = Counter()
        self._messages = Messages(rng)
        self._streams = Streams(self._messages)

    def make(self) -> bytes:
        """A stream."""
        return self._streams.stream()

    def renew(self) -> None:
        """There is nothing to forget."""

    def attempt(self, data: bytes) -> None:
        """Feed the stream in several ways; which, and with what limits, is told by the stream."""
        rng = Random(zlib.crc32(data))
        limits = rng.choice(LIMITS)
        whole = feed([data], *limits)
        self.counts["inputs"] += 1
        self.counts["bytes"] += len(data)
        self.counts["messages"] += len(whole.messages)
        self.counts["FrameError"] += bool(whole.fault)
        step = 1 if len(data) < 1000 else 97
        ways: list[Sequence[int]] = [range(0, len(data), step)]
        ways += [sorted(rng.choices(range(len(data) + 1), k=rng.randint(1, 8))) for _ in range(2)]
        for cuts in ways:
            pieces = list(cut(data, cuts))
            fed = feed(pieces, *limits)
            same = (fed.messages, fed.fault) == (whole.messages, whole.fault)
            ensure(same, "the pieces make a difference", [piece.hex() for piece in pieces])
            ensure(bool(fed.fault) or fed.pending == whole.pending, "pending differs", fed.pending)
        expected, done = read_all(data, *limits)
        same = (
            whole == Fed(expected, "", 0) if done else whole.messages[: len(expected)] == expected
        )
        ensure(same, "other messages than the codec reads", whole)
        self._messages.learn(data, f"{len(expected)}{done}{whole.fault.partition(', at')[0]}")

    def settle(self) -> None:
        """It leaves nothing behind."""

    def close(self) -> None:
        """There is nothing to end."""


def feed(pieces: Sequence[bytes], max_frame: int, max_depth: int) -> Fed:
    """What a new reader makes of the pieces, up to its fault."""
    reader = FrameReader(Limits(max_frame=max_frame, max_depth=max_depth))
    messages: list[bytes] = []
    arrived = 0
    for piece in pieces:
        arrived += len(piece)
        try:
            messages += reader.feed(piece)
            # If there is a fault after messages, only the next call tells it.
            if reader.pending:
                ensure(reader.feed(b"") == [], "bytes that were pending were a message")
        except FrameError as fault:
            return Fed(messages, str(fault), _check_pending(reader, messages, arrived))
        _check_pending(reader, messages, arrived)
    return Fed(messages, "", reader.pending)


def _check_pending(reader: FrameReader, messages: list[bytes], arrived: int) -> int:
    taken = sum(map(len, messages))
    ensure(reader.pending + taken <= arrived, "more is kept than has arrived", reader.pending)
    return reader.pending


def read_all(data: bytes, max_frame: int, max_depth: int) -> tuple[list[bytes], bool]:
    """The messages of a stream as the codec sees them, up to where something is not well-formed,
    no message or over a limit, and whether these are all."""
    messages: list[bytes] = []
    pos = 0
    while pos < len(data):
        initial = data[pos]
        try:
            end = skip_item(data, pos, max_depth)
            number, start = read_argument(data, pos) if initial >> 5 == TAG else (0, pos)
            if number == EMBEDDED:
                if data[start] >> 5 != BYTES:
                    break
                message, _ = read_string(data, start, max_depth)
            elif initial >> 5 in (ARRAY, MAP, TAG) or initial == 0xF6:
                message = data[pos:end]
            else:
                break
        except DecodeError:
            break
        if end - pos > max_frame:
            break
        messages.append(message)
        pos = end
    return messages, pos == len(data)
