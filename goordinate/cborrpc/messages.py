"""Messages: the bytes of a message in, the bytes of its answer out.  There is no I/O here.

The answer to a request is a map {id, result} or {id, error: {message}}.  A list of requests is a
batch, and its answer is the list of their answers.  The keys in an answer are byte strings.

Rule: every message has an answer.  Every exception becomes an error answer here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from time import perf_counter
from types import GeneratorType
from typing import Final

from .decode import read_array_head, skip_item
from .encode import dumps
from .errors import DecodeError, InvalidRequest, NestedTooDeep, RPCError
from .heads import ARRAY, NULL, too_deep
from .limits import Counts, Limits
from .requests import Method, Refusal, RequestReader, Wait, id_of
from .tags import Encoded

log = logging.getLogger(__name__)

Observe = Callable[[str, float, bool], None]
"""Is told of a call: the name of the method, the seconds it took, whether it gave a result."""

UNREAD: Final = "unread"
"""The name under which a message or request is observed that names no method."""


Pause = Callable[[Wait | None], None]
"""Is called between two slices of a call, with what it waits for.  It may switch greenlets."""


def _go_on(wait: Wait | None) -> None:
    """Do not pause.  Nothing happens meanwhile, so no call may wait."""
    if wait is not None:
        wait.over = True


def _in_slices(
    slices: Generator[Wait | None, None, object], pause: Pause
) -> tuple[object, Exception | None, float]:
    """A call that is made in slices: its result, the exception that it raised, and the seconds for
    which it waited.  Raises what `pause` raises."""
    waited = 0.0
    try:
        while True:
            try:
                wait = next(slices)
            except StopIteration as end:
                return end.value, None, waited
            except Exception as fault:
                return None, fault, waited
            if wait is None:
                pause(None)
            else:
                began = perf_counter()
                pause(wait)
                waited += perf_counter() - began
    finally:
        slices.close()


class Dispatcher:
    """Answers messages by calling methods.

    methods: the table.  Raises ValueError if two have the same name.  expected: what a method may
    raise, besides RPCError, to answer its call with an error that has the exception's text.  Any
    other exception is logged, and the error answer has only its type.  limits: shared with the
    server; see `Limits`.  counts: counts the faults.  observe: is told of each call, from its bytes
    to those of its answer, without the time for which it waited.  Calls that name no method, and
    messages that cannot be read, have the name `UNREAD`.  None: calls are not timed.
    """

    def __init__(
        self,
        methods: Iterable[Method],
        *,
        expected: tuple[type[Exception], ...] = (),
        limits: Limits | None = None,
        counts: Counts | None = None,
        observe: Observe | None = None,
    ) -> None:
        self.limits = Limits() if limits is None else limits
        self.counts = Counts() if counts is None else counts
        self._observe = observe
        self._told: tuple[type[Exception], ...] = (RPCError, *expected)
        reader = RequestReader(methods)
        # As attributes of this object: looking them up takes less time in each call.
        self._read_usual, self._read = reader.read_usual, reader.read

    @staticmethod
    def is_batch(message: bytes) -> bool:
        """Whether a message is a list of requests."""
        return bool(message) and message[0] >> 5 == ARRAY

    def answer(self, message: bytes, peer: object = "a client", pause: Pause = _go_on) -> bytes:
        """The answer to a message, without its frame.  A batch is answered from start to end.

        If the message has a fault, the answer says what it is.  peer: who sent the message, for
        the log.  pause: see `Pause`.  Without it no call waits.
        """
        if self.is_batch(message):
            return b"".join(self.batch(message, peer, pause))
        return self._answer(message, 0, len(message), self.limits.max_depth, peer, pause)

    def batch(
        self, message: bytes, peer: object = "a client", pause: Pause = _go_on
    ) -> Iterator[bytes]:
        """The answer to a batch in pieces, so that the caller may do something else between two
        of them.  Pieces may be empty.

        The lists in the answer, which may be nested, have the heads of those in the message.  A
        message that is not well-formed, or has too many requests, is answered with one error, and
        no method is called.
        """
        plan: list[bytes | tuple[int, int, int]] = []
        try:
            for _ in self._plan(message, plan):
                yield b""
        except (DecodeError, InvalidRequest) as fault:
            if self._observe is not None:
                self._observe(UNREAD, 0.0, False)
            yield self._refusal(NULL, fault, peer)
            return
        limit = self.limits.max_frame
        size = 0
        for step in plan:
            if isinstance(step, bytes):
                piece = step
            elif size <= limit:
                piece = self._answer(message, *step, peer, pause)
                if size + len(piece) > limit:
                    self.counts.batches_cut += 1
                    log.warning("%s: the answers to a batch are over %d bytes", peer, limit)
            else:
                over = InvalidRequest(f"the answers to the batch are over {limit} bytes")
                piece = error_answer(id_of(message, step[0]), over)
            size += len(piece)
            yield piece

    def _plan(self, message: bytes, plan: list[bytes | tuple[int, int, int]]) -> Iterator[None]:
        """Add to `plan` the parts of the answer to a batch: bytes that go into it, and
        (from, to, depth) of the requests.  Yields after each part.

        Raises DecodeError if the message is not one well-formed item, InvalidRequest if it has too
        many requests (lists in it count too).
        """
        limits = self.limits
        pos = 0
        # How many items remain in each list that has begun; None: until a break.
        opened: list[int | None] = []
        while True:
            if pos < len(message) and message[pos] >> 5 == ARRAY:
                if len(opened) >= limits.max_depth:
                    raise too_deep(pos)
                count, end = read_array_head(message, pos)
                opened.append(count)
                plan.append(message[pos:end])
            else:
                depth = limits.max_depth - len(opened)
                end = skip_item(message, pos, depth)
                plan.append((pos, end, depth))
            if len(plan) > limits.max_batch + 1:
                self.counts.batches_too_long += 1
                raise InvalidRequest(f"a batch of more than {limits.max_batch} requests")
            pos = end
            yield
            while opened:  # leave the lists that end here
                left = opened[-1]
                if left:
                    opened[-1] = left - 1
                    break
                if left is None:
                    if message[pos : pos + 1] != b"\xff":
                        break
                    plan.append(b"\xff")
                    pos += 1
                opened.pop()
            if not opened:
                break
        if pos < len(message):
            raise DecodeError("more bytes after the item", pos)

    def _answer(
        self, buf: bytes, pos: int, end: int, depth: int, peer: object, pause: Pause
    ) -> bytes:
        """The answer to the request from `pos` to `end`.  Each call is observed here."""
        observe = self._observe
        started = 0.0 if observe is None else perf_counter()
        name, ok, waited = UNREAD, False, 0.0
        try:
            request = self._read_usual(buf, pos, end, depth)
            if request is None:
                careful = self._read(buf, pos, end, depth)
                if isinstance(careful, Refusal):
                    name = careful.method or UNREAD
                    return self._failure(careful.request_id, name, careful.fault, peer)
                request = careful
            request_id, method, arguments = request
            name = method.name
            try:
                result = method.call(*arguments)
            except Exception as fault:
                return self._failure(request_id, name, fault, peer)
            if type(result) is GeneratorType:
                # Outside of the try: what `pause` raises is no failure of the call.
                result, failed, waited = _in_slices(result, pause)
                if failed is not None:
                    return self._failure(request_id, name, failed, peer)
            try:
                encoded = result if type(result) is Encoded else dumps(result)
            except Exception as fault:
                return self._failure(request_id, name, fault, peer)
            ok = True
            return b"\xa2Bid" + request_id + b"Fresult" + encoded
        except DecodeError as fault:
            return self._refusal(id_of(buf, pos), fault, peer)
        finally:
            if observe is not None:
                observe(name, perf_counter() - started - waited, ok)

    def _failure(self, request_id: bytes, name: str, fault: Exception, peer: object) -> bytes:
        """The answer to a call of the method of this name that has failed."""
        if not isinstance(fault, self._told):
            self.counts.internal_errors += 1
            log.error("%s: internal error in %s", peer, name, exc_info=fault)
            fault = RPCError(f"internal error in {name}: {type(fault).__name__}")
        return error_answer(request_id, fault)

    def _refusal(
        self, request_id: bytes, fault: DecodeError | InvalidRequest, peer: object
    ) -> bytes:
        """The answer to a message or request that cannot be read."""
        if isinstance(fault, NestedTooDeep):
            self.counts.messages_too_deep += 1
        elif isinstance(fault, DecodeError):
            self.counts.messages_malformed += 1
        log.warning("%s: a message is refused: %s", peer, fault)
        return error_answer(request_id, fault)


def error_answer(request_id: bytes, fault: Exception) -> bytes:
    """The answer to a request that has failed or was not read, with the reason."""
    message = (str(fault) or type(fault).__name__).encode("utf-8", "backslashreplace")
    return b"\xa2Bid%bEerror\xa1Gmessage%b" % (request_id, dumps(message))
