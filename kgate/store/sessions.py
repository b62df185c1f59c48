"""Gate sessions: who signed in, until when, and the secret by which their client gets the next gate token.

A session ends once and stays as a row for a while, so that whoever still holds something of it is told why. Its identity is the store's, not the token's:
when the identity provider says something new of the person, the row changes and every gate hears of it.

**Refresh secrets are chosen by the client and rotate on each use.** The client makes the next secret itself, keeps it on its disk, and only then sends the
one in force together with the digest of the next. So the rotation can be repeated: a client that was killed before it read the answer sends the very same
pair again, and is answered again. Anybody who sends a secret that is no longer in force with *another* next one is not that client: somebody has a
copy, nobody can say who, and the session ends (RFC 9700 section 4.14). No time window is needed, during which a thief would pass for the client.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from typing import Any

from attrs import frozen
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Double,
    ForeignKey,
    Index,
    Row,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from kgate.store.changes import publish
from kgate.store.metadata import metadata
from kgate.store.people import Person, person_from_json, person_to_json

TOPIC = "sessions"
"""Of the change feed; keys are session ids."""
KEPT_SECONDS = 86400.0
"""How long an ended session is remembered."""

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("user", String(1024), nullable=False, index=True),
    Column("issuer", String(2048), nullable=False),
    Column("subject", String(1024), nullable=False),
    Column("provider_session", String(1024), nullable=False),
    Column("person", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double, nullable=False, index=True),
    Column("address", String(64), nullable=False),
    Column("clusters", Text, nullable=False),
    Column("ended", Double),
    Column("ended_why", String(1024), nullable=False),
    Column("provider_tokens", Text, nullable=False),
    Column("checked", Double, nullable=False),
    Column("check_due", Double, nullable=False),
    Index("ix_sessions_issuer_subject", "issuer", "subject"),
    Index("ix_sessions_issuer_provider_session", "issuer", "provider_session"),
)

refresh_secrets = Table(
    "refresh_secrets",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("session", String(64), ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("made", Double, nullable=False),
    Column("next", String(64), nullable=False),
)
"""All secrets of a session, its *family*; ``next`` is empty for the one in force."""

cookies = Table(
    "cookies",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("session", String(64), ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
)
"""Secrets of browsers: each is good as it is for as long as its session lives."""


class Kind(Enum):
    """How somebody signed in."""

    CLI = "cli"
    DEVICE = "device"
    BROWSER = "browser"


@frozen(cache_hash=True)
class Session:
    """One sign-in and what became of it."""

    id: str
    kind: Kind
    person: Person
    created: float
    expires: float
    address: str = ""
    """From where the person signed in."""
    clusters: tuple[str, ...] = ()
    """Globs of the clusters that it is for; empty is any."""
    ended: float | None = None
    ended_why: str = ""
    checked: float = 0.0
    """When the identity provider last confirmed it."""
    check_due: float = 0.0
    """When it is to be asked again; 0 where it cannot be asked."""

    @property
    def began(self) -> float:
        """When the person signed in, by the identity provider's clock, which its notices are dated by too; by ours where it did not say. It tells
        whole seconds, so ours may say when in that second: somebody may sign out and in again within it."""
        issued = self.person.issued_at
        return self.created if issued is None else min(max(self.created, issued), issued + 0.999)

    @property
    def vouched(self) -> float:
        """When the identity provider last stood by it, by the same clock."""
        return self.began + (self.checked - self.created)


def open_session(connection: Connection, session: Session, provider_tokens: str = "") -> None:
    """A person signed in. ``provider_tokens`` are sealed already."""
    values = {
        "id": session.id,
        "kind": session.kind.value,
        "created": session.created,
        "expires": session.expires,
        "address": session.address,
        "clusters": " ".join(session.clusters),
        "ended": None,
        "ended_why": "",
        "provider_tokens": provider_tokens,
        "checked": session.checked,
        "check_due": session.check_due,
    }
    connection.execute(insert(sessions).values(**values, **_columns(session.person)))
    publish(connection, TOPIC, session.id, session.created)


def end_sessions(connection: Connection, ids: Sequence[str], why: str, now: float) -> tuple[str, ...]:
    """End those of ``ids`` that live; gives them. ``why`` reads well behind "your session ended: "."""
    living = select(sessions.c.id).where(sessions.c.id.in_(ids), sessions.c.ended.is_(None), sessions.c.expires > now)
    ending = tuple(row.id for row in connection.execute(living))
    if ending:
        ended = update(sessions).where(sessions.c.id.in_(ending))
        connection.execute(ended.values(ended=now, ended_why=why[:1024], provider_tokens="", check_due=0.0))
    for id_ in ending:
        publish(connection, TOPIC, id_, now)
    return ending


def shorten_sessions(connection: Connection, longest: float, now: float, most: int) -> int:
    """Those that live end ``longest`` seconds after they began at the latest, ``most`` of them in this transaction; gives how many would have lived on."""
    last = sessions.c.created + longest
    longer = select(sessions.c.id).where(sessions.c.ended.is_(None), sessions.c.expires > now, sessions.c.expires > last).limit(most)
    ids = connection.execute(longer).scalars().all()
    connection.execute(update(sessions).where(sessions.c.id.in_(ids)).values(expires=last))
    for id_ in ids:
        publish(connection, TOPIC, id_, now)
    return len(ids)


def find_session(connection: Connection, id_: str) -> Session | None:
    """The session ``id_``, alive or ended."""
    row = connection.execute(select(sessions).where(sessions.c.id == id_)).one_or_none()
    return _session(row) if row is not None else None


def live_sessions(connection: Connection, now: float) -> tuple[Session, ...]:
    """All that live at ``now``."""
    return _found(connection, now, sessions.c.id.is_not(None))


def sessions_of_user(connection: Connection, user: str, now: float) -> tuple[Session, ...]:
    """The live sessions of one person, by the name that the gate knows them by, in any case of its letters."""
    return _found(connection, now, or_(sessions.c.user == user, func.lower(sessions.c.user) == user.lower()))


def sessions_of_address(connection: Connection, issuer: str, email: str, now: float) -> tuple[Session, ...]:
    """The live sessions of whom an issuer's people know by ``email`` (in lower case), however their user name is written: it may be the address, or the
    issuer told that beside it."""
    told = sessions.c.person.contains(f'"email":{json.dumps(email)}', autoescape=True)
    return _found(connection, now, and_(sessions.c.issuer == issuer, or_(func.lower(sessions.c.user) == email, told)))


def sessions_of_provider(
    connection: Connection, issuer: str, now: float, subject: str = "", provider_session: str = ""
) -> tuple[Session, ...]:
    """The live sessions that a provider means by ``sub``, ``sid`` or both (OpenID Connect Back-Channel Logout 1.0 section 2.4)."""
    asked = [column == value for column, value in ((sessions.c.subject, subject), (sessions.c.provider_session, provider_session)) if value]
    return _found(connection, now, and_(sessions.c.issuer == issuer, *asked)) if asked else ()


def _found(connection: Connection, now: float, condition: ColumnElement[bool]) -> tuple[Session, ...]:
    living = and_(condition, sessions.c.ended.is_(None), sessions.c.expires > now)
    return tuple(_session(row) for row in connection.execute(select(sessions).where(living).order_by(sessions.c.created)))


# --- secrets


class Rotation(Enum):
    """What became of a refresh secret that somebody sent."""

    DONE = "done"
    """Also where the very same rotation was done before."""
    UNKNOWN = "unknown"
    ENDED = "ended"
    """Its session is over."""
    REUSED = "reused"
    """The secret was used before, with another next one: the session has been ended for that."""


REUSED = "its refresh secret was used twice, so somebody has a copy of it"


def add_refresh_secret(connection: Connection, session: str, secret: str, now: float) -> None:
    """The first secret of a session; ``secret`` is a digest."""
    connection.execute(insert(refresh_secrets).values(digest=secret, session=session, made=now, next=""))


def rotate(connection: Connection, secret: str, following: str, now: float) -> tuple[Rotation, Session | None]:
    """Use a refresh secret and put ``following`` in its place (digests). See the module."""
    row = connection.execute(select(refresh_secrets).where(refresh_secrets.c.digest == secret)).one_or_none()
    session = find_session(connection, row.session) if row is not None else None
    if row is None or session is None:
        return Rotation.UNKNOWN, None
    if session.ended is not None or session.expires <= now:
        return Rotation.ENDED, session
    if row.next == following:
        return (Rotation.DONE, session) if _in_force(connection, following) else (_reused(connection, session, now), session)
    if row.next or _known(connection, following):
        return _reused(connection, session, now), session
    connection.execute(update(refresh_secrets).where(refresh_secrets.c.digest == secret).values(next=following))
    add_refresh_secret(connection, session.id, following, now)
    return Rotation.DONE, session


def session_of_refresh_secret(connection: Connection, secret: str) -> Session | None:
    """Whose it is, in force or not: enough to end the session, never to go on with it."""
    row = connection.execute(select(refresh_secrets.c.session).where(refresh_secrets.c.digest == secret)).one_or_none()
    return find_session(connection, row.session) if row is not None else None


def _reused(connection: Connection, session: Session, now: float) -> Rotation:
    end_sessions(connection, [session.id], REUSED, now)
    return Rotation.REUSED


def _in_force(connection: Connection, secret: str) -> bool:
    return connection.execute(select(refresh_secrets.c.next).where(refresh_secrets.c.digest == secret)).scalar_one_or_none() == ""


def _known(connection: Connection, secret: str) -> bool:
    return connection.execute(select(refresh_secrets.c.digest).where(refresh_secrets.c.digest == secret)).first() is not None


def add_cookie(connection: Connection, session: str, secret: str) -> None:
    """A browser's secret; ``secret`` is a digest."""
    connection.execute(insert(cookies).values(digest=secret, session=session))


