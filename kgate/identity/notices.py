"""What an issuer tells between two tokens: somebody logged out, an account is disabled, a device fell out of compliance.

``Notices`` is what is in force, held against every identity that was authenticated. It says one of three things: nothing; that the credential is outdated
(the issuer vouched for it before the event); or that a fact in it changed (assurance, compliance). It knows no store: ``add`` is called for what was
kept, at start and as it arrives.

Notices are forgotten one day, and nobody knows how old a token may be that is still in force. So for those that are forgotten one stands that names anybody
(``horizons``): whatever the issuer vouched for before it might have been meant.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

from attrs import evolve, frozen

from kgate.identity.credentials import Rejected
from kgate.memory import remember
from kgate.model import Device, Identity


class Kind(Enum):
    """What happened. The values are the words of audit records."""

    LOGOUT = "logout"
    SESSION_REVOKED = "session-revoked"
    CLAIMS_CHANGED = "token-claims-change"
    CREDENTIAL_CHANGED = "credential-change"
    COMPLIANCE_CHANGED = "device-compliance-change"
    ASSURANCE_CHANGED = "assurance-level-change"
    ACCOUNT_DISABLED = "account-disabled"
    ACCOUNT_ENABLED = "account-enabled"
    VERIFICATION = "verification"
    """A transmitter's test of the stream: nothing happened."""


_SAID: dict[Kind, str] = {
    Kind.LOGOUT: "you signed out at the identity provider",
    Kind.SESSION_REVOKED: "the identity provider ended the session",
    Kind.CLAIMS_CHANGED: "what the identity provider says of you changed",
    Kind.CREDENTIAL_CHANGED: "your credential at the identity provider changed",
    Kind.ACCOUNT_DISABLED: "the identity provider disabled the account",
}
_SAME_MATTER: dict[Kind, Kind] = {Kind.ACCOUNT_ENABLED: Kind.ACCOUNT_DISABLED}
LASTING: Final = frozenset({Kind.ACCOUNT_DISABLED, Kind.ACCOUNT_ENABLED, Kind.COMPLIANCE_CHANGED})
"""What holds until the opposite is said."""
KEPT: Final = 8192
ANYBODY: Final = "\n"
"""Stands for every name of a kind. No name and no id of a token's is printed like that."""
_LONG_AGO: Final = "the token is older than what is remembered of those that its issuer revoked"


@frozen
class Subject:
    """Whom or what an event is about; what is empty is not part of it. All that is there must fit an identity."""

    sub: str = ""
    email: str = ""
    session: str = ""
    device: str = ""

    def __bool__(self) -> bool:
        return bool(self.sub or self.email or self.session or self.device)


@frozen
class Notice:
    """One event of one issuer. ``at`` is when it happened (Unix seconds); ``id`` (the token's ``jti``) is unique within the issuer, or
    within whoever tells of its people."""

    issuer: str
    id: str
    kind: Kind
    subject: Subject
    at: float
    compliant: bool | None = None
    level: str = ""
    """The assurance level from now on, as ``acr`` values name it."""
    state: str = ""
    """What a verification echoes."""


