"""Signing in: a browser goes to an identity provider and comes back, and somebody is known.

    begin ──▶ the provider ──▶ finish ──▶ the gate's own page: a session and a cookie
                                     ├──▶ kgate login: a code at its loopback address
                                     └──▶ kgate login --device: its code is approved

What is asked at ``begin`` is kept in the store until ``finish``, bound to the browser by a cookie and to the provider by its issuer, ``state``, ``nonce`` and
PKCE (security.md class 22). Each failure is a value with a sentence for the person; each end, good or bad, is put on record.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from attrs import evolve, frozen
from sqlalchemy import Connection

from kgate.identity.credentials import Rejected
from kgate.identity.jose import Flaw
from kgate.identity.openid import Denied, ProviderTokens, authorization_url, freshness_flaw, nonce_flaw, read_answer
from kgate.net.database import Store
from kgate.net.provider import Confirmed, SignInProvider, as_person, tokens_from_text, tokens_to_text
from kgate.net.rechecks import Terms
from kgate.store.changes import latest
from kgate.store.codes import Code, CodeState, add_code, approve_device
from kgate.store.notices import dated, ended_since
from kgate.store.people import Person
from kgate.store.sealing import Sealer, digest
from kgate.store.sessions import Kind, Session, add_cookie, open_session
from kgate.store.signins import SignIn, begin_signin, is_under_way, take_signin

SIGN_IN_SECONDS = 600.0
"""How long somebody may take at the provider."""
CODE_SECONDS = 60.0
"""How long ``kgate login`` may take to redeem its code (RFC 6749 section 4.1.2: at most ten minutes)."""
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


def secret() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


@frozen
class Wanted:
    """What a sign-in is for; nothing set is the gate's own page."""

    redirect_uri: str = ""
    client_state: str = ""
    challenge: str = ""
    user_code: str = ""
    clusters: str = ""
    step_up: bool = False


@frozen
class Asker:
    """Who asks, as far as the connection and the request show it."""

    address: str
    user_agent: str
    browser: str
    """The cookie of sign-ins under way; empty where there is none."""


@frozen
class Begun:
    """Send the browser to ``location`` with the cookie ``browser``."""

    location: str
    browser: str


@frozen
class Failed:
    """It did not work: what happened, and what to do. ``redirect`` is where ``kgate login`` waits to be told."""

    text: str
    hint: str
    status: int = 400
    redirect: SignIn | None = None


@frozen
class Known:
    """Somebody signed in. Exactly one of ``cookie``, ``code`` and ``device`` says what came of it."""

    signin: SignIn
    person: Person
    cookie: str = ""
    code: str = ""
    device: bool = False


class Recorder(Protocol):
    """Puts sign-ins on record."""

    async def login(self, allowed: bool, asker: Asker, person: Person | None, session: str, reason: str, how: str) -> bool:
        """Somebody signed in, or could not. Whether it is durable: what is not is not handed out."""

    async def logout(self, address: str, person: Person, session: str, reason: str) -> None:
        """A session ended before its time."""


AGAIN = "sign in again"
ASK = "ask whoever runs this gate"
NO_KEY, NO_KEY_HINT = "the gate has no key to sign tokens with", f"try again in a moment; if it stays so, {ASK}"
WITHDRAWN = "the identity provider ended the sign-in before it was done"


