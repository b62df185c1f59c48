"""Gate tokens: what a client shows for a session, signed by the gate (JWS, RFC 7515; JWT, RFC 7519).

A token is good for minutes and says little: which session, for which gate (``aud``), for which clusters, until when. Who its holder is, the session says
(``gate_sessions``), so a group that the identity provider took away is gone from tokens that are out already. Its ``typ`` is its own (RFC 8725 section
3.11), so that no token of an identity provider, whatever its claims, is ever taken for one, and the other way round.

**A token opens, the session keeps.** A request needs a token that is in force. What it opened (an exec, a watch) lives for as long as the session does:
the token's end is no reason to cut it, the session's end is. ``Credentials.held_since`` says when the stream was admitted.

A kubeconfig that somebody downloaded holds a token too, until the session ends at the latest; ending the session ends it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import TypeVar

from attrs import field, frozen
from joserfc import jws
from joserfc.jwk import OKPKey

from kgate.identity.credentials import Credentials, Rejected
from kgate.identity.gate_sessions import GateSessions, WantedSession
from kgate.identity.jose import Flaw, Key, KeySet, read_jws, read_key, read_object, verify
from kgate.memory import remember
from kgate.model import Identity, Pending

TYPE = "kgate+jwt"
ALGORITHM = "Ed25519"
SKEW = 60.0
"""By how many seconds the clocks of two gates may differ."""
KEPT = 8192
LOGIN = "run kgate login"
_OPERATOR = "ask whoever runs this gate"
NOT_CONFIGURED = "its identity provider is not configured here any more"

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@frozen(eq=False)
class SigningKey:
    """The gate's own key. ``begins`` is when it begins to sign."""

    kid: str
    begins: float
    _key: OKPKey = field(repr=False)

    @classmethod
    def generate(cls, kid: str, begins: float) -> SigningKey:
        """A new one."""
        return cls(kid, begins, OKPKey.generate_key("Ed25519", private=True))

    @classmethod
    def from_json(cls, kid: str, begins: float, text: str) -> SigningKey:
        """What ``to_json`` wrote."""
        return cls(kid, begins, OKPKey.import_key(json.loads(text)))

    def to_json(self) -> str:
        """The private key, to be sealed."""
        return json.dumps(self._key.as_dict(private=True))

    @property
    def public(self) -> Key:
        """What verifies its signatures."""
        found = read_key({**self._key.as_dict(private=False), "kid": self.kid})
        if isinstance(found, Flaw):
            raise AssertionError(f"the gate's own key {found.text}")
        return found

    def sign(self, claims: dict[str, object]) -> str:
        """A token in compact form."""
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": self.kid}
        return jws.serialize_compact(header, json.dumps(claims, separators=(",", ":")), self._key, algorithms=[ALGORITHM])


@frozen
class GateToken:
    """What a token says."""

    session: str
    issued: float
    expires: float
    clusters: tuple[str, ...] = ()
    """Globs of the clusters it is for; empty is any."""


@frozen
class WantedKeys:
    """The keys were not read yet, by a gate that has just started: what a ``Pending`` wants."""


class GateKeys:
    """The keys of all gates that share a store; replaced whole when one is added. ``known`` is whether they were ever read."""

    def __init__(self) -> None:
        self.known = False
        self._signing: tuple[SigningKey, ...] = ()
        self.verifying = KeySet(())
        self.unreadable: frozenset[str] = frozenset()

    def replace(self, keys: Sequence[SigningKey], unreadable: Collection[str] = ()) -> None:
        """From now on these; there are others, ``unreadable`` here, by their names."""
        self.known, self.unreadable = True, frozenset(unreadable)
        self._signing = tuple(sorted(keys, key=lambda key: key.begins))
        self.verifying = KeySet(tuple(key.public for key in keys))

    def signing(self, now: float) -> SigningKey | None:
        """The newest that has begun; None where there is none."""
        return next((key for key in reversed(self._signing) if key.begins <= now), None)


def mint(key: SigningKey, gate: str, token: GateToken, user: str, id_: str) -> str:
    """A token of the gate at the URL ``gate``. ``id_`` is its ``jti``."""
    claims: dict[str, object] = {
        "iss": gate,
        "aud": gate,
        "sub": user,
        "sid": token.session,
        "iat": int(token.issued),
        "exp": int(token.expires),
        "jti": id_,
        "clusters": list(token.clusters) or ["*"],
    }
    return key.sign(claims)