def session_of_cookie(connection: Connection, secret: str) -> Session | None:
    """Whose it is, alive or ended."""
    row = connection.execute(select(sessions).join(cookies).where(cookies.c.digest == secret)).one_or_none()
    return _session(row) if row is not None else None


def provider_tokens_of(connection: Connection, id_: str) -> str:
    """What the session holds of its provider's, sealed; empty where there is nothing."""
    return connection.execute(select(sessions.c.provider_tokens).where(sessions.c.id == id_)).scalar_one_or_none() or ""


# --- asking the identity provider again


def claim_checks(connection: Connection, now: float, again: float, most: int) -> tuple[tuple[Session, str], ...]:
    """Sessions that are due to be confirmed, with their sealed tokens; nobody else gets them until ``again``, so one gate asks for each."""
    due = (
        select(sessions)
        .where(sessions.c.ended.is_(None), sessions.c.expires > now, sessions.c.check_due > 0, sessions.c.check_due <= now)
        .order_by(sessions.c.check_due)
        .limit(most)
    )
    rows = connection.execute(due).all()
    if rows:
        connection.execute(update(sessions).where(sessions.c.id.in_([row.id for row in rows])).values(check_due=again))
    return tuple((_session(row), row.provider_tokens) for row in rows)


def check_again(connection: Connection, ids: Sequence[str], due: float) -> None:
    """Ask the provider about those of ``ids`` that live, and that it can be asked about, at ``due``."""
    asked = update(sessions).where(sessions.c.id.in_(ids), sessions.c.ended.is_(None), sessions.c.check_due > 0)
    connection.execute(asked.values(check_due=due))