class Notices:
    """The notices in force, by what they name. Each kind is kept by itself, so that none undoes another: an account that is enabled again does not
    bring back the sessions that were ended before."""

    def __init__(self) -> None:
        self._kept: dict[Kind, dict[_Key, Notice]] = {}
        self._applied: dict[Identity, Identity | Rejected] = {}

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def add(self, notice: Notice) -> None:
        """From now on it counts; of two about the same the later event does."""
        if notice.kind is Kind.VERIFICATION:
            return
        self._applied.clear()
        kind, key = matter_of(notice)
        kept = self._kept.setdefault(kind, {})
        known = kept.get(key)
        if known is None or known.at <= notice.at:
            kept[key] = notice

    def forget(self, before: float) -> bool:
        """Let their horizons stand for what happened before that (Unix seconds) and does not last; whether there was any."""
        gone = [notice for kind, kept in self._kept.items() if kind not in LASTING for notice in kept.values() if notice.at < before]
        for notice in gone:
            kind, key = matter_of(notice)
            del self._kept[kind][key]
        for horizon in horizons(gone):
            self.add(horizon)
        return any(ANYBODY not in _key(notice) for notice in gone)

    def applied(self, identity: Identity) -> Identity | Rejected:
        """The identity as the notices leave it, or why it is worth nothing any more."""
        if not self._kept:
            return identity
        found = self._applied.get(identity)
        if found is None:
            found = remember(self._applied, identity, self._apply(identity), KEPT)
        return found

    def _apply(self, identity: Identity) -> Identity | Rejected:
        for kind, kept in self._kept.items():
            for key in _keys(identity):
                notice = kept.get(key)
                if notice is None:
                    continue
                if kind is Kind.COMPLIANCE_CHANGED:
                    identity = identity.but(device=_with_compliance(identity.device, notice))
                elif kind is Kind.ASSURANCE_CHANGED:
                    identity = identity.but(acr=notice.level) if _is_later(notice, identity) else identity
                elif _outdates(notice, identity):
                    return Rejected(_LONG_AGO if ANYBODY in key else _SAID[notice.kind], "sign in again")
        return identity


def concerns(notice: Notice, identity: Identity) -> bool:
    """Whether a live stream of ``identity`` has to be decided again because of ``notice``."""
    return _key(notice) in _keys(identity)


def horizons(gone: Iterable[Notice]) -> tuple[Notice, ...]:
    """What stands for those that are forgotten: of each issuer, kind and kind of name the latest, about anybody who has such a name."""
    latest: dict[tuple[Kind, str, str], float] = {}
    for notice in gone:
        issuer, name, whom = _key(notice)
        if whom:
            latest[notice.kind, issuer, name] = max(notice.at, latest.get((notice.kind, issuer, name), notice.at))
    return tuple(
        Notice(issuer, f"{ANYBODY}{kind.value} {name}", kind, Subject(**{name: ANYBODY}), at) for (kind, issuer, name), at in latest.items()
    )


_Key = tuple[str, str, str]


def matter_of(notice: Notice) -> tuple[Kind, _Key]:
    """What it is about: of several notices in one matter the latest counts."""
    return _SAME_MATTER.get(notice.kind, notice.kind), _key(notice)


def _key(notice: Notice) -> _Key:
    """By the narrowest that is named: a session rather than a person."""
    subject = notice.subject
    if notice.kind is Kind.COMPLIANCE_CHANGED:
        return "", "device", subject.device or subject.session or subject.sub  # who manages devices is seldom who knows people
    kind = "session" if subject.session else "sub" if subject.sub else "email"
    return notice.issuer, kind, subject.session or subject.sub or subject.email


def _keys(identity: Identity) -> tuple[_Key, ...]:
    """What it is called, the horizons first: what is known of just this one counts over them."""
    issuer, device = identity.issuer, identity.device
    named = (
        (issuer, "session", identity.issuer_session),
        (issuer, "sub", identity.subject),
        (issuer, "email", identity.user.lower()),
        (issuer, "email", identity.email),
        ("", "device", device.name if device is not None else ""),
    )
    known = tuple(key for key in named if key[2])
    return *((issuer, name, ANYBODY) for issuer, name, _ in known), *known


def _with_compliance(device: Device | None, notice: Notice) -> Device | None:
    """The device as the notice leaves it. Which of an inventory's no and a yes that was told is later, nobody knows: the no counts."""
    return device if device is None or device.compliant is False else evolve(device, compliant=notice.compliant)


def _is_later(notice: Notice, identity: Identity) -> bool:
    """Whether the event came after the issuer last vouched for the identity. In the same second it did: fail closed."""
    return identity.issued_at is None or identity.issued_at <= notice.at


def _outdates(notice: Notice, identity: Identity) -> bool:
    if notice.kind is Kind.ACCOUNT_ENABLED:
        return False
    if notice.kind is Kind.ACCOUNT_DISABLED:
        return True
    if identity.session and (notice.kind is Kind.CLAIMS_CHANGED or ANYBODY in _key(notice)):
        return False  # the gate asks the issuer again and sees the new claims; it ended the sessions that were meant when it heard of them
    return _is_later(notice, identity)
