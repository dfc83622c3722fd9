"""One HTTP connection: requests in, answers out, and how it ends.

Rule: bytes are read and written by h11, which has no sockets; what a client sends is fed to it
`FEED` bytes at a time.  A connection that has used its turn (`TURN`) lets the others have theirs
before each request, each step of a request, and each piece of an answer or a body.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http import HTTPStatus
from time import monotonic
from typing import Any, Final

import gevent
import h11
from gevent import get_hub

from goordinate.cborrpc.queues import unread
from goordinate.cborrpc.server.buffers import Buffers, BuffersFull
from goordinate.cborrpc.server.connection import TURN
from goordinate.cborrpc.server.faults import Stopping
from goordinate.cborrpc.server.listener import Peer, peer_name
from goordinate.cborrpc.server.slowness import CutOff

from .faults import BodyUnfinished, HeadUnfinished, Idle
from .limits import DISCARDED, MAX_HEAD, HttpLimits
from .messages import Answer, HttpError, Request, Steps, error_answer
from .routes import App, Begun
from .transport import Plain

log = logging.getLogger(__name__)

_ENDING_SECONDS: Final = 2.0
"""Seconds for which an ended connection waits for its client to read the last answer."""

_SEND_SIZE: Final = 64 * 1024
"""Bytes of pieces of an answer that are sent together."""

_PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}


class Connection:
    """One connection, and what its greenlet does.

    settle: returns when what requests did is safe (see `cborrpc.server.Server`).
    """

    __slots__ = (
        "_answered",
        "_app",
        "_buffers",
        "_greenlet",
        "_http",
        "_idle",
        "_limits",
        "_peer",
        "_settle",
        "_transport",
        "_turn_ends",
        "stopping",
    )

    def __init__(
        self,
        transport: Plain,
        peer: Peer,
        app: App,
        limits: HttpLimits,
        buffers: Buffers,
        settle: Callable[[], None] | None = None,
    ) -> None:
        self._transport = transport
        self._peer = peer_name(peer)
        self._app = app
        self._limits = limits
        self._buffers = buffers
        self._settle = settle
        self._greenlet = gevent.getcurrent()
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._turn_ends = monotonic() + TURN
        self._answered = 0
        self._idle = False
        #: Whether to answer the request that has begun to arrive, and then end.
        self.stopping = False

    def __str__(self) -> str:
        return self._peer

    def serve(self) -> None:
        """Answer requests until the client or a limit ends the connection, or the server stops.

        Raises HttpFault, AnswerUnread, BuffersFull; OSError if the connection is lost.
        """
        with gevent.Timeout(self._limits.head_timeout, HeadUnfinished):
            self._transport.open()
        while not self.stopping or self._http.trailing_data[0]:
            request = self._next_request()
            if request is None or not self._exchange(request):
                return
            self._http.start_next_cycle()

    def stop(self) -> None:
        """Let it answer the request that has begun to arrive, and then end."""
        self.stopping = True
        if self._idle:
            get_hub().cancel_wait(self._transport.readable, Stopping)

    def cut_off(self, fault: BuffersFull) -> None:
        """End the connection with this error, at once or when its greenlet runs."""
        if gevent.getcurrent() is not self._greenlet:
            gevent.kill(self._greenlet, fault)
            return
        raise fault

    # --- requests ------------------------------------------------------------------------------

    def _next_request(self) -> Request | None:
        """The next request, without its body.  None: there is none, and the connection ends."""
        http = self._http
        try:
            event = http.next_event()
            if event is h11.NEED_DATA:
                if not http.trailing_data[0] and not self._await_first():
                    return None
                event = self._await_head()
        except h11.RemoteProtocolError as fault:
            self._refuse(fault)
            return None
        if not isinstance(event, h11.Request):
            return None
        if event.http_version not in (b"1.0", b"1.1"):
            self._refuse(h11.RemoteProtocolError("this is HTTP/1.1", error_status_hint=505))
            return None
        return Request(
            event.method.decode("ascii"),
            event.target,
            event.headers,
            peer=self._peer,
            secure=self._transport.secure,
            id=self._app.next_id(),
        )

    def _await_first(self) -> bool:
        """Wait for the first bytes of a request.  Whether any have come."""
        self._idle = True
        try:
            with gevent.Timeout(self._limits.idle_timeout, Idle):
                data = self._receive()
        except Idle:
            return False
        except Stopping:
            if unread(self._transport.sock) <= 0:
                return False
            data = self._receive()
        finally:
            self._idle = False
        if data:
            self._http.receive_data(data)
        return bool(data)

    def _await_head(self) -> Any:
        """The request whose first bytes are there.  Raises HeadUnfinished."""
        http = self._http
        event = http.next_event()
        if event is h11.NEED_DATA:
            with gevent.Timeout(self._limits.head_timeout, HeadUnfinished):
                while event is h11.NEED_DATA:
                    http.receive_data(self._receive())
                    event = http.next_event()
        return event

    def _receive(self) -> bytes:
        data = self._transport.receive()
        self._turn_ends = monotonic() + TURN
        return data

    def _read_body(self, most: int) -> bytes | None:
        """The body of the present request.  None: it is longer than `most` bytes."""
        http = self._http
        pieces: list[bytes] = []
        size = 0
        event = http.next_event()
        if isinstance(event, h11.EndOfMessage):
            return b""
        seconds = self._limits.body_timeout
        received = 0
        try:
            with CutOff(seconds, lambda: received, BodyUnfinished):
                while not isinstance(event, h11.EndOfMessage):
                    if event is h11.NEED_DATA:
                        if http.they_are_waiting_for_100_continue:
                            self._send(h11.InformationalResponse(status_code=100, headers=[]))
                        data = self._receive()
                        received += len(data)
                        http.receive_data(data)
                    elif isinstance(event, h11.Data):
                        pieces.append(bytes(event.data))
                        size += len(event.data)
                        if size > most:
                            return None
                        self._buffers.hold(self, size)
                        self._pause()
                    event = http.next_event()
        finally:
            self._buffers.hold(self, 0)
        return b"".join(pieces)

    # --- exchanges -----------------------------------------------------------------------------

    def _exchange(self, request: Request) -> bool:
        """Answer a request.  Returns whether the connection goes on."""
        self._pause()
        counts = self._app.counts
        counts.requests += 1
        self._answered += 1
        begun = self._app.begin(request)
        if isinstance(begun, Begun):
            try:
                answer = self._body_and_answer(begun, request)
            except h11.RemoteProtocolError as fault:
                self._refuse(fault)
                return False
        else:
            answer = begun
        return self._send_answer(request, answer)

    def _body_and_answer(self, begun: Begun, request: Request) -> Answer:
        most = self._limits.max_body
        if begun.max_body is not None:
            most = min(most, begun.max_body)
        length = request.header(b"content-length")
        body = None if length is not None and int(length) > most else self._read_body(most)
        if body is None:
            self._app.counts.bodies_too_large += 1
            fault = HttpError(413, f"the body is longer than {most} bytes")
            return error_answer(fault, request.id)
        request.body = body
        answer = self._app.call(begun, request)
        return answer if isinstance(answer, Answer) else self._run(answer)

    def _run(self, steps: Steps) -> Answer:
        while True:
            try:
                next(steps)
            except StopIteration as done:
                answer: Answer = done.value
                return answer
            self._pause()

    def _send_answer(self, request: Request, answer: Answer) -> bool:
        http = self._http
        if http.their_state is h11.SEND_BODY:
            with contextlib.suppress(h11.RemoteProtocolError):
                http.next_event()  # a request without a body ends here
        ending = (
            self.stopping
            or self._answered >= self._limits.max_requests
            or http.their_state is not h11.DONE
        )
        head = http.send(self._head(answer, request.id, ending=ending))
        if self._settle is not None:
            self._settle()
        bodiless = request.method == "HEAD" or answer.status in (204, 304)
        if isinstance(answer.body, bytes):
            if answer.body and not bodiless:
                head += http.send(h11.Data(data=answer.body))
            head += http.send(h11.EndOfMessage())
            self._transmit(head)
        else:
            self._stream(head, answer.body, bodiless, request)
        if http.our_state is h11.DONE and http.their_state is h11.DONE:
            return True
        self._end()
        return False

    @staticmethod
    def _head(answer: Answer, request_id: str, *, ending: bool) -> h11.Response:
        headers = [("Date", _date()), ("X-Request-Id", request_id), *answer.headers]
        if answer.content_type is not None:
            headers.append(("Content-Type", answer.content_type))
        if isinstance(answer.body, bytes) and answer.status not in (204, 304):
            headers.append(("Content-Length", str(len(answer.body))))
        if ending:
            headers.append(("Connection", "close"))
        return h11.Response(
            status_code=answer.status,
            headers=[(name.encode(), value.encode("latin-1")) for name, value in headers],
            reason=_PHRASES[answer.status],
        )

    def _stream(
        self, head: bytes, pieces: Iterator[bytes], bodiless: bool, request: Request
    ) -> None:
        """Send an answer while it is made."""
        waiting = [head]
        size = 0
        http = self._http
        if not bodiless:
            try:
                for piece in pieces:
                    if piece:
                        waiting.append(http.send(h11.Data(data=piece)))
                        size += len(piece)
                    if size >= _SEND_SIZE:
                        self._transmit(b"".join(waiting))
                        waiting, size = [], 0
                    self._pause()
            except (OSError, gevent.GreenletExit):
                raise
            except Exception as fault:
                if isinstance(fault, BuffersFull):
                    raise
                # What was sent cannot be taken back: the missing end tells the client.
                self._app.failed(request, fault)
                self._transmit(b"".join(waiting))
                http.send_failed()
                return
        waiting.append(http.send(h11.EndOfMessage()))
        self._transmit(b"".join(waiting))

    def _send(self, event: Any) -> None:
        self._transmit(self._http.send(event))

    def _transmit(self, data: bytes) -> None:
        self._buffers.hold(self, len(data))
        self._transport.send(data)
        self._buffers.hold(self, 0)

    def _pause(self) -> None:
        """Let the others have their turn, if that of this connection is over.

        gevent.sleep(0) would not do: see `cborrpc.server.connection`.
        """
        if monotonic() > self._turn_ends:
            hub = get_hub()
            with hub.loop.timer(0) as timer:
                hub.wait(timer)
            self._turn_ends = monotonic() + TURN

    # --- ends ----------------------------------------------------------------------------------

    def _refuse(self, fault: h11.RemoteProtocolError) -> None:
        """Answer what is no HTTP, and end."""
        self._app.counts.requests_malformed += 1
        http = self._http
        if http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        told = HttpError(fault.error_status_hint, f"malformed request: {fault}")
        request_id = self._app.next_id()
        answer = error_answer(told, request_id)
        assert isinstance(answer.body, bytes)
        with contextlib.suppress(h11.LocalProtocolError):
            data = http.send(self._head(answer, request_id, ending=True))
            data += http.send(h11.Data(data=answer.body)) + http.send(h11.EndOfMessage())
            self._transmit(data)
        self._end()

    def _end(self) -> None:
        """End the connection so that its client can read the last answer: a close with unread
        bytes would reset it."""
        transport = self._transport
        left = DISCARDED
        with (
            contextlib.suppress(OSError, Idle, Stopping),
            gevent.Timeout(_ENDING_SECONDS, Idle),
        ):
            transport.finish()
            while left > 0 and (data := transport.discard()):
                left -= data


_dates: tuple[int, str] = (0, "")


def _date() -> str:
    """The present time for a header, made once a second."""
    global _dates
    now = int(time.time())
    if _dates[0] != now:
        _dates = (now, formatdate(now, usegmt=True))
    return _dates[1]
