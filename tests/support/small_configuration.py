"""The smallest configuration that is one, as files: one cluster, people by certificates, a policy without rules."""

from __future__ import annotations

import time
from pathlib import Path

from kgate.demo.certificates import Authority

SMALL = """\
listen: [{address: 127.0.0.1:8443, tls: {certificate: tls.crt, key: tls.key}}]
public_url: https://localhost:8443
clusters: {dev: {server: "https://10.0.0.5:6443", certificate_authority: ca.crt, token_file: token}}
identity: {client_certificates: {authority: ca.crt}}
policy: policy.yaml
audit: {directory: audit/}
"""


def small_configuration(folder: Path) -> Path:
    """Write it into ``folder``; gives the configuration file."""
    authority = Authority("test", time.time())
    server = authority.server(["localhost"])
    files = {
        "tls.crt": server.certificate,
        "tls.key": server.key,
        "ca.crt": authority.certificate,
        "token": b"t",
        "policy.yaml": b"rules: []",
        "kgate.yaml": SMALL.encode(),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / "kgate.yaml"
