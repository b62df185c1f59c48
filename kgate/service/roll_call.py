"""Who is live, put together: the pages that list and cut sessions, and what this process answers to a roll call of another one.

A session is described by the fields of its audit record, as of now: the rule is the one that it lives under, not the one that admitted it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import cast

from kgate.api.application import Routes
from kgate.api.sessions import SessionPages
from kgate.audit.record import Record, decision_record, timestamp
from kgate.exchange.exchange import Exchange
from kgate.model import Decision, Present, RollCall
from kgate.net.roll_call import RollCalls
from kgate.service.part import Part, Shared
from kgate.sessions.causes import cut_by
from kgate.sessions.registry import Registry
from kgate.sessions.roll_call import called, fitting
from kgate.surroundings.world import World

_INTERNAL = ("event", "facts")


class Live(Part):
    """See the module."""

    def __init__(self, shared: Shared, live: Registry, world: World) -> None:
        self._shared, self._live, self._world = shared, live, world
        records = shared.records
        self.calls = RollCalls(
            shared.reactor, shared.database, os.urandom(16).hex(), records.gate, shared.wall, records.ids.next, self._answer
        )

    def routes(self) -> Sequence[Routes]:
        """Its pages."""
        shared = self._shared
        pages = SessionPages(
            shared.callers,
            lambda: shared.configuration().policy,
            shared.clusters,
            self._world.context,
            shared.wall,
            shared.records.event,
            self.calls.ask,
        )
        return (pages.routes(),)

    def tick(self) -> None:
        """Be among those who are asked."""
        self.calls.tick()

    def stop(self) -> None:
        """Be no longer."""
        self.calls.leave()

    def _answer(self, call: RollCall, heard_at: float) -> Present:
        """What of this process's fits ``call``, cut if that is what it is for."""
        streams = called(call, self._live.streams())
        now = self._shared.now()
        described = (session(cast("Exchange", each), self._shared.records.gate, now) for each in streams)
        present = Present(self._shared.records.gate, tuple(fitting(described)), len(streams))
        if call.ends:
            self._live.cut(streams, lambda id_: cut_by(call.user, call.reason, id_, heard_at))
            self._shared.turn.flush()
        return present


def session(stream: Exchange, gate: str, now: float) -> Record:
    """A live stream as its record would be now; ``now`` is monotonic."""
    asked, decision = stream.admitted.asked, stream.decision
    kubectl: Record = dict(asked.kubectl)
    record = decision_record("", stream.id, gate, stream.identity, stream.action, stream.context, decision, kubectl, asked.asked_as)
    if stream.ports:
        record["port"] = list(stream.ports)
    if stream.recording:
        record["recording"] = stream.recording
    record |= {
        "duration_ms": _milliseconds(now - stream.started),
        "idle_ms": _milliseconds(now - stream.touched),
        "bytes": stream.bytes_carried,
    }
    return {name: value for name, value in record.items() if name not in _INTERNAL} | _ends(decision)


def _ends(decision: Decision) -> Record:
    """When it ends by itself, or may."""
    limits = decision.limits
    known: Record = {"duration": limits.duration, "idle": limits.idle, "bytes": limits.bytes}
    stated = {name: value for name, value in known.items() if value is not None}
    until: Record = {"until": timestamp(decision.until)} if decision.until is not None else {}
    return until | ({"limits": stated} if stated else {})


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
