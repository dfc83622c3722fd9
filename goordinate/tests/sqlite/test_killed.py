"""kill -9, and the file copied as it is at a moment: what was answered is there."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import gevent

from goordinate.cborrpc import Client
from goordinate.coordinate.clock import SteadyClock
from goordinate.sqlite import Options, SqliteBackend, check

KILLS = int(os.environ.get("GOORDINATE_KILLS", "20"))
COPIES = int(os.environ.get("GOORDINATE_COPIES", "100"))


@contextmanager
def daemon(path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The daemon on a file, and its port."""
    command = [sys.executable, "-m", "goordinate", "-p", "0", "--backend", f"sqlite:{path}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                found = re.search(r"serving on .*:(\d+)$", line)
                if found:
                    break
            else:
                raise AssertionError("the daemon did not start")
            yield process, int(found[1])
        finally:
            process.kill()


class Worker:
    """A client that adds, takes, finishes and prioritizes units, and knows what was answered."""

    def __init__(self, port: int, name: bytes) -> None:
        self.port, self.name = port, name
        #: Unit -> the last state that an answer confirmed; and what is asked for now.
        self.known: dict[bytes, int] = {}
        self.asked: set[bytes] = set()

    def run(self) -> None:
        """Work until the connection ends."""
        try:
            with Client(("127.0.0.1", self.port), retries=0) as client:
                number = 0
                while True:
                    number += 1
                    self._turn(client, b"%s-%06d" % (self.name, number))
        except (OSError, EOFError):
            pass

    def _turn(self, client: Client, key: bytes) -> None:
        spec = b"spec-" + self.name
        self.asked = {key}
        client.call("add_work_units", spec, [(key, {b"n": key})])
        self.known[key] = 1
        options = {b"work_spec_names": [spec], b"lease_time": 300}
        taken, _ = client.call("get_work", self.name, options)
        self.known[taken[1]] = 3
        done = {b"status": 4, b"worker_id": self.name, b"lease_time": 300}
        client.call("update_work_unit", spec, taken[1], done)
        self.known[taken[1]] = 4
        self.asked = set()


def verify(path: Path, workers: list[Worker], known: list[dict[bytes, int]]) -> None:
    """The file has what the workers were answered, and nothing that nobody asked for."""
    backend = SqliteBackend(str(path), SteadyClock(), Options(synchronous="OFF"))
    try:
        namespace = backend.namespace("")
        for worker, answered in zip(workers, known, strict=True):
            spec = b"spec-" + worker.name
            units = namespace.get_work_units(spec, list(answered))
            for (key, state), unit in zip(answered.items(), units, strict=True):
                assert unit is not None, key
                # Each call only takes a unit further; the last may be done and not answered.
                assert unit.status >= state, (key, state, unit)
            count = sum(namespace.count_work_units(spec).values())
            assert len(answered) <= count <= len(answered | dict.fromkeys(worker.asked))
    finally:
        backend.close()


def start_workers(port: int, count: int, start: int) -> tuple[list[Worker], list[gevent.Greenlet]]:
    """Workers in threads of their own."""
    with Client(("127.0.0.1", port)) as client:
        workers = [Worker(port, b"w%d-%d" % (start, n)) for n in range(count)]
        for worker in workers:
            client.call("set_work_spec", {b"name": b"spec-" + worker.name})
    pool = gevent.get_hub().threadpool
    return workers, [pool.spawn(worker.run) for worker in workers]


def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    path, random = tmp_path / "queue.db", Random(1)
    done: list[Worker] = []
    for kill in range(KILLS):
        with daemon(path) as (process, port):
            workers, threads = start_workers(port, 4, kill)
            time.sleep(random.uniform(0.05, 0.4))
            process.kill()
            for thread in threads:
                thread.get()
        done += workers
        verify(path, done, [worker.known for worker in done])
    assert sum(len(worker.known) for worker in done) > KILLS


def test_a_copy_of_the_file_and_its_log_has_what_was_answered(tmp_path: Path) -> None:
    path, random = tmp_path / "queue.db", Random(2)
    with daemon(path) as (process, port):
        workers, threads = start_workers(port, 4, 0)
        for number in range(COPIES):
            time.sleep(random.uniform(0.0, 0.02))
            known = [dict(worker.known) for worker in workers]
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            copy = tmp_path / f"copy-{number}.db"
            shutil.copy(path, copy)
            shutil.copy(f"{path}-wal", f"{copy}-wal")
            after = [worker.asked | set(worker.known) for worker in workers]
            process.send_signal(signal.SIGCONT)
            backend = SqliteBackend(str(copy), SteadyClock(), Options(synchronous="OFF"))
            namespace = backend.namespace("")
            for worker, answered, asked in zip(workers, known, after, strict=True):
                spec = b"spec-" + worker.name
                units = namespace.get_work_units(spec, list(answered))
                states = zip(answered.values(), units, strict=True)
                assert all(unit and unit.status >= state for state, unit in states)
                assert sum(namespace.count_work_units(spec).values()) <= len(asked) + 1
            backend.close()
        process.kill()
        for thread in threads:
            thread.get()
    assert check(str(path))
