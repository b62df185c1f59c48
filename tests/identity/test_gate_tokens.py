"""Gate tokens: what they are good for, and everything that they are not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey

from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.gate_sessions import GateSession, GateSessions, WantedSession
from kgate.identity.gate_tokens import ALGORITHM, TYPE, GateKeys, GateToken, GateTokens, SigningKey, WantedKeys, mint
from kgate.identity.jose import Jws, read_jws, read_object
from kgate.model import Identity, Pending

GATE, IDP, NOW = "https://gate.example.com", "https://idp.example.com", 1_800_000_000.0
ALICE = Identity("alice", ("developers",), issuer=IDP, session="s1", expires=NOW + 3600)
KEY, OTHER = SigningKey.generate("k1", NOW), SigningKey.generate("k1", NOW)


class World:
    """One gate with alice signed in."""

    def __init__(self) -> None:
        self.keys, self.sessions = GateKeys(), GateSessions()
        self.keys.replace([KEY])
        self.sessions.put(GateSession("s1", ALICE, mapping="m1"))
        self.tokens = GateTokens(GATE, self.keys, self.sessions, {IDP: "m1"})

    def ask(self, token: str, now: float = NOW + 1, held_since: float | None = None) -> Identity | Rejected | Pending | None:
        return self.tokens.authenticate(Credentials(token, None, "192.0.2.1", held_since), now)


@pytest.fixture
def world() -> World:
    return World()


def token(key: SigningKey = KEY, gate: str = GATE, session: str = "s1", clusters: tuple[str, ...] = ()) -> str:
    return mint(key, gate, GateToken(session, NOW, NOW + 300, clusters), "alice", "t1")


def words(found: object) -> str:
    assert isinstance(found, Rejected)
    return str(found)


def test_a_token_is_its_sessions_identity(world: World) -> None:
    assert world.ask(token()) == ALICE


def test_what_a_token_says() -> None:
    read = read_jws(token(clusters=("dev-*", "prod")))
    assert isinstance(read, Jws) and (read.algorithm, read.typ, read.kid) == ("Ed25519", "kgate+jwt", "k1")
    assert read_object(read.payload) == {
        "iss": GATE,
        "aud": GATE,
        "sub": "alice",
        "sid": "s1",
        "iat": int(NOW),
        "exp": int(NOW) + 300,
        "jti": "t1",
        "clusters": ["dev-*", "prod"],
    }
    everywhere = read_jws(token())
    assert isinstance(everywhere, Jws) and read_object(everywhere.payload)["clusters"] == ["*"]  # type: ignore[index]


def test_what_the_session_says_now_counts_not_what_it_said_when_the_token_was_made(world: World) -> None:
    held = token()
    assert world.ask(held) == ALICE
    world.sessions.put(GateSession("s1", ALICE.but(groups=("sre",)), mapping="m1"))
    assert world.ask(held) == ALICE.but(groups=("sre",))


def test_an_expired_token_opens_nothing_but_what_it_opened_lives_as_long_as_its_session(world: World) -> None:
    held = token()
    assert "has expired" in words(world.ask(held, NOW + 300))
    assert world.ask(held, NOW + 3599, held_since=NOW + 299) == ALICE
    assert "session has expired" in words(world.ask(held, NOW + 3600, held_since=NOW + 299))


def test_an_ended_session_is_told_with_its_reason_to_whoever_comes_and_whatever_lives(world: World) -> None:
    held = token()
    world.sessions.put(GateSession("s1", ALICE, "bob ended it"))
    for since in (None, NOW):
        found = world.ask(held, held_since=since)
        assert words(found) == "your session ended: bob ended it; run kgate login" and found.ended  # type: ignore[union-attr]


def test_a_session_whose_identity_provider_is_not_there_any_more_is_over_for_whoever_comes_and_whatever_lives(world: World) -> None:
    held = token()
    world.sessions.put(GateSession("s1", ALICE.but(issuer="https://former.example.com")))
    for since in (None, NOW):
        found = world.ask(held, held_since=since)
        assert "its identity provider is not configured here any more" in words(found) and found.ended  # type: ignore[union-attr]


@pytest.mark.threat("14")
def test_a_session_that_was_opened_at_another_replica_is_fetched_and_one_that_it_ended_is_over(world: World) -> None:
    held = token(session="s2")
    assert world.ask(held) == Pending(WantedSession("s2"))
    world.sessions.put(GateSession("s2", ALICE.but(session="s2"), mapping="m1"))
    assert world.ask(held) == ALICE.but(session="s2")
    world.sessions.replace([GateSession("s1", ALICE, mapping="m1")])
    assert "ended" in words(world.ask(held))


def test_reading_all_sessions_anew_takes_one_look_at_each() -> None:
    class Counted(list[GateSession]):
        looks = 0

        def __iter__(self) -> Iterator[GateSession]:
            self.looks += 1
            return super().__iter__()

    sessions, live = GateSessions(), Counted(GateSession(f"s{number}", ALICE) for number in range(300))
    for each in [*live[:200], GateSession("gone", ALICE)]:
        sessions.put(each)
    sessions.replace(live)
    assert live.looks <= 3
    assert len(sessions) == 300 and sessions.find("gone") == GateSession("gone", ALICE, "it is over")


def test_sessions_that_are_over_are_remembered_up_to_a_bound_and_those_that_ended_by_themselves_are_not() -> None:
    sessions = GateSessions()
    for number in range(100_001):
        sessions.put(GateSession(f"s{number}", ALICE, "bob ended it"))
    assert sessions.find("s0") is None and sessions.find("s1") is not None and len(sessions) == 0
    for id_, expires in (("before", NOW - 1), ("now", NOW), ("after", NOW + 1), ("never", None)):
        sessions.put(GateSession(id_, ALICE.but(expires=expires)))
    sessions.forget_expired(NOW)
    assert [each.id for each in sessions.live()] == ["after", "never"]
    assert sessions.find("before") is None


@pytest.mark.threat("14")
def test_a_token_for_some_clusters_says_so_in_the_identity(world: World) -> None:
    found = world.ask(token(clusters=("dev-*",)))
    assert isinstance(found, Identity) and found.clusters == ("dev-*",)


@pytest.mark.threat("14")
def test_tokens_for_other_clusters_and_other_people_are_never_taken_for_each_other(world: World) -> None:
    bob = Identity("bob", issuer=IDP, session="s2", expires=NOW + 3600)
    world.sessions.put(GateSession("s2", bob, mapping="m1"))
    for session, clusters in (("s1", ("dev-*",)), ("s1", ("prod",)), ("s2", ("dev-*",)), ("s1", ()), ("s1", ("dev-*",))):
        holder = ALICE if session == "s1" else bob
        assert world.ask(token(session=session, clusters=clusters)) == holder.but(clusters=clusters)


@pytest.mark.threat("14")
def test_a_token_for_all_clusters_goes_no_further_than_its_session(world: World) -> None:
    world.sessions.put(GateSession("s1", ALICE.but(clusters=("dev-*",)), mapping="m1"))
    assert world.ask(token()) == ALICE.but(clusters=("dev-*",))


@pytest.mark.threat("14")
def test_another_gates_token_is_refused_whoever_signed_it(world: World) -> None:
    assert "not made by this gate" in words(world.ask(token(OTHER)))
    assert "for another gate" in words(world.ask(token(gate="https://other.example.com")))


def forged(header: dict[str, Any], key: Any, algorithm: str, **changes: object) -> str:
    claims = {"iss": GATE, "aud": GATE, "sub": "alice", "sid": "s1", "iat": NOW, "exp": NOW + 300, "clusters": ["*"]} | changes
    return jws.serialize_compact({"alg": algorithm, **header}, json.dumps(claims), key, algorithms=[algorithm])


@pytest.mark.threat("20")
def test_a_token_of_another_kind_is_not_taken_for_a_gates_and_no_other_algorithm_counts(world: World) -> None:
    own = OKPKey.import_key(json.loads(KEY.to_json()))
    assert world.ask(forged({"typ": "JWT", "kid": "k1"}, own, ALGORITHM)) is None
    assert world.ask("opaque") is None and world.ask("a.b.c") is None
    secret = OctKey.import_key(json.dumps(own.as_dict(private=False)))
    assert "not made by this gate" in words(world.ask(forged({"typ": TYPE, "kid": "k1"}, secret, "HS256")))


@pytest.mark.threat("20")
@pytest.mark.parametrize("changes", [{"aud": [GATE]}, {"aud": None}, {"iss": GATE + "/"}])
def test_issuer_and_audience_are_compared_whole(world: World, changes: dict[str, object]) -> None:
    own = OKPKey.import_key(json.loads(KEY.to_json()))
    assert "for another gate" in words(world.ask(forged({"typ": TYPE, "kid": "k1"}, own, ALGORITHM, **changes)))


@pytest.mark.parametrize("changes", [{"sid": 1}, {"exp": "later"}, {"iat": None}, {"clusters": "*"}, {"clusters": []}])
def test_claims_of_the_wrong_kind_are_no_token(world: World, changes: dict[str, object]) -> None:
    own = OKPKey.import_key(json.loads(KEY.to_json()))
    made = {"iat": int(NOW), "exp": int(NOW + 300)} | changes
    assert "does not say" in words(world.ask(forged({"typ": TYPE, "kid": "k1"}, own, ALGORITHM, **made)))


@pytest.mark.threat("20")
def test_what_this_gate_signed_and_is_no_object_is_no_token(world: World) -> None:
    own = OKPKey.import_key(json.loads(KEY.to_json()))
    signed = jws.serialize_compact({"alg": ALGORITHM, "typ": TYPE, "kid": "k1"}, "[]", own, algorithms=[ALGORITHM])
    assert "not made by this gate" in words(world.ask(signed))


@pytest.mark.threat("28")
def test_a_clock_set_back_brings_no_tomorrow(world: World) -> None:
    assert world.ask(token(), NOW - 60) == ALICE
    assert "from the future" in words(world.ask(token(), NOW - 60.5))
    assert "from the future" in words(world.ask(token(), NOW - 3600))


def test_keys_rotate_without_a_refused_token(world: World) -> None:
    old = token()
    following = SigningKey.generate("k2", NOW + 100)
    world.keys.replace([KEY, following])
    assert world.keys.signing(NOW + 99) == KEY and world.keys.signing(NOW + 100) == following
    assert world.ask(old) == world.ask(token(following)) == ALICE
    world.keys.replace([following, KEY])
    assert world.keys.signing(NOW + 99) == KEY and world.keys.signing(NOW + 100) == following and world.keys.signing(NOW - 1) is None
    world.keys.replace([following])
    assert "not made by this gate" in words(world.ask(old))


def test_a_token_of_a_key_that_cannot_be_read_here_is_the_operators_matter(world: World) -> None:
    """Another gate of the fleet takes it."""
    world.keys.replace([], ["k1"])
    found = world.ask(token())
    assert isinstance(found, Rejected) and found.unsure and "cannot read the key" in found.text and "whoever runs this gate" in found.hint
    world.keys.replace([KEY])
    assert world.ask(token()) == ALICE


def test_whoever_was_made_by_other_rules_than_those_in_force_is_nobody_until_made_anew(world: World) -> None:
    world.sessions.put(GateSession("s1", ALICE, mapping="m0"))
    assert world.ask(token()) == Pending(WantedSession("s1"))
    world.sessions.put(GateSession("s1", ALICE.but(groups=("corp:sre",)), mapping="m1"))
    assert world.ask(token()) == ALICE.but(groups=("corp:sre",))


def test_a_gate_that_has_just_started_reads_the_keys_before_it_says_whose_a_token_is() -> None:
    tokens = GateTokens(GATE, GateKeys(), GateSessions(), {IDP: "m1"})
    assert tokens.authenticate(Credentials(token()), NOW + 1) == Pending(WantedKeys())
    assert tokens.authenticate(Credentials("opaque"), NOW + 1) is None


def test_a_key_survives_its_column() -> None:
    again = SigningKey.from_json(KEY.kid, KEY.begins, KEY.to_json())
    keys = GateKeys()
    keys.replace([again])
    world = World()
    assert world.ask(token(again)) == ALICE
    assert "private" not in repr(again) and '"d"' not in repr(again)


def test_of_sessions_that_would_have_expired_nothing_is_kept_however_they_ended() -> None:
    """Each was kept with the person's groups until there were 100,000."""
    sessions = GateSessions()
    for id_, expires, why in (("e1", 100.0, "logged out"), ("e2", 200.0, "logged out"), ("l1", 100.0, ""), ("l2", 200.0, "")):
        sessions.put(GateSession(id_, ALICE.but(expires=expires), why))
    sessions.forget_expired(150.0)
    assert [id_ for id_ in ("e1", "e2", "l1", "l2") if sessions.find(id_) is not None] == ["e2", "l2"]


def test_what_nobody_could_confirm_for_too_long_lets_nobody_in(world: World) -> None:
    world.sessions.put(GateSession("s2", ALICE, mapping="m1", asked=True))
    world.sessions.unconfirmed = True
    assert world.ask(token()) == ALICE  # its provider cannot be asked again, so its word counts until the end
    found = world.ask(token(session="s2"))
    assert words(found).startswith("your session could not be confirmed for too long") and isinstance(found, Rejected) and not found.ended
    assert isinstance(world.ask(token(session="s2"), held_since=NOW), Rejected)
    world.sessions.unconfirmed = False
    assert world.ask(token(session="s2")) == ALICE
