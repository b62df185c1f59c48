"""The tokens in which an issuer gives notice.

Two dialects, one meaning. A *logout token* (OpenID Connect Back-Channel Logout 1.0) ends a session or all sessions of a person. A *security event
token* (RFC 8417) carries one event of CAEP 1.0 or RISC 1.0, its subject in a format of RFC 9493. Both are signed like any token of the issuer; whoever
calls has verified that. What is left is what the claims must say to be such a notice and not another token of the same issuer (class 20, token-kind
confusion), and what it means: a ``Notice``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from attrs import frozen

from kgate.identity.notices import Kind, Notice, Subject

Claims = Mapping[str, Any]

BACKCHANNEL_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
_CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
_RISC = "https://schemas.openid.net/secevent/risc/event-type/"
_SSF = "https://schemas.openid.net/secevent/ssf/event-type/"
SKEW = 120.0
"""Seconds by which an issuer's clock may be ahead of ours."""
LOGOUT_OLDEST = 600.0
"""Seconds after which a logout token that has no ``exp`` is too old to be a fresh one."""
_LONGEST = 512
UNAVAILABLE = "unavailable"
"""The one error that is not the token's: it can be told again, and should be."""

_KINDS: Mapping[str, Kind] = {
    BACKCHANNEL_LOGOUT: Kind.LOGOUT,
    _CAEP + "session-revoked": Kind.SESSION_REVOKED,
    _CAEP + "token-claims-change": Kind.CLAIMS_CHANGED,
    _CAEP + "credential-change": Kind.CREDENTIAL_CHANGED,
    _CAEP + "device-compliance-change": Kind.COMPLIANCE_CHANGED,
    _CAEP + "assurance-level-change": Kind.ASSURANCE_CHANGED,
    _RISC + "sessions-revoked": Kind.SESSION_REVOKED,
    _RISC + "account-disabled": Kind.ACCOUNT_DISABLED,
    _RISC + "account-purged": Kind.ACCOUNT_DISABLED,
    _RISC + "account-enabled": Kind.ACCOUNT_ENABLED,
    _RISC + "account-credential-change-required": Kind.CREDENTIAL_CHANGED,
    _RISC + "credential-compromise": Kind.CREDENTIAL_CHANGED,
    _SSF + "verification": Kind.VERIFICATION,
}


@frozen
class Refused:
    """Why a token is no notice. ``error`` is a code of RFC 8935 section 2.4, which a transmitter understands, or ``UNAVAILABLE``."""

    error: str
    text: str


def logout_notice(claims: Claims, typ: str, now: float) -> Notice | Refused:
    """The notice of a verified logout token (section 2.6 of the specification). ``typ`` is its header's."""
    if typ.lower() not in ("", "jwt", "logout+jwt", "application/logout+jwt"):
        return Refused("invalid_request", "the token's typ is not that of a logout token")
    if "nonce" in claims:
        return Refused("invalid_request", "a logout token has no nonce: this is an ID token")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(BACKCHANNEL_LOGOUT), dict):
        return Refused("invalid_request", "the token has no logout event")
    subject = Subject(sub=_text(claims.get("sub")), session=_text(claims.get("sid")))
    if not subject:
        return Refused("invalid_request", "the logout token names neither sub nor sid")
    expires = claims.get("exp")
    issued = _instant(claims.get("iat"))
    if issued is None or issued > now + SKEW:
        return Refused("invalid_request", "the logout token has no iat, or one in the future")
    if (expires is None and issued < now - LOGOUT_OLDEST) or (expires is not None and (_instant(expires) or 0) < now):
        return Refused("invalid_request", "the logout token is too old")
    return _notice(claims, Kind.LOGOUT, subject, issued)


