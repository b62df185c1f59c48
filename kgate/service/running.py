"""Start, reload, drain, stop.

Reload is all or nothing: the files are read and checked whole, then every part that they made is exchanged in one turn of the reactor, and what lives is
decided again. A file that does not check leaves everything as it is and says why in the log, in /readyz's words and on record.
"""

from __future__ import annotations

import gc
import os
import signal
import ssl
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from attrs import define
from sqlalchemy import Engine
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from kgate.api import devices, whoami
from kgate.api.admin import admin_site
from kgate.api.application import Application
from kgate.api.caller import FetchingCallers
from kgate.api.requests import AccessRequests
from kgate.audit.ids import RequestIds
from kgate.audit.record import event_record
from kgate.errors import KgateError
from kgate.exchange.admission import Admission
from kgate.identity.elsewhere import ClaimsWanted
from kgate.identity.key_ring import KeysWanted
from kgate.identity.notices import Notice, concerns
from kgate.kube.kubeconfig import ClusterAccess
from kgate.metrics import Metrics
from kgate.net.archive import keep_policy
from kgate.net.clock import Ticker, WallClock
from kgate.net.contexts import server_context
from kgate.net.database import Database
from kgate.net.device_sources import DeviceInventories
from kgate.net.fetches import Fetches
from kgate.net.files import FileWatch
from kgate.net.grants import GrantBook
from kgate.net.issuer_keys import IssuerKeys
from kgate.net.journal import Journal
from kgate.net.lifeline import Lifeline
from kgate.net.listener import Listener
from kgate.net.turn import Turn
from kgate.net.web import Asking
from kgate.policy.load import fingerprint
from kgate.review.shadow import Shadow
from kgate.service.authorizing import Authorizing, Prepared
from kgate.service.clusters import all_access
from kgate.service.directory import CompanyDirectory
from kgate.service.gateway import Gateway
from kgate.service.judging import Judging
from kgate.service.login_records import LoginRecords
from kgate.service.notices import IssuerNotices, transmitters
from kgate.service.options import Options
from kgate.service.outside import Outside, Sight
from kgate.service.part import Part
from kgate.service.place import Place
from kgate.service.providers import Providers
from kgate.service.quiet import let_go, quietly
from kgate.service.robots import RobotUses
from kgate.service.signing_in import SigningIn
from kgate.service.upstreams import Upstreams
from kgate.service.watching import watched
from kgate.sessions.causes import draining
from kgate.sessions.registry import Registry, Stream, cut_all
from kgate.settings import Configuration, load_configuration
from kgate.settings.shapes import AuditMode, Settings
from kgate.store.engine import open_engine
from kgate.store.migrate import migrate

log = Logger()

DRAIN_LOOK_SECONDS = 0.1
COLLECT_EVERY = 20_000
"""New objects in containers between two looks for garbage in cycles (Python's own measure, 700, is for programs that live for a second)."""
LOOK_SECONDS = 5.0
"""How often the connections to clusters are looked at."""


@define
class _Prepared:
    """What is made of a configuration before anything is exchanged."""

    configuration: Configuration
    access: Mapping[str, ClusterAccess]
    contexts: list[ssl.SSLContext]
    sight: Sight
    authorizers: Prepared


def prepare(configuration: Configuration, outside: Outside, authorizing: Authorizing) -> _Prepared:
    """Read what else it takes. Raises KgateError where something cannot be had."""
    settings = configuration.settings
    try:
        access = all_access(settings)
    except OSError as error:
        raise KgateError(f"{error.filename}: cannot be read: {error.strerror}") from error
    contexts = [server_context(listen.tls.certificate, listen.tls.key, configuration.authority_pem) for listen in settings.listen]
    return _Prepared(configuration, access, contexts, outside.prepare(settings), authorizing.prepare(configuration))


