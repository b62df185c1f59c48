"""An API server as a kubeconfig names it, spoken to without kubectl: for what a test sets up or counts, never for what it claims about kubectl."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from attrs import field, frozen


@frozen
class Endpoint:
    """Where to connect and as whom. ``headers`` carry a bearer token or the impersonation that the kubeconfig's user has."""

    host: str
    port: int
    prefix: str
    tls: ssl.SSLContext = field(repr=False)
    headers: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, kubeconfig: Path, context: str = "") -> Endpoint:
        """The endpoint of one context of a kubeconfig whose credentials stand in the file itself."""
        document = yaml.safe_load(kubeconfig.read_text())
        chosen = _named(document["contexts"], context or document["current-context"])["context"]
        cluster = _named(document["clusters"], chosen["cluster"])["cluster"]
        user = _named(document["users"], chosen["user"])["user"]
        url = urlsplit(cluster["server"])
        assert url.hostname and url.port, f"{kubeconfig}: the server needs a host and a port"
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        return cls(url.hostname, url.port, url.path.rstrip("/"), _tls(authority, user), _headers(user))

    def ask(self, method: str, path: str, body: object = None, kind: str = "application/json", timeout: float = 60.0) -> tuple[int, bytes]:
        """One request on a connection of its own; status and body."""
        connection = http.client.HTTPSConnection(self.host, self.port, context=self.tls, timeout=timeout)
        try:
            return self.ask_on(connection, method, path, body, kind)
        finally:
            connection.close()

    def connect(self, timeout: float = 60.0) -> http.client.HTTPSConnection:
        """A connection to be reused with ask_on(), and closed by the caller."""
        return http.client.HTTPSConnection(self.host, self.port, context=self.tls, timeout=timeout)

    def ask_on(
        self, connection: http.client.HTTPSConnection, method: str, path: str, body: object = None, kind: str = "application/json"
    ) -> tuple[int, bytes]:
        """One request on a given connection."""
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, self.prefix + path, data, {**self.headers, **({"Content-Type": kind} if data else {})})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def get(self, path: str) -> Any:
        """The JSON of a GET that must succeed."""
        status, body = self.ask("GET", path)
        assert status == 200, f"GET {path}: {status} {body[:300]!r}"
        return json.loads(body)


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)


def _tls(authority: str, user: dict[str, Any]) -> ssl.SSLContext:
    tls = ssl.create_default_context(cadata=authority)
    if "client-certificate-data" in user:
        # ssl reads a client's key from a file only; the file is gone as soon as it has.
        with tempfile.NamedTemporaryFile(suffix=".pem") as pem:
            pem.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"]))
            pem.flush()
            tls.load_cert_chain(pem.name)
    return tls


def _headers(user: dict[str, Any]) -> dict[str, str]:
    """http.client cannot send one header twice, so one group is all that a test's person may have here."""
    headers = {}
    if "token" in user:
        headers["Authorization"] = f"Bearer {user['token']}"
    if "as" in user:
        headers["Impersonate-User"] = user["as"]
        headers["Impersonate-Group"], *rest = user.get("as-groups", [""])
        assert not rest, "an endpoint's user has one group"
    return headers
