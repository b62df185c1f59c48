"""A real identity provider for tests: npm's ``oidc-provider`` (certified by the OpenID foundation) in a process of its own, with TLS.

``oidc_provider()`` runs one; its clients ``alice``, ``bob`` and ``mallory`` get tokens of their own by ``client_credentials``, the client ``kgate`` is for
sign-in (authorization code, device, refresh). Sign-in pages are the provider's own: /interaction/…, any password will do.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from authority import Authority

VERSION = "9.13.3"
SECRET = "a-secret-of-the-tests-0123456789"
PEOPLE: Mapping[str, Mapping[str, Any]] = {
    "alice": {"email": "alice@example.com", "email_verified": True, "groups": ["developers"]},
    "bob": {"email": "bob@example.com", "email_verified": True, "groups": ["sre"]},
    "mallory": {"email": "mallory@example.com", "email_verified": True, "groups": []},
}


def node_modules() -> Path:
    """Where ``oidc-provider`` is, installed on first use; skips the test where it cannot be."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed; they run the identity provider oidc-provider")
    folder = Path(__file__).parents[2] / ".venv" / "node" / f"oidc-provider-{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            command = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), f"oidc-provider@{VERSION}"]
            if subprocess.run(command, capture_output=True, timeout=180).returncode:
                pytest.skip("npm could not install oidc-provider")
            (folder / "done").touch()
    return folder


def client(name: str, **more: Any) -> dict[str, Any]:
    """A program with a secret."""
    return {
        "client_id": name,
        "client_secret": SECRET,
        "grant_types": ["client_credentials"],
        "redirect_uris": [],
        "response_types": [],
    } | more


def sign_in_client(*redirects: str, **more: Any) -> dict[str, Any]:
    """The client ``kgate``, for people who sign in; the provider sends them back to one of ``redirects``."""
    grants = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"]
    return client("kgate", grant_types=grants, redirect_uris=list(redirects), response_types=["code"] if redirects else []) | more


@define
class IdentityProvider:
    """One that runs. ``url`` is its issuer."""

    url: str
    authority: Authority
    _folder: Path
    _process: subprocess.Popen[str] = field(repr=False)

    @property
    def pem(self) -> str:
        """Whom to trust for it."""
        return self.authority.certificate.decode()

    def context(self) -> ssl.SSLContext:
        """TLS that trusts it."""
        context = ssl.create_default_context(cadata=self.pem)
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        return context

    def issuer(self, **claims: Any) -> dict[str, Any]:
        """An entry of ``identity.oidc`` that believes it."""
        return {
            "issuer": {"url": self.url, "audiences": ["kgate"], "certificateAuthority": self.pem},
            "claimMappings": {"username": {"claim": "sub", "prefix": ""}, "groups": {"claim": "groups", "prefix": ""}} | claims,
        }

    def token(self, who: str, resource: str = "urn:kgate") -> str:
        """An access token of one of the people: a JWT for the audience ``kgate``, or an opaque one (``urn:opaque:kgate``)."""
        answer = self.post("/token", grant_type="client_credentials", resource=resource, scope="api", client_id=who, client_secret=SECRET)
        return str(answer["access_token"])

    def revoke(self, token: str, who: str) -> None:
        """Make an opaque token worth nothing (RFC 7009)."""
        form = urllib.parse.urlencode({"token": token, "client_id": who, "client_secret": SECRET}).encode()
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/token/revocation", form), context=self.context(), timeout=60
        ) as done:
            assert done.status == 200

    def refusals(self) -> dict[str, float]:
        """Whose refresh it refused, and when its answer was sent (Unix seconds)."""
        lines = (self._folder / "refusals").read_text().split("\n")[:-1] if (self._folder / "refusals").exists() else []
        return {name: int(sent) / 1000 for sent, name in map(str.split, lines)}

    def post(self, path: str, **form: str) -> Any:
        """The JSON answer to a form."""
        request = urllib.request.Request(self.url + path, urllib.parse.urlencode(form).encode())
        try:
            with urllib.request.urlopen(request, context=self.context(), timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read()[:300]!r}") from None

    def do(self, command: str) -> None:
        """A line that it knows (oidc_provider.mjs): ``rotate``, ``down``, ``up``, ``disable alice`` …; returns once it is done."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        while (line := self._process.stdout.readline()).strip() != command:
            assert line, "the identity provider ended"  # it prints warnings of its own in between


@contextmanager
def oidc_provider(
    folder: Path,
    clients: Sequence[Mapping[str, Any]] = (),
    port: int = 0,
    *,
    people: Mapping[str, Mapping[str, Any]] = PEOPLE,
    acr: str = "",
    slim: bool = False,
    trusts: Authority | None = None,
) -> Iterator[IdentityProvider]:
    """Run one whose files are in ``folder``; ``clients`` stand beside the people's own. ``acr``: see oidc_provider.mjs; ``slim`` has ID tokens that say
    who it is, and the rest with userinfo, as is its own default; ``trusts`` signs the certificates of whom it calls."""
    authority = Authority("identity provider")
    certificate, key = authority.leaf("127.0.0.1", "localhost").write(folder, "idp")
    options = {
        "modules": str(node_modules() / "node_modules"),
        "certificate": str(certificate),
        "key": str(key),
        "clients": [*map(client, people), *clients],
        "people": people,
        "port": port,
        "acr": acr,
        "slim": slim,
        "refusals": str(folder / "refusals"),
    }
    environment = dict(os.environ)
    if trusts is not None:
        (folder / "trusted.crt").write_bytes(trusts.certificate)
        environment["NODE_EXTRA_CA_CERTS"] = str(folder / "trusted.crt")
    command = ["node", str(Path(__file__).with_name("oidc_provider.mjs")), json.dumps(options)]
    with (folder / "idp.log").open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        assert process.stdout is not None and process.stdin is not None
        line = process.stdout.readline().split()
        assert line[:1] == ["ready"], (folder / "idp.log").read_text()[-2000:]
        yield IdentityProvider(f"https://127.0.0.1:{line[1]}", authority, folder, process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
