"""One request from its head to its end.

    RECORDING ──durable──▶ CONNECTING ──leg──▶ ASKING ──head──▶ ANSWERING ──both ends──▶ DONE
        │ not within 2 s        │ none             │ 101 ──▶ TUNNEL ──────────────────────▶ DONE
        ▼ 503                   ▼ 503              ▼ 502

Where a rule says ``record`` the recording of what may become a stream is open, too, before anything goes to the cluster.

It is decided and registered as live before its first wait, so a change that comes while it waits re-decides it like any other stream, and
``cut`` works in every phase: before the answer's head it is a ``Status`` 403, later whatever makes kubectl show the sentence
(security.md class 13: there is no instant at which a decision is used but not watched).

Body bytes are never buffered beyond the peer's window: what arrives is credited to its sender when the far side's connection took it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from kgate.exchange.admission import Admitted
from kgate.exchange.agreement import agree
from kgate.exchange.gate import Gate
from kgate.exchange.legs import ClientLeg, UpstreamLeg
from kgate.exchange.live import LiveRequest
from kgate.exchange.patience import BODY, INTAKE, READER, REST, Wait, gives_all_at_once, unhurried
from kgate.exchange.ports import Loss
from kgate.exchange.refusal import answer_status
from kgate.exchange.relay import Relay
from kgate.exchange.upstream import NoConnection
from kgate.kube.headers import response_headers
from kgate.kube.redirects import proxied_headers
from kgate.kube.refusal import Refusal
from kgate.kube.watch import WatchFollower
from kgate.model import Cause, Ending, Operation
from kgate.wire.events import Headers, RequestReceived

CANCEL: Final = 8
"""RFC 9113 section 7: the stream is no longer needed."""
INTERNAL_ERROR: Final = 2
"""What an API server's own aborted answers end with, and every client reports. Node.js takes CANCEL for an answer's end."""
MOST_ASKED: Final = 6
"""How often a request is sent upstream whose cluster says each time that it did not take it: as often as Go's client."""
_ASK_OPERATOR = "ask whoever runs this gate"


class Phase(Enum):
    """Where an exchange is; see the module."""

    RECORDING = "recording"
    CONNECTING = "connecting"
    ASKING = "asking"
    ANSWERING = "answering"
    TUNNEL = "tunnel"
    DONE = "done"


# The names of enumerations cost a search in their class, 0.1 µs; each request asks a dozen times.
_RECORDING: Final = Phase.RECORDING
_CONNECTING: Final = Phase.CONNECTING
_ASKING: Final = Phase.ASKING
_ANSWERING: Final = Phase.ANSWERING
_TUNNEL: Final = Phase.TUNNEL
_DONE: Final = Phase.DONE
_PROXY: Final = Operation.PROXY
_NOT_THEIRS: Final = frozenset({Ending.DRAIN, Ending.RECORDING})
"""What ends for these reasons may be asked for again."""
_BEFORE_ANSWER: Final = frozenset({_RECORDING, _CONNECTING, _ASKING})


