"""Asking identity providers again and again whether they still stand by those who signed in.

Each session is asked about every few minutes, by whichever gate claims it first in the store. A refused refresh ends the session; other groups, another
strength, a person who no longer fulfils the operator's rules take effect at once, because what is written to the store reaches every gate by the change
feed. A provider that does not answer ends nothing at first: its silence is no news of the person. It may be silent for so long only
(``Terms.unreachable``), and is left alone for a while, so that nobody else's people wait behind all of its own.

A provider that rotates its refresh tokens gives a new one each time. It is written down before anything else, but not before it was sent: a gate that is
killed in between loses it, and that session ends at its next check. The person signs in again; nobody else can use what was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from attrs import frozen
from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.identity.credentials import Rejected
from kgate.identity.gate_tokens import NOT_CONFIGURED
from kgate.identity.jose import Flaw
from kgate.identity.openid import Denied, ProviderTokens
from kgate.net.database import Store, StoreUnavailableError
from kgate.net.provider import Confirmed, SignInProvider, as_person, claims_from_text, tokens_from_text, tokens_to_text
from kgate.net.signed_in import NOT_ACCEPTED
from kgate.store.people import Person
from kgate.store.sealing import Sealer
from kgate.store.sessions import Session, check_again, claim_checks, confirm_session, end_sessions

log = Logger()

LOOK_SECONDS = 1.0
CLAIMED_SECONDS = 15.0
"""For how long a session that one gate asks about is left alone by the others: longer than an answer may take."""
MOST_AT_ONCE = 20
REST_SECONDS = 10.0
"""How long a provider that did not answer is not asked: less than until its sessions are due again."""
UNREADABLE = "what the gate keeps of its identity provider cannot be read: secrets.key_file lacks the key that sealed it"
FINAL = frozenset({"invalid_grant", "access_denied", "unauthorized_client", "interaction_required", "login_required", "consent_required"})
"""What a provider answers when it is the person or the sign-in that it no longer stands by; anything else may be a mistake of the configuration's."""


@frozen
class Terms:
    """How long things last, in seconds."""

    session: float
    token: float
    recheck: float
    unreachable: float


class Ended(Protocol):
    """Told which session was ended, for the record."""

    async def logout(self, address: str, person: Person, session: str, reason: str) -> None:
        """It ended before its time."""


