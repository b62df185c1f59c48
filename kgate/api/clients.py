"""The gate as an authorization server of its own client, ``kgate login`` (OAuth 2.0: RFC 6749 with RFC 9700, 7636, 8252, 8414, 8628, 9207).

There is one client, ``kgate``, which is public: it runs on the person's machine, so it has no secret, and its codes come back to a loopback address only. The
client makes its refresh secrets itself and sends the digest of the next one (``refresh_next``) with each use; see store/sessions for why.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from attrs import evolve, frozen
from sqlalchemy import Connection

from kgate.api.application import Params, Routes, error_response, json_response
from kgate.api.attempts import Attempts
from kgate.api.pages import Pages, TokenOf, asker_of
from kgate.api.signing_in import NO_KEY, NO_KEY_HINT, WITHDRAWN, Asker, Failed, SignIns, Wanted, secret
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.identity.openid import read_query
from kgate.identity.pkce import METHOD, is_challenge, proves
from kgate.net.database import StoreUnavailableError
from kgate.store.codes import Code, CodeState, add_code, find_code, update_code
from kgate.store.sealing import digest
from kgate.store.sessions import (
    Kind,
    Rotation,
    Session,
    add_refresh_secret,
    end_sessions,
    find_session,
    open_session,
    rotate,
    session_of_refresh_secret,
)

CLIENT_ID = "kgate"
DEVICE_SECONDS = 600.0
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
POLL_SECONDS = 5
LONGEST_URI = 1024
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Of user codes: no vowels, so no words (RFC 8628 section 6.1)."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CLUSTERS = re.compile(r"[-a-z0-9.*?\[\]]+( [-a-z0-9.*?\[\]]+)*")
REPLAYED = "its sign-in code was redeemed twice, so somebody has a copy of it"
SIGNED_OUT = "you signed out"
NOBODY = "this gate has no identity provider to sign in with"
_GONE = {
    CodeState.DENIED: "the sign-in was refused on the gate's page, or begun by another program",
    CodeState.WITHDRAWN: f"{WITHDRAWN}; run kgate login again",
}

Form = dict[str, str]


@frozen
class Refused:
    """An error of the token endpoint (RFC 6749 section 5.2, RFC 8628 section 3.5)."""

    error: str
    text: str = ""


_NO_CODE = Refused("invalid_grant", "the sign-in code is not known, or too old; run kgate login again")
_NO_DEVICE = Refused("invalid_grant", "there is no such device code")
_NO_SESSION = Refused("invalid_grant", "your session is over; run kgate login")


class Clients:
    """See the module. ``url`` is the gate's public one."""

    def __init__(
        self, url: Callable[[], str], signins: SignIns, pages: Pages, token_of: TokenOf, wall: Callable[[], float], attempts: Attempts
    ) -> None:
        self._url, self._signins, self._pages, self._token_of, self._wall, self._attempts = url, signins, pages, token_of, wall, attempts

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
        wrong = _authorization_fault(asked)
        if wrong:
            return redirect_error(uri, asked.get("state", ""), self._url(), "invalid_request", wrong)
        if not self._attempts.may(asker.address, self._wall()):
            return redirect_error(uri, asked["state"], self._url(), "temporarily_unavailable", "too many sign-ins from here; wait a minute")
        if not self._signins.providers():
            return redirect_error(uri, asked["state"], self._url(), "access_denied", NOBODY)
        wanted = Wanted(uri, asked["state"], asked["code_challenge"], clusters=asked.get("clusters", ""), step_up="step_up" in asked)
        return await self._pages.begin_or_choose(asked.get("issuer", ""), wanted, asker, request)

    # --- tokens

    async def token(self, request: LocalRequest, params: Params) -> LocalResponse:
        """Codes and secrets for tokens."""
        form = read_query(request.body.decode("utf-8", "replace"))
        if form is None or form.get("client_id") != CLIENT_ID or not _DIGEST.fullmatch(form.get("refresh_next", "")):
            return _error(Refused("invalid_request", "this is not a request of kgate's; use the kgate command of this release"))
        grants = {
            "authorization_code": self._redeem_code,
            "refresh_token": self._refresh,
            DEVICE_GRANT: self._redeem_device,
        }
        grant = grants.get(form.get("grant_type", ""))
        if grant is None:
            return _error(Refused("unsupported_grant_type"))
        asker = asker_of(request)
        try:
            found = await grant(form, asker)
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

    async def _redeem_code(self, form: Form, asker: Asker) -> Session | Refused:
        verifier, uri = form.get("code_verifier", ""), form.get("redirect_uri", "")

        def good(code: Code) -> Refused | None:
            if code.user_code is None and code.redirect_uri == uri and proves(verifier, code.challenge):
                return None
            return Refused("invalid_grant", "the sign-in was begun by another program")

        return await self._redeem(form.get("code", ""), form["refresh_next"], Kind.CLI, asker, good)

    async def _redeem_device(self, form: Form, asker: Asker) -> Session | Refused:
        code = form.get("device_code", "")
        if not await self._is_known(find_code, code):
            return _NO_DEVICE
        state = await self._signins.store.write(lambda connection: self._polled(connection, code))
        if state is not None:
            return state
        return await self._redeem(code, form["refresh_next"], Kind.DEVICE, asker, lambda found: None)

    def _polled(self, connection: Connection, device_code: str) -> Refused | None:
        """What a device is told that asks whether its person has signed in (RFC 8628 section 3.5)."""
        code, now = find_code(connection, digest(device_code)), self._wall()
        if code is None or code.user_code is None:
            return _NO_DEVICE
        if code.state is CodeState.REDEEMED:
            return None
        if code.state in _GONE:
            return Refused("access_denied", _GONE[code.state])
        if code.expires <= now:
            return Refused("expired_token", "nobody signed in within ten minutes; run kgate login --device again")
        if code.state is CodeState.APPROVED:
            return None
        update_code(connection, evolve(code, polled=now))
        return Refused("slow_down" if now - code.polled < POLL_SECONDS - 1 else "authorization_pending")

    async def _redeem(
        self, code: str, following: str, kind: Kind, asker: Asker, good: Callable[[Code], Refused | None]
    ) -> Session | Refused:
        """A code for a session, once."""
        now = self._wall()
        found: Code | Session | Refused = _NO_CODE
        if await self._is_known(find_code, code):
            found = await self._signins.store.write(lambda connection: _take(connection, code, following, now, good))
        if isinstance(found, Refused):
            await self._signins.recorder.login(False, asker, None, "", found.text, kind.value)
        if not isinstance(found, Code):
            return found
        person = found.person
        if person is None:
            raise AssertionError("a code that was approved has its person")
        session = self._signins.new_session(kind, person, asker.address, found.clusters, found.provider_tokens)
        if not await self._signins.recorder.login(True, asker, person, session.id, "", kind.value):
            return Refused("temporarily_unavailable", "the sign-in could not be put on record; try again in a while")

        def redeemed(connection: Connection) -> Session | Refused:
            again = _take(connection, code, following, now, good)
            if not isinstance(again, Code):
                return again
            open_session(connection, session, found.provider_tokens)
            add_refresh_secret(connection, session.id, following, now)
            update_code(connection, evolve(again, state=CodeState.REDEEMED, session=session.id, provider_tokens=""))
            return session

        return await self._signins.store.write(redeemed)

    async def _refresh(self, form: Form, asker: Asker) -> Session | Refused:
        now, used = self._wall(), form.get("refresh_token", "")
        if not await self._is_known(session_of_refresh_secret, used):
            return _NO_SESSION
        outcome, session = await self._signins.store.write(lambda connection: rotate(connection, digest(used), form["refresh_next"], now))
        if outcome is Rotation.DONE and session is not None:
            return session
        if outcome is Rotation.REUSED and session is not None:
            why = "a refresh secret was used twice: somebody has a copy of it, so the session was ended"
            await self._signins.recorder.login(False, asker, session.person, session.id, why, session.kind.value)
            return Refused("invalid_grant", f"{why}; run kgate login, and find out who else has your files")
        if session is not None:
            return Refused("invalid_grant", f"your session ended: {session.ended_why or 'its time is up'}; run kgate login")
        return _NO_SESSION

    async def _is_known(self, find: Callable[[Connection, str], object | None], shown: str) -> bool:
        """Whether somebody was given that. What a stranger makes up has nothing written: the store's one writer is what news of who is out waits for,
        too."""
        return await self._signins.store.read(lambda connection: find(connection, digest(shown))) is not None

    async def revoke(self, request: LocalRequest, params: Params) -> LocalResponse:
        """Sign out (RFC 7009): ends the session, whichever secret of it is shown."""
        form = read_query(request.body.decode("utf-8", "replace")) or {}
        now, shown = self._wall(), form.get("token", "")

        def ended(connection: Connection) -> Session | None:
            session = session_of_refresh_secret(connection, digest(shown))
            return session if session is not None and end_sessions(connection, [session.id], SIGNED_OUT, now) else None

        try:
            known = await self._is_known(session_of_refresh_secret, shown)
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


