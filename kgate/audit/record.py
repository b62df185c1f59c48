"""Model values → the fields of an audit record. Absent fields are left out; times are RFC 3339 in UTC with microseconds.

A record is for a reader who trusts nobody in it: values are cut to a length, and JSON's escaping keeps line ends and terminal escapes apart from the
file's own structure (security.md class 25). No credential is ever a field.

A decision's record holds all that the decision depended on, so that ``read`` can rebuild it and anybody can ask again: what only policy looks at stands
under ``identity``, ``cluster_labels``, ``country`` … and is left out where there is none. Facts are the same for everyone and change seldom: they
are a record of their own, which the others name by content (``facts``). ``cut`` says that a value was too long to be kept whole.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final

import orjson

from kgate.model import Action, Cause, Context, Decision, Device, Fact, Grant, Ground, Identity, Impersonation

Record = dict[str, object]

LONGEST: Final = {"user_agent": 1024, "path": 8192}
MOST_ARGUMENTS: Final = 256
LONGEST_FIELD: Final = 4096


THREE_DIGITS: Final = [f"{number:03d}" for number in range(1000)]


class _Last:
    """The last second that was written, for most times are of the one before theirs: one value, because threads that search write times too."""

    __slots__ = ("second",)

    def __init__(self) -> None:
        self.second: tuple[int, str] = -1, ""


_LAST: Final = _Last()


def timestamp(now: float) -> str:
    """``2026-11-24T09:30:00.000000Z``."""
    second = int(now)
    known, text = _LAST.second
    if second != known:
        text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _LAST.second = second, text
    millionths = int((now - second) * 1_000_000)
    return f"{text}.{THREE_DIGITS[millionths // 1000]}{THREE_DIGITS[millionths % 1000]}Z"


def safe(text: str, longest: int = LONGEST_FIELD) -> str:
    """``text`` as UTF-8 can carry it, cut with a mark where it is too long."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= longest else text[: longest - 1] + "…"


@lru_cache(maxsize=4096)
def who(identity: Identity) -> tuple[tuple[str, object], ...]:
    """The fields that say who asks."""
    fields: Record = {"user": safe(identity.user), "groups": [safe(group) for group in identity.groups], "issuer": identity.issuer}
    if identity.session:
        fields["session"] = identity.session
    if identity.device is not None:
        fields["device"] = safe(identity.device.name)
    known = _known_of(identity)
    if known:
        fields["identity"] = known
    return tuple(fields.items())


def _known_of(identity: Identity) -> Record:
    """What else is known of the caller."""
    instants = {"expires": identity.expires, "authenticated_at": identity.authenticated_at}
    lists = {"amr": identity.amr, "networks": identity.networks, "clusters": identity.clusters}
    known: Record = {name: value for name, value in (("uid", identity.uid), ("acr", identity.acr), ("robot", identity.robot)) if value}
    known |= {name: timestamp(value) for name, value in instants.items() if value is not None}
    known |= {name: list(values) for name, values in lists.items() if values}
    if identity.extra:
        known["extra"] = {key: list(values) for key, values in identity.extra}
    if identity.device is not None and (identity.device.compliant is not None or identity.device.posture):
        known["device"] = _device(identity.device)
    return known


def _device(device: Device) -> Record:
    fields: Record = {"compliant": device.compliant} if device.compliant is not None else {}
    return fields | {"posture": dict(device.posture)} if device.posture else fields


def what(action: Action) -> tuple[tuple[str, object], ...]:
    """The fields that say what for."""
    fields: Record = {"cluster": action.cluster.name}
    if action.cluster.labels:
        fields["cluster_labels"] = dict(action.cluster.labels)
    fields["verb"] = action.verb
    if action.operation is not None:
        fields["action"] = action.operation.value
    parts = (
        ("api_group", action.api_group),
        ("resource", action.resource),
        ("subresource", action.subresource),
        ("namespace", action.namespace),
        ("name", action.name),
        ("container", action.container),
        ("label_selector", action.label_selector),
        ("field_selector", action.field_selector),
    )
    for name, value in parts:
        if value:
            fields[name] = safe(value)
    if action.command:
        fields["command"] = [safe(argument) for argument in action.command[:MOST_ARGUMENTS]]
    if action.ports:
        fields["port"] = list(action.ports)
    fields["path"] = safe(action.path, LONGEST["path"])
    longest = max(len(text) for text in (*(value for _, value in parts), *action.command))
    if longest > LONGEST_FIELD or len(action.command) > MOST_ARGUMENTS or len(action.path) > LONGEST["path"]:
        fields["cut"] = True  # the record does not hold all of what was asked
    return tuple(fields.items())


def undated(decision: Decision) -> Decision:
    """Without the instant until which it holds, which no record has. Where another authorizer has a say that is another one with each request: what is
    kept by the decision would never be found again."""
    return decision if decision.until is None else decision.but(until=None)


def why(decision: Decision) -> tuple[tuple[str, object], ...]:
    """The fields that say what was decided, by which rule, and whom the cluster sees."""
    return _why(undated(decision))


@lru_cache(maxsize=4096)
def _why(decision: Decision) -> tuple[tuple[str, object], ...]:
    fields: Record = {"allowed": decision.allowed}
    if decision.rule:
        fields["rule"] = decision.rule
    if decision.reasons:
        fields["reasons"] = [_reason(reason.ground, reason.rule, reason.text) for reason in decision.reasons]
    fields["policy_revision"] = decision.revision
    if decision.impersonate is not None:
        fields["impersonated"] = {"user": decision.impersonate.user, "groups": list(decision.impersonate.groups)}
    return tuple(fields.items())


