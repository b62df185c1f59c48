"""Access requests: who asked for what a rule offers, who approved or refused it, and the grants that came of it.

    OPEN ──enough approvals──▶ GRANTED ──▶ REVOKED
      │ ├──▶ DENIED             └ its end passes: over, with nothing to write
      │ └──▶ WITHDRAWN
      └ nobody answers within a day: lapsed, with nothing to write

Whether somebody is among the approvers of an offer is the policy's to say, and the caller's to ask before. What does not depend on the policy is held here, in
the transaction that writes: nobody approves their own, nobody approves twice, what is decided stays decided. Each grant that begins or ends is
published under the name of its holder, so that every gate reads that person's grants anew and decides their live streams again.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from enum import Enum
from typing import Any

from attrs import asdict, evolve, frozen
from sqlalchemy import Column, Connection, Double, Integer, Row, String, Table, Text, and_, case, delete, func, insert, or_, select, update

from kgate.model import Grant
from kgate.store.changes import publish
from kgate.store.metadata import metadata

TOPIC = "grants"
"""Of the change feed; keys are the names of those who hold them."""
ANSWER_SECONDS = 86400.0
"""How long a request waits for its approvers."""
TOLD_SECONDS = 3600.0
"""How long a grant that ended is still told to the policy, so that a denial can say what became of it."""
KEPT_SECONDS = 90 * 86400.0
MOST_OPEN = 20
"""Requests of one person that wait at the same time."""

access_requests = Table(
    "access_requests",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user", String(1024), nullable=False, index=True),
    Column("rule", String(64), nullable=False),
    Column("cluster", String(64), nullable=False),
    Column("namespace", String(64), nullable=False),
    Column("reason", String(1024), nullable=False),
    Column("duration", Double, nullable=False),
    Column("needed", Integer, nullable=False),
    Column("created", Double, nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("approvals", Text, nullable=False),
    Column("begins", Double, nullable=False),
    Column("until", Double, nullable=False, index=True),
    Column("ended_by", String(1024), nullable=False),
    Column("ended_why", String(1024), nullable=False),
)


class State(Enum):
    """Where a request is; see the module."""

    OPEN = "open"
    GRANTED = "granted"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"


@frozen
class Approval:
    """One person's yes."""

    user: str
    at: float
    reason: str = ""


@frozen
class AccessRequest:
    """One of them. Times are Unix seconds, ``duration`` is seconds."""

    id: str
    user: str
    rule: str
    cluster: str
    namespace: str
    reason: str
    duration: float
    needed: int
    """Approvals, each of another person."""
    created: float
    state: State = State.OPEN
    approvals: tuple[Approval, ...] = ()
    begins: float = 0.0
    until: float = 0.0
    ended_by: str = ""
    ended_why: str = ""

    def standing(self, now: float) -> str:
        """Its state in one word, the passing of time included: ``open``, ``lapsed``, ``granted``, ``over`` …"""
        if self.state is State.OPEN and now >= self.created + ANSWER_SECONDS:
            return "lapsed"
        return "over" if self.state is State.GRANTED and now >= self.until else self.state.value

    @property
    def grant(self) -> Grant:
        """What the policy sees of it, once it was granted."""
        approvers = tuple(each.user for each in self.approvals)
        revoked_by = self.ended_by if self.state is State.REVOKED else ""
        return Grant(
            self.id, self.user, self.rule, self.cluster, self.namespace, self.begins, self.until, self.reason, approvers, revoked_by
        )


@frozen
class Objection:
    """Why it cannot be done: the rest of a sentence."""

    text: str


Outcome = AccessRequest | Objection


def open_request(connection: Connection, request: AccessRequest) -> Outcome:
    """Somebody asks."""
    waiting = select(func.count()).where(
        access_requests.c.user == request.user,
        access_requests.c.state == State.OPEN.value,
        access_requests.c.created > request.created - ANSWER_SECONDS,
    )
    if connection.execute(waiting).scalar_one() >= MOST_OPEN:
        return Objection(f"{request.user} has {MOST_OPEN} requests that wait already; revoke one, or wait for an answer")
    connection.execute(insert(access_requests).values(_columns(request)))
    return request


