"""What kubectl prints: ``Status`` bodies, and the sentence of a denial.

``{"kind":"Status",…,"message":M,"reason":"Forbidden","code":403}`` with ``Content-Type: application/json`` shows as
``Error from server (Forbidden): M``, even to a client that prefers protobuf; a denied exec as ``error: unable to upgrade connection: M``. So M is one
line, begins with ``kgate:`` (it was not the cluster that said no) and reads well behind any such prefix.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from kgate.model import Action, Decision, Ground, Identity, Operation, Reason

REASONS: Mapping[int, str] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "Timeout",
    409: "Conflict",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    429: "TooManyRequests",
    431: "RequestHeaderFieldsTooLarge",
    500: "InternalError",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "Timeout",
}
"""apimachinery's ``StatusReason`` where it has one. The words for 431 and 502 are ours: clients go by the code where they do not know the word."""

_LONGEST = 256
"""Of one name in a sentence, in characters."""
_LINE = 2048


def status_body(code: int, message: str, retry_after: int = 0) -> bytes:
    """The JSON body of an error answer. ``retry_after`` is after how many seconds the client should ask again; 0 says nothing of that."""
    body: dict[str, object] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": one_line(message),
        "reason": REASONS.get(code, "Unknown"),
        "code": code,
    }
    if retry_after:
        body["details"] = {"retryAfterSeconds": retry_after}
    return orjson.dumps(body)


def one_line(text: str, longest: int = _LINE) -> str:
    """Printable and on one line, whatever a name in it was made of: a terminal shows it (class 27), a log keeps it (class 25)."""
    if not text.isprintable():
        text = "".join(
            character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}" for character in text
        )
    return text if len(text) <= longest else text[: longest - 1] + "…"


def denial_message(identity: Identity, action: Action, decision: Decision, request_id: str, ask: str = "") -> str:
    """``kgate: alice may not create pods/exec in namespace payments of cluster prod-eu: no rule allows it (request 01J9…)``.

    ``ask`` is a command that tells more; it goes behind the request's id.
    """
    who, what = one_line(identity.user, _LONGEST), describe_action(action)
    tail = f"request {request_id}" + (f"; ask: {ask}" if ask else "")
    return one_line(f"kgate: {who} may not {what}: {describe_reasons(decision.reasons)}", _LINE - len(tail) - 3) + f" ({tail})"


_SHOWN = frozenset({Operation.CP, Operation.DEBUG})
"""Actions that RBAC's words do not show: cp is an exec, debug a patch."""

_AS = {"groups": "--as-group", "uids": "--as-uid", "userextras": "as-user-extra"}
"""How kubectl is asked to impersonate: whoever runs ``kubectl exec --as bob`` is denied an action that they did not write."""


def describe_action(action: Action) -> str:
    """``create pods/exec in namespace payments of cluster prod-eu``: the words of RBAC, so that a rule can be written from them."""
    verb = action.verb or action.method
    cluster = f"of cluster {action.cluster.name}"
    if not action.resource:
        return f"{verb} {one_line(action.path, _LONGEST)} {cluster}"
    resource = one_line(resource_name(action), _LONGEST)
    if action.operation is Operation.IMPERSONATE:
        return f"{verb} {resource} {one_line(action.name, _LONGEST)} ({_AS.get(action.resource, '--as')}) {cluster}"
    if action.operation in _SHOWN:
        resource += f" ({action.operation.value})"
    where = f"in namespace {one_line(action.namespace, _LONGEST)} {cluster}" if action.namespace else cluster
    return f"{verb} {resource} {where}"


def resource_name(action: Action) -> str:
    """``pods``, ``pods/exec``, ``deployments.apps``, ``deployments.apps/scale``."""
    group = f".{action.api_group}" if action.api_group else ""
    return action.resource + group + (f"/{action.subresource}" if action.subresource else "")


def describe_reasons(reasons: tuple[Reason, ...]) -> str:
    """The first reason, and the others of the same rule: one near miss that a person can put right is worth more than a list."""
    if not reasons or reasons[0].ground is Ground.NO_RULE:
        return "no rule allows it"
    first = reasons[0]
    texts = " and ".join(reason.text for reason in reasons if reason.rule == first.rule and reason.text)
    if first.ground is Ground.UNKNOWN_VERB:
        return texts or "Kubernetes has no verb for this method"
    if first.ground is Ground.DENIED:
        return first.text or f'rule "{first.rule}" denies it'
    if not first.rule:
        return texts or first.ground.value
    return f'rule "{first.rule}" would allow it, but {texts or first.ground.value}'
