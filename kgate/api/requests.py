"""``/kgate/v1/requests``: asking for what a rule offers, and answering those who ask.

Who may approve, deny and revoke is the rule's to say, as the policy in force says it at that moment; what needs no policy is held by the store.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from attrs import frozen

from kgate.api.application import LONGEST_LINE, Params, Routes, error_response, is_line, json_response, unknown_text
from kgate.api.caller import Callers, known, telling
from kgate.audit.record import timestamp
from kgate.documents.values import Unacceptable, duration
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.model import Cluster, Identity
from kgate.net.database import Store
from kgate.policy.evaluate import Policy
from kgate.policy.offers import Offer, ReasonWanted
from kgate.policy.rules import Rule
from kgate.policy.scope import is_for
from kgate.policy.visible import offers
from kgate.store.requests import (
    AccessRequest,
    Objection,
    Outcome,
    approve_request,
    deny_request,
    find_request,
    latest_requests,
    open_request,
    revoke_request,
)

PATH = "/kgate/v1/requests"
_ANSWERS = {"approve": "request-approved", "deny": "request-denied", "revoke": "request-revoked"}
"""What one does with a request → the event on record."""
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

Record = Callable[[str, Mapping[str, object]], None]
"""``record(event, fields)`` puts an event on record."""


@frozen
class AccessRequests:
    """What the pages need. ``policy`` and ``clusters`` give what is in force when they are called."""

    callers: Callers
    store: Store
    policy: Callable[[], Policy]
    clusters: Callable[[], Mapping[str, Cluster]]
    shut_out: Callable[[Identity, str], str]
    """Why somebody is shut out of a cluster; empty where they are not."""
    new_id: Callable[[], str]
    wall: Callable[[], float]
    record: Record
    settle: Callable[[str], Coroutine[Any, Any, None]]
    """Waits until what was written of somebody's grants is in force in this gate."""

    def routes(self) -> Routes:
        """Their routes."""
        return {
            ("GET", PATH): known(self.callers, self._list),
            ("POST", PATH): telling(self.callers, self._create),
            **{("POST", f"{PATH}/{{id}}/{verb}"): telling(self.callers, partial(self._answer, event)) for verb, event in _ANSWERS.items()},
        }

    # --- the pages

    async def _list(self, caller: Identity, request: LocalRequest, params: Params) -> LocalResponse:
        now = self.wall()
        found = await self.store.read(lambda connection: latest_requests(connection, now))
        shown = [each for each in found if each.user == caller.user or self._answers(caller, each) is not None]
        return json_response(200, {"requests": [self._described(each, caller) for each in shown]})

    async def _create(self, caller: Identity, request: LocalRequest, params: Params, body: Mapping[str, str]) -> LocalResponse:
        made = self._made(caller, body)
        if isinstance(made, LocalResponse):
            return made
        return await self._done(caller, "request-created", 201, lambda connection: open_request(connection, made))

    # --- steps

    def _made(self, caller: Identity, body: Mapping[str, str]) -> AccessRequest | LocalResponse:
        """The request as it would be stored, or what is wrong with it."""
        cluster = self.clusters().get(body.get("cluster", ""))
        offered = {rule.name: rule for rule in offers(self.policy(), caller, cluster)} if cluster is not None else {}
        rule = next((each for name, each in offered.items() if name == body.get("rule", "")), None)
        if cluster is None or rule is None or rule.request is None:
            names = ", ".join(offered) or "nothing"
            return error_response(403, f"the policy offers you {names} there; name the cluster and one of its offers as the rule")
        locked = self.shut_out(caller, cluster.name)
        if locked:
            return error_response(403, locked)
        fault = _body_fault(body, rule.request)
        if fault:
            return error_response(400, fault)
        seconds = duration(body["duration"]) if body.get("duration") else rule.request.duration
        if not 0 < seconds <= rule.request.duration:
            return error_response(400, f'rule "{rule.name}" offers at most {rule.request.duration:.0f} s; ask for less')
        return AccessRequest(
            self.new_id(), caller.user, rule.name, cluster.name, body.get("namespace", ""), body.get("reason", ""), seconds,
            rule.request.approvals, self.wall(),
        )  # fmt: skip

    async def _answer(self, event: str, caller: Identity, request: LocalRequest, params: Params, body: Mapping[str, str]) -> LocalResponse:
        """Approve, deny or revoke, if the rule lets the caller."""
        id_, reason = params["id"], body.get("reason", "")
        if not is_line(reason):
            return error_response(400, _REASON_FAULT)
        found = await self.store.read(lambda connection: find_request(connection, id_))
        offer = self._answers(caller, found) if found is not None else None
        own = found is not None and found.user == caller.user
        if found is None or not (offer or own):
            return error_response(404, f"there is no request {id_} that you may answer")  # whose it is is not told to others
        if offer is None and event != "request-revoked":
            return error_response(403, f'you are not among the approvers of rule "{found.rule}"; nobody approves their own request')
        locked = self.shut_out(caller, found.cluster)
        if locked:
            return error_response(403, locked)
        now, by = self.wall(), caller.user
        work: dict[str, Callable[..., Outcome]] = {
            "request-denied": lambda connection: deny_request(connection, id_, by, reason, now),
            "request-revoked": lambda connection: revoke_request(connection, id_, by, reason, now),
        }
        if offer is not None:
            approvals, longest = offer.approvals, offer.duration
            work["request-approved"] = lambda connection: approve_request(connection, id_, by, reason, approvals, longest, now)
        return await self._done(caller, event, 200, work[event])

    async def _done(self, caller: Identity, event: str, status: int, work: Callable[..., Outcome]) -> LocalResponse:
        """Write it down, on record and for the caller."""
        outcome = await self.store.write(work)
        if isinstance(outcome, Objection):
            return error_response(409, outcome.text)
        if outcome.begins:
            await self.settle(outcome.user)
        described = self._described(outcome, caller)
        whose: dict[str, object] = {"user": caller.user, "groups": list(caller.groups), "cluster": outcome.cluster, "rule": outcome.rule}
        self.record(event, whose | {"request": described})
        return json_response(status, described)

    def _answers(self, caller: Identity, request: AccessRequest) -> Offer | None:
        """The offer that ``request`` is for, where ``caller`` is one of its approvers."""
        rule: Rule | None = next((each for each in self.policy().rules if each.name == request.rule), None)
        offer = rule.request if rule is not None else None
        return offer if offer is not None and offer.approvers.include(caller) and is_for(caller, Cluster(request.cluster)) else None

    def _described(self, request: AccessRequest, caller: Identity) -> dict[str, object]:
        now = self.wall()
        facts: dict[str, object] = {
            "id": request.id,
            "user": request.user,
            "rule": request.rule,
            "cluster": request.cluster,
            "namespace": request.namespace,
            "reason": request.reason,
            "state": request.standing(now),
            "duration": f"{request.duration:.0f}s",
            "created": timestamp(request.created),
            "approvals": [each.user for each in request.approvals],
            "needed": request.needed,
            "begins": timestamp(request.begins) if request.begins else "",
            "until": timestamp(request.until) if request.until else "",
            "ended_by": request.ended_by,
            "ended_why": request.ended_why,
        }
        mine = request.user != caller.user and self._answers(caller, request) is not None
        return {name: value for name, value in facts.items() if value or name == "approvals"} | {"yours_to_answer": mine}


_REASON_FAULT = f"a reason is one line of at most {LONGEST_LINE} characters"


def _body_fault(body: Mapping[str, str], offer: Offer) -> str:
    """What is wrong with a request's own words; empty where nothing is."""
    reason, namespace = body.get("reason", ""), body.get("namespace", "")
    unknown = unknown_text(body, ("cluster", "rule", "namespace", "duration", "reason"))
    if unknown:
        return unknown
    if not is_line(reason):
        return _REASON_FAULT
    if offer.reason is ReasonWanted.REQUIRED and not reason.strip():
        return "say why: the rule asks for a reason"
    if namespace and not _NAMESPACE.fullmatch(namespace):
        return "that is not the name of a namespace"
    try:
        duration(body["duration"]) if body.get("duration") else None
    except Unacceptable:
        return "write the duration as 30m or 2h"
    return ""
