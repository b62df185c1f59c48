"""Who asks for what, and whether they may: everything between a request's head and its first wait.

    head ──▶ well-formed? ──▶ who? ──▶ too often? ──▶ which cluster? ──▶ what for? ──▶ locked out? ──▶ may they become whom they ask to be? ──▶ may they?
               400            401       429            404               400            403             403                                     403

The order tells a stranger nothing: without an identity there is no difference between a cluster that exists and one that does not. ``decide`` is the
one decision of the gate: it is asked here, and again with the same request whenever something changed.

Who asks and whether they may can be ``Pending``: then nothing is decided, and all of it is asked again once what was wanted is there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from kgate.authorizers.interface import Authorizer, Overview
from kgate.exchange.quota import Quota, whole_seconds
from kgate.exchange.routes import PREFIX, Route, Routes
from kgate.exchange.said import Said
from kgate.identity.credentials import Credentials, Rejected
from kgate.kube.browsers import from_another_site
from kgate.kube.headers import upstream_headers
from kgate.kube.impersonation import ImpersonationRequest, impersonation_error
from kgate.kube.refusal import Refusal
from kgate.kube.requestinfo import parse_action
from kgate.model import Action, Context, Decision, Ground, Identity, Impersonation, Operation, Pending, Reason
from kgate.policy.evaluate import sooner
from kgate.policy.impersonation import impersonated, impersonation_actions
from kgate.wire.events import RequestHead, RequestReceived

_ANOTHER_SITE: Final = (
    "a page of another site had your browser send this with your client certificate; open it by its own address, or send a token instead"
)
_OWN_ORIGIN: Final = "the page of a proxied server would have this gate's own pages in its reach; open it at a host name of the cluster's, or by kubectl proxy"
_TOO_MANY: Final = (
    "you make more than %d requests a second here: this one was not taken, send it again in a moment "
    "(a program should watch, rather than ask again and again)"
)
_UPGRADES: Final = frozenset({b"websocket", b"spdy/3.1"})


class Authenticator(Protocol):
    """Knows who holds which credentials."""

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | Pending:
        """Who it is at ``now`` (Unix seconds)."""


class Surroundings(Protocol):
    """Knows what else holds where and when somebody asks: country, facts, grants."""

    def context(self, now: float, address: str, user_agent: str, identity: Identity) -> Context:
        """The whole context of a request at ``now`` (Unix seconds)."""


class Locks(Protocol):
    """Knows who is shut out, whatever the policy says."""

    def on(self, identity: Identity, cluster: str, now: float) -> Reason | None:
        """Why ``identity`` is shut out of ``cluster`` at ``now`` (Unix seconds); None where they are not."""


class Open:
    """Nobody is."""

    def on(self, identity: Identity, cluster: str, now: float) -> Reason | None:
        """See ``Locks``."""
        return None


class Plain:
    """Surroundings of which nothing more is known than the request itself says."""

    def context(self, now: float, address: str, user_agent: str, identity: Identity) -> Context:
        """Time, address and user agent."""
        return Context(now, address, user_agent)


class Asked:
    """What of a request its decision depends on: kept, so that it can be decided again.

    ``since`` (Unix seconds) is when ``shown`` was; ``kubectl`` what kubectl says of itself (``command``, ``session``): the client's word, a hint only.
    """

    def __init__(
        self,
        shown: Credentials,
        since: float,
        action: Action,
        user_agent: str,
        impersonation: ImpersonationRequest | None,
        kubectl: tuple[tuple[str, str], ...],
    ) -> None:
        self.shown: Final = shown
        self.since: Final = since
        self.action: Final = action
        self.user_agent: Final = user_agent
        self.impersonation: Final = impersonation
        self.kubectl: Final = kubectl

    def of(self, action: Action) -> Asked:
        """The same by the same people, for something else."""
        return Asked(self.shown, self.since, action, self.user_agent, self.impersonation, self.kubectl)

    @property
    def held(self) -> Credentials:
        """The credentials of a request that goes on."""
        return self.shown.held(self.since)

    @property
    def asked_as(self) -> Impersonation | None:
        """Whom ``--as`` asks for, as an audit record has it."""
        return as_asked(self.impersonation)


class Verdict:
    """Who asked for what at that moment, and the answer."""

    def __init__(self, asked: Asked, identity: Identity, context: Context, decision: Decision) -> None:
        self.asked: Final = asked
        self.identity: Final = identity
        self.context: Final = context
        self.decision: Final = decision


class Admitted(Verdict):
    """A request that may go upstream by ``route`` in the name of ``impersonate``."""

    def __init__(
        self,
        asked: Asked,
        identity: Identity,
        context: Context,
        decision: Decision,
        impersonate: Impersonation,
        route: Route,
        said: Said,
    ) -> None:
        super().__init__(asked, identity, context, decision)
        self.impersonate: Final = impersonate
        self.route: Final = route
        self.said: Final = said

    def upstream_head(self, head: RequestHead, id_: str, *, upgrade: bool) -> RequestHead:
        """What the cluster gets instead of the client's ``head``: made anew from what was decided (security.md, promise 2)."""
        upstream, action, audit_id = self.route.upstream, self.asked.action, id_.encode()
        target, bearer = upstream.base_path + action.target.encode(), upstream.bearer
        if upgrade or action.operation is Operation.PROXY:
            headers = upstream_headers(action, head.headers, self.impersonate, audit_id, bearer, upgrade=upgrade)
            return RequestHead(head.method, target, upstream.authority, headers)
        shared = self.said.upstream(self.impersonate, bearer)
        return RequestHead(head.method, target, upstream.authority, [*shared.fields, (b"audit-id", audit_id)], shared)


