"""What the gate's own credential has to be able to do in a cluster, and what it should not: impersonate, and nothing else (security.md, promise 6).

Whether it may impersonate is asked of the cluster for each kind of name (``NEEDED``), for RBAC is not the only authorizer there. What else it may is read from
what the cluster lists (``SelfSubjectRulesReview``) without what everybody gets who is signed in; as others than RBAC may list nothing, a few rights that would
give the whole cluster away are asked for besides (``FEARED``).

RBAC matches ``*``, ``*/scale`` and whole names: ``userextras/*`` is the name of no extra (k8s.io/kubernetes pkg/apis/rbac/v1 evaluation_helpers.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from attrs import frozen

from kgate.kube.access_review import Attributes
from kgate.kube.rules_review import ListedRule

IMPERSONATE = "impersonate"
AUTHENTICATION = "authentication.k8s.io"
EXTRA_KEY = "kgate.dev/clusters-check"
"""Of an extra that nobody has."""

NEEDED: Mapping[str, Attributes] = {
    "users": Attributes(IMPERSONATE, resource="users"),
    "groups": Attributes(IMPERSONATE, resource="groups"),
    "uids": Attributes(IMPERSONATE, AUTHENTICATION, resource="uids"),
    "userextras": Attributes(IMPERSONATE, AUTHENTICATION, resource="userextras", subresource=EXTRA_KEY),
}
"""What the API server asks for each ``Impersonate-*`` header of the gate's (k8s.io/apiserver pkg/endpoints/filters/impersonation)."""

REVIEWS_TOKENS = Attributes("create", AUTHENTICATION, resource="tokenreviews")
"""What ``identity.service_accounts`` needs besides."""

RBAC_LINES = (
    '- {apiGroups: [""], resources: [users, groups, serviceaccounts], verbs: [impersonate]}',
    '- {apiGroups: [authentication.k8s.io], resources: ["*"], verbs: [impersonate]}',
)
"""A ClusterRole's rules that give all of it."""

FEARED = (
    Attributes("get", resource="secrets"),
    Attributes("list", resource="secrets"),
    Attributes("create", resource="pods", subresource="exec"),
    Attributes("create", resource="pods"),
    Attributes("create", resource="serviceaccounts", subresource="token"),
    Attributes("create", resource="nodes", subresource="proxy"),
    Attributes("create", "rbac.authorization.k8s.io", resource="clusterrolebindings"),
    Attributes("escalate", "rbac.authorization.k8s.io", resource="clusterroles"),
)

_GIVEN_PATHS = (
    "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/readyz", "/openapi", "/openapi/*", "/version", "/version/",
    "/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks", "/openid/v1/jwks/",
)  # fmt: skip
GIVEN = (
    ListedRule(("create",), ("authorization.k8s.io",), ("selfsubjectaccessreviews", "selfsubjectrulesreviews")),
    ListedRule(("create",), (AUTHENTICATION,), ("selfsubjectreviews",)),
    ListedRule(("get",), paths=_GIVEN_PATHS),
    ListedRule(("get", "list", "watch"), ("certificates.k8s.io",), ("clustertrustbundles",)),
)
"""system:basic-user, system:discovery, system:public-info-viewer; of service accounts system:service-account-issuer-discovery and
system:cluster-trust-bundle-discovery."""
REVIEWS = (
    ListedRule(("create",), (AUTHENTICATION,), ("tokenreviews",)),
    ListedRule(("create",), ("authorization.k8s.io",), ("subjectaccessreviews",)),
)
"""system:auth-delegator, which identity.service_accounts needs."""


class Granted(Enum):
    """Of which names somebody may impersonate."""

    ALL = "all"
    SOME = "some"
    NONE = "none"


@frozen
class Also:
    """Something that a credential may do besides. ``what`` is a resource as policies write it, or a path."""

    verbs: tuple[str, ...]
    what: str

    def __str__(self) -> str:
        verbs = "do anything with" if "*" in self.verbs else ", ".join(self.verbs)
        return f"{verbs} {_WORDS.get(self.what, self.what)}"


