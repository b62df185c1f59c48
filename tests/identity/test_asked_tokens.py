"""Tokens that others judge: when they are asked, what their answers mean, and how long those hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from issuer import NOW, URL, TestIssuer
from issuer_gate import PLAIN, configuration

from kgate.identity import introspection, token_review
from kgate.identity.asked import AskedTokens, Judged, JudgementWanted, is_opaque
from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.issuer_configuration import load_authentication_configuration
from kgate.identity.token_review import Reviewer
from kgate.model import Identity, Pending

ALICE = Identity("alice", issuer=URL, expires=NOW + 600)
NO, UNASKED = Judged(Rejected("no")), Judged(Rejected("nobody there"), final=False)


class Scene:
    """A source and two clocks."""

    def __init__(self) -> None:
        self.now, self.monotonic = NOW, 1000.0
        self.source = AskedTokens("issuer x", is_opaque, 60.0, lambda: self.monotonic)

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.monotonic += seconds

    def ask(self, token: str = "opaque", held_since: float | None = None) -> Identity | Rejected | Pending | None:
        return self.source.authenticate(Credentials(token, held_since=held_since), self.now)


def test_a_yes_holds_for_its_time_and_is_asked_for_again() -> None:
    scene = Scene()
    assert scene.ask() == Pending(JudgementWanted("issuer x", "opaque"))
    scene.source.learned("opaque", Judged(ALICE), scene.now)
    assert scene.ask() == ALICE
    scene.passes(59)
    assert scene.ask() == ALICE
    scene.passes(1)
    assert isinstance(scene.ask(), Pending)


@pytest.mark.parametrize(("answer", "seconds"), [(NO, 10.0), (UNASKED, 2.0)])
def test_a_no_holds_briefly(answer: Judged, seconds: float) -> None:
    scene = Scene()
    scene.ask()
    scene.source.learned("opaque", answer, scene.now)
    scene.passes(seconds - 0.5)
    assert scene.ask() == answer.found
    scene.passes(0.5)
    assert isinstance(scene.ask(), Pending)


def test_so_many_answers_are_kept_the_newest_ones() -> None:
    scene = Scene()
    for number in range(8192):
        scene.source.learned(f"token-{number}", NO, scene.now)
    assert scene.ask("token-0") == NO.found
    scene.source.learned("token-0", NO, scene.now)
    scene.source.learned("one-more", NO, scene.now)
    assert [scene.ask(token) for token in ("token-0", "token-2", "one-more")] == [NO.found] * 3
    assert isinstance(scene.ask("token-1"), Pending)


@pytest.mark.threat("28")
def test_expiry_counts_by_both_clocks() -> None:
    scene = Scene()
    scene.source.learned("opaque", Judged(Identity("alice", expires=NOW + 30)), NOW)
    assert isinstance(scene.ask(), Identity)
    scene.passes(29)
    scene.now -= 3600
    assert isinstance(scene.ask(), Identity)
    scene.passes(1)
    assert scene.ask() == Rejected("the token has expired", "sign in again")


@pytest.mark.threat("28")
def test_a_clock_that_is_set_forward_ends_a_token_at_the_second_of_its_expiry() -> None:
    scene = Scene()
    scene.source.learned("opaque", Judged(Identity("alice", expires=NOW + 30)), NOW)
    scene.now = NOW + 29.5
    assert isinstance(scene.ask(), Identity)
    scene.now = NOW + 30
    assert scene.ask() == Rejected("the token has expired", "sign in again")


def test_a_flood_of_made_up_tokens_asks_so_many_questions_at_once() -> None:
    scene = Scene()
    answers = [scene.ask(f"token-{number}") for number in range(84)]
    assert [isinstance(each, Pending) for each in answers] == [True] * 64 + [False] * 20
    assert isinstance(scene.ask("token-0"), Pending)  # whoever waits already goes on waiting


def test_a_question_that_was_answered_or_forgotten_makes_room_for_another() -> None:
    scene = Scene()
    for number in range(64):
        scene.ask(f"token-{number}")
    scene.source.learned("token-0", NO, scene.now)
    assert isinstance(scene.ask("instead"), Pending)
    scene.passes(9)
    assert isinstance(scene.ask("one-more"), Rejected)
    scene.passes(1)
    assert isinstance(scene.ask("one-more"), Pending)  # questions that nobody answered for ten seconds do not count


def test_what_is_opaque() -> None:
    assert is_opaque("opaque") and is_opaque("a.b") and is_opaque("a.b.c.d.e")
    assert not is_opaque("a.b.c")
    assert is_opaque("glpat-1", "glpat-") and not is_opaque("ghp-glpat-", "glpat-") and not is_opaque("glpat-a.b.c", "glpat-")


def test_whose_a_token_is_to_judge_is_found_out_once() -> None:
    """Each cluster whose service accounts may come would read the tokens of everybody else with every request: 40 to 70 microseconds."""
    read: list[str] = []

    def concerns(token: str) -> bool:
        read.append(token)
        return token == "mine"

    source = AskedTokens("cluster x", concerns, 60.0, lambda: 1000.0)
    assert [source.authenticate(Credentials("another's"), NOW) for _ in range(3)] == [None] * 3
    assert isinstance(source.authenticate(Credentials("mine"), NOW), Pending)
    source.learned("mine", Judged(ALICE), NOW)
    assert [source.authenticate(Credentials("mine"), NOW) for _ in range(3)] == [ALICE] * 3
    assert read == ["another's", "mine"]


def test_a_flood_of_made_up_tokens_refuses_none_that_was_good_and_cuts_nothing_that_lives() -> None:
    scene = Scene()
    scene.source.learned("good", Judged(ALICE), scene.now)
    scene.passes(60)
    for number in range(65):
        scene.ask(f"token-{number}")
    assert isinstance(scene.ask("token-x"), Rejected)
    assert isinstance(scene.ask("good"), Pending)
    assert isinstance(scene.ask("of-before-a-reload", held_since=NOW), Pending)


def test_many_that_live_are_all_asked_about_after_a_reload() -> None:
    """What was answered is forgotten then, and everything that lives is decided again at once."""
    scene = Scene()
    assert all(isinstance(scene.ask(f"token-{number}", held_since=NOW), Pending) for number in range(200))


def test_the_token_is_in_no_text() -> None:
    assert "opaque" not in repr(JudgementWanted("x", "opaque"))


# --- introspection (RFC 7662)

(ISSUER,) = load_authentication_configuration(configuration(PLAIN), "f")
ACTIVE = {"active": True, "sub": "alice", "aud": "kgate", "iss": URL, "exp": NOW + 60, "groups": ["sre"], "token_type": "Bearer"}


def introspected(**changed: Any) -> Judged:
    answer = {name: value for name, value in (ACTIVE | changed).items() if value is not None}
    return introspection.judge(json.dumps(answer).encode(), ISSUER, NOW)


def test_an_active_token_is_judged_by_its_claims() -> None:
    found = introspected().found
    assert isinstance(found, Identity)
    assert (found.user, found.groups, found.expires) == ("alice", ("corp:sre",), NOW + 60)
    assert isinstance(introspected(exp=None).found, Identity)
    assert isinstance(introspected(iss=None).found, Identity)


@pytest.mark.threat("20")
@pytest.mark.parametrize(
    "changed",
    [
        {"active": False}, {"active": "true"}, {"active": 1}, {"active": None}, {"aud": None}, {"aud": "other"}, {"aud": ["other"]},
        {"iss": "https://evil.example"}, {"iss": URL + "/"}, {"token_type": "refresh_token"}, {"token_type": "DPoP"}, {"token_type": 7},
        {"cnf": {"x5t#S256": "x"}}, {"exp": NOW}, {"exp": "soon"}, {"sub": None}, {"sub": "system:admin"},
    ],
)  # fmt: skip
def test_what_looks_like_active(changed: dict[str, Any]) -> None:
    judged = introspected(**changed)
    assert isinstance(judged.found, Rejected) and judged.final


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"active": true, "active": false}'])
def test_what_is_no_answer(body: bytes) -> None:
    judged = introspection.judge(body, ISSUER, NOW)
    assert isinstance(judged.found, Rejected) and not judged.final


# --- TokenReview

REVIEWER = Reviewer("dev", ("kgate-dev",), ("dev",))
BOT = "system:serviceaccount:ci:bot"
TOKEN = TestIssuer("https://kubernetes.default.svc").token(sub=BOT, aud=["kgate-dev"], exp=NOW + 600)
USER = {"username": BOT, "uid": "u-1", "groups": ["system:serviceaccounts", "system:serviceaccounts:ci"], "extra": {"a/b": ["1"]}}


def reviewed(status: object, reviewer: Reviewer = REVIEWER) -> Judged:
    return token_review.judge(json.dumps({"kind": "TokenReview", "status": status}).encode(), TOKEN, reviewer)


def test_a_service_account_is_known_in_its_own_cluster() -> None:
    found = reviewed({"authenticated": True, "audiences": ["kgate-dev"], "user": USER}).found
    assert found == Identity(
        BOT,
        ("system:serviceaccounts", "system:serviceaccounts:ci"),
        uid="u-1",
        extra=(("a/b", ("1",)),),
        issuer="cluster dev",
        expires=NOW + 600,
        clusters=("dev",),
        subject=BOT,
    )


def test_elsewhere_its_names_have_a_prefix() -> None:
    found = reviewed(
        {"authenticated": True, "audiences": ["kgate-dev"], "user": USER}, Reviewer("dev", ("kgate-dev",), ("*",), "dev:")
    ).found
    assert isinstance(found, Identity)
    assert (found.user, found.groups[0], found.clusters) == (f"dev:{BOT}", "dev:system:serviceaccounts", ("*",))


@pytest.mark.threat("20")
@pytest.mark.parametrize(
    "status",
    [
        {"authenticated": True, "user": USER},
        {"authenticated": True, "audiences": [], "user": USER},
        {"authenticated": True, "audiences": ["other"], "user": USER},
        {"authenticated": True, "audiences": "kgate-dev", "user": USER},
        {"authenticated": False, "audiences": ["kgate-dev"], "user": USER},
        {"authenticated": "true", "audiences": ["kgate-dev"], "user": USER},
        {"audiences": ["kgate-dev"], "user": USER},
        {"authenticated": True, "audiences": ["kgate-dev"], "user": USER, "error": "odd"},
        {"authenticated": True, "audiences": ["kgate-dev"], "user": {**USER, "username": "system:admin"}},
        {"authenticated": True, "audiences": ["kgate-dev"], "user": {**USER, "groups": "system:masters"}},
        {"authenticated": True, "audiences": ["kgate-dev"], "user": {**USER, "username": BOT + "\n"}},
        {"authenticated": True, "audiences": ["kgate-dev"]},
        {"authenticated": True, "audiences": [["kgate-dev"]], "user": USER},
        {"authenticated": True, "audiences": ["kgate-dev"], "user": {**USER, "uid": 7}},
        {"authenticated": True, "audiences": ["kgate-dev"], "user": {**USER, "uid": "a\n"}},
        {"authenticated": True, "audiences": ["kgate-dev"], "user": {**USER, "extra": []}},
        {"authenticated": True, "audiences": ["kgate-dev"], "user": {**USER, "extra": {"a": "x"}}},
        {"authenticated": True, "audiences": ["kgate-dev"], "user": {**USER, "extra": {"a": [1]}}},
    ],
)
def test_a_review_that_does_not_say_yes_to_us(status: object) -> None:
    """CVE-2023-48312: ``authenticated`` alone is a yes to somebody; an audience of ours makes it a yes to us."""
    assert isinstance(reviewed(status).found, Rejected)


def test_what_is_no_review_is_asked_for_again_soon() -> None:
    for body in (b"", b"[]", b"{}", b'{"status": []}', b'{"status": {}, "status": {}}'):
        judged = token_review.judge(body, TOKEN, REVIEWER)
        assert isinstance(judged.found, Rejected) and not judged.final and "gives no review" in judged.found.text


def test_what_a_cluster_is_asked_about_a_token() -> None:
    assert json.loads(token_review.review("t", ("kgate-dev", "kgate"))) == {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": "t", "audiences": ["kgate-dev", "kgate"]},
    }


def test_extras_of_a_review_are_in_order() -> None:
    found = reviewed({"authenticated": True, "audiences": ["kgate-dev"], "user": {**USER, "extra": {"b": ["2", "1"], "a": ["1"]}}}).found
    assert isinstance(found, Identity) and found.extra == (("a", ("1",)), ("b", ("2", "1")))


def test_whom_a_token_is_for() -> None:
    assert token_review.is_for(TOKEN, REVIEWER)
    issuer = TestIssuer("https://kubernetes.default.svc")
    for other in (issuer.token(sub=BOT, aud="other"), issuer.token(sub="alice", aud="kgate-dev"), "opaque", "a.b.c"):
        assert not token_review.is_for(other, REVIEWER)
