"""Taking an issuer's notices in: verify, keep, end what they end, and only then say that they were received.

A notice that was kept reaches every gate by the change feed, this one included, and changes what the authenticator says of identities it concerns
(``identity/notices``); their live streams are decided again at once. Gate sessions that it ends are ended in the transaction that keeps it; those whose claims
changed are due to be asked about at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

from attrs import evolve, frozen
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from kgate.exchange.gate import Fetch
from kgate.identity.credentials import Rejected
from kgate.identity.issuers import Signers, Verified, audiences
from kgate.identity.notice_tokens import UNAVAILABLE, Refused, logout_notice, security_event
from kgate.identity.notices import Kind, Notice, Notices
from kgate.model import Pending
from kgate.net.database import Database, Keys
from kgate.net.fetches import settled
from kgate.net.following import Following
from kgate.net.seldom import Seldom
from kgate.store import notices as stored
from kgate.store.codes import withdraw_codes
from kgate.store.sessions import due_now, end_sessions

log = Logger()

CLEAN_SECONDS = 6 * 3600.0
_ENDS: Mapping[Kind, str] = {
    Kind.LOGOUT: "you signed out at the identity provider",
    Kind.SESSION_REVOKED: "the identity provider ended it",
    Kind.CREDENTIAL_CHANGED: "your credential at the identity provider changed; sign in again",
    Kind.ACCOUNT_DISABLED: "the identity provider disabled the account",
}


class Dialect(Enum):
    """What a token claims to be."""

    LOGOUT = "logout token"
    EVENT = "security event"


@frozen
class Speaker:
    """Somebody whose notices are believed: ``audiences`` are our names there, ``about`` is the issuer whose people it speaks of."""

    issuer: str
    audiences: frozenset[str]
    about: str
    dialects: frozenset[Dialect]


@frozen
class Received:
    """A notice that is kept, and the sessions that it ended; ``new`` is False where it was known."""

    notice: Notice
    new: bool
    ended: tuple[str, ...] = ()


class NoticeBoard:
    """The notices in force in this process. ``wall`` is Unix seconds. ``changed(notice)`` decides again whatever lives and is concerned; None:
    anything may be."""

    def __init__(self, database: Database, wall: Callable[[], float], changed: Callable[[Notice | None], None]) -> None:
        self._database, self._wall, self._changed = database, wall, changed
        self.notices = Notices()
        self._cleaning = Seldom(database.now, CLEAN_SECONDS)
        self.following = Following(database, stored.TOPIC, "the notices", self._read)

    def tick(self) -> None:
        """Read what was missed; now and then forget what cannot matter any more."""
        self.following.tick()
        if self._cleaning.is_due():
            now = self._wall()
            if self.notices.forget(now - stored.KEPT_SECONDS):
                self._changed(None)
            cleaned = Deferred.fromCoroutine(self._database.write(lambda connection: stored.forget(connection, now)))
            cleaned.addErrback(lambda failure: log.error("old notices stay: {error}", error=failure.getErrorMessage()))

    async def _read(self, keys: Keys) -> None:
        if keys is None:
            await self._read_all()
            return
        found = await self._database.read_in_turn(lambda connection: [stored.find(connection, key) for key in keys])
        for notice in found:
            if notice is not None:
                self.notices.add(notice)
                self._changed(notice)

    async def _read_all(self) -> None:
        for notice in await self._database.read_in_turn(stored.all_notices):
            self.notices.add(notice)
        self._changed(None)


class Receiver:
    """Takes tokens in. ``signers`` and ``speakers`` are of the configuration in force when they are asked for."""

    def __init__(
        self,
        database: Database,
        signers: Callable[[], Signers],
        speakers: Callable[[], Mapping[str, Speaker]],
        fetch: Fetch,
        wall: Callable[[], float],
    ) -> None:
        self._database, self._signers, self._speakers, self._fetch, self._wall = database, signers, speakers, fetch, wall

    async def receive(self, token: str, dialect: Dialect) -> Received | Refused:
        """Durable and acted on when this returns. Raises StoreUnavailableError."""
        verified = await self._verified(token)
        if isinstance(verified, Refused):
            return verified
        speaker = self._speakers().get(verified.issuer)
        if speaker is None or dialect not in speaker.dialects:
            return Refused("invalid_issuer", f"{verified.issuer} has no say here by a {dialect.value}")
        if not set(audiences(verified.claims)) & speaker.audiences:
            return Refused("invalid_audience", "the token is for somebody else than this gate")
        notice = self._read(verified, speaker, dialect)
        if isinstance(notice, Refused) or notice.kind is Kind.VERIFICATION:
            return notice if isinstance(notice, Refused) else Received(notice, True)
        told, now = evolve(notice, issuer=speaker.about), self._wall()
        return await self._database.write(lambda connection: _keep(connection, told, speaker.issuer, now))

    def _read(self, verified: Verified, speaker: Speaker, dialect: Dialect) -> Notice | Refused:
        if dialect is Dialect.LOGOUT:
            return logout_notice(verified.claims, verified.typ, self._wall())
        return security_event(verified.claims, verified.typ, self._wall(), (speaker.about, speaker.issuer))

    async def _verified(self, token: str) -> Verified | Refused:
        strange = Refused("invalid_issuer", "the token is of an issuer that is not configured here")

        def ask() -> Verified | Rejected | Refused | Pending:
            return self._signers().verified(token) or strange

        found: Verified | Rejected | Refused | None = await settled(ask, self._fetch)
        if isinstance(found, Rejected) and found.unsure:
            return Refused(UNAVAILABLE, found.text)
        if isinstance(found, Rejected):
            return Refused("invalid_key" if "key" in found.text or "signature" in found.text else "invalid_request", found.text)
        return found if found is not None else Refused(UNAVAILABLE, "the issuer's keys did not come in time")


def _keep(connection: Connection, notice: Notice, teller: str, now: float) -> Received:
    if not stored.keep(connection, notice, now, teller):
        return Received(notice, False)
    meant = [session.id for session in stored.sessions_of(connection, notice, now)]
    if notice.kind in stored.ENDING:
        withdraw_codes(connection, lambda person: stored.is_about(notice, person))
        return Received(notice, True, end_sessions(connection, meant, _ENDS[notice.kind], now))
    if notice.kind is Kind.CLAIMS_CHANGED:
        due_now(connection, meant, now)
    return Received(notice, True)
