"""The gate's own HTTP: a table of routes, each with the coroutine that answers it.

A route is a method and a path; a segment in braces takes any one segment, decoded: ``/scim/v2/Users/{id}``. Modules of this folder each give their
routes as a mapping; the composition root puts them together. What a route raises is a bug: it is logged, and the client reads a 500 that says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any
from urllib.parse import unquote

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.exchange.local import LocalRequest, LocalResponse, Respond
from kgate.kube.status import status_body

log = Logger()

Params = Mapping[str, str]
Answer = Callable[[LocalRequest, Params], Coroutine[Any, Any, LocalResponse]]
Routes = Mapping[tuple[str, str], Answer]
"""``("GET", "/kgate/v1/whoami")`` → its coroutine."""

LONGEST_LINE = 1000
LINES_FAULT = f"each value is one line of at most {LONGEST_LINE} characters"
JSON = ("content-type", "application/json")
SAFE: tuple[tuple[str, str], ...] = (
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
)
"""On every answer: none of it is for a cache, a guess at its type, or another site's log."""


def json_object(request: LocalRequest) -> Mapping[str, str] | LocalResponse:
    """The texts of a body that is a JSON object, and says so, which no form of another site can (a browser sends a client certificate along with anything);
    or what is wrong with it."""
    if request.header("content-type").partition(";")[0].strip() != "application/json":
        return error_response(415, "send the body as application/json")
    try:
        body = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict) or not all(isinstance(value, str) for value in body.values()):
        return error_response(400, "the body is not a JSON object of texts")
    return body


def unknown_text(body: Mapping[str, str], known: Collection[str]) -> str:
    """That ``body`` says something that nobody asked for; empty where it does not."""
    unknown = sorted(set(body).difference(known))
    return f'"{unknown[0][:64]}" means nothing here'.encode("ascii", "replace").decode() if unknown else ""


def empty_text(body: Mapping[str, str], names: Collection[str]) -> str:
    """That ``body`` names somebody or something by nothing, which would mean everybody; empty where it does not."""
    empty = [name for name in sorted(names) if body.get(name) == ""]
    return f"{empty[0]} is empty, which would mean all of them; name one, or leave it out" if empty else ""


def is_line(text: str) -> bool:
    """Whether it may stand in a sentence, and on record."""
    return len(text) <= LONGEST_LINE and text.isprintable()


def json_response(status: int, document: object, *headers: tuple[str, str]) -> LocalResponse:
    """A JSON answer."""
    return LocalResponse(status, (JSON, *headers), json.dumps(document, separators=(",", ":")).encode())


def error_response(status: int, message: str, *headers: tuple[str, str]) -> LocalResponse:
    """What is wrong, as a Kubernetes ``Status``: kubectl and curl both show its message."""
    return LocalResponse(status, (JSON, *headers), status_body(status, f"kgate: {message}"))


@frozen
class _Route:
    segments: tuple[str, ...]
    answers: dict[str, Answer]

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """The values of the segments in braces; None where the path is another."""
        if len(segments) != len(self.segments):
            return None
        found: dict[str, str] = {}
        for pattern, segment in zip(self.segments, segments, strict=True):
            if pattern.startswith("{"):
                found[pattern[1:-1]] = unquote(segment)
            elif pattern != segment:
                return None
        return found


class Application:
    """Every route of the gate. ``flush`` ends a turn: an answer that comes later than its request is one of its own."""

    def __init__(self, flush: Callable[[], None], *tables: Routes) -> None:
        self._flush = flush
        self._routes: dict[tuple[str, ...], _Route] = {}
        for table in tables:
            for (method, path), answer in table.items():
                segments = tuple(path.split("/"))
                self._routes.setdefault(segments, _Route(segments, {})).answers[method] = answer

    def owns(self, path: str) -> bool:
        """Whether some method is answered at ``path``."""
        return self._find(path) is not None

    def serve(self, request: LocalRequest, respond: Respond) -> None:
        """Answer by the route's coroutine."""
        found = self._find(request.path)
        if found is None:
            respond(_hardened(error_response(404, "there is no such page here")))
            return
        route, params = found
        method = "GET" if request.method == "HEAD" and "HEAD" not in route.answers else request.method
        answer = route.answers.get(method)
        if answer is None:
            allowed = ", ".join(sorted(route.answers))
            respond(_hardened(error_response(405, f"{request.method} is not answered here, only {allowed}", ("allow", allowed))))
            return
        made = Deferred.fromCoroutine(answer(request, params))
        made.addErrback(_broken)
        at_once = made.called
        made.addCallback(lambda response: respond(_hardened(response)))
        if not at_once:
            made.addCallback(lambda _: self._flush())

    def _find(self, path: str) -> tuple[_Route, dict[str, str]] | None:
        segments = tuple(path.split("/"))
        exact = self._routes.get(segments)
        if exact is not None:
            return exact, {}
        matches = ((route, params) for route in self._routes.values() if (params := route.match(segments)) is not None)
        return next(matches, None)


def _hardened(response: LocalResponse) -> LocalResponse:
    given = {name for name, _ in response.headers}
    return LocalResponse(response.status, response.headers + tuple(each for each in SAFE if each[0] not in given), response.body)


def _broken(failure: Failure) -> LocalResponse:
    log.failure("a page of the gate failed", failure)
    return error_response(500, "an error of the gate's own; whoever runs it finds it in its log")
