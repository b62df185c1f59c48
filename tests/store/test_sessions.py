"""Sessions and the rotation of their refresh secrets: who may go on, who is a thief, and what a client that was killed loses (nothing)."""

from __future__ import annotations

from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from kgate.store.changes import latest, since
from kgate.store.people import Person, person_from_json, person_to_json
from kgate.store.sessions import (
    KEPT_SECONDS,
    Kind,
    Rotation,
    Session,
    add_cookie,
    add_refresh_secret,
    check_again,
    claim_checks,
    confirm_session,
    end_sessions,
    find_session,
    forget_sessions,
    live_sessions,
    open_session,
    rotate,
    session_of_cookie,
    sessions_of_provider,
    sessions_of_user,
    shorten_sessions,
)

NOW = 1_000_000.0
ALICE = Person(
    "alice", ("developers", "on call"), "u-1", (("team", ("a", "b")),), "https://idp", "sub-1", "sid-1", NOW - 5, "gold", ("pwd", "otp")
)


def session(id_: str = "s1", person: Person = ALICE, expires: float = NOW + 3600) -> Session:
    return Session(id_, Kind.CLI, person, NOW, expires, "192.0.2.7", ("prod-*", "dev"), checked=NOW, check_due=NOW + 300)


def test_a_session_is_what_was_put_in(engine: Engine) -> None:
    with engine.begin() as connection:
        open_session(connection, session(), "sealed")
        assert find_session(connection, "s1") == session()
        assert live_sessions(connection, NOW) == (session(),)
        assert live_sessions(connection, NOW + 3600) == ()


def test_shorter_terms_hold_for_those_that_live_and_longer_ones_change_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        for id_, expires in (("a", NOW + 3600), ("b", NOW + 3600), ("short", NOW + 50), ("over", NOW + 3600)):
            open_session(connection, session(id_, expires=expires))
        end_sessions(connection, ["over"], "she signed out", NOW + 1)
        here = latest(connection)
        assert shorten_sessions(connection, 7200, NOW + 2, 10) == 0
        assert [shorten_sessions(connection, 60, NOW + 2, 1) for _ in range(3)] == [1, 1, 0]
        assert {each.id: each.expires - NOW for each in live_sessions(connection, NOW + 2)} == {"a": 60, "b": 60, "short": 50}
        assert find_session(connection, "over") is not None
        assert sorted(key for _, key in since(connection, here).changes) == ["a", "b"]


@given(st.builds(Person, user=st.text(), groups=st.lists(st.text()).map(tuple), extra=st.just((("k", ("v",)),)), acr=st.text()))
def test_a_person_survives_its_column(person: Person) -> None:
    assert person_from_json(person_to_json(person)) == person


def test_a_session_ends_once_and_every_gate_hears_of_it(engine: Engine) -> None:
    with engine.begin() as connection:
        open_session(connection, session(), "sealed")
        here = latest(connection)
        assert end_sessions(connection, ["s1", "unknown"], "alice signed out", NOW + 1) == ("s1",)
        assert end_sessions(connection, ["s1"], "again", NOW + 2) == ()
        ended = find_session(connection, "s1")
        assert ended == evolve(session(), ended=NOW + 1, ended_why="alice signed out", check_due=0.0)
        assert [change.key for change in since(connection, here).changes] == ["s1"]
        assert live_sessions(connection, NOW + 3) == ()


def test_a_provider_names_sessions_by_sub_or_sid_and_only_its_own(engine: Engine) -> None:
    with engine.begin() as connection:
        open_session(connection, session("s1"))
        open_session(connection, session("s2", evolve(ALICE, provider_session="sid-2")))
        open_session(connection, session("s3", evolve(ALICE, issuer="https://other")))

        def named(issuer: str = "https://idp", **by: str) -> list[str]:
            return [each.id for each in sessions_of_provider(connection, issuer, NOW, **by)]

        assert named(subject="sub-1") == ["s1", "s2"]
        assert named(provider_session="sid-2") == ["s2"]
        assert named(subject="sub-1", provider_session="sid-1") == ["s1"]
        assert named(issuer="https://nobody", subject="sub-1") == [] and named() == []
        assert [each.id for each in sessions_of_user(connection, "alice", NOW)] == ["s1", "s2", "s3"]
        assert [each.id for each in sessions_of_user(connection, "ALICE", NOW)] == ["s1", "s2", "s3"]


def test_the_refresh_secret_rotates_and_the_same_rotation_may_be_sent_again(engine: Engine) -> None:
    with engine.begin() as connection:
        open_session(connection, session())
        add_refresh_secret(connection, "s1", "one", NOW)
        assert rotate(connection, "one", "two", NOW)[0] is Rotation.DONE
        assert rotate(connection, "one", "two", NOW)[0] is Rotation.DONE  # killed before it read the answer
        assert rotate(connection, "two", "three", NOW)[0] is Rotation.DONE
        assert rotate(connection, "nobody's", "x", NOW) == (Rotation.UNKNOWN, None)


