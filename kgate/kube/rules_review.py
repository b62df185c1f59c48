"""Rules reviews (``SelfSubjectRulesReview``, which ``kubectl auth can-i --list`` sends): what RBAC lists, matched and written as RBAC does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from attrs import frozen

from kgate.kube.access_review import API_VERSION
from kgate.kube.status import one_line

KIND = "SelfSubjectRulesReview"
OWN_RULES = b"/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
"""Where an API server takes them."""
_LONGEST = 1000


@frozen(cache_hash=True)
class ListedRule:
    """One line of a list, for resources or (``paths``) for what is none. ``names`` empty is every name."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    """``pods``, ``pods/exec``, ``*``, ``*/scale``."""
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def covers(self, verb: str, group: str, resource: str) -> bool:
        """Whether it grants ``verb`` on ``resource`` (``pods/exec``), as RBAC matches."""
        any_of_it = "*/" + resource.partition("/")[2]
        return _in(verb, self.verbs) and _in(group, self.groups) and (_in(resource, self.resources) or any_of_it in self.resources)

    def covers_path(self, verb: str, path: str) -> bool:
        """Whether it grants ``verb`` on ``path``; a star is the last character of a rule's path, and any rest."""
        return _in(verb, self.verbs) and any(path == each or (each.endswith("*") and path.startswith(each[:-1])) for each in self.paths)


def _in(value: str, values: tuple[str, ...]) -> bool:
    return value in values or "*" in values


@frozen
class Listed:
    """What a cluster lists for somebody, and why that may not be all."""

    rules: tuple[ListedRule, ...]
    incomplete: str = ""


def render_question(namespace: str) -> bytes:
    """The question for one namespace."""
    return orjson.dumps({"apiVersion": API_VERSION, "kind": KIND, "spec": {"namespace": namespace}})


def read_list(body: bytes) -> Listed | str:
    """A cluster's answer (JSON), or what is wrong with it."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "not JSON"
    status = document.get("status") if isinstance(document, dict) else None
    if not isinstance(status, dict):
        return "no status"
    found: list[ListedRule] = []
    for key, of in (("resourceRules", _RESOURCE_RULE), ("nonResourceRules", _PATH_RULE)):
        listed = status.get(key) or []
        rules = [_texts(rule, of) for rule in listed] if isinstance(listed, list) else [None]
        if None in rules:
            return f"{key} of wrong types"
        found += [ListedRule(**texts) for texts in rules if texts is not None]
    error = status.get("evaluationError")
    return Listed(tuple(found), one_line(error, _LONGEST) if isinstance(error, str) else "")


_RESOURCE_RULE = {"verbs": "verbs", "apiGroups": "groups", "resources": "resources", "resourceNames": "names"}
_PATH_RULE = {"verbs": "verbs", "nonResourceURLs": "paths"}


def _texts(rule: object, of: dict[str, str]) -> dict[str, tuple[str, ...]] | None:
    if not isinstance(rule, dict):
        return None
    lists = {ours: rule.get(theirs) or [] for theirs, ours in of.items()}
    if not all(isinstance(each, list) and all(isinstance(text, str) for text in each) for each in lists.values()):
        return None
    return {name: tuple(each) for name, each in lists.items()}


def render_list(namespace: str, rules: Iterable[ListedRule], error: str) -> bytes:
    """The answer to a client. It is never complete: conditions and denials have no place in it, as ``error`` says."""
    resources: list[dict[str, Any]] = []
    paths: list[dict[str, Any]] = []
    for rule in rules:
        if rule.paths:
            paths.append({"verbs": rule.verbs, "nonResourceURLs": rule.paths})
        else:
            names = {"resourceNames": rule.names} if rule.names else {}
            resources.append({"verbs": rule.verbs, "apiGroups": rule.groups, "resources": rule.resources, **names})
    status = {"resourceRules": resources, "nonResourceRules": paths, "incomplete": True, "evaluationError": one_line(error, _LONGEST)}
    return orjson.dumps(
        {"apiVersion": API_VERSION, "kind": KIND, "metadata": {}, "spec": {"namespace": namespace}, "status": status}
    )  # fmt: skip
