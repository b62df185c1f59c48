"""Redirects of a server behind ``pods/…/proxy`` and its like.

The API server hands them on, led below the path of the same proxy [seen, 1.37]; one to another host it hands on as it is. Here the first kind goes on, as a
reference relative to what was asked: it means the same wherever the client has the cluster, below a path of the gate's or behind kubectl proxy. Whoever
follows it asks the gate again. Everything else is refused: clients show their token wherever they are sent (CVE-2018-1002102, CVE-2022-3172).
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from kgate.kube.headers import response_headers
from kgate.kube.refusal import Headers, Refusal
from kgate.model import Action

_REFERENCE = re.compile(r"([A-Za-z0-9._~!$&'()*+,;=:@%/-]+)([?#][A-Za-z0-9._~!$&'()*+,;=:@%/?#-]*)?")
_DOTS = frozenset({b".", b".."})


def proxied_headers(status: int, headers: Headers, action: Action) -> Headers | Refusal:
    """``response_headers`` of a redirect that a proxied server answered with."""
    places = [value for name, value in headers if name == b"location"]
    within = relative(action, places[0].decode("latin-1")) if len(places) == 1 else ""
    if not within:
        return Refusal(502, "the server that was asked by way of the cluster sends elsewhere, which is not passed on")
    passed = response_headers(status, [field for field in headers if field[0] != b"location"])
    return passed if isinstance(passed, Refusal) else [*passed, (b"location", within.encode())]


def relative(action: Action, location: str) -> str:
    """``location`` as seen from what ``action`` asked for; empty where it leads out of the server that this is a proxy of."""
    asked, found = action.target.partition("?")[0], _REFERENCE.fullmatch(location)
    outer = asked.split("/")[: 8 if action.namespace else 6]  # /api/v1/namespaces/NAMESPACE/pods/NAME/proxy, /api/v1/nodes/NAME/proxy
    if found is None or action.subresource != "proxy" or outer[-1] != "proxy":
        return ""
    path, rest = found[1].split("/"), found[2] or ""
    if len(path) <= len(outer) or path[: len(outer)] != outer or any(unquote_to_bytes(each) in _DOTS for each in path) or "" in path[1:-1]:
        return ""
    folders = asked.split("/")[:-1]
    common = next((at for at, (ours, theirs) in enumerate(zip(folders, path[:-1], strict=False)) if ours != theirs), None)
    common = min(len(folders), len(path) - 1) if common is None else common
    steps = "../" * (len(folders) - common) + "/".join(path[common:])
    # RFC 3986 section 4.2: what begins with a colon's segment would be a scheme, with a slash a path of the host, with nothing what was asked for
    first = steps.partition("/")[0]
    return (steps if first and ":" not in first else f"./{steps}") + rest
