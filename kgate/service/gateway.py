"""Everything that an exchange asks of the gate, in one object: admission by the current configuration, what goes on record, the live streams.

Reload replaces ``admission`` and the TLS contexts whole, so a request is decided by one configuration; what lives is then decided again by the new one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, cast

from kgate.authorizers.interface import Overview
from kgate.exchange.admission import Admission, Admitted, Asked, Refused, Verdict
from kgate.exchange.exchange import Exchange
from kgate.exchange.gate import Fetch, OnRecord, Recordable
from kgate.exchange.legs import ClientLeg
from kgate.exchange.local import Application, LocalExchange
from kgate.exchange.own_reviews import OwnReview, own_review
from kgate.exchange.patience import Patience
from kgate.exchange.ports import ClientTransport, ServerWire
from kgate.exchange.quota import UNRECORDED, Quota, whole_seconds
from kgate.exchange.refusal import refuse
from kgate.exchange.rules_review import RulesReview
from kgate.exchange.said import Said
from kgate.exchange.self_review import SelfReview
from kgate.exchange.tape import Tape, wanted
from kgate.exchange.waiting import Waiting
from kgate.memory import Shares
from kgate.model import Action, Decision, Identity, Pending, Recording
from kgate.net.addresses import whose
from kgate.net.telling import tell
from kgate.net.turn import Turn
from kgate.review.shadow import Shadow, succeeding
from kgate.service.recorder import Recorder
from kgate.sessions.causes import stale
from kgate.sessions.registry import SLICE_SECONDS, Registry
from kgate.settings import Configuration
from kgate.settings.operation import DeadlineSettings, LimitSettings
from kgate.wire import http1, http2
from kgate.wire.dates import Dates
from kgate.wire.events import RequestHead, RequestReceived

HEALTH: Final = b"/healthz"
ADMITS_SECONDS: Final = 10.0
"""A gate that has heard nothing of its store for so long admits nobody (class 14): what was revoked elsewhere is not known here."""
CUTS_SECONDS: Final = 15.0
"""And after so long nothing lives on."""
UNKEPT: Final = Refused(
    503,
    "the policy changed, and its text could not be kept beside the audit, so no request is taken until it is; tell whoever runs this gate if it stays so",
)
OUT_OF_TOUCH: Final = Refused(503, "the gate has lost touch with its store, so it cannot tell who may come in; try again in a moment")
_STRANGERS: Final = (
    "more than %d requests a second come from your address that nobody is known to be behind: this one was not looked at, "
    "send it again in a moment"
)
_STRANGE: Final = (400, 401)
"""What somebody gets whom nobody knows."""
_REVIEWS = {"selfsubjectaccessreviews": SelfReview, "selfsubjectrulesreviews": RulesReview}


class Store(Protocol):
    """The store that gates share."""

    @property
    def age(self) -> float:
        """For how many seconds nothing has been heard of it."""


class Gateway:
    """See the module. ``now`` is monotonic, ``wall`` Unix seconds."""

    def __init__(
        self,
        turn: Turn,
        now: Callable[[], float],
        wall: Callable[[], float],
        recorder: Recorder,
        live: Registry,
        admission: Admission,
        fetch: Fetch,
        application: Application,
    ) -> None:
        self.turn, self.now, self.wall = turn, now, wall
        self.recorder, self.live, self.admission = recorder, live, admission
        self._date = Dates(wall)
        self._people, self._strangers = Quota(0), Quota(0)
        """Requests a second of each person, and of each address that nobody is known to be behind."""
        self._bound(LimitSettings(), DeadlineSettings())
        self._fetch, self._application = fetch, application
        self.store: Store | None = None
        self.unkept = ""
        """Why the text of the policy in force is not beside the audit, so that no request may be decided by it; empty where it is."""
        self._unsettled: set[Waiting | LocalExchange | OwnReview] = set()
        self.tapes: Callable[[Recordable], Tape] = _no_tapes
        """Makes the recording of a stream."""
        self.seen: Callable[[Identity, str], None] = lambda identity, address: None
        """Told who makes each request, and from where."""
        self.legs: dict[ClientLeg, str] = {}
        """Every connection, and whose it counts as."""
        self._connections, self._held = Shares(), Shares()

    def use(self, admission: Admission, configuration: Configuration) -> None:
        """Who is admitted from here on, what is said of it by a candidate, and how much a client may take."""
        self.admission = admission
        living = (cast("Exchange", stream) for stream in self.live.streams() if stream.action.follows)
        self.recorder.shadow = succeeding(self.recorder.shadow, configuration.shadow, living)
        self._bound(configuration.settings.limits, configuration.settings.deadlines)
        self.recorder.metrics.only_of(configuration.settings.clusters)
        self.recorder.metrics.only_authorizers(each.name for each in configuration.settings.authorizers)

    def _bound(self, limits: LimitSettings, deadlines: DeadlineSettings) -> None:
        self.limits, self.deadlines = limits, deadlines
        self._people.use(limits.requests_per_person)
        self._strangers.use(limits.requests_per_address)
        self._http2 = http2.Http2Limits(streams=limits.streams)
        self._patience = Patience(deadlines.answer, deadlines.body, deadlines.reader)

    # --- connections

    def serve(self, transport: ClientTransport, address: str) -> ClientLeg:
        """A client finished its handshake."""
        multiplexed = transport.alpn == "h2"
        wire = http2.ServerConnection(self._http2, self.now, self._date) if multiplexed else http1.ServerConnection(date=self._date)
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
        self.legs[leg] = counted = whose(address)
        self._connections.take(counted)
        if self._crowded(counted):
            transport.close()
        return leg

    def take_no_more(self) -> None:
        """The gate drains: what is under way goes on, and each client learns that its next request belongs elsewhere."""
        for leg in list(self.legs):
            if leg.raw is None:
                leg.wire.shutdown()
                leg.touch()

    @property
    def busy(self) -> bool:
        """Whether somebody waits for something, or is still reading it."""
        return any(leg.busy for leg in self.legs)

    def _crowded(self, counted: str) -> bool:
        """Whether there are more connections than this gate, or one address, may have (class 19)."""
        return self._connections.all > self.limits.connections or self._connections.of(counted) > self.limits.connections_per_address

    def _gone(self, leg: ClientLeg) -> None:
        self._connections.let_go(self.legs.pop(leg))

    # --- requests

    def answer(self, leg: ClientLeg, request: RequestReceived) -> None:
        """A request arrived."""
        if request.head.target == HEALTH and self._is_a_probe(leg, request.head):
            refuse(leg, request, 200, b"ok\n", b"text/plain")
            return
        if not self.admission.is_for_cluster(request.head.authority, request.head.target) and self._owns(request.head.target):
            wait = self._strangers.spend(self.legs[leg], "", leg.heard_at)
            if wait:
                self._turn_away(leg, request, _too_many(self._strangers, wait), self.recorder.ids.next())
                return
            local = LocalExchange(leg, request, self._application, self.now(), self._unsettled.discard, self._held, self.legs[leg])
            self._unsettled.add(local)
            local.begin()
            return
        said, headers = leg.said, request.head.headers
        if said is None or (said.headers is not headers and said.headers != headers):
            said = leg.said = Said.by(headers)
        admitted = self._admit(leg, request, leg.heard_at, said)
        if isinstance(admitted, Pending):
            self._wait(leg, request, admitted)
        else:
            self._decided(leg, request, admitted)

    def _is_a_probe(self, leg: ClientLeg, head: RequestHead) -> bool:
        """Whether a question after health is about the gate itself: at a cluster's host, too, if whoever asks shows nothing, as balancers do."""
        anonymous = leg.certificate is None and not any(name == b"authorization" for name, _ in head.headers)
        return anonymous or not self.admission.is_for_cluster(head.authority, head.target)

    def _admit(self, leg: ClientLeg, request: RequestReceived, at: float, said: Said | None = None) -> Admitted | Refused | Pending:
        """The answer as of now, which is ``at``."""
        if self._store_age() > ADMITS_SECONDS:
            return OUT_OF_TOUCH
        if self.unkept:
            return UNKEPT
        return self.admission.admit(request, leg.address, leg.certificate, self.wall(), said, self._people, at)

    def _owns(self, target: bytes) -> bool:
        return self._application.owns(target.decode("latin-1").partition("?")[0])

    def _wait(self, leg: ClientLeg, request: RequestReceived, pending: Pending) -> None:
        waiting = Waiting(
            leg,
            request,
            self.now(),
            lambda: self._admit(leg, request, self.now()),
            self._fetch,
            lambda answer: self._decided(leg, request, answer),
            self._unsettled.discard,
        )
        self._unsettled.add(waiting)
        waiting.wait(pending)

    def _decided(self, leg: ClientLeg, request: RequestReceived, answer: Admitted | Refused) -> None:
        id_ = self.recorder.ids.next()
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
        if refused.identity is None and refused.status in _STRANGE:
            wait = self._strangers.spend(self.legs[leg], "", leg.heard_at)
            if wait:
                refused = _too_many(self._strangers, wait)
        message, id_ = (
            self._over_quota(leg, refused, id_) if refused.retry_after else (self.recorder.refusal(id_, leg.address, refused), id_)
        )
        nobody = refused.identity is None  # whose connection gets one answer, and in HTTP/1.1 the answer itself says so
        if nobody and not leg.multiplexed:
            leg.wire.shutdown()
        refuse(leg, request, refused.status, message, id_=id_, retry_after=refused.retry_after)
        if nobody:
            leg.wire.shutdown()

    def _over_quota(self, leg: ClientLeg, refused: Refused, id_: str) -> tuple[str, str]:
        """The message for whoever asks too often, and the id under which it is on record: one in a while is, with how many came before it."""
        identity = refused.identity
        if identity is None:
            missing = self._strangers.refused(self.legs[leg], "", leg.heard_at)
        else:
            missing = self._people.refused(identity.user, identity.issuer, leg.heard_at)
        id_ = "" if missing == UNRECORDED else id_
        return self.recorder.over_quota(id_, leg.address, refused, missing), id_

    # --- what exchanges ask

    @property
    def patience(self) -> Patience:
        """See ``Gate``."""
        return self._patience

    def tape(self, exchange: Recordable) -> Tape | None:
        """See ``Gate``."""
        admitted = exchange.admitted
        return self.tapes(exchange) if wanted(admitted.asked.action, admitted.decision) is not Recording.NONE else None

    def decide_again(self, exchange: OnRecord) -> Verdict | Pending:
        """The decision on a live request as of now."""
        verdict = self.admission.decide_again(exchange.admitted.asked, exchange.identity, self.wall())
        if not isinstance(verdict, Pending):
            self.recorder.facts(verdict.context)
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

    def decide_port(self, exchange: OnRecord, port: int) -> Verdict | Pending:
        """The decision on one port of a live port-forward as of now. What has to be fetched for it is there at the next try."""
        verdict = self.admission.decide_again(_for_port(exchange, port), exchange.identity, self.wall())
        if isinstance(verdict, Pending):
            self._fetch(verdict.wanted, _nothing)
        return verdict

    # --- time

    def _store_age(self) -> float:
        """For how many seconds nothing has been heard of the store."""
        return self.store.age if self.store is not None else 0.0

    def tick(self) -> None:
        """A few times a second: deadlines of requests and connections, limits and edges of what lives."""
        if self._store_age() > CUTS_SECONDS:
            self.live.cut_all(stale)
        self.live.tick()
        now = self.now()
        for each in list(self._unsettled):
            tell(each.look, now)
        for leg in list(self.legs):
            tell(self._look_at, leg, now)
        if self.recorder.shadow is not None:
            self._follow(self.recorder.shadow)

    def _follow(self, shadow: Shadow) -> None:
        """What lives on, though the candidate would end it at this instant, is counted and on record. In slices, as everything that may be many."""
        wall, until = self.wall(), self.now() + SLICE_SECONDS
        for stream in shadow.due(wall):
            verdict = self.admission.decide_again(stream.admitted.asked, stream.identity, wall)
            if isinstance(verdict, Pending):
                self._fetch(verdict.wanted, _nothing)
            else:
                self.recorder.outlived(stream, verdict, shadow)
            if self.now() >= until:
                return

    def _look_at(self, leg: ClientLeg, now: float) -> None:
        """End connections that never get on with a request, or that nobody uses."""
        if leg.skips:
            leg.skips = [each for each in leg.skips if each.look(now, self.deadlines.body)]
        if leg.raw is not None or leg.responders:
            return
        if not leg.wire.idle and leg.partial_since is not None and now - leg.partial_since > self.deadlines.head:
            leg.transport.abort()
        elif now - leg.heard_at > self.deadlines.idle or not (leg.served or now - leg.since <= self.deadlines.head):
            leg.wire.shutdown()
            leg.touch()


def _too_many(strangers: Quota, wait: float) -> Refused:
    return Refused(429, _STRANGERS % strangers.rate, retry_after=whole_seconds(wait))


def _for_port(exchange: OnRecord, port: int) -> Asked:
    asked = exchange.admitted.asked
    return asked.of(asked.action.but(ports=(port,)))


def _no_tapes(exchange: Recordable) -> Tape:
    raise AssertionError(f"{exchange.id} is to be recorded, and nobody records here")


def _nothing() -> None:
    """Nobody waits."""
