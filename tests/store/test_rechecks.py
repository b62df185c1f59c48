"""Asking an identity provider again: what is a word on the person, and what is only its silence."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from attrs import define, evolve, field
from issuer import TestIssuer
from issuer_gate import IssuerGate
from sqlalchemy import Connection, Engine
from twisted.logger import LogEvent, LogLevel, globalLogPublisher

from kgate.identity.credentials import Rejected
from kgate.identity.issuer_configuration import load_authentication_configuration
from kgate.identity.jose import Claims, Flaw
from kgate.identity.openid import Denied, ProviderTokens
from kgate.net.database import StoreUnavailableError
from kgate.net.id_tokens import IdTokens
from kgate.net.provider import Confirmed, claims_from_text, tokens_from_text, tokens_to_text
from kgate.net.rechecks import MOST_AT_ONCE, Rechecks, Terms
from kgate.store.people import Person
from kgate.store.sealing import Sealer
from kgate.store.sessions import Kind, Session, claim_checks, find_session, open_session, provider_tokens_of

T = TypeVar("T")
TERMS = Terms(session=36_000.0, token=300.0, recheck=300.0, unreachable=3600.0)


@define
class Now:
    """A store whose work is done at once."""

    engine: Engine

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await self.write(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        with self.engine.begin() as connection:
            return work(connection)


@define
class Provider:
    """Refreshes as the test says, and has its ID tokens verified by the real thing."""

    verifier: IdTokens
    answer: ProviderTokens | Denied | Flaw = field(factory=lambda: Flaw("has not been asked yet"))
    asked: int = 0

    async def refresh(self, refresh_token: str) -> ProviderTokens | Denied | Flaw:
        self.asked += 1
        return self.answer

    async def verify(self, tokens: ProviderTokens) -> Confirmed | Rejected:
        return await self.verifier.verify(tokens)


@define(slots=False)
class World:
    """alice is signed in, and her session is due to be asked about."""

    engine: Engine
    issuer: TestIssuer = field(factory=TestIssuer)
    ended: list[str] = field(factory=list)
    rotations: int = 0

    def __attrs_post_init__(self) -> None:
        self.gate = IssuerGate(self.issuer)
        (configuration,) = load_authentication_configuration(self.gate.file, "f")
        self.provider = Provider(IdTokens(configuration, "kgate", lambda: self.gate.source, self.gate.get, lambda: self.gate.now))
        self.sealer = Sealer([os.urandom(32)])
        providers: Any = lambda: {self.issuer.url: self.provider}  # noqa: E731
        self.rechecks = Rechecks(
            providers, lambda: TERMS, Now(self.engine), self.sealer, self, lambda: self.gate.monotonic, lambda: self.gate.now
        )
        now = self.began = self.gate.now
        self.person = Person("alice", ("corp:sre",), issuer=self.issuer.url, subject="alice", issued_at=now)
        session = Session("s1", Kind.CLI, self.person, now, now + TERMS.session, checked=now, check_due=now + TERMS.recheck)
        with self.engine.begin() as connection:
            open_session(connection, session, self.sealer.seal(tokens_to_text(ProviderTokens("old", "r0"))))

    async def logout(self, address: str, person: Person, session: str, reason: str) -> None:
        self.ended.append(reason)

    def session(self) -> Session:
        with self.engine.begin() as connection:
            found = find_session(connection, "s1")
        assert found is not None
        return found

    def refresh_token(self) -> str:
        with self.engine.begin() as connection:
            return tokens_from_text(self.sealer.open(provider_tokens_of(connection, "s1")) or "").refresh_token

    def asks(self, answer: Denied | Flaw | None = None, after: float = TERMS.recheck, **claims: Any) -> Session:
        """The provider is asked ``after`` seconds and answers so, or with an ID token that has these claims; the session then."""
        self.gate.passes(after)
        self.rotations += 1
        id_token = self.issuer.sign(self.issuer.claims(self.gate.now, **claims))
        self.provider.answer = answer if answer is not None else ProviderTokens(id_token, f"r{self.rotations}")
        self.rechecks.tick()
        return self.session()


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def test_a_session_that_its_provider_stands_by_goes_on(world: World) -> None:
    found = world.asks()
    person = evolve(world.person, mapping=found.person.mapping)
    assert (found.ended, found.checked, found.person, world.refresh_token()) == (None, world.gate.now, person, "r1")


def test_what_an_id_token_says_now_counts(world: World) -> None:
    assert world.asks(groups=["dev"]).person.groups == ("corp:dev",)
    assert "answered for somebody else" in world.asks(sub="bob").ended_why


def test_what_the_provider_said_is_kept_so_that_other_rules_can_be_held_against_it(world: World) -> None:
    def said() -> Claims | None:
        with world.engine.begin() as connection:
            return claims_from_text(world.sealer.open(provider_tokens_of(connection, "s1")) or "")

    assert said() is None
    found = world.asks(groups=["dev"])
    assert (said() or {})["groups"] == ["dev"] and found.person.mapping == world.provider.verifier._configuration.mapping != ""
    world.provider.answer = ProviderTokens("", "r9", "an access token")
    world.gate.passes(TERMS.recheck)
    world.rechecks.tick()
    assert (said() or {})["groups"] == ["dev"] and world.refresh_token() == "r9"


def goes_on_unconfirmed(world: World, found: Session, checked: float) -> None:
    """It is neither over nor confirmed, will be asked about again soon, and the provider's new refresh token is not lost."""
    assert (found.ended, world.ended, world.refresh_token()) == (None, [], f"r{world.rotations}")
    assert found.checked == checked and world.gate.now < found.check_due < world.gate.now + 60


