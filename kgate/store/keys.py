"""What the gate signs its tokens with. All gates of a fleet share the keys, so that each verifies the others' tokens.

A key signs for ``SIGNS_SECONDS`` and verifies for as long again; the next one is there before it is needed, so that every gate has heard of it by then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from attrs import field, frozen
from sqlalchemy import Column, Connection, Double, String, Table, Text, delete, insert, select, update

from kgate.identity.gate_tokens import SKEW
from kgate.store.changes import publish
from kgate.store.metadata import metadata

TOPIC = "keys"
SIGNS_SECONDS = 30 * 86400.0
AHEAD_SECONDS = 3600.0
"""How long before its time the next key is made."""

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("begins", Double, nullable=False),
    Column("sealed", Text, nullable=False),
)


@frozen
class StoredKey:
    """``begins`` is when it begins to sign; ``sealed`` is the private key."""

    kid: str
    begins: float
    sealed: str = field(repr=False)


def load_keys(connection: Connection) -> tuple[StoredKey, ...]:
    """All keys, the oldest first."""
    return tuple(StoredKey(*row) for row in connection.execute(select(signing_keys).order_by(signing_keys.c.begins)))


def needs_key(keys: tuple[StoredKey, ...], now: float) -> float | None:
    """When the next key has to begin, None where there is one in time. What begins later than any next one is of a clock that was ahead."""
    known = [key for key in keys if key.begins <= now + AHEAD_SECONDS]
    if not known or known[0].begins > now + SKEW or known[-1].begins + SIGNS_SECONDS <= now:
        return now
    ends = known[-1].begins + SIGNS_SECONDS
    return ends if ends - now <= AHEAD_SECONDS else None


def rotate_keys(connection: Connection, fresh: StoredKey, now: float, unreadable: Collection[str] = ()) -> tuple[StoredKey, ...]:
    """Add ``fresh`` where a key is needed beside those that are ``unreadable``, and forget those whose tokens have long expired; gives the keys then.

    Its ``begins`` is set here. Two gates that come at once make one key: the first one's row is the lock of the second.
    """
    keys = load_keys(connection)
    begins = needs_key(tuple(key for key in keys if key.kid not in unreadable), now)
    if begins is not None:
        connection.execute(insert(signing_keys).values(kid=fresh.kid, begins=begins, sealed=fresh.sealed))
        connection.execute(delete(signing_keys).where(signing_keys.c.begins < now - 2 * SIGNS_SECONDS))
        publish(connection, TOPIC, fresh.kid, now)
    return load_keys(connection)


def seal_anew(connection: Connection, keys: Iterable[StoredKey]) -> None:
    """The same keys, sealed by another one; whoever holds them in memory need not hear of it."""
    for key in keys:
        connection.execute(update(signing_keys).where(signing_keys.c.kid == key.kid).values(sealed=key.sealed))
