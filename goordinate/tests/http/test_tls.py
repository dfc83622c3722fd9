"""TLS: handshakes, what is none, and a certificate that is replaced."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from gevent.ssl import SSLContext

from goordinate.http import HttpLimits
from goordinate.http.tls import CertificateError, context
from goordinate.tests.http.serving import Peer, Start


def make_certificate(folder: Path, name: str = "localhost") -> tuple[str, str]:
    """A certificate and its key, as files; skips the test where there is no openssl."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", f"/CN={name}"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    try:
        subprocess.run(
            [*command, "-out", str(certificate), "-keyout", str(key)],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate")
    return str(certificate), str(key)


def client(certificate: str) -> ssl.SSLContext:
    made: ssl.SSLContext = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(certificate)
    return made


def test_requests_by_tls(tmp_path: Path, start: Start) -> None:
    certificate, key = make_certificate(tmp_path)
    server = start(tls=context(certificate, key))
    with Peer(server, client(certificate)) as peer:
        assert peer.get("/thing/a").json()["names"] == {"name": "a"}
        assert len(peer.get("/stream/100000").body.split()) == 100_000
        peer.send(
            b"POST /thing HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n"
            b"Content-Length: 90000\r\n\r\n" + bytes(90_000)
        )
        assert len(peer.reply().json()["body"]) == 90_000


def test_another_certificate_is_for_connections_to_come(tmp_path: Path, start: Start) -> None:
    old, old_key = make_certificate(tmp_path, "old")
    new, new_key = make_certificate(tmp_path, "new")
    server = start(tls=context(old, old_key))
    with Peer(server, client(old)) as before:
        server.certify(context(new, new_key))
        with Peer(server, client(new)) as after:
            assert after.get("/").status == 200
        assert before.get("/").status == 200


def test_plain_http_on_the_port_for_tls_is_counted_and_not_logged(
    tmp_path: Path, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(tls=context(*make_certificate(tmp_path)))
    with Peer(server) as peer:
        peer.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while peer.sock.recv(100):
            pass
    assert server.counts.handshakes_failed == 1
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


def test_a_handshake_that_takes_too_long(tmp_path: Path, start: Start) -> None:
    server = start(tls=context(*make_certificate(tmp_path)), limits=HttpLimits(head_timeout=0.2))
    with Peer(server) as peer:
        peer.send(b"\x16\x03\x01")
        assert peer.is_closed()
    assert server.counts.heads_unfinished == 1


def test_files_that_are_no_certificate(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with pytest.raises(CertificateError, match="No such file"):
        context(str(tmp_path / "none"), key)
    with pytest.raises(CertificateError, match="no certificate and key"):
        context(key, certificate)
    other = make_certificate(tmp_path, "other")
    with pytest.raises(CertificateError, match="no certificate and key"):
        context(certificate, other[1])