class Rechecks:
    """See the module. ``now`` is monotonic, ``wall`` Unix seconds."""

    def __init__(
        self,
        providers: Callable[[], Mapping[str, SignInProvider]],
        terms: Callable[[], Terms],
        store: Store,
        sealer: Sealer,
        ended: Ended,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._providers, self._terms, self._store, self._sealer, self._ended = providers, terms, store, sealer, ended
        self._now, self._wall = now, wall
        self._looked, self._running = now(), False
        self._stalled_since: float | None = None
        self._resting: dict[str, tuple[float, str]] = {}
        """Providers that did not answer: until when they are left alone (monotonic), and why."""
        self._silence: dict[str, str] = {}
        """What was said of each that cannot be asked."""

    def tick(self) -> None:
        """Called a few times a second."""
        if self._running or self._now() - self._looked < LOOK_SECONDS:
            return
        self._looked, self._running = self._now(), True
        Deferred.fromCoroutine(self._round()).addErrback(_failed).addBoth(lambda _: self._over())

    @property
    def stalled_for(self) -> float:
        """For how many seconds no session could be asked about here, because the store did not take that. It may be read all the same."""
        return self._now() - self._stalled_since if self._stalled_since is not None else 0.0

    def _over(self) -> None:
        self._running = False

    async def _round(self) -> None:
        """All that are due; a round that was full is followed by another."""
        claimed = MOST_AT_ONCE
        while claimed == MOST_AT_ONCE:
            due = await self._claimed()
            claimed = len(due)
            await gatherResults([Deferred.fromCoroutine(self._check(session, sealed)) for session, sealed in due], consumeErrors=True)

    async def _claimed(self) -> tuple[tuple[Session, str], ...]:
        """Some that are due, for this gate to ask about."""
        now = self._wall()
        try:
            due = await self._store.write(lambda connection: claim_checks(connection, now, now + CLAIMED_SECONDS, MOST_AT_ONCE))
        except StoreUnavailableError:
            self._stalled_since = self._now() if self._stalled_since is None else self._stalled_since
            raise
        self._stalled_since = None
        return due

    async def _check(self, session: Session, sealed: str) -> None:
        """One session."""
        issuer = session.person.issuer
        provider, opened = self._providers().get(issuer), self._sealer.open(sealed)
        until, why = self._resting.get(issuer, (0.0, ""))
        if provider is None:
            await self._end(session, NOT_CONFIGURED)
        elif opened is None:  # another gate of the fleet may have the key
            await self._silent(session, UNREADABLE)
        elif self._now() < until:
            await self._silent(session, why)
        else:
            await self._ask(session, provider, opened)

    async def _ask(self, session: Session, provider: SignInProvider, held: str) -> None:
        answer = await provider.refresh(tokens_from_text(held).refresh_token)
        if isinstance(answer, Denied) and answer.error in FINAL:
            await self._end(session, f"the identity provider does not stand by it any more ({answer})")
        elif isinstance(answer, Denied):
            await self._silent(session, f"the identity provider answered {answer}")
        elif isinstance(answer, Flaw):
            why = f"the identity provider {answer.text}"
            self._resting[session.person.issuer] = self._now() + REST_SECONDS, why
            await self._silent(session, why)
        else:
            await self._answered(session, provider, held, answer)

    async def _answered(self, session: Session, provider: SignInProvider, held: str, answer: ProviderTokens) -> None:
        now, former = self._wall(), tokens_from_text(held)
        tokens = ProviderTokens(answer.id_token or former.id_token, answer.refresh_token or former.refresh_token)
        kept = self._sealer.seal(tokens_to_text(tokens, claims_from_text(held)))
        due = now + self._terms().recheck
        checked = session.checked if answer.id_token else now
        await self._store.write(lambda connection: confirm_session(connection, session.id, session.person, kept, checked, due))
        if not answer.id_token:  # the provider stands by the sign-in and says nothing new of the person (Core section 12.2)
            self._silence.pop(session.person.issuer, None)
            return
        confirmed = await provider.verify(answer)
        if isinstance(confirmed, Rejected) and confirmed.unsure:
            await self._silent(session, confirmed.text)
        elif isinstance(confirmed, Rejected):
            await self._end(session, f"{NOT_ACCEPTED}: {confirmed.text}")
        elif confirmed.claims.get("sub") != session.person.subject:
            await self._end(session, "the identity provider answered for somebody else")
        else:
            await self._renewed(session, confirmed, self._sealer.seal(tokens_to_text(tokens, confirmed.claims)), due)

    async def _renewed(self, session: Session, confirmed: Confirmed, kept: str, due: float) -> None:
        person, now = as_person(confirmed, session.person.issuer, session.person), self._wall()
        self._silence.pop(session.person.issuer, None)
        await self._store.write(lambda connection: confirm_session(connection, session.id, person, kept, now, due))

    async def _silent(self, session: Session, why: str) -> None:
        """No answer: the session goes on for a while, and is asked about again soon."""
        issuer = session.person.issuer
        if why != self._silence.get(issuer):
            self._silence[issuer] = why
            log.warn("sessions of {issuer} could not be confirmed: {why}", issuer=issuer, why=why)
        now, terms = self._wall(), self._terms()
        if now - session.checked > terms.unreachable:
            await self._end(session, f"it could not be confirmed for too long: {why}")
        else:
            due = now + min(terms.recheck, CLAIMED_SECONDS)
            await self._store.write(lambda connection: check_again(connection, [session.id], due))

    async def _end(self, session: Session, why: str) -> None:
        now = self._wall()
        ended = await self._store.write(lambda connection: end_sessions(connection, [session.id], why, now))
        if ended:
            await self._ended.logout("", session.person, session.id, why)


def _failed(failure: Failure) -> None:
    """A store that does not answer shows in /readyz; the next round comes in a second."""
    first = failure.value.subFailure if isinstance(failure.value, FirstError) else failure
    if first.check(StoreUnavailableError) is None:
        log.failure("sessions could not be confirmed", first)