class Refused(NamedTuple):
    """A request that goes nowhere. With a ``decision`` it was denied; otherwise ``message`` says what is wrong with it."""

    status: int
    message: str
    identity: Identity | None = None
    action: Action | None = None
    context: Context | None = None
    decision: Decision | None = None
    asked_as: Impersonation | None = None
    retry_after: int = 0
    """After how many seconds the same may be asked again; 0: that is not why."""


class Admission:
    """Admits requests by one configuration; replaced whole on reload."""

    def __init__(
        self,
        routes: Routes,
        authenticator: Authenticator,
        authorizer: Authorizer,
        surroundings: Surroundings | None = None,
        locks: Locks | None = None,
    ) -> None:
        self._routes, self.authenticator, self._authorizer = routes, authenticator, authorizer
        self._surroundings: Surroundings = surroundings or Plain()
        self._locks: Locks = locks if locks is not None else Open()  # not by truth: none of them yet is not none to ask

    def is_for_cluster(self, authority: bytes, target: bytes) -> bool:
        """Whether a request is meant for a cluster, there or not, rather than for the gate itself."""
        return target.startswith(PREFIX) or self._routes.is_cluster_host(authority)

    def admit(
        self,
        request: RequestReceived,
        address: str,
        certificate: bytes | None,
        now: float,
        said: Said | None = None,
        quota: Quota | None = None,
        at: float = 0.0,
    ) -> Admitted | Refused | Pending:
        """The answer to a request that arrived at ``now`` (Unix seconds) from ``address`` with the client's ``certificate`` (DER).

        ``said`` is what its fields say, where that was read before; ``quota`` is what each person has, held against ``at`` (monotonic seconds).
        """
        head = request.head
        said = said or Said.by(head.headers)
        bearer = said.bearer
        if isinstance(bearer, Refusal):
            return Refused(*bearer)
        credentials = said.shown(bearer, certificate, address)
        identity = self.authenticator.authenticate(credentials, now)
        if isinstance(identity, Pending):
            return identity
        if isinstance(identity, Rejected):
            return Refused(401, str(identity))
        if quota is not None:
            wait = quota.spend(identity.user, identity.issuer, at)
            if wait:
                return Refused(429, _TOO_MANY % quota.rate, identity, retry_after=whole_seconds(wait))
        unasked = bearer is None and said.from_browser  # a browser shows a certificate with whatever a page asks it for
        if unasked and from_another_site(head.method, head.authority, head.headers):
            return Refused(403, _ANOTHER_SITE, identity)
        found = self._routes.find(head.authority, head.target)
        if found is None:
            return Refused(404, self._no_route(head.target), identity)
        route, target = found
        action = parse_action(route.cluster, head.method, target)
        if isinstance(action, Refusal):
            return Refused(action.status, action.message, identity)
        if unasked and action.operation is Operation.PROXY and head.target.startswith(PREFIX):
            return Refused(403, _OWN_ORIGIN, identity, action)
        unsuitable = _upgrade_refusal(action, request.upgrade)
        if unsuitable is not None:
            return Refused(*unsuitable, identity, action)
        wanted = said.impersonation
        if isinstance(wanted, Refusal):
            return Refused(*wanted, identity, action)
        asked = Asked(credentials, now, action, said.user_agent, wanted, said.kubectl)
        context = self._surroundings.context(now, address, asked.user_agent, identity)
        decision = self._decide(asked, identity, context)
        if isinstance(decision, Pending):
            if quota is not None:
                quota.give_back(identity.user, identity.issuer)
            return decision
        impersonate = decision.impersonate
        if not decision.allowed or impersonate is None:
            return Refused(403, "", identity, action, context, decision, asked.asked_as)
        return Admitted(asked, identity, context, decision, impersonate, route, said)

    def decide_again(self, asked: Asked, identity: Identity, now: float) -> Verdict | Pending:
        """The decision on a live request as of ``now``: the credential is looked at again too, for it may be gone or expired, and so is the cluster."""
        cluster = self._routes.cluster(asked.action.cluster.name)
        if cluster is None:
            return self._over(asked, identity, now, Reason(Ground.CLUSTER, text="this gate has no such cluster any more"))
        if cluster != asked.action.cluster:
            asked = asked.of(asked.action.but(cluster=cluster))
        again = self.authenticator.authenticate(asked.held, now)
        if isinstance(again, Pending):
            return again
        if isinstance(again, Rejected):
            return self._over(asked, identity, now, Reason(Ground.LOGOUT if again.ended else Ground.EXPIRED, text=again.text))
        context = self._surroundings.context(now, asked.shown.address, asked.user_agent, again)
        decision = self._decide(asked, again, context)
        return decision if isinstance(decision, Pending) else Verdict(asked, again, context, decision)

    def _over(self, asked: Asked, identity: Identity, now: float, reason: Reason) -> Verdict:
        context = self._surroundings.context(now, asked.shown.address, asked.user_agent, identity)
        return Verdict(asked, identity, context, Decision(False, "", reasons=(reason,)))

    def judge(self, asked: Asked, identity: Identity, action: Action, now: float) -> Decision | Pending:
        """What the decision would be if whoever sent ``asked`` asked for ``action`` now."""
        verdict = self.decide_again(asked.of(action), identity, now)
        return verdict if isinstance(verdict, Pending) else verdict.decision

    def overview(self, asked: Asked, identity: Identity, now: float) -> Overview:
        """What the policy gives whoever sent ``asked``, or whom they asked to be."""
        context = self._surroundings.context(now, asked.shown.address, asked.user_agent, identity)
        wanted = asked.impersonation
        if wanted is not None:
            identity = impersonated(identity, wanted.user, wanted.groups, wanted.uid, wanted.extra)
        return self._authorizer.overview(identity, asked.action.cluster, context)

    def _decide(self, asked: Asked, identity: Identity, context: Context) -> Decision | Pending:
        locked = self._locked(asked, identity, context.now)
        if locked is not None:
            return Decision(False, "", reasons=(locked,))
        return decide(self._authorizer, identity, asked.action, context, asked.impersonation)

    def _locked(self, asked: Asked, identity: Identity, now: float) -> Reason | None:
        """Why whoever asks, or whom they ask to be, is shut out."""
        cluster, wanted = asked.action.cluster.name, asked.impersonation
        reason = self._locks.on(identity, cluster, now)
        if reason is not None or wanted is None:
            return reason
        return self._locks.on(impersonated(identity, wanted.user, wanted.groups, wanted.uid, wanted.extra), cluster, now)

    def _no_route(self, target: bytes) -> str:
        if target.startswith(PREFIX):
            return "there is no cluster of that name here; ask whoever runs this gate for your kubeconfig"
        return (
            "this gate serves clusters under /clusters/NAME/ or by their host names; "
            "check the server of your kubeconfig (kubectl proxy needs --append-server-path)"
        )


