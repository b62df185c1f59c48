"""What an issuer says between two tokens: which tokens are such notices, and what they do to an identity."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from kgate.identity.authenticator import Authenticator
from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.notice_tokens import BACKCHANNEL_LOGOUT, Refused, logout_notice, security_event
from kgate.identity.notices import Kind, Notice, Notices, Subject, concerns
from kgate.model import Device, Identity

NOW = 1_790_000_000.0
IDP = "https://idp.example.com"
WHOSE = (IDP, "https://signals.example.com")
"""Whose people are spoken of: the issuer that the transmitter is about, and what it may call its own."""
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
ALICE = Identity(
    "alice@example.com", issuer=IDP, subject="a1", issuer_session="s1", issued_at=NOW - 60, device=Device("laptop", compliant=True)
)
DEVICE = {"format": "iss_sub", "iss": "https://mdm.example.com", "sub": "laptop"}
ELSEWHERE = {"format": "iss_sub", "iss": "https://other.example.com", "sub": "a1"}
SESSION = {"format": "opaque", "id": "s1"}
LOGOUT = {
    "iss": IDP,
    "aud": "kgate",
    "iat": NOW,
    "exp": NOW + 60,
    "jti": "j1",
    "sub": "a1",
    "sid": "s1",
    "events": {BACKCHANNEL_LOGOUT: {}},
}


def event(uri: str, sub_id: object = None, /, **facts: object) -> dict[str, Any]:
    subject = sub_id or {"format": "iss_sub", "iss": IDP, "sub": "a1"}
    return {"iss": IDP, "aud": "kgate", "iat": NOW, "jti": "j2", "sub_id": subject, "events": {uri: facts}}


def heard(uri: str, sub_id: object = None, /, **facts: object) -> Notice:
    notice = security_event(event(uri, sub_id, **facts), "secevent+jwt", NOW, WHOSE)
    assert isinstance(notice, Notice), notice
    return notice


def after(*notices: Notice, identity: Identity = ALICE) -> Identity | Rejected:
    known = Notices()
    for notice in notices:
        known.add(notice)
    return known.applied(identity)


def test_a_logout_token_ends_the_session_that_it_names_and_no_other() -> None:
    notice = logout_notice(LOGOUT, "logout+jwt", NOW)
    assert notice == Notice(IDP, "j1", Kind.LOGOUT, Subject(sub="a1", session="s1"), NOW)
    assert str(after(notice)) == "you signed out at the identity provider; sign in again"
    assert after(notice, identity=ALICE.but(issuer_session="s2")) == ALICE.but(issuer_session="s2")
    assert concerns(notice, ALICE) and not concerns(notice, ALICE.but(issuer_session="s2"))


def test_a_logout_token_without_a_session_ends_all_of_the_persons() -> None:
    notice = logout_notice({name: value for name, value in LOGOUT.items() if name != "sid"}, "", NOW)
    assert isinstance(notice, Notice)
    assert isinstance(after(notice, identity=ALICE.but(issuer_session="s2")), Rejected)
    assert isinstance(after(notice, identity=ALICE.but(issuer="https://other.example.com")), Identity)


@pytest.mark.parametrize("typ", ["", "JWT", "jwt", "logout+jwt", "application/logout+jwt", "Logout+JWT"])
def test_how_a_logout_token_may_call_itself(typ: str) -> None:
    assert isinstance(logout_notice(LOGOUT, typ, NOW), Notice)


@pytest.mark.parametrize(
    ("change", "now", "fresh"),
    [
        ({"iat": NOW + 120}, NOW, True),
        ({"iat": NOW + 120.5}, NOW, False),
        ({}, NOW + 60, True),
        ({}, NOW + 60.5, False),
        ({"exp": NOW + 3600}, NOW + 3600, True),  # by its own word
        ({"exp": None}, NOW + 600, True),
        ({"exp": None}, NOW + 600.5, False),
        ({"exp": "soon"}, NOW, False),
    ],
)
def test_how_old_a_logout_token_may_be_and_how_far_its_issuers_clock_ahead(change: dict[str, Any], now: float, fresh: bool) -> None:
    claims = {name: value for name, value in {**LOGOUT, **change}.items() if value is not None}
    assert isinstance(logout_notice(claims, "", now), Notice if fresh else Refused)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (CAEP + "session-revoked", "the identity provider ended the session"),
        (RISC + "sessions-revoked", "the identity provider ended the session"),
        (CAEP + "token-claims-change", "what the identity provider says of you changed"),
        (CAEP + "credential-change", "your credential at the identity provider changed"),
        (RISC + "account-credential-change-required", "your credential at the identity provider changed"),
        (RISC + "credential-compromise", "your credential at the identity provider changed"),
        (RISC + "account-disabled", "the identity provider disabled the account"),
        (RISC + "account-purged", "the identity provider disabled the account"),
    ],
)
def test_each_event_that_outdates_a_credential_says_why(uri: str, said: str) -> None:
    assert after(heard(uri)) == Rejected(said, "sign in again")


def test_a_security_event_calls_itself_one_and_may_be_two_minutes_ahead() -> None:
    claims = event(CAEP + "session-revoked")
    for typ in ("secevent+jwt", "application/secevent+jwt", "SecEvent+JWT"):
        assert isinstance(security_event(claims, typ, NOW - 120, WHOSE), Notice)
        assert isinstance(security_event(claims, typ, NOW - 120.5, WHOSE), Refused)


def test_an_event_happened_when_it_says_or_its_token_does_but_not_after_that_was_made() -> None:
    uri = CAEP + "session-revoked"
    assert heard(uri, event_timestamp=NOW + 50).at == NOW
    dated = security_event({**event(uri), "toe": NOW - 7}, "secevent+jwt", NOW, WHOSE)
    assert isinstance(dated, Notice) and dated.at == NOW - 7
    both = security_event({**event(uri, event_timestamp=NOW - 3), "toe": NOW - 7}, "secevent+jwt", NOW, WHOSE)
    assert isinstance(both, Notice) and both.at == NOW - 3


def test_a_subject_of_risc_stands_within_the_event() -> None:
    claims = event(RISC + "account-disabled", subject={"subject_type": "iss-sub", "iss": IDP, "sub": "a1"})
    del claims["sub_id"]
    notice = security_event(claims, "secevent+jwt", NOW, WHOSE)
    assert isinstance(notice, Notice) and notice.subject == Subject(sub="a1")


def test_a_complex_subject_is_all_of_its_members_whatever_their_format() -> None:
    notice = heard(
        CAEP + "session-revoked",
        {
            "user": {"format": "email", "email": "Alice@Example.com"},
            "session": {"format": "iss_sub", "iss": IDP, "sub": "s1"},
            "device": {"format": "uri", "uri": "urn:laptop"},
        },
    )
    assert notice.subject == Subject(email="alice@example.com", session="s1", device="urn:laptop")


def test_a_complex_subject_may_be_a_device_alone_or_a_session() -> None:
    """CAEP 1.0's own example of a device that fell out of compliance names nobody."""
    tenant = {"format": "opaque", "id": "123456789"}
    notice = heard(
        CAEP + "device-compliance-change", {"format": "complex", "device": DEVICE, "tenant": tenant}, current_status="not-compliant"
    )
    assert notice.subject == Subject(device="laptop") and concerns(notice, ALICE)
    assert after(notice) == ALICE.but(device=Device("laptop", compliant=False))
    assert isinstance(after(heard(CAEP + "session-revoked", {"format": "complex", "session": SESSION})), Rejected)


