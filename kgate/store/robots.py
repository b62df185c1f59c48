"""When each static token was last used, and from where: what tells an operator which ones nobody needs.

Uses are gathered in memory and written a few times a minute: a robot makes thousands of requests, and its last use may be a minute old.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from sqlalchemy import Column, Connection, Double, String, Table, delete, insert, select, update

from kgate.store.metadata import metadata

robot_uses = Table(
    "robot_uses",
    metadata,
    Column("name", String(1024), primary_key=True),
    Column("at", Double, nullable=False),
    Column("address", String(64), nullable=False),
)


class Use(NamedTuple):
    """The token ``name`` was used at ``at`` (Unix seconds) from ``address``."""

    name: str
    at: float
    address: str


def record_uses(connection: Connection, uses: Collection[Use], counts_from: Callable[[str], float] = lambda name: float("-inf")) -> None:
    """Remember each, unless a later one is known (of another gate's). What was before ``counts_from(name)`` (Unix seconds) is forgotten: it was
    another token's, or that of one that is no more."""
    known = {use.name: use.at for use in last_uses(connection)}
    for name in [name for name, at in known.items() if at < counts_from(name)]:
        connection.execute(delete(robot_uses).where(robot_uses.c.name == name, robot_uses.c.at < counts_from(name)))
        del known[name]
    for use in uses:
        values = {"at": use.at, "address": use.address}
        if use.at < counts_from(use.name):
            continue
        if use.name not in known:
            connection.execute(insert(robot_uses).values(name=use.name, **values))
        elif known[use.name] < use.at:
            connection.execute(update(robot_uses).where(robot_uses.c.name == use.name).values(values))


def last_uses(connection: Connection) -> tuple[Use, ...]:
    """All that is known, by name."""
    return tuple(Use(*row) for row in connection.execute(select(robot_uses).order_by(robot_uses.c.name)))
