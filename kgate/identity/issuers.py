"""Tokens of OpenID Connect issuers, presented as they are: by kubelogin, a CI system, a workload.

What is checked, in this order: it is a signed token of an issuer that the configuration names (compared byte by byte); one of that issuer's keys made the
signature; it is for us (``aud``), of a kind that lets its holder in (no logout token, no security event, no refresh token, nothing of the gate's
own: CVE-2024-47616 took one kind for another), and in force; then the operator's own rules (``claims``).

A verification is remembered under the digest of the token, for as long as the very key set that verified it is in force. Its times are held against the
clock on each use, against two clocks in fact: a wall clock that is set back does not give an expired token its life back (security.md class 28). When a
token ends by the clock that no one sets is fixed when it is first seen, and outlives new keys and reloads (``Ends``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from attrs import frozen

from kgate.identity.claims import identity_of
from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.elsewhere import FAILED_HOLDS, Elsewhere
from kgate.identity.issuer_configuration import IssuerConfiguration
from kgate.identity.jose import PUBLIC, Claims, Flaw, Jws, KeySet, numeric_date, read_jws, read_object, verify
from kgate.identity.key_ring import KeyRing, KeysWanted
from kgate.model import Identity, Pending

SKEW = 60.0
"""Seconds by which an issuer's clock may be ahead of ours (``nbf``, ``iat``). ``exp`` has no grace."""
KEPT = 8192
ENDS_KEPT = 65536
_TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})
_OTHER_KINDS = frozenset({"refresh", "offline", "logout"})
"""What Keycloak writes into a claim ``typ``."""
_SIGN_IN = "sign in again"
_OPERATOR = "try again in a while, and ask whoever runs this gate if it stays so"


@frozen(eq=False)
class Verified:
    """A token whose signature one of its issuer's keys made. Nothing else of it has been judged."""

    issuer: str
    typ: str
    claims: Claims
    keys: KeySet


@frozen(eq=False)
class _Known:
    """What a token came to. ``ends`` is monotonic, fixed when the token was first seen."""

    issuer: str
    keys: KeySet
    found: Identity | Rejected
    begins: float
    expires: float
    ends: float
    until: float
    """When it is to be judged anew (monotonic): what came from elsewhere may be another by then."""


class Ends:
    """When each token ends, in monotonic seconds, as it was when the token was first seen. The oldest are forgotten when there are too many."""

    def __init__(self) -> None:
        self._ends: OrderedDict[bytes, float] = OrderedDict()

    def of(self, digest: bytes, end: float) -> float:
        """The earlier of ``end`` and what was known."""
        earliest = min(end, self._ends.get(digest, end))
        self._ends[digest] = earliest
        self._ends.move_to_end(digest)
        if len(self._ends) > ENDS_KEPT:
            self._ends.popitem(last=False)
        return earliest


class Signers:
    """Those whose signatures are known here, whatever they are believed about. ``rings`` outlive a reload; ``monotonic`` is a clock that no one sets."""

    def __init__(self, issuers: Collection[str], rings: Mapping[str, KeyRing], monotonic: Callable[[], float]) -> None:
        self._issuers, self._rings, self._monotonic = frozenset(issuers), rings, monotonic

    def verified(self, token: str) -> Verified | Rejected | Pending | None:
        """The claims of a token that one of them signed; None where it is of none of them."""
        read = read_jws(token)
        if isinstance(read, Flaw):
            return Rejected(f"the token {read.text}", _SIGN_IN)
        claims = read_object(read.payload)
        if isinstance(claims, Flaw):
            return Rejected(f"the token's content {claims.text}", _SIGN_IN)
        issuer = claims.get("iss")
        ring = self._rings.get(issuer) if isinstance(issuer, str) and issuer in self._issuers else None
        return self._verify(read, claims, ring) if ring is not None else None

    def _verify(self, token: Jws, claims: Claims, ring: KeyRing) -> Verified | Rejected | Pending:
        if token.algorithm not in PUBLIC:
            return Rejected(f"the token is signed by {token.algorithm[:16]!r}, which no issuer may use here", _SIGN_IN)
        now = self._monotonic()
        keys = ring.current(now)
        if keys is None or not keys.candidates(token):
            if ring.may_look(token.kid, now):
                return Pending(KeysWanted(ring.issuer, token.kid if keys is not None else ""))
            if keys is None:
                return Rejected(f"the keys of {ring.issuer} cannot be had", _OPERATOR, unsure=True)
            unsure = not ring.lacks(token.kid, now)
            return Rejected(f"the token is signed by a key that {ring.issuer} does not publish", _SIGN_IN, unsure=unsure)
        if not verify(token, keys, PUBLIC):
            if not token.kid and ring.may_look("", now):  # where keys have no names, it may be the next one's
                return Pending(KeysWanted(ring.issuer))
            return Rejected("the token's signature is not its issuer's", _SIGN_IN)
        return Verified(ring.issuer, token.typ, claims, keys)


