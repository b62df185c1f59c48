"""``SelfSubjectReview`` (``authentication.k8s.io/v1``, Kubernetes 1.28 and later): asking a cluster who it takes whoever asks for."""

from __future__ import annotations

import orjson
from attrs import frozen

API_VERSION = "authentication.k8s.io/v1"
PATH = b"/apis/authentication.k8s.io/v1/selfsubjectreviews"
QUESTION = orjson.dumps({"apiVersion": API_VERSION, "kind": "SelfSubjectReview"})


@frozen
class UserInfo:
    """Who somebody is to a cluster."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


def read_user(body: bytes) -> UserInfo | str:
    """A cluster's answer (JSON), or what is wrong with it."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "not JSON"
    status = document.get("status") if isinstance(document, dict) else None
    info = status.get("userInfo") if isinstance(status, dict) else None
    if not isinstance(info, dict):
        return "no status.userInfo"
    user, groups, uid, extra = info.get("username", ""), info.get("groups") or [], info.get("uid") or "", info.get("extra") or {}
    if not isinstance(user, str) or not isinstance(uid, str) or not _are_texts(groups) or not isinstance(extra, dict):
        return "a userInfo of wrong types"
    if not all(_are_texts(values) for values in extra.values()):
        return "a userInfo of wrong types"
    return UserInfo(user, tuple(groups), uid, tuple((key, tuple(values)) for key, values in sorted(extra.items())))


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)
