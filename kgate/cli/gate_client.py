"""Talking to a gate from the person's machine: HTTPS with the standard library only, because ``kgate credential`` has to start fast.

No redirect is followed, and the environment's proxies are not used: what is sent here is for the gate alone.
"""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlencode, urlsplit

from kgate import __version__
from kgate.documents.values import certified_name, origin
from kgate.errors import KgateError, UnreachableError, UsageError
from kgate.net.contexts import client_context

SECONDS = 15.0
MOST_BYTES = 4 * 1024 * 1024

Document = dict[str, Any]


class GateClient:
    """One gate. ``certificate_authority`` is PEM; empty is the system's roots."""

    def __init__(self, gate: str, certificate_authority: str = "") -> None:
        self.gate = gate
        self._context = _context(certificate_authority)
        parts = urlsplit(gate)
        self._host, self._port = parts.hostname or "", parts.port or 443

    def post(self, path: str, form: dict[str, str]) -> tuple[int, Document]:
        """Status and JSON answer to a form."""
        return self._ask("POST", path, {"content-type": "application/x-www-form-urlencoded"}, urlencode(form))

    def get(self, path: str, token: str) -> Document:
        """A page of the gate's API. Raises KgateError with the gate's sentence where it refuses."""
        status, document = self._ask("GET", path, {"authorization": f"Bearer {token}"}, None)
        if status != 200:
            raise KgateError(str(document.get("message", f"the gate answered {status}")).removeprefix("kgate: "))
        return document

    def signs_in(self) -> str:
        """By which URL people sign in to it: the one that it gives itself (RFC 8414 section 3.3). Raises UnreachableError where it does not answer or cannot be
        trusted, KgateError where nobody can sign in: of a link to such a gate only the browser would tell, if anybody looks."""
        status, document = self._ask("GET", "/.well-known/oauth-authorization-server", {}, None)
        if status != 200:
            raise KgateError(f"{self.gate} has no identity provider to sign in with; ask whoever runs it what your kubeconfig should have")
        return str(document.get("issuer"))

    def _ask(self, method: str, path: str, headers: dict[str, str], body: str | None) -> tuple[int, Document]:
        status, raw = self._exchange(method, path, headers, body)
        try:
            document = json.loads(raw)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise UnreachableError(f"{self.gate} answered {status} with something that no gate says; check the URL")
        return status, document

    def _exchange(self, method: str, path: str, headers: dict[str, str], body: str | None) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=SECONDS, context=self._context)
        try:
            connection.request(method, path, body, {"user-agent": f"kgate/{__version__}", "accept": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read(MOST_BYTES)
        except ssl.SSLCertVerificationError as error:
            hint = "name whoever signs its certificate: kgate login --certificate-authority FILE"
            raise UnreachableError(f"{self.gate} cannot be trusted: {error.verify_message}; {hint}") from None
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"{self.gate} does not answer: {_why(error)}; check the URL and your network") from None
        finally:
            connection.close()


def gate_url(text: str) -> str:
    """A gate's URL as somebody typed it. Raises UsageError."""
    given = text if "://" in text else f"https://{text}"
    wrong = UsageError(f"{text} is not the URL of a gate; write it as https://kube.example.com:8443")
    try:
        parts, url = urlsplit(given), origin(given)
        certified_name(parts.hostname or "")
    except ValueError:
        raise wrong from None
    if parts.scheme != "https" or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
        raise wrong
    return url


def _context(authority: str) -> ssl.SSLContext:
    try:
        return client_context(authority)
    except KgateError as error:
        raise UsageError("the certificate authority is not PEM; name the file of the gate's CA") from error


def _why(error: Exception) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    return (strerror or str(error) or type(error).__name__).lower()


def safe(text: str) -> str:
    """A stranger's words for a terminal (security.md class 27)."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)
