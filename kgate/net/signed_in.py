"""The gate's sessions and signing keys as the store has them: kept in memory, followed by the change feed.

Who somebody is, the store has by the rules of the gate that asked the provider last. Where those in force here are others (a reload changed them, or other
gates have them already), it is made anew of what the provider said, when somebody comes with the session.

What the feed brings is told to ``changed``, so that live streams of those sessions are decided again: in this process and in every other that shares
the store.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence

from attrs import evolve
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from kgate.identity.claims import identity_of
from kgate.identity.credentials import Rejected
from kgate.identity.gate_sessions import GateSession, GateSessions, WantedSession
from kgate.identity.gate_tokens import GateKeys, SigningKey, WantedKeys
from kgate.identity.issuer_configuration import IssuerConfiguration
from kgate.model import Identity
from kgate.net.database import Database, Keys, StoreUnavailableError
from kgate.net.following import Following
from kgate.net.provider import Confirmed, as_person, claims_from_text
from kgate.store import keys as stored_keys
from kgate.store import sessions as stored_sessions
from kgate.store.changes import prune
from kgate.store.codes import forget_codes
from kgate.store.sealing import Sealer
from kgate.store.sessions import Session, find_session, forget_sessions, live_sessions, provider_tokens_of, shorten_sessions
from kgate.store.signins import forget_signins

log = Logger()

HOUSEKEEPING_SECONDS = 600.0
MOST_SHORTENED = 500
OVER = "it is over"
NOT_ACCEPTED = "the identity provider's word on you is not accepted any more"


def as_gate_session(session: Session) -> GateSession:
    """What requests are held against."""
    person = session.person
    identity = Identity(
        person.user,
        person.groups,
        person.uid,
        person.extra,
        person.issuer,
        session.id,
        session.expires,
        person.authenticated_at,
        person.acr,
        person.amr,
        clusters=session.clusters,
        subject=person.subject,
        issuer_session=person.provider_session,
        issued_at=session.vouched,
        email=person.email,
    )
    ended = session.ended_why or OVER if session.ended is not None else ""
    return GateSession(session.id, identity, ended, person.mapping, asked=session.check_due > 0)


def made_anew(session: Session, held: str, by: IssuerConfiguration) -> GateSession:
    """The same by these rules, of what is ``held`` of the provider's words; over where by them it is nobody."""
    claims = claims_from_text(held)
    found = identity_of(by, claims) if claims is not None else Rejected("it is not kept here, or cannot be read")
    if isinstance(found, Identity) and claims is not None:
        person = as_person(Confirmed(claims, found, by.mapping), session.person.issuer, session.person)
        return as_gate_session(evolve(session, person=person))
    why = found.text if isinstance(found, Rejected) else ""
    return evolve(as_gate_session(session), ended=f"{NOT_ACCEPTED}: {why}", mapping=by.mapping)


