"""What a request costs in the pure part of the data path, in µs by stage: ``python -m bench.micro_exchange``.

The gate's own legs, exchanges, admission, records and chain between a client and a cluster that exist only as bytes made beforehand: no sockets, no TLS,
no reactor, no disk. What ``scripts/bench`` measures beyond this is theirs. Fifty people on a connection each, ten requests at a time; each
stage's figure is its best round, the one in which nobody else used the processor.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from random import Random
from typing import cast

from hpack import Encoder

from bench.crowd import HEADERS
from bench.ground import PATHS, object_paths
from bench.micro_policy import policy
from kgate.api.application import Application
from kgate.audit.chain import Chain
from kgate.audit.ids import RequestIds
from kgate.authorizers.builtin import PolicyAuthorizer
from kgate.exchange.admission import Admission
from kgate.exchange.legs import ClientLeg, UpstreamLeg
from kgate.exchange.ports import ClientWire
from kgate.exchange.routes import Route, Routes
from kgate.exchange.upstream import Then
from kgate.identity.authenticator import Authenticator
from kgate.identity.tokens import Tokens
from kgate.metrics import Metrics
from kgate.model import Cluster, Identity
from kgate.net.cluster import UPSTREAM_LIMITS
from kgate.net.turn import Turn
from kgate.service.gateway import Gateway
from kgate.service.recorder import Recorder
from kgate.sessions.registry import Registry
from kgate.wire import http2
from kgate.wire.http2_frames import PREFACE, FrameType, frame, header_frames, sent_head

PEOPLE = 50
AT_ONCE = 10
ROUNDS = 60
STAGES = (
    "client's bytes → decided, record made",
    "records sealed, asked upstream",
    "cluster's bytes → answered, end recorded",
    "bytes for the client",
)
RESPONSE = [
    (b":status", b"200"), (b"server", b"nginx"), (b"date", b"Mon, 24 Nov 2025 04:07:56 GMT"), (b"content-type", b"application/json"),
    (b"content-length", b"1024"), (b"audit-id", b""), (b"cache-control", b"no-cache, private"),
    (b"x-kubernetes-pf-flowschema-uid", b"3c1a5e8f-0b4a-4093-a86a-d6bd3a1e2d11"),
    (b"x-kubernetes-pf-prioritylevel-uid", b"8f0b4a30-93a8-46ad-86bd-3a1e2d116c3c"),
]  # fmt: skip


class Wire:
    """A transport that keeps what is written; never congested, all of it taken at once."""

    alpn = "h2"
    peer_certificate = None
    congested = unsent = False

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written.append(data)

    def close(self, patient: bool = False) -> None:
        """Nothing to close."""

    abort = pass_through = part = pause_reading = resume_reading = close


class Records:
    """A journal whose disk takes no time: records are sealed, and their waiters told, when ``commit`` is called."""

    def __init__(self) -> None:
        self._queue: list[tuple[dict[str, object] | str, Callable[[bool], None] | None]] = []
        self._chain = Chain()

    def append(self, record: dict[str, object] | str, then: Callable[[bool], None] | None = None, *, lingers: bool = False) -> None:
        """Queue it."""
        self._queue.append((record, then))

    def commit(self) -> int:
        """Seal and tell; how many bytes it would have written."""
        queue, self._queue = self._queue, []
        size = len(b"".join([self._chain.seal(record) for record, _ in queue]))
        for _, then in queue:
            if then is not None:
                then(True)
        return size


class OneUpstream:
    """One upstream with one connection."""

    authority, base_path, bearer = b"localhost:6443", b"", b"the-gate's-own-token"

    def __init__(self, turn: Turn) -> None:
        self.wire = Wire()
        engine = http2.ClientConnection(UPSTREAM_LIMITS, time.monotonic)
        self.leg = UpstreamLeg(cast("ClientWire", engine), self.wire, turn, time.monotonic, _nothing, _nothing, multiplexed=True)
        self.acquire_own = self.acquire_unshared = self.acquire

    def acquire(self, then: Then) -> None:
        """Always the same."""
        then(self.leg)

    def spare(self, leg: UpstreamLeg) -> None:
        """It is kept."""

    def refused(self) -> None:
        """Never."""


def _nothing(_: object) -> None:
    return None


class Nobody:
    """Surplus parts of a gateway."""

    def __call__(self, *_: object) -> None:
        """Nothing is fetched, nothing runs later."""


class Bench:
    """One gate, its people's connections, and the bytes that they and the cluster send."""

    def __init__(self, huffman: bool) -> None:
        self.huffman = huffman
        self.turn, self.records = Turn(), Records()
        self.cluster = OneUpstream(self.turn)
        tokens = {number: f"{number:064x}" for number in range(PEOPLE)}
        identities = {
            hashlib.sha256(token.encode()).digest(): Identity(
                f"person-{number}", ("everyone", f"group-{number}"), issuer="tokens", expires=4e9
            )
            for number, token in tokens.items()
        }
        route = Route(Cluster("prod-eu", (("env", "prod"),)), self.cluster)
        authorizer = PolicyAuthorizer(policy(PEOPLE, lambda number: f"groups: [group-{number}]", lambda _: "team-*"))
        live = Registry(time.monotonic, time.time, Nobody(), Nobody())
        admission = Admission(Routes({b"h2": route}, {}), Authenticator((Tokens(identities),)), authorizer)
        recorder = Recorder("gate", time.monotonic, time.time, RequestIds(time.time, os.urandom), self.records, Metrics())
        self.gateway = Gateway(self.turn, time.monotonic, time.time, recorder, live, admission, Nobody(), Application(_idle, {}))
        self.wires = [Wire() for _ in tokens]
        self.legs = [self.gateway.serve(wire, "10.1.2.3") for wire in self.wires]
        self.asking = [requests(token) for token in tokens.values()]
        self.answering = Encoder()
        self._greet()

    def _greet(self) -> None:
        greeting = frame(FrameType.SETTINGS, 0, 0, b"") + frame(FrameType.WINDOW_UPDATE, 0, 0, (1 << 30).to_bytes(4, "big"))
        for leg in self.legs:
            leg.received(PREFACE + greeting)
        self.cluster.leg.received(greeting)
        self.turn.flush()
        self.upstream = 1

    def answers(self, count: int) -> bytes:
        """The cluster's next answers."""
        pieces = []
        for _ in range(count):
            fields = [(name, os.urandom(16).hex().encode() if name == b"audit-id" else value) for name, value in RESPONSE]
            if self.huffman:  # as nginx writes: every string coded, nothing put into the table
                block = b"".join(_literal(self.answering, name, value) for name, value in fields[1:])
                block = b"\x88" + block
            else:  # as Go writes
                block = self.answering.encode(fields)
            pieces += [header_frames(self.upstream, block, end=False), sent_head(1024, 0, 1, self.upstream), b"x" * 1024]
            self.upstream += 2
        return b"".join(pieces)

    def round(self, leg: ClientLeg, asked: Iterator[bytes]) -> list[float]:
        """Ten requests of one person; what each stage took, in seconds."""
        sent, answers = b"".join(next(asked) for _ in range(AT_ONCE)), self.answers(AT_ONCE)
        at = [time.perf_counter()]
        leg.received(sent)
        at.append(time.perf_counter())
        self.records.commit()
        self.cluster.leg.flush()
        at.append(time.perf_counter())
        self.cluster.leg.received(answers)
        self.records.commit()
        at.append(time.perf_counter())
        self.turn.flush()
        at.append(time.perf_counter())
        self.cluster.wire.written.clear()
        return [end - start for start, end in pairwise(at)]


