"""Locks in the store: one of a name, gone at their end, and every gate is told."""

from __future__ import annotations

import pytest
from attrs import evolve
from sqlalchemy import Engine

from kgate.model import Lock
from kgate.store.changes import latest, since
from kgate.store.locks import MOST, add_lock, all_locks, locks_named, remove_lock

NOW = 1_800_000_000.0
LOCK = Lock("incident-42", user="alice", cluster="prod", reason="INC-42", by="bob", begins=NOW, until=NOW + 60)


def test_a_lock_is_kept_told_and_removed(engine: Engine) -> None:
    with engine.begin() as connection:
        seen = latest(connection)
        assert add_lock(connection, LOCK, NOW) == "" and all_locks(connection, NOW) == (LOCK,)
        remove_lock(connection, "incident-42", NOW)
        assert all_locks(connection, NOW) == ()
        assert list(since(connection, seen).changes) == [("locks", "incident-42")] * 2


def test_a_name_is_free_again_once_its_lock_is_over(engine: Engine) -> None:
    with engine.begin() as connection:
        add_lock(connection, LOCK, NOW)
        assert "kgate lock remove incident-42" in add_lock(connection, evolve(LOCK, user="carol"), NOW + 59)
        assert all_locks(connection, NOW + 59) == (LOCK,) and all_locks(connection, NOW + 60) == ()
        lasting = evolve(LOCK, user="carol", until=None)
        assert add_lock(connection, lasting, NOW + 60) == "" and all_locks(connection, NOW + 1e9) == (lasting,)


def test_there_is_an_end_to_how_many(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST == 1000
    monkeypatch.setattr("kgate.store.locks.MOST", 2)
    with engine.begin() as connection:
        told = [add_lock(connection, evolve(LOCK, name=name), NOW) for name in ("a", "b", "c")]
        assert told[:2] == ["", ""] and told[2].startswith("there are 2 locks already")


def test_those_of_some_names_are_read_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        for name in ("a", "b", "c"):
            add_lock(connection, evolve(LOCK, name=name), NOW)
        assert [each.name for each in locks_named(connection, {"a", "c", "d"}, NOW)] == ["a", "c"]
        assert locks_named(connection, ["a"], NOW + 60) == ()
