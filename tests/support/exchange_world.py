"""An exchange between two real wire protocols in memory: no sockets, no reactor, time that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from kgate.audit.recording.cast import Event as CastEvent
from kgate.audit.recording.cast import read_events
from kgate.authorizers.builtin import PolicyAuthorizer
from kgate.exchange.admission import Admission, Admitted, Refused, Verdict
from kgate.exchange.exchange import Exchange
from kgate.exchange.legs import ClientLeg, UpstreamLeg
from kgate.exchange.patience import Patience
from kgate.exchange.quota import Quota
from kgate.exchange.refusal import refuse
from kgate.exchange.routes import Route, Routes
from kgate.exchange.tape import Opened, Tape, Terms, Written, wanted
from kgate.exchange.waiting import Waiting
from kgate.identity.credentials import Credentials, Rejected
from kgate.model import Cluster, Identity, Pending, Recording
from kgate.net.cluster import UPSTREAM_LIMITS
from kgate.policy.load import load_policy
from kgate.sessions.registry import Registry
from kgate.wire import http1, http2
from kgate.wire.dates import Dates
from kgate.wire.events import Event, RequestHead, RequestReceived

POLICY = """
rules:
  - name: all
    who: {users: [alice]}
    clusters: {names: ["*"]}
    allow:
      - {verbs: ["*"], resources: ["*"]}
      - {actions: [exec]}
"""
NOTHING = """
rules:
  - {name: none, who: {users: [nobody]}, clusters: {names: ["*"]}, allow: [{verbs: [get], resources: [pods]}]}
"""


class Pipe:
    """A transport that keeps what is written. ``full`` makes it congested."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.unsent = self.congested = self.paused = self.closed = self.parted = self.aborted = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def close(self, patient: bool = False) -> None:
        self.closed = True

    def pass_through(self) -> None:
        pass

    def part(self) -> None:
        self.parted = True

    def abort(self) -> None:
        self.aborted = True

    def take(self) -> bytes:
        """What was written since the last time."""
        sent, self.sent = bytes(self.sent), bytearray()
        return sent


class Turn:
    """Flushes by hand."""

    def __init__(self) -> None:
        self.marked: list[Any] = []

    def mark(self, connection: Any) -> None:
        self.marked.append(connection)

    def flush(self) -> None:
        while self.marked:
            marked, self.marked = self.marked, []
            for connection in marked:
                connection.flush()


