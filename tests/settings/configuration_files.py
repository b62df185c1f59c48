"""A configuration that starts, as files in memory; a test changes what it is about."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from geo_data import COUNTRY, SYSTEMS, written

from kgate.demo.certificates import Authority

NOW = 1_790_000_000.0
FOLDER = Path("/etc/kgate")
FILE = FOLDER / "kgate.yaml"

MINIMAL = """\
listen:
  - address: 0.0.0.0:8443
    tls: {certificate: tls.crt, key: tls.key}
public_url: https://kube.example.com:8443
clusters:
  prod-eu: {kubeconfig: prod-eu.kubeconfig, labels: {env: prod}, hosts: [prod-eu.kube.example.com]}
  dev: {server: "https://10.0.0.5:6443", certificate_authority: ca.crt, token_file: token}
identity:
  tokens: {file: tokens.yaml}
  client_certificates: {authority: people-ca.crt}
policy: policy.yaml
audit: {directory: audit/}
admin: {address: 127.0.0.1:9090}
"""
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: gate@prod-eu
clusters: [{name: prod-eu, cluster: {server: "https://10.0.0.6:6443", certificate-authority: ca.crt}}]
users: [{name: gate, user: {tokenFile: token}}]
contexts: [{name: gate@prod-eu, context: {cluster: prod-eu, user: gate}}]
"""
POLICY = """\
rules:
  - name: look
    who: {groups: [developers]}
    clusters: {names: [dev]}
    allow: [{verbs: [get, list, watch], resources: ["*"]}]
"""
TOKENS = f"""\
robots:
  - {{name: ci, sha256: {hashlib.sha256(b"t").hexdigest()}, user: ci-bot, groups: [ci], expires: 2027-01-01T00:00:00Z}}
"""

GROUPS = "groups: [{name: sre, users: [bob]}]\n"


@cache
def authority() -> Authority:
    """Signs everything here; valid from a day before ``NOW`` to thirty days after it."""
    return Authority("kgate tests", NOW)


@cache
def certificates() -> dict[str, bytes]:
    """Each certificate and key that the configuration names."""
    server, gate = authority().server(["kube.example.com", "*.kube.example.com"]), authority().client("gate")
    return {
        "tls.crt": server.certificate,
        "tls.key": server.key,
        "ca.crt": authority().certificate,
        "people-ca.crt": authority().certificate,
        "device-ca.crt": authority().certificate,
        "gate.crt": gate.certificate,
        "gate.key": gate.key,
    }


@cache
def geo_data() -> dict[str, bytes]:
    """Databases of a few networks."""
    return {"GeoLite2-Country.mmdb": written(COUNTRY), "GeoLite2-ASN.mmdb": written(SYSTEMS)}


class Files(dict[str, bytes | OSError]):
    """File names below ``FOLDER`` and their bytes, or the error that reading one gives."""

    def __init__(self, configuration: str = MINIMAL) -> None:
        super().__init__(certificates())
        texts = {
            "kgate.yaml": configuration,
            "prod-eu.kubeconfig": KUBECONFIG,
            "hook.kubeconfig": KUBECONFIG.replace("prod-eu", "hook"),
            "policy.yaml": POLICY,
            "tokens.yaml": TOKENS,
            "groups.yaml": GROUPS,
            "oidc-secret": "the-gates-secret-there\n",
            "secrets.key": "VGhpcyBpcyBub3QgYSBzZWNyZXQsIG9ubHkgYSB0ZXM=\n",
            "token": "secret\n",
            "facts.yaml": "incident: {open: false}\n",
            "push.key": "0123456789abcdef" * 4,
        }
        self.update({name: text.encode() for name, text in texts.items()})
        self.update(geo_data())

    def but(self, name: str, content: bytes | str | OSError | None) -> Files:
        """One of them changed; None takes it away."""
        if content is None:
            del self[name]
        else:
            self[name] = content.encode() if isinstance(content, str) else content
        return self

    def read(self, path: Path) -> bytes:
        """As ``load_configuration`` reads."""
        if path.parent != FOLDER or path.name not in self:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        content = self[path.name]
        if isinstance(content, OSError):
            raise content
        return content
