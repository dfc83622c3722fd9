"""Framing under trial: a stream gives the same messages however it is cut, or the same FrameError.

What the messages are is told by reading item after item with the codec.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from goordinate.cborrpc.decode import read_string, skip_item
from goordinate.cborrpc.errors import DecodeError, FrameError
from goordinate.cborrpc.framing import FrameReader
from goordinate.cborrpc.heads import ARRAY, BYTES, MAP, MAX_DEPTH, TAG, read_argument
from goordinate.cborrpc.limits import MAX_FRAME, Limits
from goordinate.cborrpc.tags import EMBEDDED
from scripts.fuzzing.inputs import cut, cuts, pieces, streams, with_variants
from scripts.fuzzing.run import Target

LIMITS: Final = ((MAX_FRAME, MAX_DEPTH), (MAX_FRAME, MAX_DEPTH), (300, 5))
"""The longest message and the deepest nesting that are taken, of which one pair is chosen."""


@dataclass(frozen=True)
class Feeding:
    """Streams, two ways to cut them (shares of their length), and the limits."""

    streams: list[bytes]
    ways: tuple[list[float], list[float]]
    limits: tuple[int, int]


@dataclass(frozen=True)
class Fed:
    """What a reader gave."""

    messages: list[bytes]
    fault: str
    pending: int


class Framing(Target):
    """The target."""

    name = "framing"
    round = 100
    inputs = st.builds(
        Feeding, with_variants(streams), st.tuples(cuts, cuts), st.sampled_from(LIMITS)
    )

    def attempt(self, given: Feeding) -> None:
        """Feed each stream whole, byte by byte, and in pieces."""
        for stream in given.streams:
            self._feed(stream, given.ways, given.limits)

    def _feed(
        self, data: bytes, ways: tuple[list[float], list[float]], limits: tuple[int, int]
    ) -> None:
        whole = feed([data], *limits)
        self.counts["inputs"] += 1
        self.counts["bytes"] += len(data)
        self.counts["messages"] += len(whole.messages)
        self.counts["FrameError"] += bool(whole.fault)
        step = 1 if len(data) < 1000 else 97
        by_bytes = pieces(data, range(0, len(data), step))
        for way in (by_bytes, *(cut(data, shares) for shares in ways)):
            fed = feed(way, *limits)
            same = (fed.messages, fed.fault) == (whole.messages, whole.fault)
            assert same, "the pieces make a difference"
            assert fed.fault or fed.pending == whole.pending, f"pending differs: {fed.pending}"
        expected, done = read_all(data, *limits)
        if done:
            assert whole == Fed(expected, "", 0), f"other messages than the codec reads: {whole}"
        else:
            begin = whole.messages[: len(expected)]
            assert begin == expected, f"other messages than the codec reads: {whole}"


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
                assert reader.feed(b"") == [], "bytes that were pending were a message"
        except FrameError as fault:
            return Fed(messages, str(fault), _pending(reader, messages, arrived))
        _pending(reader, messages, arrived)
    return Fed(messages, "", reader.pending)


def _pending(reader: FrameReader, messages: list[bytes], arrived: int) -> int:
    taken = sum(map(len, messages))
    assert reader.pending + taken <= arrived, f"more is kept than has arrived: {reader.pending}"
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
