"""What a PATCH may cost: the protocol's library holds each of its operations against each value of what it changes, and copies all of them for it.

A group's members are in the thousands: one who left held the store's writer for seconds, twenty for half a minute. But directories put people in and take them
out by their ids, and whoever is not named stays in or out as they are: such a PATCH is done in parts, each with those members only whom it names.
A person has few values; many operations on many are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from scim2_server.requests import ScimRequest

AT_ONCE = 20
MOST_NAMED = 500
"""By one operation; of more it is as well to read all."""
MOST_HELD = 10_000
"""Operations times values. An address that is held against a filter's takes a millisecond."""
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
    fits = asked.method == "PATCH" and not asked.query and _GROUP.fullmatch(asked.path) is not None
    return _of_patch(asked) if fits else []


def is_endless(asked: ScimRequest, stored: Callable[[], Mapping[str, object]]) -> bool:
    """Whether a PATCH of a person would take too long; ``stored`` gives them as JSON. One operation never is: it may be the one that deactivates them."""
    operations = _of_patch(asked) if asked.method == "PATCH" else []
    if len(operations) < 2:
        return False
    told = [each.get("value") for each in operations if isinstance(each, dict)]
    return len(operations) * sum(len(each) for each in (*stored().values(), *told) if isinstance(each, list)) > MOST_HELD


def _of_patch(asked: ScimRequest) -> list[object]:
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
    if not _MEMBERS.match(operation["path"]):
        return frozenset()
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
