"""A whole job, and a crowd: the daemon under real connections from other threads."""

from __future__ import annotations

import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from goordinate.cborrpc import Client, dumps
from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.cborrpc.requests import encode_request
from goordinate.coordinate.states import FINISHED
from goordinate.tests.daemon.conftest import StartDaemon

UNITS = 100_000
WORKERS = 16
CROWD = 800
AT_ONCE = 200


def work_until_done(port: int, name: bytes) -> Counter[tuple[bytes, bytes]]:
    """Finish units, each with itself as output, until there are none; how often each was got."""
    got: Counter[tuple[bytes, bytes]] = Counter()
    with Client(("127.0.0.1", port), timeout=60) as client:
        while True:
            units, _ = client.call("get_work", name, {b"max_jobs": AT_ONCE, b"lease_time": 3600})
            if not units:
                return got
            got.update((spec, key) for spec, key, _ in units)
            finishes = [
                (
                    "update_work_unit",
                    (spec, key, {b"status": FINISHED, b"data": {b"output": [key]}}),
                )
                for spec, key, _ in units
            ]
            assert all(answer == (True, None) for answer in client.call_many(finishes))


def test_a_hundred_thousand_units_through_a_chain_are_finished_once_each(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon()
    with Client(("127.0.0.1", daemon.port), timeout=60) as client:
        client.call("set_work_spec", {b"name": b"first", b"then": b"second"})
        client.call("set_work_spec", {b"name": b"second"})
        for start in range(0, UNITS, 5000):
            batch: list[object] = [
                (b"unit-%06d" % number, {}) for number in range(start, start + 5000)
            ]
            client.call("add_work_units", b"first", batch)
        with ThreadPoolExecutor(WORKERS) as pool:
            names = [b"worker-%d" % number for number in range(WORKERS)]
            shares = list(pool.map(lambda name: work_until_done(daemon.port, name), names))
        for spec in (b"first", b"second"):
            assert client.call("count_work_units", spec) == ({FINISHED: UNITS}, None)
    got: Counter[tuple[bytes, bytes]] = sum(shares, Counter())
    assert len(got) == 2 * UNITS
    assert set(got.values()) == {1}


def test_eight_hundred_connections_at_once_are_accepted_and_served(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon()
    crowd = [socket.create_connection(("127.0.0.1", daemon.port), 60) for _ in range(CROWD)]
    try:
        for number, connection in enumerate(crowd):
            connection.sendall(frame(encode_request(number, "list_work_specs", [{}])))
        for number, connection in enumerate(crowd):
            reader = FrameReader()
            messages: list[bytes] = []
            while not messages:
                chunk = connection.recv(4096)
                assert chunk, number
                messages = reader.feed(chunk)
            assert messages == [b"\xa2\x42id%b\x46result\xd8\x80\x82\x80\xf6" % dumps(number)]
    finally:
        for connection in crowd:
            connection.close()
