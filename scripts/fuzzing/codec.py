"""The codec under trial, with all that reads messages: bytes in, a value or DecodeError out.

Every message is given to each reader there is, and the readers must agree; then a job server
answers it. Each input is a few messages to a new job server.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from hypothesis import strategies as st

from goordinate.cborrpc import DecodeError, dumps, loads
from goordinate.cborrpc.decode import MAX_DEPTH, Reader, opaque_item, skip_item
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.messages import Dispatcher
from goordinate.tests.cborrpc.forms import form
from goordinate.tests.cborrpc.rfc8949 import well_formed_end
from scripts.fuzzing.answers import check_answer
from scripts.fuzzing.inputs import messages, requests, with_variants, work
from scripts.fuzzing.run import Target
from scripts.fuzzing.served import EXPECTED, READERS, STORED_READERS, job_server, with_more

SHORT: Final = 200
"""Bytes of the inputs that are also read by the pseudocode of RFC 8949, which is slow."""

LIMITS: Final = Limits(max_batch=100)


class Codec(Target):
    """The target."""

    name = "codec"
    round = 100
    inputs = st.builds(
        lambda before, lists: [*before, *(message for one in lists for message in one)],
        work,
        # Calls that are nearly right, one after the other, or messages of all kinds.
        st.lists(requests().map(lambda message: [message]), max_size=12)
        | st.lists(with_variants(messages), max_size=8),
    )

    def attempt(self, given: list[bytes]) -> None:
        """Read each message in every way, then let a job server answer it."""
        dispatcher = Dispatcher(job_server().methods, expected=EXPECTED, limits=LIMITS)
        for data in given:
            self.counts["inputs"] += 1
            self.counts["bytes"] += len(data)
            end = _end(data)
            self._load(data, end)
            for name, read in READERS.items():
                _check_reader(name, read, data, end)
            if end == len(data):
                _check_stored(data)
            check_answer(data, dispatcher.answer(data), LIMITS.max_depth, self.counts)

    def _load(self, data: bytes, end: int | None) -> None:
        try:
            value = loads(data)
        except DecodeError as fault:
            _check_offset(fault, data)
            self.counts[type(fault).__name__] += 1
            return
        self.counts["values"] += 1
        assert end == len(data), "loads takes what skip_item refuses"
        encoded = dumps(value)
        again = loads(encoded)
        # The types of all parts, and then the order of keys.
        assert form(value) == form(again), f"what dumps writes is not what loads gave: {again!r}"
        assert dumps(again) == encoded, f"what dumps writes is not what loads gave: {again!r}"


def _end(data: bytes) -> int | None:
    """Where the item that the data begins with ends; None if it is not well-formed."""
    try:
        end: int | None = skip_item(data, 0, MAX_DEPTH)
    except DecodeError as fault:
        _check_offset(fault, data)
        end = None
    if len(data) <= SHORT:
        assert end == well_formed_end(data), f"skip_item and RFC 8949 do not agree: {end}"
    return end


def _check_offset(fault: DecodeError, data: bytes) -> None:
    assert 0 <= fault.offset <= len(data), f"a fault is said to be outside the input: {fault}"


def _check_reader(name: str, read: Reader[Any], data: bytes, end: int | None) -> None:
    try:
        _, after = read(data, 0, MAX_DEPTH)
    except DecodeError as fault:
        _check_offset(fault, data)
    else:
        assert after == end, f"{name} and skip_item end at different bytes: {after}, {end}"


def _check_stored(data: bytes) -> None:
    """What is done with data that was found well-formed and is stored."""
    for read, refusals in STORED_READERS:
        with contextlib.suppress(*refusals):
            read(data)
    changed = with_more(data)
    _, end = opaque_item(changed, 0, MAX_DEPTH)
    assert end == len(changed), f"a traceback put in does not give one item: {changed.hex()}"