def approve_request(connection: Connection, id_: str, by: str, reason: str, needed: int, longest: float, now: float) -> Outcome:
    """``by`` says yes; the last approval that is ``needed`` begins the grant, for ``longest`` seconds at most."""
    request = _waiting(connection, id_, now)
    if isinstance(request, Objection):
        return request
    if request.user == by:
        return Objection("nobody approves their own request; another approver has to")
    if any(each.user == by for each in request.approvals):
        return Objection("you have approved it already; it takes another approver")
    approvals = (*request.approvals, Approval(by, now, reason))
    approved = evolve(request, approvals=approvals, needed=needed)
    if len(approvals) >= needed:
        duration = min(request.duration, longest)
        approved = evolve(approved, state=State.GRANTED, duration=duration, begins=now, until=now + duration)
        publish(connection, TOPIC, request.user, now)
    return _written(connection, approved)


def deny_request(connection: Connection, id_: str, by: str, reason: str, now: float) -> Outcome:
    """``by`` says no."""
    request = _waiting(connection, id_, now)
    if isinstance(request, Objection):
        return request
    return _written(connection, evolve(request, state=State.DENIED, ended_by=by, ended_why=reason))


def revoke_request(connection: Connection, id_: str, by: str, reason: str, now: float) -> Outcome:
    """``by`` takes a grant back, or the request for one where it is their own."""
    request = find_request(connection, id_)
    if request is None:
        return Objection(f"there is no request {id_}")
    standing = request.standing(now)
    if standing == State.GRANTED.value:
        publish(connection, TOPIC, request.user, now)
        return _written(connection, evolve(request, state=State.REVOKED, ended_by=by, ended_why=reason))
    if standing == State.OPEN.value and request.user == by:
        return _written(connection, evolve(request, state=State.WITHDRAWN, ended_by=by, ended_why=reason))
    return Objection(f"request {id_} is {standing}; there is nothing to revoke" + ("" if standing != "open" else ", but it can be denied"))


def find_request(connection: Connection, id_: str) -> AccessRequest | None:
    """The request ``id_``."""
    row = connection.execute(select(access_requests).where(access_requests.c.id == id_)).one_or_none()
    return _request(row) if row is not None else None


def latest_requests(connection: Connection, now: float, most: int = 1000) -> tuple[AccessRequest, ...]:
    """The newest first; where there are more than ``most``, those that somebody waits for or that are in force before others."""
    each = access_requests.c
    current = or_(
        and_(each.state == State.OPEN.value, each.created > now - ANSWER_SECONDS), and_(each.state == State.GRANTED.value, each.until > now)
    )
    rows = connection.execute(
        select(access_requests).order_by(case((current, 0), else_=1), each.created.desc(), each.id.desc()).limit(most)
    )
    return tuple(sorted(map(_request, rows), key=lambda request: (request.created, request.id), reverse=True))


def grants(connection: Connection, users: Collection[str] | None, now: float) -> dict[str, tuple[Grant, ...]]:
    """What the policy is to see, by holder: of ``users``, or of everybody."""
    told = select(access_requests).where(
        access_requests.c.state.in_([State.GRANTED.value, State.REVOKED.value]), access_requests.c.until > now - TOLD_SECONDS
    )
    if users is not None:
        told = told.where(access_requests.c.user.in_(users))
    found: dict[str, tuple[Grant, ...]] = {}
    for row in connection.execute(told.order_by(access_requests.c.id)):
        found[row.user] = (*found.get(row.user, ()), _request(row).grant)
    return found


def forget_requests(connection: Connection, now: float) -> None:
    """Remove what is over for long; the audit keeps it."""
    old = now - KEPT_SECONDS
    connection.execute(
        delete(access_requests).where(access_requests.c.created < old, or_(access_requests.c.until == 0.0, access_requests.c.until < old))
    )


def _waiting(connection: Connection, id_: str, now: float) -> Outcome:
    request = find_request(connection, id_)
    if request is None:
        return Objection(f"there is no request {id_}")
    standing = request.standing(now)
    return request if standing == State.OPEN.value else Objection(f"request {id_} is {standing} already")


def _written(connection: Connection, request: AccessRequest) -> AccessRequest:
    connection.execute(update(access_requests).where(access_requests.c.id == request.id).values(_columns(request)))
    return request


def _columns(request: AccessRequest) -> dict[str, object]:
    approvals = json.dumps([asdict(each) for each in request.approvals])
    return {column.name: getattr(request, column.name) for column in access_requests.c} | {
        "state": request.state.value,
        "approvals": approvals,
    }


def _request(row: Row[Any]) -> AccessRequest:
    made = AccessRequest(**row._mapping)
    approvals = tuple(Approval(**each) for each in json.loads(str(made.approvals)))
    return evolve(made, state=State(made.state), approvals=approvals)