def test_names_are_short_lines() -> None:
    for jti, taken in (("x" * 512, True), ("x" * 513, False), ("a\u2028b", False)):
        assert isinstance(logout_notice({**LOGOUT, "jti": jti}, "", NOW), Notice) is taken


@pytest.mark.threat("20")
@pytest.mark.parametrize(
    ("change", "typ", "said"),
    [
        ({"nonce": "n"}, "logout+jwt", "this is an ID token"),
        ({}, "secevent+jwt", "typ"),
        ({}, "at+jwt", "typ"),
        ({"events": {}}, "", "no logout event"),
        ({"events": {BACKCHANNEL_LOGOUT: []}}, "", "no logout event"),
        ({"events": [BACKCHANNEL_LOGOUT]}, "", "no logout event"),
        ({"sub": None, "sid": None}, "", "neither sub nor sid"),
        ({"sub": 7, "sid": None}, "", "neither sub nor sid"),
        ({"iat": None}, "", "no iat"),
        ({"iat": NOW + 1000}, "", "in the future"),
        ({"exp": NOW - 1}, "", "too old"),
        ({"exp": None, "iat": NOW - 700}, "", "too old"),
        ({"jti": None}, "", "no jti"),
        ({"jti": "a\nb"}, "", "no jti"),
    ],
)
def test_another_token_of_the_issuer_is_no_logout_token(change: dict[str, Any], typ: str, said: str) -> None:
    claims = {name: value for name, value in {**LOGOUT, **change}.items() if value is not None}
    answer = logout_notice(claims, typ, NOW)
    assert isinstance(answer, Refused) and said in answer.text


