"""One connection: reads requests, sends answers, and ends with its client or by a limit.

Rule: for a client that does not read, at most one answer is kept, or `SEND_SIZE` of small ones,
and no more requests are read from it.  A partial frame costs only the bytes received so far.
While a call waits, its client's later requests stay unread.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Final

import gevent
from gevent import get_hub

from ..decode import loads
from ..errors import CBORError, FrameTooLarge
from ..framing import FrameReader, frame
from ..heads import NULL
from ..limits import Limits
from ..messages import Dispatcher, error_answer
from ..queues import unacknowledged, unread
from ..requests import Wait, id_of_unread
from ..shown import shown
from .buffers import Buffers, BuffersFull
from .faults import AnswerUnread, FrameUnfinished, Stopping, Unsettled
from .listener import Peer, peer_name, reset_when_closed
from .slowness import CutOff
from .waiting import HangUps, Waiting

rpc_log = logging.getLogger("goordinate.rpc")

TURN: Final = 0.001
"""Seconds for which a connection serves requests before the others have their turn."""

READ_SIZE: Final = 64 * 1024
"""Bytes that are read at once, at most."""

SEND_SIZE: Final = 256 * 1024
"""Bytes of answers that are sent before more requests are served."""

DISCARDED: Final = 2**30
"""Bytes, at most, that are discarded of a frame that is too large, so that its client reads why."""

_ID_WITHIN: Final = 1000
"""The id of a request that is discarded is looked for in so many of its first and last bytes."""

_READABLE, _WRITABLE = 1, 2
_LOGGED_CHARACTERS: Final = 2000


class Connection:
    """One connection, and what its greenlet does.

    limits, settle, rpclog: see `Server`.
    """

    __slots__ = (
        "_answers",
        "_batched",
        "_buffers",
        "_dispatcher",
        "_frame_cut_off",
        "_greenlet",
        "_hang_ups",
        "_limits",
        "_messages",
        "_peer",
        "_reader",
        "_rpclog",
        "_settle",
        "_sock",
        "_turn_ends",
        "_waiting",
        "readable",
        "stopping",
    )

    def __init__(
        self,
        sock: socket.socket,
        peer: Peer,
        dispatcher: Dispatcher,
        limits: Limits,
        buffers: Buffers,
        hang_ups: HangUps,
        *,
        settle: Callable[[], None] | None = None,
        rpclog: bool = False,
    ) -> None:
        self._sock = sock
        self._peer = peer
        self._dispatcher = dispatcher
        self._limits = limits
        self._buffers = buffers
        self._hang_ups = hang_ups
        self._greenlet = gevent.getcurrent()
        self._settle = settle
        self._rpclog = rpclog
        self._reader = FrameReader(limits)
        self._turn_ends = 0.0
        # While messages are answered: these, the answers that are not sent yet, and the bytes of
        # the answers to the present batch.
        self._messages: list[bytes] = []
        self._answers: list[bytes] = []
        self._batched = 0
        # Is there while a call waits.
        self._waiting: Waiting | None = None
        # Is there while the rest of a partial frame is awaited.
        self._frame_cut_off: CutOff | None = None
        #: What the greenlet waits on for requests.
        self.readable = get_hub().loop.io(sock.fileno(), _READABLE)
        #: Whether to answer the requests that have arrived, and then end.
        self.stopping = False

    def __str__(self) -> str:
        return peer_name(self._peer)

    def serve(self) -> None:
        """Answer requests until the client closes the connection or the server stops.

        Raises FrameError for bytes that are no frame, or not a whole one; AnswerUnread;
        BuffersFull; Unsettled; OSError if the connection is lost.
        """
        readable = self.readable
        wait, receive = get_hub().wait, self._sock.recv
        try:
            # Waiting first takes one system call for each request.  Reading first, and waiting
            # if there is nothing to read, takes two and an exception for nearly every request.
            while not self.stopping:
                wait(readable)
                try:
                    chunk = receive(READ_SIZE)
                except BlockingIOError:
                    continue
                if not self._take(chunk):
                    return
                del chunk  # else an idle connection would keep it
        except Stopping:
            pass
        except FrameTooLarge as fault:
            with contextlib.suppress(OSError, AnswerUnread):
                self._refuse(fault)
            raise
        self._finish()

    def stop(self) -> None:
        """Let it answer the requests that have arrived, and then end."""
        self.stopping = True
        get_hub().cancel_wait(self.readable, Stopping)
        if self._waiting is not None:
            self._waiting.end()

    def close(self) -> None:
        """Release everything but the socket."""
        self._end_frame()
        self.readable.close()

    def cut_off(self, fault: BuffersFull) -> None:
        """End the connection with this error, at once or when its greenlet runs."""
        if gevent.getcurrent() is not self._greenlet:
            gevent.kill(self._greenlet, fault)
            return
        try:
            raise fault
        finally:
            del fault  # else it and this frame would keep each other

    def _finish(self) -> None:
        """Answer the requests that have arrived, then reset the connection."""
        arrived = unread(self._sock)
        while arrived > 0:
            chunk = self._sock.recv(min(arrived, READ_SIZE))
            if not self._take(chunk):
                return
            arrived -= len(chunk)
        self._end_frame()  # the rest of a partial frame is not awaited
        self._reset_when_read()

    def _refuse(self, fault: FrameTooLarge) -> None:
        """Answer a frame that is too large with an error, and discard it: its client reads the
        answer only when it has sent the whole frame."""
        arrived = self._reader.partial
        self._end_frame()
        self._reader = FrameReader(self._limits)  # frees the partial frame
        begin, end = arrived[fault.start : fault.start + _ID_WITHIN], arrived[: fault.size]
        rest = 0 if fault.size is None else fault.size - len(arrived)
        if rest <= DISCARDED:
            with contextlib.suppress(FrameUnfinished, Stopping):
                end = self._discard(rest, end)
        self._send(frame(error_answer(id_of_unread(begin, end[-_ID_WITHIN:]), fault)))
        self._reset_when_read()

    def _discard(self, rest: int, end: bytes) -> bytes:
        """Receive so many bytes, or as many as come before a stop, and discard them.

        Returns the last bytes that have arrived; `end` are those that had arrived before.
        """
        hub = get_hub()
        seconds = self._limits.frame_timeout
        with CutOff(seconds, lambda: -rest, partial(FrameUnfinished, seconds)):
            while rest > 0 and not self.stopping:
                hub.wait(self.readable)
                with contextlib.suppress(BlockingIOError):
                    chunk = self._sock.recv(min(rest, READ_SIZE))
                    if not chunk:
                        break
                    rest -= len(chunk)
                    end = end[-_ID_WITHIN:] + chunk
        return end

    def _reset_when_read(self) -> None:
        """Let the connection end with a reset, once the client's system has all answers: a reset
        would overtake them.  A client that has closed the connection is not waited for."""
        option = self._sock.getsockopt
        pause = 0.01
        with self._answer_cut_off(lambda: 0):
            while unacknowledged(self._sock):
                if option(socket.SOL_SOCKET, socket.SO_ERROR):
                    break
                gevent.sleep(pause)
                pause = min(2 * pause, 0.5)
        reset_when_closed(self._sock)

    def _take(self, chunk: bytes) -> bool:
        """Answer the messages that `chunk` completes.  Returns whether to go on."""
        if not chunk:
            return False
        self._turn_ends = monotonic() + TURN
        reader = self._reader
        messages = reader.feed(chunk)
        if messages and self._frame_cut_off is not None:
            self._end_frame()
        while messages:
            if not self._answer(messages):
                return False
            messages = reader.feed(b"") if reader.pending else []
        if reader.pending:
            self._await_frame()
        return True

    def _await_frame(self) -> None:
        """A partial frame has arrived, whose rest must not come too slowly."""
        if self._frame_cut_off is None:
            seconds = self._limits.frame_timeout
            reader = self._reader
            fault = partial(FrameUnfinished, seconds)
            self._frame_cut_off = CutOff(seconds, lambda: reader.pending, fault)
        self._buffers.hold(self, self._reader.pending)

    def _end_frame(self) -> None:
        """The frame is complete, or its rest is not awaited any more."""
        if self._frame_cut_off is not None:
            self._frame_cut_off.close()
            self._frame_cut_off = None
        self._buffers.hold(self, 0)

    def _answer(self, messages: list[bytes]) -> bool:
        """Send the answers to messages, in order.  Returns whether to go on."""
        respond = self._respond_and_log if self._rpclog else self._respond
        self._messages = messages
        answers = self._answers
        size = 0
        going_on = True
        for message in messages:
            if message == NULL:
                going_on = False
                break
            answer = frame(respond(message))
            answers.append(answer)
            size += len(answer)
            if size > SEND_SIZE:
                self._send_answers()
                size = 0
            if monotonic() > self._turn_ends:
                self._give_way()
        if answers:
            self._send_answers()
        self._messages = []
        return going_on

    def _send_answers(self) -> None:
        data = b"".join(self._answers)
        self._answers.clear()
        self._send(data)

    def _respond(self, message: bytes) -> bytes:
        dispatcher = self._dispatcher
        if not dispatcher.is_batch(message):
            return dispatcher.answer(message, self, self._pause)
        pieces = []
        for piece in dispatcher.batch(message, self, self._pause):
            pieces.append(piece)
            self._batched += len(piece)
            self._pause(None)
        self._batched = 0
        return b"".join(pieces)

    def _pause(self, wait: Wait | None) -> None:
        """Wait, or only give way if the turn of this connection is over."""
        if wait is not None:
            self._wait(wait)
        elif monotonic() > self._turn_ends:
            self._give_way()

    def _wait(self, wait: Wait) -> None:
        """Wait until a call is to go on, or to end."""
        if self._answers:
            self._send_answers()  # those to earlier requests do not wait with it
        wait.over = self.stopping
        self._waiting = Waiting(wait)
        try:
            size = sum(map(len, self._messages)) + self._reader.pending + self._batched
            self._buffers.hold(self, size)
            self._waiting.run(self._sock, self._hang_ups)
        finally:
            self._waiting = None
            self._buffers.hold(self, 0)
        self._turn_ends = monotonic() + TURN

    def _respond_and_log(self, message: bytes) -> bytes:
        if rpc_log.isEnabledFor(logging.DEBUG):
            rpc_log.debug("%s: request %s", self, _in_words(message))
        answer = self._respond(message)
        if rpc_log.isEnabledFor(logging.DEBUG):
            rpc_log.debug("%s: answer %s", self, _in_words(answer))
        return answer

    def _send(self, data: bytes) -> None:
        """Send answers, when what the calls did is safe."""
        if self._settle is not None:
            self._wait_settled(self._settle, len(data))
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:])

    def _wait_settled(self, settle: Callable[[], None], size: int) -> None:
        """Wait with answers of so many bytes.  Many small ones are not much."""
        if size > READ_SIZE:
            self._buffers.hold(self, size)
        try:
            settle()
        except BuffersFull:
            raise
        except Exception as fault:
            raise Unsettled("what its calls did is not safe, so they get no answer") from fault
        if size > READ_SIZE:
            self._buffers.hold(self, 0)

    def _send_rest(self, rest: memoryview) -> None:
        """Send what the system has no room for yet, as fast as the client reads it."""
        hub = get_hub()
        self._buffers.hold(self, len(rest))
        with (
            self._answer_cut_off(lambda: len(rest)),
            hub.loop.io(self._sock.fileno(), _WRITABLE) as writable,
        ):
            while rest:
                hub.wait(writable)
                with contextlib.suppress(BlockingIOError):
                    rest = rest[self._sock.send(rest) :]
        self._buffers.hold(self, 0)
        self._turn_ends = monotonic() + TURN

    def _answer_cut_off(self, unsent: Callable[[], int]) -> CutOff:
        """Raises AnswerUnread while the client reads too slowly.  unsent: the bytes that our system
        had no room for.

        The progress is what the client's system has acknowledged.  Our system has room again only
        when a third of its buffer is free, which may be megabytes later.
        """
        seconds = self._limits.answer_timeout
        sock, fault = self._sock, partial(AnswerUnread, seconds)
        return CutOff(seconds, lambda: -unsent() - unacknowledged(sock), fault)

    def _give_way(self) -> None:
        """Let each connection that has something to do have its turn.

        gevent.sleep(0) would not do: the greenlets that it wakes may run 50 times before the event
        loop polls the sockets again.
        """
        hub = get_hub()
        with hub.loop.timer(0) as timer:
            hub.wait(timer)
        self._turn_ends = monotonic() + TURN


def _in_words(message: bytes) -> str:
    try:
        return shown(loads(message), _LOGGED_CHARACTERS)
    except CBORError:
        return shown(message.hex(), _LOGGED_CHARACTERS)
