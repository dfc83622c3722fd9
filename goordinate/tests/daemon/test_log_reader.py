"""The log when whoever reads it is slow, stops, or is gone: the daemon goes on."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from goordinate import log_writer
from goordinate.cborrpc.client import Client
from goordinate.config import ServerConfig
from goordinate.log_writer import MAX_WAITING, LineWriter
from goordinate.tests.daemon.conftest import COMMAND, DEADLINE, ENVIRONMENT, StartDaemon

PIPE = 4096


class PipedDaemon:
    """A daemon whose log is a small pipe, and that logs each call."""

    def __init__(self, folder: Path) -> None:
        (folder / "site.yaml").write_text("coordinate: {server: {host: 127.0.0.1, rpclog: true}}")
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE)
        self.process = subprocess.Popen(
            [*COMMAND, "-v", "--port", "0", "-c", "site.yaml"],
            cwd=folder,
            env=ENVIRONMENT,
            stderr=writing,
        )
        os.close(writing)
        self.log = os.fdopen(reading, "rb")
        while not (serving := re.search(rb"serving on .*:(\d+)\n", self.log.readline())):
            pass
        # The client gives up rather than wait for a daemon that hangs.
        self.client = Client(("127.0.0.1", int(serving[1])), timeout=DEADLINE, retries=0)

    def rest_of_log(self, until: str) -> list[str]:
        """What it has still to log: read until a line has `until` in it, then stop the daemon."""
        lines: list[str] = []
        seen = threading.Event()

        def read() -> None:
            for line in self.log:
                lines.append(line.decode().rstrip("\n"))
                if until in lines[-1]:
                    seen.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        assert seen.wait(DEADLINE)
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(DEADLINE) == 0
        reader.join(DEADLINE)
        return lines


@pytest.fixture
def piped(tmp_path: Path) -> Iterator[PipedDaemon]:
    daemon = PipedDaemon(tmp_path)
    yield daemon
    daemon.client.close()
    daemon.process.kill()
    daemon.process.wait()
    daemon.log.close()


def said(lines: list[str]) -> list[int]:
    """The numbers in the names of work specs in the requests that were logged."""
    found = (re.search(r": request .*'n(\d+)", line) for line in lines)
    return [int(match[1]) for match in found if match]


def test_a_log_that_is_read_late_has_every_line(piped: PipedDaemon) -> None:
    calls = 500
    for number in range(calls):
        piped.client.call("count_work_units", b"n%d" % number)
    assert piped.client.call("server_stats")[b"log_lines_dropped"] == 0
    lines = piped.rest_of_log(until="'server_stats'")
    assert said(lines) == list(range(calls))
    assert lines[-1].endswith(" INFO goordinate.daemon: stopped")


def test_lines_that_nobody_reads_are_dropped_and_counted(piped: PipedDaemon) -> None:
    size = 1500
    calls = 3 * MAX_WAITING // size
    for number in range(calls):
        piped.client.call("count_work_units", b"n%d" % number + b"x" * size)
    dropped = piped.client.call("server_stats")[b"log_lines_dropped"]
    assert dropped > calls / 4
    lines = piped.rest_of_log(until=" lines dropped: ")
    told = [number for number, line in enumerate(lines) if " lines dropped: " in line]
    assert told
    counted = sum(int(re.findall(r"(\d+) lines dropped", lines[number])[0]) for number in told)
    assert counted >= dropped
    # Without a gap up to there.
    numbers = said(lines[: told[0]])
    assert numbers == list(range(len(numbers)))
    assert numbers[-1] < calls - 1
    assert lines[-1].endswith(" INFO goordinate.daemon: stopped")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_log_that_nobody_reads_does_not_hold_up_the_end(
    piped: PipedDaemon, number: signal.Signals
) -> None:
    for unit in range(100):
        piped.client.call("count_work_units", b"n%d" % unit)
    piped.process.send_signal(number)
    assert piped.process.wait(ServerConfig().stop_timeout) == 0


def test_a_reader_that_is_gone_does_not_hold_up_anything(piped: PipedDaemon) -> None:
    piped.log.close()
    for unit in range(100):
        piped.client.call("count_work_units", b"n%d" % unit)
    assert piped.client.call("server_stats")[b"log_lines_dropped"] > 0
    piped.process.send_signal(signal.SIGTERM)
    assert piped.process.wait(ServerConfig().stop_timeout) == 0


def test_without_standard_error() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, "--dump-config"],
        env=ENVIRONMENT,
        capture_output=True,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stdout) == (0, b"{}\n")


FAILING = """
import gevent, sys
from goordinate.daemon import main
class Secret:
    def __del__(self):
        raise ValueError("secret")
def fail():
    Secret()
    raise ValueError("secret\\nsecret")
gevent.spawn_later(0.1, fail)
main()
"""


def test_exceptions_that_nobody_handles_are_lines_of_the_log(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(command=[sys.executable, "-c", FAILING])
    for context in ("Greenlet", "function"):
        daemon.wait_for_log(
            rf" ERROR goordinate\.logs: an exception in {context} that nobody handles"
            r" \| Traceback .* \| ValueError\n"
        )
    assert all(re.match(r"\d{4}-\d\d-\d\d ", line) for line in daemon.log().splitlines())
    assert "secret\nsecret" not in daemon.log()


def told(dropped: int) -> bytes:
    return b"%d dropped\n" % dropped


def test_a_disk_that_is_full_and_has_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    written = bytearray()
    room = [10]

    def write(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        taken = bytes(data[: room[0]])
        written.extend(taken)
        room[0] -= len(taken)
        return len(taken)

    monkeypatch.setattr(log_writer, "os", SimpleNamespace(write=write))
    monkeypatch.setattr(log_writer, "RETRY", 0.01)
    writer = LineWriter(0, told)
    for line in (b"first\n", b"second\n", b"third\n"):
        writer.put(line)
        writer.flush(DEADLINE)
    assert writer.dropped == 2
    room[0] = 1000
    while b"dropped" not in written:
        time.sleep(0.01)
    writer.put(b"fourth\n")
    writer.flush(DEADLINE)
    # The line that was cut off ends there.
    assert bytes(written) == b"first\nseco\n2 dropped\nfourth\n"
    assert writer.dropped == 2


def test_a_descriptor_that_does_not_block() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    writer = LineWriter(writing, told)
    lines = [b"%06d\n" % number for number in range(50_000)]
    for line in lines:
        writer.put(line)
    os.set_blocking(reading, True)
    read = bytearray()
    while len(read) < sum(map(len, lines)):
        read += os.read(reading, 65536)
    assert bytes(read) == b"".join(lines)
    assert writer.dropped == 0
    os.close(reading)
    os.close(writing)
