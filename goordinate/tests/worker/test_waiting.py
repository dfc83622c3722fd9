"""A worker without work: it waits in the server, or asks one that does not know how to wait."""

from __future__ import annotations

import signal
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goordinate.cborrpc import loads
from goordinate.cborrpc.framing import FrameReader, frame
from goordinate.client import TaskMaster
from goordinate.client.constants import AVAILABLE, FINISHED
from goordinate.testing import InProcessClient, task_master
from goordinate.tests.worker.conftest import Start, spec, wait_for


class Server(socketserver.ThreadingTCPServer):
    """A job server that does not wait; or one where the test says what happens in a wait."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()
        self.master = task_master()
        assert isinstance(self.master.client, InProcessClient)
        self.client = self.master.client
        #: Calls of get_work that were told to wait.
        self.waits = 0
        #: In a wait: until this is set, or the client closes its half of the connection.
        self.holds: threading.Event | None = None
        self.half_closed = threading.Event()

    def add(self) -> None:
        """A unit."""
        with self.lock:
            self.master.update_bundle(spec("nothing"), {"u": {}})

    def counts(self) -> Any:
        """Of the units."""
        with self.lock:
            return self.master.count_work_units("nothing")


class Handler(socketserver.BaseRequestHandler):
    """One connection."""

    server: Server

    def handle(self) -> None:
        """Answer until it ends."""
        reader = FrameReader()
        while chunk := self.request.recv(65536):
            for message in reader.feed(chunk):
                if is_to_wait(message):
                    self.wait()
                with self.server.lock:
                    answer = self.server.client.exchange(message)
                self.request.sendall(frame(answer))

    def wait(self) -> None:
        """A call waits for work."""
        self.server.waits += 1
        if self.server.holds is None:
            return
        self.request.settimeout(0.05)
        while not self.server.holds.is_set():
            try:
                if not self.request.recv(1):
                    self.server.half_closed.set()
                    break
            except TimeoutError:
                continue
        self.request.settimeout(None)
        self.server.add()


def is_to_wait(message: bytes) -> bool:
    """Whether it has a get_work that is to wait."""
    requests = loads(message)
    for request in requests if isinstance(requests, list) else [requests]:
        if request[b"method"] == b"get_work" and request[b"params"][1]["wait"] > 0:
            return True
    return False


@pytest.fixture
def served() -> Iterator[Server]:
    """A server in this process."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_one_process_waits_in_the_server_until_there_is_work(served: Server, start: Start) -> None:
    served.holds = threading.Event()
    worker = start("--address", served.address, "-j", "3")
    wait_for(lambda: served.waits)
    time.sleep(1)  # by polling there would be more by now
    assert served.waits == 1
    served.holds.set()
    wait_for(lambda: served.counts() == {FINISHED: 1})
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_a_server_that_does_not_wait_is_asked_less_and_less_often(
    served: Server, start: Start
) -> None:
    worker = start("--address", served.address, "-j", "3")
    wait_for(lambda: served.waits > 2)
    waits = served.waits
    time.sleep(1)
    assert served.waits - waits < 6
    served.add()
    wait_for(lambda: served.counts() == {FINISHED: 1})
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_a_unit_that_comes_when_the_worker_stops_is_given_back(
    served: Server, start: Start
) -> None:
    served.holds = threading.Event()
    worker = start("--address", served.address, "-j", "2")
    wait_for(lambda: served.waits)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert served.half_closed.is_set()
    assert served.counts() == {AVAILABLE: 1}
    assert "Traceback" not in worker.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGABRT, signal.SIGKILL])
def test_a_worker_that_waits_ends_at_once(
    address: str, master: TaskMaster, start: Start, number: int
) -> None:
    worker = start("--address", address, "-j", "2")
    wait_for(lambda: len(master.workers()) == 3)
    time.sleep(0.5)  # until one of its processes waits
    worker.signal(number)
    begun = time.monotonic()
    wait_for(lambda: not worker.processes())
    assert time.monotonic() - begun < 10  # and not the 30 seconds of the wait
    if number == signal.SIGTERM:
        assert worker.wait() == 0
        assert "WARNING" not in worker.text()
        assert master.workers() == {}


def test_burst_does_not_wait(
    address: str, master: TaskMaster, start: Start, tmp_path: Path
) -> None:
    unit = {"file": str(tmp_path / "notes"), "seconds": 1}
    master.update_bundle(spec("sleep"), {"u": unit})
    # While one process works the other asks for work again and again.
    worker = start("--address", address, "-j", "2", "--burst")
    assert worker.wait(20) == 0
    assert master.count_work_units("sleep") == {FINISHED: 1}