class Nobody:
    """Authenticates anybody who has a bearer token of their own name."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.unsure: set[str] = set()

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | Pending:
        name = credentials.bearer or ""
        if name in self.unsure:
            return Pending(f"who is {name}?")
        return Rejected("the token is not known") if not name or name in self.gone else Identity(name)


def nothing(_: object) -> None:
    """Nobody waits any more."""


class KeptReel:
    """A recording in memory, opened and failed by the test."""

    def __init__(self, header: bytes, opened: Opened, failed: Callable[[str], None]) -> None:
        self.data, self.opened, self.failed = header, opened, failed
        self.closed = self.dropped = self.is_behind = False
        self.caught_up: Callable[[], None] = lambda: None

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self, then: Callable[[Written], None]) -> None:
        self.closed, self.opened, self.failed = True, nothing, nothing
        then(Written(len(self.data), "hash"))

    def drop(self) -> None:
        self.dropped, self.opened, self.failed = True, nothing, nothing

    @property
    def events(self) -> list[CastEvent]:
        """What was recorded."""
        return list(read_events(self.data.splitlines(keepends=True)[1:], "it"))


class World:
    """One gate, one client connection, one cluster. ``multiplexed``: all of them speak HTTP/2."""

    def __init__(self, *, multiplexed: bool = False) -> None:
        self.multiplexed = multiplexed
        self.recorder = self
        self.clock = 100.0
        self.turn = Turn()
        self.people = Nobody()
        self.pipe, self.cluster_pipe = Pipe(), Pipe()
        self.live = Registry(self.now, self.now, lambda seconds, work: work(), self.fetch)
        self.records: list[tuple[str, Exchange]] = []
        self.waiting: list[Callable[[bool], None]] = []
        self.dialling: list[Callable[[Any], None]] = []
        self.refusals: list[Refused] = []
        self.fetching: list[tuple[Hashable, Callable[[], None]]] = []
        self.undecided: list[Waiting] = []
        self.spared: list[UpstreamLeg] = []
        self.pooled: UpstreamLeg | None = None
        self.unshared = 0
        self.patience = Patience()
        self.authority, self.base_path, self.bearer = b"cluster:6443", b"", b"gate"
        self.labels: tuple[tuple[str, str], ...] = ()
        self.changes: list[Verdict] = []
        self.terms = Terms(1 << 20)
        self.losses: list[str] = []
        self.written: list[Written | None] = []
        self.quota = Quota(0)
        self.use(POLICY)
        date = Dates(self.now)
        self.client = ClientLeg(
            http2.ServerConnection(http2.Http2Limits(), self.now, date) if multiplexed else http1.ServerConnection(date=date),  # type: ignore[arg-type]
            self.pipe,
            self.turn,
            self.now,
            self.answer,
            lambda leg: None,
            multiplexed=multiplexed,
            address="192.0.2.1",
            certificate=None,
        )

    # the gate

    def now(self) -> float:
        return self.clock

    def use(self, policy: str) -> None:
        route = Route(Cluster("lab", self.labels), self)  # type: ignore[arg-type]
        self.admission = Admission(Routes({b"lab": route}, {}), self.people, PolicyAuthorizer(load_policy(policy, "policy.yaml")))

    def answer(self, leg: ClientLeg, request: RequestReceived) -> None:
        def admit() -> Admitted | Refused | Pending:
            return self.admission.admit(request, leg.address, None, self.clock, quota=self.quota, at=self.clock)

        admitted = admit()
        if isinstance(admitted, Pending):
            waiting = Waiting(
                leg, request, self.clock, admit, self.fetch, lambda answer: self.decided(leg, request, answer), self.undecided.remove
            )
            self.undecided.append(waiting)
            waiting.wait(admitted)
        else:
            self.decided(leg, request, admitted)

    def fetch(self, wanted: Hashable, then: Callable[[], None]) -> None:
        self.fetching.append((wanted, then))

    def decided(self, leg: ClientLeg, request: RequestReceived, admitted: Admitted | Refused) -> None:
        if isinstance(admitted, Admitted):
            self.exchange = Exchange(self, leg, request, admitted, "ID")  # type: ignore[arg-type]
            self.exchange.begin()
        else:
            self.refusals.append(admitted)
            refuse(leg, request, admitted.status, admitted.message)

    def tape(self, exchange: Exchange) -> Tape | None:
        record = wanted(exchange.action, exchange.decision)
        if record is Recording.NONE:
            return None
        return Tape("ID", "day/ID.cast", record, b"{}\n", self.terms, self.open_reel, self.now, exchange.cut, self.losses.append)

    def open_reel(self, name: str, header: bytes, opened: Opened, failed: Callable[[str], None]) -> KeptReel:
        self.reel = KeptReel(header, opened, failed)
        return self.reel

    def decide_again(self, exchange: Exchange) -> Any:
        return self.admission.decide_again(exchange.admitted.asked, exchange.identity, self.clock)

    def decision(self, exchange: Exchange, then: Callable[[bool], None]) -> None:
        self.records.append(("decision", exchange))
        self.waiting.append(then)

    def change(self, exchange: Exchange, verdict: Verdict) -> None:
        self.records.append(("change", exchange))
        self.changes.append(verdict)

    def decide_port(self, exchange: Exchange, port: int) -> Any:
        asked = exchange.admitted.asked
        return self.admission.decide_again(asked.of(asked.action.but(ports=(port,))), exchange.identity, self.clock)

    def port(self, exchange: Exchange, port: int, verdict: Verdict) -> None:
        self.records.append((f"port {port}", exchange))

    def end(self, exchange: Exchange) -> None:
        self.records.append(("end", exchange))
        if exchange.tape is not None:
            exchange.tape.end(exchange.closed_by, self.written.append)

    # the cluster

    def acquire(self, then: Callable[[Any], None]) -> None:
        if self.pooled is not None:
            then(self.pooled)
        else:
            self.dialling.append(then)

    acquire_own = acquire

    def acquire_unshared(self, then: Callable[[Any], None]) -> None:
        self.unshared += 1
        self.acquire(then)

    def spare(self, leg: UpstreamLeg) -> None:
        self.spared.append(leg)

    def refused(self) -> None:
        self.bearer = b"renewed"

    # what a test says

    def asks(self, data: bytes) -> None:
        """The client sends."""
        self.client.received(data)
        self.turn.flush()

    def fetched(self) -> None:
        """What was wanted has come."""
        self.fetching.pop(0)[1]()
        self.turn.flush()

    def durable(self, yes: bool = True) -> None:
        """The audit record reached the disk, or did not."""
        self.waiting.pop(0)(yes)
        self.turn.flush()

    def dials(self, result: Any = None) -> None:
        """A connection to the cluster is there, or the reason why not."""
        self.upstream = self.connection()
        self.dialling.pop(0)(result or self.upstream)
        self.turn.flush()

    def connection(self) -> UpstreamLeg:
        """A new one to the cluster."""
        return UpstreamLeg(
            http2.ClientConnection(UPSTREAM_LIMITS, self.now) if self.multiplexed else http1.ClientConnection(),  # type: ignore[arg-type]
            self.cluster_pipe,
            self.turn,
            self.now,
            lambda leg: None,
            lambda leg: None,
            multiplexed=self.multiplexed,
        )

    def answers(self, data: bytes) -> None:
        """The cluster sends."""
        self.upstream.received(data)
        self.turn.flush()

    def passes(self, seconds: float) -> None:
        """Time."""
        self.clock += seconds
        self.exchange.look(self.clock)
        self.turn.flush()


class Both:
    """A world of HTTP/2 with real engines at its ends: ``person`` asks and ``api`` answers, and each keeps what it heard. The first connection serves all."""

    def __init__(self, limits: http2.Http2Limits | None = None) -> None:
        self.world = World(multiplexed=True)
        self.person = http2.ClientConnection(limits or http2.Http2Limits(), self.world.now)
        self.api = http2.ServerConnection(http2.Http2Limits(), self.world.now)
        self.told: list[Event] = []
        self.asked: list[Event] = []
        self.world.turn.flush()
        self.carry()

    def carry(self) -> None:
        """Bring what everybody has to say to whom it is for, until nobody has anything."""
        world = self.world
        while True:
            up, down = self.person.data_to_send(), world.pipe.take()
            out, back = world.cluster_pipe.take(), self.api.data_to_send() if hasattr(world, "upstream") else b""
            if not (up or down or out or back):
                return
            if up:
                world.asks(up)
            self.told += self.person.receive(down)
            self.asked += self.api.receive(out)
            if back:
                world.answers(back)

    def asks(self, method: bytes = b"GET", *, body: bool = False, query: bytes = b"") -> int:
        """A request of the person's that reaches the cluster; its stream at the person's end."""
        head = RequestHead(method, b"/clusters/lab/api/v1/namespaces/a/pods" + query, b"gate", [(b"authorization", b"Bearer alice")])
        stream = self.person.open(head, not body)
        self.carry()
        self.world.durable()
        if self.world.dialling:
            self.world.dials()
            self.world.pooled = self.world.upstream
        self.carry()
        return stream