_WORDS = {"*.*": "everything", "*": "every path"}
_Place = tuple[str, str, tuple[str, ...]]


def impersonation(kind: str, allowed: bool, rules: Iterable[ListedRule]) -> Granted:
    """Which of the names of ``kind`` (a key of ``NEEDED``): ``allowed`` is the answer about any, ``rules`` may name some."""
    if allowed:
        return Granted.ALL
    return Granted.SOME if any(_names_some(rule, kind) for rule in rules) else Granted.NONE


def names_of(kind: str, rules: Iterable[ListedRule]) -> tuple[str, ...]:
    """The names of ``kind`` that rules spell out."""
    return tuple(name for rule in rules if _is_about(rule, kind) for name in rule.names)


def _names_some(rule: ListedRule, kind: str) -> bool:
    constrained = any(verb.startswith("impersonate:") for verb in rule.verbs)  # KEP-5284
    return _is_about(rule, kind) and (bool(rule.names) or constrained or kind == "userextras")


def _is_about(rule: ListedRule, kind: str) -> bool:
    if not any(_impersonates(verb) for verb in rule.verbs):
        return False
    if kind == "userextras":
        return any(each.startswith("userextras/") and each != "userextras/*" for each in rule.resources)
    return kind in rule.resources or "*" in rule.resources


def _impersonates(verb: str) -> bool:
    return verb == IMPERSONATE or verb.startswith(("impersonate:", "impersonate-on:"))


def has_star_of_extras(rules: Iterable[ListedRule]) -> bool:
    """Whether somebody wrote ``userextras/*`` and meant every extra."""
    return any("userextras/*" in rule.resources for rule in rules)


def besides(rules: Iterable[ListedRule], given: Iterable[ListedRule], feared: Iterable[Attributes]) -> tuple[Also, ...]:
    """What ``rules`` give beyond impersonation and what is ``given`` anyway, and those of ``FEARED`` that were allowed; the worst first."""
    given = tuple(given)
    resources: dict[_Place, dict[str, None]] = {}
    paths: dict[str, dict[str, None]] = {}
    for each in feared:
        combined = f"{each.resource}/{each.subresource}" if each.subresource else each.resource
        resources.setdefault((each.group, combined, ()), {})[each.verb] = None
    for rule in rules:
        for verb in rule.verbs:
            for path in rule.paths:
                if not any(other.covers_path(verb, path) for other in given):
                    paths.setdefault(path, {})[verb] = None
            for place in _places(rule):
                if not _impersonates(verb) and not any(_gives(other, verb, place) for other in given):
                    resources.setdefault(place, {})[verb] = None
    found = [Also(tuple(verbs), _written(place)) for place, verbs in sorted(resources.items(), key=lambda item: _badness(*item[0]))]
    return (*found, *(Also(tuple(verbs), path) for path, verbs in sorted(paths.items())))


def _places(rule: ListedRule) -> list[_Place]:
    return [(group, resource, rule.names) for group in rule.groups for resource in rule.resources]


def _gives(rule: ListedRule, verb: str, place: _Place) -> bool:
    group, resource, names = place
    return rule.covers(verb, group, resource) and (not rule.names or (bool(names) and set(names) <= set(rule.names)))


def _written(place: _Place) -> str:
    group, resource, names = place
    whole, _, part = resource.partition("/")
    text = whole + (f".{group}" if group else "") + (f"/{part}" if part else "")
    return text + (f" ({', '.join(names)})" if names else "")


_WORST = tuple(dict.fromkeys((each.group, each.resource) for each in FEARED))


def _badness(group: str, resource: str, names: tuple[str, ...]) -> tuple[int, str, str]:
    kind = group, resource.partition("/")[0]
    if kind in _WORST:
        return (_WORST.index(kind), group, resource)
    return (len(_WORST) + (0 if "*" in kind else 1), group, resource)
