"""``/kgate/v1/sessions``: what is live at every gate that shares the store, and ending it.

Whoever may lock people out of a cluster (the action ``lock``) sees and ends what is live there; everybody sees and ends what is their own. What of others'
they may not see is not there, by its id neither. A cut is on record with its maker and each session that it ended; so is one that found nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import parse_qsl

from attrs import evolve, field, frozen

from kgate.api.application import LINES_FAULT, Params, Routes, empty_text, error_response, is_line, json_response, unknown_text
from kgate.api.caller import Callers, known, telling
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.memory import Shares
from kgate.model import Cluster, Context, Identity, RollCall
from kgate.net.roll_call import Answers
from kgate.policy.evaluate import Policy
from kgate.policy.locking import refused_in
from kgate.sessions.roll_call import fitting

PATH = "/kgate/v1/sessions"
MOST = 1000
"""Sessions in one answer, the newest; how many there are is said."""
MOST_OF_ONE = 2
"""Calls of one person that are under way."""
MOST_OF_ALL = 16
_ASKED = frozenset({"user", "cluster"})
_HOW = "kgate sessions list shows what is live"

Record = Callable[[str, Mapping[str, object]], None]


@frozen
class SessionPages:
    """What they need. ``policy`` and ``clusters`` give what is in force when they are called; ``ask`` asks every process."""

    callers: Callers
    policy: Callable[[], Policy]
    clusters: Callable[[], Mapping[str, Cluster]]
    surroundings: Callable[[float, str, str, Identity], Context]
    wall: Callable[[], float]
    record: Record
    ask: Callable[[RollCall], Coroutine[Any, Any, Answers]]
    asking: Shares = field(factory=Shares, init=False)

    def routes(self) -> Routes:
        """Their routes."""
        return {
            ("GET", PATH): known(self.callers, self._list),
            ("GET", PATH + "/{id}"): known(self.callers, self._show),
            ("POST", PATH + "/cut"): telling(self.callers, self._cut),
        }

    async def _list(self, caller: Identity, request: LocalRequest, params: Params) -> LocalResponse:
        asked = dict(parse_qsl(request.query))
        unknown = sorted(asked.keys() - _ASKED - {"all"})
        if unknown:
            return error_response(400, "ask for user, cluster or all, and nothing else")
        answers = await self._asked(evolve(self._call(caller, request, asked), everything="all" in asked))
        return answers if isinstance(answers, LocalResponse) else json_response(200, listed(answers))

    async def _show(self, caller: Identity, request: LocalRequest, params: Params) -> LocalResponse:
        answers = await self._asked(evolve(self._call(caller, request, {}), id=params["id"]))
        if isinstance(answers, LocalResponse):
            return answers
        found = _sessions(answers)
        return json_response(200, found[0]) if found else error_response(404, f"no session {params['id']} is live{_but(answers)}; {_HOW}")

    async def _cut(self, caller: Identity, request: LocalRequest, params: Params, body: Mapping[str, str]) -> LocalResponse:
        fault = _fault(body)
        if fault:
            return error_response(400, fault)
        wanted = evolve(self._call(caller, request, body), id=body.get("id", ""), ends=True, reason=body.get("reason", ""))
        answers = await self._asked(wanted)
        return answers if isinstance(answers, LocalResponse) else self._done(caller, wanted, answers)

    # --- steps

    def _call(self, caller: Identity, request: LocalRequest, asked: Mapping[str, str]) -> RollCall:
        """Of what ``caller`` may see."""
        context = self.surroundings(self.wall(), request.credentials.address, request.header("user-agent"), caller)
        policy = self.policy()
        theirs = tuple(name for name, cluster in self.clusters().items() if refused_in(policy, caller, (cluster,), context) is None)
        return RollCall(caller.user, caller.issuer, theirs, whose=asked.get("user", ""), cluster=asked.get("cluster", ""))

    async def _asked(self, wanted: RollCall) -> Answers | LocalResponse:
        """Everybody's answer, or why they are not asked: each call is written to the store by every gate, which nobody may keep busy (class 19)."""
        whose = f"{wanted.user} {wanted.issuer}"
        if self.asking.of(whose) >= MOST_OF_ONE or self.asking.all >= MOST_OF_ALL:
            return error_response(429, "sessions are being looked for already; try again in a moment", ("retry-after", "1"))
        self.asking.take(whose)
        try:
            return await self.ask(wanted)
        finally:
            self.asking.let_go(whose)

    def _done(self, caller: Identity, wanted: RollCall, answers: Answers) -> LocalResponse:
        found = sum(each.found for each in answers.present)
        about = {name: value for name, value in (("id", wanted.id), ("user", wanted.whose), ("cluster", wanted.cluster)) if value}
        reasons = {"reasons": [wanted.reason]} if wanted.reason else {}
        fields = {"user": caller.user, "groups": list(caller.groups), "wanted": about, "ended": [each["id"] for each in _sessions(answers)]}
        self.record("cut", {**fields, "allowed": found > 0, "found": found, **reasons})
        if not found:
            return error_response(404, f"nothing that you may end fits{_but(answers)}; {_HOW}")
        return json_response(200, listed(answers) | {"by": caller.user})


def _sessions(answers: Answers) -> list[Mapping[str, object]]:
    """Of all processes, the newest first: ids sort by time."""
    return sorted((each for present in answers.present for each in present.sessions), key=lambda each: str(each["id"]), reverse=True)[:MOST]


def listed(answers: Answers) -> dict[str, object]:
    """All that came, and who was not heard: of more sessions than whoever asks reads (they stop after some MiB) the newest."""
    document: dict[str, object] = {"sessions": list(fitting(_sessions(answers))), "found": sum(each.found for each in answers.present)}
    if answers.silent:
        document["silent"] = list(answers.silent)
    return document | ({"problem": answers.problem} if answers.problem else {})


def _but(answers: Answers) -> str:
    """Where not everybody was heard."""
    if answers.problem:
        return f" at this gate (the others could not be asked: {answers.problem})"
    return f" at the gates that answered ({', '.join(answers.silent)} did not)" if answers.silent else ""


def _fault(body: Mapping[str, str]) -> str:
    fault = unknown_text(body, _ASKED | {"id", "reason"}) or empty_text(body, _ASKED)
    if fault:
        return fault
    if not all(map(is_line, body.values())):
        return LINES_FAULT
    if not (body.get("id") or body.get("user") or body.get("cluster")):
        return "say which: an id, all of a user, or all of a cluster"
    if body.get("id") and (body.get("user") or body.get("cluster")):
        return "name one by its id, or all of a user or a cluster, not both"
    return ""
