"""Who asks, and who the cluster sees."""

from __future__ import annotations

from typing import ClassVar, Final, TypedDict, Unpack

from attrs import frozen

from kgate.model.value import Parts, Value

Pairs = tuple[tuple[str, str], ...]
"""A small mapping as a sorted tuple of pairs, so that it can be hashed."""


@frozen(cache_hash=True)
class Device:
    """A machine that proved who it is, apart from who sits at it."""

    name: str
    compliant: bool | None = None
    """What the device inventory says; None where nothing is known, which never allows."""
    posture: Pairs = ()


class IdentityParts(TypedDict, total=False):
    """What ``Identity`` is made of."""

    user: str
    groups: tuple[str, ...]
    uid: str
    extra: tuple[tuple[str, tuple[str, ...]], ...]
    issuer: str
    """Where the identity comes from: ``tokens``, ``client-certificate`` or an OIDC issuer's URL."""
    session: str
    """The gate's own session, where the gate brokered the sign-in."""
    expires: float | None
    """The identity is worth nothing from this instant on."""
    authenticated_at: float | None
    acr: str
    amr: tuple[str, ...]
    device: Device | None
    robot: str
    """The name of the static token, where a program asks."""
    networks: tuple[str, ...]
    """Source networks (CIDR) this identity may come from; empty is any."""
    clusters: tuple[str, ...]
    """Globs of the clusters this identity may reach; empty is any."""
    group_sources: Pairs
    """Where each group came from (``token``, ``file``, ``scim``), for ``whoami``; empty where all came with the credential."""
    subject: str
    """The issuer's own name for the person (OIDC ``sub``), by which its notices (logout, account disabled) name them."""
    issuer_session: str
    """The issuer's own name for the session in which the person signed in (OIDC ``sid``)."""
    issued_at: float | None
    """When the issuer last vouched for this: a notice about something later outdates it."""
    email: str
    """The address, in lower case, that the issuer says it has verified: its notices may name the person by that."""


class Identity(Value):
    """Who asks. ``groups`` keep the order in which their source gave them."""

    PARTS: ClassVar = Parts(*IdentityParts.__annotations__)

    def __init__(
        self,
        user: str,
        groups: tuple[str, ...] = (),
        uid: str = "",
        extra: tuple[tuple[str, tuple[str, ...]], ...] = (),
        issuer: str = "",
        session: str = "",
        expires: float | None = None,
        authenticated_at: float | None = None,
        acr: str = "",
        amr: tuple[str, ...] = (),
        device: Device | None = None,
        robot: str = "",
        networks: tuple[str, ...] = (),
        clusters: tuple[str, ...] = (),
        group_sources: Pairs = (),
        subject: str = "",
        issuer_session: str = "",
        issued_at: float | None = None,
        email: str = "",
    ) -> None:
        self.user: Final = user
        self.groups: Final = groups
        self.uid: Final = uid
        self.extra: Final = extra
        self.issuer: Final = issuer
        self.session: Final = session
        self.expires: Final = expires
        self.authenticated_at: Final = authenticated_at
        self.acr: Final = acr
        self.amr: Final = amr
        self.device: Final = device
        self.robot: Final = robot
        self.networks: Final = networks
        self.clusters: Final = clusters
        self.group_sources: Final = group_sources
        self.subject: Final = subject
        self.issuer_session: Final = issuer_session
        self.issued_at: Final = issued_at
        self.email: Final = email

    def but(self, **changes: Unpack[IdentityParts]) -> Identity:
        """The same in all but these."""
        return Identity(**{**self.parts(), **changes})


class Impersonation(Value):
    """Who the cluster sees."""

    PARTS: ClassVar = Parts("user", "groups", "uid", "extra")

    def __init__(
        self,
        user: str,
        groups: tuple[str, ...] = (),
        uid: str = "",
        extra: tuple[tuple[str, tuple[str, ...]], ...] = (),
    ) -> None:
        self.user: Final = user
        self.groups: Final = groups
        self.uid: Final = uid
        self.extra: Final = extra
