"""The daemon under clients, systems and clocks that misbehave: limits, access, what is logged."""

from __future__ import annotations

import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from goordinate.cborrpc.client import Client, RemoteError
from goordinate.cborrpc.framing import frame
from goordinate.logs import BURST
from goordinate.tests.connection import Connection
from goordinate.tests.daemon.conftest import COMMAND, DEADLINE, DaemonProcess, StartDaemon

HOUR = 3600


def client_of(daemon: DaemonProcess) -> Client:
    """A client that does not try again."""
    return Client(("127.0.0.1", daemon.port), timeout=DEADLINE, retries=0)


def stats(daemon: DaemonProcess) -> dict[bytes, int]:
    """The counters."""
    with client_of(daemon) as client:
        counts: dict[bytes, int] = client.call("server_stats")
        return counts


def processor_seconds(daemon: DaemonProcess) -> float:
    """User and system time of the daemon so far."""
    fields = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def with_open_files(number: int) -> list[str]:
    """The command of a daemon that may have so many open files."""
    return ["sh", "-c", f'ulimit -n {number}; exec "$@"', "sh", *COMMAND]


def test_as_many_connections_as_the_open_files_allow(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--host", "127.0.0.1", command=with_open_files(64))
    with ExitStack() as stack:
        clients = [stack.enter_context(client_of(daemon)) for _ in range(40)]
        served = 0
        for client in clients:
            try:
                client.call("now")
                served += 1
            except ConnectionError:
                pass
        assert served == 64 - 32
        for client in clients[:served]:
            client.call("now")
        counts = clients[0].call("server_stats")
        assert counts[b"connections"] == counts[b"connections_accepted"] == served
        assert counts[b"connections_refused"] == 40 - served
        assert counts[b"accept_pauses"] == 0
    daemon.wait_for_log("connection refused: the limit of 32 connections is reached")


def test_more_connections_than_the_open_files_allow_cannot_be_had(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    (tmp_path / "site.yaml").write_text("coordinate: {server: {max_connections: 100}}")
    daemon = start_daemon("-c", "site.yaml", command=with_open_files(64))
    daemon.wait_for_log(
        r"WARNING .*max_connections is 100, the limit of open files \(64\) allows 32\n"
    )


def test_a_full_descriptor_table_costs_no_processor_time(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--host", "127.0.0.1")
    with client_of(daemon) as there, ExitStack() as stack:
        there.call("now")
        before = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
        in_use = len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (in_use, before[1]))
        waiting = [
            stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port), DEADLINE))
            for _ in range(3)
        ]
        daemon.wait_for_log("ERROR .* cannot accept connections, trying again every 0.25 s")
        busy = processor_seconds(daemon)
        time.sleep(1)
        # Without a pause it would be all of the second.
        assert processor_seconds(daemon) - busy < 0.25
        there.call("now")
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, before)
        for connection in waiting:
            connection.sendall(frame(b"\xa3BidAiFmethodCnowFparams\x80"))
            assert connection.recv(100)
    assert stats(daemon)[b"accept_pauses"] >= 3
    log = daemon.whole_log()
    assert log.count("cannot accept connections") == 1
    assert log.count("accepting connections again") == 1


def test_who_may_connect_and_a_change_of_it(start_daemon: StartDaemon, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("coordinate: {server: {host: 0.0.0.0, allow: [127.0.0.1], deny: [10.0.0.0/8]}}")
    daemon = start_daemon("-c", "site.yaml")

    def is_served(source: str) -> bool:
        try:
            address = ("127.0.0.1", daemon.port)
            with socket.create_connection(address, DEADLINE, (source, 0)) as sock:
                sock.sendall(frame(b"\xa3BidAiFmethodCnowFparams\x80"))
                return bool(sock.recv(100))
        except ConnectionError:
            return False

    assert (is_served("127.0.0.1"), is_served("127.0.0.2")) == (True, False)
    daemon.wait_for_log(r"WARNING .* 127\.0\.0\.2:\d+: connection denied: not from an allowed")
    assert "can use the queue" not in daemon.log()
    site.write_text("coordinate: {server: {host: 0.0.0.0, deny: [127.0.0.1/32]}}")
    daemon.send(signal.SIGHUP)
    daemon.wait_for_log("SIGHUP: configuration read again")
    # Now everybody else may, which is worth a warning.
    daemon.wait_for_log("WARNING .* whoever can reach 0.0.0.0 can use the queue")
    assert (is_served("127.0.0.1"), is_served("127.0.0.2")) == (False, True)


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        (["--host", "127.0.0.1"], False),
        (["--host", "::1"], False),
        (["--host", "0.0.0.0"], True),
        (["--host", "::"], True),
        (["--host", "0.0.0.0", "-c", "allow.yaml"], False),
    ],
)
def test_listening_beyond_the_machine_for_everybody_is_a_warning(
    start_daemon: StartDaemon, tmp_path: Path, options: list[str], warned: bool
) -> None:
    (tmp_path / "allow.yaml").write_text("coordinate: {server: {allow: [192.168.0.0/16]}}")
    log = start_daemon(*options).whole_log()
    assert ("coordinate.server.allow names no networks" in log) is warned