def security_event(claims: Claims, typ: str, now: float, whose: Collection[str]) -> Notice | Refused:
    """The notice of a verified security event token. ``typ`` is its header's, and must say what it is (RFC 8417 section 2.3). ``whose`` are the issuers
    whose people it may speak of: two issuers may call different people alike."""
    if typ.lower() not in ("secevent+jwt", "application/secevent+jwt"):
        return Refused("invalid_request", "the token's typ is not secevent+jwt")
    events = claims.get("events")
    if not isinstance(events, dict) or len(events) != 1:
        return Refused("invalid_request", "the token has not exactly one event")
    ((uri, event),) = events.items()
    kind = _KINDS.get(uri)
    if kind is None or kind is Kind.LOGOUT or not isinstance(event, dict):
        return Refused("invalid_request", "the event is of a type that was not asked for")
    issued = _instant(claims.get("iat"))
    if issued is None or issued > now + SKEW:
        return Refused("invalid_request", "the token has no iat, or one in the future")
    if kind is Kind.VERIFICATION:
        return _notice(claims, kind, Subject(), issued, state=_text(event.get("state")))
    subject = _subject(claims.get("sub_id") or event.get("subject"), whose)
    if subject is None:
        return Refused("invalid_request", "the event is about somebody of another issuer")
    if not subject or not (subject.sub or subject.email or subject.session or kind is Kind.COMPLIANCE_CHANGED):
        return Refused("invalid_request", "the event's subject is missing or of a format that is not known here")
    at = _instant(event.get("event_timestamp")) or _instant(claims.get("toe")) or issued
    return _notice(
        claims,
        kind,
        subject,
        min(at, issued),
        compliant={"compliant": True, "not-compliant": False}.get(_text(event.get("current_status"))),
        level=_text(event.get("current_level")),
    )


def _notice(
    claims: Claims, kind: Kind, subject: Subject, at: float, *, compliant: bool | None = None, level: str = "", state: str = ""
) -> Notice | Refused:
    id_ = _text(claims.get("jti"))
    if not id_:
        return Refused("invalid_request", "the token has no jti")
    if kind is Kind.COMPLIANCE_CHANGED and compliant is None:
        return Refused("invalid_request", "the event does not say the current status")
    return Notice(_text(claims.get("iss")), id_, kind, subject, at, compliant, level, state)


def _subject(given: object, whose: Collection[str]) -> Subject | None:
    """RFC 9493's formats, as far as they name what the gate knows; a complex subject is all of its members together, of which a user who cannot be told
    from others is none. None: somebody else's."""
    format_ = _format(given)
    if isinstance(given, dict) and (format_ == "complex" or (not format_ and {"user", "session", "device"} & given.keys())):
        user = _named(given["user"], whose) if "user" in given else Subject()
        if user is None or ("user" in given and not user):
            return user
        return Subject(user.sub, user.email, _id(given.get("session")), _id(given.get("device")))
    return _named(given, whose)


def _named(given: object, whose: Collection[str]) -> Subject | None:
    """Of several names of one subject (which are not several themselves) the issuer's own, by which everybody is known, rather than an address."""
    if not isinstance(given, dict) or _format(given) != "aliases":
        return _simple(given, whose)
    listed = given.get("identifiers")
    named = [_simple(each, whose) for each in (listed if isinstance(listed, list) else ())]
    known = [each for each in named if each]
    return max(known, key=lambda each: bool(each.sub)) if known else None if None in named else Subject()


def _simple(given: object, whose: Collection[str]) -> Subject | None:
    format_ = _format(given)
    if not isinstance(given, dict):
        return Subject()
    if format_ in ("iss_sub", "iss-sub"):
        return Subject(sub=_text(given.get("sub"))) if given.get("iss") in (None, *whose) else None
    if format_ == "email":
        return Subject(email=_text(given.get("email")).lower())
    return Subject(session=_text(given.get("id"))) if format_ == "opaque" else Subject()


def _format(given: object) -> object:
    return (given.get("format") or given.get("subject_type")) if isinstance(given, dict) else None


def _id(given: object) -> str:
    """The identifier of a session or device, whatever simple format names it."""
    if not isinstance(given, dict):
        return ""
    return next((text for key in ("id", "sub", "uri") if (text := _text(given.get(key)))), "")


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= _LONGEST and value.isprintable() else ""


def _instant(value: object) -> float | None:
    """Unix seconds; early transmitters send milliseconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e15:
        return None
    return value / 1000 if value > 1e11 else float(value)