@pytest.mark.threat("20")
@pytest.mark.parametrize(
    ("claims", "typ", "said"),
    [
        (event(CAEP + "session-revoked"), "", "typ"),
        (event(CAEP + "session-revoked"), "JWT", "typ"),
        (event(CAEP + "session-established"), "secevent+jwt", "not asked for"),
        (event(BACKCHANNEL_LOGOUT), "secevent+jwt", "not asked for"),
        ({**event(CAEP + "session-revoked"), "events": {}}, "secevent+jwt", "exactly one event"),
        (event(CAEP + "session-revoked", {"format": "did", "url": "did:x"}), "secevent+jwt", "subject"),
        (event(CAEP + "session-revoked", "a1"), "secevent+jwt", "subject"),
        (event(CAEP + "session-revoked", ELSEWHERE), "secevent+jwt", "somebody of another issuer"),
        (event(RISC + "account-enabled", {"format": "complex", "user": ELSEWHERE, "session": SESSION}), "secevent+jwt", "another issuer"),
        (event(RISC + "account-disabled", {"format": "aliases", "identifiers": [ELSEWHERE]}), "secevent+jwt", "another issuer"),
        (event(CAEP + "device-compliance-change", {"format": "opaque", "id": "laptop"}), "secevent+jwt", "current status"),
        (
            event(CAEP + "session-revoked", {"format": "complex", "device": DEVICE}),
            "secevent+jwt",
            "subject",
        ),  # nobody's sessions are found by it
        (event(CAEP + "session-revoked", {"format": "complex", "user": {"format": "did"}, "session": SESSION}), "secevent+jwt", "subject"),
        ({**event(CAEP + "session-revoked"), "iat": NOW + 1000}, "secevent+jwt", "in the future"),
    ],
)
def test_what_is_no_security_event_is_refused_with_a_code_that_its_sender_knows(claims: dict[str, Any], typ: str, said: str) -> None:
    answer = security_event(claims, typ, NOW, WHOSE)
    assert isinstance(answer, Refused) and answer.error == "invalid_request" and said in answer.text


@pytest.mark.parametrize(
    "subject",
    [
        {"format": "iss_sub", "iss": IDP, "sub": "a1"},
        {"format": "email", "email": "Alice@Example.com"},
        {"format": "opaque", "id": "s1"},
        {"format": "complex", "user": {"format": "iss_sub", "iss": IDP, "sub": "a1"}, "session": {"format": "opaque", "id": "s1"}},
        {"format": "aliases", "identifiers": [{"format": "did", "url": "did:x"}, {"format": "email", "email": "alice@example.com"}]},
        {"format": "aliases", "identifiers": [ELSEWHERE, {"format": "iss_sub", "iss": IDP, "sub": "a1"}]},
        {"user": {"subject_type": "iss-sub", "iss": IDP, "sub": "a1"}},
        {"format": "iss_sub", "iss": "https://signals.example.com", "sub": "a1"},
    ],
)
def test_a_subject_may_be_named_in_any_usual_format(subject: dict[str, Any]) -> None:
    notice = heard(CAEP + "session-revoked", subject)
    assert concerns(notice, ALICE) and isinstance(after(notice), Rejected)
    assert after(notice, identity=Identity("bob@example.com", issuer=IDP, subject="b1", issuer_session="s9")) == Identity(
        "bob@example.com", issuer=IDP, subject="b1", issuer_session="s9"
    )