@pytest.mark.threat("21")
def test_keys_that_cannot_be_had_for_now_end_no_session(world: World) -> None:
    world.gate.down = True
    goes_on_unconfirmed(world, world.asks(), world.began)
    world.gate.down = False
    assert world.asks(after=60.0).checked == world.gate.now


@pytest.mark.threat("21")
def test_a_new_key_that_is_not_published_yet_ends_no_session(world: World) -> None:
    world.asks()
    published = list(world.issuer.keys)
    world.issuer.rotate("two")
    world.gate.publishes = published
    goes_on_unconfirmed(world, world.asks(), world.began + TERMS.recheck)
    world.gate.publishes = None
    assert world.asks(after=60.0).checked == world.gate.now


@pytest.mark.threat("21")
def test_whoever_uses_up_how_often_keys_are_looked_for_ends_nobodys_session(world: World) -> None:
    world.asks()
    world.gate.passes(TERMS.recheck - 1)
    for number in range(20):
        world.gate.ask(world.issuer.sign(world.issuer.claims(world.gate.now), kid=f"nobodys-{number}"))
    world.issuer.rotate("two")
    goes_on_unconfirmed(world, world.asks(after=1.0), world.began + TERMS.recheck)


def test_what_cannot_be_verified_for_too_long_is_over(world: World) -> None:
    world.gate.down = True
    for _ in range(int(TERMS.unreachable / TERMS.recheck)):
        assert world.asks().ended is None
    assert "could not be confirmed for too long" in world.asks().ended_why


@pytest.mark.parametrize(
    "error", ["invalid_grant", "access_denied", "unauthorized_client", "interaction_required", "login_required", "consent_required"]
)
def test_a_provider_that_no_longer_stands_by_the_sign_in_ends_the_session(world: World, error: str) -> None:
    """Microsoft Entra answers ``interaction_required`` where it asks for a second factor since, or for another device."""
    assert "does not stand by it any more" in world.asks(Denied(error)).ended_why


@pytest.mark.parametrize("answer", [Denied("invalid_client"), Denied("temporarily_unavailable"), Flaw("answered 503")])
def test_anything_else_ends_nothing_at_first(world: World, answer: Denied | Flaw) -> None:
    assert world.asks(answer).ended is None


def test_what_another_key_sealed_is_left_to_a_gate_that_has_it_and_said_to_be_so(world: World) -> None:
    """One gate of several that was started with an older key file: it claims what is due as the others do."""
    sealed_by = world.sealer
    world.rechecks._sealer = Sealer([os.urandom(32)])
    found = world.asks()
    assert (found.ended, found.checked, world.ended) == (None, world.began, []) and found.check_due < world.gate.now + 60
    world.rechecks._sealer = sealed_by
    assert world.asks(after=60.0).checked == world.gate.now
    world.rechecks._sealer = Sealer([os.urandom(32)])
    assert "secrets.key_file lacks the key" in world.asks(after=TERMS.unreachable + TERMS.recheck).ended_why


def test_a_provider_that_does_not_answer_is_left_alone_for_a_while_and_said_to_be_away_once(world: World) -> None:
    """Its people are many, and each question takes seconds; nobody else's are to wait behind all of them."""
    session, logged = world.session(), list[LogEvent]()
    with world.engine.begin() as connection:
        for number in range(100):
            other = evolve(session, id=f"o{number}", check_due=session.check_due + 1)
            open_session(connection, other, world.sealer.seal(tokens_to_text(ProviderTokens("old", "r0"))))
    globalLogPublisher.addObserver(logged.append)
    world.asks(Flaw("did not answer within 5 s"), after=TERMS.recheck + 2)
    globalLogPublisher.removeObserver(logged.append)
    assert 1 <= world.provider.asked <= MOST_AT_ONCE
    with world.engine.begin() as connection:
        assert claim_checks(connection, world.gate.now, world.gate.now, 200) == ()  # all were seen to
    assert [event["log_format"] for event in logged if event["log_level"] is LogLevel.warn] == [
        "sessions of {issuer} could not be confirmed: {why}"
    ]
    asked = world.provider.asked
    world.asks(after=60.0)
    assert world.provider.asked == asked + 101


def test_it_is_known_for_how_long_nobody_could_be_asked_about_because_the_store_takes_no_writes(world: World) -> None:
    """It is read all the same, as a database that failed over to a copy is: nothing else would tell that confirmations stopped."""

    async def refused(work: object) -> object:
        raise StoreUnavailableError("the gate's store does not answer")

    store: Any = world.rechecks._store
    world.asks()
    assert world.rechecks.stalled_for < 1
    world.rechecks._store = SimpleNamespace(write=refused)
    for _ in range(3):
        world.gate.passes(100)
        world.rechecks.tick()
    assert world.rechecks.stalled_for == 200
    world.rechecks._store = store
    world.gate.passes(2)
    world.rechecks.tick()
    assert world.rechecks.stalled_for == 0