# The wall clock of this daemon is that of the machine, and as many seconds more as a file says.
STEPPED = """
import pathlib, time
machine = time.time
time.time = lambda: machine() + float(pathlib.Path("step").read_text())
from goordinate.daemon import main
main()
"""


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_step_of_the_wall_clock_ends_no_lease_and_extends_none(
    start_daemon: StartDaemon, tmp_path: Path, step: int
) -> None:
    clock = tmp_path / "step"
    clock.write_text("0")
    daemon = start_daemon("--host", "127.0.0.1", command=[sys.executable, "-c", STEPPED])
    with client_of(daemon) as client:

        def status() -> dict[bytes, Any]:
            ((found,), _) = client.call("get_work_unit_status", b"s", [b"k"])
            assert isinstance(found, dict)
            return found

        client.call("set_work_spec", {b"name": b"s"})
        client.call("add_work_units", b"s", [(b"k", {})])
        started = time.time()
        client.call("get_work", b"w", {b"lease_time": 2})
        assert abs(client.call("now") - time.time()) < 1
        clock.write_text(str(step))
        assert abs(client.call("now") - time.time() - step) < 1
        held = status()
        assert held[b"status"] == 3
        assert abs(held[b"expiration"] - started - step - 2) < 1
        while status()[b"status"] == 3:
            assert time.time() - started < DEADLINE
            time.sleep(0.02)
        assert time.time() - started > 1.9


def test_a_stop_takes_no_longer_than_it_may(start_daemon: StartDaemon, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "coordinate: {server: {host: 127.0.0.1, stop_timeout: 2}}\nfiller: " + "x" * 1_000_000
    )
    daemon = start_daemon("-c", "site.yaml")
    with socket.create_connection(("127.0.0.1", daemon.port), DEADLINE) as connection:
        # Answers that nobody reads, more than the buffers hold.
        connection.sendall(frame(b"\xa3BidAiFmethodJget_configFparams\x80") * 100)
        connection.recv(1)
        started = time.monotonic()
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == 0
        assert 1 < time.monotonic() - started < 2.5


def bad_connections(daemon: DaemonProcess, number: int) -> Iterator[bytes]:
    """What comes back on connections that send bytes that are no frame."""
    for _ in range(number):
        with socket.create_connection(("127.0.0.1", daemon.port), DEADLINE) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            try:
                yield connection.recv(100)
            except ConnectionResetError:
                yield b""


def test_bad_clients_cannot_fill_the_log(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--host", "127.0.0.1")
    started = time.monotonic()
    assert set(bad_connections(daemon, 300)) == {b""}
    assert stats(daemon)[b"frames_malformed"] == 300
    periods = 1 + (time.monotonic() - started) // 10
    assert BURST <= daemon.whole_log().count("begins no message") <= BURST * periods


def test_the_data_of_units_is_not_in_the_log(start_daemon: StartDaemon, tmp_path: Path) -> None:
    """Whatever goes wrong, at the level that is usual; names are, with what they hold escaped."""
    daemon = start_daemon("--host", "127.0.0.1")
    data = {b"secret": [b"secret"], b"output": [(b"secret", {b"secret": 1}, {b"delay": b"secret"})]}
    with client_of(daemon) as client:
        client.call("set_work_spec", {b"name": b"a\nb\x1b[2J", b"then": b"c"})
        name = b"a\nb\x1b[2J"
        client.call("add_work_units", name, [(b"u\n2", data)])
        client.call("get_work", b"w\n", {b"lease_time": 0})
        client.call("update_work_unit", name, b"u\n2", {b"lease_time": 10**6, b"data": data})
        client.call("update_work_unit", name, b"u\n2", {b"status": 4, b"data": data})
        for bad in (
            [(b"k", data), (b"k", data, {b"priority": data})],
            data,
            [data],
            [(data, data)],
        ):
            with pytest.raises(RemoteError):
                client.call("add_work_units", name, bad)
        with pytest.raises(RemoteError):
            client.call("update_work_unit", name, b"u\n2", {b"status": data})
    with Connection(("127.0.0.1", daemon.port)) as connection:
        connection.exchange(b"\xa3BidAiFparams\x81Fsecret\xff")
    log = daemon.whole_log()
    assert "secret" not in log
    assert "nothing chained" in log
    assert "is over the maximum" in log
    assert "a message is refused" in log
    assert "a\\nb\\x1b[2J" in log
    assert not any(ord(character) < 32 for line in log.splitlines() for character in line)
