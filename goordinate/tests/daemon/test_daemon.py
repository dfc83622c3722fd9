"""The daemon as a process: what it logs, serves, and does on each signal."""

from __future__ import annotations

import logging
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gevent.event import Event

import goordinate
from goordinate import __version__
from goordinate.cborrpc.client import Client
from goordinate.config import ServerConfig
from goordinate.services import Archiver
from goordinate.tests.daemon.conftest import COMMAND, DEADLINE, ENVIRONMENT, StartDaemon


def test_start_is_logged_and_calls_are_served(start_daemon: StartDaemon) -> None:
    running = start_daemon("--host", "127.0.0.1")
    assert running.host == "127.0.0.1"
    version, serving = running.log().splitlines()
    assert version.endswith(f" INFO goordinate.daemon: version {__version__}, backend memory")
    assert serving.endswith(f" INFO goordinate.daemon: serving on 127.0.0.1:{running.port}")
    with Client(("127.0.0.1", running.port)) as client:
        assert client.call("set_work_spec", {b"name": b"s"}) == (True, None)
        assert client.call("add_work_units", b"s", [(b"u", {b"a": 1})]) == (True, None)
        assert client.call("get_work", b"w", {}) == ((b"s", b"u", {b"a": 1}), None)
    # Nothing is logged for a request.
    assert "stopping" in running.whole_log().splitlines()[2]


def test_every_count_is_in_the_documentation(start_daemon: StartDaemon) -> None:
    page = Path(goordinate.__file__).parents[1] / "docs" / "reliability.md"
    running = start_daemon("--host", "127.0.0.1")
    with Client(("127.0.0.1", running.port)) as client:
        counts = client.call("server_stats")
    assert counts[b"connections"] == 1
    assert counts[b"log_lines_dropped"] == 0
    assert [name for name in counts if f"`{name.decode()}`" not in page.read_text()] == []


def test_get_config_is_the_whole_site(start_daemon: StartDaemon, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "coordinate: {namespace: n, job_queue: {limit_completed_age: 60}}\n"
        "other: !include other.yaml\nlogging: {root: {level: INFO}}",
    )
    (tmp_path / "other.yaml").write_text("{day: 2001-02-03, name: é}", encoding="utf-8")
    running = start_daemon("-c", "site.yaml")
    assert running.host == "localhost"
    with Client(("localhost", running.port)) as client:
        configuration, message = client.call("get_config")
    assert message is None
    assert configuration == {
        b"coordinate": {
            b"namespace": b"n",
            b"server": {
                b"host": b"localhost",
                b"port": 0,
                b"httpd": None,
                b"rpclog": False,
                b"modules": [],
                b"max_frame": 67_108_864,
                b"max_depth": 256,
                b"max_batch": 100_000,
                b"max_connections": None,
                b"frame_timeout": 60,
                b"answer_timeout": 60,
                b"max_buffered": 1_073_741_824,
                b"stop_timeout": 10,
                b"hold_get_work": 0,
                b"tags": b"known",
                b"allow": [],
                b"deny": [],
            },
            b"http": {
                b"answer_timeout": 60,
                b"body_timeout": 60,
                b"certificate": None,
                b"head_timeout": 10,
                b"hosts": [],
                b"idle_timeout": 75,
                b"key": None,
                b"max_body": 67108864,
                b"max_buffered": 268435456,
                b"max_connections": 1000,
                b"max_requests": 1000,
                b"tokens": [],
                b"tokens_file": None,
                b"without_tokens": False,
            },
            b"job_queue": {
                b"limit_completed_count": None,
                b"limit_completed_age": 60,
                b"attempt_data": 4096,
                b"snapshot_period_seconds": None,
                b"snapshot_path_format": None,
                b"delete_snapshots_beyond": None,
                b"log_path_format": None,
                b"do_recover": False,
                b"sqlite_path": None,
                b"sync": b"full",
                b"sync_interval": 0.05,
                b"restart_grace": 30,
                b"postgres_connect": None,
                b"postgres_schema": b"public",
                b"joblog": False,
            },
        },
        b"other": {b"day": b"2001-02-03", b"name": "é"},
        b"logging": {b"root": {b"level": b"INFO"}},
    }