def test_a_copied_refresh_secret_ends_the_session_whoever_comes_second(engine: Engine) -> None:
    for owner_first in (True, False):
        with engine.begin() as connection:
            id_ = f"s-{owner_first}"
            open_session(connection, session(id_))
            add_refresh_secret(connection, id_, f"{id_}-one", NOW)
            assert rotate(connection, f"{id_}-one", f"{id_}-mine", NOW)[0] is Rotation.DONE
            assert rotate(connection, f"{id_}-one", f"{id_}-thief's", NOW)[0] is Rotation.REUSED
            assert rotate(connection, f"{id_}-mine", f"{id_}-next", NOW)[0] is Rotation.ENDED
            ended = find_session(connection, id_)
            assert ended is not None and "used twice" in ended.ended_why


def test_an_old_rotation_sent_again_is_a_copy_of_the_disk_and_ends_the_session(engine: Engine) -> None:
    with engine.begin() as connection:
        open_session(connection, session())
        add_refresh_secret(connection, "s1", "one", NOW)
        assert rotate(connection, "one", "two", NOW)[0] is rotate(connection, "two", "three", NOW)[0] is Rotation.DONE
        assert rotate(connection, "one", "two", NOW)[0] is Rotation.REUSED


def test_a_secret_never_rotates_to_one_that_was_there(engine: Engine) -> None:
    with engine.begin() as connection:
        open_session(connection, session())
        add_refresh_secret(connection, "s1", "one", NOW)
        assert rotate(connection, "one", "one", NOW)[0] is Rotation.REUSED


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
def test_rotation_against_an_obvious_model(engine: Engine, pairs: list[tuple[int, int]]) -> None:
    """The model keeps the chain of secrets: only its last link, or the very last step repeated, goes on."""
    chain, alive = ["0"], True
    with engine.connect() as connection:
        open_session(connection, session())
        add_refresh_secret(connection, "s1", "0", NOW)
        for secret, following in ((str(a), str(b)) for a, b in pairs):
            found = rotate(connection, secret, following, NOW)[0]
            if secret not in chain:
                assert found is Rotation.UNKNOWN
            elif not alive:
                assert found is Rotation.ENDED
            elif secret == chain[-1] and following not in chain:
                assert found is Rotation.DONE
                chain.append(following)
            elif [secret, following] == chain[-2:]:
                assert found is Rotation.DONE
            else:
                assert found is Rotation.REUSED
                alive = False
        connection.rollback()


def test_a_cookie_finds_its_session(engine: Engine) -> None:
    with engine.begin() as connection:
        open_session(connection, session())
        add_cookie(connection, "s1", "c")
        found = session_of_cookie(connection, "c")
        assert found is not None and found.id == "s1" and session_of_cookie(connection, "d") is None


def test_each_session_is_confirmed_by_one_gate_and_only_news_is_told(engine: Engine) -> None:
    with engine.begin() as connection:
        open_session(connection, session(), "sealed")
        assert claim_checks(connection, NOW + 299, NOW + 400, 10) == ()
        ((claimed, tokens),) = claim_checks(connection, NOW + 301, NOW + 360, 10)
        assert (claimed.id, tokens) == ("s1", "sealed")
        assert claim_checks(connection, NOW + 302, NOW + 400, 10) == ()
        check_again(connection, ["s1", "unknown"], NOW + 310)
        assert claim_checks(connection, NOW + 309, NOW + 400, 10) == () and len(claim_checks(connection, NOW + 310, NOW + 400, 10)) == 1
        here = latest(connection)
        confirm_session(connection, "s1", ALICE, "sealed again", NOW + 303, NOW + 603)
        assert since(connection, here).changes == ()
        confirm_session(connection, "s1", evolve(ALICE, groups=("sre",)), "sealed again", NOW + 304, NOW + 604)
        assert [change.key for change in since(connection, here).changes] == ["s1"]
        found = find_session(connection, "s1")
        assert found is not None and found.person.groups == ("sre",) and found.check_due == NOW + 604


def test_a_session_that_ended_meanwhile_is_not_confirmed_back_to_life(engine: Engine) -> None:
    with engine.begin() as connection:
        open_session(connection, session(), "sealed")
        end_sessions(connection, ["s1"], "cut", NOW)
        confirm_session(connection, "s1", evolve(ALICE, groups=("sre",)), "sealed", NOW + 1, NOW + 2)
        found = find_session(connection, "s1")
        assert found is not None and found.ended == NOW and found.person == ALICE


def test_what_ended_is_forgotten_a_day_later_with_its_secrets(engine: Engine) -> None:
    with engine.begin() as connection:
        open_session(connection, session())
        add_refresh_secret(connection, "s1", "one", NOW)
        add_cookie(connection, "s1", "c")
        end_sessions(connection, ["s1"], "cut", NOW)
        forget_sessions(connection, NOW + KEPT_SECONDS - 1)
        assert find_session(connection, "s1") is not None
        forget_sessions(connection, NOW + KEPT_SECONDS + 1)
        assert find_session(connection, "s1") is None
        assert rotate(connection, "one", "two", NOW)[0] is Rotation.UNKNOWN