def requests(token: str) -> Iterator[bytes]:
    """A person's requests one after the other, as h2load and Go's client write them: repeated fields by index, the path Huffman-coded."""
    encoder, paths = Encoder(), object_paths("h2", "pods", PATHS)
    Random(token).shuffle(paths)
    fields = [(name.encode(), value.encode()) for name, _, value in (header.partition(": ") for header in HEADERS)]
    stream = 1
    while True:
        for path in paths:
            head = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"127.0.0.1:8443")]
            asked = encoder.encode(head) + b"\x04" + _string(encoder, path.encode())
            yield header_frames(stream, asked + encoder.encode([*fields, (b"authorization", b"Bearer " + token.encode())]), end=True)
            stream += 2


def _string(encoder: Encoder, text: bytes) -> bytes:
    coded = encoder.huffman_coder.encode(text)
    return _number(len(coded), 0x7F, 0x80) + coded


def _literal(encoder: Encoder, name: bytes, value: bytes) -> bytes:
    return b"\x00" + _string(encoder, name) + _string(encoder, value)


def _number(value: int, prefix: int, pattern: int) -> bytes:
    if value < prefix:
        return bytes((pattern | value,))
    return bytes((pattern | prefix, value - prefix))


def _idle() -> None:
    return None


def main() -> None:
    """Print a table."""
    for title, huffman in (("cluster that codes as Go's servers do", False), ("cluster that codes as nginx does", True)):
        bench = Bench(huffman)
        best = [[9.0] * len(STAGES) for _ in bench.legs]
        for _ in range(ROUNDS):
            for person, (leg, asked) in enumerate(zip(bench.legs, bench.asking, strict=True)):
                best[person] = [min(pair) for pair in zip(best[person], bench.round(leg, asked), strict=True)]
        stages = [sum(column) / len(best) / AT_ONCE * 1e6 for column in zip(*best, strict=True)]
        print(title)
        for name, microseconds in zip(STAGES, stages, strict=True):
            print(f"  {name:48}{microseconds:6.2f} µs")
        print(f"  {'a request':48}{sum(stages):6.2f} µs")
        assert all(len(wire.written) > ROUNDS for wire in bench.wires)


if __name__ == "__main__":
    main()
