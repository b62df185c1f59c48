"""What an issuer's introspection endpoint (RFC 7662) answers about an opaque token, judged like a token's own claims.

``active`` must be true, and nothing that looks like it. The answer must be about an access token that a bearer may show: not a refresh token, which some
servers call active too, and not one that is bound to its sender's key (``cnf``, RFC 8705, RFC 9449). It must be for us, and its issuer, where one is
named, ours.
"""

from __future__ import annotations

from kgate.identity.asked import Judged
from kgate.identity.claims import identity_of
from kgate.identity.credentials import Rejected
from kgate.identity.issuer_configuration import IssuerConfiguration
from kgate.identity.issuers import audiences
from kgate.identity.jose import Claims, Flaw, read_object
from kgate.model import Identity

_TYPES = frozenset({"", "bearer", "access_token"})
_SIGN_IN = "sign in again"


def judge(body: bytes, configuration: IssuerConfiguration, now: float) -> Judged:
    """The answer's meaning at ``now`` (Unix seconds)."""
    answer = read_object(body)
    if isinstance(answer, Flaw):
        return Judged(Rejected(f"what the issuer says of the token {answer.text}", "ask whoever runs this gate"), final=False)
    if answer.get("active") is not True:
        return Judged(Rejected("the token is not active any more", _SIGN_IN))
    wrong = _wrong(answer, configuration)
    found = wrong if wrong is not None else identity_of(configuration, answer)
    if isinstance(found, Identity) and ("exp" in answer) != (found.expires is not None):
        return Judged(Rejected("the token does not say when it expires", _SIGN_IN))
    if isinstance(found, Identity) and found.expires is not None and found.expires <= now:
        return Judged(Rejected("the token has expired", _SIGN_IN))
    return Judged(found)


def _wrong(answer: Claims, configuration: IssuerConfiguration) -> Rejected | None:
    kind = answer.get("token_type", "")
    if not isinstance(kind, str) or kind.lower() not in _TYPES or "cnf" in answer:
        return Rejected("the token is of a kind that lets nobody in", _SIGN_IN)
    if answer.get("iss", configuration.issuer.url) != configuration.issuer.url:
        return Rejected("the token is of another issuer", _SIGN_IN)
    if not set(audiences(answer)) & set(configuration.issuer.audiences):
        return Rejected("the token is for somebody else than this gate", "sign in with the client id that this gate asks for")
    return None
