"""Locks: who shut out whom, and until when. Each that begins or ends is published, so that every gate knows it and decides what lives there again."""

from __future__ import annotations

from collections.abc import Collection

from attrs import asdict
from sqlalchemy import Column, ColumnElement, Connection, Double, String, Table, delete, func, insert, or_, select

from kgate.model import Lock
from kgate.store.changes import publish
from kgate.store.metadata import metadata

TOPIC = "locks"
"""Of the change feed; keys are the locks' names."""
MOST = 1000
"""Locks at the same time: whoever wants more wants a rule."""

locks = Table(
    "locks",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("user", String(1024), nullable=False),
    Column("group", String(1024), nullable=False),
    Column("robot", String(1024), nullable=False),
    Column("device", String(1024), nullable=False),
    Column("cluster", String(64), nullable=False),
    Column("reason", String(1024), nullable=False),
    Column("by", String(1024), nullable=False),
    Column("begins", Double, nullable=False),
    Column("until", Double, nullable=True),
)
_each = locks.c


def all_locks(connection: Connection, now: float) -> tuple[Lock, ...]:
    """Those that are not over, by name."""
    rows = connection.execute(select(locks).where(_lasts(now)).order_by(_each.name))
    return tuple(Lock(**row._mapping) for row in rows)


def locks_named(connection: Connection, names: Collection[str], now: float) -> tuple[Lock, ...]:
    """Those of these names that are not over, by name."""
    rows = connection.execute(select(locks).where(_each.name.in_(names), _lasts(now)).order_by(_each.name))
    return tuple(Lock(**row._mapping) for row in rows)


def add_lock(connection: Connection, lock: Lock, now: float) -> str:
    """Keep it from ``now`` on. Gives why that cannot be, the rest of a sentence; empty where it was done."""
    connection.execute(delete(locks).where(_each.until <= now))
    if locks_named(connection, [lock.name], now):
        return f'there is a lock "{lock.name}" already; take another name, or remove it first: kgate lock remove {lock.name}'
    if connection.execute(select(func.count()).select_from(locks)).scalar_one() >= MOST:
        return f"there are {MOST} locks already, which is all that there may be; write a rule that denies instead"
    connection.execute(insert(locks).values(asdict(lock)))
    publish(connection, TOPIC, lock.name, now)
    return ""


def remove_lock(connection: Connection, name: str, now: float) -> None:
    """It counts no longer."""
    connection.execute(delete(locks).where(_each.name == name))
    publish(connection, TOPIC, name, now)


def _lasts(now: float) -> ColumnElement[bool]:
    return or_(_each.until.is_(None), _each.until > now)
