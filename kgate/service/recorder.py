"""What of each request goes on record: the decision before anything happens, what comes out otherwise while it lives, and its end, which is counted too.

Where a candidate policy stands beside the one in force (``review.shadow``), what it says otherwise is on the same record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from kgate.audit.ids import RequestIds
from kgate.audit.line import decision_line, end_line
from kgate.audit.record import (
    Record,
    decision_record,
    end_record,
    event_record,
    facts_record,
    recorded_fields,
    refusal_record,
    shadow_fields,
)
from kgate.audit.text import encode
from kgate.exchange.admission import Refused, Verdict
from kgate.exchange.gate import OnRecord
from kgate.exchange.tape import Tape, Written
from kgate.kube.status import denial_message
from kgate.metrics import Metrics
from kgate.model import Action, Context, Decision, Fact, Identity, Impersonation
from kgate.net.journal import Then
from kgate.review.shadow import Otherwise, Shadow


class Journal(Protocol):
    """Where records go."""

    def append(self, record: Record | str, then: Then | None = None, *, lingers: bool = False) -> None:
        """See ``kgate.net.journal``."""


_NOTHING: Final[Record] = {}


class Recorder:
    """See the module. ``gate`` is who writes; ``now`` is monotonic, ``wall`` Unix seconds."""

    def __init__(
        self, gate: str, now: Callable[[], float], wall: Callable[[], float], ids: RequestIds, journal: Journal, metrics: Metrics
    ) -> None:
        self.gate, self._now, self._wall, self.ids, self.journal, self.metrics = gate, now, wall, ids, journal, metrics
        self.shadow: Shadow | None = None
        """The candidate, if there is one."""
        self._told: tuple[tuple[Fact, ...], int] = (), 0

    def decision(self, exchange: OnRecord, then: Callable[[bool], None]) -> None:
        """What was decided, before anything happens; ``then`` is told whether that is durable."""
        admitted = exchange.admitted
        event = "stream-start" if admitted.asked.action.follows else "request"
        tape = exchange.tape
        self._verdict(event, exchange, admitted, then, {"recording": tape.name} if tape is not None else _NOTHING)

    def port(self, exchange: OnRecord, port: int, verdict: Verdict) -> None:
        """That a live port-forward may reach a port, or may not: the verdict's action names it."""
        self._verdict("port", exchange, verdict)

    def change(self, exchange: OnRecord, verdict: Verdict) -> None:
        """That a live request is decided otherwise now."""
        self._verdict("decision-change", exchange, verdict)

    def end(self, exchange: OnRecord) -> None:
        """That it is over; counted, and forgotten by the candidate."""
        if self.shadow is not None:
            self.shadow.forget(exchange)
        admitted, status, cause = exchange.admitted, exchange.status, exchange.closed_by
        action, bytes_in, bytes_out = admitted.asked.action, exchange.bytes_in, exchange.bytes_out
        took = self._now() - exchange.started
        self.metrics.ended(action, status, took, bytes_in, bytes_out)
        revocation = exchange.revocation if cause is not None else None
        if cause is not None:
            self.metrics.cut(cause.ending, revocation)
        if exchange.tape is not None:
            self._recorded_end(exchange, exchange.tape, took)
            return
        self.journal.append(
            end_line(
                "stream-end" if action.follows else "request-end",
                exchange.id,
                self.gate,
                self._wall(),
                action.cluster.name,
                admitted.said.pieces(admitted.identity),
                status,
                took,
                bytes_in,
                bytes_out,
                cause,
                revocation,
            ),
            lingers=True,
        )

    def _recorded_end(self, exchange: OnRecord, tape: Tape, took: float) -> None:
        """The same once its recording is complete, which is a moment later."""
        cause = exchange.closed_by

        def complete(written: Written | None) -> None:
            record = end_record(
                "stream-end",
                exchange.id,
                self.gate,
                self._wall(),
                exchange.action.cluster.name,
                exchange.identity.user,
                exchange.status,
                took,
                exchange.bytes_in,
                exchange.bytes_out,
                cause,
                exchange.revocation if cause is not None else None,
            )
            if written is not None:
                record |= recorded_fields(tape.name, written.size, written.sha256, written.problem)
            self.journal.append(record, lingers=True)

        tape.end(cause, complete)

    def unrecorded(self, exchange: OnRecord, problem: str) -> None:
        """That it goes on though it cannot be recorded: best effort."""
        action, identity = exchange.action, exchange.identity
        fields = {"cluster": action.cluster.name, "user": identity.user, "reasons": [f"it goes on unrecorded: {problem}"]}
        self.journal.append(event_record("recording-lost", exchange.id, self.gate, self._wall(), **fields))

    def refusal(self, id_: str, address: str, refused: Refused) -> str:
        """That nobody goes on with it; the message for whoever asked."""
        self.metrics.turned_away(refused.status)
        identity, action, context, decision = refused.identity, refused.action, refused.context, refused.decision
        if decision is None or identity is None or action is None or context is None:
            self.journal.append(refusal_record(id_, self.gate, self._wall(), address, refused.status, refused.message, identity, action))
            return f"kgate: {refused.message} (request {id_})"
        self.facts(context)
        record = decision_record("request", id_, self.gate, identity, action, context, decision, None, refused.asked_as)
        record["status"] = refused.status
        record |= self._shadowed(identity, action, context, decision, refused.asked_as)
        self.journal.append(record)
        return denial_message(identity, action, decision, id_, f"kgate policy explain {id_}")

    def over_quota(self, id_: str, address: str, refused: Refused, missing: int) -> str:
        """That somebody asks too often: counted, and on record where there is an ``id_`` for it, with how many before it are ``missing`` there. The message
        for them."""
        self.metrics.turned_away(refused.status)
        self.metrics.over_quota("person" if refused.identity is not None else "address")
        if not id_:
            return f"kgate: {refused.message}"
        text = f"{refused.message}; {missing} before it are not on record" if missing else refused.message
        self.journal.append(refusal_record(id_, self.gate, self._wall(), address, refused.status, text, refused.identity, refused.action))
        return f"kgate: {refused.message} (request {id_})"

    def outlived(self, stream: OnRecord, verdict: Verdict, shadow: Shadow) -> None:
        """A live stream goes on by ``verdict``; if it would not by the candidate, that is on record, once."""
        action, context, asked_as = verdict.asked.action, verdict.context, verdict.asked.asked_as
        otherwise = shadow.judge(verdict.identity, action, context, asked_as, verdict.decision, stream)
        if otherwise is not None and otherwise.ended:
            self._put("decision-change", stream, verdict, self._differs(otherwise))

    def facts(self, context: Context) -> None:
        """What was known of the world, before the first decision that it went into, and again in each hour, so that a reader finds it near."""
        if not context.facts:
            return
        told = context.facts, int(context.now // 3600)
        if told != self._told:
            self._told = told
            self.journal.append(facts_record(self.ids.next(), self.gate, context.now, context.facts))

    def _verdict(
        self, event: str, exchange: OnRecord, verdict: Verdict, then: Callable[[bool], None] | None = None, more: Record = _NOTHING
    ) -> None:
        asked = verdict.asked
        stream = exchange if asked.action.follows and event != "port" else None
        shadow = self._shadowed(verdict.identity, asked.action, verdict.context, verdict.decision, asked.asked_as, stream)
        self._put(event, exchange, verdict, shadow | more if more else shadow, then)

    def _put(self, event: str, exchange: OnRecord, verdict: Verdict, shadow: Record, then: Callable[[bool], None] | None = None) -> None:
        asked, context, decision = verdict.asked, verdict.context, verdict.decision
        self.facts(context)
        pieces = exchange.admitted.said.pieces(verdict.identity)
        line = decision_line(event, exchange.id, self.gate, pieces, asked.action, context, decision, asked.kubectl, asked.asked_as)
        self.journal.append(f"{line},{encode(shadow).decode()}" if shadow else line, then)

    def _shadowed(
        self,
        identity: Identity,
        action: Action,
        context: Context,
        decision: Decision,
        asked_as: Impersonation | None,
        stream: OnRecord | None = None,
    ) -> Record:
        """What the candidate says otherwise, counted; nothing where there is none."""
        if self.shadow is None:
            return {}
        return self._differs(self.shadow.judge(identity, action, context, asked_as, decision, stream))

    def _differs(self, otherwise: Otherwise | None) -> Record:
        self.metrics.shadowed(otherwise.turn.name.lower() if otherwise is not None else "same")
        return shadow_fields(otherwise.decision) if otherwise is not None and otherwise.turn.matters else {}
