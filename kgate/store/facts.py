"""Signed messages that told facts: the last one of each source, for every gate and worker, and over a restart.

Which message is the last one is decided here: two gates that are sent the same message believe it once.
"""

from __future__ import annotations

from attrs import frozen
from sqlalchemy import Column, Connection, Double, String, Table, Text, insert, select, update

from kgate.store.changes import publish
from kgate.store.metadata import metadata

TOPIC = "facts"
"""Of the change feed; keys are sources."""

messages = Table(
    "fact_messages",
    metadata,
    Column("source", String(256), primary_key=True),
    Column("signed", Double, nullable=False),
    Column("body", Text, nullable=False),
)


@frozen
class Message:
    """What a source told, and when it signed that (Unix seconds)."""

    source: str
    signed: float
    body: str


def keep_message(connection: Connection, message: Message, now: float) -> bool:
    """It is its source's last one from now on, which every gate hears; False where that signed the same or later before."""
    row = connection.execute(select(messages.c.signed).where(messages.c.source == message.source)).one_or_none()
    if row is not None and row.signed >= message.signed:
        return False
    values = {"signed": message.signed, "body": message.body}
    if row is None:
        connection.execute(insert(messages).values(source=message.source, **values))
    else:
        connection.execute(update(messages).where(messages.c.source == message.source).values(values))
    publish(connection, TOPIC, message.source, now)
    return True


def last_messages(connection: Connection) -> tuple[Message, ...]:
    """The last one of each source."""
    return tuple(Message(*row) for row in connection.execute(select(messages).order_by(messages.c.source)))
