"""The daemon with HTTP: options, refusals, tokens and certificates that change."""

from __future__ import annotations

import signal
import ssl
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest

from goordinate.cborrpc.client import Client
from goordinate.config import load
from goordinate.sections import http_address
from goordinate.tests.daemon.conftest import DEADLINE, DaemonProcess, StartDaemon
from goordinate.tests.daemon.test_cli import run
from goordinate.tests.http.test_tls import make_certificate

SECRET = "s3cret-s3cret-s3cret"


def http_port(daemon: DaemonProcess) -> int:
    return int(daemon.wait_for_log(r"serving https? on .*:(\d+)")[1])


def status(daemon: DaemonProcess, secret: str | None = None) -> int:
    """That of a path that nobody may see without a token, if there are tokens."""
    connection = HTTPConnection("127.0.0.1", http_port(daemon), timeout=DEADLINE)
    headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
    connection.request("GET", "/namespace", headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:80", ("localhost", 80)),
        ("localhost", ("localhost", 5980)),
        (":81", ("", 81)),
        ("10.0.0.1:0", ("10.0.0.1", 0)),
        ("[::1]:82", ("::1", 82)),
        ("[::1]", ("::1", 5980)),
        ("h:", ("h", 5980)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert http_address(text) == address


def test_there_is_no_http_unless_it_is_asked_for(start_daemon: StartDaemon) -> None:
    assert "serving http" not in start_daemon().whole_log()


def test_http_beside_rpc(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--httpd", "localhost:0")
    assert status(daemon) in (200, 404)
    with Client(("127.0.0.1", daemon.port)) as client:
        counts = client.call("server_stats")
    assert (counts[b"http_requests"], counts[b"http_connections_accepted"]) == (1, 1)


@pytest.mark.parametrize(
    ("site", "told"),
    [
        ("server: {httpd: ':0'}", "0.0.0.0 is more than this machine, and there are no tokens"),
        ("server: {httpd: 'h:0'}, http: {tokens_file: none}", "none: No such file"),
        (
            "server: {httpd: 'localhost:0'}, http: {tokens: [{name: a, role: god, token: b}]}",
            "token 'a': the role is one of read, work, admin",
        ),
        ("server: {httpd: 'localhost:0'}, http: {key: k}", "there is no certificate with it"),
        ("server: {httpd: 'localhost:0'}, http: {certificate: c}", "c: No such file"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, site: str, told: str) -> None:
    (tmp_path / "site.yaml").write_text(f"coordinate: {{{site}}}")
    done = run(tmp_path, "-p", "0", "-c", "site.yaml")
    assert done.returncode == 2
    assert told in done.stderr


def test_tokens_are_read_again_and_never_shown(start_daemon: StartDaemon, tmp_path: Path) -> None:
    site, secrets = tmp_path / "site.yaml", tmp_path / "tokens"
    site.write_text(
        "coordinate: {server: {httpd: ':0'}, http: {tokens_file: tokens, tokens: "
        f"[{{name: ops, role: admin, token: {SECRET}}}]}}}}"
    )
    secrets.write_text(f"# none yet: {SECRET}\n")
    daemon = start_daemon("-c", "site.yaml", "-v")
    assert [status(daemon, secret) for secret in (None, SECRET)] in ([401, 200], [401, 404])
    secrets.write_text("reader read another-secret-of-some-length")
    daemon.send(signal.SIGHUP)
    daemon.wait_for_log("configuration read again")
    assert status(daemon, "another-secret-of-some-length") in (200, 404)
    secrets.write_text("reader read")
    daemon.send(signal.SIGHUP)
    daemon.wait_for_log("keeping the old configuration: tokens: line 1: expected a name")
    assert status(daemon, "another-secret-of-some-length") in (200, 404)
    with Client(("127.0.0.1", daemon.port)) as client:
        configuration, _ = client.call("get_config")
    assert configuration[b"coordinate"][b"http"][b"tokens"] == [
        {b"name": b"ops", b"role": b"admin", b"token": b"(not shown)"}
    ]
    dumped = run(tmp_path, "-c", "site.yaml", "--dump-config", "full")
    assert "(not shown)" in dumped.stdout
    assert SECRET not in dumped.stdout + daemon.whole_log()


def test_a_certificate_is_read_again(start_daemon: StartDaemon, tmp_path: Path) -> None:
    old, old_key = make_certificate(tmp_path, "old")
    new, new_key = make_certificate(tmp_path, "new")
    live, live_key = tmp_path / "live.pem", tmp_path / "live.key"
    for source, target in ((old, live), (old_key, live_key)):
        target.write_text(Path(source).read_text())
    (tmp_path / "site.yaml").write_text(
        f"coordinate: {{server: {{httpd: 'localhost:0'}},"
        f" http: {{certificate: {live}, key: {live_key}}}}}"
    )
    daemon = start_daemon("-c", "site.yaml")

    def trusts(certificate: str) -> bool:
        context = ssl.create_default_context(cafile=certificate)
        connection = HTTPSConnection(
            "localhost", http_port(daemon), timeout=DEADLINE, context=context
        )
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except ssl.SSLCertVerificationError:
            return False
        finally:
            connection.close()
        return True

    assert (trusts(old), trusts(new)) == (True, False)
    for source, target in ((new, live), (new_key, live_key)):
        target.write_text(Path(source).read_text())
    daemon.send(signal.SIGHUP)
    daemon.wait_for_log("configuration read again")
    assert (trusts(old), trusts(new)) == (False, True)


def test_secrets_are_masked_in_the_configuration(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(f"coordinate: {{http: {{tokens: [{{name: a, role: read, token: {SECRET}}}]}}}}")
    config = load(str(site), {})
    assert config.http.tokens[0]["token"] == SECRET
    assert SECRET not in repr(config.effective) + repr(config.wire)
