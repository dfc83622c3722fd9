"""Messages: the bytes of a message in, the bytes of its answer out; without I/O.

The answer to a request is a map {id, result} or {id, error: {message}}; a list of requests is a
batch, and its answer the list of their answers.  What goes out has byte strings for keys.

Rule: whatever comes, there is an answer; every exception becomes an error in it here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from .decode import read_array_head, skip_item
from .encode import dumps
from .errors import DecodeError, InvalidRequest, NestedTooDeep, RPCError
from .heads import ARRAY, too_deep
from .limits import Counts, Limits
from .requests import NULL, Method, RequestReader, id_of
from .tags import Encoded

log = logging.getLogger(__name__)


class Dispatcher:
    """Answers messages by calling methods.

    methods: the table (ValueError if two have one name).  expected: what a method may raise,
    besides RPCError, to answer its call with an error whose message is the exception's text;
    anything else that it raises is logged, and the answer tells only the type.
    limits: what is taken; it may be replaced.  counts: what counts the faults.
    """

    def __init__(
        self,
        methods: Iterable[Method],
        *,
        expected: tuple[type[Exception], ...] = (),
        limits: Limits | None = None,
        counts: Counts | None = None,
    ) -> None:
        self.limits = Limits() if limits is None else limits
        self.counts = Counts() if counts is None else counts
        self._told: tuple[type[Exception], ...] = (RPCError, *expected)
        reader = RequestReader(methods)
        # Kept as they are: to look them up takes time in every call.
        self._read_usual, self._read = reader.read_usual, reader.read

    @staticmethod
    def is_batch(message: bytes) -> bool:
        """Whether a message is a list of requests."""
        return bool(message) and message[0] >> 5 == ARRAY

    def answer(self, message: bytes, peer: object = "a client") -> bytes:
        """The answer to a message, without its frame; a batch is answered from start to end.

        Whatever is wrong with the message is told in the answer.  `peer` is who sent it: its
        text is in the log where something must be logged.
        """
        if self.is_batch(message):
            return b"".join(self.batch(message, peer))
        return self._answer(message, 0, len(message), self.limits.max_depth, peer)

    def batch(self, message: bytes, peer: object = "a client") -> Iterator[bytes]:
        """The answer to a batch, in pieces, so that the caller may do something else between
        any two of them; there are empty ones.

        The lists in the answer, which may be nested, have the heads of those in the message.  A
        message that is not well-formed, or has too many requests, is answered with one error,
        and nothing has been called then.
        """
        plan: list[bytes | tuple[int, int, int]] = []
        try:
            for _ in self._plan(message, plan):
                yield b""
        except (DecodeError, InvalidRequest) as fault:
            yield self._refusal(NULL, fault, peer)
            return
        limit = self.limits.max_frame
        size = 0
        for step in plan:
            if isinstance(step, bytes):
                piece = step
            elif size <= limit:
                piece = self._answer(message, *step, peer)
                if size + len(piece) > limit:
                    self.counts.batches_cut += 1
                    log.warning("%s: the answers to a batch are over %d bytes", peer, limit)
            else:
                over = InvalidRequest(f"the answers to the batch are over {limit} bytes")
                piece = _error(id_of(message, step[0]), over)
            size += len(piece)
            yield piece

    def _plan(self, message: bytes, plan: list[bytes | tuple[int, int, int]]) -> Iterator[None]:
        """Add to `plan` what the answer to a batch is made of: bytes that are part of it, and
        (from, to, depth) of requests.  Gives way after each.

        DecodeError if the message is not one well-formed item, InvalidRequest if it has too
        many requests (and lists in it).
        """
        limits = self.limits
        pos = 0
        # how many items are still to come in each list that is open; None is until a break
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
            while opened:  # close the lists that end here
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

    def _answer(self, buf: bytes, pos: int, end: int, depth: int, peer: object) -> bytes:
        """The answer to the request from `pos` to `end`."""
        try:
            request = self._read_usual(buf, pos, end, depth) or self._read(buf, pos, end, depth)
        except DecodeError as fault:
            return self._refusal(id_of(buf, pos), fault, peer)
        request_id, method, arguments = request
        try:
            result = method.call(*arguments)
            encoded = result if type(result) is Encoded else dumps(result)
        except Exception as fault:
            if isinstance(fault, self._told):
                return _error(request_id, fault)
            self.counts.internal_errors += 1
            log.error("%s: internal error in %s", peer, method.name, exc_info=fault)
            told = RPCError(f"internal error in {method.name}: {type(fault).__name__}")
            return _error(request_id, told)
        return b"\xa2Bid" + request_id + b"Fresult" + encoded

    def _refusal(
        self, request_id: bytes, fault: DecodeError | InvalidRequest, peer: object
    ) -> bytes:
        """The answer to a message of which nothing is called."""
        if isinstance(fault, NestedTooDeep):
            self.counts.messages_too_deep += 1
        elif isinstance(fault, DecodeError):
            self.counts.messages_malformed += 1
        log.warning("%s: a message is refused: %s", peer, fault)
        return _error(request_id, fault)


def _error(request_id: bytes, fault: Exception) -> bytes:
    """The answer that a call has failed, and why."""
    message = (str(fault) or type(fault).__name__).encode("utf-8", "backslashreplace")
    return b"\xa2Bid%bEerror\xa1Gmessage%b" % (request_id, dumps(message))
