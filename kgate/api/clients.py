"""The gate as an authorization server of its own client, ``kgate login`` (OAuth 2.0: RFC 6749 with RFC 9700, 7636, 8252, 8414, 8628, 9207).

There is one client, ``kgate``, which is public: it runs on the person's machine, so it has no secret, and its codes come back to a loopback address only. The
client makes its refresh secrets itself and sends the digest of the next one (``refresh_next``) with each use; see store/sessions for why. What it shows is
redeemed in redemption.py.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from sqlalchemy import Connection

from kgate.api.application import Params, Routes, error_response, json_response
from kgate.api.attempts import Attempts
from kgate.api.pages import Pages, TokenOf, asker_of, back
from kgate.api.redemption import DEVICE_GRANT, POLL_SECONDS, Form, Redemption, Refused, is_known
from kgate.api.signing_in import NO_KEY, NO_KEY_HINT, Asker, Failed, SignIns, Wanted, secret
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.openid import read_query
from kgate.identity.pkce import METHOD, is_challenge
from kgate.net.database import StoreUnavailableError
from kgate.store.codes import Code, CodeState, add_code
from kgate.store.sealing import digest
from kgate.store.sessions import Session, end_sessions, session_of_refresh_secret

CLIENT_ID = "kgate"
DEVICE_SECONDS = 600.0
LONGEST_URI = 1024
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Of user codes: no vowels, so no words (RFC 8628 section 6.1)."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CLUSTERS = re.compile(r"[-a-z0-9.*?\[\]]+( [-a-z0-9.*?\[\]]+)*")
SIGNED_OUT = "you signed out"
NOBODY = "this gate has no identity provider to sign in with"


class Clients:
    """See the module. ``url`` is the gate's public one."""

    def __init__(
        self, url: Callable[[], str], signins: SignIns, pages: Pages, token_of: TokenOf, wall: Callable[[], float], attempts: Attempts
    ) -> None:
        self._url, self._signins, self._pages, self._token_of, self._wall, self._attempts = url, signins, pages, token_of, wall, attempts
        self._redemption = Redemption(signins, wall)

    def routes(self) -> Routes:
        """The endpoints."""
        return {
            ("GET", "/.well-known/oauth-authorization-server"): self.metadata,
            ("GET", "/oauth2/authorize"): self.authorize,
            ("POST", "/oauth2/token"): self.token,
            ("POST", "/oauth2/device_authorization"): self.device_authorization,
            ("POST", "/oauth2/revoke"): self.revoke,
        }

    async def metadata(self, request: LocalRequest, params: Params) -> LocalResponse:
        """RFC 8414; there is no such server where nobody could sign in."""
        url = self._url()
        if not self._signins.providers():
            return error_response(404, NOBODY)
        return json_response(
            200,
            {
                "issuer": url,
                "authorization_endpoint": f"{url}/oauth2/authorize",
                "token_endpoint": f"{url}/oauth2/token",
                "device_authorization_endpoint": f"{url}/oauth2/device_authorization",
                "revocation_endpoint": f"{url}/oauth2/revoke",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token", DEVICE_GRANT],
                "code_challenge_methods_supported": [METHOD],
                "token_endpoint_auth_methods_supported": ["none"],
                "authorization_response_iss_parameter_supported": True,
            },
        )

    # --- a browser on the person's machine

    async def authorize(self, request: LocalRequest, params: Params) -> LocalResponse:
        """``kgate login`` sent a browser here."""
        asked = read_query(request.query) or {}
        asker = asker_of(request)
        uri = asked.get("redirect_uri", "")
        if asked.get("client_id") != CLIENT_ID or not is_loopback(uri):
            # To an address that may be anybody's nothing is sent, not even an error (RFC 6749 section 4.1.2.1).
            return self._pages.failed(Failed("the link to this page is not one that kgate login makes", "run kgate login again"))
        wrong = self._authorization_fault(asked, asker)
        if wrong is not None:
            return back(uri, {"error": wrong.error, "error_description": wrong.text}, asked.get("state", ""), self._url())
        wanted = Wanted(uri, asked["state"], asked["code_challenge"], clusters=asked.get("clusters", ""), step_up="step_up" in asked)
        return await self._pages.begin_or_choose(asked.get("issuer", ""), wanted, asker, request)

    def _authorization_fault(self, asked: Form, asker: Asker) -> Refused | None:
        text = _fault(asked)
        if text:
            return Refused("invalid_request", text)
        if not self._attempts.may(asker.address, self._wall()):
            return Refused("temporarily_unavailable", "too many sign-ins from here; wait a minute")
        return None if self._signins.providers() else Refused("access_denied", NOBODY)

    # --- tokens

    async def token(self, request: LocalRequest, params: Params) -> LocalResponse:
        """Codes and secrets for tokens."""
        form = read_query(request.body.decode("utf-8", "replace"))
        if form is None or form.get("client_id") != CLIENT_ID or not _DIGEST.fullmatch(form.get("refresh_next", "")):
            return _error(Refused("invalid_request", "this is not a request of kgate's; use the kgate command of this release"))
        try:
            found = await self._redemption.session(form, asker_of(request))
        except StoreUnavailableError as error:
            return error_response(503, str(error))
        return self._issued(found) if isinstance(found, Session) else _error(found)

    def _issued(self, session: Session) -> LocalResponse:
        now = self._wall()
        expires = min(now + self._signins.terms().token, session.expires)
        token = self._token_of(session, expires)
        if token is None:
            return error_response(503, f"{NO_KEY}; {NO_KEY_HINT}")
        return json_response(
            200,
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": int(expires - now),
                "session": session.id,
                "session_expires": int(session.expires),
                "user": session.person.user,
                "clusters": list(session.clusters) or ["*"],
            },
        )

    async def revoke(self, request: LocalRequest, params: Params) -> LocalResponse:
        """Sign out (RFC 7009): ends the session, whichever secret of it is shown."""
        form = read_query(request.body.decode("utf-8", "replace")) or {}
        now, shown = self._wall(), form.get("token", "")

        def ended(connection: Connection) -> Session | None:
            session = session_of_refresh_secret(connection, digest(shown))
            return session if session is not None and end_sessions(connection, [session.id], SIGNED_OUT, now) else None

        try:
            known = await is_known(self._signins.store, session_of_refresh_secret, shown)
            session = await self._signins.store.write(ended) if known else None
        except StoreUnavailableError as error:
            return error_response(503, str(error))
        if session is not None:
            await self._signins.recorder.logout(asker_of(request).address, session.person, session.id, SIGNED_OUT)
        return json_response(200, {"ended": session is not None})

    # --- a device without a browser

    async def device_authorization(self, request: LocalRequest, params: Params) -> LocalResponse:
        """RFC 8628 section 3.2."""
        form = read_query(request.body.decode("utf-8", "replace")) or {}
        if form.get("client_id") != CLIENT_ID or not _good_clusters(form.get("clusters", "")):
            return _error(Refused("invalid_request", "this is not a request of kgate's; use the kgate command of this release"))
        if not self._signins.providers():
            return _error(Refused("access_denied", NOBODY))
        asker = asker_of(request)
        if not self._attempts.may(asker.address, self._wall()):
            return _error(Refused("slow_down", "too many sign-ins from here; wait a minute"), 429)
        device_code, user_code = secret(), user_code_of(secrets.randbelow)
        code = Code(
            digest(device_code),
            CodeState.WAITING,
            self._wall() + DEVICE_SECONDS,
            user_code,
            address=asker.address,
            clusters=form.get("clusters", ""),
        )
        try:
            await self._signins.store.write(lambda connection: add_code(connection, code))
        except StoreUnavailableError as error:
            return error_response(503, str(error))
        url = f"{self._url()}/device"
        return json_response(
            200,
            {
                "device_code": device_code,
                "user_code": user_code,
                "verification_uri": url,
                "verification_uri_complete": f"{url}?{urlencode({'user_code': user_code})}",
                "expires_in": int(DEVICE_SECONDS),
                "interval": POLL_SECONDS,
            },
        )


