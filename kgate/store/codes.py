"""Codes that a client redeems for a session: authorization codes (RFC 6749 section 4.1.2) and device codes (RFC 8628).

A code is redeemed once. Whoever sends it a second time has a copy, or was copied: the session that came of it ends. That is told apart from a client whose
answer got lost by the refresh secret that it chose beforehand (see ``sessions``): the same code with the same first secret is the same client.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from attrs import evolve, frozen
from sqlalchemy import Column, Connection, Double, Row, String, Table, Text, delete, insert, select, update

from kgate.store.metadata import metadata
from kgate.store.people import Person, person_from_json, person_to_json

codes = Table(
    "codes",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("expires", Double, nullable=False, index=True),
    Column("user_code", String(16), unique=True),
    Column("challenge", String(128), nullable=False),
    Column("redirect_uri", String(2048), nullable=False),
    Column("address", String(64), nullable=False),
    Column("clusters", Text, nullable=False),
    Column("polled", Double, nullable=False),
    Column("person", Text, nullable=False),
    Column("provider_tokens", Text, nullable=False),
    Column("session", String(64), nullable=False),
)


class CodeState(Enum):
    """Where a code is on its way. An authorization code begins as APPROVED, a device code as WAITING."""

    WAITING = "waiting"
    APPROVED = "approved"
    DENIED = "denied"
    REDEEMED = "redeemed"
    WITHDRAWN = "withdrawn"
    """The provider ended the sign-in before the client came for it."""


@frozen
class Code:
    """One of them; ``digest`` is what is stored of it. ``provider_tokens`` are sealed."""

    digest: str
    state: CodeState
    expires: float
    user_code: str | None = None
    """What the person types: device codes only."""
    challenge: str = ""
    """PKCE: authorization codes only."""
    redirect_uri: str = ""
    address: str = ""
    """Where the device is that asked, or the browser that signed in."""
    clusters: str = ""
    """As in ``signins``."""
    polled: float = 0.0
    """When the device last asked."""
    person: Person | None = None
    provider_tokens: str = ""
    session: str = ""
    """What came of it, once it was redeemed."""


def add_code(connection: Connection, code: Code) -> None:
    """Remember it."""
    connection.execute(insert(codes).values(_columns(code)))


def find_code(connection: Connection, digest: str) -> Code | None:
    """The code with this digest, expired or not."""
    row = connection.execute(select(codes).where(codes.c.digest == digest)).one_or_none()
    return _code(row) if row is not None else None


def find_user_code(connection: Connection, user_code: str, now: float) -> Code | None:
    """The device code that waits for ``user_code``."""
    asked = select(codes).where(codes.c.user_code == user_code, codes.c.expires > now, codes.c.state == CodeState.WAITING.value)
    row = connection.execute(asked).one_or_none()
    return _code(row) if row is not None else None


def update_code(connection: Connection, code: Code) -> None:
    """What became of it."""
    connection.execute(update(codes).where(codes.c.digest == code.digest).values(_columns(code)))


def approve_device(connection: Connection, user_code: str, person: Person, provider_tokens: str, now: float) -> bool:
    """The person signed in for the device that shows ``user_code``; False where it waits no longer."""
    code = find_user_code(connection, user_code, now)
    if code is None:
        return False
    update_code(connection, evolve(code, state=CodeState.APPROVED, person=person, provider_tokens=provider_tokens))
    return True


def deny_device(connection: Connection, user_code: str, now: float) -> bool:
    """The person does not know the device; False where it waits no longer."""
    code = find_user_code(connection, user_code, now)
    if code is None:
        return False
    update_code(connection, evolve(code, state=CodeState.DENIED))
    return True


def withdraw_codes(connection: Connection, ended: Callable[[Person], bool]) -> None:
    """No session comes of sign-ins that are ``ended`` already."""
    waiting = select(codes).where(codes.c.state == CodeState.APPROVED.value)
    for code in map(_code, connection.execute(waiting).all()):
        if code.person is not None and ended(code.person):
            update_code(connection, evolve(code, state=CodeState.WITHDRAWN, provider_tokens=""))


def forget_codes(connection: Connection, now: float) -> None:
    """Remove what expired a while ago: until then, its client is told so, and a copy is noticed."""
    connection.execute(delete(codes).where(codes.c.expires < now - 3600))


def _columns(code: Code) -> dict[str, object]:
    values = {column.name: getattr(code, column.name) for column in codes.c}
    return values | {"state": code.state.value, "person": person_to_json(code.person) if code.person is not None else ""}


def _code(row: Row[Any]) -> Code:
    made = Code(**row._mapping)
    person = person_from_json(str(made.person)) if made.person else None
    return evolve(made, state=CodeState(made.state), person=person)
