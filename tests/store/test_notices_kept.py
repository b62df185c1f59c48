"""Notices in the store: kept once, told to every gate, and forgotten when they cannot matter any more."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from attrs import evolve
from sqlalchemy import Engine

from kgate.identity.credentials import Rejected
from kgate.identity.notices import Kind, Notice, Notices, Subject, horizons
from kgate.model import Identity
from kgate.net.signed_in import as_gate_session
from kgate.store.changes import latest, since
from kgate.store.codes import Code, CodeState, add_code, find_code, withdraw_codes
from kgate.store.notices import (
    KEPT_SECONDS,
    TOPIC,
    all_notices,
    dated,
    ended_since,
    find,
    forget,
    is_about,
    keep,
    key_of,
    sessions_of,
)
from kgate.store.people import Person
from kgate.store.sessions import Kind as SignedInBy
from kgate.store.sessions import Session, claim_checks, due_now, end_sessions, open_session

NOW = 1_000_000.0
NOTICE = Notice("https://idp", "j1", Kind.SESSION_REVOKED, Subject(sub="a1"), NOW, level="", compliant=None)


def test_the_same_notice_is_kept_once_and_every_gate_hears_of_it(engine: Engine) -> None:
    with engine.begin() as connection:
        begin = latest(connection)
        assert keep(connection, NOTICE, NOW)
        assert not keep(connection, NOTICE, NOW + 1)
        assert keep(connection, evolve(NOTICE, issuer="https://other"), NOW + 1)
        assert [change.topic for change in since(connection, begin).changes] == [TOPIC, TOPIC]
        assert find(connection, key_of(NOTICE)) == NOTICE and find(connection, "nothing") is None


def test_what_lasts_is_kept_for_good(engine: Engine) -> None:
    disabled = evolve(NOTICE, id="j2", kind=Kind.ACCOUNT_DISABLED)
    with engine.begin() as connection:
        keep(connection, NOTICE, NOW)
        keep(connection, disabled, NOW)
        forget(connection, NOW + KEPT_SECONDS + 1)
        assert all_notices(connection) == (*horizons([NOTICE]), disabled)


@pytest.mark.threat("14")
def test_a_gate_that_starts_when_a_notice_was_forgotten_refuses_the_token_that_it_outdated(engine: Engine) -> None:
    later = evolve(NOTICE, id="j2", issuer="https://idp", subject=Subject(sub="b1"), at=NOW + 50)
    with engine.begin() as connection:
        keep(connection, later, NOW)
        keep(connection, NOTICE, NOW + 100)
        for after in (0.0, 1.0, 101.0, 9999.0):  # whichever is forgotten first, and however often
            forget(connection, NOW + KEPT_SECONDS + after)
        assert all_notices(connection) == horizons([NOTICE, later])
        known = Notices()
        for notice in all_notices(connection):
            known.add(notice)
    token = Identity("alice", issuer="https://idp", subject="a1", issued_at=NOW + 50)
    assert isinstance(known.applied(token), Rejected) and known.applied(token.but(issued_at=NOW + 51)) == token.but(issued_at=NOW + 51)


def test_of_what_lasts_only_the_latest_is_kept_for_good(engine: Engine) -> None:
    """Accounts are disabled and enabled again, devices fall out of compliance and back, for years; each may be told again for a while."""
    kinds = (Kind.ACCOUNT_DISABLED, Kind.ACCOUNT_ENABLED, Kind.COMPLIANCE_CHANGED)
    with engine.begin() as connection:
        for number in range(12):
            told = evolve(NOTICE, id=f"j{number}", kind=kinds[number % 3], at=NOW + number)
            keep(connection, told if number % 3 < 2 else evolve(told, subject=Subject(device="laptop"), compliant=True), NOW + number)
        keep(connection, evolve(NOTICE, id="late", kind=Kind.ACCOUNT_DISABLED, at=NOW - 5), NOW + 12)  # of before, and came last
        keep(connection, evolve(NOTICE, id="other", kind=Kind.ACCOUNT_DISABLED, subject=Subject(sub="b1")), NOW)
        forget(connection, NOW + KEPT_SECONDS + 3)
        assert {notice.id for notice in all_notices(connection)} == {f"j{number}" for number in range(3, 12)} | {"late", "other"}
        forget(connection, NOW + KEPT_SECONDS + 13)
        assert {notice.id for notice in all_notices(connection)} == {"j10", "j11", "other"}


def test_a_notice_is_about_the_sessions_of_before_it_to_the_second_and_about_the_one_that_it_names(engine: Engine) -> None:
    alice = Person("alice", issuer="https://idp", subject="a1", provider_session="sid-1")
    with engine.begin() as connection:
        for id_, created in (("before", NOW - 60), ("same-second", NOW + 0.4), ("after", NOW + 1)):
            open_session(connection, Session(id_, SignedInBy.CLI, alice, created, NOW + 9999))
        open_session(connection, Session("elsewhere", SignedInBy.CLI, evolve(alice, issuer="https://other"), NOW - 60, NOW + 9999))

        def meant(subject: Subject, kind: Kind = Kind.LOGOUT) -> list[str]:
            return [each.id for each in sessions_of(connection, evolve(NOTICE, kind=kind, subject=subject), NOW + 2)]

        assert meant(Subject(sub="a1")) == ["before", "same-second"]  # an iat has whole seconds
        assert meant(Subject(sub="a1", session="sid-1")) == ["before", "same-second", "after"]  # the provider's clock may be behind
        assert meant(Subject(sub="a1"), Kind.ACCOUNT_DISABLED) == ["before", "same-second", "after"]
        assert meant(Subject(sub="b1")) == meant(Subject(session="sid-9")) == []


@pytest.mark.parametrize("ahead", [-60.0, 60.0])
def test_a_session_is_as_old_as_its_provider_says_whatever_the_gates_clock_says(engine: Engine, ahead: float) -> None:
    """A gate whose clock was ahead dated the session behind the logout, by the provider's clock, that followed it."""
    alice = Person("alice", issuer="https://idp", subject="a1")
    with engine.begin() as connection:
        for id_, signed_in in (("before", NOW - 5), ("after", NOW + 5)):
            session = Session(
                id_, SignedInBy.CLI, evolve(alice, issued_at=signed_in), signed_in + ahead, NOW + 9999, checked=signed_in + ahead + 300
            )
            open_session(connection, session)
            assert 300 <= session.vouched - signed_in < 301
        assert [each.id for each in sessions_of(connection, NOTICE, NOW + ahead)] == ["before"]