def is_loopback(uri: str) -> bool:
    """Whether codes may be sent there: http to a loopback *address*, any port (RFC 8252 sections 7.3 and 8.3: not ``localhost``)."""
    # urlsplit leaves line ends out of what it takes apart; a header would have them
    if len(uri) > LONGEST_URI or not uri.isascii() or not uri.isprintable() or " " in uri:
        return False
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return False
    plain = not parts.username and not parts.password and not parts.fragment and not parts.query
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1") and port is not None and plain


def user_code_of(below: Callable[[int], int]) -> str:
    """``BCDF-GHJK``; ``below(n)`` gives a random number less than n."""
    letters = "".join(_LETTERS[below(len(_LETTERS))] for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def _fault(asked: Form) -> str:
    if asked.get("response_type") != "code":
        return "response_type must be code"
    if asked.get("code_challenge_method") != METHOD or not is_challenge(asked.get("code_challenge", "")):
        return "a code_challenge by S256 is needed"
    state = asked.get("state", "")
    if not 16 <= len(state) <= 512 or not state.isascii() or not state.isprintable():  # RFC 6749 appendix A.5; PostgreSQL keeps no U+0000
        return "state is missing, or too short to be one, or has characters that it may not have"
    return "" if _good_clusters(asked.get("clusters", "")) else "clusters must be names or globs between spaces"


def _good_clusters(text: str) -> bool:
    return not text or (len(text) < 2048 and _CLUSTERS.fullmatch(text) is not None)


def _error(refused: Refused, status: int = 400) -> LocalResponse:
    body: dict[str, Any] = {"error": refused.error} | ({"error_description": refused.text} if refused.text else {})
    return json_response(status, body)
