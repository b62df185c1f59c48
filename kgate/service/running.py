"""The composition root: the parts of the gate in their order, and how they start, take over another configuration, drain and stop."""

from __future__ import annotations

import gc
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger

from kgate.api import whoami
from kgate.api.admin import Readiness, admin_site
from kgate.api.application import Application
from kgate.api.caller import FetchingCallers
from kgate.exchange.admission import Admission
from kgate.identity.authenticator import LeaversWanted
from kgate.metrics import Metrics
from kgate.model import Stream
from kgate.net.clock import Ticker, WallClock, steady
from kgate.net.database import Database
from kgate.net.descriptors import raise_most
from kgate.net.disk import Disk
from kgate.net.fetches import Fetches
from kgate.net.following import Following
from kgate.net.lifeline import Lifeline
from kgate.net.sockets import LINGER_SECONDS, PARTING_SECONDS
from kgate.net.telling import tell
from kgate.net.turn import Turn
from kgate.net.watching import FilesRead
from kgate.service.authorizing import Authorizing
from kgate.service.devices import DeviceInventories
from kgate.service.directory import CompanyDirectory
from kgate.service.gateway import Gateway
from kgate.service.granting import Granting
from kgate.service.judging import Judging
from kgate.service.listeners import Listeners
from kgate.service.locking import Locking
from kgate.service.notices import IssuerNotices
from kgate.service.options import Options
from kgate.service.outside import Outside
from kgate.service.part import Part, Prepare, Shared
from kgate.service.recorder import Recorder
from kgate.service.records import Records, close_others
from kgate.service.reloading import Reloads
from kgate.service.robots import RobotUses
from kgate.service.roll_call import Live
from kgate.service.signals import heed_once
from kgate.service.signing_in import SigningIn
from kgate.service.starting import or_not_at_all
from kgate.service.taping import Taping
from kgate.service.token_issuers import TokenIssuers
from kgate.service.upstreams import Upstreams
from kgate.sessions.causes import draining
from kgate.sessions.registry import Registry
from kgate.settings import Configuration
from kgate.store.engine import open_engine
from kgate.store.migrate import migrate

log = Logger()

DRAIN_LOOK_SECONDS = 0.1
TOLD_SECONDS = PARTING_SECONDS + LINGER_SECONDS
"""How long who was cut may take to read why: as long as a connection is kept for that."""
COLLECT_EVERY = 20_000
"""New objects in containers between two looks for garbage in cycles (Python's own measure, 700, is for programs that live for a second)."""
LOOK_SECONDS = 5.0
"""How often the parts look for what died without a word."""


