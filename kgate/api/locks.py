"""``/kgate/v1/locks``: shutting people, programs, devices and clusters out at once, whatever the policy says, and letting them in again.

Who may is the policy's to say: the action ``lock``, in each cluster that the lock is about, as of that moment. What is refused goes on record too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from attrs import asdict, frozen

from kgate.api.application import LINES_FAULT, Params, Routes, empty_text, error_response, is_line, json_response, unknown_text
from kgate.api.caller import Callers, known, telling
from kgate.audit.record import timestamp
from kgate.documents.values import Unacceptable, duration
from kgate.exchange.local import LocalRequest, LocalResponse
from kgate.kube.status import describe_reasons
from kgate.model import Cluster, Context, Identity, Lock
from kgate.net.database import Store
from kgate.policy.evaluate import Policy
from kgate.policy.locking import refused_in
from kgate.sessions.locks import fits, sentence
from kgate.store.locks import add_lock, all_locks, remove_lock

PATH = "/kgate/v1/locks"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_NAMED = ("user", "group", "robot", "device", "cluster")
_KNOWN = frozenset({"name", "reason", "duration", *_NAMED})

Record = Callable[[str, Mapping[str, object]], None]
Surroundings = Callable[[float, str, str, Identity], Context]


@frozen
class LockPages:
    """What they need. ``policy`` and ``clusters`` give what is in force when they are called; ``settle`` waits until what was written counts here."""

    callers: Callers
    store: Store
    policy: Callable[[], Policy]
    clusters: Callable[[], Mapping[str, Cluster]]
    surroundings: Surroundings
    wall: Callable[[], float]
    record: Record
    settle: Callable[[str], Coroutine[Any, Any, None]]

    def routes(self) -> Routes:
        """Their routes."""
        return {
            ("GET", PATH): known(self.callers, self._list),
            ("POST", PATH): telling(self.callers, self._add),
            ("POST", PATH + "/{name}/remove"): telling(self.callers, self._remove),
        }

    async def _list(self, caller: Identity, request: LocalRequest, params: Params) -> LocalResponse:
        held = await self._held()
        refusals = [self._refusal(caller, request, cluster) for cluster in self.clusters()]
        if all(refusals):
            return error_response(403, next(iter(refusals), "there is no cluster to lock anybody out of"))
        return json_response(200, {"locks": [described(each) for each in held if not self._refusal(caller, request, each.cluster)]})

    async def _add(self, caller: Identity, request: LocalRequest, params: Params, body: Mapping[str, str]) -> LocalResponse:
        fault = self._fault(body)
        if fault:
            return error_response(400, fault)
        lock = _made(body, caller.user, self.wall())
        refusal = self._refusal(caller, request, lock.cluster)
        if refusal:
            return self._refused("lock", caller, lock, refusal)
        if not lock.cluster and fits(lock, caller):
            return error_response(
                409, "it would shut you out too, and you could not undo it; name whom you mean more closely, or have another do it"
            )
        objection = await self.store.write(lambda connection: add_lock(connection, lock, lock.begins))
        return error_response(409, objection) if objection else await self._done("lock", caller, lock, 201)

    async def _remove(self, caller: Identity, request: LocalRequest, params: Params, body: Mapping[str, str]) -> LocalResponse:
        name, now = params["name"], self.wall()
        lock = next((each for each in await self._held() if each.name == name), None)
        if lock is None:
            return error_response(404, "there is no such lock; kgate lock list shows those that there are")
        refusal = self._refusal(caller, request, lock.cluster)
        if refusal:
            return self._refused("lock-removed", caller, lock, refusal)
        await self.store.write(lambda connection: remove_lock(connection, name, now))
        return await self._done("lock-removed", caller, lock, 200)

    # --- steps

    async def _held(self) -> tuple[Lock, ...]:
        now = self.wall()
        return await self.store.read(lambda connection: all_locks(connection, now))

    def _refusal(self, caller: Identity, request: LocalRequest, cluster: str) -> str:
        """Why ``caller`` may not lock or unlock in ``cluster``, empty is all of them; empty where they may."""
        there = self.clusters()
        asked = [there[cluster]] if cluster in there else there.values()
        context = self.surroundings(self.wall(), request.credentials.address, request.header("user-agent"), caller)
        refused = refused_in(self.policy(), caller, asked, context)
        if refused is not None:
            return f"{caller.user} may not lock anybody out of cluster {refused[0].name}: {describe_reasons(refused[1].reasons)}"
        return "" if asked else "there is no cluster to lock anybody out of"

    def _fault(self, body: Mapping[str, str]) -> str:
        """What is wrong with a lock's own words; empty where nothing is."""
        fault = _fault(body)
        if not fault and body.get("cluster") and body["cluster"] not in self.clusters():
            known = ", ".join(sorted(self.clusters()))
            return f"this gate has no cluster of that name, only {known}"
        return fault

    def _refused(self, event: str, caller: Identity, lock: Lock, refusal: str) -> LocalResponse:
        self._on_record(event, caller, lock, {"allowed": False, "reasons": [refusal]})
        return error_response(403, refusal)

    async def _done(self, event: str, caller: Identity, lock: Lock, status: int) -> LocalResponse:
        self._on_record(event, caller, lock, {"allowed": True})
        await self.settle(lock.name)
        return json_response(status, described(lock))

    def _on_record(self, event: str, caller: Identity, lock: Lock, more: Mapping[str, object]) -> None:
        whose: dict[str, object] = {"user": caller.user, "groups": list(caller.groups)}
        if lock.cluster:
            whose["cluster"] = lock.cluster
        self.record(event, whose | dict(more) | {"lock": described(lock)})


def described(lock: Lock) -> dict[str, object]:
    """A lock for people and programs: what it does not name is left out."""
    instants = {"begins": timestamp(lock.begins), "until": timestamp(lock.until) if lock.until is not None else ""}
    return {name: value for name, value in {**asdict(lock), **instants}.items() if value} | {"text": sentence(lock)}


def _made(body: Mapping[str, str], by: str, now: float) -> Lock:
    until = now + duration(body["duration"]) if body.get("duration") else None
    named = {each: body.get(each, "") for each in _NAMED}
    return Lock(body["name"], reason=body.get("reason", ""), by=by, begins=now, until=until, **named)


def _fault(body: Mapping[str, str]) -> str:
    fault = unknown_text(body, _KNOWN) or empty_text(body, _NAMED)
    if fault:
        return fault
    if not _NAME.fullmatch(body.get("name", "")):
        return "a lock's name is letters, digits, dots and dashes, at most 63: incident-42"
    if not any(body.get(each) for each in _NAMED):
        return "say whom it shuts out: a user, a group, a robot, a device, or everybody of a cluster"
    if not all(map(is_line, body.values())):
        return LINES_FAULT
    if any("*" in body.get(each, "") for each in _NAMED):
        return "a lock names one of each, without *; leave out what does not matter"
    try:
        duration(body["duration"]) if body.get("duration") else None
    except Unacceptable:
        return "write the duration as 30m or 2h"
    return ""