def shadow_fields(decision: Decision) -> Record:
    """What a candidate would have said: ``shadow`` of a decision's record, where it is otherwise."""
    return {"shadow": dict(why(decision))}


def _reason(ground: Ground, rule: str, text: str) -> str:
    named = f"{ground.value}: {rule}" if rule else ground.value
    return safe(f"{named}: {text}" if text else named)


def decision_record(
    event: str,
    id_: str,
    gate: str,
    identity: Identity,
    action: Action,
    context: Context,
    decision: Decision,
    kubectl: Record | None = None,
    asked_as: Impersonation | None = None,
) -> Record:
    """``request``, ``stream-start`` or ``decision-change``: who asked for what, and the answer. ``asked_as`` is ``kubectl --as``."""
    record: Record = {"time": timestamp(context.now), "id": id_, "gate": gate, "event": event}
    record.update(who(identity))
    record["source_ip"] = context.address
    record.update(what(action))
    if context.user_agent:
        record["user_agent"] = safe(context.user_agent, LONGEST["user_agent"])
        if len(context.user_agent) > LONGEST["user_agent"]:
            record["cut"] = True  # a policy may ask for the whole of it
    if context.country:
        record["country"] = context.country
    if context.asn is not None:
        record["asn"] = context.asn
    if context.facts:
        record["facts"] = facts_revision(context.facts)
    if context.grants:
        record["grants"] = [_grant(grant) for grant in context.grants]
    if kubectl:
        record["kubectl"] = kubectl
    if asked_as is not None:
        record["as"] = _as(asked_as)
    record.update(why(decision))
    return record


def _grant(grant: Grant) -> Record:
    fields: Record = {"id": grant.id, "user": safe(grant.user), "rule": grant.rule, "cluster": grant.cluster}
    if grant.namespace:
        fields["namespace"] = safe(grant.namespace)
    fields |= {"begins": timestamp(grant.begins), "until": timestamp(grant.until)}
    if grant.revoked_by:
        fields["revoked_by"] = safe(grant.revoked_by)
    if grant.reason:
        fields["reason"] = safe(grant.reason)
    return fields | {"approvers": [safe(name) for name in grant.approvers]} if grant.approvers else fields


def _as(asked: Impersonation) -> Record:
    fields: Record = {"user": safe(asked.user)}
    if asked.groups:
        fields["groups"] = [safe(group) for group in asked.groups]
    if asked.uid:
        fields["uid"] = safe(asked.uid)
    return fields | {"extra": {safe(key): [safe(each) for each in values] for key, values in asked.extra}} if asked.extra else fields


@lru_cache(maxsize=64)
def facts_revision(facts: tuple[Fact, ...]) -> str:
    """What names these very facts in other records."""
    return content_name(_values(facts))


def content_name(values: Record) -> str:
    """The beginning of a SHA-256 over ``values`` of a ``facts`` record, in hex."""
    return sha256(orjson.dumps(values)).hexdigest()[:16]


def facts_record(id_: str, gate: str, now: float, facts: tuple[Fact, ...]) -> Record:
    """``facts``: what was known of the world. It stands before the first decision that depended on it."""
    return event_record("facts", id_, gate, now, facts=facts_revision(facts), values=_values(facts))


def _values(facts: tuple[Fact, ...]) -> Record:
    return {
        fact.name: {"value": fact.value, "until": timestamp(fact.until)} if fact.until is not None else {"value": fact.value}
        for fact in facts
    }


def refusal_record(
    id_: str, gate: str, now: float, address: str, status: int, message: str, identity: Identity | None, action: Action | None
) -> Record:
    """A request that never got as far as a decision."""
    record: Record = {"time": timestamp(now), "id": id_, "gate": gate, "event": "request"}
    if identity is not None:
        record.update(who(identity))
    record["source_ip"] = address
    if action is not None:
        record.update(what(action))
    return record | {"allowed": False, "reasons": [safe(message)], "status": status}


def end_record(
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
    channels: dict[str, int] | None = None,
) -> Record:
    """``request-end`` or ``stream-end``. ``duration`` and ``revocation`` are seconds."""
    record: Record = {
        "time": timestamp(now),
        "id": id_,
        "gate": gate,
        "event": event,
        "cluster": cluster,
        "user": safe(user),
        "status": status,
        "duration_ms": round(duration * 1000, 3),
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
    }
    if cause is not None:
        record["closed_by"] = cause.ending.value
        record["reasons"] = [safe(cause.text)]
    if revocation is not None:
        record["revocation_ms"] = round(revocation * 1000, 3)
    if channels:
        record["stream"] = channels
    return record


def recorded_fields(name: str, size: int | None, sha256: str, problem: str) -> Record:
    """What a stream's end says of its recording; the file is proved by it. ``size`` is None where nobody knows."""
    recorded: Record = {"bytes": size, "sha256": sha256} if size is not None else {}
    if problem:
        recorded["problem"] = safe(problem)
    return {"recording": name, "recorded": recorded}


def event_record(event: str, id_: str, gate: str, now: float, **fields: object) -> Record:
    """``config``, ``start``, ``stop``, ``relaxation``, ``relaxation-over``: what happened to the gate itself."""
    return {"time": timestamp(now), "id": id_, "gate": gate, "event": event, **fields}
