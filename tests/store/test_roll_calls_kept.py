"""Roll calls in the store: who shares it, what they are asked, what they answer; nothing of it stays."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine, func, select

from kgate.store.changes import latest, since
from kgate.store.roll_calls import (
    FORGOTTEN_SECONDS,
    GONE_SECONDS,
    OLD_SECONDS,
    answer,
    answered,
    answers,
    asked,
    be_absent,
    be_present,
    begin,
    call,
    calls,
    gates,
    others,
    over,
)

NOW = 1_800_000_000.0


def test_whoever_was_here_lately_is_expected_to_answer(engine: Engine) -> None:
    with engine.begin() as connection:
        for id_, at in (("a", NOW), ("b", NOW - GONE_SECONDS + 1), ("killed", NOW - GONE_SECONDS), ("left", NOW)):
            be_present(connection, id_, f"host/{id_}", at)
        be_absent(connection, "left")
        assert others(connection, "a", NOW) == {"b": "host/b"} and others(connection, "b", NOW) == {"a": "host/a"}
        be_present(connection, "b", "host/b", NOW + 60)
        assert others(connection, "a", NOW + GONE_SECONDS + 59) == {"b": "host/b"}
        begin(connection, "b2", "host/b", NOW + 61)  # the next one of that name: the former one was killed,
        assert others(connection, "a", NOW + 62) == {"b2": "host/b"}
        be_present(connection, "b", "host/b", NOW + 63)  # or it drains
        assert others(connection, "a", NOW + 64) == {"b": "host/b", "b2": "host/b"}
        be_absent(connection, "b2")
        be_present(connection, "a", "host/a", NOW + FORGOTTEN_SECONDS)
        assert connection.execute(select(func.count()).select_from(gates)).scalar_one() == 2  # whoever was killed is forgotten after a day


def test_a_call_is_told_to_all_answered_once_by_each_and_deleted(engine: Engine) -> None:
    with engine.begin() as connection:
        seen = latest(connection)
        call(connection, "c1", "a", "what lives?", NOW)
        assert asked(connection, "b", NOW) == asked(connection, "c", NOW) == {"c1": "what lives?"} and asked(connection, "a", NOW) == {}
        answer(connection, "c1", "b", "nothing", NOW)
        answer(connection, "c1", "b", "one", NOW)
        assert asked(connection, "b", NOW) == {} and asked(connection, "c", NOW) == {"c1": "what lives?"}
        assert answered(connection, "c1") == {"b": "one"}
        assert [each.key for each in since(connection, seen).changes] == ["asked c1", "answered c1", "answered c1"]
        over(connection, "c1")
        assert answered(connection, "c1") == asked(connection, "c", NOW) == {}


def test_a_call_whose_maker_died_is_answered_no_more_and_goes_with_the_next_one(engines: Callable[[], Engine], engine: Engine) -> None:
    with engine.begin() as connection:
        call(connection, "old", "a", "what lives?", NOW)
        answer(connection, "old", "b", "nothing", NOW)
        assert asked(connection, "c", NOW + OLD_SECONDS) == {}
        call(connection, "new", "a", "and now?", NOW + OLD_SECONDS + 1)
    with engines().begin() as connection:
        kept = [connection.execute(select(func.count()).select_from(each)).scalar_one() for each in (calls, answers)]
        assert kept == [1, 0] and asked(connection, "c", NOW + OLD_SECONDS + 1) == {"new": "and now?"}
