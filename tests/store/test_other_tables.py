"""Sign-ins under way, codes, signing keys, robots' last use, and secrets at rest."""

from __future__ import annotations

from base64 import b64encode

import pytest
from attrs import evolve
from sqlalchemy import Engine

from kgate.documents.values import Unacceptable
from kgate.store.codes import Code, CodeState, add_code, approve_device, deny_device, find_code, find_user_code, forget_codes, update_code
from kgate.store.keys import AHEAD_SECONDS, SIGNS_SECONDS, StoredKey, load_keys, needs_key, rotate_keys
from kgate.store.people import Person
from kgate.store.robots import Use, last_uses, record_uses
from kgate.store.sealing import Sealer, digest, read_keys
from kgate.store.signins import SignIn, begin_signin, take_signin

NOW = 1_000_000.0
ALICE = Person("alice", ("developers",))
SIGN_IN = SignIn("state", "browser", "https://idp", "nonce", "sealed", NOW + 600, "http://127.0.0.1:4711/", "their state", "challenge")


def test_a_sign_in_is_taken_once_and_in_time(engine: Engine) -> None:
    with engine.begin() as connection:
        begin_signin(connection, SIGN_IN)
        assert take_signin(connection, "another", NOW) is None
        assert take_signin(connection, "state", NOW) == SIGN_IN
        assert take_signin(connection, "state", NOW) is None
        begin_signin(connection, SIGN_IN)
        assert take_signin(connection, "state", NOW + 600) is None
        assert take_signin(connection, "state", NOW) is None


def test_a_device_code_waits_for_its_person(engine: Engine) -> None:
    waiting = Code("digest", CodeState.WAITING, NOW + 600, "BCDF-GHJK", address="192.0.2.7")
    with engine.begin() as connection:
        add_code(connection, waiting)
        assert find_code(connection, "digest") == find_user_code(connection, "BCDF-GHJK", NOW) == waiting
        assert not approve_device(connection, "XXXX-XXXX", ALICE, "sealed", NOW)
        assert approve_device(connection, "BCDF-GHJK", ALICE, "sealed", NOW)
        assert not approve_device(connection, "BCDF-GHJK", ALICE, "sealed", NOW)
        approved = find_code(connection, "digest")
        assert approved == evolve(waiting, state=CodeState.APPROVED, person=ALICE, provider_tokens="sealed")
        assert approved is not None
        update_code(connection, evolve(approved, state=CodeState.REDEEMED, session="s1"))
        assert find_user_code(connection, "BCDF-GHJK", NOW) is None
        forget_codes(connection, NOW + 600 + 3601)
        assert find_code(connection, "digest") is None


def test_a_device_that_the_person_does_not_know_is_denied_and_an_old_code_is_none(engine: Engine) -> None:
    with engine.begin() as connection:
        add_code(connection, Code("one", CodeState.WAITING, NOW + 600, "AAAA-AAAA"))
        add_code(connection, Code("two", CodeState.WAITING, NOW + 600, "BBBB-BBBB"))
        assert deny_device(connection, "AAAA-AAAA", NOW) and not approve_device(connection, "AAAA-AAAA", ALICE, "", NOW)
        assert not approve_device(connection, "BBBB-BBBB", ALICE, "", NOW + 600)


def test_keys_are_made_before_they_are_needed_and_go_when_nothing_signed_by_them_is_left(engine: Engine) -> None:
    with engine.begin() as connection:
        (first,) = rotate_keys(connection, StoredKey("a", 0.0, "sealed"), NOW)
        assert (first.kid, first.begins) == ("a", NOW)
        assert rotate_keys(connection, StoredKey("b", 0.0, "sealed"), NOW + 1) == (first,)  # two gates started at once
        before = NOW + SIGNS_SECONDS - AHEAD_SECONDS
        assert [key.kid for key in rotate_keys(connection, StoredKey("c", 0.0, "sealed"), before)] == ["a", "c"]
        assert load_keys(connection)[1].begins == NOW + SIGNS_SECONDS
        later = NOW + 2 * SIGNS_SECONDS + 1
        assert [key.kid for key in rotate_keys(connection, StoredKey("d", 0.0, "sealed"), later)] == ["c", "d"]


def test_a_gate_that_was_away_for_long_needs_a_key_at_once() -> None:
    assert needs_key((), NOW) == NOW
    assert needs_key((StoredKey("a", NOW, ""),), NOW + 3 * SIGNS_SECONDS) == NOW + 3 * SIGNS_SECONDS


@pytest.mark.threat("28")
@pytest.mark.parametrize("ahead", [3600.0, 365 * 86400.0])
def test_a_key_of_a_clock_that_was_ahead_leaves_nobody_without_one(ahead: float, engine: Engine) -> None:
    """Made at a first start, or beside the removal of all that seemed to be old. Two clocks of one fleet may differ by a little."""
    with engine.begin() as connection:
        rotate_keys(connection, StoredKey("ahead", 0.0, "sealed"), NOW + ahead)
        made = rotate_keys(connection, StoredKey("right", 0.0, "sealed"), NOW)
        assert [(key.kid, key.begins) for key in made] == [("right", NOW), ("ahead", NOW + ahead)]
    assert needs_key(made, NOW + 1) is None and needs_key(made[1:], NOW + ahead - 30) is None
    ends = NOW + SIGNS_SECONDS
    assert needs_key(made, ends - AHEAD_SECONDS) == (ends if ahead > SIGNS_SECONDS else None)


def test_a_later_use_counts_whichever_gate_writes_it_first(engine: Engine) -> None:
    with engine.begin() as connection:
        record_uses(connection, [Use("ci", 10.0, "192.0.2.1"), Use("backup", 5.0, "192.0.2.2")])
        record_uses(connection, [Use("ci", 9.0, "192.0.2.3"), Use("backup", 6.0, "192.0.2.4")])
        assert last_uses(connection) == (Use("backup", 6.0, "192.0.2.4"), Use("ci", 10.0, "192.0.2.1"))
        since = {"ci": 10.5, "backup": 6.0}
        record_uses(connection, [Use("ci", 10.2, "192.0.2.1"), Use("ci-2", 11.0, "192.0.2.1")], lambda name: since.get(name, 7.0))
        assert [use.name for use in last_uses(connection)] == ["backup", "ci-2"]


OLD, NEW = bytes(range(32)), bytes(range(1, 33))


def test_what_one_key_sealed_opens_after_a_rotation_and_not_without_the_key() -> None:
    sealed = Sealer([OLD]).seal("refresh token")
    assert "refresh" not in sealed
    assert Sealer([NEW, OLD]).open(sealed) == "refresh token"
    assert Sealer([NEW]).open(sealed) is None
    assert Sealer([OLD]).open(sealed[:-4] + "AAA=") is None
    assert Sealer([NEW, OLD]).seal("x") != Sealer([OLD]).seal("x")
    assert digest("secret") != digest("Secret") and len(digest("secret")) == 64


def test_a_key_file_says_what_is_wrong_with_it() -> None:
    assert read_keys(b"# the newest first\n" + b64encode(NEW) + b"\n\n" + b64encode(OLD)) == (NEW, OLD)
    for bad in (b"", b"# nothing\n", b"short\n", b64encode(OLD) + b"!\n", b64encode(OLD[:31])):
        with pytest.raises(Unacceptable) as caught:
            read_keys(bad)
        assert "openssl rand" in caught.value.hint