class GateService(Service):
    """The gate as Twisted runs it."""

    def __init__(self, options: Options, reactor: Any) -> None:
        self._reactor, self._place, self._configuration, self._twistd = reactor, options.place, options.configuration, options.twistd
        settings = self._configuration.settings
        turn = self._turn = Turn()
        now = self._now = steady
        wall = self._wall = WallClock(time.time, now)
        self._listeners = Listeners(
            reactor, turn, self._place, lambda: self._configuration, lambda transport, address: self._gateway.serve(transport, address)
        )
        self._admin_socket: socket.socket | None = None
        self._admin: Any = None
        self._exchanging = False
        """Whether a part of the gate may go by another configuration than the next."""
        fetches = Fetches(turn)
        self._engine = open_engine(settings.state)
        self._database = Database(reactor, self._engine, now, turn.wrap)
        self._live = Registry(now, wall, lambda seconds, work: reactor.callLater(seconds, turn.wrap(work)), fetches)
        self._records = Records(reactor, self._place.name, settings.audit, self._place.chains(settings), turn.flush, now, wall)
        callers = FetchingCallers(
            lambda who, at: self._gateway.admission.authenticator.authenticate(who, at),
            fetches,
            wall,
            lambda who: self._locking.shut_out(who),
        )
        self._disk = Disk(reactor, turn, now)
        shared = Shared(
            reactor,
            turn,
            now,
            wall,
            fetches,
            self._database,
            self._records,
            callers,
            self._disk,
            lambda: self._configuration,
            self._decide_again,
        )
        self._metrics = Metrics()
        self._parts = self._parts_of(shared, options)
        fetches.register(LeaversWanted, self._read_leavers)
        pages = [table for part in self._parts for table in part.routes()]
        application = Application(turn.flush, whoami.routes(callers), *pages)
        self._gateway = self._gateway_of(shared, application)
        self._watch_metrics()
        self._ticker = Ticker(reactor, turn.wrap(self._tick))
        self._looked = 0.0

    def _parts_of(self, shared: Shared, options: Options) -> tuple[Part, ...]:
        """Every part, in the order in which their sources of identities are asked. One with a name of its own here is needed by another."""
        self._reloads = Reloads(shared, options.path, options.files, self._read_on, self._withhold)
        self._outside = Outside(shared)
        self._upstreams = Upstreams(shared)
        self._authorizing = Authorizing(shared, self._upstreams.current, self._metrics.answered)
        self._directory = CompanyDirectory(shared)
        self._locking = Locking(shared, self._outside.world)
        self._issuers = TokenIssuers(shared)
        self._notices = IssuerNotices(shared, self._issuers.signers)
        self._devices = DeviceInventories(shared)
        self._taping = Taping(
            shared,
            options.configuration.settings.audit,
            lambda exchange, problem: self._gateway.recorder.unrecorded(exchange, problem),
            tidies=self._place.worker < 2,
        )
        self._robots = RobotUses(shared.database, shared.now, shared.wall)
        can_keep_secrets = bool(options.configuration.sealing_keys)
        self._signing_in = SigningIn(shared, self._issuers.tokens) if can_keep_secrets else None
        return (
            self._listeners,
            self._upstreams,
            self._outside,
            self._authorizing,
            self._directory,
            self._notices,
            self._locking,
            self._devices,
            self._robots,
            self._taping,
            Live(shared, self._live, self._outside.world),
            Judging(shared, self._upstreams.current),
            *((self._signing_in,) if self._signing_in is not None else ()),
            self._issuers,
            Granting(shared, self._outside.world, self._locking.shut_out),
            self._reloads,
        )

    @property
    def _of_leavers(self) -> tuple[Following, ...]:
        """What of the store says who is out."""
        return self._directory.following, self._notices.following, self._locking.book.following

    def _leavers_known(self) -> bool:
        """Whether everybody who is out can be told from those who are not."""
        return all(each.known for each in self._of_leavers)

    async def _read_leavers(self, _: LeaversWanted) -> None:
        for each in self._of_leavers:
            await each.catch_up()

    def _gateway_of(self, shared: Shared, application: Application) -> Gateway:
        configuration, records = self._configuration, shared.records
        admission = self._exchanged(configuration, self._read(configuration, FilesRead()))
        recorder = Recorder(records.gate, shared.now, shared.wall, records.ids, records.journal, self._metrics)
        gateway = Gateway(shared.turn, shared.now, shared.wall, recorder, self._live, admission, shared.fetches, application)
        gateway.store, gateway.seen, gateway.tapes = shared.database, self._robots.saw, self._taping.tape
        gateway.use(admission, configuration)
        return gateway

    def _orphaned(self) -> None:
        """The supervisor is gone: nobody would start this worker again, or stop it. While it ends already, that is how its end looks."""
        admin, self._admin = self._admin, None
        maybeDeferred(admin.stopListening if admin is not None else lambda: None).addCallback(lambda _: self._place.leave())
        if not self.running:
            return
        log.error("the supervisor is gone; this worker drains and ends")
        self._reactor.stop()

    # --- the configuration in force

    def _read(self, configuration: Configuration, files: FilesRead) -> list[Prepare]:
        """Every part reads what the configuration does not hold. Raises KgateError."""
        return [part.read(configuration, files) for part in self._parts]

    def _read_on(self, configuration: Configuration, files: FilesRead) -> Callable[[], None]:
        """The same, not on the reactor's thread; what is given back puts all of it in force."""
        return partial(self._put_in_force, configuration, self._read(configuration, files))

    def _exchanged(self, configuration: Configuration, read: list[Prepare]) -> Admission:
        """Every part takes the configuration over; who is admitted by it. Raises KgateError before anything is exchanged."""
        take_over = [prepare() for prepare in read]
        self._configuration = configuration
        for each in take_over:
            each()
        authenticator = configuration.identity.authenticator(
            *(source for part in self._parts for source in part.sources()),
            directory=self._directory.directory,
            notices=self._notices.notices,
            devices=self._devices.devices,
            leavers_known=self._leavers_known,
        )
        return Admission(
            self._upstreams.routing, authenticator, self._authorizing.authorizer, self._outside.world, self._locking.book.locks
        )

    def _put_in_force(self, configuration: Configuration, read: list[Prepare]) -> None:
        """All of it, in one turn. Raises KgateError before anything is exchanged. Whoever asked for this decides what lives again, by all of it: what a part
        finds out while it is exchanged, facts of a new source for example, is not to meet what the former configuration says."""
        self._exchanging = True
        try:
            self._gateway.use(self._exchanged(configuration, read), configuration)
            raise_most(configuration.settings.limits.connections)
        finally:
            self._exchanging = False

    def _withhold(self, problem: str) -> None:
        """The text of the policy in force is not kept, for this reason; none: it is."""
        self._gateway.unkept = problem

    def _decide_again(self, selected: Callable[[Stream], bool] | None = None, since: float | None = None) -> None:
        """See ``DecideAgain``."""
        if self._exchanging:
            return
        self._live.reevaluate(self._now() if since is None else since, selected)
        self._turn.flush()

    # --- start and stop

    def privilegedStartService(self) -> None:
        """Take the ports, while the process may have any."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        with or_not_at_all(self._twistd):
            self._listeners.bind()
            self._admin_socket = self._place.bind_admin(self._configuration.settings)

    def startService(self) -> None:
        """Take the store and the audit directory, and begin to serve."""
        raise_most(self._configuration.settings.limits.connections)
        with or_not_at_all(self._twistd):
            migrate(self._engine)
            self._records.open(self._configuration)
            if not self._place.worker:
                close_others(self._configuration.settings, self._wall)
        if self._place.worker:
            Lifeline(self._reactor, sys.stdin.fileno(), self._orphaned).start()
        super().startService()  # type: ignore[no-untyped-call]
        site = admin_site(self._readiness, self._metrics.render)
        self._admin = self._place.serve_admin(self._reactor, self._admin_socket, site)
        self._records.in_force("start", self._configuration, {})
        self._database.start()
        for part in self._parts:
            part.start()
        self._ticker.start()
        settle_memory()
        self._reactor.callWhenRunning(heed_once, self._reactor)
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._reactor.callFromThread(self._turn.wrap(self._reloads.reload)))

    def stopService(self) -> Deferred[None]:
        """Drain: take nothing new, let live streams go on for a while, cut what is left, and see every record to the disk."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._listeners.close()
        self._gateway.take_no_more()
        self._records.journal.drain()
        self._turn.flush()
        done: Deferred[None] = Deferred()
        self._drained(self._now() + self._configuration.settings.drain, done)
        return done

    def _drained(self, until: float, done: Deferred[None]) -> None:
        if (len(self._live) or self._gateway.busy) and self._now() < until:
            self._reactor.callLater(DRAIN_LOOK_SECONDS, self._drained, until, done)
            return
        self._live.cut_all(draining)
        self._turn.flush()
        self._told(self._now() + TOLD_SECONDS, done)

    def _told(self, until: float, done: Deferred[None]) -> None:
        """What was cut has been told why; with the process would go what of that is still here."""
        if self._gateway.busy and self._now() < until:
            self._reactor.callLater(DRAIN_LOOK_SECONDS, self._told, until, done)
            return
        self._ticker.stop()
        for part in self._parts:
            part.stop()
        self._database.stop()
        self._taping.finish().addCallback(lambda _: self._records.close()).addCallback(lambda _: done.callback(None))
        if self._admin is not None:
            self._admin.stopListening()

    # --- while it runs

    def _tick(self) -> None:
        tell(self._gateway.tick)
        tell(self._records.tick, lambda: [stream.id for stream in self._live.streams() if stream.action.follows])
        tell(self._database.tick)
        tell(self._disk.tick)
        look = self._now() - self._looked > LOOK_SECONDS
        if look:
            self._looked = self._now()
        for part in self._parts:
            tell(part.tick)
            if look:
                tell(part.look)

    def _readiness(self) -> Readiness:
        """For /readyz."""
        stops = {
            "audit": self._records.journal.problem,
            "policy": self._gateway.unkept,
            "state": self._database.problem,
            "clusters": self._upstreams.unreachable,
        }
        if not self.running:
            stops["gate"] = "it drains: what is under way goes on, new requests belong elsewhere"
        warns = {"clock": self._wall.problem, "state": self._database.refusal, **self._disk.problems()}
        for part in self._parts:
            warns.update(part.problems())
        return Readiness(*({name: text for name, text in told.items() if text} for told in (stops, warns)))

    def _watch_metrics(self) -> None:
        watch, count, signing_in = self._metrics.watch, self._metrics.count, self._signing_in
        watch("kgate_live_streams", "Requests and streams that are live", lambda: len(self._live))
        watch("kgate_sessions", "People's sessions that live", lambda: signing_in.sessions if signing_in is not None else 0)
        watch("kgate_locks", "Locks on people, programs, devices and clusters", lambda: self._locking.book.locks.count)
        watch("kgate_client_connections", "Connections of clients", lambda: len(self._gateway.legs))
        count("kgate_recordings", "Recordings that were begun", lambda: self._taping.made)
        count("kgate_recorded_bytes", "What was written of all recordings", lambda: self._taping.bytes)
        watch("kgate_recordings_open", "Recordings that are being made", lambda: self._taping.open)
        watch("kgate_audit_queue", "Audit records that are not durable yet", lambda: len(self._records.journal))
        watch("kgate_upstream_connections", "Connections to clusters", self._upstreams.connections)
        watch(
            "kgate_reload_refused",
            "1 while the files have mistakes and what was read before them is in force",
            lambda: self._reloads.refused,
        )


def settle_memory() -> None:
    """What is there now stays: the collector need not look at it again with each request's garbage, of which hardly any is in cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 100)
