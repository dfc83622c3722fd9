"""One connection to the server under trial: what is sent, in what way, and what must come back.

Every message in a good frame has its answer, in order, or the connection is closed; it is closed
if and only if the client ends it or sends what is no frame, or null. No wait is without end.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

import gevent
from gevent import socket
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from goordinate.cborrpc.decode import opaque_item, read_map
from goordinate.cborrpc.errors import FrameError, FrameTooLarge
from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.heads import NULL
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.requests import encode_request
from scripts.fuzzing.answers import DEEP, check_answer
from scripts.fuzzing.inputs import cut, cuts, pieces, streams
from scripts.processes.connection import READ_SIZE, Connection

WAIT: Final = 20.0
"""Seconds for what should be done at once, whatever else the machine has to do."""

GOOD: Final = frame(encode_request(2**60 + 1, "now", []))
"""A request that goes before and after each stream."""


@dataclass(frozen=True)
class Sending:
    """What is sent on a connection, and how."""

    stream: bytes
    #: The stream, between two good requests, in the pieces that are sent, and the pause after each.
    pieces: list[bytes]
    pause: float = 0.0
    #: Whether the client sends the end after it.
    half_closes: bool = False
    #: After so many bytes the client goes, without a look at the answers.
    leaves_after: int | None = None

    @property
    def whole(self) -> bytes:
        """All that is sent."""
        return b"".join(self.pieces)


@st.composite
def _sendings(draw: DrawFn) -> Sending:
    stream = draw(streams)
    whole = GOOD + stream + GOOD
    sent, pause = [whole], 0.0
    way = draw(st.sampled_from(("whole", "whole", "whole", "pieces", "pieces", "bytes")))
    if way == "pieces":
        sent, pause = cut(whole, draw(cuts)), draw(st.sampled_from((0.0, 0.0, 0.001)))
    elif way == "bytes":
        sent = pieces(whole, range(1, min(len(whole), 200)))
    ending = draw(st.sampled_from(("waits", "waits", "waits", "half-closes", "leaves")))
    leaves = draw(st.just(len(whole)) | st.integers(0, len(whole))) if ending == "leaves" else None
    return Sending(stream, sent, pause, ending == "half-closes", leaves)


sendings = _sendings()


@dataclass(frozen=True)
class Expected:
    """What a server makes of a stream: the messages in it, whether it closes the connection after
    the last one, whether it first refuses a frame that is too large, and whether a frame is left
    that has begun."""

    messages: list[bytes]
    closes: bool
    refuses: bool
    unfinished: bool


def expected_of(stream: bytes, limits: Limits) -> Expected:
    """What is in a stream, as the frame reader sees it."""
    reader = FrameReader(limits)
    messages: list[bytes] = []
    closes = refuses = False
    try:
        messages = reader.feed(stream)
        if reader.pending:
            reader.feed(b"")
    except FrameError as fault:
        closes, refuses = True, isinstance(fault, FrameTooLarge)
    if NULL in messages:
        messages = messages[: messages.index(NULL)]
        closes, refuses = True, False
    return Expected(messages, closes, refuses, not closes and reader.pending > 0)


class Talk:
    """A connection, from the client's side; it is closed by a reset."""

    def __init__(self, port: int, limits: Limits, counts: Counter[str]) -> None:
        self._limits = limits
        self._counts = counts
        self._connection = Connection(port, timeout=WAIT)

    def close(self) -> None:
        """Close the connection."""
        self._connection.reset()

    def leave(self, stream: bytes, count: int) -> None:
        """Send so many bytes of a stream, and close without a look at the answers."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            self._connection.send(stream[:count])
        self.close()

    def ignore(self, stream: bytes) -> None:
        """Send as much of a stream as the server takes while nobody takes its answers."""
        self._connection.sock.settimeout(0.2)
        with contextlib.suppress(ConnectionError, TimeoutError):
            self._connection.sock.sendall(stream)

    def ask(self, given: Sending) -> bool:
        """Send, and see that what comes back is as it must be; whether a frame is left in the
        connection that has begun."""
        expected = expected_of(given.whole, self._limits)
        started = time.monotonic()
        until_closed = given.half_closes or expected.closes
        answers, closed = self._exchange(given, None if until_closed else len(expected.messages))
        # Who is so slow may be cut off.
        slow = time.monotonic() - started > self._limits.frame_timeout / 2
        if expected.refuses:
            assert len(answers) > len(expected.messages), "a frame is refused without a word"
            self._check_refusal(answers.pop())
        assert len(answers) <= len(expected.messages), "there are more answers than messages"
        for message, answer in zip(expected.messages, answers, strict=False):
            check_answer(message, answer, self._limits.max_depth, self._counts)
        self._counts["answers"] += len(answers)
        self._counts["closed connections"] += closed
        if not expected.closes and not slow:
            assert given.half_closes or not closed, "the connection is closed without a reason"
            assert len(answers) == len(expected.messages), "messages are not answered"
        return expected.unfinished and not closed

    def _check_refusal(self, answer: bytes) -> None:
        # Of a message that was not read the id may be unknown.
        check_answer(b"", answer, self._limits.max_depth, self._counts)
        fields, _ = read_map(answer, 0, DEEP, {b"error": opaque_item})
        assert b"error" in fields, "a frame that is too large has a result"
        self._counts["refused frames"] += 1

    def _exchange(self, given: Sending, wanted: int | None) -> tuple[list[bytes], bool]:
        """Send pieces and receive meanwhile, until there are so many answers, or without a number
        until the server closes; the answers, and whether it closed."""
        connection, received = self._connection, bytearray()
        answers: list[bytes] = []
        closed = False
        sender = gevent.spawn(self._send, given)
        try:
            while not closed and (wanted is None or len(answers) < wanted):
                chunk = connection.sock.recv(READ_SIZE)
                received += chunk
                answers += connection.reader.feed(chunk)
                closed = not chunk
            if not closed:
                sender.join(WAIT)
        except TimeoutError:
            raise AssertionError(f"nothing happens for {WAIT:g} s") from None
        except ConnectionError:
            closed = True
        except FrameError as fault:
            raise AssertionError(f"what comes back is not in frames: {fault}") from None
        finally:
            sender.kill()
        framed = b"".join(map(frame, answers))
        in_frames = received.startswith(framed)
        assert in_frames, f"what comes back is not in frames: {received.hex()}"
        return answers, closed

    def _send(self, given: Sending) -> None:
        with contextlib.suppress(OSError):  # the server may have closed it
            for piece in given.pieces:
                self._connection.sock.sendall(piece)
                gevent.sleep(given.pause)
            if given.half_closes:
                self._connection.sock.shutdown(socket.SHUT_WR)
