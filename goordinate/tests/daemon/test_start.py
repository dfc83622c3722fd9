"""The start: signals that come early, the pid file, and ways of writing an address."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from goordinate.cborrpc.client import Client
from goordinate.cborrpc.framing import frame
from goordinate.cborrpc.requests import encode_request
from goordinate.tests.daemon.conftest import DEADLINE, ENVIRONMENT, StartDaemon

# The daemon's program gets a signal in the moment in which it imports a module.
SIGNALLED = """
import os, runpy, signal, sys

# As in a terminal: a job that runs in the background of a script ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), signal.{name})

sys.meta_path.insert(0, Finder())
runpy.run_module("goordinate", run_name="__main__")
"""

# From the first that takes time to the last, when the configuration has long been read.
MODULES = ["goordinate.daemon", "gevent", "yaml", "goordinate.memory"]


@pytest.mark.parametrize("module", MODULES)
def test_sighup_before_it_serves_is_done_when_it_serves(
    start_daemon: StartDaemon, module: str
) -> None:
    program = SIGNALLED.format(module=module, name="SIGHUP")
    daemon = start_daemon(command=[sys.executable, "-c", program])
    daemon.wait_for_log("serving on .*\n(.*\n)*.* SIGHUP: configuration read again")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", MODULES)
def test_a_stop_signal_before_it_serves_ends_it_without_a_word(
    module: str, number: signal.Signals
) -> None:
    program = SIGNALLED.format(module=module, name=number.name)
    done = subprocess.run(
        [sys.executable, "-c", program, "--port", "0"],
        env=ENVIRONMENT,
        capture_output=True,
        timeout=DEADLINE,
    )
    assert (done.returncode, done.stderr) == (-number, b"")


def test_the_pid_file_of_a_successor_is_left_alone(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    first = start_daemon("--pid", "pid")
    assert "pid file" not in first.log()
    second = start_daemon("--pid", "pid")
    second.wait_for_log(
        rf" WARNING goordinate\.daemon: pid file pid: it named process {first.process.pid},"
        " which is alive; it names this one now\n"
    )
    first.send(signal.SIGTERM)
    assert first.wait() == 0
    assert pid_file.read_text() == str(second.process.pid)
    second.send(signal.SIGTERM)
    assert second.wait() == 0
    assert not pid_file.exists()


def test_the_pid_file_of_a_successor_is_left_alone_by_a_second_stop_signal(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    (tmp_path / "site.yaml").write_text("filler: " + "x" * 1_000_000)
    daemon = start_daemon("--host", "127.0.0.1", "-c", "site.yaml", "--pid", "pid")
    with socket.create_connection(("127.0.0.1", daemon.port), DEADLINE) as connection:
        # Answers that nobody reads: the first signal has to wait.
        connection.sendall(frame(encode_request(1, "get_config", [])) * 100)
        connection.recv(1)
        daemon.send(signal.SIGTERM)
        daemon.wait_for_log("SIGTERM: ")
        (tmp_path / "pid").write_text("1")
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == 1
    assert (tmp_path / "pid").read_text() == "1"


def gone() -> str:
    """The id of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return str(process.pid)


@pytest.mark.parametrize(
    "content", ["", "no number", "gone", "-1", "0", "9" * 30, "9" * 100, "\xff"]
)
def test_a_pid_file_that_names_no_living_process_is_taken_over(
    start_daemon: StartDaemon, tmp_path: Path, content: str
) -> None:
    pid_file = tmp_path / "pid"
    pid_file.write_text(gone() if content == "gone" else content)
    daemon = start_daemon("--pid", "pid")
    assert "pid file" not in daemon.log()
    assert pid_file.read_text() == str(daemon.process.pid)


@pytest.mark.parametrize(
    ("host", "shown", "client"),
    [
        ("[::1]", "[::1]", "::1"),
        ("::ffff:127.0.0.1", "[::ffff:127.0.0.1]", "127.0.0.1"),
        ("[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]", "127.0.0.1"),
    ],
)
def test_ways_of_writing_the_local_machine(
    start_daemon: StartDaemon, host: str, shown: str, client: str
) -> None:
    daemon = start_daemon("--host", host)
    assert daemon.host == shown
    with Client((client, daemon.port)) as connected:
        connected.call("now")
    assert "WARNING" not in daemon.whole_log()