class GateTokens:
    """A source of identities: whoever shows a token of this gate's. ``gate`` is its public URL, ``issuers`` are those that people sign in with, and the
    rules by which their claims make somebody (``IssuerConfiguration.mapping``): with one that is not there any more nobody can say whether a session of
    its people still stands, and who was made by other rules is made anew. Replaced on a reload that changes one of them."""

    def __init__(self, gate: str, keys: GateKeys, sessions: GateSessions, issuers: Mapping[str, str]) -> None:
        self._gate, self._keys, self._sessions, self._issuers = gate, keys, sessions, issuers
        self._read: dict[str, GateToken] = {}
        self._verified_by: KeySet | None = None
        self._scoped: dict[tuple[Identity, tuple[str, ...]], Identity] = {}

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | Pending | None:
        """Who signed in; None where the bearer token is none of a gate's."""
        bearer = credentials.bearer
        if bearer is None:
            return None
        token = self._token(bearer)
        if not isinstance(token, GateToken):
            return token
        # A clock that was set back makes no old token new: what lived until now is judged by when it was admitted, and by its session.
        at = credentials.held_since if credentials.held_since is not None else now
        if token.expires <= at:
            return Rejected("the gate token has expired", LOGIN)
        if token.issued > at + SKEW:
            return Rejected("the gate token is from the future", "check this machine's clock and the gate's")
        session = self._sessions.find(token.session)
        if session is None:
            return Pending(WantedSession(token.session))
        if session.ended:
            return Rejected(f"your session ended: {session.ended}", LOGIN, ended=True)
        if session.identity.expires is not None and session.identity.expires <= now:
            return Rejected("your session has expired", LOGIN)
        if session.asked and self._sessions.unconfirmed:
            return Rejected("your session could not be confirmed for too long, for the gate's store takes nothing", _OPERATOR, unsure=True)
        mapping = self._issuers.get(session.identity.issuer)
        if mapping is None:
            return Rejected(f"your session ended: {NOT_CONFIGURED}", LOGIN, ended=True)
        if mapping != session.mapping:
            return Pending(WantedSession(token.session))
        return self._within(session.identity, token.clusters)

    def _within(self, identity: Identity, clusters: tuple[str, ...]) -> Identity:
        if not clusters or clusters == identity.clusters:
            return identity
        return _kept(self._scoped, (identity, clusters), lambda: identity.but(clusters=clusters))

    def _token(self, bearer: str) -> GateToken | Rejected | Pending | None:
        """What it says, verified once."""
        if self._verified_by is not self._keys.verifying:
            self._verified_by = self._keys.verifying
            self._read.clear()
        known = self._read.get(bearer)
        if known is not None:
            return known
        read = read_gate_token(bearer, self._gate, self._keys)
        return _kept(self._read, bearer, lambda: read) if isinstance(read, GateToken) else read


def read_gate_token(token: str, gate: str, keys: GateKeys) -> GateToken | Rejected | Pending | None:
    """What ``token`` says, its expiry not looked at; None where it is not of this kind at all."""
    parts = read_jws(token)
    if isinstance(parts, Flaw) or parts.typ != TYPE:
        return None
    if not keys.known:
        return Pending(WantedKeys())
    claims = read_object(parts.payload) if verify(parts, keys.verifying, (ALGORITHM,)) else None
    if claims is None or isinstance(claims, Flaw):
        if parts.kid in keys.unreadable:
            hint = f"{LOGIN}, and tell whoever runs this gate if it comes again"
            return Rejected("this gate cannot read the key that the gate token was signed with", hint, unsure=True)
        # A token of another gate, or of this one in an earlier life: nothing in it is to be believed.
        return Rejected("the gate token was not made by this gate", LOGIN)
    if claims.get("iss") != gate or claims.get("aud") != gate:
        return Rejected("the gate token is for another gate", LOGIN)
    session, issued, expires, clusters = (claims.get(name) for name in ("sid", "iat", "exp", "clusters"))
    if not (isinstance(session, str) and isinstance(issued, int) and isinstance(expires, int) and isinstance(clusters, list) and clusters):
        return Rejected("the gate token does not say what it has to", LOGIN)
    scope = tuple(str(each) for each in clusters)
    return GateToken(session, float(issued), float(expires), () if scope == ("*",) else scope)


def _kept(memo: dict[K, V], key: K, make: Callable[[], V]) -> V:
    found = memo.get(key)
    if found is None:
        found = remember(memo, key, make(), KEPT)
    return found
