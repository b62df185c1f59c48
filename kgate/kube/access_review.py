"""Access reviews (``authorization.k8s.io/v1``): asking whether somebody may do something, in the words of Kubernetes.

``SubjectAccessReview`` names whom it is about, ``SelfSubjectAccessReview`` is about whoever asks, which is what ``kubectl auth can-i`` sends, as protobuf
(protocol.md section 4). Field numbers are those of k8s.io/api/authorization/v1/generated.proto.
"""

from __future__ import annotations

from typing import Any

import orjson
from attrs import frozen

from kgate.kube.protobuf import Malformed, read_unknown
from kgate.kube.review_selectors import read_selector, selector_of
from kgate.kube.status import one_line
from kgate.model import Action

API_VERSION = "authorization.k8s.io/v1"
OWN_REVIEWS = b"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
"""Where an API server takes them."""
_LONGEST = 1000


@frozen(cache_hash=True)
class Attributes:
    """What a review is about: a resource, or a ``path`` where ``resource`` is empty."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""
    label_selector: str = ""


@frozen
class Review:
    """A question. Without a ``user`` it is about whoever asks."""

    attributes: Attributes
    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@frozen
class ReviewStatus:
    """The answer. Neither ``allowed`` nor ``denied`` is no opinion."""

    allowed: bool
    denied: bool = False
    reason: str = ""
    evaluation_error: str = ""


def attributes_of(action: Action) -> Attributes:
    """``action`` as RBAC sees it."""
    if not action.resource:
        return Attributes(action.verb, path=action.path)
    return Attributes(
        action.verb, action.api_group, action.api_version, action.resource, action.subresource, action.namespace, action.name
    )  # fmt: skip


def render_review(review: Review) -> bytes:
    """The review as a request's body, its keys sorted: equal reviews are equal bytes."""
    spec: dict[str, Any] = _spec(review.attributes)
    kind = "SelfSubjectAccessReview"
    if review.user:
        kind = "SubjectAccessReview"
        extra = {key: list(values) for key, values in review.extra}
        about = {"user": review.user, "groups": list(review.groups), "uid": review.uid, "extra": extra}
        spec |= {key: value for key, value in about.items() if value}
    return orjson.dumps({"apiVersion": API_VERSION, "kind": kind, "spec": spec}, option=orjson.OPT_SORT_KEYS)


def render_answer(review: Review, status: ReviewStatus) -> bytes:
    """The answer to a client's own review."""
    told: dict[str, object] = {"allowed": status.allowed}
    if status.denied:
        told["denied"] = True
    if status.reason:
        told["reason"] = one_line(status.reason, _LONGEST)
    if status.evaluation_error:
        told["evaluationError"] = one_line(status.evaluation_error, _LONGEST)
    kind = "SelfSubjectAccessReview"
    return orjson.dumps(
        {"apiVersion": API_VERSION, "kind": kind, "metadata": {}, "spec": _spec(review.attributes), "status": told}
    )  # fmt: skip


def review_status(body: bytes) -> ReviewStatus | str:
    """What a server answered (JSON), or what is wrong with it."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "not JSON"
    status = document.get("status") if isinstance(document, dict) else None
    if not isinstance(status, dict) or not isinstance(status.get("allowed"), bool):
        return "no status.allowed"
    denied, reason, error = status.get("denied", False), status.get("reason", ""), status.get("evaluationError", "")
    if not isinstance(denied, bool) or not isinstance(reason, str) or not isinstance(error, str):
        return "a status of wrong types"
    return ReviewStatus(status["allowed"], denied, one_line(reason, _LONGEST), one_line(error, _LONGEST))


def parse_self_review(body: bytes, content_type: str) -> Review | str:
    """A client's ``SelfSubjectAccessReview``, JSON or protobuf, or what is wrong with it."""
    if content_type == "application/vnd.kubernetes.protobuf":
        return _from_protobuf(body)
    document = _document(body, "SelfSubjectAccessReview")
    if isinstance(document, str):
        return document
    return _from_json(document)


def parse_rules_review(body: bytes, content_type: str) -> str | None:
    """The namespace that a client's ``SelfSubjectRulesReview`` is about; None where it is none."""
    if content_type == "application/vnd.kubernetes.protobuf":
        try:
            return read_unknown(body, "SelfSubjectRulesReview").message(2).text(1)
        except Malformed:
            return None
    document = _document(body, "SelfSubjectRulesReview")
    spec = document.get("spec") if isinstance(document, dict) else None
    namespace = spec.get("namespace", "") if isinstance(spec, dict) else None
    return namespace if isinstance(namespace, str) else None


def _document(body: bytes, kind: str) -> dict[str, Any] | str:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "the body is not JSON"
    if not isinstance(document, dict) or document.get("kind", kind) != kind or document.get("apiVersion", API_VERSION) != API_VERSION:
        return f"the body is no {kind} of {API_VERSION}"
    return document


def _from_json(document: dict[str, Any]) -> Review | str:
    spec = document.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    chosen = resource if resource is not None else path
    if (resource is None) == (path is None) or not isinstance(chosen, dict):
        return _EITHER
    if not all(isinstance(chosen.get(key, ""), str) for key in (*_RESOURCE, "path")):
        return "the attributes are not text"
    if resource is None:
        return Review(Attributes(chosen.get("verb", ""), path=chosen.get("path", "")))
    fields, labels = selector_of(chosen.get("fieldSelector"), labels=False), selector_of(chosen.get("labelSelector"), labels=True)
    if fields is None or labels is None:
        return "a selector is neither a rawSelector nor requirements"
    return Review(Attributes(**{key: chosen.get(key, "") for key in _RESOURCE}, field_selector=fields, label_selector=labels))


def _from_protobuf(body: bytes) -> Review | str:
    try:
        spec = read_unknown(body, "SelfSubjectAccessReview").message(2)
        if spec.has(1) == spec.has(2):
            return _EITHER
        if spec.has(2):
            path = spec.message(2)
            return Review(Attributes(path.text(2), path=path.text(1)))
        resource = spec.message(1)
        said = {name: resource.text(number) for name, number in _RESOURCE.items()}
        fields, labels = (read_selector(resource.fields.get(number, b""), labels=number == 9) for number in (8, 9))
        return Review(Attributes(**said, field_selector=fields, label_selector=labels))
    except Malformed as error:
        return f"the body is not the protobuf of a SelfSubjectAccessReview: {error}"


_EITHER = "exactly one of resourceAttributes and nonResourceAttributes must be there"
_RESOURCE = {"namespace": 1, "verb": 2, "group": 3, "version": 4, "resource": 5, "subresource": 6, "name": 7}
"""JSON names and protobuf numbers of ResourceAttributes."""


def _spec(attributes: Attributes) -> dict[str, Any]:
    if not attributes.resource and attributes.path:
        return {"nonResourceAttributes": {"path": attributes.path, "verb": attributes.verb}}
    told: dict[str, Any] = {name: value for name in _RESOURCE if (value := getattr(attributes, name))}
    selectors = {"fieldSelector": attributes.field_selector, "labelSelector": attributes.label_selector}
    return {"resourceAttributes": told | {name: {"rawSelector": text} for name, text in selectors.items() if text}}
