"""The timeouts of frames and answers measure progress, not the whole transfer."""

from __future__ import annotations

import time

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goordinate.cborrpc.framing import frame
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.progress import STEADY, Progress
from goordinate.tests.cborrpc.serving import DEADLINE, HUGE, Peer, Start, request

TIMEOUT = 2.0
"""Seconds; transfers here take twice as long."""

PIECES = 16
PAUSE = TIMEOUT / 8
"""So many pieces of a transfer, and seconds between two of them."""


def seconds_until_cut_off(
    timeout: float, rate: float, period: float = 0.1, most: float = 10_000
) -> float:
    """How long a transfer lasts of which `rate` bytes a second come, each `period` seconds."""
    now = 0.0
    progress = Progress(timeout, now)
    while now < most:
        if progress.left(now + period) <= 0:
            return now + progress.left(now)
        now += period
        progress.add(int(rate * period), now)
    return now


def test_what_stands_still_is_cut_off_after_the_timeout() -> None:
    assert Progress(60, 1000).left(1000) == 60
    assert Progress(60, 1000).left(1060) == 0
    assert seconds_until_cut_off(60, 0) == 60


def test_a_byte_a_second_is_cut_off_after_the_timeout() -> None:
    for timeout in (1, 3, 60):
        assert timeout < seconds_until_cut_off(timeout, 1, period=1) + 1e-3 < timeout * 1.01


@pytest.mark.parametrize("rate", [STEADY, 100_000, 10**9])
def test_a_steady_transfer_is_never_cut_off(rate: int) -> None:
    for timeout in (0.2, 3, 60):
        assert seconds_until_cut_off(timeout, rate) >= 10_000


def test_a_transfer_at_half_the_speed_has_twice_the_time() -> None:
    assert 115 < seconds_until_cut_off(60, STEADY / 2) < 125


@given(st.lists(st.tuples(st.integers(0, 10**9), st.floats(0, 100))), st.floats(0.1, 100))
def test_there_is_never_more_time_than_the_timeout(
    steps: list[tuple[int, float]], timeout: float
) -> None:
    now = 0.0
    progress = Progress(timeout, now)
    for size, seconds in steps:
        now += seconds
        progress.add(size, now)
        assert progress.left(now) <= timeout * (1 + 1e-9) + 1e-9


def test_a_large_frame_that_comes_steadily_is_answered(start: Start) -> None:
    server = start(limits=Limits(frame_timeout=TIMEOUT))
    data = bytes(4_000_000)
    sent = frame(request("echo", data))
    size = len(sent) // PIECES + 1
    with Peer(server) as peer:
        for begin in range(0, len(sent), size):
            peer.send(sent[begin : begin + size])
            gevent.sleep(PAUSE)
        assert peer.answer()[b"result"] == data
    assert server.counts.frames_unfinished == 0


def test_a_frame_that_came_fast_and_stands_still_is_cut_off(start: Start) -> None:
    server = start(limits=Limits(frame_timeout=TIMEOUT / 8))
    with Peer(server) as peer:
        started = time.monotonic()
        peer.send(frame(request("echo", bytes(10_000_000)))[:-1])
        assert peer.rest() == b""
        # At 10,000 bytes a second it would have had 1,000 seconds.
        assert time.monotonic() - started < DEADLINE / 2
    assert server.counts.frames_unfinished == 1


def test_an_answer_that_is_read_steadily_is_sent_whole(start: Start) -> None:
    server = start(limits=Limits(answer_timeout=TIMEOUT))
    size = 8_000_000
    with Peer(server, buffer=200_000) as peer:
        peer.ask("large", size)
        received = 0
        while received < size:
            received += len(peer.receive(size // PIECES))
            gevent.sleep(PAUSE)
    assert server.counts.answers_unread == 0


def test_progress_is_what_the_client_takes_not_what_our_system_has_room_for(start: Start) -> None:
    """Our system has room again when a third of its buffer is free: for a client that takes
    100,000 bytes a second this is after some 10 seconds."""
    server = start(limits=Limits(answer_timeout=TIMEOUT))
    with Peer(server, buffer=100_000) as peer:
        peer.ask("large", HUGE)
        for _ in range(PIECES):
            peer.receive(25_000)
            gevent.sleep(PAUSE)
    assert server.counts.answers_unread == 0


def test_an_answer_of_which_a_few_bytes_are_read_is_cut_off(start: Start) -> None:
    server = start(limits=Limits(answer_timeout=TIMEOUT / 8))
    with Peer(server, buffer=100_000) as peer:
        peer.ask("large", HUGE)
        while not server.counts.answers_unread:
            peer.receive(1)
            gevent.sleep(0.01)
        with pytest.raises(ConnectionResetError):
            peer.drain()
    assert server.counts.answers_unread == 1
