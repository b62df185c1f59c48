"""TLS contexts: what both sides of the gate agree to speak.

TLS 1.2 and 1.3 only, no compression, no renegotiation, no session tickets: kubectl opens few connections. Of TLS 1.2's suites a client may use those
that HTTP/2 does not forbid (RFC 9113 section 9.2.2: forward secrecy and an AEAD), which kubectl always has. Which of them, and which of TLS 1.3's, is the
client's choice: all are sound, and it knows its processor (a phone without AES wants ChaCha20; Go asks for AES-128, a tenth cheaper than OpenSSL's own
first choice). OpenSSL's cache of TLS 1.2 sessions cannot be
switched off by ``ssl``, and a resumed session's client certificate is not verified by TLS again. So TLS is not what says that a certificate counts: it is
held against its authority, the clock and the lists of revoked ones on each use (``identity/certificates``; class 23 of docs/security.md).
"""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path
from typing import IO

from kgate.errors import KgateError

ALPN = ["h2", "http/1.1"]
_SUITES_OF_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20"


def _base(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    return context


def server_context(certificate: Path, key: Path, client_authority: str | None = None) -> ssl.SSLContext:
    """A listener's context; with ``client_authority`` (PEM text) a client certificate is asked for, and verified where one comes.

    Raises KgateError where the files cannot be used.
    """
    context = _base(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(_SUITES_OF_1_2)
    context.set_alpn_protocols(ALPN)
    try:
        context.load_cert_chain(certificate, key)
        if client_authority:
            context.load_verify_locations(cadata=client_authority)
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        raise KgateError(f"{certificate}: the listener's certificate and key cannot be used: {error}; check both files") from error
    return context


def client_context(
    authority: str | None, certificate: bytes | None = None, key: bytes | None = None, *, alpn: list[str] | None = None, verify: bool = True
) -> ssl.SSLContext:
    """Of whoever asks: the gate a cluster, the command line a gate. ``authority``, ``certificate`` and ``key`` are PEM; without an authority the system's
    roots are trusted. A certificate is held to what kubectl holds it to: ``ssl.create_default_context`` asks for more since Python 3.13, such as an
    Authority Key Identifier, which many a company's own authority leaves out.

    Raises KgateError where they cannot be used.
    """
    context = _base(ssl.PROTOCOL_TLS_CLIENT)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        if authority:
            context.load_verify_locations(cadata=authority.encode("ascii", "ignore").decode())  # what else there is are people's words
        else:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        if certificate and key:
            _load_pair(context, certificate, key)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise KgateError(f"the certificate authority or client certificate cannot be used: {error}") from error
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """``load_cert_chain`` takes only files: one in memory where the system has such, else of mode 0600 that lives as long as this call."""
    with _file() as pair:
        pair.write(certificate + b"\n" + key)
        pair.flush()
        context.load_cert_chain(f"/proc/self/fd/{pair.fileno()}" if isinstance(pair.name, int) else pair.name)


def _file() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("kgate", os.MFD_CLOEXEC), "w+b")
    return tempfile.NamedTemporaryFile(prefix="kgate-")