class GateService(Service):
    """The gate as Twisted runs it."""

    def __init__(self, path: Path, configuration: Configuration, place: Place, engine: Engine, reactor: Any) -> None:
        self._path, self._place, self._reactor = path, place, reactor
        self._public, self._admin_socket = place.bind(configuration.settings), place.bind_admin(configuration.settings)
        self._turn = Turn()
        now = self._now = time.monotonic
        wall = self._wall = WallClock(time.time, now)
        self._outside = Outside(reactor, wall, self._changed, self._turn.wrap)
        self._fetches = Fetches(self._turn)
        self._upstreams = Upstreams(reactor, self._turn, now, wall, self._connect_seconds)
        self._authorizing = Authorizing(
            reactor,
            self._turn,
            now,
            wall,
            self._fetches,
            lambda: self._upstreams.current,
            self._decide_again,
            lambda authorizer, answer: self._metrics.answered(authorizer, answer),
        )
        self._prepared = prepared = prepare(configuration, self._outside, self._authorizing)
        self._contexts = list(prepared.contexts)
        self._listeners: list[Listener] = []
        self._admin: Any = None
        self._bad_reload = ""
        self._reloading = self._reload_again = False
        self._looked = 0.0
        self._watch = FileWatch(())
        settings = prepared.configuration.settings
        self._ids = RequestIds(wall, os.urandom)
        best_effort = settings.audit.mode is AuditMode.BEST_EFFORT
        self._journal = Journal(reactor, place.audit(settings.audit.directory), now, wall, self._turn.flush, best_effort=best_effort)
        self._database = Database(reactor, engine, now, self._turn.wrap)
        self._callers = FetchingCallers(
            lambda credentials, at: self._gateway.admission.authenticator.authenticate(credentials, at), self._fetches, wall
        )
        self._directory = CompanyDirectory(
            lambda: self._prepared.configuration, self._database, self._callers, wall, self._record_of, self._people_changed
        )
        self._issuers = IssuerKeys(now, lambda pem: Asking(reactor, pem), self._fetches, self._decide_again)
        self._fetches.register(KeysWanted, self._issuers.get)
        self._fetches.register(ClaimsWanted, self._issuers.ask_elsewhere)
        self._told = IssuerNotices(
            lambda: self._prepared.configuration,
            self._database,
            lambda: self._issuers.signers,
            lambda pem: Asking(reactor, pem),
            self._fetches,
            now,
            wall,
            self._record_of,
            self._notice_came,
        )
        self._robots = RobotUses(self._database, now, wall)
        configured, upstreams = (lambda: self._prepared.configuration), (lambda: self._upstreams.current)
        judging = Judging(reactor, configured, upstreams, self._fetches, self._turn.flush, now, wall)
        self._parts: tuple[Part, ...] = (self._directory, self._told, self._robots, judging, *self._signing_in_of(prepared.configuration))
        self._live = Registry(now, wall, lambda seconds, work: reactor.callLater(seconds, self._turn.wrap(work)), self._fetches)
        self._grants = GrantBook(self._database, wall, now, self._grants_changed)
        self._outside.world.grants = self._grants.of
        self._providers = Providers(reactor, self._fetches, now, wall, lambda: self._issuer_tokens)
        self._devices = DeviceInventories(now, lambda pem: Asking(reactor, pem), self._devices_changed)
        self._metrics = self._measured()
        self._gateway = Gateway(
            place.name,
            self._turn,
            now,
            wall,
            self._ids,
            self._journal,
            self._live,
            self._admission(prepared),
            self._metrics,
            self._fetches,
            self._application(),
        )
        self._gateway.store_age = lambda: self._database.age
        self._gateway.shadow = shadow_of(prepared.configuration)
        self._gateway.bound(settings.limits, settings.deadlines)
        self._gateway.seen = self._robots.saw
        self._ticker = Ticker(reactor, self._turn.wrap(self._tick))

    @classmethod
    def prepare(cls, options: Options, reactor: Any) -> GateService:
        """Bind the ports and take the audit directory. Raises KgateError where something is in the way."""
        engine = open_engine(options.configuration.settings.state)
        migrate(engine)
        service = cls(options.path, options.configuration, options.place, engine, reactor)
        service._take_audit_directory()
        if options.place.worker:
            Lifeline(reactor, sys.stdin.fileno(), service._orphaned).start()
        return service

    def _orphaned(self) -> None:
        """The supervisor is gone: nobody would start this worker again, or stop it."""
        log.error("the supervisor is gone; this worker drains and ends")
        self._reactor.stop()

    # --- Twisted's side

    def startService(self) -> None:
        """Begin to serve."""
        super().startService()  # type: ignore[no-untyped-call]
        configuration = self._prepared.configuration
        self._watch.watch(watched(self._path, configuration, self._prepared.access))
        for number, (listen, sock) in enumerate(zip(configuration.settings.listen, self._public, strict=True)):
            balancers = listen.proxy_protocol.trusted if listen.proxy_protocol is not None else ()
            context = partial(self._contexts.__getitem__, number)
            listener = Listener(self._reactor, self._turn, sock, context, self._gateway.serve, tuple(balancers), self._handshake_seconds)
            listener.start()
            self._listeners.append(listener)
            log.info("kgate serves {url} on port {port}", url=configuration.settings.public_url, port=listener.port)
        site = admin_site(self._problems, self._metrics.render)
        self._admin = self._place.serve_admin(self._reactor, self._admin_socket, site)
        self._record("start", **revisions(configuration))
        self._warn(configuration)
        self._database.start()
        self._outside.exchange(configuration.settings, self._prepared.sight)
        self._ticker.start()
        settle_memory()
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._reactor.callFromThread(self._turn.wrap(self.reload)))

    def stopService(self) -> Deferred[None]:
        """Drain: take nothing new, let live streams go on for a while, cut what is left, and see every record to the disk."""
        super().stopService()  # type: ignore[no-untyped-call]
        for listener in self._listeners:
            listener.stop()
        for leg in list(self._gateway.legs):
            if leg.raw is None:
                leg.wire.shutdown()
                leg.touch()
        self._turn.flush()
        done: Deferred[None] = Deferred()
        self._drained(self._now() + self._prepared.configuration.settings.drain, done)
        return done

    def _drained(self, until: float, done: Deferred[None]) -> None:
        if len(self._live) and self._now() < until:
            self._reactor.callLater(DRAIN_LOOK_SECONDS, self._drained, until, done)
            return
        cut_all(self._live.streams(), draining)
        self._turn.flush()
        self._ticker.stop()
        self._outside.stop()
        self._database.stop()
        self._record("stop")
        self._journal.stop().addCallback(lambda _: done.callback(None))
        if self._admin is not None:
            self._admin.stopListening()

    # --- reload

    def reload(self) -> None:
        """Read everything again; exchange all of it, or nothing.

        Reading goes to a thread: ten thousand rules take seconds, and traffic goes on meanwhile. One that is asked for while another is under
        way follows it, so the last state of the files always counts.
        """
        if self._reloading:
            self._reload_again = True
            return
        self._reloading, self._reload_again = True, False
        pool = self._reactor.getThreadPool()
        reading = deferToThreadPool(self._reactor, pool, quietly, self._read_anew)
        reading.addCallback(self._take_over, self._now())
        reading.addErrback(self._stay)
        reading.addErrback(lambda failure: log.failure("reloading failed", failure))
        reading.addCallback(lambda _: self._reloaded())

    def _reloaded(self) -> None:
        self._reloading = False
        self._turn.flush()
        if self._reload_again:
            self.reload()

    def _read_anew(self) -> Configuration:
        """In a thread: the files as they are now, the policy's text kept beside the audit. Raises KgateError."""
        configuration = load_configuration(self._path, time.time(), running=True)
        self._refuse_what_needs_a_restart(configuration.settings)
        self._keep(configuration)
        return configuration

    def _stay(self, failure: Failure) -> None:
        """The files are not good: everything stays as it is."""
        failure.trap(KgateError)
        error = str(failure.value)
        self._bad_reload = error.splitlines()[0]
        log.error("the configuration was not reloaded, the old one stays in force:\n{error}", error=error)
        self._record("config", allowed=False, reasons=error.splitlines()[:20])

    def _take_over(self, configuration: Configuration, changed_at: float) -> None:
        """The files are good: exchange every part in one turn, and decide again what lives. Raises KgateError before anything is exchanged."""
        prepared = prepare(configuration, self._outside, self._authorizing)
        self._bad_reload = ""
        former = [self._prepared.configuration.policy]
        self._prepared = prepared
        for part in self._parts:
            part.reloaded()
        self._contexts[:] = prepared.contexts
        self._outside.exchange(prepared.configuration.settings, prepared.sight)
        self._gateway.admission = self._admission(prepared)
        self._gateway.shadow = shadow_of(prepared.configuration)
        self._gateway.bound(prepared.configuration.settings.limits, prepared.configuration.settings.deadlines)
        self._watch.watch(watched(self._path, prepared.configuration, prepared.access))
        self._record("config", allowed=True, **revisions(prepared.configuration))
        self._warn(prepared.configuration)
        log.info("reloaded; policy revision {revision}", revision=prepared.configuration.policy.revision)
        self._live.reevaluate(changed_at)
        self._reactor.callInThread(let_go, former)

    def _handshake_seconds(self) -> float:
        return self._gateway.deadlines.handshake

    def _connect_seconds(self) -> float:
        return self._gateway.deadlines.connect

    def _refuse_what_needs_a_restart(self, new: Settings) -> None:
        old = self._prepared.configuration.settings
        for name, was, is_ in (
            ("listen", [listen.address for listen in old.listen], [listen.address for listen in new.listen]),
            ("audit", old.audit, new.audit),
            ("state", old.state, new.state),
            ("secrets", old.secrets, new.secrets),
            ("admin", old.admin, new.admin),
            ("workers", old.workers, new.workers),
        ):
            if was != is_:
                raise KgateError(f"{self._path}: {name} changed, which a reload cannot carry out; restart the gate, or change it back")

    def _admission(self, prepared: _Prepared) -> Admission:
        routes = self._upstreams.exchange(prepared.configuration.settings, prepared.access)
        configuration = prepared.configuration
        sources = [source for part in self._parts for source in part.sources()]
        self._issuer_tokens = self._issuers.source(
            configuration.issuers,
            transmitters(configuration),
            [each.issuer.url for each in configuration.settings.identity.oidc if each.userinfo],
        )
        self._providers.configure(configuration)
        authenticator = configuration.authenticator(
            *sources,
            self._issuer_tokens,
            directory=self._directory.directory,
            notices=self._told.notices,
            devices=self._devices.devices(configuration),
        )
        authorizer = self._authorizing.use(configuration, prepared.authorizers)
        return Admission(routes, authenticator, authorizer, self._outside.world)

    def _application(self) -> Application:
        """The gate's own pages; what they need of the configuration they ask for when they are called."""
        pages = [table for part in self._parts for table in part.routes()]
        devices_changed = devices.routes(lambda digest: self._devices.poke(digest))
        outside = self._outside.routes(self._database)
        return Application(self._turn.flush, whoami.routes(self._callers), devices_changed, self._requests().routes(), outside, *pages)

    def _signing_in_of(self, configuration: Configuration) -> tuple[SigningIn, ...]:
        """What signs people in, where secrets can be kept."""
        if not configuration.sealing_keys:
            return ()
        records = LoginRecords(self._journal.append, self._ids.next, self._place.name, self._wall)
        part = SigningIn(
            lambda: self._prepared.configuration,
            lambda: self._providers.current,
            self._database,
            self._fetches,
            self._callers,
            records,
            self._now,
            self._wall,
            self._sessions_changed,
        )
        return (part,)

    def _decide_again(self, selected: Callable[[Stream], bool] | None = None) -> None:
        """Something changed a moment ago: a turn of its own, for it came from a thread or from elsewhere."""
        self._live.reevaluate(self._now(), selected)
        self._turn.flush()

    def _people_changed(self, users: Collection[str] | None) -> None:
        changed = None if users is None else frozenset(users)
        self._decide_again(lambda stream: changed is None or stream.identity.user in changed)

    def _notice_came(self, notice: Notice | None) -> None:
        self._decide_again(lambda stream: notice is None or concerns(notice, stream.identity))

    def _requests(self) -> AccessRequests:
        return AccessRequests(
            self._callers,
            self._database,
            lambda: self._prepared.configuration.policy,
            lambda: {name: each.as_policy_sees_it(name) for name, each in self._prepared.configuration.settings.clusters.items()},
            self._ids.next,
            self._wall,
            self._record,
            self._grants.settle,
        )

    def _grants_changed(self, users: Collection[str] | None, changed_at: float) -> None:
        self._live.reevaluate(changed_at, lambda stream: users is None or stream.identity.user in users)
        self._turn.flush()

    def _devices_changed(self, names: frozenset[str]) -> None:
        self._decide_again(lambda stream: stream.identity.device is not None and stream.identity.device.name in names)

    def _sessions_changed(self, ids: Collection[str]) -> None:
        changed = frozenset(ids)
        self._decide_again(lambda stream: stream.identity.session in changed)

    # --- the rest

    def _tick(self) -> None:
        self._gateway.tick()
        self._journal.tick()
        self._database.tick()
        for part in self._parts:
            part.tick()
        self._outside.tick()
        self._issuers.tick()
        self._devices.tick()
        self._authorizing.tick()
        self._grants.tick()
        if self._now() - self._looked > LOOK_SECONDS:
            self._looked = self._now()
            self._upstreams.look()
            self._authorizing.look()
        if self._watch.changed():
            self.reload()

    def _take_audit_directory(self) -> None:
        left = self._journal.open()
        self._keep(self._prepared.configuration)
        for id_ in left:
            self._journal.append(event_record("request-end", id_, self._gateway.name, self._wall(), outcome="unknown"))

    def _keep(self, configuration: Configuration) -> None:
        """The policy's text goes beside the audit before it decides anything. Raises KgateError where that cannot be, unless best effort will do."""
        audit = configuration.settings.audit
        try:
            keep_policy(audit.directory, configuration.policy)
            if configuration.shadow is not None:
                keep_policy(audit.directory, configuration.shadow)
        except OSError as error:
            problem = (
                f"{audit.directory}: the policy's text cannot be kept beside the audit: {error.strerror}; make room, or check who may write"
            )
            if audit.mode is AuditMode.STRICT:
                raise KgateError(problem) from error
            log.error("{problem}", problem=problem)

    def _changed(self, what: str, names: Iterable[str]) -> None:
        """The world is another one: on record, and every live stream is decided again."""
        changed_at = self._now()
        known = {fact.name: fact.value for fact in self._outside.world.board.known(self._wall())}
        self._record(what, changes={name: known.get(name, "unknown") for name in names})
        self._live.reevaluate(changed_at)

    def _record_of(self, event: str, fields: Mapping[str, object]) -> None:
        self._record(event, **fields)

    def _record(self, event: str, **fields: object) -> None:
        self._journal.append(event_record(event, self._ids.next(), self._gateway.name, self._wall(), **fields))

    def _measured(self) -> Metrics:
        metrics = Metrics()
        metrics.watch("kgate_live_streams", "Requests and streams that are live", lambda: len(self._live))
        sessions = [part for part in self._parts if isinstance(part, SigningIn)]
        metrics.watch("kgate_sessions", "People's sessions that live", lambda: sum(part.sessions for part in sessions))
        metrics.watch("kgate_client_connections", "Connections of clients", lambda: len(self._gateway.legs))
        metrics.watch("kgate_audit_queue", "Audit records that are not durable yet", lambda: len(self._journal))
        metrics.watch("kgate_upstream_connections", "Connections to clusters", self._upstreams.connections)
        return metrics

    def _warn(self, configuration: Configuration) -> None:
        """Each relaxation is said in the log and put on record (what a reader of the audit must know to judge it)."""
        for warning in configuration.warnings:
            log.warn("{warning}", warning=str(warning))
            self._record("relaxation", reasons=[str(warning)])

    def _problems(self) -> dict[str, str]:
        """What is not as it should be, for /readyz."""
        problems = self._upstreams.problems()
        problems |= self._issuers.problems() | self._devices.problems()
        if self._bad_reload:
            problems["configuration"] = f"not reloaded, the old one stays in force: {self._bad_reload}"
        if self._journal.problem:
            problems["audit"] = self._journal.problem
        if self._wall.problem:
            problems["clock"] = self._wall.problem
        if self._database.problem:
            problems["state"] = self._database.problem
        problems |= self._outside.problems() | self._authorizing.problems()
        for part in self._parts:
            problems.update(part.problems())
        return problems


def shadow_of(configuration: Configuration) -> Shadow | None:
    """The candidate beside the policy in force, where there is one."""
    return Shadow(configuration.shadow) if configuration.shadow is not None else None


def revisions(configuration: Configuration) -> dict[str, str]:
    """Which policies are asked from now on, for the record."""
    policy, shadow = configuration.policy, configuration.shadow
    found = {"policy_revision": policy.revision, "policy_sha256": fingerprint(policy.source)}
    return found | ({"shadow_revision": shadow.revision, "shadow_sha256": fingerprint(shadow.source)} if shadow is not None else {})


def settle_memory() -> None:
    """What is there now stays: the collector need not look at it again with each request's garbage, of which hardly any is in cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 100)
