"""The gate's signing keys outlive the key that sealed them: whoever rotates ``secrets.key_file`` need not wait for two months."""

from __future__ import annotations

import time

from reactors import dispose, make_reactor, turn_until
from sqlalchemy import Engine
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from kgate.net.database import Database
from kgate.net.signed_in import SignedIn
from kgate.store.changes import publish
from kgate.store.keys import load_keys
from kgate.store.sealing import Sealer

OLD, NEW = b"o" * 32, b"n" * 32
NOW = 1_800_000_000.0


def test_a_gate_that_has_not_got_the_new_one_yet_goes_on(engine: Engine) -> None:
    reactor = make_reactor()
    database = Database(reactor, engine, time.monotonic, lambda work: work)
    signed_in = SignedIn(database, Sealer([OLD]), time.monotonic, lambda: NOW, lambda _: None, dict, lambda: 3600.0)
    database.start()
    try:
        turn_until(reactor, lambda: signed_in.keys.signing(NOW) is not None)
        kid_of(engine, NEW, OLD)
        seen: list[object] = []
        database.follow("keys", seen.append)
        with engine.begin() as connection:
            publish(connection, "keys", "x", NOW)
        database.look()
        turn_until(reactor, lambda: bool(seen))
        read = Deferred.fromCoroutine(database.read_in_turn(load_keys))
        turn_until(reactor, lambda: read.called)
        assert signed_in.keys.signing(NOW) is not None
    finally:
        database.stop()
        dispose(reactor)


def kid_of(engine: Engine, *keys: bytes) -> str:
    """The key by which a gate with these sealing keys signs, once it has read them."""
    reactor = make_reactor()
    database = Database(reactor, engine, time.monotonic, lambda work: work)
    signed_in = SignedIn(database, Sealer(keys), time.monotonic, lambda: NOW, lambda _: None, dict, lambda: 3600.0)
    database.start()

    def settled() -> bool:
        with engine.begin() as connection:
            stored = load_keys(connection)
        return signed_in.keys.signing(NOW) is not None and all(Sealer(keys[:1]).open(each.sealed) for each in stored)

    try:
        turn_until(reactor, settled)
        found = signed_in.keys.signing(NOW)
        assert found is not None
        return found.kid
    finally:
        database.stop()
        dispose(reactor)


def test_a_key_is_sealed_anew_by_the_newest_so_that_the_old_one_can_go(engine: Engine) -> None:
    first = kid_of(engine, OLD)
    assert kid_of(engine, NEW, OLD) == first
    assert kid_of(engine, NEW) == first


def test_a_gate_that_was_started_without_the_newest_key_says_so_once_and_takes_it_when_it_comes(engine: Engine) -> None:
    kid = kid_of(engine, OLD)
    kid_of(engine, NEW, OLD)
    reactor, logged = make_reactor(), list[LogEvent]()
    database, sealer = Database(reactor, engine, time.monotonic, lambda work: work), Sealer([OLD])
    signed_in = SignedIn(database, sealer, time.monotonic, lambda: NOW, lambda _: None, dict, lambda: 3600.0)
    globalLogPublisher.addObserver(logged.append)
    database.start()
    try:
        turn_until(reactor, lambda: bool(signed_in.problem))
        for _ in range(3):
            with engine.begin() as connection:
                publish(connection, "keys", "x", NOW)
            database.look()
            turn_until(reactor, lambda: not database.look() and database.age < 0.1)
        errors = [formatEvent(event) for event in logged if event["log_level"] is LogLevel.error]
        (error,) = errors
        assert error.startswith(f"secrets.key_file lacks the key that sealed the signing keys {kid}: put it back, as it is in the file of")
        signing = signed_in.keys.signing(NOW)  # people can sign in, also where the former key is lost
        assert signed_in.keys.unreadable == {kid} and signing is not None and signing.kid != kid
        with engine.begin() as connection:
            assert [key.kid for key in load_keys(connection)] == [kid, signing.kid]
        sealer.replace([NEW, OLD])
        signed_in.sealed_by_others()
        turn_until(reactor, lambda: not signed_in.keys.unreadable)
        assert signed_in.problem == ""
    finally:
        globalLogPublisher.removeObserver(logged.append)
        database.stop()
        dispose(reactor)
