"""A request that is only spoken of: ``exec web-0 -n team-a -- sh`` and options for who, where and when → what a policy is asked.

The words are kubectl's (``get pods/web-0``, ``logs web-0``, ``delete deployments.apps web``), a verb and a path, or an action of the policy language. They
become a ``Case``, as a test in a policy file does, and so exactly what a request becomes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click
import orjson
from attrs import evolve, frozen

from kgate.documents.values import Instant, Unacceptable, instant
from kgate.errors import UsageError
from kgate.model import Action, Context, Identity, Operation
from kgate.policy.cases import Asker, Case, Circumstances, Deed, DeviceFacts, Expectation, Json, Port
from kgate.policy.trial import Labels
from kgate.policy.well_known import HOME

F = TypeVar("F", bound=Callable[..., Any])
_SHORT = {
    "po": "pods", "no": "nodes", "ns": "namespaces", "svc": "services", "cm": "configmaps", "sa": "serviceaccounts", "ev": "events",
    "pv": "persistentvolumes", "pvc": "persistentvolumeclaims", "deploy": "deployments", "ds": "daemonsets", "rs": "replicasets",
    "sts": "statefulsets", "cj": "cronjobs", "ing": "ingresses", "netpol": "networkpolicies", "hpa": "horizontalpodautoscalers",
    "pdb": "poddisruptionbudgets", "crd": "customresourcedefinitions",
}  # fmt: skip
"""kubectl asks the cluster what a short name means; here there is none, so the usual ones."""
_ACTIONS = {each.value: each for each in Operation} | {"portforward": Operation.PORT_FORWARD, "log": Operation.LOGS}


@frozen
class Described:
    """The options as they were given."""

    user: str
    groups: tuple[str, ...]
    issuer: str
    robot: str
    cluster: str
    label: tuple[str, ...]
    namespace: str
    name: str
    container: str
    port: tuple[int, ...]
    at: str
    address: str
    country: str
    compliant: bool | None
    acr: str
    amr: tuple[str, ...]
    signed_in: str
    user_agent: str
    fact: tuple[str, ...]
    granted: tuple[str, ...]

    def question(self, words: Sequence[str], clusters: Labels, user: str | None = None) -> tuple[Identity, Action, Context]:
        """What a policy is asked about these words. Raises UsageError where they make no sense."""
        given = self if self.cluster else evolve(self, cluster=_only(clusters))
        labels = dict(_pair(text, "--label") for text in self.label) or clusters.get(given.cluster) or {}
        try:
            does = _deed(words, given, labels)
            context = Circumstances(
                _instant(self.at),
                self.address,
                self.country,
                device=None if self.compliant is None else DeviceFacts(compliant=self.compliant),
                user_agent=self.user_agent,
                facts=dict(_fact(text) for text in self.fact),
                grants=self.granted,
            )
            signed_in = instant(self.signed_in) if self.signed_in else None
        except ExceptionGroup as group:
            raise UsageError("; ".join(map(_said, group.exceptions))) from group
        except Unacceptable as error:
            raise UsageError(_said(error)) from error
        name = self.user if user is None else user
        if not name and not self.groups:
            raise UsageError("who asks? Name them with --user, their groups with --group")
        who = Asker(name, self.groups, "", self.issuer, self.robot, self.acr, self.amr, signed_in)
        return Case(who, does, Expectation.ALLOW, context).question()


def described(command: F) -> F:
    """Gives a command the options of ``Described``, as its keyword arguments."""
    options = (
        click.option("--user", default="", help="Who asks."),
        click.option("--group", "groups", multiple=True, help="A group of theirs; may be repeated."),
        click.option("--issuer", default="", help="Where they signed in: tokens, client-certificate or an issuer's URL."),
        click.option("--robot", default="", help="The name of the static token, where a program asks."),
        click.option("--cluster", default="", help="The cluster's name, as the gate calls it."),
        click.option("--label", multiple=True, metavar="KEY=VALUE", help="A label of the cluster, instead of the configuration's."),
        click.option("-n", "--namespace", default="", help="The namespace; every one where it is left out."),
        click.option("--name", default="", help="The object's name, where it is not among the words."),
        click.option("--container", default="", help="The container, for exec, attach, cp and logs."),
        click.option("--port", type=click.IntRange(1, 65535), multiple=True, help="A port, for port-forward."),
        click.option("--at", default="", metavar="TIME", help="When, like 2026-11-24T09:30:00Z; now where it is left out."),
        click.option("--address", default="", help="From which IP address."),
        click.option("--country", default="", help="From which country, like DE."),
        click.option("--compliant/--not-compliant", default=None, help="What is known of the device."),
        click.option("--acr", default="", help="How strongly they signed in, as the issuer calls it."),
        click.option("--amr", multiple=True, help="By which means, like otp; may be repeated."),
        click.option("--signed-in", default="", metavar="TIME", help="When they signed in, like 2026-11-24T09:30:00Z."),
        click.option("--user-agent", default="", help="What the client calls itself."),
        click.option("--granted", multiple=True, metavar="RULE", help="A rule for which approvers gave them a grant."),
        click.option("--fact", multiple=True, metavar="NAME=JSON", help="A fact that holds, like 'incident={\"open\": true}'."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _said(fault: Exception) -> str:
    return f"{fault} ({fault.hint})" if isinstance(fault, Unacceptable) and fault.hint else str(fault)


def _only(clusters: Labels) -> str:
    """The cluster that is meant where none is named: the only one there is."""
    if len(clusters) != 1:
        known = f": {', '.join(sorted(clusters))}" if clusters else ""
        raise UsageError(f"on which cluster? Name it with --cluster{known}")
    return next(iter(clusters))


def _deed(words: Sequence[str], given: Described, labels: Mapping[str, str]) -> Deed:
    if not words:
        raise UsageError("what do they want to do? Write it as kubectl has it: get pods -n team-a, exec web-0 -- sh")
    verb, *rest = words
    operation = _ACTIONS.get(verb)
    if rest and rest[0].startswith("/"):
        return Deed(given.cluster, labels, verb, path=rest[0])
    if operation is None:
        resource, name, more = _thing(rest)
        return _checked(Deed(given.cluster, labels, verb, None, resource, given.namespace, given.name or name), more)
    resource, name, command = _target(operation, rest)
    ports = tuple(map(Port, given.port)) or (_ports(command) if operation is Operation.PORT_FORWARD else ())
    argv = tuple(command) if operation in (Operation.EXEC, Operation.CP) else ()
    return Deed(
        given.cluster, labels, "", operation, resource, given.namespace, given.name or name, given.container, argv, ports
    )  # fmt: skip


def _checked(deed: Deed, more: Sequence[str]) -> Deed:
    if more:
        raise UsageError(f"what is {' '.join(more)!r}? A verb takes a resource and a name: get pods web-0")
    return deed


def _thing(words: Sequence[str]) -> tuple[str, str, Sequence[str]]:
    """``pods``, ``pods/web-0``, ``pods web-0``, ``pods/log web-0``, ``deploy/web``."""
    if not words:
        raise UsageError("a verb needs a resource or a path: get pods, get /metrics")
    resource, slash, tail = words[0].partition("/")
    name = words[1] if len(words) > 1 else ""
    if slash and not name and tail not in _SUBRESOURCES:
        return _plural(resource), tail, words[1:]
    return _plural(resource) + (f"/{tail}" if slash else ""), name, words[2:]


_SUBRESOURCES = frozenset(
    {"log", "status", "scale", "exec", "attach", "portforward", "proxy", "token", "eviction", "binding", "ephemeralcontainers"}
)


def _target(operation: Operation, words: Sequence[str]) -> tuple[str, str, Sequence[str]]:
    """Of ``exec web-0 sh``: a pod's name, or a kind and a name, and what follows."""
    if not words:
        return "", "", ()
    kind, slash, name = words[0].partition("/")
    if operation in (Operation.IMPERSONATE, Operation.TOKEN, Operation.PROXY) and not slash and len(words) > 1:
        return _plural(kind), words[1], words[2:]
    return (_plural(kind), name, words[1:]) if slash else ("", words[0], words[1:])


def _plural(resource: str) -> str:
    name, dot, group = resource.partition(".")
    name = _SHORT.get(name, name)
    known = {"pods", "services", "secrets", "nodes", "configmaps", "namespaces", "serviceaccounts", "events", *HOME}
    if name + "s" in known:
        name += "s"
    return f"{name}.{group}" if dot else f"{name}.{HOME[name]}" if name in HOME else name


def _ports(words: Sequence[str]) -> tuple[Port, ...]:
    """``8080`` and ``LOCAL:8080``."""
    found = [word.rpartition(":")[2] for word in words]
    if not all(each.isascii() and each.isdigit() for each in found):
        raise UsageError(f"{' '.join(words)} are not ports: write port-forward web-0 8080")
    return tuple(Port(int(each)) for each in found)


def _instant(text: str) -> Instant:
    return instant(text) if text else Instant(time.time())


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{option} {text}: write it as KEY=VALUE")
    return key, value


def _fact(text: str) -> tuple[str, Json]:
    name, value = _pair(text, "--fact")
    try:
        return name, Json(orjson.loads(value))
    except orjson.JSONDecodeError:
        return name, Json(value)