class SignedIn:
    """See the module. ``changed(ids)`` is called after the sessions ``ids`` are as the store has them. ``issuers`` are those that people sign in with by the
    configuration in force, ``longest`` is for how long they may be by it."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        now: Callable[[], float],
        wall: Callable[[], float],
        changed: Callable[[Collection[str]], None],
        issuers: Callable[[], Mapping[str, IssuerConfiguration]],
        longest: Callable[[], float],
    ) -> None:
        self._database, self.sealer, self._now, self._wall, self._changed = database, sealer, now, wall, changed
        self._issuers, self._longest = issuers, longest
        self._held_to: float | None = None
        """No session of the store is longer than that, by what this gate did or has under way."""
        self.sessions, self.keys = GateSessions(), GateKeys()
        self._held: dict[str, SigningKey] = {}
        self.problem = ""
        """What is wrong with the signing keys, for /readyz."""
        self._cleaned = now()
        self._following = Following(database, stored_sessions.TOPIC, "the gate's sessions", self._read)
        self._following_keys = Following(database, stored_keys.TOPIC, "the gate's signing keys", self._read_keys, _goes_on)

    async def fetch(self, wanted: WantedSession) -> None:
        """A session that a token names and nobody here knows, or not by the rules in force."""
        try:
            session, sealed = await self._database.read_in_turn(
                lambda connection: (find_session(connection, wanted.id), provider_tokens_of(connection, wanted.id))
            )
        except StoreUnavailableError:
            return
        if session is None:
            self.sessions.put(_unknown(wanted.id))
            return
        by = self._issuers().get(session.person.issuer)
        if by is None or session.ended is not None or by.mapping == session.person.mapping:
            self.sessions.put(as_gate_session(session))
        else:
            self.sessions.put(made_anew(session, self.sealer.open(sealed) or "", by))

    async def fetch_keys(self, _: WantedKeys) -> None:
        """What tokens are verified by, in a gate that has just started."""
        await self._following_keys.catch_up()

    def tick(self) -> None:
        """Read what was missed; now and then the next signing key, and what is old enough to be forgotten."""
        self._following.tick()
        self._following_keys.tick()
        if self._held_to != self._longest():
            shortened = Deferred.fromCoroutine(self._shorten(self._longest()))
            shortened.addErrback(lambda failure: log.failure("sessions stay as long as they are", failure))
        if self._now() - self._cleaned >= HOUSEKEEPING_SECONDS:
            self._cleaned = self._now()
            self.sessions.forget_expired(self._wall())
            self._held_to = None  # another gate may have gone on by other terms meanwhile
            self._following_keys.read()
            cleaned = Deferred.fromCoroutine(self._clean())
            cleaned.addErrback(lambda failure: log.error("what is over stays for now: {error}", error=failure.getErrorMessage()))

    async def _shorten(self, longest: float) -> None:
        """What the terms in force say of how long a session is holds for those that live, too. Some at a time: nobody else writes meanwhile."""
        self._held_to = longest
        now, shortened = self._wall(), MOST_SHORTENED
        try:
            while shortened == MOST_SHORTENED:
                shortened = await self._database.write(lambda connection: shorten_sessions(connection, longest, now, MOST_SHORTENED))
        except StoreUnavailableError:
            self._held_to = None  # again at the next tick

    async def _clean(self) -> None:
        now = self._wall()

        def forget(connection: Connection) -> None:
            forget_sessions(connection, now)
            forget_codes(connection, now)
            forget_signins(connection, now)
            prune(connection, now)

        await self._database.write(forget)

    async def _read_keys(self, _: Keys) -> None:
        now = self._wall()
        stored = await self._database.read_in_turn(stored_keys.load_keys)
        lost = {key.kid for key in stored if key.kid not in self._held and self.sealer.open(key.sealed) is None}
        if stored_keys.needs_key(tuple(key for key in stored if key.kid not in lost), now) is not None:
            made = SigningKey.generate(secrets.token_urlsafe(12), now)
            row = stored_keys.StoredKey(made.kid, now, self.sealer.seal(made.to_json()))
            stored = await self._database.write(lambda connection: stored_keys.rotate_keys(connection, row, now, lost))
        opened = {key: self.sealer.open(key.sealed) for key in stored}
        self._note([key.kid for key, text in opened.items() if text is None])
        # One that another gate sealed anew, by a key that this one has not got yet, goes on as it is known.
        read = {key.kid: SigningKey.from_json(key.kid, key.begins, text) for key, text in opened.items() if text is not None}
        self._held = {key.kid: read.get(key.kid) or self._held[key.kid] for key in stored if key.kid in read or key.kid in self._held}
        self.keys.replace(list(self._held.values()), {key.kid for key in stored} - self._held.keys())
        old = [
            evolve(key, sealed=self.sealer.seal(text))
            for key, text in opened.items()
            if text and not self.sealer.is_by_the_newest(key.sealed)
        ]
        if old:
            await self._database.write(lambda connection: stored_keys.seal_anew(connection, old))

    def _note(self, unreadable: Sequence[str]) -> None:
        """Gates of one fleet have the same lines in that file; one that lacks the newest makes a key of its own at its next start."""
        what = f"secrets.key_file lacks the key that sealed the signing keys {', '.join(unreadable)}"
        problem = (
            f"{what}: put it back, as it is in the file of a gate that has it; if it is lost, people sign in again" if unreadable else ""
        )
        if problem and problem != self.problem:
            log.error("{problem}", problem=problem)
        self.problem = problem

    def reread(self) -> None:
        """Others rules are in force: all sessions are as the store has them, and made anew as they are needed."""
        self._following.read()

    def sealed_by_others(self) -> None:
        """The sealer has other keys now: what could not be read may be read by them."""
        self._following_keys.read()

    async def _read(self, ids: Keys) -> None:
        if ids is None:
            await self._read_all()
            return
        found = await self._database.read_in_turn(lambda connection: [find_session(connection, id_) for id_ in ids])
        for session in found:
            if session is not None:
                self.sessions.put(as_gate_session(session))
        self._changed(ids)

    async def _read_all(self) -> None:
        before = {session.id for session in self.sessions.live()}
        now = self._wall()
        found = await self._database.read_in_turn(lambda connection: live_sessions(connection, now))
        self.sessions.replace([as_gate_session(session) for session in found])
        self._changed(before | {session.id for session in found})


def _goes_on() -> None:
    """What was signed by the keys that are known is as good as before."""


def _unknown(id_: str) -> GateSession:
    """A token names it, so it was there once."""
    return GateSession(id_, Identity(""), "it is over, and long forgotten")