def test_an_address_names_whoever_the_issuer_knows_by_it_whatever_their_user_name_is() -> None:
    """Event streams of several providers name people by their addresses only: where user names are others they had no effect."""
    notice = heard(RISC + "account-disabled", {"format": "email", "email": "Alice@Example.com"})
    alice = ALICE.but(user="asmith", email="alice@example.com")
    assert isinstance(after(notice, identity=alice), Rejected) and concerns(notice, alice)
    for other in (alice.but(email=""), alice.but(email="bob@example.com"), alice.but(issuer="https://other.example.com")):
        assert after(notice, identity=other) == other and not concerns(notice, other)


def test_of_several_names_of_somebody_the_one_counts_that_is_never_another_persons() -> None:
    """Who is called by something else than the address is not known by it here: the event had no effect."""
    names = [{"format": "email", "email": "alice@example.com"}, {"format": "iss_sub", "iss": IDP, "sub": "a1"}]
    notice = heard(RISC + "account-disabled", {"format": "aliases", "identifiers": names})
    assert isinstance(after(notice, identity=ALICE.but(user="alice")), Rejected)


@pytest.mark.parametrize(
    "wrapped", [lambda inner: {"format": "complex", "user": inner}, lambda inner: {"format": "aliases", "identifiers": [inner]}]
)
def test_names_of_names_of_names_are_none(wrapped: Callable[[object], object]) -> None:
    """As deep as JSON is read: it was an error of the gate's own, for which a transmitter that is asked sends the event again and again."""
    subject: object = {"format": "opaque", "id": "s1"}
    for _ in range(sys.getrecursionlimit()):
        subject = wrapped(subject)
    assert isinstance(security_event(event(CAEP + "session-revoked", subject), "secevent+jwt", NOW, WHOSE), Refused)


@pytest.mark.threat("20")
def test_an_event_about_another_issuers_people_brings_nobody_back() -> None:
    """The names of two issuers' people may be the same (RFC 9493 section 3.2.3: they are the issuer's)."""
    said = security_event(event(RISC + "account-enabled", ELSEWHERE), "secevent+jwt", NOW, WHOSE)
    disabled = heard(RISC + "account-disabled", event_timestamp=NOW - 30)
    assert isinstance(after(disabled, *([said] if isinstance(said, Notice) else [])), Rejected)


def test_whoever_signs_in_again_after_the_event_is_in() -> None:
    notice = heard(CAEP + "session-revoked", event_timestamp=NOW - 5)
    assert isinstance(after(notice), Rejected)
    assert after(notice, identity=ALICE.but(issued_at=NOW - 5)) == Rejected("the identity provider ended the session", "sign in again")
    fresh = ALICE.but(issued_at=NOW - 4)
    assert after(notice, identity=fresh) == fresh


def test_milliseconds_of_early_transmitters_are_seconds() -> None:
    assert heard(CAEP + "session-revoked", event_timestamp=(NOW - 5) * 1000).at == NOW - 5


def test_a_disabled_account_stays_out_until_it_is_enabled_and_ended_sessions_stay_ended() -> None:
    disabled = heard(RISC + "account-disabled", event_timestamp=NOW - 30)
    revoked = heard(CAEP + "session-revoked", event_timestamp=NOW - 20)
    enabled = heard(RISC + "account-enabled", event_timestamp=NOW - 10)
    fresh = ALICE.but(issued_at=NOW)
    assert isinstance(after(disabled, identity=fresh), Rejected)
    assert after(disabled, enabled, identity=fresh) == fresh
    assert after(enabled, disabled, identity=fresh) == fresh  # they came in the wrong order
    assert isinstance(after(disabled, revoked, enabled), Rejected)  # of before the revocation


def test_changed_claims_outdate_a_token_and_leave_the_gates_own_session_to_be_refreshed() -> None:
    notice = heard(CAEP + "token-claims-change", claims={"groups": []})
    assert isinstance(after(notice), Rejected)
    brokered = ALICE.but(session="G1")
    assert after(notice, identity=brokered) == brokered and concerns(notice, brokered)