def test_whoever_signs_out_and_in_again_within_a_second_is_in() -> None:
    """``iat`` tells whole seconds: the later of two moments in one is told by the gate's clock, where the two clocks agree."""
    alice = Person("alice", issuer="https://idp", subject="a1", issued_at=NOW)
    session = Session("S", SignedInBy.CLI, alice, NOW + 0.7, NOW + 9999, checked=NOW + 0.7)
    assert NOTICE.at < session.vouched == NOW + 0.7


FIVE_MINUTES = 300.0


@pytest.mark.parametrize("dated_back", [0.0, FIVE_MINUTES])
def test_whoever_signs_in_after_a_notice_that_was_known_is_in_whatever_date_their_id_token_has(engine: Engine, dated_back: float) -> None:
    """Microsoft Entra dates ID tokens back by five minutes. The notice, and the next one, have the time that it is."""
    notices = Notices()
    with engine.begin() as connection:
        keep(connection, NOTICE, NOW + 1)
        notices.add(NOTICE)
        begun = latest(connection)
        person = dated(connection, Person("alice", issuer="https://idp", subject="a1", issued_at=NOW + 10 - dated_back), begun)
        session = Session("S", SignedInBy.CLI, person, NOW + 10.5, NOW + 9999, checked=NOW + 10.5)
        open_session(connection, session)
        assert notices.applied(as_gate_session(session).identity) == as_gate_session(session).identity
        again = evolve(NOTICE, id="j2", at=NOW + 20)
        keep(connection, again, NOW + 21)
        notices.add(again)
        assert [each.id for each in sessions_of(connection, again, NOW + 21)] == ["S"]
        assert isinstance(notices.applied(as_gate_session(session).identity), Rejected)


@pytest.mark.threat("14")
def test_a_notice_that_came_while_somebody_signed_in_or_is_about_somebody_else_dates_nobody(engine: Engine) -> None:
    alice = Person("alice", issuer="https://idp", subject="a1", issued_at=NOW - FIVE_MINUTES)
    with engine.begin() as connection:
        begun = latest(connection)
        keep(connection, NOTICE, NOW)
        assert dated(connection, alice, begun) == alice
        assert dated(connection, evolve(alice, subject="b1"), latest(connection)).issued_at == alice.issued_at
        assert dated(connection, evolve(alice, issuer="https://other"), latest(connection)).issued_at == alice.issued_at
        later = evolve(alice, issued_at=NOW + 1)
        assert dated(connection, later, latest(connection)) == later
        assert dated(connection, evolve(alice, issued_at=None), latest(connection)).issued_at is None


def test_a_sign_in_and_the_notice_that_ends_it_do_not_pass_each_other(engine: Engine, engines: Callable[[], Engine]) -> None:
    """Two gates at once: whichever writes first, the other sees it, so the notice ends the session or the sign-in finds the notice."""
    alice = Person("alice", issuer="https://idp", subject="a1")
    other = engines()
    ended: list[str] = []

    def notice_comes() -> None:
        with other.begin() as connection:
            keep(connection, NOTICE, NOW)
            ended.extend(end_sessions(connection, [each.id for each in sessions_of(connection, NOTICE, NOW)], "over", NOW))

    comes = threading.Thread(target=notice_comes)
    with engine.begin() as connection:
        assert not ended_since(connection, alice, NOW - 1)
        comes.start()
        comes.join(0.3)  # it waits for this transaction
        open_session(connection, Session("S", SignedInBy.CLI, alice, NOW - 1, NOW + 9999))
    comes.join()
    assert ended == ["S"]


