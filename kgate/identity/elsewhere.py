"""Groups that a token leaves elsewhere, because its issuer puts none into it or too many to fit.

Three ways of OpenID Connect Core 1.0, in the order in which they are tried: *aggregated* claims (section 5.6.2: another signed token, inside this one),
*distributed* claims (the same, at an address that the token names), and *userinfo* (section 5.3: the issuer is asked with the token itself), where the operator
says so. What another token says must be signed by the same issuer, be for us, and be in force; what userinfo says must be about the same ``sub``. Only
what is missing is taken: no answer from elsewhere replaces a claim of the token. Userinfo may be signed (section 5.3.2), as the issuer has it for some
clients: then by the issuer's keys.

Answers are kept as long as groups may be old, and asked for again then. What cannot be had refuses the token: without its groups its holder would be
somebody else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from attrs import field, frozen

from kgate.identity.credentials import Rejected
from kgate.identity.issuer_configuration import IssuerConfiguration
from kgate.identity.jose import Claims, Flaw, read_object
from kgate.model import Pending

HOLDS = 300.0
FAILED_HOLDS = 5.0
KEPT = 8192
_OWN = frozenset(
    {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "nonce", "azp", "sid", "acr", "amr", "auth_time", "events", "cnf", "typ"}
)
"""About the token itself: never taken from elsewhere."""
_AGAIN = "try again, and ask whoever runs this gate if it stays so"

Checked = Callable[[str], "Claims | Rejected | Pending"]
"""The claims of another token of the same issuer; or what is wrong with it."""


@frozen(cache_hash=True)
class ClaimsWanted:
    """``endpoint`` is to be asked, with ``bearer``; an empty one is the issuer's userinfo."""

    issuer: str
    digest: bytes
    endpoint: str
    bearer: str = field(repr=False)


@frozen(eq=False)
class _Answer:
    """What was answered, until when (monotonic)."""

    body: bytes | None
    until: float


class Elsewhere:
    """What was answered, by token. ``userinfo`` are the issuers that are asked there; ``monotonic`` is a clock that no one sets."""

    def __init__(self, userinfo: Collection[str], monotonic: Callable[[], float]) -> None:
        self._userinfo, self._monotonic = frozenset(userinfo), monotonic
        self._answers: OrderedDict[ClaimsWanted, _Answer] = OrderedDict()
        self._until: dict[bytes, float] = {}
        """When what was answered of a token is to be asked for again."""

    def learned(self, wanted: ClaimsWanted, body: bytes | None) -> None:
        """The answer's body; None where there is none."""
        self._keep(wanted, _Answer(body, self._monotonic() + (HOLDS if body is not None else FAILED_HOLDS)))

    def keep(self, former: Elsewhere, issuers: Collection[str]) -> None:
        """What was answered to ``former`` of tokens of these ``issuers`` goes on: what is made of it is made anew."""
        for wanted, answer in former._answers.items():
            if wanted.issuer in issuers and answer.body is not None:
                self._keep(wanted, answer)

    def until(self, digest: bytes) -> float:
        """When the token with this digest is to be judged anew (monotonic), something of it being elsewhere."""
        return self._until.get(digest, self._monotonic() + HOLDS)

    def _keep(self, wanted: ClaimsWanted, answer: _Answer) -> None:
        self._answers[wanted] = answer
        self._answers.move_to_end(wanted)
        self._until[wanted.digest] = answer.until
        if len(self._answers) > KEPT:
            oldest, _ = self._answers.popitem(last=False)
            self._until.pop(oldest.digest, None)

    def complete(
        self, configuration: IssuerConfiguration, claims: Claims, token: str, digest: bytes, checked: Checked, signed: Checked
    ) -> Claims | Rejected | Pending:
        """The claims with what they leave elsewhere. ``signed`` looks at a token's signature, ``checked`` besides whether it is for us and in force."""
        groups = configuration.claimMappings.groups
        missing = groups.claim if groups is not None and groups.claim is not None and groups.claim not in claims else None
        source = _source(claims, missing) if missing is not None else None
        if missing is not None and source is not None:
            return self._from_token(configuration, claims, missing, source, digest, checked)
        by_expression = groups is not None and groups.expression is not None
        if configuration.issuer.url in self._userinfo and (missing is not None or by_expression):
            return self._from_userinfo(configuration, claims, token, digest, signed)
        return claims

    def _from_token(
        self, configuration: IssuerConfiguration, claims: Claims, name: str, source: Mapping[str, Any], digest: bytes, checked: Checked
    ) -> Claims | Rejected | Pending:
        inside, endpoint, bearer = (source.get(key, "") for key in ("JWT", "endpoint", "access_token"))
        if not isinstance(inside, str) or not isinstance(bearer, str) or (not inside and not is_https(endpoint)):
            return Rejected(f"the token leaves its {name} at a place that is none", _AGAIN)
        if not inside:
            answer = self._answer(ClaimsWanted(configuration.issuer.url, digest, endpoint, bearer))
            if not isinstance(answer, bytes):
                return answer
            inside = answer.decode("ascii", "replace").strip()
        other = checked(inside)
        if isinstance(other, Pending):
            return other
        if isinstance(other, Rejected):
            return Rejected(f"the token leaves its {name} to another: {other.text}", _AGAIN)
        if name not in other or other.get("sub", claims.get("sub")) != claims.get("sub"):
            return Rejected(f"the token leaves its {name} to another, which does not have them", _AGAIN)
        return {**claims, name: other[name]}

    def _from_userinfo(
        self, configuration: IssuerConfiguration, claims: Claims, token: str, digest: bytes, signed: Checked
    ) -> Claims | Rejected | Pending:
        answer = self._answer(ClaimsWanted(configuration.issuer.url, digest, "", token))
        if not isinstance(answer, bytes):
            return answer
        found = signed(answer.decode("ascii").strip()) if _is_token(answer) else read_object(answer)
        if isinstance(found, Pending | Rejected):
            return found if isinstance(found, Pending) else Rejected(f"the issuer's userinfo is not accepted: {found.text}", _AGAIN)
        if isinstance(found, Flaw) or not isinstance(found.get("sub"), str) or found["sub"] != claims.get("sub"):
            return Rejected("the issuer's userinfo is about somebody else, or cannot be read", _AGAIN)
        return {**{name: value for name, value in found.items() if name not in _OWN}, **claims}

    def _answer(self, wanted: ClaimsWanted) -> bytes | Rejected | Pending:
        known = self._answers.get(wanted)
        if known is None or known.until <= self._monotonic():
            return Pending(wanted)
        return known.body if known.body is not None else Rejected("the token's groups could not be had from where they are", _AGAIN)


def _is_token(answer: bytes) -> bool:
    """Whether it may be one, signed or encrypted, rather than JSON."""
    return answer.isascii() and answer.count(b".") in (2, 4) and not answer.lstrip().startswith(b"{")


def _source(claims: Claims, name: str) -> Mapping[str, Any] | None:
    """Where a claim is, by ``_claim_names`` and ``_claim_sources``."""
    names, sources = claims.get("_claim_names"), claims.get("_claim_sources")
    key = names.get(name) if isinstance(names, dict) else None
    found = sources.get(key) if isinstance(sources, dict) and isinstance(key, str) else None
    return found if isinstance(found, dict) else None


def is_https(address: object) -> TypeGuard[str]:
    """Whether somebody can be asked there: addresses come from other people's documents."""
    if not isinstance(address, str) or not address.isascii() or not address.isprintable():
        return False
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and bool(parts.hostname) and parts.username is None
    except ValueError:
        return False
