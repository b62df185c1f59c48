"""A request target → what it asks for, exactly as the API server's own ``RequestInfo`` reads it, or a refusal.

The rule is k8s.io/apiserver ``RequestInfoFactory.NewRequestInfo`` over Go's ``net/url``; tests/kube/requestinfo_oracle/ asks that code itself.
What was parsed here is what is decided on, and the raw target is forwarded, so a target that the two could read differently must not pass.

    /api/V/[namespaces/N/]RESOURCE[/NAME[/SUBRESOURCE[/ignored…]]]           the core group
    /apis/G/V/[namespaces/N/]RESOURCE[/NAME[/SUBRESOURCE[/ignored…]]]        every other group
    /api/V/watch/…, /api/V/proxy/…                                           the verb is in the path (old, and alive)
    everything else, and everything shorter                                  a non-resource request: only its path counts

Refused with 400 (CVE-2019-9901, CVE-2021-29492): any form but ``/path?query``; ``//``, ``.`` and ``..`` segments, however encoded; encoded ``/``,
``\\`` or ``%``; control characters and what is not UTF-8; raw ``;``, ``\\`` and ``#``; a ``%`` that begins no escape; unknown methods. Below
``…/proxy/`` the rest belongs to whatever is proxied: there ``//``, ``;`` and encoded slashes may stand, but dot segments still may not, since
a load balancer before the API server might resolve them. List options that the API server could not read are refused too, because it
forgets all of them when it cannot read one (see selectors).

GET and POST of exec, attach and port-forward are one action, verb ``create`` (the first is WebSocket, the second SPDY), so that nobody has one
by being denied the other. The subresources ``exec``, ``attach``, ``portforward`` and ``proxy`` mean the same on every resource of every
group: an aggregated API that opens channels (virtual machines) opens them under these names.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from kgate.kube.operations import CHANNELS, operation_of, ports_of
from kgate.kube.query import BAD_ESCAPE, Query, first, listed_name, parse_query, truth, unclear, unescaped
from kgate.kube.refusal import Refusal
from kgate.model import Action, Cluster, Operation, is_copy

_REMEMBERED: Final = 2048
_REMEMBERED_BYTES: Final = 512
"""Longer targets are parsed each time, so that a stranger cannot make the memo large."""

_VERBS: Final = {
    b"GET": "get", b"HEAD": "get", b"POST": "create", b"PUT": "update", b"PATCH": "patch", b"DELETE": "delete", b"OPTIONS": "",
}  # fmt: skip
"""RequestInfo knows six methods and gives the verb ``""`` to any other; OPTIONS is the one other that clients really send."""

_UNRESERVED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PLAIN: Final = _UNRESERVED + b"/?:@!$&'()*,="
"""Targets of these alone need no decoding. Without ``+``, which is a space in a query."""
_PRINTABLE: Final = bytes(byte for byte in range(0x21, 0x7F) if byte not in b"#\\")

_NO_QUERY: Query = {}


_Parts = tuple[str, str, str, str, str, str, str, int]
"""Group, version, verb, namespace, resource, name, subresource, and how many segments stand before a proxied tail (all, where there is none).