def due_now(connection: Connection, ids: Sequence[str], now: float) -> None:
    """The provider said that something of these changed: ask it at once."""
    check_again(connection, ids, now)


def confirm_session(connection: Connection, id_: str, person: Person, provider_tokens: str, now: float, due: float) -> None:
    """The provider stands by it. ``person`` is what it says now; gates hear of it where that is something new."""
    row = connection.execute(select(sessions).where(sessions.c.id == id_, sessions.c.ended.is_(None))).one_or_none()
    if row is None:
        return
    values = {**_columns(person), "provider_tokens": provider_tokens, "checked": now, "check_due": due}
    connection.execute(update(sessions).where(sessions.c.id == id_).values(values))
    if _session(row).person != person:
        publish(connection, TOPIC, id_, now)


def forget_sessions(connection: Connection, now: float) -> None:
    """Remove what ended or expired a day ago; its secrets go with it."""
    old = now - KEPT_SECONDS
    connection.execute(delete(sessions).where(or_(sessions.c.ended < old, sessions.c.expires < old)))


# --- rows


def _columns(person: Person) -> dict[str, object]:
    return {
        "user": person.user,
        "issuer": person.issuer,
        "subject": person.subject,
        "provider_session": person.provider_session,
        "person": person_to_json(person),
    }


def _session(row: Row[Any]) -> Session:
    return Session(
        row.id,
        Kind(row.kind),
        person_from_json(row.person),
        row.created,
        row.expires,
        row.address,
        tuple(row.clusters.split()),
        row.ended,
        row.ended_why,
        row.checked,
        row.check_due,
    )