@pytest.mark.parametrize(
    ("subject", "about"),
    [
        (Subject(sub="a1"), True),
        (Subject(sub="a1", session="sid-1"), True),
        (Subject(session="sid-1"), True),
        (Subject(email="alice@example.com"), True),
        (Subject(sub="a1", session="sid-2"), False),
        (Subject(sub="b1"), False),
        (Subject(email="bob@example.com"), False),
        (Subject(device="laptop"), False),
    ],
)
def test_what_no_session_came_of_yet_is_withdrawn_by_the_same_names(engine: Engine, subject: Subject, about: bool) -> None:
    notice = evolve(NOTICE, subject=subject)
    alice = Person("Alice@example.com", issuer="https://idp", subject="a1", provider_session="sid-1")
    assert is_about(notice, alice) is about
    assert not is_about(notice, evolve(alice, issuer="https://other"))
    with engine.begin() as connection:
        add_code(connection, Code("waits", CodeState.WAITING, NOW + 600, "BCDF-GHJK"))
        add_code(connection, Code("approved", CodeState.APPROVED, NOW + 60, person=alice, provider_tokens="sealed"))
        withdraw_codes(connection, lambda person: is_about(notice, person))
        states = [code.state for digest in ("waits", "approved") if (code := find_code(connection, digest)) is not None]
        assert states == [CodeState.WAITING, CodeState.WITHDRAWN if about else CodeState.APPROVED]


def test_an_address_is_one_in_any_case_and_of_one_issuer(engine: Engine) -> None:
    """A transmitter that knows people by their addresses (RFC 9493 section 3.2.2), and an identity provider that writes them as people do."""
    alice = Person("Alice@Example.com", issuer="https://idp", subject="a1")
    with engine.begin() as connection:
        open_session(connection, Session("S", SignedInBy.CLI, alice, NOW - 60, NOW + 9999))
        open_session(connection, Session("T", SignedInBy.CLI, evolve(alice, issuer="https://other"), NOW - 60, NOW + 9999))
        notice = evolve(NOTICE, subject=Subject(email="alice@example.com"))
        assert [each.id for each in sessions_of(connection, notice, NOW)] == ["S"]


@pytest.mark.parametrize("address", ["alice@example.com", 'al_ce%/\\"@éxample.com'])
def test_an_address_that_the_issuer_told_beside_the_name_is_one_too(engine: Engine, address: str) -> None:
    alice = Person("asmith", issuer="https://idp", subject="a1", email=address)
    others = (
        evolve(alice, email="x" + address),
        evolve(alice, email="alice@example.org"),
        evolve(alice, email=""),
        evolve(alice, issuer="i"),
    )
    notice = evolve(NOTICE, subject=Subject(email=address))
    with engine.begin() as connection:
        for number, person in enumerate((alice, *others)):
            open_session(connection, Session(f"{number}", SignedInBy.CLI, person, NOW - 60, NOW + 9999))
            assert is_about(notice, person) is (person == alice)
        assert [each.id for each in sessions_of(connection, notice, NOW)] == ["0"]
        assert as_gate_session(sessions_of(connection, notice, NOW)[0]).identity.email == address


def test_a_sign_in_is_over_by_what_came_since_it_was_asked_about(engine: Engine) -> None:
    alice = Person("alice", issuer="https://idp", subject="a1")
    with engine.begin() as connection:
        keep(connection, NOTICE, NOW)
        keep(connection, evolve(NOTICE, id="j2", kind=Kind.CLAIMS_CHANGED), NOW + 5)
        assert ended_since(connection, alice, NOW) and ended_since(connection, alice, NOW - 1)
        assert not ended_since(connection, alice, NOW + 1)
        assert not ended_since(connection, evolve(alice, subject="b1"), NOW)


def test_sessions_whose_claims_changed_are_asked_about_at_once(engine: Engine) -> None:
    session = Session("S", SignedInBy.CLI, Person("alice"), NOW, NOW + 9999, check_due=NOW + 300)
    with engine.begin() as connection:
        open_session(connection, session)
        open_session(connection, evolve(session, id="T", check_due=0.0))
        assert claim_checks(connection, NOW, NOW + 60, 10) == ()
        due_now(connection, ["S", "T"], NOW)
        assert [found.id for found, _ in claim_checks(connection, NOW, NOW + 60, 10)] == ["S"]
