"""Requests for what a rule offers: who may say yes, how often it takes, and when it is over."""

from __future__ import annotations

import pytest
from attrs import evolve
from sqlalchemy import Engine

from kgate.model import Grant
from kgate.store.changes import latest, since
from kgate.store.requests import (
    ANSWER_SECONDS,
    KEPT_SECONDS,
    MOST_OPEN,
    TOLD_SECONDS,
    AccessRequest,
    Objection,
    State,
    approve_request,
    deny_request,
    find_request,
    forget_requests,
    grants,
    latest_requests,
    open_request,
    revoke_request,
)

NOW = 1_800_000_000.0
REQUEST = AccessRequest("R1", "alice", "break-glass", "prod-eu", "payments", "INC-7", 7200.0, 2, NOW)


def test_two_people_approve_and_the_grant_begins_with_the_second(engine: Engine) -> None:
    with engine.begin() as connection:
        seen = latest(connection)
        assert open_request(connection, REQUEST) == REQUEST
        first = approve_request(connection, "R1", "bob", "looks right", 2, 7200.0, NOW + 10)
        assert isinstance(first, AccessRequest) and first.state is State.OPEN and grants(connection, None, NOW + 10) == {}
        second = approve_request(connection, "R1", "carol", "", 2, 7200.0, NOW + 20)
        assert isinstance(second, AccessRequest) and second.state is State.GRANTED
        granted = Grant("R1", "alice", "break-glass", "prod-eu", "payments", NOW + 20, NOW + 7220, "INC-7", ("bob", "carol"))
        assert grants(connection, ["alice"], NOW + 20) == {"alice": (granted,)} and grants(connection, ["bob"], NOW + 20) == {}
        assert find_request(connection, "R1") == second and latest_requests(connection, NOW + 20) == (second,)
        assert list(since(connection, seen).changes) == [("grants", "alice")]


def test_nobody_approves_their_own_or_twice(engine: Engine) -> None:
    with engine.begin() as connection:
        open_request(connection, REQUEST)
        assert approve_request(connection, "R1", "alice", "", 2, 7200.0, NOW) == Objection(
            "nobody approves their own request; another approver has to"
        )
        approve_request(connection, "R1", "bob", "", 2, 7200.0, NOW)
        assert approve_request(connection, "R1", "bob", "", 2, 7200.0, NOW) == Objection(
            "you have approved it already; it takes another approver"
        )


def test_the_policy_of_the_moment_says_how_many_it_takes_and_how_long_it_lasts(engine: Engine) -> None:
    with engine.begin() as connection:
        open_request(connection, evolve(REQUEST, needed=1))
        first = approve_request(connection, "R1", "bob", "", 2, 60.0, NOW)
        assert isinstance(first, AccessRequest) and first.state is State.OPEN
        second = approve_request(connection, "R1", "carol", "", 2, 60.0, NOW)
        assert isinstance(second, AccessRequest) and second.until == NOW + 60


def test_a_revoked_grant_is_told_for_a_while_and_says_by_whom(engine: Engine) -> None:
    with engine.begin() as connection:
        open_request(connection, REQUEST)
        approve_request(connection, "R1", "bob", "", 1, 7200.0, NOW)
        seen = latest(connection)
        revoked = revoke_request(connection, "R1", "bob", "incident over", NOW + 60)
        assert isinstance(revoked, AccessRequest) and revoked.standing(NOW + 60) == "revoked"
        assert grants(connection, None, NOW + 60)["alice"][0].revoked_by == "bob"
        assert list(since(connection, seen).changes) == [("grants", "alice")]
        assert grants(connection, None, NOW + 7200 + TOLD_SECONDS) == {}


@pytest.mark.parametrize("ended", ["denied", "withdrawn", "revoked", "lapsed", "over"])
def test_what_is_over_stays_over(engine: Engine, ended: str) -> None:
    now = NOW
    with engine.begin() as connection:
        open_request(connection, REQUEST)
        if ended == "denied":
            deny_request(connection, "R1", "bob", "no", NOW)
        elif ended == "withdrawn":
            revoke_request(connection, "R1", "alice", "", NOW)
        elif ended == "lapsed":
            now = NOW + ANSWER_SECONDS
        else:
            approve_request(connection, "R1", "bob", "", 1, 7200.0, NOW)
            if ended == "revoked":
                revoke_request(connection, "R1", "alice", "", NOW)
            else:
                now = NOW + 7200
        found = find_request(connection, "R1")
        assert found is not None and found.standing(now) == ended
        assert approve_request(connection, "R1", "carol", "", 1, 7200.0, now) == Objection(f"request R1 is {ended} already")
        assert deny_request(connection, "R1", "carol", "", now) == Objection(f"request R1 is {ended} already")
        assert revoke_request(connection, "R1", "carol", "", now) == Objection(f"request R1 is {ended}; there is nothing to revoke")
        assert find_request(connection, "R1") == found


def test_another_s_open_request_is_denied_not_revoked(engine: Engine) -> None:
    with engine.begin() as connection:
        open_request(connection, REQUEST)
        assert revoke_request(connection, "R1", "bob", "", NOW) == Objection(
            "request R1 is open; there is nothing to revoke, but it can be denied"
        )


def test_one_person_s_requests_that_wait_are_few(engine: Engine) -> None:
    with engine.begin() as connection:
        for number in range(MOST_OPEN):
            open_request(connection, evolve(REQUEST, id=f"R{number}"))
        assert isinstance(open_request(connection, evolve(REQUEST, id="one more")), Objection)
        assert isinstance(open_request(connection, evolve(REQUEST, id="bob's", user="bob")), AccessRequest)
        later = evolve(REQUEST, id="later", created=NOW + ANSWER_SECONDS)
        assert isinstance(open_request(connection, later), AccessRequest)


def test_old_ones_are_forgotten(engine: Engine) -> None:
    with engine.begin() as connection:
        open_request(connection, REQUEST)
        forget_requests(connection, NOW + KEPT_SECONDS)
        assert find_request(connection, "R1") is not None
        forget_requests(connection, NOW + KEPT_SECONDS + 1)
        assert find_request(connection, "R1") is None


def test_no_number_of_others_keeps_what_waits_or_is_in_force_out_of_the_list(engine: Engine) -> None:
    """Whoever asks and withdraws in a loop does not hide what others wait for, nor does a busy month hide a grant that can be revoked."""
    with engine.begin() as connection:
        for name, now in (("granted", NOW), ("waits", NOW + 1), ("lapsed", NOW - ANSWER_SECONDS), ("over", NOW - 9000)):
            open_request(connection, evolve(REQUEST, id=name, created=now))
        for name, now in (("granted", NOW), ("over", NOW - 8000)):
            approve_request(connection, name, "bob", "", 1, 7200.0, now)
        for number in range(5):
            open_request(connection, evolve(REQUEST, id=f"M{number}", user="mallory", created=NOW + 2 + number))
            revoke_request(connection, f"M{number}", "mallory", "", NOW + 2 + number)
        assert [each.id for each in latest_requests(connection, NOW + 10, 4)] == ["M4", "M3", "waits", "granted"]
        assert len(latest_requests(connection, NOW + 10)) == 9
