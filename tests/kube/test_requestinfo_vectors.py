"""The API server's own RequestInfo as the judge: on each vector we agree with it in every field, or refuse for a reason that is on the list.

requestinfo_oracle/ holds the program that made the vectors.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from kgate.kube.refusal import Refusal
from kgate.kube.requestinfo import parse_action
from kgate.model import Action, Cluster

CLUSTER = Cluster("prod-eu")
CHANNELS = ("exec", "attach", "portforward")
VECTORS = Path(__file__).parent / "requestinfo_vectors.jsonl.gz"


@cache
def vectors() -> list[list[Any]]:
    with gzip.open(VECTORS, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def asked(vector: list[Any]) -> Action | Refusal:
    return parse_action(CLUSTER, vector[0].encode(), vector[1].encode())


def expected_fields(vector: list[Any]) -> dict[str, Any]:
    _, _, _, _, path, verb, group, version, namespace, resource, sub, name, fields, labels, *_ = vector
    if sub in CHANNELS and verb == "get":
        verb = "create"  # GET and POST are one action: the one difference, on purpose
    return {
        "path": path, "verb": verb, "api_group": group, "api_version": version, "namespace": namespace, "resource": resource,
        "subresource": sub, "name": name, "field_selector": fields, "label_selector": labels,
    }  # fmt: skip


def expected_below(vector: list[Any], action: Action) -> dict[str, Any]:
    """What we read from the query of subresources, by Go's own conversions."""
    follow, tty, stdin, container, command, ports = vector[14:]
    if vector[10] == "exec":
        return {"tty": tty, "stdin": stdin, "container": container, "command": tuple(command), "follows": True}
    if vector[10] == "attach":
        return {"tty": tty, "stdin": stdin, "container": container, "follows": True}
    if vector[10] == "portforward":
        return {"ports": tuple(ports), "follows": True}
    if vector[9] == "pods" and vector[10] == "log" and vector[6] == "":
        return {"container": container, "follows": follow or action.verb == "watch"}
    return {}


def differences(vector: list[Any], action: Action) -> dict[str, tuple[Any, Any]]:
    expected = expected_fields(vector) | (expected_below(vector, action) if vector[3] else {})
    return {key: (getattr(action, key), value) for key, value in expected.items() if getattr(action, key) != value}


def test_there_are_thousands_of_vectors_and_most_kinds_are_among_them() -> None:
    assert len(vectors()) > 8000
    verbs = Counter(vector[5] for vector in vectors() if not vector[2])
    assert {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy", ""} <= set(verbs)


@pytest.mark.threat("10")
def test_we_read_every_target_as_the_api_server_does_or_not_at_all() -> None:
    wrong = []
    for vector in vectors():
        action = asked(vector)
        if isinstance(action, Action):
            if vector[2]:
                wrong.append((vector[:3], "Go refuses it"))
            elif bool(action.resource) != vector[3]:
                wrong.append((vector[:2], "one of both takes it for a resource"))
            elif different := differences(vector, action):
                wrong.append((vector[:2], different))
    assert wrong == []


def reasons_to_refuse(vector: list[Any]) -> list[str]:
    """Plainly and slowly: every listed reason that holds."""
    method, target, error = vector[:3]
    raw, _, query = target.partition("?")
    if error or method not in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") or not target.startswith("/"):
        return ["Go refuses it, or the method or form is unknown"]
    decoded = unquote_to_bytes(raw)
    reasons = []
    if re.search(r"[^\x21-\x7e]|[#\\]", target) or not decoded.decode("utf-8", "replace").isprintable() or b"\xff" in decoded:
        reasons.append("bytes")
    if "//" in raw or re.search(r"(^|[/\\])\.\.?([/\\]|$)", decoded.decode("utf-8", "replace")) or re.search(r"(?i)%2f|%5c|%25|;", raw):
        reasons.append("path")
    if ";" in query or re.search(r"%(?![0-9A-Fa-f]{2})", query) or "\0" in unquote_to_bytes(query).decode("latin-1"):
        reasons.append("query")
    if b"\xff" in unquote_to_bytes(query):
        reasons.append("query bytes")
    if re.search(r"(?i)%0a", query) and re.search("fieldSelector|container", query):
        reasons.append("control character")
    if "ſ" in unquote_to_bytes(query).decode("utf-8", "replace"):
        reasons.append("a boolean that Go folds")
    if re.search(r"(^|&)ports?(=|&|$)", query) and "portforward" in unquote_to_bytes(raw).decode("utf-8", "replace"):
        reasons.append("ports")
    if re.search(r"(^|&)(limit|timeoutSeconds)(=(?!-?[0-9]{1,18}(&|$))|&|$)", query):
        reasons.append("number")
    if "fieldSelector" in query:
        reasons.append("selector")  # looked at more closely in test_selectors
    return reasons


@pytest.mark.threat("10")
def test_we_refuse_for_a_listed_reason_only() -> None:
    unexplained = []
    for vector in vectors():
        action = asked(vector)
        if isinstance(action, Refusal) and not reasons_to_refuse(vector):
            unexplained.append((vector[:2], action.message))
    assert unexplained == []


def test_most_of_what_the_api_server_takes_we_take_too() -> None:
    taken = [vector for vector in vectors() if not vector[2] and vector[1].isascii() and re.fullmatch(r"[\w/.?&=-]*", vector[1])]
    refused = [vector[:2] for vector in taken if isinstance(asked(vector), Refusal) and not reasons_to_refuse(vector)]
    assert len(taken) > 2000 and refused == []
