"""The certificate of the server, read from files."""

from __future__ import annotations

import ssl


class CertificateError(Exception):
    """A certificate or key that cannot be used; the text is one line."""


def context(certificate: str, key: str | None = None) -> ssl.SSLContext:
    """What a server with this certificate needs; the files are PEM.

    key: None: the certificate's file has it too.  Raises CertificateError.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    try:
        # Without a password for the key: a daemon cannot ask for it.
        made.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        reason = error.reason or error
        raise CertificateError(f"{certificate}: no certificate and key: {reason}") from None
    except OSError as error:
        name = certificate if key is None else f"{certificate} or {key}"
        raise CertificateError(f"{name}: {error.strerror}") from None
    return made
