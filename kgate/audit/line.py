"""The two records that every request leaves, encoded from pieces that repeat: who asks, what for, by which rule.

``decision_line`` and ``end_line`` give exactly what ``encode`` makes of ``decision_record`` and ``end_record`` (tests/audit/test_lines.py holds them
against each other), at a quarter of the price: a piece is encoded once, and kept under the value that it says. Whatever is rare goes the plain way.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from kgate.audit.record import LONGEST, LONGEST_FIELD, Record, decision_record, end_record, safe, timestamp, what, who, why
from kgate.audit.text import encode
from kgate.model import Action, Cause, Cluster, Context, Decision, Identity, Impersonation, Operation, Pairs

Kubectl = tuple[tuple[str, str], ...]

_KUBECTL_LONGEST: Final = 256


def decision_line(
    event: str,
    id_: str,
    gate: str,
    identity: Identity,
    action: Action,
    context: Context,
    decision: Decision,
    kubectl: Kubectl = (),
    asked_as: Impersonation | None = None,
) -> str:
    """The inside of a decision's record, without braces. ``kubectl`` is what the client says of itself, not yet cut."""
    if context.country or context.asn is not None or context.facts or context.grants or asked_as is not None:
        record = decision_record(event, id_, gate, identity, action, context, decision, kubectl_record(kubectl), asked_as)
        return encode(record).decode()
    return (
        f'"time":"{timestamp(context.now)}","id":"{id_}",{_whence(gate, event)},{_who(identity)},"source_ip":"{context.address}",'
        f"{_what(action)}{_agent(context.user_agent)}{_kubectl(kubectl)},{_why(decision)}"
    )


def end_line(
    event: str,
    id_: str,
    gate: str,
    now: float,
    cluster: str,
    user: str,
    status: int,
    duration: float,
    bytes_in: int,
    bytes_out: int,
    cause: Cause | None = None,
    revocation: float | None = None,
) -> str:
    """The inside of an end's record, without braces. ``duration`` and ``revocation`` are seconds."""
    if cause is not None or revocation is not None:
        record = end_record(event, id_, gate, now, cluster, user, status, duration, bytes_in, bytes_out, cause, revocation)
        return encode(record).decode()
    return (
        f'"time":"{timestamp(now)}","id":"{id_}",{_whence(gate, event)},{_whose(cluster, user)},"status":{status},'
        f'"duration_ms":{round(duration * 1000, 3)},"bytes_in":{bytes_in},"bytes_out":{bytes_out}'
    )


def kubectl_record(kubectl: Kubectl) -> Record | None:
    """As a record has it."""
    return {name: safe(value, _KUBECTL_LONGEST) for name, value in kubectl} or None


# --- the pieces; each is as bounded as the plain record's own


@lru_cache(maxsize=64)
def _whence(gate: str, event: str) -> str:
    return encode({"gate": gate, "event": event}).decode()


@lru_cache(maxsize=4096)
def _who(identity: Identity) -> str:
    return encode(dict(who(identity))).decode()


def _what(action: Action) -> str:
    """Only name and path differ from request to request; what else is seldom there goes the plain way."""
    name, path = action.name, action.path
    seldom = action.container or action.label_selector or action.field_selector or action.command or action.ports
    if seldom or len(action.resource) > LONGEST_FIELD or not (_needs_no_escape(path) and _needs_no_escape(name)):
        return encode(dict(what(action))).decode()
    kind = _kind(
        action.cluster.name, action.cluster.labels, action.verb, action.operation,
        action.api_group, action.resource, action.subresource, action.namespace,
    )  # fmt: skip
    return f'{kind},"name":"{name}","path":"{path}"' if name else f'{kind},"path":"{path}"'


def _needs_no_escape(text: str) -> bool:
    """Whether JSON has it as it stands, and a record whole."""
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text and len(text) <= LONGEST_FIELD


@lru_cache(maxsize=4096)
def _kind(
    cluster: str, labels: Pairs, verb: str, operation: Operation | None, api_group: str, resource: str, subresource: str, namespace: str
) -> str:
    """What comes before name and path, by the very function that makes the record."""
    few = Action(Cluster(cluster, labels), "", verb, "", "", api_group, "", resource, subresource, namespace, operation=operation)
    return encode({name: value for name, value in what(few) if name != "path"}).decode()


@lru_cache(maxsize=4096)
def _why(decision: Decision) -> str:
    return encode(dict(why(decision))).decode()


@lru_cache(maxsize=4096)
def _whose(cluster: str, user: str) -> str:
    return encode({"cluster": cluster, "user": safe(user)}).decode()


@lru_cache(maxsize=1024)
def _agent(user_agent: str) -> str:
    return "," + encode({"user_agent": safe(user_agent, LONGEST["user_agent"])}).decode() if user_agent else ""


@lru_cache(maxsize=1024)
def _kubectl(kubectl: Kubectl) -> str:
    record = kubectl_record(kubectl)
    return "," + encode({"kubectl": record}).decode() if record else ""