def test_ipv6(start_daemon: StartDaemon) -> None:
    running = start_daemon("--host", "::1")
    assert running.host == "[::1]"
    with Client(("::1", running.port)) as client:
        assert client.call("count_work_units", b"s") == (False, b"no such work_spec 's'")


def test_an_empty_host_in_the_file_is_every_interface(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    (tmp_path / "site.yaml").write_text("coordinate: {server: {host: ''}}")
    running = start_daemon("-c", "site.yaml")
    with Client(("127.0.0.2", running.port)) as client:
        assert client.call("list_work_specs", {}) == ([], None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_it_cleanly(
    start_daemon: StartDaemon, tmp_path: Path, number: signal.Signals
) -> None:
    pid_file = tmp_path / "pid"
    running = start_daemon("--host", "127.0.0.1", "--pid", str(pid_file))
    assert pid_file.read_text() == str(running.process.pid)
    with Client(("127.0.0.1", running.port)) as client:
        client.call("now")
        running.send(number)
        assert running.wait() == 0
    assert not pid_file.exists()
    assert f" INFO goordinate.daemon: {number.name}: " in running.log()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port), DEADLINE)


def test_a_second_stop_signal_ends_it_at_once(start_daemon: StartDaemon, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("filler: " + "x" * 1_000_000)
    running = start_daemon("--host", "127.0.0.1", "-c", "site.yaml", "--pid", "pid")
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE) as connection:
        # Answers that nobody reads, more than the buffers hold: the first signal has to wait.
        request = bytes.fromhex(
            "a3426964 01 466d6574686f64 4a6765745f636f6e666967 46706172616d73 80"
        )
        connection.sendall(request * 100)
        connection.recv(1)
        started = time.monotonic()
        running.send(signal.SIGTERM)
        running.wait_for_log("SIGTERM: ")
        running.send(signal.SIGINT)
        assert running.wait() == 1
    assert time.monotonic() - started < ServerConfig().stop_timeout / 2
    assert running.log().splitlines()[-1].endswith("SIGINT again: exiting at once")
    assert not (tmp_path / "pid").exists()


