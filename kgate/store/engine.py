"""One URL → a SQLAlchemy engine that behaves the same on SQLite and PostgreSQL.

On both there is one writer at a time: a transaction that writes waits for its turn when it begins. So it never fails in its middle for somebody else's,
each sees all that was written before it, and changes become visible in their order. Writes are few and short.

SQLite: ``BEGIN IMMEDIATE``; WAL, so that readers and the writer do not wait for each other; ``synchronous=FULL``, because a session that was ended must
stay ended after a power cut.
PostgreSQL: an advisory lock. Every statement has a time limit, because what the gate waits for it fails closed on; so has a gate that stopped in the
middle of a transaction, for which the others would wait. The limits are each transaction's own, and nothing is prepared: behind a pooler (PgBouncer) the
next transaction has another connection, and a connection's own settings are refused. A machine that is gone without a word, as in a failover, is given up
after as long; the kernel would wait for a quarter of an hour.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from kgate.errors import UsageError

BUSY_SECONDS = 5
"""How long a transaction waits for another one's."""
KINDS = ("sqlite", "postgresql+psycopg")
WAL_ATTEMPTS = 20
PATIENCE: Final[Mapping[str, Any]] = {
    "connect_timeout": BUSY_SECONDS,
    "tcp_user_timeout": BUSY_SECONDS * 1000,
    "keepalives_idle": BUSY_SECONDS,
    "keepalives_interval": 1,
    "keepalives_count": BUSY_SECONDS,
    "prepare_threshold": None,
}
"""Of a connection to PostgreSQL."""
READS = "kgate_reads"
"""Execution option of a connection that only reads."""
_LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
_LIMITED = ", ".join(f"set_config('{limit}', '{BUSY_SECONDS}s', true)" for limit in _LIMITS)
"""For this transaction, the waiting for its turn included."""
_TURN = 0x6B67617465
"""Key of PostgreSQL's advisory lock: "kgate"."""


def open_engine(url: str) -> Engine:
    """The engine; nothing is connected to yet. Raises UsageError where the URL's driver is not installed."""
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "do_connect", _sqlite_connects)
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begins)
        return engine
    try:
        engine = create_engine(url, pool_pre_ping=True, connect_args=dict(PATIENCE))
    except ModuleNotFoundError as error:
        raise UsageError(f"state: {error.name} is not installed; install kgate[postgresql]") from error
    event.listen(engine, "begin", _postgresql_begins)
    return engine


def is_sqlite(connection: Connection) -> bool:
    """Whether this is SQLite, which has no way to tell other processes of a change."""
    return connection.dialect.name == "sqlite"


def _sqlite_connects(_dialect: object, _record: object, arguments: Any, _options: object) -> None:
    """A file that SQLite is to make is for nobody else to read; those beside it get the same mode. One that is there is as somebody wanted it."""
    with contextlib.suppress(OSError):  # SQLite says it better
        os.close(os.open(arguments[0], os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def _sqlite_connected(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says, not where the driver guesses
    _use_wal(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _use_wal(connection: Any) -> None:
    """Several gates that start at once all switch a new file over, and SQLite does not wait for who is in the middle of that.

    It does wait for a write lock: whoever got that comes after the other.
    """
    for _ in range(WAL_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    connection.execute("PRAGMA journal_mode=WAL")


def _sqlite_begins(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _postgresql_begins(connection: Connection) -> None:
    turn = f", pg_advisory_xact_lock({_TURN})" if _writes(connection) else ""
    connection.exec_driver_sql(f"SELECT {_LIMITED}{turn}")


def _writes(connection: Connection) -> bool:
    return not connection.get_execution_options().get(READS)
