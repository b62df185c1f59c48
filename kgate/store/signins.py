"""Sign-ins under way at an identity provider: what the gate must remember between sending a browser there and its coming back.

Each is used once: taking it removes it, in the same transaction, so a callback that is sent twice finds nothing the second time. It is found by the
``state`` that the provider hands back, and belongs to the browser that holds its cookie: a callback in another browser is somebody else's sign-in, or a
forged one (RFC 9700 section 4.7).
"""

from __future__ import annotations

from attrs import frozen
from sqlalchemy import Boolean, Column, Connection, Double, Integer, String, Table, Text, delete, insert, select

from kgate.store.metadata import metadata

signins = Table(
    "signins",
    metadata,
    Column("state", String(64), primary_key=True),
    Column("browser", String(64), nullable=False),
    Column("issuer", String(2048), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("verifier", Text, nullable=False),
    Column("expires", Double, nullable=False, index=True),
    Column("redirect_uri", String(2048), nullable=False),
    Column("client_state", String(1024), nullable=False),
    Column("challenge", String(128), nullable=False),
    Column("user_code", String(16), nullable=False),
    Column("clusters", Text, nullable=False),
    Column("step_up", Boolean, nullable=False),
    Column("place", Integer, nullable=False, server_default="0"),
)


@frozen
class SignIn:
    """One of them. ``state`` and ``browser`` (its cookie) are digests, ``verifier`` (PKCE) is sealed.

    For the gate's own page the rest is empty; for ``kgate login`` it holds its redirect URI, state and PKCE challenge; for a device its user code.
    """

    state: str
    browser: str
    issuer: str
    nonce: str
    verifier: str
    expires: float
    redirect_uri: str = ""
    client_state: str = ""
    challenge: str = ""
    user_code: str = ""
    clusters: str = ""
    """Globs of the clusters that the session is to be for, between spaces; empty is any."""
    step_up: bool = False
    """Whether the person has to be asked anew."""
    place: int = 0
    """The last change when it began: how far notices were known (``store/notices``)."""


def begin_signin(connection: Connection, signin: SignIn) -> None:
    """Remember it."""
    connection.execute(insert(signins).values({column.name: getattr(signin, column.name) for column in signins.c}))


def forget_signins(connection: Connection, now: float) -> None:
    """Remove what nobody finished in time."""
    connection.execute(delete(signins).where(signins.c.expires <= now))


def is_under_way(connection: Connection, state: str) -> bool:
    """Whether there is one with this state (a digest)."""
    return connection.execute(select(signins.c.state).where(signins.c.state == state)).first() is not None


def take_signin(connection: Connection, state: str, now: float) -> SignIn | None:
    """The sign-in with this state (a digest), which is used up by that; None where there is none or it is too old."""
    row = connection.execute(select(signins).where(signins.c.state == state)).one_or_none()
    connection.execute(delete(signins).where((signins.c.state == state) | (signins.c.expires <= now)))
    return SignIn(*row) if row is not None and row.expires > now else None
