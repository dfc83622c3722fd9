"""One connection to the server under trial: what is sent, in what way, and what must come back.

Rule: every message in a good frame has its answer, in order, or the connection is closed; it is
closed if and only if the client ends it or sends what is no frame, or null. Before it is closed for
a frame that is too large, there is an error response. No wait is without end.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections import Counter, deque
from dataclasses import dataclass
from random import Random
from typing import Final

from fuzzing.answers import check_answer
from fuzzing.daemon import WAIT
from fuzzing.inputs import cut
from fuzzing.run import Fault, ensure
from goordinate.cborrpc.decode import loads
from goordinate.cborrpc.errors import FrameError, FrameTooLarge
from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.heads import NULL
from goordinate.cborrpc.limits import Limits

Address = tuple[str, int]
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Expected:
    """What a server makes of a stream: the messages in it, whether it closes the connection after
    the last one, whether it does so for a frame that is too large, and whether a partial frame is
    left."""

    messages: list[bytes]
    closes: bool
    too_large: bool
    unfinished: bool


def expected_of(stream: bytes, limits: Limits) -> Expected:
    """What is in a stream, as the frame reader sees it."""
    reader = FrameReader(limits)
    messages: list[bytes] = []
    closes = too_large = False
    try:
        messages = reader.feed(stream)
        if reader.pending:
            reader.feed(b"")
    except FrameError as fault:
        closes = True
        too_large = isinstance(fault, FrameTooLarge)
    if NULL in messages:
        messages = messages[: messages.index(NULL)]
        closes, too_large = True, False
    return Expected(messages, closes, too_large, not closes and reader.pending > 0)


class Talk:
    """A connection, from the client's side.

    It is closed by a reset, after which nothing of it is left in the system.
    """

    def __init__(self, address: Address, limits: Limits, counts: Counter[str]) -> None:
        self._limits = limits
        self._counts = counts
        self._sock = socket.create_connection(address, WAIT)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()

    def leave(self, stream: bytes, rng: Random) -> None:
        """Send a stream, or the beginning of it, and close without a look at the answers."""
        count = rng.choice((len(stream), rng.randint(0, len(stream))))
        with contextlib.suppress(ConnectionError, TimeoutError):
            self._sock.sendall(stream[:count])
        self.close()

    def ignore(self, stream: bytes) -> None:
        """Send as much of a stream as the server takes while nobody takes its answers."""
        self._sock.settimeout(0.2)
        with contextlib.suppress(ConnectionError, TimeoutError):
            self._sock.sendall(stream)

    def ask(self, stream: bytes, rng: Random) -> bool:
        """Send a stream and see that what comes back is as it must be; whether a frame is left
        in the connection that has begun."""
        expected = expected_of(stream, self._limits)
        pieces, pause = [stream], 0.0
        if rng.random() < 0.3:
            most = min(len(stream), 60)
            places = sorted(rng.choices(range(len(stream) + 1), k=rng.randint(1, most)))
            pieces, pause = list(cut(stream, places)), rng.choice((0.0, 0.0, 0.001))
        half_closes = rng.random() < 0.2
        started = time.monotonic()
        wanted = None if half_closes or expected.closes else len(expected.messages)
        answers, closed = self._exchange(pieces, pause, half_closes, wanted)
        # Who is so slow may be cut off.
        slow = time.monotonic() - started > self._limits.frame_timeout / 2
        if expected.too_large and len(answers) > len(expected.messages):
            self._counts["frames too large"] += 1
            refusal = loads(answers.pop())
            ensure(refusal.keys() == {b"id", b"error"}, "a frame that is too large is no error")
        ensure(len(answers) <= len(expected.messages), "there are more answers than messages")
        for message, answer in zip(expected.messages, answers, strict=False):
            check_answer(message, answer, self._limits.max_depth, self._counts)
        self._counts["answers"] += len(answers)
        self._counts["closed connections"] += closed
        if not expected.closes and not slow:
            ensure(half_closes or not closed, "the connection is closed without a reason")
            ensure(len(answers) == len(expected.messages), "messages are not answered")
        return expected.unfinished and not closed

    def _exchange(
        self, pieces: list[bytes], pause: float, half_closes: bool, wanted: int | None
    ) -> tuple[list[bytes], bool]:
        """Send pieces and receive meanwhile, until there are so many answers, or without a number
        until the server closes; the answers, and whether it closed."""
        sock, reader = self._sock, FrameReader()
        answers: list[bytes] = []
        received = bytearray()
        waiting = deque(filter(None, pieces))
        end = time.monotonic() + WAIT
        closed = False
        sock.setblocking(False)
        while not closed and (waiting or wanted is None or len(answers) < wanted):
            left = max(0.0, end - time.monotonic())
            readable, writable, _ = select.select([sock], [sock] if waiting else [], [], left)
            ensure(bool(readable or writable), f"nothing happens for {WAIT:g} s")
            try:
                if readable:
                    chunk = sock.recv(1 << 16)
                    received += chunk
                    answers += reader.feed(chunk)
                    closed = not chunk
                elif sent := sock.send(waiting[0]):
                    waiting[0] = waiting[0][sent:]
                    if not waiting[0]:
                        waiting.popleft()
                        time.sleep(pause)
                    if not waiting and half_closes:
                        with contextlib.suppress(OSError):  # the server may have closed it
                            sock.shutdown(socket.SHUT_WR)
            except ConnectionError:
                closed = True
            except FrameError as fault:
                raise Fault("what comes back is not in frames", fault) from None
        framed = b"".join(map(frame, answers))
        ensure(received.startswith(framed), "what comes back is not in frames", received.hex())
        return answers, closed