class Exchange(LiveRequest):
    """See the module. Made by ``answer`` for an admitted request; implements what a leg calls (Responder, Requester) and a live Stream."""

    __slots__ = (
        "_asked_for_upgrade",
        "_client",
        "_client_ended",
        "_follower",
        "_head",
        "_held",
        "_owed_client",
        "_owed_upstream",
        "_phase",
        "_stream",
        "_times_asked",
        "_upstream",
        "_upstream_ended",
        "_upstream_stream",
        "deadline",
    )

    def __init__(self, gate: Gate, client: ClientLeg, request: RequestReceived, admitted: Admitted, id_: str) -> None:
        super().__init__(gate, admitted, id_)
        self._client, self._stream, self._head = client, request.stream, request.head
        self._client_ended = request.ended
        self._asked_for_upgrade = request.upgrade
        self.deadline: float | None = None
        self._phase = _RECORDING
        self._held: list[tuple[bytes, int]] | None = None
        self._upstream: UpstreamLeg | None = None
        self._upstream_stream = 0
        self._upstream_ended = False
        self._owed_client = self._owed_upstream = 0
        self._times_asked = 0
        self._follower: WatchFollower | None = None
        """As what is held, made for the few that need it."""

    def cut(self, cause: Cause) -> None:
        """End this now, saying why in whatever protocol the client speaks at this point."""
        phase = self._phase
        if phase is _DONE:
            return
        self.closed_by = cause
        try:
            if phase is _TUNNEL and self._relay is not None:
                self._relay.cut(cause)
            elif phase is _ANSWERING:
                self._say_farewell(cause)
            else:
                self._drop_upstream()
                self._answer_status(503 if cause.ending in _NOT_THEIRS else 403, cause.text)
        finally:  # a bug in what is said must not be a way to stay
            if cause.changed_at is not None:
                self.revocation = self._gate.now() - cause.changed_at
            self._finish()
            self._client.touch()

    # --- start

    def begin(self) -> None:
        """Register, put on record, and go upstream once the record is durable."""
        gate = self._gate
        self._client.responders[self._stream] = self
        gate.live.add(self)
        self.deadline = self.started + gate.patience.answer
        if self._asked_for_upgrade:
            self.tape = gate.tape(self)
        gate.recorder.decision(self, self._recorded)

    def _recorded(self, durable: bool) -> None:
        if self._phase is not _RECORDING:
            return
        if not durable:
            self._fail(503, "kgate: the audit record could not be made durable in time, so nothing was sent to the cluster")
            return
        if self.tape is not None:
            self.tape.open(self._taped)
            return
        self._acquire()

    def _taped(self, problem: str) -> None:
        """Its recording is open, or cannot be."""
        if self._phase is not _RECORDING:
            return
        if problem:
            self._fail(503, f"kgate: it is to be recorded and cannot be, so nothing was sent to the cluster: {problem}; {_ASK_OPERATOR}")
            return
        self._acquire()

    def _acquire(self) -> None:
        self._phase = _CONNECTING
        upstream = self.admitted.route.upstream
        if self._asked_for_upgrade:
            upstream.acquire_own(self._connected)
        elif self.action.operation is _PROXY:
            upstream.acquire_unshared(self._connected)
        else:
            upstream.acquire(self._connected)

    def _connected(self, leg: UpstreamLeg | NoConnection) -> None:
        if not isinstance(leg, UpstreamLeg):
            if self._phase is _CONNECTING:
                self._unreachable(leg.text)
            return
        if self._phase is not _CONNECTING:
            self.admitted.route.upstream.spare(leg)
            return
        self._phase = _ASKING
        self._times_asked += 1
        self._upstream = leg
        held, self._held = self._held, None
        ended = self._client_ended and held is None
        upgrade = self._asked_for_upgrade
        self._upstream_stream = leg.request(self, self.admitted.upstream_head(self._head, self.id, upgrade=bool(upgrade)), ended, upgrade)
        if held is not None:
            for data, credit in held:
                self._forward(data, credit)
        elif not ended:
            self._client.invite(self._stream, self._head.headers)
        if self._client_ended and not ended:
            leg.wire.send_data(self._upstream_stream, b"", True)

    # --- the client's half

    def client_data(self, data: bytes, credit: int) -> None:
        """Request body bytes: forward them, or hold them (at most a window's worth) until there is somewhere to."""
        self._touched = self._gate.now()
        if self._upstream is not None:
            self._forward(data, credit)
        elif self._phase is _DONE:
            self._client.wire.consumed(self._stream, credit)
        elif self._held is None:
            self._held = [(data, credit)]
        else:
            self._held.append((data, credit))

    def client_trailers(self, headers: Headers) -> None:
        """Trailers of a request mean nothing to an API server: they are dropped, so that they cannot mean anything else (class 02)."""

    def client_ended(self) -> None:
        """The request is complete: from here on the cluster has its time to answer, however long the body took."""
        self._client_ended = True
        if self.deadline is not None:
            self.deadline = self._gate.now() + self._gate.patience.answer
        if self._upstream is not None:
            self._upstream.wire.send_data(self._upstream_stream, b"", True)
            self._upstream.touch()
            if self._upstream_ended:
                self._finish()

    def client_writable(self) -> None:
        """Queued response bytes went out: let the cluster send as many more."""
        owed, self._owed_upstream = self._owed_upstream, 0
        if owed and self._upstream is not None:
            self._touched = self._gate.now()
            self._upstream.wire.consumed(self._upstream_stream, owed)
            self._upstream.touch()
        elif self._upstream_ended:
            self._finish()

    def client_lost(self, loss: Loss) -> None:
        """The client went away: so does its request."""
        self._drop_upstream()
        self._finish()

    def _forward(self, data: bytes, credit: int) -> None:
        upstream = self._upstream
        if upstream is None:
            return
        self.bytes_in += len(data)
        waiting = upstream.wire.send_data(self._upstream_stream, data)
        upstream.touch()
        if waiting or upstream.blocked:
            self._owed_client += credit
        else:
            self._client.wire.consumed(self._stream, credit)
            self._client.touch()
        self._look_at_bytes()

    def _look_at_bytes(self) -> None:
        """Something passed: a limit of bytes holds at once."""
        if self.decision.limits.bytes is not None:
            self._gate.live.limit(self)

    # --- the cluster's half

    def upstream_information(self, status: int, headers: Headers) -> None:
        """100 means that the body is wanted, of which whoever waits for that was told; others are passed on bare."""
        if status != 100:
            self._client.wire.send_information(self._stream, status, [])
            self._client.touch()

    def upstream_response(self, status: int, headers: Headers, ended: bool) -> None:
        """The answer's head."""
        if self._phase is not _ASKING:
            return
        if status == 401 and self.action.operation is not _PROXY:  # a proxied server's own is its answer to the person
            self.admitted.route.upstream.refused()
            self._fail(502, f"kgate: cluster {self.action.cluster.name} does not accept the gate's own credential; {_ASK_OPERATOR}")
            return
        passed = response_headers(status, headers)
        if isinstance(passed, Refusal) and self.action.operation is _PROXY:
            passed = proxied_headers(status, headers, self.action)
        if isinstance(passed, Refusal):
            self._fail(passed.status, f"kgate: {passed.message}")
            return
        if not self._client.wire.takes(passed):
            self._fail(502, "kgate: the cluster's answer has a longer head than this client says it takes; ask by a client that takes more")
            return
        self._phase, self.status, self.deadline = _ANSWERING, status, None
        self._touched = self._gate.now()
        if self.action.follows and not ended and self._head.method != b"HEAD":
            self._follower = WatchFollower.of(self.action, passed)
        self._client.wire.send_response(self._stream, status, passed, ended)
        self._client.touch()
        if ended:
            self._answered()

    def upstream_data(self, data: bytes, credit: int) -> None:
        """Response body bytes."""
        client, upstream = self._client, self._upstream
        if self._phase is not _ANSWERING or upstream is None:
            return
        self.bytes_out += len(data)
        self._touched = self._gate.now()
        if self._follower is not None:
            self._follower.feed(data)
        waiting = client.wire.send_data(self._stream, data)
        client.touch()
        if waiting or client.blocked:
            self._owed_upstream += credit
        else:
            upstream.wire.consumed(self._upstream_stream, credit)
            upstream.touch()
        self._look_at_bytes()

    def upstream_trailers(self, headers: Headers) -> None:
        """The trailer section, which ends the answer."""
        if self._phase is _ANSWERING:
            passed = response_headers(self.status, headers)
            trailers = [] if isinstance(passed, Refusal) or not self._client.wire.takes(passed) else passed
            self._client.wire.send_trailers(self._stream, trailers)
            self._client.touch()
            self._answered()

    def upstream_ended(self) -> None:
        """The answer is complete."""
        if self._phase is _ANSWERING:
            self._client.wire.send_data(self._stream, b"", True)
            self._client.touch()
            self._answered()

    def upstream_writable(self) -> None:
        """Queued request bytes went out: let the client send as many more."""
        owed, self._owed_client = self._owed_client, 0
        if owed:
            self._touched = self._gate.now()
            self._client.wire.consumed(self._stream, owed)
            self._client.touch()

    def upstream_lost(self, loss: Loss) -> None:
        """The cluster's connection or stream is gone before the answer's end."""
        upstream, self._upstream = self._upstream, None
        stream = self._upstream_stream  # of this connection: asked again, it has one of the next
        if self._phase is _ASKING:
            if loss.unprocessed and self._can_ask_again():
                self._acquire()
            else:
                self._unreachable(loss.text)
        elif self._phase is _ANSWERING:
            self._break_off()
        if upstream is not None:
            upstream.finished(stream)

    # --- 101

    def upstream_upgraded(self, headers: Headers, rest: bytes) -> None:
        """The cluster switched protocols: from here on this is a tunnel. Only here (CVE-2018-1002105)."""
        upstream = self._upstream
        if self._phase is not _ASKING or upstream is None:
            return
        agreed = agree(self.action, self._head.headers, headers)
        if isinstance(agreed, Refusal):
            self._fail(agreed.status, f"kgate: {agreed.message}")
            return
        self._phase, self.status, self.deadline = _TUNNEL, 101, None
        early = self._client.wire.switch(self._stream, agreed.headers)
        agreed.tunnel.admit_ports_by(self._admit_port)
        passed = self._look_at_bytes
        if self.tape is not None:
            self.tape.follow(agreed.tunnel, self._tape_caught_up)
            passed = self._look_at_tape
        self._relay = relay = Relay(agreed.tunnel, self._client.transport, upstream.transport, self._tunnel_ended, passed)
        self._client.release(relay.client)
        upstream.release(relay.upstream)
        relay.start(early, rest)

    def _look_at_tape(self) -> None:
        """Something passed, and was recorded, or could not be."""
        tape = self.tape
        cause = tape.look() if tape is not None else None
        if cause is not None:
            self.cut(cause)
            return
        if tape is not None and tape.is_behind and self._relay is not None:
            self._relay.hold()
        self._look_at_bytes()

    def _tape_caught_up(self) -> None:
        if self._relay is not None:
            self._relay.release()

    def _tunnel_ended(self, cause: Cause | None) -> None:
        """Both legs of the tunnel are closing."""
        if cause is not None and self.closed_by is None:
            self.closed_by = cause
        self._finish()

    # --- ends

    def look(self, now: float) -> None:
        """Called a few times a second: end what takes too long."""
        if self.deadline is not None and now >= self.deadline:
            self._late()
        wait = self._waits_for
        if wait is not None and now - self._touched > self._gate.patience.of(wait):
            self._stood_still(wait)

    @property
    def _waits_for(self) -> Wait | None:
        """Who is to go on with what should be done one day."""
        if self._phase in _BEFORE_ANSWER:
            return None if self._client_ended else INTAKE if self._owed_client else BODY
        if self._phase is not _ANSWERING:
            return None
        if self._upstream_ended or (self._owed_upstream and not self.action.follows):
            return READER
        return REST if gives_all_at_once(self.action) else None

    def _stood_still(self, wait: Wait) -> None:
        """For too long. The connection of whoever is to go on is sound, or its end would have been noticed."""
        cluster = self.action.cluster.name
        if wait is BODY:
            self._fail(408, f"kgate: the request's body stopped coming for {self._gate.patience.body:.0f} s; send it again")
        elif wait is INTAKE:
            self._fail(504, f"kgate: cluster {cluster} stopped taking the request; {_ASK_OPERATOR}")
        elif wait is READER:
            self._break_off()
        else:
            self.closed_by = Cause(Ending.CLUSTER_GONE, f"kgate: cluster {cluster} stopped in the middle of its answer (request {self.id})")
            self._break_off()

    def _break_off(self) -> None:
        """In mid-answer, where nothing more can be said: an end that cannot be taken for a complete answer."""
        self._drop_upstream()
        self._client.wire.reset(self._stream, INTERNAL_ERROR)
        self._client.touch()
        self._finish()

    def _late(self) -> None:
        """The deadline of this phase passed. A body that is still coming gets its time, and so does an answer that begins when it likes."""
        if self._phase is _ASKING and self._client_ended and not unhurried(self.action):
            self._fail(504, f"kgate: cluster {self.action.cluster.name} did not answer in time; {_ASK_OPERATOR}")
        elif self._phase is _CONNECTING:
            self._unreachable("no connection in time")

    def _unreachable(self, text: str) -> None:
        name = self.action.cluster.name
        self._fail(503, f"kgate: cluster {name} cannot be reached: {text}; {_ASK_OPERATOR}")

    def _fail(self, code: int, message: str) -> None:
        """No answer of the cluster's reaches the client: ours does."""
        self._drop_upstream()
        self._answer_status(code, f"{message} (request {self.id})")
        self._finish()

    def _answer_status(self, code: int, message: str) -> None:
        self.status = code
        answer_status(self._client, self._stream, self._head, code, message, self.id)
        if not self._client_ended:
            self._client.wire.reset(self._stream, 0)  # as in ``_answered``: nobody takes the rest of it

    def _say_farewell(self, cause: Cause) -> None:
        """In mid-answer: an event or a line where the body has one, and an end that cannot be taken for a complete answer.

        What waits for a client that does not read goes nowhere any more, and then there is no knowing whether an event may stand here.
        """
        self._drop_upstream()
        wire, follower = self._client.wire, self._follower
        speaks = follower is not None and not self._upstream_ended and not wire.queued(self._stream)
        farewell = follower.farewell(cause.text) if follower is not None and speaks else None
        if farewell is not None:
            wire.send_data(self._stream, farewell.data, farewell.complete)
        if farewell is None or not farewell.complete:
            wire.reset(self._stream, INTERNAL_ERROR)

    def _can_ask_again(self) -> bool:
        """Nothing of a body went out, so the same head can be sent once more; and it was not sent all too often."""
        return self._client_ended and not self.bytes_in and self._times_asked < MOST_ASKED

    def _answered(self) -> None:
        """The answer was handed on whole."""
        if not self._client_ended:  # RFC 9113 section 8.1: an answer may come before the request's end
            self._client.wire.reset(self._stream, 0)
        upstream = self._upstream
        if upstream is not None and (not self._client_ended or upstream.wire.queued(self._upstream_stream)):
            self._drop_upstream()  # its half for the request is open, and not every server ends that
        self._upstream_ended = True
        if self._client.wire.queued(self._stream):
            if self._owed_upstream:
                self.client_writable()  # the connection is somebody else's next, and owes nothing then
            self._leave_upstream()  # the client has not read all of it: until then it can be cut, and may become late
        else:
            self._finish()

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None and not self._upstream_ended:
            upstream.wire.reset(self._upstream_stream, CANCEL)
            upstream.touch()
            upstream.finished(self._upstream_stream)

    def _leave_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.finished(self._upstream_stream)

    def _finish(self) -> None:
        if self._phase is _DONE:
            return
        if self._relay is not None:
            self.bytes_in, self.bytes_out = self._relay.bytes_in, self._relay.bytes_out
            self._relay = None  # its sides have it until they are gone too
        self._phase = _DONE
        self.client_writable()
        self._leave_upstream()
        if self._held is not None:
            for _, credit in self._held:
                self._client.wire.consumed(self._stream, credit)
        self._gate.live.remove(self)
        self._gate.recorder.end(self)
        self._client.finished(self._stream)
