"""Kubernetes service accounts: tokens that a cluster vouches for, asked by TokenReview (authentication.k8s.io/v1).

A review must say ``authenticated`` *and* name one of our audiences: a server that does not know audiences answers yes to any of its tokens
(CVE-2023-48312 took such a yes). A service account is known in its own cluster and nowhere else by that name: its names get a prefix, and its identity is
good for that cluster only, unless the operator names others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from kgate.identity.asked import Judged
from kgate.identity.credentials import Rejected
from kgate.identity.issuers import audiences
from kgate.identity.jose import Flaw, numeric_date, read_jws, read_object
from kgate.identity.names import identity_fault, name_fault
from kgate.model import Identity

PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
SERVICE_ACCOUNT = "system:serviceaccount:"
_ASK = "ask whoever runs this gate"


@frozen
class Reviewer:
    """A cluster that is asked. ``clusters`` are globs of those that its service accounts may reach."""

    cluster: str
    audiences: tuple[str, ...]
    clusters: tuple[str, ...]
    prefix: str = ""


def is_for(token: str, reviewer: Reviewer) -> bool:
    """Whether a token says that it is a service account's and for this reviewer's audiences. Unverified: it only says whom to ask."""
    read = read_jws(token) if token.count(".") == 2 else Flaw("")
    claims = read_object(read.payload) if not isinstance(read, Flaw) else read
    if isinstance(claims, Flaw):
        return False
    subject = claims.get("sub")
    return isinstance(subject, str) and subject.startswith(SERVICE_ACCOUNT) and bool(set(audiences(claims)) & set(reviewer.audiences))


def review(token: str, names: Sequence[str]) -> bytes:
    """The question."""
    return json.dumps(
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": list(names)}}
    ).encode()


def judge(body: bytes, token: str, reviewer: Reviewer) -> Judged:
    """The answer's meaning. The token's own ``exp`` counts, now that the cluster vouches for it."""
    answer = read_object(body)
    status: Any = answer.get("status") if not isinstance(answer, Flaw) else None
    if not isinstance(status, dict):
        return Judged(Rejected("the token's cluster gives no review of it", _ASK), final=False)
    if status.get("authenticated") is not True or status.get("error"):
        return Judged(Rejected("the token's cluster does not know it", "ask for a new token"))
    named = status.get("audiences")
    if not isinstance(named, list) or not {each for each in named if isinstance(each, str)} & set(reviewer.audiences):
        return Judged(Rejected("the token is for somebody else than this gate", f"ask for one with the audience {reviewer.audiences[0]}"))
    return Judged(_identity(status.get("user"), token, reviewer))


def _identity(user: Any, token: str, reviewer: Reviewer) -> Identity | Rejected:
    given = user if isinstance(user, dict) else {}
    name, uid, groups, extra = given.get("username"), given.get("uid", ""), given.get("groups", []), given.get("extra", {})
    listed = isinstance(groups, list) and all(isinstance(each, str) for each in groups)
    mapped = isinstance(extra, dict) and all(isinstance(each, list) and all(isinstance(v, str) for v in each) for each in extra.values())
    if not isinstance(name, str) or not isinstance(uid, str) or not listed or not mapped:
        return Rejected("the token's cluster gives a review that cannot be read", _ASK)
    if not name.startswith(SERVICE_ACCOUNT):
        return Rejected("the token is no service account's", _ASK)
    user_name = reviewer.prefix + name
    named = tuple(reviewer.prefix + each for each in groups)
    fault = identity_fault(user_name, named) or (uid and name_fault(uid))
    if fault:
        return Rejected(f"the token cannot be used: {fault}", _ASK)
    return Identity(
        user_name,
        named,
        uid=uid,
        extra=tuple(sorted((key, tuple(values)) for key, values in extra.items())),
        issuer=f"cluster {reviewer.cluster}",
        expires=_expiry(token),
        clusters=reviewer.clusters,
        subject=name,
    )


def _expiry(token: str) -> float | None:
    read = read_jws(token)
    claims = read_object(read.payload) if not isinstance(read, Flaw) else read
    return numeric_date(claims, "exp") if not isinstance(claims, Flaw) else None
