"""When each static token was last used, and from where: what tells an operator which ones nobody needs.

Uses are gathered in memory and written a few times a minute: a robot makes thousands of requests, and its last use may be a minute old.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import Column, Connection, Double, String, Table, delete, insert, select, update

from kgate.store.metadata import metadata

KEPT_SECONDS = 400 * 86400.0
"""Programs' tokens are made anew under new names, for years; one that was not used for so long was never used, for all that anybody asks."""

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


def record_uses(connection: Connection, uses: Collection[Use]) -> None:
    """Remember each, unless a later one is known (of another gate's); forget what is very old by then."""
    known = {use.name: use.at for use in last_uses(connection)}
    for use in uses:
        values = {"at": use.at, "address": use.address}
        if use.name not in known:
            connection.execute(insert(robot_uses).values(name=use.name, **values))
        elif known[use.name] < use.at:
            connection.execute(update(robot_uses).where(robot_uses.c.name == use.name).values(values))
    latest = max((use.at for use in uses), default=0.0)
    connection.execute(delete(robot_uses).where(robot_uses.c.at < latest - KEPT_SECONDS))


def forget_uses(connection: Connection, gone: Mapping[str, float]) -> None:
    """Forget those of tokens that are no more, by name and since when (Unix seconds): whoever has the name next was not used then."""
    for name, at in gone.items():
        connection.execute(delete(robot_uses).where(robot_uses.c.name == name, robot_uses.c.at < at))


def last_uses(connection: Connection) -> tuple[Use, ...]:
    """All that is known, by name."""
    return tuple(Use(*row) for row in connection.execute(select(robot_uses).order_by(robot_uses.c.name)))
