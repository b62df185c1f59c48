"""The change feed: one row for each thing that changed, in the order in which it became visible.

A gate remembers the last row that it has seen and asks for what came after. For that, ids must become visible in their order, which a sequence alone does not
promise (a transaction may commit after one with a higher id): there is one writer at a time, see engine.py.

Rows are kept for a day. A gate that was away for longer finds a gap where its last row was, and reads everything anew.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Column, Connection, Double, Integer, String, Table, delete, false, func, insert, select

from kgate.store.engine import is_sqlite
from kgate.store.metadata import metadata

KEPT_SECONDS = 86400.0
CHANNEL = "kgate_changes"
"""PostgreSQL's NOTIFY channel: tells the gates to look, carries nothing."""

changes = Table(
    "changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("topic", String(64), nullable=False),
    Column("key", String(1024), nullable=False),
    sqlite_autoincrement=True,  # an id that was pruned never comes back
)
_FIRST = 1


class Change(NamedTuple):
    """Something of ``topic`` changed: ``key`` says which."""

    topic: str
    key: str


class News(NamedTuple):
    """What came after a row. ``complete`` is False where rows in between are gone: then everything may have changed."""

    latest: int
    changes: tuple[Change, ...]
    complete: bool


def publish(connection: Connection, topic: str, key: str, now: float) -> None:
    """Tell every gate, once this transaction commits, that ``key`` of ``topic`` changed."""
    if not is_sqlite(connection):
        connection.execute(select(func.pg_notify(CHANNEL, "")))
    connection.execute(insert(changes).values(at=now, topic=topic, key=key))


def latest(connection: Connection) -> int:
    """The last row's id, 0 where there was never one. Read it before the state that it stands for: then nothing falls in between."""
    found = connection.execute(select(func.max(changes.c.id))).scalar_one()
    return int(found or 0)


def since(connection: Connection, seen: int) -> News:
    """What came after the row ``seen``."""
    rows = connection.execute(select(changes.c.id, changes.c.topic, changes.c.key).where(changes.c.id >= seen).order_by(changes.c.id)).all()
    if not rows:
        # Less than what was seen: the store is older than that, brought back from a backup. Where nothing was there, what came since is for the next look.
        newest = latest(connection) if seen else 0
        return News(newest, (), newest == seen)
    fresh = tuple(Change(row.topic, row.key) for row in rows if row.id > seen)
    return News(rows[-1].id, fresh, rows[0].id == (seen or _FIRST))


def touch(connection: Connection) -> None:
    """Change nothing, as a write: fails where nothing can be written."""
    connection.execute(delete(changes).where(false()))


def prune(connection: Connection, now: float) -> None:
    """Forget what is older than a day, but never the last row: its id is where everybody stands."""
    newest = select(func.max(changes.c.id)).scalar_subquery()
    connection.execute(delete(changes).where(changes.c.at < now - KEPT_SECONDS, changes.c.id < newest))
