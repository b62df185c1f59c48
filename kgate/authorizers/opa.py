"""Open Policy Agent, by its REST data API: ``POST /v1/data/PATH`` with an ``input``, and a ``result`` back.

The input holds who, what, where and why so far, and no instant: OPA has a clock, and a question that differed from second to second could not be
kept. The result is ``true`` or ``false``, or an object with ``allow``, ``reason`` and ``ttl`` (seconds for which it counts). No result at all
(an undefined document) is no opinion.
"""

from __future__ import annotations

from typing import Any

import orjson
from attrs import define

from kgate.authorizers.interface import Answer, Opinion, Question, Unanswered
from kgate.kube.status import one_line
from kgate.model import Action, Context, Decision, Identity

_LONGEST = 500


@define(eq=False)
class OpaQuestions:
    """The questions to one OPA."""

    name: str

    def question(self, identity: Identity, action: Action, context: Context, decision: Decision) -> Question | None:
        """Everything that the policy saw but the time."""
        return Question(self.name, orjson.dumps({"input": input_of(identity, action, context, decision)}, option=orjson.OPT_SORT_KEYS))


def input_of(identity: Identity, action: Action, context: Context, decision: Decision) -> dict[str, Any]:
    """The document that rules in Rego read as ``input``."""
    device = identity.device
    return {
        "identity": {
            "user": identity.user,
            "groups": list(identity.groups),
            "uid": identity.uid,
            "extra": {key: list(values) for key, values in identity.extra},
            "issuer": identity.issuer,
            "robot": identity.robot,
            "acr": identity.acr,
            "amr": list(identity.amr),
            "device": None if device is None else {"name": device.name, "compliant": device.compliant, "posture": dict(device.posture)},
        },
        "action": {
            "cluster": action.cluster.name,
            "labels": dict(action.cluster.labels),
            "verb": action.verb,
            "operation": action.operation.value if action.operation is not None else "",
            "group": action.api_group,
            "version": action.api_version,
            "resource": action.resource,
            "subresource": action.subresource,
            "namespace": action.namespace,
            "name": action.name,
            "container": action.container,
            "command": list(action.command),
            "ports": list(action.ports),
            "path": action.path,
            "field_selector": action.field_selector,
            "label_selector": action.label_selector,
        },
        "context": {
            "address": context.address,
            "user_agent": context.user_agent,
            "country": context.country,
            "asn": context.asn,
            "facts": {fact.name: orjson.loads(fact.value) for fact in context.facts},
        },
        "rule": decision.rule,
    }


def answer_of(status: int, body: bytes) -> Answer | Unanswered:
    """What OPA's answer means."""
    if status != 200:
        return Unanswered(f"answered with {status}")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Unanswered("answered with something that is not JSON")
    if not isinstance(document, dict):
        return Unanswered("answered with something that is no result")
    if "result" not in document:
        return Answer(Opinion.NONE, "it has no result; check the path of its URL")
    return _result(document["result"])


def _result(result: object) -> Answer | Unanswered:
    if isinstance(result, bool):
        return Answer(Opinion.ALLOWED if result else Opinion.DENIED)
    allow, reason, ttl = (result.get(key) for key in ("allow", "reason", "ttl")) if isinstance(result, dict) else (None, None, None)
    if not isinstance(allow, bool) or not isinstance(reason, (str, type(None))) or not _is_seconds(ttl):
        return Unanswered("answered with a result that is neither true, false nor {allow, reason, ttl}")
    holds = float(ttl) if isinstance(ttl, (int, float)) else None
    return Answer(Opinion.ALLOWED if allow else Opinion.DENIED, one_line(reason or "", _LONGEST), holds)


def _is_seconds(ttl: object) -> bool:
    return ttl is None or (isinstance(ttl, (int, float)) and not isinstance(ttl, bool) and ttl >= 0)
