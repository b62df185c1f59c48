"""Another identity provider for tests: PyPI's ``oidc-provider-mock`` (any client, any person) in a process of its own, with TLS.

Run as a program it serves; ``mock_provider()`` runs that program, ``id_token()`` signs somebody in as a browser would: authorization code with PKCE.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

CALLBACK = "http://127.0.0.1:1/callback"


@frozen
class MockProvider:
    """One that runs. ``url`` is its issuer."""

    url: str
    pem: str

    def context(self) -> ssl.SSLContext:
        """TLS that trusts it."""
        context = ssl.create_default_context(cadata=self.pem)
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        return context

    def id_token(self, who: str, client: str = "kgate") -> str:
        """What the client gets when ``who`` signs in."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {"response_type": "code", "client_id": client, "redirect_uri": CALLBACK, "scope": "openid email", "state": "s"}
        query = urllib.parse.urlencode(asked | {"code_challenge": challenge, "code_challenge_method": "S256", "nonce": "n"})
        location = self._redirected(f"{self.url}/oauth2/authorize?{query}", {"sub": who})
        code = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier, "client_id": client}
        request = urllib.request.Request(f"{self.url}/oauth2/token", urllib.parse.urlencode(form | {"client_secret": "any"}).encode())
        with urllib.request.urlopen(request, context=self.context(), timeout=60) as answer:
            return str(json.load(answer)["id_token"])

    def issuer(self, **login: Any) -> dict[str, Any]:
        """An entry of ``identity.oidc`` that people sign in with."""
        return {
            "issuer": {"url": self.url, "audiences": ["kgate"], "certificateAuthority": self.pem},
            "claimMappings": {"username": {"claim": "sub", "prefix": ""}, "groups": {"claim": "groups", "prefix": ""}},
            "login": {"client_id": "kgate", "client_secret_file": "oidc-secret", "scopes": ["openid", "email"], **login},
        }

    def ask(self, method: str, path: str, document: object = None) -> None:
        """Its own API: ``PUT /users/SUB``, ``POST /users/SUB/revoke-tokens``."""
        body = json.dumps(document).encode() if document is not None else b""
        request = urllib.request.Request(self.url + path, body, {"content-type": "application/json"}, method=method)
        urllib.request.urlopen(request, context=self.context(), timeout=60).close()

    def _redirected(self, url: str, form: dict[str, str]) -> str:
        opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=self.context()))
        try:
            opener.open(url, urllib.parse.urlencode(form).encode(), timeout=60)
        except urllib.error.HTTPError as error:
            return str(error.headers["location"])  # None, and no code in it, where it was no redirect
        raise AssertionError("no redirect came")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        """Show it instead."""


@contextmanager
def mock_provider(folder: Path) -> Iterator[MockProvider]:
    """Run one whose files are in ``folder``."""
    from authority import Authority

    authority = Authority("mock provider")
    pair = authority.leaf("127.0.0.1").write(folder, "mock")
    with (folder / "mock.log").open("w") as log:
        command = [sys.executable, "-W", "ignore", __file__, *map(str, pair)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready "), (folder / "mock.log").read_text()[-2000:]
        yield MockProvider(f"https://127.0.0.1:{line.split()[1]}", authority.certificate.decode())
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def serve(certificate: str, key: str) -> None:
    """Until the process ends."""
    import oidc_provider_mock
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, oidc_provider_mock.app(), threaded=True, ssl_context=(certificate, key))
    print("ready", server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(*sys.argv[1:])
