"""Who the cluster sees, and what ``kubectl --as`` asks for.

By default the cluster sees the caller's own name and groups, less what begins with ``system:``. Kubernetes keeps that prefix for itself, and an
identity provider that can hand out ``system:masters`` would own every cluster (security.md class 4): such a group is dropped, such a user refused,
unless the rule's ``as`` gives it. With ``as: {user}`` the caller's uid and extra stay behind: they are another's.

``--as`` is granted in two steps, both by ``evaluate``. First each thing that is asked for is an action of its own (``impersonation_actions``, with
the resources that Kubernetes' own impersonation check uses); all must be allowed. Then the request itself is decided for whom they became
(``impersonated``), not for who they are: nobody adds another's rights to their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kgate.model import Action, Cluster, Ground, Identity, Impersonation, Operation, Reason
from kgate.policy.details import shown
from kgate.policy.parties import As
from kgate.policy.templates import SYSTEM, Template, names_of

IMPERSONATED = "impersonated"
"""The issuer of an identity that ``--as`` made. Its ``system:`` names were granted one by one, so they are kept."""
_ACCOUNT = "system:serviceaccount:"
_AUTHENTICATION = "authentication.k8s.io"


def impersonation(granted: As | None, identity: Identity) -> Impersonation | Reason:
    """Who the cluster sees where ``granted`` is the rule's ``as``; a Reason where that may be nobody."""
    own = granted is None or granted.user is None
    if own and identity.issuer != IMPERSONATED and identity.user.startswith(SYSTEM):
        return Reason(
            Ground.IMPERSONATION,
            text=f"{shown(identity.user)} is one of the cluster's own names; the rule's as must name a user",
        )
    if granted is None:
        return Impersonation(identity.user, own_groups(identity), identity.uid, identity.extra)
    user = _one("user", granted.user, identity) if granted.user is not None else ""
    uid = _one("uid", granted.uid, identity) if granted.uid is not None else ""
    if isinstance(user, Reason):
        return user
    if isinstance(uid, Reason):
        return uid
    groups = own_groups(identity) if granted.groups is None else _all(granted.groups, identity)
    extra = tuple(sorted((key, _all(values, identity)) for key, values in granted.extra.items())) if granted.extra is not None else None
    return Impersonation(
        user or identity.user,
        groups,
        uid or (identity.uid if own else ""),
        extra if extra is not None else identity.extra if own else (),
    )


def _one(key: str, made: Template, identity: Identity) -> str | Reason:
    """What a template gives that must be one name: a Reason where it gives none, or more than one."""
    names = names_of(made, identity)
    if len(names) == 1:
        return names[0]
    return Reason(
        Ground.IMPERSONATION, text=f"the rule's as.{key} {shown(made.text)} is {len(names) or 'no'} names for {shown(identity.user)}"
    )


def _all(made: Sequence[Template], identity: Identity) -> tuple[str, ...]:
    """Every name that templates give, each once."""
    if len(made) == 1:
        return names_of(made[0], identity)
    return tuple(dict.fromkeys([name for each in made for name in names_of(each, identity)]))


def own_groups(identity: Identity) -> tuple[str, ...]:
    """The caller's groups as a cluster may see them."""
    if identity.issuer == IMPERSONATED:
        return identity.groups
    return tuple([group for group in identity.groups if not group.startswith(SYSTEM)])


def impersonation_actions(
    cluster: Cluster, user: str, groups: Iterable[str] = (), uid: str = "", extra: Iterable[tuple[str, tuple[str, ...]]] = ()
) -> tuple[Action, ...]:
    """What must be allowed before ``--as user --as-group …`` is: one action each, as Kubernetes' impersonation filter asks RBAC.

    A service account's name is a resource in its namespace. Extra keys are subresources of ``userextras``, their values names.
    """
    asked = [_account(cluster, user) if user.startswith(_ACCOUNT) else _asked(cluster, "users", user)]
    asked += [_asked(cluster, "groups", group) for group in groups]
    if uid:
        asked.append(_asked(cluster, "uids", uid, api_group=_AUTHENTICATION))
    asked += [_asked(cluster, "userextras", value, key, _AUTHENTICATION) for key, values in extra for value in values]
    return tuple(asked)


def impersonated(
    identity: Identity, user: str, groups: Iterable[str] = (), uid: str = "", extra: Iterable[tuple[str, tuple[str, ...]]] = ()
) -> Identity:
    """Whom ``identity`` became. Session, expiry, device and the limits of its credential stay."""
    return identity.but(user=user, groups=tuple(groups), uid=uid, extra=tuple(extra), issuer=IMPERSONATED, robot="")


def _account(cluster: Cluster, user: str) -> Action:
    namespace, _, name = user.removeprefix(_ACCOUNT).partition(":")
    return _asked(cluster, "serviceaccounts", name, namespace=namespace)


def _asked(cluster: Cluster, resource: str, name: str, subresource: str = "", api_group: str = "", namespace: str = "") -> Action:
    return Action(
        cluster, "", "impersonate", "", "", api_group, "v1", resource, subresource, namespace, name, operation=Operation.IMPERSONATE
    )  # fmt: skip