def test_a_device_that_falls_out_of_compliance_is_so_for_whoever_uses_it() -> None:
    notice = heard(CAEP + "device-compliance-change", {"format": "opaque", "id": "laptop"}, current_status="not-compliant")
    found = after(evolve(notice, issuer="https://mdm.example.com"))
    assert isinstance(found, Identity) and found.device == Device("laptop", compliant=False)
    assert after(notice, identity=ALICE.but(device=None)) == ALICE.but(device=None)


@pytest.mark.parametrize(("inventory", "counts"), [(False, False), (True, True), (None, True)])
def test_a_word_from_before_that_a_device_is_well_does_not_outlast_what_the_inventory_says_now(
    inventory: bool | None, counts: bool
) -> None:
    """Such a notice holds until the opposite is told; the inventory may know otherwise since, and nobody says which of them is later."""
    notice = heard(CAEP + "device-compliance-change", {"format": "opaque", "id": "laptop"}, current_status="compliant")
    found = after(notice, identity=ALICE.but(device=Device("laptop", inventory, (("os", "linux"),))))
    assert isinstance(found, Identity) and found.device == Device("laptop", counts, (("os", "linux"),))


def test_a_lower_assurance_counts_from_now_on() -> None:
    notice = heard(CAEP + "assurance-level-change", current_level="nist-aal1", change_direction="decrease")
    found = after(notice)
    assert isinstance(found, Identity) and found.acr == "nist-aal1"


def test_a_verification_changes_nothing_and_gives_back_its_state() -> None:
    notice = heard("https://schemas.openid.net/secevent/ssf/event-type/verification", state="s")
    known = Notices()
    known.add(notice)
    assert (notice.state, len(known), known.applied(ALICE)) == ("s", 0, ALICE)


MEMBERS = st.sampled_from(["sub", "id", "user", "session", "device", "email", "identifiers", "events"])
FORMATS = st.sampled_from(["iss_sub", "email", "opaque", "complex", "aliases", "did"])


def test_each_notice_counts_for_whoever_was_seen_before_it() -> None:
    bob = Identity("bob@example.com", issuer=IDP, subject="b1", issued_at=NOW - 60)
    known = Notices()
    known.add(heard(CAEP + "session-revoked", {"format": "email", "email": "somebody@example.com"}))
    assert known.applied(ALICE) == ALICE and known.applied(bob) == bob
    known.add(heard(CAEP + "session-revoked", {"format": "email", "email": "Bob@Example.com"}))
    assert isinstance(known.applied(bob), Rejected) and known.applied(ALICE) == ALICE
    assert isinstance(known.applied(bob.but(user="BOB@example.com")), Rejected)


def test_of_two_notices_in_one_matter_the_later_event_counts_and_of_one_instant_the_last_told() -> None:
    def told(level: str, at: float) -> Notice:
        return heard(CAEP + "assurance-level-change", current_level=level, event_timestamp=at)

    for order, acr in (
        ((told("low", NOW - 5), told("high", NOW - 9)), "low"),
        ((told("high", NOW - 9), told("low", NOW - 5)), "low"),
        ((told("low", NOW - 5), told("high", NOW - 5)), "high"),
    ):
        found = after(*order)
        assert isinstance(found, Identity) and found.acr == acr


def test_what_lasts_is_kept_and_one_horizon_stands_for_the_rest_when_it_is_old() -> None:
    known = Notices()
    for whom in ("laptop", "desktop"):
        for kind in ("session-revoked", "device-compliance-change"):
            known.add(heard(CAEP + kind, {"format": "opaque", "id": whom}, current_status="not-compliant", event_timestamp=NOW - 50))
    known.add(heard(RISC + "account-disabled", event_timestamp=NOW - 50))
    assert not known.forget(NOW - 50) and len(known) == 5
    assert known.forget(NOW - 49) and len(known) == 4
    assert not known.forget(NOW) and len(known) == 4
    assert isinstance(known.applied(ALICE.but(issued_at=NOW)), Rejected)


