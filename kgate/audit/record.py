"""Model values → the fields of an audit record. Absent fields are left out; times are RFC 3339 in UTC with microseconds.

A record is for a reader who trusts nobody in it: values are cut to a length, and JSON's escaping keeps line ends and terminal escapes apart from the
file's own structure (security.md class 25). No credential is ever a field.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from kgate.model import Action, Cause, Context, Decision, Ground, Identity

Record = dict[str, object]

LONGEST = {"user_agent": 1024, "path": 8192}
MOST_ARGUMENTS = 256
_LONGEST_ARGUMENT = 4096


def timestamp(now: float) -> str:
    """``2026-11-24T09:30:00.000000Z``."""
    return _second(int(now)) + f".{int(now % 1 * 1_000_000):06d}Z"


@lru_cache(maxsize=8)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def safe(text: str, longest: int = 4096) -> str:
    """``text`` as UTF-8 can carry it, cut with a mark where it is too long."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= longest else text[: longest - 1] + "…"


@lru_cache(maxsize=4096)
def _who(identity: Identity) -> tuple[tuple[str, object], ...]:
    fields: Record = {"user": safe(identity.user), "groups": [safe(group) for group in identity.groups], "issuer": identity.issuer}
    if identity.session:
        fields["session"] = identity.session
    if identity.device is not None:
        fields["device"] = safe(identity.device.name)
    return tuple(fields.items())


@lru_cache(maxsize=4096)
def _what(action: Action) -> tuple[tuple[str, object], ...]:
    fields: Record = {"cluster": action.cluster.name, "verb": action.verb}
    if action.operation is not None:
        fields["action"] = action.operation.value
    for name, value in (
        ("api_group", action.api_group),
        ("resource", action.resource),
        ("subresource", action.subresource),
        ("namespace", action.namespace),
        ("name", action.name),
        ("container", action.container),
    ):
        if value:
            fields[name] = safe(value)
    if action.command:
        fields["command"] = [safe(argument, _LONGEST_ARGUMENT) for argument in action.command[:MOST_ARGUMENTS]]
    if action.ports:
        fields["port"] = list(action.ports)
    fields["path"] = safe(action.path, LONGEST["path"])
    return tuple(fields.items())


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


def _reason(ground: Ground, rule: str, text: str) -> str:
    named = f"{ground.value}: {rule}" if rule else ground.value
    return safe(f"{named}: {text}" if text else named)


def decision_record(
    event: str, id_: str, gate: str, identity: Identity, action: Action, context: Context, decision: Decision, kubectl: Record | None = None
) -> Record:
    """``request``, ``stream-start`` or ``decision-change``: who asked for what, and the answer."""
    record: Record = {"time": timestamp(context.now), "id": id_, "gate": gate, "event": event}
    record.update(_who(identity))
    record["source_ip"] = context.address
    record.update(_what(action))
    if context.user_agent:
        record["user_agent"] = safe(context.user_agent, LONGEST["user_agent"])
    if kubectl:
        record["kubectl"] = kubectl
    record.update(_why(decision))
    return record


def refusal_record(
    id_: str, gate: str, now: float, address: str, status: int, message: str, identity: Identity | None, action: Action | None
) -> Record:
    """A request that never got as far as a decision."""
    record: Record = {"time": timestamp(now), "id": id_, "gate": gate, "event": "request"}
    if identity is not None:
        record.update(_who(identity))
    record["source_ip"] = address
    if action is not None:
        record.update(_what(action))
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


def event_record(event: str, id_: str, gate: str, now: float, **fields: object) -> Record:
    """``config``, ``start``, ``stop``, ``relaxation``: what happened to the gate itself."""
    return {"time": timestamp(now), "id": id_, "gate": gate, "event": event, **fields}
