"""Fetching security events from a transmitter that waits to be asked (poll delivery, RFC 8936).

One question is under way at a time; the transmitter holds it until it has something or half a minute has passed. What a question brought is acknowledged with
the next one, and only what is durable: an event that could not be kept, or not be verified for now, is left out of both lists and comes again.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from enum import Enum

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.identity.jose import Flaw, read_object
from kgate.identity.notice_tokens import UNAVAILABLE, Refused
from kgate.net.notices import Received
from kgate.net.web import Reply, Unreachable, Web

log = Logger()

HELD_SECONDS = 40.0
"""For one question: longer than a transmitter usually holds it."""
REST_SECONDS = 5.0
"""After a question that failed."""
MOST_EVENTS = 100
MOST_BYTES = 4 * 1024 * 1024

Take = Callable[[str], Awaitable["Received | Refused"]]
"""Takes one token in; raises StoreUnavailableError where it cannot be kept."""


class State(Enum):
    """Whether a question is under way."""

    RESTING = "resting"
    ASKING = "asking"
    STOPPED = "stopped"


class Poller:
    """See the module. ``bearer`` gives the token to ask with; ``now`` is monotonic."""

    def __init__(self, url: str, web: Web, bearer: Callable[[], Awaitable[str]], take: Take, now: Callable[[], float]) -> None:
        self._url, self._web, self._bearer, self._take, self._now = url, web, bearer, take, now
        self._state = State.RESTING
        self._rests_until = float("-inf")
        self._acks: list[str] = []
        self._errors: dict[str, dict[str, str]] = {}
        self.problem = ""
        """Why the last question failed, for /readyz."""

    def tick(self) -> None:
        """Ask, unless a question is under way or the last one failed a moment ago."""
        if self._state is State.RESTING and self._now() >= self._rests_until:
            self._state = State.ASKING
            Deferred.fromCoroutine(self._ask()).addErrback(self._failed).addBoth(lambda _: self._through())

    def stop(self) -> None:
        """The configuration does not name it any more."""
        self._state = State.STOPPED

    def _through(self) -> None:
        if self._state is State.ASKING:
            self._state = State.RESTING

    async def _ask(self) -> None:
        acks, errors = self._acks, self._errors
        question = {"maxEvents": MOST_EVENTS, "returnImmediately": False, "ack": acks, "setErrs": errors}
        bearer = await self._bearer()
        headers = [("content-type", "application/json"), ("accept", "application/json"), ("authorization", f"Bearer {bearer}")]
        body = json.dumps(question).encode()
        reply = await self._web.ask("POST", self._url, headers, body, limit=MOST_BYTES, seconds=HELD_SECONDS)
        sets = _sets(reply)
        if isinstance(sets, str):
            self._rest(sets)
            return
        self.problem = ""
        self._acks, self._errors = [], {}
        for id_, token in sets.items():
            answer = await self._take(token)
            if isinstance(answer, Refused) and answer.error == UNAVAILABLE:
                self._rest(answer.text)
            elif isinstance(answer, Refused):
                self._errors[id_] = {"err": answer.error, "description": answer.text}
            else:
                self._acks.append(id_)

    def _rest(self, problem: str) -> None:
        if problem != self.problem:
            log.warn("security events could not be fetched from {url}: {problem}", url=self._url, problem=problem)
        self.problem = problem
        self._rests_until = self._now() + REST_SECONDS

    def _failed(self, failure: Failure) -> None:
        """An event that cannot be kept, most likely: what was not acknowledged comes again."""
        self._rest(failure.getErrorMessage())


def _sets(reply: Reply | Unreachable) -> dict[str, str] | str:
    """The tokens by id, or what is wrong with the answer."""
    if isinstance(reply, Unreachable):
        return f"it {reply.text}"
    if reply.status != 200:
        return f"it answered {reply.status}"
    document = read_object(reply.body)
    if isinstance(document, Flaw):
        return f"its answer {document.text}"
    sets = document.get("sets")
    if not isinstance(sets, dict) or not all(isinstance(each, str) for each in sets.values()):
        return "its answer has no sets"
    return sets