OLD = Rejected("the token is older than what is remembered of those that its issuer revoked", "sign in again")


@pytest.mark.threat("14")
@pytest.mark.parametrize("kind", ["session-revoked", "credential-change", "token-claims-change"])
def test_a_token_that_outlives_the_notice_that_outdated_it_is_refused_all_the_same(kind: str) -> None:
    """An issuer may let a token live for a year: when the notice was forgotten after a month the token counted again."""
    known = Notices()
    known.add(heard(CAEP + kind, event_timestamp=NOW - 10))
    assert isinstance(known.applied(ALICE), Rejected)
    for _ in range(2):
        known.forget(NOW)
        assert known.applied(ALICE) == OLD
    bob = Identity("bob", issuer=IDP, subject="b1", issued_at=NOW - 10)  # nobody remembers whom it was about
    assert known.applied(bob) == known.applied(bob.but(issued_at=None)) == OLD
    for other in (bob.but(issued_at=NOW - 9), bob.but(issuer="https://other.example.com"), bob.but(session="G1")):
        assert known.applied(other) == other


def test_whoever_has_no_name_of_a_kind_was_not_meant_by_a_forgotten_notice_that_had_it() -> None:
    """People sign out every day; the token of a program, of the same issuer, is of no session and may be older than all that."""
    known = Notices()
    known.add(heard(CAEP + "session-revoked", SESSION, event_timestamp=NOW - 10))
    known.forget(NOW)
    program = Identity("ci", issuer=IDP, subject="c1", issued_at=NOW - 9999)
    assert known.applied(program) == program and known.applied(program.but(issuer_session="s7")) == OLD


def test_how_strongly_somebody_signed_in_before_a_forgotten_notice_of_that_is_not_known() -> None:
    known = Notices()
    known.add(heard(CAEP + "assurance-level-change", current_level="aal1", event_timestamp=NOW - 10))
    known.forget(NOW)
    session = ALICE.but(session="G1", acr="aal3")
    assert known.applied(session) == session.but(acr="")
    known.add(heard(CAEP + "assurance-level-change", current_level="aal2", event_timestamp=NOW - 5))
    assert known.applied(session) == session.but(acr="aal2")


def test_an_identity_of_no_issuer_is_nobodys_to_speak_of() -> None:
    local = Identity("alice@example.com", subject="a1", issuer_session="s1")
    assert after(heard(CAEP + "session-revoked", event_timestamp=NOW), identity=local) == local
    unknown = ALICE.but(issued_at=None)  # nobody knows when its issuer vouched for it
    assert isinstance(after(heard(CAEP + "session-revoked", event_timestamp=NOW - 9999), identity=unknown), Rejected)


JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | st.just(NOW),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(MEMBERS, inner)
        | st.builds(lambda format_, members: {"format": format_, **members}, FORMATS | inner, st.dictionaries(MEMBERS, inner, min_size=1))
    ),
    max_leaves=12,
)


@given(JUNK, JUNK, JUNK | st.just(NOW), JUNK | st.just("j1"))
def test_no_claims_raise(events: object, subject: object, iat: object, jti: object) -> None:
    claims = {"iss": IDP, "iat": iat, "jti": jti, "events": events, "sub_id": subject, "sub": subject, "sid": jti}
    for made in (logout_notice(claims, "", NOW), security_event(claims, "secevent+jwt", NOW, WHOSE)):
        assert isinstance(made, Notice | Refused)
    claims["events"] = {CAEP + "session-revoked": {"event_timestamp": iat, "subject": events}}
    assert isinstance(security_event(claims, "secevent+jwt", NOW, WHOSE), Notice | Refused)


class Known:
    """A source that takes any token for alice's."""

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | None:
        return ALICE


def test_the_authenticator_holds_every_identity_against_the_notices() -> None:
    notices = Notices()
    gate = Authenticator([Known()], notices=notices)
    assert gate.authenticate(Credentials("t"), NOW) == ALICE
    notices.add(heard(CAEP + "session-revoked"))
    assert str(gate.authenticate(Credentials("t"), NOW)) == "the identity provider ended the session; sign in again"