def _take(
    connection: Connection, code: str, following: str, now: float, good: Callable[[Code], Refused | None]
) -> Code | Session | Refused:
    """The code where it can be redeemed now; the session that the very same client redeemed it for already; or what is wrong."""
    found = find_code(connection, digest(code))
    if found is None or (found.expires <= now and found.state is not CodeState.REDEEMED):
        return _NO_CODE
    if found.state is CodeState.REDEEMED:
        outcome, session = _same_client(connection, found.session, following)
        if outcome and session is not None:
            return session
        end_sessions(connection, [found.session], REPLAYED, now)
        return Refused("invalid_grant", "the sign-in code was used already: somebody has a copy of it, so the session was ended")
    if found.state in _GONE:
        return Refused("invalid_grant", _GONE[found.state])
    refused = good(found) if found.state is CodeState.APPROVED else Refused("invalid_grant", "the sign-in was not approved")
    if refused is not None:
        update_code(connection, evolve(found, state=CodeState.DENIED, provider_tokens=""))
    return refused if refused is not None else found


def _same_client(connection: Connection, id_: str, following: str) -> tuple[bool, Session | None]:
    """Whether ``following`` is a refresh secret of the session: then it is the client that redeemed the code, whose answer was lost."""
    owner, session = session_of_refresh_secret(connection, following), find_session(connection, id_)
    return owner is not None and owner.id == id_ and session is not None and session.ended is None, session


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


def redirect_error(uri: str, state: str, iss: str, error: str, text: str) -> LocalResponse:
    """Tell ``kgate login`` at its loopback address what went wrong."""
    asked = {"error": error, "error_description": text, "state": state, "iss": iss}
    return LocalResponse(303, (("location", f"{uri}?{urlencode(asked)}"),))


def user_code_of(below: Callable[[int], int]) -> str:
    """``BCDF-GHJK``; ``below(n)`` gives a random number less than n."""
    letters = "".join(_LETTERS[below(len(_LETTERS))] for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def _authorization_fault(asked: Form) -> str:
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
