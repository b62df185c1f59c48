"""What issuers and transmitters of security events told, kept until it cannot matter any more.

A notice is known by who told it and its id (``jti``): the same one that comes twice, which transmitters may do until it was acknowledged, is kept once. Every
gate holds the same notices; the feed says which one came.
"""

from __future__ import annotations

import json
import math

from attrs import asdict, evolve
from sqlalchemy import Column, Connection, Double, Integer, String, Table, Text, delete, insert, not_, select

from kgate.identity.notice_tokens import SKEW
from kgate.identity.notices import LASTING, Kind, Notice, Subject, horizons, matter_of
from kgate.store.changes import latest, publish
from kgate.store.metadata import metadata
from kgate.store.people import Person
from kgate.store.sessions import Session, sessions_of_address, sessions_of_provider

TOPIC = "notices"
"""Of the change feed; keys are ``key_of``."""
KEPT_SECONDS = 31 * 86400.0
"""Hardly a token that was issued before such a notice is still in force then; for those that are, a horizon stands for it."""
ENDING = frozenset({Kind.LOGOUT, Kind.SESSION_REVOKED, Kind.CREDENTIAL_CHANGED, Kind.ACCOUNT_DISABLED})
"""What ends the gate's sessions of whom it is about."""

notices = Table(
    "notices",
    metadata,
    Column("key", String(1024), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("received", Double, nullable=False, index=True),
    Column("document", Text, nullable=False),
    Column("place", Integer, nullable=False, server_default="2147483647"),
)
"""``place`` is that of the change which told of it: the order in which things came, which no clock tells."""


def key_of(notice: Notice, teller: str = "") -> str:
    """Whose the id is, the issuer itself where nobody else told it, and the id; neither has a space."""
    return f"{teller or notice.issuer} {notice.id}"


def keep(connection: Connection, notice: Notice, now: float, teller: str = "") -> bool:
    """Remember it, and tell every gate; False where it was there before. ``teller`` is as ``key_of`` has it."""
    key = key_of(notice, teller)
    if connection.execute(select(notices.c.key).where(notices.c.key == key)).first() is not None:
        return False
    publish(connection, TOPIC, key, now)
    connection.execute(insert(notices).values(_row(notice, now, teller) | {"place": latest(connection)}))
    return True


def find(connection: Connection, key: str) -> Notice | None:
    """One of them."""
    row = connection.execute(select(notices.c.document).where(notices.c.key == key)).one_or_none()
    return _notice(row.document) if row is not None else None


def all_notices(connection: Connection) -> tuple[Notice, ...]:
    """All of them, in the order in which they came."""
    return tuple(map(_notice, connection.execute(select(notices.c.document).order_by(notices.c.received)).scalars()))


def sessions_of(connection: Connection, notice: Notice, now: float) -> tuple[Session, ...]:
    """The gate's live sessions that the notice is about. One that began after the event is not, unless the notice names its very ``sid``."""
    subject = notice.subject
    if subject.sub or subject.session:
        found = sessions_of_provider(connection, notice.issuer, now, subject.sub, subject.session)
    else:
        found = sessions_of_address(connection, notice.issuer, subject.email, now) if subject.email else ()
    if subject.session or notice.kind is Kind.ACCOUNT_DISABLED:
        return found
    # Issuers date in whole seconds (NumericDate as nearly all write it): in the same second the session was there before. Fail closed.
    return tuple(session for session in found if math.floor(session.began) <= notice.at)


def is_about(notice: Notice, person: Person) -> bool:
    """Whether it means a sign-in that has no session yet."""
    subject = notice.subject
    if person.issuer != notice.issuer:
        return False
    if not subject.sub and not subject.session:
        return bool(subject.email) and subject.email in (person.user.lower(), person.email)
    return subject.sub in ("", person.subject) and subject.session in ("", person.provider_session)


def ended_since(connection: Connection, person: Person, since: float) -> bool:
    """Whether a notice that came at ``since`` or later ends a sign-in of ``person`` that had no session yet when it came."""
    came = select(notices.c.document).where(notices.c.received >= since, notices.c.kind.in_([kind.value for kind in ENDING]))
    return any(is_about(_notice(document), person) for document in connection.execute(came).scalars())


def dated(connection: Connection, person: Person, place: int) -> Person:
    """``person``, vouched for after whatever was known of them at ``place``, where their sign-in began.

    The nonce shows that the ID token was made after that, whatever date it has: Microsoft Entra's are five minutes old when they are made, and
    whoever signed out and in again would be signed out for so long.
    """
    if person.issued_at is None:
        return person
    told = select(notices.c.document).where(notices.c.received >= person.issued_at - SKEW, notices.c.place <= place)
    known = map(_notice, connection.execute(told).scalars())
    last = max((notice.at for notice in known if is_about(notice, person)), default=None)
    return person if last is None or last < person.issued_at else evolve(person, issued_at=math.nextafter(last, math.inf))


def forget(connection: Connection, now: float) -> None:
    """Let horizons stand for what is old, and let go of what lasts where something later was said of the same. Until it is so old it is
    kept all the same: the same notice may come once more, and is known by that."""
    lasting, old = notices.c.kind.in_([kind.value for kind in LASTING]), notices.c.received < now - KEPT_SECONDS
    over = [_notice(document) for document in connection.execute(select(notices.c.document).where(old, not_(lasting))).scalars()]
    connection.execute(delete(notices).where(old, not_(lasting)))
    for horizon in horizons(over):
        connection.execute(insert(notices).values(_row(horizon, received=0.0)))  # as old as can be: the next time it is one of those again
    rows = connection.execute(select(notices.c.key, notices.c.received, notices.c.document).where(lasting).order_by(notices.c.received))
    last: dict[object, float] = {}
    told = [(row.key, row.received, _notice(row.document)) for row in rows]
    for _, _, notice in told:
        last[matter_of(notice)] = max(notice.at, last.get(matter_of(notice), notice.at))
    gone = [key for key, received, notice in told if received < now - KEPT_SECONDS and notice.at < last[matter_of(notice)]]
    for start in range(0, len(gone), 500):
        connection.execute(delete(notices).where(notices.c.key.in_(gone[start : start + 500])))


def _row(notice: Notice, received: float, teller: str = "") -> dict[str, object]:
    document = json.dumps(asdict(notice) | {"kind": notice.kind.value})
    return {"key": key_of(notice, teller), "kind": notice.kind.value, "received": received, "document": document}


def _notice(document: str) -> Notice:
    facts = json.loads(document)
    return Notice(**facts | {"kind": Kind(facts["kind"]), "subject": Subject(**facts["subject"])})
