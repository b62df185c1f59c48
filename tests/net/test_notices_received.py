"""Taking notices in while their signer's keys cannot be had: none is lost by that, for whoever tells of it is asked to tell it again; and forgetting them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from issuer import NOW, TestIssuer
from issuer_gate import IssuerGate
from sqlalchemy import Connection, Engine
from twisted.internet.defer import Deferred

from kgate.identity.issuers import Signers
from kgate.identity.notice_tokens import BACKCHANNEL_LOGOUT, Refused
from kgate.identity.notices import Kind, Notice, Subject, horizons
from kgate.net.notices import Dialect, NoticeBoard, Receiver, Speaker
from kgate.net.seldom import SOON_SECONDS
from kgate.store.engine import open_engine
from kgate.store.migrate import migrate
from kgate.store.notices import KEPT_SECONDS, all_notices, keep

REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
of_keys = pytest.mark.threat("21")


class World:
    """Somebody who takes notices of one issuer in, and keeps none: there is no store."""

    def __init__(self) -> None:
        self.issuer = TestIssuer()
        self.gate = IssuerGate(self.issuer)
        url = self.issuer.url
        signers = Signers([url], {url: self.gate.ring}, lambda: self.gate.monotonic)
        speaker = Speaker(url, frozenset({"kgate"}), url, frozenset({Dialect.LOGOUT}))
        store: Any = None
        self.receiver = Receiver(store, lambda: signers, lambda: {url: speaker}, self.gate.get, lambda: self.gate.now)

    def refused(self, **header: str) -> str:
        """The code with which a logout token is refused."""
        claims = {
            "iss": self.issuer.url,
            "aud": "kgate",
            "iat": self.gate.now,
            "jti": "j",
            "sub": "alice",
            "events": {BACKCHANNEL_LOGOUT: {}},
        }
        found: list[object] = []
        Deferred.fromCoroutine(self.receiver.receive(self.issuer.sign(claims, **header), Dialect.LOGOUT)).addBoth(found.append)
        (answer,) = found
        assert isinstance(answer, Refused), answer
        return answer.error


@of_keys
def test_keys_that_cannot_be_had() -> None:
    world = World()
    world.gate.down = True
    assert world.refused() == "unavailable"


@of_keys
def test_a_key_that_is_not_published_is_nobodys() -> None:
    world = World()
    assert [world.refused(kid="nobodys") for _ in range(2)] == ["invalid_key", "invalid_key"]


@of_keys
def test_a_key_that_was_not_looked_for_because_others_were_too_often() -> None:
    world = World()
    assert [world.refused(kid=f"nobodys-{number}") for number in range(7)][-1] == "unavailable"
    assert world.gate.now == NOW


class Base:
    """A store that is there at once, and a monotonic clock."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.instant = engine, 0.0

    def now(self) -> float:
        return self.instant

    def is_behind(self, what: str, since: float | None) -> None:
        """Never."""

    def follow(self, topic: str, follower: object) -> None:
        """The test adds what it needs."""

    async def write(self, work: Callable[[Connection], Any]) -> Any:
        with self.engine.begin() as connection:
            return work(connection)


@pytest.mark.threat("20")
def test_two_who_speak_of_the_same_people_may_number_what_they_tell_alike(tmp_path: Path) -> None:
    """``jti`` is unique within its issuer, which is who tells and not whom it is about: the second one's event was taken for the first one's."""
    tellers = [TestIssuer(f"https://signals-{number}.example") for number in range(2)]
    gates = [IssuerGate(each) for each in tellers]
    signers = Signers([each.url for each in tellers], {gate.issuer.url: gate.ring for gate in gates}, lambda: gates[0].monotonic)
    speakers = {each.url: Speaker(each.url, frozenset({"kgate"}), "https://idp", frozenset({Dialect.EVENT})) for each in tellers}
    engine = open_engine(f"sqlite:///{tmp_path}/state.db")
    migrate(engine)
    base: Any = Base(engine)

    def fetch(wanted: Hashable, then: Callable[[], None]) -> None:
        for gate in gates:
            gate.get(wanted, then if gate is gates[-1] else lambda: None)

    receiver = Receiver(base, lambda: signers, lambda: speakers, fetch, lambda: NOW)
    found: list[Any] = []
    for teller, person in zip([*tellers, tellers[0]], ("alice", "bob", "alice"), strict=True):
        claims = {
            "iss": teller.url,
            "aud": "kgate",
            "iat": NOW,
            "jti": "1",
            "sub_id": {"format": "iss_sub", "iss": "https://idp", "sub": person},
        }
        token = teller.sign({**claims, "events": {REVOKED: {}}}, typ="secevent+jwt")
        Deferred.fromCoroutine(receiver.receive(token, Dialect.EVENT)).addBoth(found.append)
    assert [(each.notice.subject.sub, each.new) for each in found] == [("alice", True), ("bob", True), ("alice", False)]
    with engine.begin() as connection:
        assert {each.subject.sub for each in all_notices(connection)} == {"alice", "bob"}
    engine.dispose()


def test_what_is_old_is_forgotten_in_memory_and_in_the_store_and_a_horizon_stands_for_it(tmp_path: Path) -> None:
    """Whether or not people can sign in at this gate, and also where it is started again each hour: it came to that after six hours."""
    engine = open_engine(f"sqlite:///{tmp_path}/state.db")
    migrate(engine)
    base: Any = Base(engine)
    decided: list[Notice | None] = []
    board = NoticeBoard(base, lambda: NOW, decided.append)
    old = Notice("https://idp", "old", Kind.LOGOUT, Subject(sub="a"), NOW - KEPT_SECONDS - 1)
    disabled, fresh = evolve(old, id="disabled", kind=Kind.ACCOUNT_DISABLED), evolve(old, id="fresh", subject=Subject(sub="b"), at=NOW - 9)
    with engine.begin() as connection:
        for each in (old, disabled, fresh):
            keep(connection, each, each.at)
            board.notices.add(each)
    base.instant = SOON_SECONDS
    board.tick()
    with engine.begin() as connection:
        assert {each.id for each in all_notices(connection)} - {"disabled", "fresh"} == {each.id for each in horizons([old])}
    engine.dispose()
    assert len(board.notices) == 3 and decided == [None]