class SignIns:
    """See the module. ``providers`` are by issuer, in the order of the configuration; ``wall`` is Unix seconds."""

    def __init__(
        self,
        providers: Callable[[], Mapping[str, SignInProvider]],
        terms: Callable[[], Terms],
        store: Store,
        sealer: Sealer,
        recorder: Recorder,
        wall: Callable[[], float],
    ) -> None:
        self._providers, self._wall = providers, wall
        self.terms, self.store, self.sealer, self.recorder = terms, store, sealer, recorder

    def providers(self) -> Sequence[SignInProvider]:
        """Those that people can choose from."""
        return tuple(self._providers().values())

    async def begin(self, issuer: str, wanted: Wanted, asker: Asker) -> Begun | Failed:
        """Where to send the browser for a sign-in with ``issuer``."""
        provider = self._providers().get(issuer)
        if provider is None:
            return Failed("there is no such identity provider here", "choose one on the sign-in page")
        found = await provider.provider()
        if isinstance(found, Flaw):
            text = f"the identity provider {issuer} {found.text}"
            await self.recorder.login(False, asker, None, "", text, _how(wanted))
            return Failed(text, f"try again in a while; if it stays so, {ASK}", 502)
        state, nonce, verifier = secret(), secret(), secret()
        browser = asker.browser if _COOKIE.fullmatch(asker.browser) else secret()
        kept = SignIn(
            digest(state),
            digest(browser),
            issuer,
            nonce,
            self.sealer.seal(verifier),
            self._wall() + SIGN_IN_SECONDS,
            wanted.redirect_uri,
            wanted.client_state,
            wanted.challenge,
            wanted.user_code,
            wanted.clusters,
            wanted.step_up,
        )
        await self.store.write(lambda connection: begin_signin(connection, evolve(kept, place=latest(connection))))
        login = provider.login
        asked = (login.scopes, state, nonce, verifier, wanted.step_up, login.acr_values, login.prompt)
        url = authorization_url(found, login.client, *asked)
        return Begun(url, browser)

    async def finish(self, answer: Mapping[str, str], asker: Asker) -> Known | Failed:
        """What a browser brought back from a provider."""
        state, now = digest(answer.get("state", "")), self._wall()
        begun = await self.store.read(lambda connection: is_under_way(connection, state))  # for what is made up nothing is written
        signin = await self.store.write(lambda connection: take_signin(connection, state, now)) if begun else None
        if signin is None:
            return await self._fail(None, asker, "this sign-in is not under way any more: it was finished, or it took too long", AGAIN)
        if not asker.browser or digest(asker.browser) != signin.browser:
            # Whoever began it is not whoever brings the answer: nothing is told to where it would have gone.
            return await self._fail(None, asker, "this sign-in began in another browser", "sign in again, in this one")
        verified = await self._verified(signin, answer, asker)
        if isinstance(verified, Failed):
            return verified
        tokens, found = verified
        known = Known(signin, as_person(found, signin.issuer))
        made = await self._hand_out(known, self.sealer.seal(tokens_to_text(tokens, found.claims)), asker, now)
        return made if made is not None else await self._fail(signin, asker, WITHDRAWN, AGAIN, 403)

    async def _verified(self, signin: SignIn, answer: Mapping[str, str], asker: Asker) -> tuple[ProviderTokens, Confirmed] | Failed:
        """The provider's word on who it is."""
        provider = self._providers().get(signin.issuer)
        found = await provider.provider() if provider is not None else Flaw("is not configured any more")
        if provider is None or isinstance(found, Flaw):
            text = f"the identity provider {signin.issuer} {found.text if isinstance(found, Flaw) else ''}"
            return await self._fail(signin, asker, text, f"try again in a while; if it stays so, {ASK}", 502)
        code = read_answer(answer, found)
        if isinstance(code, Denied):
            return await self._fail(signin, asker, f"the identity provider said no ({code})", AGAIN, 403)
        if isinstance(code, Flaw):
            return await self._fail(signin, asker, f"the answer {code.text}", AGAIN)
        tokens = await provider.redeem(code, self.sealer.open(signin.verifier) or "")
        if isinstance(tokens, Denied):
            return await self._fail(
                signin, asker, f"the identity provider did not take its own code back ({tokens})", f"{AGAIN}, or {ASK}", 502
            )
        if isinstance(tokens, Flaw):
            return await self._fail(signin, asker, f"the identity provider {tokens.text}", f"{AGAIN}, or {ASK}", 502)
        verified = await provider.verify(tokens)
        if isinstance(verified, Rejected):
            return await self._fail(signin, asker, verified.text, verified.hint or ASK, 403)
        flaw = nonce_flaw(verified.claims, signin.nonce, provider.login.client)
        if flaw is None and signin.step_up:
            flaw = freshness_flaw(verified.claims, signin.expires - SIGN_IN_SECONDS)
        if flaw is not None:
            return await self._fail(signin, asker, f"the ID token {flaw.text}", AGAIN, 403)
        return tokens, verified

    async def _hand_out(self, known: Known, sealed: str, asker: Asker, since: float) -> Known | Failed | None:
        """What the sign-in was for; None where the provider ended it ``since`` it was asked."""
        if known.signin.user_code:
            return await self._approve(known, sealed, asker, since)
        return await (self._give_code if known.signin.redirect_uri else self._open)(known, sealed, asker, since)

    async def _approve(self, known: Known, sealed: str, asker: Asker, since: float) -> Known | Failed | None:
        code, now = known.signin.user_code, self._wall()
        approved = await self._keep(known, since, lambda connection, person: approve_device(connection, code, person, sealed, now))
        if approved is False:
            text = "the device's code is too old, or was used already"
            return await self._fail(known.signin, asker, text, "run kgate login --device again")
        return evolve(known, device=True) if approved else None

    async def _give_code(self, known: Known, sealed: str, asker: Asker, since: float) -> Known | None:
        signin, code = known.signin, secret()
        row = Code(
            digest(code),
            CodeState.APPROVED,
            self._wall() + CODE_SECONDS,
            challenge=signin.challenge,
            redirect_uri=signin.redirect_uri,
            address=asker.address,
            clusters=signin.clusters,
            provider_tokens=sealed,
        )

        def added(connection: Connection, person: Person) -> bool:
            add_code(connection, evolve(row, person=person))
            return True

        return evolve(known, code=code) if await self._keep(known, since, added) else None

    async def _open(self, known: Known, sealed: str, asker: Asker, since: float) -> Known | Failed | None:
        session = self.new_session(Kind.BROWSER, known.person, asker.address, "", sealed)
        if not await self.recorder.login(True, asker, known.person, session.id, "", Kind.BROWSER.value):
            return Failed("the sign-in could not be put on record", "try again in a while", 503)
        cookie = secret()

        def opened(connection: Connection, person: Person) -> bool:
            open_session(connection, evolve(session, person=person), sealed)
            add_cookie(connection, session.id, digest(cookie))
            return True

        return evolve(known, cookie=cookie) if await self._keep(known, since, opened) else None

    async def _keep(self, known: Known, since: float, write: Callable[[Connection, Person], bool]) -> bool | None:
        """What ``write`` gives for the person. None where a notice came that ends the sign-in: it found nothing here yet that it could end."""
        person, place = known.person, known.signin.place

        def kept(connection: Connection) -> bool | None:
            return None if ended_since(connection, person, since) else write(connection, dated(connection, person, place))

        return await self.store.write(kept)

    def new_session(self, kind: Kind, person: Person, address: str, clusters: str, sealed: str) -> Session:
        """A session that begins now."""
        now, terms = self._wall(), self.terms()
        refreshable = tokens_from_text(self.sealer.open(sealed) or "").refresh_token
        return Session(
            secrets.token_urlsafe(18),
            kind,
            person,
            now,
            now + terms.session,
            address,
            tuple(clusters.split()),
            checked=now,
            check_due=now + terms.recheck if refreshable else 0.0,
        )

    async def _fail(self, signin: SignIn | None, asker: Asker, text: str, hint: str, status: int = 400) -> Failed:
        how = _how(signin) if signin is not None else Kind.BROWSER.value
        await self.recorder.login(False, asker, None, "", text, how)
        return Failed(text, hint, status, signin if signin is not None and signin.redirect_uri else None)


def _how(wanted: Wanted | SignIn) -> str:
    kind = Kind.DEVICE if wanted.user_code else Kind.CLI if wanted.redirect_uri else Kind.BROWSER
    return str(kind.value)
