"""Everything that an exchange asks of the gate, in one object: admission by the current configuration, the journal, the live streams, the metrics.

Reload replaces ``admission`` and the TLS contexts whole, so a request is decided by one configuration; what lives is then decided again by the new one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol, cast

from kgate.audit.ids import RequestIds
from kgate.audit.line import decision_line, end_line
from kgate.audit.record import Record, decision_record, facts_record, refusal_record, shadow_fields
from kgate.audit.text import encode
from kgate.authorizers.interface import Overview
from kgate.exchange.admission import Admission, Admitted, Asked, Refused, Verdict
from kgate.exchange.exchange import Exchange
from kgate.exchange.gate import Fetch, OnRecord
from kgate.exchange.legs import ClientLeg
from kgate.exchange.local import Application, LocalExchange
from kgate.exchange.own_reviews import OwnReview, own_review
from kgate.exchange.patience import Patience
from kgate.exchange.ports import ClientTransport, ServerWire
from kgate.exchange.refusal import refuse
from kgate.exchange.rules_review import RulesReview
from kgate.exchange.said import Said
from kgate.exchange.self_review import SelfReview
from kgate.exchange.waiting import Waiting
from kgate.kube.status import denial_message
from kgate.metrics import Metrics
from kgate.model import Action, Context, Decision, Fact, Identity, Impersonation, Pending
from kgate.net.journal import Then
from kgate.net.turn import Turn
from kgate.review.shadow import Otherwise, Shadow, succeeding
from kgate.sessions.causes import stale
from kgate.sessions.registry import SLICE_SECONDS, Registry, cut_all
from kgate.settings import Configuration
from kgate.settings.operation import DeadlineSettings, LimitSettings
from kgate.wire import http1, http2
from kgate.wire.events import RequestHead, RequestReceived

HEALTH: Final = b"/healthz"
ADMITS_SECONDS: Final = 10.0
"""A gate that has heard nothing of its store for so long admits nobody (class 14): what was revoked elsewhere is not known here."""
CUTS_SECONDS: Final = 15.0
"""And after so long nothing lives on."""
OUT_OF_TOUCH: Final = Refused(503, "the gate has lost touch with its store, so it cannot tell who may come in; try again in a moment")
_REVIEWS = {"selfsubjectaccessreviews": SelfReview, "selfsubjectrulesreviews": RulesReview}


class Journal(Protocol):
    """Where records go."""

    def append(self, record: Record | str, then: Then | None = None, *, lingers: bool = False) -> None:
        """See ``kgate.net.journal``."""


class Store(Protocol):
    """The store that gates share."""

    @property
    def age(self) -> float:
        """For how many seconds nothing has been heard of it."""


class Gateway:
    """See the module. ``now`` is monotonic, ``wall`` Unix seconds."""

    def __init__(
        self,
        name: str,
        turn: Turn,
        now: Callable[[], float],
        wall: Callable[[], float],
        ids: RequestIds,
        journal: Journal,
        live: Registry,
        admission: Admission,
        metrics: Metrics,
        fetch: Fetch,
        application: Application,
    ) -> None:
        self.name, self.turn, self.now, self.wall, self._ids = name, turn, now, wall, ids
        self.journal, self.live, self.admission, self.metrics = journal, live, admission, metrics
        self._bound(LimitSettings(), DeadlineSettings())
        self._fetch, self._application = fetch, application
        self.shadow: Shadow | None = None
        self.store: Store | None = None
        self._unsettled: set[Waiting | LocalExchange | OwnReview] = set()
        self.seen: Callable[[Identity, str], None] = lambda identity, address: None
        """Told who makes each request, and from where."""
        self._told: tuple[tuple[Fact, ...], int] = (), 0
        self.legs: set[ClientLeg] = set()
        self._per_address: Counter[str] = Counter()

    def use(self, admission: Admission, configuration: Configuration) -> None:
        """Who is admitted from here on, what is said of it by a candidate, and how much a client may take."""
        self.admission = admission
        living = (cast("Exchange", stream) for stream in self.live.streams() if stream.action.follows)
        self.shadow = succeeding(self.shadow, configuration.shadow, living)
        self._bound(configuration.settings.limits, configuration.settings.deadlines)

    def _bound(self, limits: LimitSettings, deadlines: DeadlineSettings) -> None:
        self.limits, self.deadlines = limits, deadlines
        self._http2 = http2.Http2Limits(streams=limits.streams)
        self._patience = Patience(deadlines.answer, deadlines.body, deadlines.reader)

    # --- connections

    def serve(self, transport: ClientTransport, address: str) -> ClientLeg:
        """A client finished its handshake."""
        multiplexed = transport.alpn == "h2"
        wire = http2.ServerConnection(self._http2, self.now) if multiplexed else http1.ServerConnection()
        leg = ClientLeg(
            cast("ServerWire", wire),
            transport,
            self.turn,
            self.now,
            self.answer,
            self._gone,
            multiplexed=multiplexed,
            address=address,
            certificate=transport.peer_certificate,
        )
        self.legs.add(leg)
        if self._crowded(address):
            transport.close()
        return leg

    def take_no_more(self) -> None:
        """The gate drains: what is under way goes on, and each client learns that its next request belongs elsewhere."""
        for leg in list(self.legs):
            if leg.raw is None:
                leg.wire.shutdown()
                leg.touch()

    def _crowded(self, address: str) -> bool:
        """Whether there are more connections than this gate, or one address, may have (class 19)."""
        self._per_address[address] += 1
        return len(self.legs) > self.limits.connections or self._per_address[address] > self.limits.connections_per_address

    def _gone(self, leg: ClientLeg) -> None:
        self.legs.discard(leg)
        self._per_address[leg.address] -= 1
        if not self._per_address[leg.address]:
            del self._per_address[leg.address]

    # --- requests

    def answer(self, leg: ClientLeg, request: RequestReceived) -> None:
        """A request arrived."""
        if request.head.target == HEALTH and self._is_a_probe(leg, request.head):
            refuse(leg, request, 200, b"ok\n", b"text/plain")
            return
        if not self.admission.is_for_cluster(request.head.authority, request.head.target) and self._owns(request.head.target):
            local = LocalExchange(leg, request, self._application, self.now(), self._unsettled.discard)
            self._unsettled.add(local)
            local.begin()
            return
        said, headers = leg.said, request.head.headers
        if said is None or (said.headers is not headers and said.headers != headers):
            said = leg.said = Said.by(headers)
        admitted = self._admit(leg, request, said)
        if isinstance(admitted, Pending):
            self._wait(leg, request, admitted)
        else:
            self._decided(leg, request, admitted)

    def _is_a_probe(self, leg: ClientLeg, head: RequestHead) -> bool:
        """Whether a question after health is about the gate itself: at a cluster's host, too, if whoever asks shows nothing, as balancers do."""
        anonymous = leg.certificate is None and not any(name == b"authorization" for name, _ in head.headers)
        return anonymous or not self.admission.is_for_cluster(head.authority, head.target)

    def _admit(self, leg: ClientLeg, request: RequestReceived, said: Said | None = None) -> Admitted | Refused | Pending:
        """The answer as of now."""
        if self._store_age() > ADMITS_SECONDS:
            return OUT_OF_TOUCH
        return self.admission.admit(request, leg.address, leg.certificate, self.wall(), said)

    def _owns(self, target: bytes) -> bool:
        return self._application.owns(target.decode("latin-1").partition("?")[0])

    def _wait(self, leg: ClientLeg, request: RequestReceived, pending: Pending) -> None:
        waiting = Waiting(
            leg,
            request,
            self.now(),
            lambda: self._admit(leg, request),
            self._fetch,
            lambda answer: self._decided(leg, request, answer),
            self._unsettled.discard,
        )
        self._unsettled.add(waiting)
        waiting.wait(pending)

    def _decided(self, leg: ClientLeg, request: RequestReceived, answer: Admitted | Refused) -> None:
        id_ = self._ids.next()
        if answer.identity is not None:
            self.seen(answer.identity, leg.address)
        if isinstance(answer, Admitted):
            action = answer.asked.action
            review = _REVIEWS.get(own_review(action)) if action.verb == "create" else None
            if review is None:
                Exchange(self, leg, request, answer, id_).begin()
                return
            made = review(self, leg, request, answer, id_, self._unsettled.discard)
            self._unsettled.add(made)
            made.begin()
        else:
            self._turn_away(leg, request, answer, id_)

    def _turn_away(self, leg: ClientLeg, request: RequestReceived, refused: Refused, id_: str) -> None:
        identity, action, context, decision = refused.identity, refused.action, refused.context, refused.decision
        if decision is not None and identity is not None and action is not None and context is not None:
            message = denial_message(identity, action, decision, id_, f"kgate policy explain {id_}")
            self._record_facts(context)
            record = decision_record("request", id_, self.name, identity, action, context, decision, None, refused.asked_as)
            record["status"] = refused.status
            record |= self._shadowed(identity, action, context, decision, refused.asked_as)
        else:
            message = f"kgate: {refused.message} (request {id_})"
            record = refusal_record(id_, self.name, self.wall(), leg.address, refused.status, refused.message, identity, action)
        self.journal.append(record)
        self.metrics.turned_away(refused.status)
        nobody = identity is None  # whose connection gets one answer, and in HTTP/1.1 the answer itself says so
        if nobody and not leg.multiplexed:
            leg.wire.shutdown()
        refuse(leg, request, refused.status, message, id_=id_)
        if nobody:
            leg.wire.shutdown()

    # --- what exchanges ask

    @property
    def patience(self) -> Patience:
        """See ``Gate``."""
        return self._patience

    def decide_again(self, exchange: OnRecord) -> Verdict | Pending:
        """The decision on a live request as of now."""
        verdict = self.admission.decide_again(exchange.admitted.asked, exchange.identity, self.wall())
        if not isinstance(verdict, Pending):
            self._record_facts(verdict.context)
        return verdict

    @property
    def fetch(self) -> Fetch:
        """Gets what a decision waits for."""
        return self._fetch

    def judge(self, review: OwnReview, action: Action) -> Decision | Pending:
        """What the decision on ``action`` would be, for whoever sent the review."""
        return self.admission.judge(review.admitted.asked, review.identity, action, self.wall())

    def overview(self, review: OwnReview) -> Overview:
        """What the policy gives whoever sent the review."""
        return self.admission.overview(review.admitted.asked, review.identity, self.wall())

    def record_decision(self, exchange: OnRecord, then: Callable[[bool], None]) -> None:
        """Put the decision on record before anything happens."""
        admitted = exchange.admitted
        event = "stream-start" if admitted.asked.action.follows else "request"
        self._record_verdict(event, exchange, admitted, then)

    def decide_port(self, exchange: OnRecord, port: int) -> Verdict | Pending:
        """The decision on one port of a live port-forward as of now. What has to be fetched for it is there at the next try."""
        verdict = self.admission.decide_again(_for_port(exchange, port), exchange.identity, self.wall())
        if isinstance(verdict, Pending):
            self._fetch(verdict.wanted, _nothing)
        return verdict

    def record_port(self, exchange: OnRecord, port: int, verdict: Verdict) -> None:
        """Put on record that a live port-forward may reach a port, or may not."""
        self._record_verdict("port", exchange, verdict)

    def record_change(self, exchange: OnRecord, verdict: Verdict) -> None:
        """Put on record that a live request is decided otherwise now."""
        self._record_verdict("decision-change", exchange, verdict)

    def _record_verdict(self, event: str, exchange: OnRecord, verdict: Verdict, then: Callable[[bool], None] | None = None) -> None:
        asked = verdict.asked
        stream = exchange if asked.action.follows and event != "port" else None
        shadow = self._shadowed(verdict.identity, asked.action, verdict.context, verdict.decision, asked.asked_as, stream)
        self._put_on_record(event, exchange, verdict, shadow, then)

    def _put_on_record(
        self, event: str, exchange: OnRecord, verdict: Verdict, shadow: Record, then: Callable[[bool], None] | None = None
    ) -> None:
        asked, context, decision = verdict.asked, verdict.context, verdict.decision
        self._record_facts(context)
        pieces = exchange.admitted.said.pieces(verdict.identity)
        line = decision_line(event, exchange.id, self.name, pieces, asked.action, context, decision, asked.kubectl, asked.asked_as)
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

    def _record_facts(self, context: Context) -> None:
        """What was known of the world, before the first decision that it went into, and again in each hour, so that a reader finds it near."""
        if not context.facts:
            return
        told = context.facts, int(context.now // 3600)
        if told != self._told:
            self._told = told
            self.journal.append(facts_record(self._ids.next(), self.name, context.now, context.facts))

    def record_end(self, exchange: OnRecord) -> None:
        """Put the end on record and count it."""
        if self.shadow is not None:
            self.shadow.forget(exchange)
        admitted, status, cause = exchange.admitted, exchange.status, exchange.closed_by
        action, bytes_in, bytes_out = admitted.asked.action, exchange.bytes_in, exchange.bytes_out
        took = self.now() - exchange.started
        self.metrics.ended(action, status, took, bytes_in, bytes_out)
        revocation = exchange.revocation if cause is not None else None
        if cause is not None:
            self.metrics.cut(cause.ending, revocation)
        self.journal.append(
            end_line(
                "stream-end" if action.follows else "request-end",
                exchange.id,
                self.name,
                self.wall(),
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

    # --- time

    def _store_age(self) -> float:
        """For how many seconds nothing has been heard of the store."""
        return self.store.age if self.store is not None else 0.0

    def tick(self) -> None:
        """A few times a second: deadlines of requests and connections, limits and edges of what lives."""
        if self._store_age() > CUTS_SECONDS:
            cut_all(self.live.streams(), stale)
        self.live.tick()
        now = self.now()
        for stream in self.live.streams():
            stream.look(now)
        for each in list(self._unsettled):
            each.look(now)
        for leg in list(self.legs):
            self._look_at(leg, now)
        if self.shadow is not None:
            self._follow(self.shadow)

    def _follow(self, shadow: Shadow) -> None:
        """What lives on, though the candidate would end it at this instant, is counted and on record. In slices, as everything that may be many."""
        wall, until = self.wall(), self.now() + SLICE_SECONDS
        for stream in shadow.due(wall):
            verdict = self.admission.decide_again(stream.admitted.asked, stream.identity, wall)
            if isinstance(verdict, Pending):
                self._fetch(verdict.wanted, _nothing)
            else:
                asked = verdict.asked
                otherwise = shadow.judge(verdict.identity, asked.action, verdict.context, asked.asked_as, verdict.decision, stream)
                if otherwise is not None and otherwise.ended:
                    self._put_on_record("decision-change", stream, verdict, self._differs(otherwise))
            if self.now() >= until:
                return

    def _look_at(self, leg: ClientLeg, now: float) -> None:
        """End connections that never get on with a request, or that nobody uses."""
        if leg.raw is not None or leg.responders:
            return
        if not leg.wire.idle and leg.partial_since is not None and now - leg.partial_since > self.deadlines.head:
            leg.transport.abort()
        elif now - leg.heard_at > self.deadlines.idle or not (leg.served or now - leg.since <= self.deadlines.head):
            leg.wire.shutdown()
            leg.touch()


def _for_port(exchange: OnRecord, port: int) -> Asked:
    asked = exchange.admitted.asked
    return asked.of(asked.action.but(ports=(port,)))


def _nothing() -> None:
    """Nobody waits."""
