"""``tests:`` of a policy file: who does what where, and what is expected of it.

A case is written in the words of the policy language and becomes exactly what a request becomes: an ``Identity``, an ``Action``, a ``Context``. What it
leaves out is as unknown as in a request that does not tell it: no device, no country, no fact. Only the time has a default (``NOON``), since
nothing happens at no time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, NewType

from attrs import field, frozen
from cattrs import override

from kgate.documents.values import Instant, Unacceptable, accept, instant
from kgate.model import Action, Cluster, Context, Device, Fact, Grant, Identity, Operation, Pairs, is_copy
from kgate.policy.resources import CHANNELS, ResourceKey
from kgate.policy.selectors import field_values

NOON = instant("2026-01-07T12:00:00Z")
"""When a test happens that does not say: a Wednesday."""
_FAR = instant("9001-01-01T00:00:00Z")
Json = NewType("Json", object)
"""Anything that YAML can write."""
Port = NewType("Port", int)

_HOUR = 3600.0


class Expectation(Enum):
    """What a test expects."""

    ALLOW = "allow"
    DENY = "deny"


@frozen
class Asker:
    """``who``: the identity, as its credential would tell it."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    issuer: str = ""
    robot: str = ""
    acr: str = ""
    amr: tuple[str, ...] = ()
    authenticated_at: Instant | None = None
    extra: Mapping[str, tuple[str, ...]] = field(factory=dict)


@frozen
class Deed:
    """``does``: the request. ``resource`` as a rule writes it, ``pods/log`` or ``deployments.apps``; an ``action`` is of pods where none is named."""

    cluster: str
    labels: Mapping[str, str] | None = None
    """The cluster's; those of the gate's configuration where one is at hand."""
    verb: str = ""
    action: Operation | None = None
    resource: str = ""
    namespace: str = ""
    name: str = ""
    container: str = ""
    command: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    path: str = ""
    field_selector: str = ""
    label_selector: str = ""

    def __attrs_post_init__(self) -> None:
        accept(
            None if self.verb or self.action is not None else Unacceptable("says neither verb nor action", "write verb: get"),
            None
            if self.resource or self.path or self.action is not None
            else Unacceptable("says neither resource, path nor action", "write resource: pods"),
            None if not (self.resource and self.path) else Unacceptable('"path" does not go with resource', "take one out", ("path",)),
            None if self.action is None or not self.path else Unacceptable('"path" does not go with action', "take one out", ("path",)),
        )


@frozen
class DeviceFacts:
    """What is known of the machine."""

    name: str = "device"
    compliant: bool | None = None
    posture: Mapping[str, str] = field(factory=dict)


@frozen
class Circumstances:
    """``context``: where and when, and what else holds."""

    time: Instant = NOON
    address: str = ""
    country: str = ""
    asn: int | None = None
    user_agent: str = ""
    device: DeviceFacts | None = None
    facts: Mapping[str, Json] = field(factory=dict)
    grants: tuple[str, ...] = ()
    """Rules of which approvers granted the asker what they offer, for this cluster and the hour to come."""

    def __attrs_post_init__(self) -> None:
        # What is asked of time looks some days back and ahead, where the calendar must not end.
        far = Unacceptable("the year is out of range", "write one from 1970 to 9000", ("time",))
        accept(None if 0 <= self.time < _FAR else far)


@frozen
class SeenAs:
    """``as``: who the cluster must see."""

    user: str | None = None
    groups: tuple[str, ...] | None = None


@frozen
class Case:
    """One test. ``because`` is a word that the reasons must contain."""

    who: Asker
    does: Deed
    expect: Expectation
    context: Circumstances = field(factory=Circumstances)
    because: str = ""
    rule: str | None = None
    as_: Annotated[SeenAs | None, override(rename="as")] = None
    name: str = ""

    def question(self, labels: Mapping[str, str] | None = None) -> tuple[Identity, Action, Context]:
        """What ``evaluate`` is asked; ``labels`` are those of the cluster, where the case does not say."""
        return _identity(self.who, self.context.device), _action(self.does, labels), _context(self)


@frozen
class Placed:
    """A case and the line on which it stands."""

    line: int
    case: Case
    file: str = ""


def _identity(who: Asker, device: DeviceFacts | None) -> Identity:
    return Identity(
        who.user,
        tuple(who.groups),
        who.uid,
        tuple(sorted((key, tuple(values)) for key, values in who.extra.items())),
        who.issuer,
        authenticated_at=who.authenticated_at,
        acr=who.acr,
        amr=tuple(who.amr),
        device=Device(device.name, device.compliant, _pairs(device.posture)) if device is not None else None,
        robot=who.robot,
    )