A bare tuple, since one is made for each request and a named one costs as much as the taking apart.
"""


def parse_action(cluster: Cluster, method: bytes, target: bytes) -> Action | Refusal:
    """What ``method`` on ``target`` (the raw request target below the cluster, with its query) asks of ``cluster``."""
    if len(target) <= _REMEMBERED_BYTES:
        return _remembered(cluster, method, target)
    return _parse(cluster, method, target)


def _parse(cluster: Cluster, method: bytes, target: bytes) -> Action | Refusal:
    verb = _VERBS.get(method)
    if verb is None:
        return Refusal(400, "the method is not one that Kubernetes knows: use GET, HEAD, POST, PUT, PATCH or DELETE")
    if target[:1] != b"/":
        return Refusal(400, "the request target must be a path that begins with /")
    plain = not target.translate(None, _PLAIN)
    if not plain and target.translate(None, _PRINTABLE):
        return unclear("a character that must be percent-encoded")
    text = target.decode("ascii")
    path, _, raw_query = text.partition("?")
    if plain and "//" not in path and "/." not in path:
        segments = path.split("/")[1:-1] if path[-1] == "/" else path.split("/")[1:]
        parts = _take_apart(segments, verb)
    else:
        found = _decoded(path, verb)
        if isinstance(found, Refusal):
            return found
        path, parts = found
    if isinstance(parts, Refusal):
        return parts
    query = _NO_QUERY if not raw_query else parse_query(raw_query, plain)
    if isinstance(query, Refusal):
        return query
    name = method.decode("ascii")
    if parts is None:
        return Action(cluster, name, name.lower(), text, path)
    return _resource_action(cluster, name, text, path, parts, query)


_remembered: Final = lru_cache(maxsize=_REMEMBERED)(_parse)


# --- the path


def _take_apart(segments: list[str], verb: str) -> _Parts | Refusal | None:
    """RequestInfo over decoded segments; None: not a resource."""
    count = len(segments)
    if count < 3:
        return None
    if segments[0] == "api":
        group, at = "", 1
    elif segments[0] == "apis" and count > 3:
        group, at = segments[1], 2
    else:
        return None
    version = segments[at]
    at += 1
    if segments[at] == "watch" or segments[at] == "proxy":
        verb = segments[at]
        at += 1
        if at == count:
            return Refusal(400, f"the path ends where the resource to {verb} should follow")
    namespace = ""
    if segments[at] == "namespaces" and at + 1 < count:
        namespace = segments[at + 1]
        if at + 2 < count and segments[at + 2] not in ("status", "finalize"):
            at += 2
    name = segments[at + 1] if at + 1 < count else ""
    if verb == "proxy":
        return group, version, verb, namespace, segments[at], name, "", at + 2
    subresource = segments[at + 2] if at + 2 < count else ""
    return group, version, verb, namespace, segments[at], name, subresource, at + 3 if subresource == "proxy" else count


def _decoded(raw: str, verb: str) -> tuple[str, _Parts | Refusal | None] | Refusal:
    """The path that Go would see, and its parts, for a path that is not plain."""
    if BAD_ESCAPE.search(raw):
        return unclear("a % that begins no escape")
    pieces = raw[1:].split("/")
    if pieces[-1] == "":
        pieces.pop()
    segments = []
    for piece in pieces:
        segment = unescaped(piece)
        if segment is None or not segment.isprintable():
            return unclear("a control character or something that is not UTF-8")
        segments.append(segment)
    parts = _take_apart(segments, verb)
    strict = len(segments) if parts is None or isinstance(parts, Refusal) else parts[7]
    return _ambiguity(pieces, segments, strict) or ("/" + "/".join(segments) + ("/" if raw[-1] == "/" and segments else ""), parts)


def _ambiguity(pieces: list[str], segments: list[str], strict: int) -> Refusal | None:
    """What another reader could read differently: anything in the first ``strict`` segments, dot segments everywhere."""
    for index, segment in enumerate(segments):
        if not _DOTS.isdisjoint(_SEPARATOR.split(segment)):
            return unclear('a "." or ".." segment')
        if index >= strict:
            continue
        if not segment:
            return unclear("an empty segment (//)")
        if not _AMBIGUOUS.isdisjoint(segment):
            return unclear("an encoded /, \\ or %")
        if ";" in pieces[index]:
            return unclear('a raw ";"')
    return None


_DOTS: Final = frozenset((".", ".."))
_AMBIGUOUS: Final = frozenset("/\\%")
_SEPARATOR: Final = re.compile(r"[/\\]")


# --- the action


def _resource_action(cluster: Cluster, method: str, target: str, path: str, parts: _Parts, query: Query) -> Action | Refusal:
    group, version, verb, namespace, resource, name, subresource, _ = parts
    if subresource or verb == "proxy":
        return _below(cluster, method, target, path, parts, query)
    by_path = verb == "watch"
    if not name:
        if verb == "get":
            listed = listed_name(query) if query else ""
            if isinstance(listed, Refusal):
                return listed
            name, verb = listed, "watch" if query and truth(query, "watch") else "list"
        elif verb == "delete":
            verb = "deletecollection"
    fields = labels = ""
    if query and not by_path and (verb == "list" or verb == "watch" or verb == "deletecollection"):
        fields, labels = first(query, "fieldSelector"), first(query, "labelSelector")
    return Action(
        cluster, method, verb, target, path, group, version, resource, subresource, namespace, name,
        None, "", (), (), False, False, fields, labels, verb == "watch",
    )  # fmt: skip


# --- subresources that do more than their verb says


def _below(cluster: Cluster, method: str, target: str, path: str, parts: _Parts, query: Query) -> Action | Refusal:
    """The action of a subresource (or of the old ``proxy`` verb)."""
    group, version, verb, namespace, resource, name, subresource, _ = parts
    operation = operation_of(group, verb, resource, subresource)
    command: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    tty = stdin = False
    follows = verb == "watch"
    if subresource in CHANNELS:
        follows = True
        verb = "create" if verb == "get" else verb
        tty, stdin = truth(query, "tty"), truth(query, "stdin")
    if operation is Operation.EXEC:
        command = tuple(query.get("command", ()))
        operation = Operation.CP if is_copy(command, tty=tty) else operation
    elif operation is Operation.PORT_FORWARD:
        read = ports_of(query.get("ports", []) + query.get("port", []))
        if isinstance(read, Refusal):
            return read
        ports = read
    elif operation is Operation.LOGS:
        follows = follows or truth(query, "follow")
    follows = follows or operation is Operation.PROXY
    container = first(query, "container") if operation is not Operation.PROXY else ""
    return Action(
        cluster, method, verb, target, path, group, version, resource, subresource, namespace, name,
        operation, container, command, ports, tty, stdin, "", "", follows,
    )  # fmt: skip
