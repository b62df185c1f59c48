"""A PATCH of a group that puts people in and takes people out by their ids, which is how directories keep groups: in parts, each with whom it names.

The protocol's library holds each operation against each member, and copies all of them for it: one that leaves a group of thousands held the store's writer
for seconds, twenty for a minute. Whoever is not named stays in or out as they are, so nobody else need be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from scim2_server.requests import ScimRequest

AT_ONCE = 20
MOST_NAMED = 500
"""By one operation; of more it is as well to read all."""
_GROUP = re.compile(r"/groups/[^/]+", re.IGNORECASE)
_MEMBERS = re.compile(r"(?:urn:[^\[]*:)?members", re.IGNORECASE)
_ONE = re.compile(_MEMBERS.pattern + r'\[value eq "(?P<id>[^"\\]*)"\]', re.IGNORECASE)


def parts(asked: ScimRequest) -> Iterator[tuple[ScimRequest, frozenset[str] | None]]:
    """Requests that come to the same one after the other, each with the ids of whom it names; None: it may be about anybody. ``asked`` is as ``usual`` gives
    it. Where one is refused, what the former ones did must not count."""
    operations = _operations(asked)
    named = [_named(each) for each in operations]
    if not named or None in named:
        yield asked, None
        return
    for start in range(0, len(operations), AT_ONCE):
        body = json.dumps({**json.loads(asked.body), "Operations": operations[start : start + AT_ONCE]}).encode()
        # What the group has to be for the request to be taken (If-Match) it was before the first part.
        kept = {name: value for name, value in dict(asked.headers).items() if not name.lower().startswith("if-")}
        ids = frozenset[str]().union(*filter(None, named[start : start + AT_ONCE]))
        yield replace(asked, body=body, headers=kept if start else asked.headers), ids


def _operations(asked: ScimRequest) -> list[object]:
    """Those of a PATCH of a group that is not answered with the group; none of any other request."""
    if asked.method != "PATCH" or asked.query or not _GROUP.fullmatch(asked.path):
        return []
    try:
        document = json.loads(asked.body)
    except (ValueError, RecursionError):
        return []  # whoever reads it says what is wrong with it
    listed = document.get("Operations") if isinstance(document, dict) else None
    return listed if isinstance(listed, list) else []


def _named(operation: object) -> frozenset[str] | None:
    """The ids that it puts in or takes out; None where it is another operation, or one about ids that are not told apart by their characters."""
    if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
        return None
    kind, value = str(operation.get("op")).lower(), operation.get("value")
    one = _ONE.fullmatch(operation["path"])
    if kind == "remove" and one is not None:
        ids: list[object] = [one["id"]]
    elif kind == "add" and _MEMBERS.fullmatch(operation["path"]) and isinstance(value, list):
        ids = [each.get("value") if isinstance(each, dict) else None for each in value]
    else:
        return None
    told_apart = len(ids) <= MOST_NAMED and all(isinstance(each, str) and each.isascii() for each in ids)
    return frozenset(map(str, ids)) if told_apart else None