def decide(
    authorizer: Authorizer, identity: Identity, action: Action, context: Context, wanted: ImpersonationRequest | None
) -> Decision | Pending:
    """The one decision of the gate, of a request that is there or of one that is only spoken of. ``wanted`` is what ``--as`` asks for."""
    authorize = authorizer.authorize
    until: float | None = None
    if wanted is not None:
        for asked in impersonation_actions(action.cluster, wanted.user, wanted.groups, wanted.uid, wanted.extra):
            decision = authorize(identity, asked, context)
            if isinstance(decision, Pending) or not decision.allowed:
                return decision
            until = sooner(until, decision.until)
        identity = impersonated(identity, wanted.user, wanted.groups, wanted.uid, wanted.extra)
    decision = authorize(identity, action, context)
    if isinstance(decision, Pending):
        return decision
    if until is not None:  # what is done as another ends with the right to be that other, too
        decision = decision.but(until=sooner(until, decision.until))
    if decision.impersonate is not None and (problem := _problem(decision.impersonate)):
        reason = Reason(Ground.IMPERSONATION, decision.rule, f"in the name that the cluster would see, {problem}")
        return Decision(False, decision.revision, decision.rule, (reason,), until=decision.until)
    return decision


def as_asked(wanted: ImpersonationRequest | None) -> Impersonation | None:
    """What ``--as`` asks for, in the model's terms."""
    return Impersonation(wanted.user, wanted.groups, wanted.uid, wanted.extra) if wanted is not None else None


_problem: Final = lru_cache(maxsize=4096)(impersonation_error)


def _upgrade_refusal(action: Action, upgrade: bytes) -> Refusal | None:
    """An upgrade must be one that the gate can follow, and asked of something that upgrades."""
    if not upgrade:
        return None
    if upgrade not in _UPGRADES:
        return Refusal(400, "only WebSocket and SPDY/3.1 upgrades are carried")
    if not action.follows and action.operation is not Operation.LOGS:
        return Refusal(400, "this resource has nothing to upgrade to")
    return None
