"""The command line: exit statuses, the one line of each error, --dump-config."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from goordinate import __version__
from goordinate.tests.daemon.conftest import COMMAND, DEADLINE, ENVIRONMENT

DEFAULT_YAML = """\
coordinate:
  http:
    answer_timeout: 60
    body_timeout: 60
    certificate: null
    head_timeout: 10
    hosts: []
    idle_timeout: 75
    key: null
    max_body: 67108864
    max_buffered: 268435456
    max_connections: 1000
    max_requests: 1000
    tokens: []
    tokens_file: null
    without_tokens: false
  job_queue:
    attempt_data: 4096
    delete_snapshots_beyond: null
    do_recover: false
    joblog: false
    limit_completed_age: null
    limit_completed_count: null
    log_path_format: null
    postgres_connect: null
    postgres_schema: public
    restart_grace: 30
    snapshot_path_format: null
    snapshot_period_seconds: null
    sqlite_path: null
    sync: full
    sync_interval: 0.05
  server:
    allow: []
    answer_timeout: 60
    deny: []
    frame_timeout: 60
    hold_get_work: 0
    host: localhost
    httpd: null
    max_batch: 100000
    max_buffered: 1073741824
    max_connections: null
    max_depth: 256
    max_frame: 67108864
    modules: []
    port: 5932
    rpclog: false
    stop_timeout: 10
    tags: known
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


# The content of site.yaml, the options, the exit status, the one line.
REFUSALS = [
    (None, "-c site.yaml", 2, "site.yaml: No such file or directory"),
    (None, "-c .", 2, ".: Is a directory"),
    (
        "a: [",
        "-c site.yaml",
        2,
        "site.yaml: line 1, column 5: not YAML: while parsing a flow node,"
        " expected the node content, but found '<stream end>'",
    ),
    (
        "coordinate: {server: {host: 1}}",
        "--config site.yaml",
        2,
        "site.yaml: coordinate.server.host: expected a string, got 1",
    ),
    ("[]", "-c site.yaml --dump-config", 2, "site.yaml: top level: expected a map, got a list"),
    (None, "-p 65536", 2, "command line: --port: expected an integer from 0 to 65535, got 65536"),
    (
        None,
        "--httpd 5933",
        2,
        "command line: --httpd: expected HOST:PORT, or null, got the string '5933'",
    ),
    (
        None,
        "--snapshot-dir d",
        2,
        "command line: --snapshot-dir: this daemon keeps its state in a database: set "
        "coordinate.job_queue.sqlite_path",
    ),
    (
        "coordinate: {job_queue: {postgres_connect: q, do_recover: true}}",
        "-c site.yaml",
        2,
        "site.yaml: coordinate.job_queue.do_recover: this daemon keeps its state in a database: "
        "set coordinate.job_queue.sqlite_path;"
        " site.yaml: coordinate.job_queue.postgres_connect: this daemon has no PostgreSQL backend",
    ),
    (None, "--backend nosuch", 2, "unknown backend 'nosuch': there are memory, sqlite"),
    (None, "--backend nosuch:x", 2, "unknown backend 'nosuch': there are memory, sqlite"),
    (None, "--backend memory:x", 2, "backend memory: takes no address, got 'x'"),
    (None, "--backend sqlite:", 2, "backend sqlite: the path of the file is missing: sqlite:PATH"),
    (None, "--backend sqlite:.", 1, ".: Is a directory"),
    (None, "--backend sqlite:no/q", 1, "no/q: No such file or directory"),
    (None, "--check no.db", 1, "no.db: No such file or directory"),
    (None, "-p 0 --pid .", 1, "pid file .: Is a directory"),
    (None, "-p 0 --pid no/pid", 1, "pid file no/pid: No such file or directory"),
    (None, "-p 7 --host a..b", 1, "cannot listen on a..b:7: "),
    (None, "-p 7 --host no-such-host.invalid", 1, "cannot listen on no-such-host.invalid:7: "),
]


@pytest.mark.parametrize(("site", "options", "status", "line"), REFUSALS)
def test_a_refusal_is_one_line_and_a_status(
    tmp_path: Path, site: str | None, options: str, status: int, line: str
) -> None:
    if site is not None:
        (tmp_path / "site.yaml").write_text(site)
    done = run(tmp_path, *options.split())
    assert done.stdout == ""
    assert done.returncode == status
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    if line.endswith(": "):
        # The resolver's own words follow.
        assert lines[0].startswith(f"goordinated: {line}")
        assert len(lines[0]) > len(f"goordinated: {line}")
    else:
        assert lines[0] == f"goordinated: {line}"


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(tmp_path, "--host", "127.0.0.1", "--port", str(port), "--pid", "pid")
    assert done.returncode == 1
    assert done.stderr == (
        f"goordinated: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )
    assert not (tmp_path / "pid").exists()


def test_no_name_can_make_a_second_line(tmp_path: Path) -> None:
    done = run(tmp_path, "-c", "no\nsuch\x1b.yaml")
    assert done.stderr == "goordinated: no\\x0asuch\\x1b.yaml: No such file or directory\n"


@pytest.mark.parametrize(
    "options", ["--port x", "--dump-config everything", "--log-level loud", "--frobnicate", "stray"]
)
def test_bad_usage(tmp_path: Path, options: str) -> None:
    done = run(tmp_path, *options.split())
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("goordinated: error: ")


def test_version(tmp_path: Path) -> None:
    done = run(tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, f"goordinated {__version__}\n")


SITE = """
coordinate:
  namespace: n
  job_queue: {limit_completed_count: 5, joblog: false, sqlite_path: q}
other: [é, 2001-02-03, null]
"""

EFFECTIVE_YAML = """\
coordinate:
  job_queue:
    limit_completed_count: 5
    sqlite_path: q
  namespace: n
  server:
    port: 7
other:
- "\\xE9"
- 2001-02-03
- null
"""

FULL_YAML = (
    DEFAULT_YAML.replace("limit_completed_count: null", "limit_completed_count: 5")
    .replace("sqlite_path: null", "sqlite_path: q")
    .replace("  server:", "  namespace: n\n  server:")
    .replace("port: 5932", "port: 7")
) + EFFECTIVE_YAML[EFFECTIVE_YAML.index("other:") :]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--dump-config default", DEFAULT_YAML),
        ("--dump-config full", DEFAULT_YAML),
        ("--dump-config effective", "{}\n"),
        ("--dump-config", "{}\n"),
        ("-c site.yaml -p 7 --dump-config default", DEFAULT_YAML),
        ("-c site.yaml -p 7 --dump-config full", FULL_YAML),
        ("-c site.yaml -p 7 --dump-config effective", EFFECTIVE_YAML),
        ("-c site.yaml --port 7 --dump-config", EFFECTIVE_YAML),
        ("--host= --httpd= --dump-config full", DEFAULT_YAML),
    ],
)
def test_dump_config(tmp_path: Path, options: str, expected: str) -> None:
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    done = run(tmp_path, *options.split())
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_dump_config_tells_of_unknown_keys(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("coordinate: {server: {prot: 1}}")
    done = run(tmp_path, "-c", "site.yaml", "--dump-config")
    assert done.stdout == "coordinate:\n  server:\n    prot: 1\n"
    assert done.stderr.endswith(
        " WARNING goordinate.daemon: site.yaml: coordinate.server.prot: unknown key,"
        " the nearest known one is coordinate.server.port\n"
    )
