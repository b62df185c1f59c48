"""Roll calls: the processes that share a store, what one of them asks all the others, and what they answer.

A process is here under an id of its own, not only its name: while one of a host drains and the next one serves, both have sessions. It says so three
times a minute and when it ends; one that was killed is missed for ``GONE_SECONDS``, or until its successor of that name begins.

A call is deleted by whoever made it; one whose maker died goes with the next one. Nothing is written while nobody asks.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Column, Connection, Double, String, Table, Text, delete, insert, select

from kgate.store.changes import publish
from kgate.store.metadata import metadata

TOPIC = "roll-calls"
"""Of the change feed; keys are ``asked ID``, ``answered ID`` and ``began NAME``."""
GONE_SECONDS = 120.0
"""Hosts whose clocks differ by a minute still know each other."""
OLD_SECONDS = 60.0
"""A call is answered for so long, whatever the clocks of two hosts make of it."""
FORGOTTEN_SECONDS = 86400.0

gates = Table(
    "gates",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("seen", Double, nullable=False),
)
calls = Table(
    "roll_calls",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("asker", String(32), nullable=False),
    Column("at", Double, nullable=False),
    Column("body", Text, nullable=False),
)
answers = Table(
    "roll_call_answers",
    metadata,
    Column("call", String(32), primary_key=True),
    Column("gate", String(32), primary_key=True),
    Column("body", Text, nullable=False),
)


def begin(connection: Connection, id_: str, name: str, now: float) -> None:
    """The process ``id_`` begins. What was here by its name has ended, or hears of it and says that it has not: it drains, or is another gate of that host."""
    connection.execute(delete(gates).where(gates.c.name == name[:255]))
    be_present(connection, id_, name, now)
    publish(connection, TOPIC, f"began {name}", now)


def be_present(connection: Connection, id_: str, name: str, now: float) -> None:
    """The process ``id_`` lives at ``now``."""
    connection.execute(delete(gates).where((gates.c.id == id_) | (gates.c.seen < now - FORGOTTEN_SECONDS)))
    connection.execute(insert(gates).values(id=id_, name=name[:255], seen=now))


def be_absent(connection: Connection, id_: str) -> None:
    """It ends, and answers no more."""
    connection.execute(delete(gates).where(gates.c.id == id_))


def others(connection: Connection, id_: str, now: float) -> dict[str, str]:
    """The names of the other processes that were here lately, by id."""
    rows = connection.execute(select(gates.c.id, gates.c.name).where(gates.c.id != id_, gates.c.seen > now - GONE_SECONDS))
    return {row.id: row.name for row in rows}


def call(connection: Connection, id_: str, asker: str, body: str, now: float) -> None:
    """Ask every other process."""
    connection.execute(delete(calls).where(calls.c.at < now - OLD_SECONDS))
    connection.execute(delete(answers).where(answers.c.call.not_in(select(calls.c.id))))
    connection.execute(insert(calls).values(id=id_, asker=asker, at=now, body=body))
    publish(connection, TOPIC, f"asked {id_}", now)


def asked(connection: Connection, gate: str, now: float) -> dict[str, str]:
    """What ``gate`` was asked lately and has not answered, by the call's id."""
    done = select(answers.c.call).where(answers.c.gate == gate)
    waiting = calls.c.id.not_in(done), calls.c.asker != gate, calls.c.at > now - OLD_SECONDS
    return {row.id: row.body for row in connection.execute(select(calls.c.id, calls.c.body).where(*waiting))}


def answer(connection: Connection, call_id: str, gate: str, body: str, now: float) -> None:
    """The last word of ``gate``."""
    connection.execute(delete(answers).where(answers.c.call == call_id, answers.c.gate == gate))
    connection.execute(insert(answers).values(call=call_id, gate=gate, body=body))
    publish(connection, TOPIC, f"answered {call_id}", now)


def answered(connection: Connection, call_id: str) -> Mapping[str, str]:
    """What came so far, by the id of who answered."""
    rows = connection.execute(select(answers.c.gate, answers.c.body).where(answers.c.call == call_id))
    return {row.gate: row.body for row in rows}


def over(connection: Connection, call_id: str) -> None:
    """Nobody waits any more."""
    connection.execute(delete(answers).where(answers.c.call == call_id))
    connection.execute(delete(calls).where(calls.c.id == call_id))