class Issuers:
    """See the module; the parameters are as ``Signers`` has them."""

    def __init__(
        self,
        issuers: Sequence[IssuerConfiguration],
        rings: Mapping[str, KeyRing],
        monotonic: Callable[[], float],
        userinfo: Collection[str] = (),
        ends: Ends | None = None,
    ) -> None:
        self._ends = ends if ends is not None else Ends()
        self.elsewhere = Elsewhere(userinfo, monotonic)
        self._issuers: dict[str, IssuerConfiguration] = {each.issuer.url: each for each in issuers}
        self._rings, self._monotonic = rings, monotonic
        self.verified = Signers(self._issuers, rings, monotonic).verified
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | Pending | None:
        """Who holds the token; None where it is of no issuer of ours."""
        bearer = credentials.bearer
        if bearer is None or bearer.count(".") < 2:
            return None
        digest = credentials.digest
        known = self._known.get(digest)
        instant = self._monotonic()
        if known is None or known.until <= instant or known.keys is not self._rings[known.issuer].current(instant):
            verified = self.verified(bearer)
            if not isinstance(verified, Verified):
                return verified
            judged = self._judge(verified, bearer, digest, now)
            if isinstance(judged, Pending):
                return judged
            known = judged
            self._remember(digest, known)
        return self._in_force(known, now)

    def _judge(self, verified: Verified, token: str, digest: bytes, now: float) -> _Known | Pending:
        configuration, claims, instant = self._issuers[verified.issuer], verified.claims, self._monotonic()
        wrong = _wrong(configuration, verified)
        whole = wrong or self.whole(configuration, claims, token, digest, now)
        if isinstance(whole, Pending):
            return whole
        found = whole if isinstance(whole, Rejected) else identity_of(configuration, whole)
        elsewhere = instant + FAILED_HOLDS if isinstance(whole, Rejected) else self.elsewhere.until(digest)
        until = float("inf") if whole is claims or whole is wrong else elsewhere
        expires = numeric_date(claims, "exp") or 0.0
        ends = self._ends.of(digest, instant + (expires - now))
        return _Known(verified.issuer, verified.keys, found, _begins(claims), expires, ends, until)

    def whole(
        self, configuration: IssuerConfiguration, claims: Claims, token: str, digest: bytes, now: float
    ) -> Claims | Rejected | Pending:
        """The claims with what they leave elsewhere. ``token`` is what userinfo is asked with; ``digest`` is of the token with the claims."""
        return self.elsewhere.complete(
            configuration,
            claims,
            token,
            digest,
            lambda other: self._in_force_of(configuration, other, now),
            lambda other: self._signed_by(configuration, other, lambda _: None),
        )

    def _in_force_of(self, configuration: IssuerConfiguration, token: str, now: float) -> Claims | Rejected | Pending:
        """The claims of another token of the same issuer, for us and in force."""
        claims = self._signed_by(configuration, token, lambda verified: _wrong(configuration, verified))
        if isinstance(claims, Rejected | Pending):
            return claims
        if now >= (numeric_date(claims, "exp") or 0.0):
            return Rejected("it has expired")
        return claims if now >= _begins(claims) else Rejected("it is not valid yet")

    def _signed_by(
        self, configuration: IssuerConfiguration, token: str, wrong: Callable[[Verified], Rejected | None]
    ) -> Claims | Rejected | Pending:
        """The claims of another token of the same issuer with which nothing is ``wrong``."""
        verified = self.verified(token)
        if isinstance(verified, Rejected | Pending):
            return verified
        if verified is None or verified.issuer != configuration.issuer.url:
            return Rejected("its signer is not its issuer")
        return wrong(verified) or verified.claims

    def _in_force(self, known: _Known, now: float) -> Identity | Rejected:
        if isinstance(known.found, Rejected):
            return known.found
        if now >= known.expires or self._monotonic() >= known.ends:
            return Rejected("the token has expired", _SIGN_IN)
        return (
            known.found
            if now >= known.begins
            else Rejected("the token is not valid yet", "check the clocks of this machine and the issuer")
        )

    def _remember(self, digest: bytes, known: _Known) -> None:
        self._known[digest] = known
        self._known.move_to_end(digest)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)


def _begins(claims: Claims) -> float:
    """From when a token is good, by our clock."""
    return max(numeric_date(claims, name) or 0.0 for name in ("nbf", "iat")) - SKEW


def _wrong(configuration: IssuerConfiguration, verified: Verified) -> Rejected | None:
    """What is wrong with a token that its issuer signed, whoever holds it."""
    if numeric_date(verified.claims, "exp") is None:
        return Rejected("the token does not say when it expires", _SIGN_IN)
    if not isinstance(verified.claims.get("sub", ""), str):
        return Rejected("the token's sub is no text", _SIGN_IN)
    return _wrong_kind(verified) or _wrong_audience(configuration, verified.claims) or _wrong_times(verified.claims)


def _wrong_kind(verified: Verified) -> Rejected | None:
    kind = verified.claims.get("typ")
    other = verified.typ.lower() not in _TYPES or "events" in verified.claims or "cnf" in verified.claims  # cnf: not for bearers (RFC 7800)
    if other or (isinstance(kind, str) and kind.lower() in _OTHER_KINDS):
        return Rejected("the token is of a kind that lets nobody in", _SIGN_IN)
    return None


def audiences(claims: Claims) -> tuple[str, ...]:
    """``aud``: one name or several (RFC 7519 section 4.1.3); anything else is for nobody."""
    given: Any = claims.get("aud")
    named = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return tuple(named) if all(isinstance(each, str) for each in named) else ()


def _wrong_audience(configuration: IssuerConfiguration, claims: Claims) -> Rejected | None:
    if set(audiences(claims)) & set(configuration.issuer.audiences):
        return None
    return Rejected("the token is for somebody else than this gate", "sign in with the client id that this gate asks for")


def _wrong_times(claims: Claims) -> Rejected | None:
    odd = next((name for name in ("exp", "nbf", "iat") if name in claims and numeric_date(claims, name) is None), None)
    return Rejected(f"the token's {odd} is no time", _SIGN_IN) if odd else None
