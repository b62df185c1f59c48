"""Who asks, and whether they may.

The cluster knows one bearer token. Its own user, ``kgate-gate``, may only impersonate; everything else is done as whoever the ``Impersonate-*``
headers name, as the API server reads them (authentication.k8s.io user impersonation): the first ``Impersonate-User``, every
``Impersonate-Group``, and so on. Rights are a small table by group. People in none of its groups may do everything here: that is the gate's to
decide. Each request is noted in ``Trail``, for tests and for ``/demo/audit``.
"""

from __future__ import annotations

import hmac
from collections import deque
from typing import NamedTuple
from urllib.parse import unquote

from attrs import frozen

from kgate.demo.schema import Object
from kgate.demo.status import Refusal, bad_request, forbidden, unauthorized

GATE_USER = "kgate-gate"
KEPT = 20_000

Headers = list[tuple[str, str]]
"""Lower-case names, in the order of arrival."""


@frozen
class User:
    """Whom a request is done as. ``impersonator`` is empty where that is the token's own user."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    impersonator: str = ""

    def info(self) -> Object:
        """As a SelfSubjectReview shows it."""
        info: Object = {"username": self.name, "groups": list(self.groups)}
        if self.uid:
            info["uid"] = self.uid
        if self.extra:
            info["extra"] = {key: list(values) for key, values in self.extra}
        return info


class Entry(NamedTuple):
    """One request as the cluster saw it. ``headers`` are names only: no credential is kept."""

    user: str
    groups: tuple[str, ...]
    impersonator: str
    verb: str
    path: str
    query: str
    headers: tuple[str, ...]


Trail = deque[Entry]


def _all(headers: Headers, name: str) -> list[str]:
    return [value for header, value in headers if header == name]


def authenticate(headers: Headers, token: str) -> User | Refusal:
    """The user of a request's headers."""
    given = _all(headers, "authorization")
    if len(given) != 1 or not hmac.compare_digest(given[0].encode(), f"Bearer {token}".encode()):
        return unauthorized()
    users = _all(headers, "impersonate-user")
    others = [name for name, _ in headers if name.startswith("impersonate-") and name != "impersonate-user"]
    if not users or not users[0]:
        return bad_request("requested impersonation without impersonating a user") if others else User(GATE_USER, ("system:authenticated",))
    extra: dict[str, list[str]] = {}
    for name, value in headers:
        if name.startswith("impersonate-extra-"):
            extra.setdefault(unquote(name.removeprefix("impersonate-extra-")), []).append(value)
    groups = _all(headers, "impersonate-group")
    return User(
        users[0],
        tuple(dict.fromkeys([*groups, "system:authenticated"])),
        next(iter(_all(headers, "impersonate-uid")), ""),
        tuple((key, tuple(values)) for key, values in sorted(extra.items())),
        GATE_USER,
    )


READ = frozenset({"get", "list", "watch"})

_RIGHTS: dict[str, tuple[frozenset[str], frozenset[str]]] = {"view": (READ, frozenset({"secrets"}))}
"""By group: the verbs that it has, and the resources that it has not. ``system:masters`` has everything."""


IMPERSONATED = ("users", "groups", "serviceaccounts", "uids", "userextras")


def is_gate(user: User) -> bool:
    """Whether this is the token's own user, and nobody whom it impersonates."""
    return user.name == GATE_USER and not user.impersonator


def may(user: User, verb: str, resource: str, *, generous: bool = False) -> bool:
    """Whether ``user`` may ``verb`` the resource (empty for paths that are none, which all may read). All may ask about themselves. ``generous``: the token's
    own user may do everything, too."""
    if resource.startswith("selfsubject"):
        return True
    if is_gate(user) and not generous:
        return (not resource and verb == "get") or (verb == "impersonate" and resource.split("/")[0] in IMPERSONATED)
    limited = [_RIGHTS[group] for group in user.groups if group in _RIGHTS]
    if "system:masters" in user.groups or not limited or not resource:
        return True
    return any(verb in verbs and resource.split("/")[0] not in hidden for verbs, hidden in limited)


def denial(user: User, verb: str, resource: str, group: str, namespace: str, name: str) -> Refusal:
    """The API server's words for it."""
    where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    full = f"{resource.split('/')[0]}{'.' + group if group else ''}{f' {chr(34)}{name}{chr(34)}' if name else ''}"
    text = f'{full} is forbidden: User "{user.name}" cannot {verb} resource "{resource}" in API group "{group}"{where}'
    return forbidden(text)
