"""A pooler between the gate and PostgreSQL, which gives each transaction whatever connection is free and knows few of a connection's own settings."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import postgresql
import psycopg
import pytest
from reactors import dispose, make_reactor, turn_until
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError
from twisted.internet.defer import Deferred, gatherResults

from kgate.net.database import Database
from kgate.store.changes import publish
from kgate.store.engine import BUSY_SECONDS, READS, open_engine
from kgate.store.migrate import migrate


@pytest.fixture
def pooled(postgres: postgresql.PostgreSql) -> Iterator[str]:
    with postgresql.pooled(postgres) as url:
        yield url


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


def test_a_gate_works_behind_one_and_hears_of_what_another_wrote(pooled: str) -> None:
    reactor, told = make_reactor(), list[Collection[str] | None]()
    with opened(pooled) as engine, opened(pooled) as other:
        migrate(engine)
        database = Database(reactor, engine, time.monotonic, lambda work: work)
        database.follow("sessions", told.append)
        database.start()
        try:
            turn_until(reactor, lambda: told == [None])
            reads = gatherResults(
                [Deferred.fromCoroutine(database.read(lambda connection: connection.execute(text("SELECT 1")).all())) for _ in range(50)]
            )
            turn_until(reactor, lambda: reads.called)
            with other.begin() as connection:
                publish(connection, "sessions", "s1", 1.0)
            turn_until(reactor, lambda: database.tick() is None and {"s1"} in told)
            assert database.problem == ""
        finally:
            database.stop()
            dispose(reactor)


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("direct", [True, False])
def test_what_the_gate_waits_for_has_a_limit_of_time_there_too(
    postgres: postgresql.PostgreSql, pooled: str, reads: bool, direct: bool
) -> None:
    with opened(postgres.url() if direct else pooled) as engine, engine.execution_options(**{READS: reads}).begin() as connection:
        for limit in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            assert connection.execute(text(f"SHOW {limit}")).scalar_one() == f"{BUSY_SECONDS}s"


def test_a_turn_is_waited_for_no_longer_than_that(postgres: postgresql.PostgreSql, pooled: str) -> None:
    with psycopg.connect(host=str(postgres.folder), user="kgate", dbname="postgres", autocommit=True) as somebody, opened(pooled) as engine:
        with engine.begin() as connection:
            (turn,) = connection.execute(text("SELECT objid FROM pg_locks WHERE locktype = 'advisory'")).scalars()
            (high,) = connection.execute(text("SELECT classid FROM pg_locks WHERE locktype = 'advisory'")).scalars()
        somebody.execute(f"SELECT pg_advisory_lock({(high << 32) + turn})")
        with pytest.raises(OperationalError, match="lock timeout"), engine.begin():
            pass


def test_a_machine_that_is_gone_without_a_word_is_given_up(postgres: postgresql.PostgreSql) -> None:
    """What is sent and not acknowledged, and a connection that is silent: the kernel's own patience is a quarter of an hour, and two hours."""
    with opened(postgres.url()) as engine, engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        asked = driver.info.get_parameters()
    assert asked["tcp_user_timeout"] == f"{BUSY_SECONDS * 1000}" and asked["keepalives_idle"] == f"{BUSY_SECONDS}"
    assert int(asked["keepalives_interval"]) * int(asked["keepalives_count"]) <= BUSY_SECONDS