def test_a_daemon_that_cannot_listen_leaves_the_pid_file_of_another(
    start_daemon: StartDaemon, tmp_path: Path
) -> None:
    running = start_daemon("--host", "127.0.0.1", "--pid", "pid")
    second = subprocess.run(
        [*COMMAND, "--host", "127.0.0.1", "--port", str(running.port), "--pid", "pid"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stderr=subprocess.DEVNULL,
        timeout=DEADLINE,
    )
    assert second.returncode == 1
    assert (tmp_path / "pid").read_text() == str(running.process.pid)


def count_done(client: Client) -> int:
    units, message = client.call("get_work_units", b"s", {b"state": 4})
    assert message is None
    return len(units)


def test_sighup_applies_new_limits(start_daemon: StartDaemon, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("coordinate: {job_queue: {limit_completed_count: 3}}")
    running = start_daemon("-c", "site.yaml")
    with Client(("localhost", running.port)) as client:
        client.call("set_work_spec", {b"name": b"s"})
        client.call("add_work_units", b"s", [(b"%d" % n, {}) for n in range(5)])
        for n in range(5):
            client.call("update_work_unit", b"s", b"%d" % n, {b"status": 4})
        client.call("archive", {})
        assert count_done(client) == 3

        site.write_text(
            "coordinate: {job_queue: {limit_completed_count: 1, job: y}, server: {host: h}}\nnew: 1"
        )
        running.send(signal.SIGHUP)
        running.wait_for_log("INFO goordinate.daemon: SIGHUP: configuration read again\n")
        client.call("archive", {})
        assert count_done(client) == 1
        configuration, _ = client.call("get_config")
        assert configuration[b"new"] == 1
        assert configuration[b"coordinate"][b"job_queue"][b"limit_completed_count"] == 1
        assert configuration[b"coordinate"][b"server"][b"host"] == b"localhost"
    warnings = re.findall(r"WARNING goordinate\.daemon: site\.yaml: (\S+): (.*)", running.log())
    assert warnings == [
        (
            "coordinate.job_queue.job",
            "unknown key, the nearest known one is coordinate.job_queue.joblog",
        ),
        (
            "coordinate.server.host",
            "cannot change while running, it stays the string 'localhost'",
        ),
    ]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("coordinate: [", "site.yaml: line 1, column 14: not YAML: "),
        (
            "coordinate: {job_queue: {limit_completed_count: -1}}",
            "site.yaml: coordinate.job_queue.limit_completed_count: expected ",
        ),
        (
            "coordinate: {job_queue: {do_recover: true}}",
            "site.yaml: coordinate.job_queue.do_recover: this daemon keeps its state in a database",
        ),
        (None, "site.yaml: No such file or directory"),
    ],
)
def test_sighup_with_a_broken_file_changes_nothing(
    start_daemon: StartDaemon, tmp_path: Path, broken: str | None, reason: str
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("old: 1")
    running = start_daemon("-c", "site.yaml")
    with Client(("localhost", running.port)) as client:
        before = client.call("get_config")
        if broken is None:
            site.unlink()
        else:
            site.write_text(broken)
        running.send(signal.SIGHUP)
        running.wait_for_log(
            "ERROR goordinate.daemon: SIGHUP: keeping the old configuration: " + re.escape(reason)
        )
        assert client.call("get_config") == before


def test_sighup_applies_new_log_levels(start_daemon: StartDaemon, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("coordinate: {server: {rpclog: true}}")
    running = start_daemon("-c", "site.yaml")
    with Client(("localhost", running.port)) as client:
        client.call("list_work_specs", {})
        site.write_text("coordinate: {server: {rpclog: true}}\nlogging: {root: {level: DEBUG}}")
        running.send(signal.SIGHUP)
        running.wait_for_log("SIGHUP: configuration read again")
        assert " DEBUG " not in running.log()
        client.call("list_work_specs", {})
        running.wait_for_log(" DEBUG .*list_work_specs")


def test_sighup_without_a_file(start_daemon: StartDaemon) -> None:
    running = start_daemon()
    running.send(signal.SIGHUP)
    running.wait_for_log("SIGHUP: configuration read again")
    assert "WARNING" not in running.whole_log()


def test_the_limit_of_open_files_is_raised(tmp_path: Path) -> None:
    # A port that cannot be had ends the daemon right after.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [*COMMAND, "-v", "--host", "127.0.0.1", "--port", str(port)]
        done = subprocess.run(
            ["sh", "-c", 'ulimit -S -n 64; exec "$@"', "sh", *command],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env=ENVIRONMENT,
        )
    assert re.search(
        r" DEBUG goordinate\.daemon: open files: the limit was 64 and is (?!64)\d+\n", done.stderr
    )


class ArchiveSpy:
    """A job server that only counts; its first archiving fails."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self.looks = 0
        self.archived = 0
        self.third_look = Event()

    @property
    def limit_completed_count(self) -> None:
        """A limit that is never set, so that the other one is looked at."""

    @property
    def limit_completed_age(self) -> int | None:
        self.looks += 1
        if self.looks > 2:
            self.third_look.set()
        return self._limit

    def archive(self) -> Iterator[None]:
        self.archived += 1
        yield
        if self.archived == 1:
            raise RuntimeError("disk on fire")


@pytest.mark.parametrize(("limit", "archives"), [(None, False), (5, True), (0, True)])
def test_archiving_is_periodic_when_there_are_limits_and_survives_a_failure(
    caplog: pytest.LogCaptureFixture, limit: int | None, archives: bool
) -> None:
    spy = ArchiveSpy(limit)
    archiver = Archiver(spy, 0.001)  # type: ignore[arg-type]
    archiver.start()
    try:
        assert spy.third_look.wait(DEADLINE)
    finally:
        archiver.stop(DEADLINE)
    assert (spy.archived >= 2) is archives
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == (1 if archives else 0)
    for record in errors:
        assert record.getMessage() == "archiving failed; the next try is in 0.001 s"
        assert record.exc_info is not None
