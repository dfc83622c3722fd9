"""What an answer to a message must be: one well-formed item, with a response to each request."""

from __future__ import annotations

from collections import Counter
from typing import Final

from goordinate.cborrpc.decode import loads, opaque_item, read_list, read_map
from goordinate.cborrpc.errors import DecodeError
from goordinate.cborrpc.heads import ARRAY, NULL

DEEP: Final = 10_000
"""How deep an answer may be nested: what is stored goes out in more levels than it came in."""


def check_answer(message: bytes, answer: bytes, max_depth: int, counts: Counter[str]) -> None:
    """Fail unless the answer is right in its form; count the responses that it has.

    max_depth: how deep the message may be nested to be read.
    """
    shown = answer.hex()
    try:
        _, end = opaque_item(answer, 0, DEEP)
    except DecodeError as fault:
        raise AssertionError(f"an answer is not well-formed: {fault} of {shown}") from None
    assert end == len(answer), f"an answer is more than one item: {shown}"
    _check(message, answer, max_depth, counts)


def _check(message: bytes, answer: bytes, depth: int, counts: Counter[str]) -> None:
    if answer[0] >> 5 != ARRAY:
        _check_response(message, answer, depth, counts)
        return
    assert message[0] >> 5 == ARRAY, f"one request has a list of answers: {answer.hex()}"
    requests, _ = read_list(message, 0, depth, opaque_item)
    responses, _ = read_list(answer, 0, DEEP, opaque_item)
    assert len(requests) == len(responses), f"a batch has too few answers: {answer.hex()}"
    for request, response in zip(requests, responses, strict=True):
        _check(request, response, depth - 1, counts)


def _check_response(message: bytes, answer: bytes, depth: int, counts: Counter[str]) -> None:
    fields, _ = read_map(answer, 0, DEEP, dict.fromkeys((b"id", b"result", b"error"), opaque_item))
    kind = b"result" if b"result" in fields else b"error"
    assert set(fields) == {b"id", kind}, f"an answer is no response: {answer.hex()}"
    request_id = _id_of(message, depth)
    same = request_id is None or fields[b"id"] == request_id
    assert same, f"an answer has the id of another request: {answer.hex()}"
    if kind == b"result":
        counts["results"] += 1
        return
    counts["error responses"] += 1
    error = loads(fields[b"error"])
    is_error = isinstance(error, dict) and isinstance(error.get(b"message"), bytes)
    assert is_error, f"an error has no message: {answer.hex()}"
    said = error[b"message"].decode()
    assert "internal error in" not in said, f"an internal error: {said}"


def _id_of(message: bytes, depth: int) -> bytes | None:
    """The encoding of the id that a request has; null if it has none, and None if that cannot
    be told: it is not a map, or not well-formed, or has keys that are no strings."""
    readers = dict.fromkeys((b"id", b"method", b"params"), opaque_item)
    try:
        fields, end = read_map(message, 0, depth, readers)
    except DecodeError:
        return None
    return fields.get(b"id", NULL) if end == len(message) else None
