"""A frame over `max_frame` is answered with an error before its connection ends."""

from __future__ import annotations

import subprocess
from itertools import permutations

import pytest

from goordinate.cborrpc.encode import dumps
from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.limits import Limits
from goordinate.cborrpc.requests import Method, Parameter
from goordinate.cborrpc.server import Server, connection
from goordinate.tests.cborrpc.serving import (
    DEADLINE,
    LARGE,
    Peer,
    Start,
    in_a_thread,
    is_served,
    request,
)
from goordinate.tests.original import original_python

MAX_FRAME = 100_000
UNITS = (Parameter("spec"), Parameter("units"))
REFUSED = {b"id": None, b"error": {b"message": b"a frame of more than 100000 bytes"}}


def is_over(peer: Peer) -> bool:
    """Whether the connection ends with a reset, which clients take as a reason to call again."""
    with pytest.raises(ConnectionResetError):
        peer.receive(1)
    return True


@pytest.fixture
def server(start: Start) -> Server:
    return start(limits=Limits(max_frame=MAX_FRAME, frame_timeout=1))


@pytest.mark.parametrize("size", [MAX_FRAME + 1, LARGE])
@pytest.mark.parametrize("before", [0, 3])
def test_a_client_that_sends_all_before_it_reads(size: int, before: int, server: Server) -> None:
    with Peer(server) as peer:
        peer.send(before * frame(request("echo", 1)) + frame(bytes(size)))
        assert [peer.answer()[b"result"] for _ in range(before)] == [1] * before
        assert peer.answer() == REFUSED
        assert is_over(peer)
    assert server.counts.frames_too_large == 1
    assert is_served(server)


@pytest.mark.parametrize("size", [MAX_FRAME, LARGE])
@pytest.mark.parametrize("keys", list(permutations(["id", "method", "params"])))
def test_the_id_comes_back_where_it_can_be_found(
    size: int, keys: tuple[str, ...], server: Server
) -> None:
    """The original's client takes no answer with another id."""
    decoy = {b"id": 8, b"method": b"m", b"params": [b"Bid\x09"]}
    params = [b"Bid\x08", decoy, bytes(size), decoy, b"Bid\x09FmethodAm"]
    fields = {b"id": 300, b"method": b"add_work_units", b"params": params}
    with Peer(server) as peer:
        peer.send(frame(dumps({key.encode(): fields[key.encode()] for key in keys})))
        answer = peer.answer()
    if keys.index("id") < keys.index("params") or keys == ("params", "id", "method"):
        assert answer[b"id"] == 300
    assert answer[b"error"] == REFUSED[b"error"]


def test_what_comes_after_it_is_not_answered(server: Server) -> None:
    with Peer(server) as peer:
        peer.send(frame(bytes(MAX_FRAME + 1)) + frame(request("echo", 1)))
        assert peer.answer() == REFUSED
        assert is_over(peer)


def test_one_that_does_not_tell_its_size(server: Server) -> None:
    chunk = b"\x5a" + (MAX_FRAME // 2).to_bytes(4, "big") + bytes(MAX_FRAME // 2)
    with Peer(server) as peer:
        # Its client may not get so far as to read the answer.
        peer.send(b"\xd8\x18\x5f" + 3 * chunk + b"\xff")
        assert peer.answer() == REFUSED


def test_one_whose_end_never_comes_is_not_awaited(server: Server) -> None:
    with Peer(server) as peer:
        peer.send(frame(bytes(LARGE))[:1000])
        assert peer.answer() == REFUSED
        assert is_over(peer)
    assert (server.counts.frames_too_large, server.counts.frames_unfinished) == (1, 0)


def test_others_are_served_meanwhile(server: Server) -> None:
    with Peer(server) as peer, Peer(server) as other:
        peer.send(frame(bytes(LARGE))[:1000])
        for number in range(100):
            peer.send(bytes(10_000))
            assert other.call("echo", number) == number
        peer.send(bytes(LARGE)[1_001_000:])
        peer.send(bytes(5))
        assert peer.answer() == REFUSED


def test_one_that_is_far_too_large_is_not_read(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "DISCARDED", LARGE // 2)
    with Peer(server) as peer:
        peer.send(frame(bytes(LARGE))[:10])
        assert peer.answer() == REFUSED
        assert is_over(peer)
    assert is_served(server)


def test_it_ends_at_a_stop(server: Server) -> None:
    with Peer(server) as peer:
        peer.send(frame(bytes(LARGE))[:1000])
        assert is_served(server)
        server.stop()
        assert peer.answer() == REFUSED
        assert is_over(peer)


ORIGINAL = """
import sys
from coordinate import TaskMaster
master = TaskMaster({'address': sys.argv[1], 'retries': 1, 'base_retry_seconds': 0.01})
for size in (10, 200000, 20000000, 10):
    try:
        print(master.add_work_units('s', [('k', {'d': 'x' * size})]))
    except Exception as error:
        print(repr(error))
"""


@pytest.mark.original
def test_the_originals_client_tells_the_reason() -> None:
    units = Method("add_work_units", lambda spec, units: (True, None), UNITS)
    with in_a_thread([units], Limits(max_frame=MAX_FRAME)) as (host, port):
        said = subprocess.run(
            [original_python(), "-c", ORIGINAL, f"{host}:{port}"],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=DEADLINE,
            text=True,
        ).stdout.splitlines()
    reason = "Exception('a frame of more than 100000 bytes',)"
    assert said == ["True", reason, reason, "True"]


def test_the_head_tells_its_size() -> None:
    sizes = {
        frame(bytes(500))[:10]: 505,
        b"\x81\x59\x01\xf4": 504,
        b"\x82\x59\x01\xf4": None,
        b"\xd8\x18\x5f\x59\x01\xf4": None,
    }
    for head, size in sizes.items():
        with pytest.raises(ValueError, match="a frame of more than 100 bytes") as caught:
            FrameReader(Limits(max_frame=100)).feed(head)
        assert getattr(caught.value, "size", 0) == size