def _context(case: Case) -> Context:
    given, does = case.context, case.does
    grants = tuple(
        Grant(f"test-{number}", case.who.user, rule, does.cluster, does.namespace, given.time, given.time + _HOUR, "test", ("approver",))
        for number, rule in enumerate(given.grants, 1)
    )
    facts = tuple(Fact(name, json.dumps(value, sort_keys=True)) for name, value in sorted(given.facts.items()))
    return Context(given.time, given.address, given.user_agent, given.country, given.asn, facts, grants)


def _action(does: Deed, labels: Mapping[str, str] | None) -> Action:
    cluster = Cluster(does.cluster, _pairs(does.labels if does.labels is not None else labels or {}))
    if does.path:
        return Action(cluster, (does.verb or "get").upper(), (does.verb or "get").lower(), does.path, does.path)
    verb, default, subresource = _SHAPES[does.action] if does.action is not None else ("", "", "")
    key = resource_written(does.resource or default)
    subresource = subresource or key.subresource
    operation = does.action or operation_meant(key, does.verb)
    if operation is Operation.EXEC and is_copy(does.command, tty=False):
        operation = Operation.CP
    verb, namespace, name = _as_requested(does, does.verb or verb, ResourceKey(key.group, key.resource, subresource))
    return Action(
        cluster,
        "",
        verb,
        "",
        "",
        key.group,
        "v1",
        key.resource,
        subresource,
        namespace,
        name,
        operation,
        does.container,
        does.command,
        tuple(does.ports),
        field_selector=does.field_selector,
        label_selector=does.label_selector,
        follows=does.verb == "watch" or operation in _STREAMS,
    )


def _as_requested(does: Deed, verb: str, key: ResourceKey) -> tuple[str, str, str]:
    """Verb, namespace and name as a request for the same has them, whose path and selector say them in their own ways."""
    namespace, name = does.namespace, does.name
    if verb in ("list", "watch"):
        named = field_values(does.field_selector).get("metadata.name", frozenset())
        name = name or (next(iter(named)) if len(named) == 1 else "")
    elif (key.group, key.resource) == ("", "namespaces") and verb != "create":
        namespace = namespace or name
    return "create" if verb == "get" and key.subresource in _OPENED else verb, namespace, name


_STREAMS = frozenset({Operation.EXEC, Operation.CP, Operation.ATTACH, Operation.PORT_FORWARD, Operation.PROXY})
"""What lives for as long as somebody looks on."""
_OPENED = frozenset({"exec", "attach", "portforward"})
"""What is opened by GET and POST alike."""
_SHAPES = {
    Operation.EXEC: ("create", "pods", "exec"),
    Operation.CP: ("create", "pods", "exec"),
    Operation.ATTACH: ("create", "pods", "attach"),
    Operation.PORT_FORWARD: ("create", "pods", "portforward"),
    Operation.PROXY: ("get", "services", "proxy"),
    Operation.LOGS: ("get", "pods", "log"),
    Operation.DEBUG: ("patch", "pods", "ephemeralcontainers"),
    Operation.TOKEN: ("create", "serviceaccounts", "token"),
    Operation.IMPERSONATE: ("impersonate", "users", ""),
    Operation.LOCK: ("lock", "locks.kgate", ""),
}
"""Verb, resource and subresource of a request for each action, where a case names the action only."""


def resource_written(text: str) -> ResourceKey:
    """``deployments.apps/scale`` as one kind of thing."""
    name, _, subresource = text.partition("/")
    resource, _, group = name.partition(".")
    return ResourceKey(group, resource, subresource)


def operation_meant(key: ResourceKey, verb: str) -> Operation | None:
    """The action that a verb on a resource is, as the gate reads a request's path."""
    if key.subresource in CHANNELS and (key.subresource != "token" or (key.group, key.resource) == ("", "serviceaccounts")):
        return CHANNELS[key.subresource]
    if verb == "impersonate":
        return Operation.IMPERSONATE
    if key == ResourceKey("", "pods", "log"):
        return Operation.LOGS
    if key == ResourceKey("", "pods", "ephemeralcontainers") and verb not in ("get", "watch"):
        return Operation.DEBUG
    return None


def _pairs(values: Mapping[str, str]) -> Pairs:
    return tuple(sorted(values.items()))
