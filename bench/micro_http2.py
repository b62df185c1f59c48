"""Microseconds of CPU that the HTTP/2 engine takes on its main paths. Run it from the checkout: ``python -m bench.micro_http2``."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import getrandbits
from time import monotonic, perf_counter

from hpack import Encoder

from kgate.wire.events import DataReceived, RequestHead, RequestReceived
from kgate.wire.http2 import ClientConnection, Http2Limits, ServerConnection
from kgate.wire.http2_frames import header_frames

REQUEST = RequestHead(
    b"GET",
    b"/api/v1/namespaces/default/pods?limit=500",
    b"gate.example:8443",
    [
        (b"accept", b"application/json;as=Table;v=v1;g=meta.k8s.io,application/json"),
        (b"accept-encoding", b"gzip"),
        (b"authorization", b"Bearer " + b"x" * 400),
        (b"kubectl-command", b"kubectl get"),
        (b"kubectl-session", b"6c3c1a5e-8f0b-4a30-93a8-6ad6bd3a1e2d"),
        (b"user-agent", b"kubectl/v1.32.4 (linux/amd64) kubernetes/59526cd"),
        (b"x-request-id", b"0f8fad5b-d9cb-469f-a165-70867728950e"),
        (b"cache-control", b"no-cache"),
    ],
)
RESPONSE = [
    (b"audit-id", b"0f8fad5b-d9cb-469f-a165-70867728950e"),
    (b"cache-control", b"no-cache, private"),
    (b"content-type", b"application/json"),
    (b"x-kubernetes-pf-flowschema-uid", b"3c1a5e8f-0b4a-4093-a86a-d6bd3a1e2d11"),
    (b"x-kubernetes-pf-prioritylevel-uid", b"8f0b4a30-93a8-46ad-86bd-3a1e2d116c3c"),
    (b"date", b"Mon, 24 Nov 2025 04:07:56 GMT"),
    (b"content-length", b"1024"),
]
BODY = b"x" * 1024


def pair() -> tuple[ClientConnection, ServerConnection]:
    client, server = ClientConnection(Http2Limits(), monotonic), ServerConnection(Http2Limits(), monotonic)
    server.receive(client.data_to_send())
    client.receive(server.data_to_send())
    server.receive(client.data_to_send())
    return client, server


STEPS = ("client: open", "server: receive", "server: respond with 1 KiB", "client: receive", "client: consumed")


def rounds(steps: Callable[[], list[float]], names: tuple[str, ...], at_once: int = 50) -> None:
    """Each step's best round: the one in which nobody else used the processor."""
    best = [min(times) for times in zip(*[steps() for _ in range(300)], strict=True)]
    for name, seconds in zip(names, best, strict=True):
        print(f"{name:52} {seconds / at_once * 1e6:6.2f} µs")


def exchanges(client: ClientConnection, server: ServerConnection) -> list[float]:
    """Fifty small GETs through client and server; when each step ended, as differences."""
    at = [perf_counter()]
    for _ in range(50):
        client.open(REQUEST, True)
    sent = client.data_to_send()
    at.append(perf_counter())
    requests = server.receive(sent)
    at.append(perf_counter())
    for request in requests:
        assert isinstance(request, RequestReceived)
        server.send_response(request.stream, 200, RESPONSE, False)
        server.send_data(request.stream, BODY, True)
    answer = server.data_to_send()
    at.append(perf_counter())
    events = client.receive(answer)
    at.append(perf_counter())
    for event in events:
        if isinstance(event, DataReceived):
            client.consumed(event.stream, event.credit)
    at.append(perf_counter())
    server.receive(client.data_to_send())
    return [end - start for start, end in pairwise(at)]


def fresh_blocks(fields: list[tuple[bytes, bytes]], changing: int) -> list[bytes]:
    """What Go's encoder makes of the same list again and again with one value that is new each time: all else is in the table."""
    encoder, blocks = Encoder(), []
    for _ in range(50):
        value = b"%08x-%04x" % (getrandbits(32), getrandbits(16)) + fields[changing][1][13:]
        fields = [*fields[:changing], (fields[changing][0], value), *fields[changing + 1 :]]
        blocks.append(encoder.encode(fields))
    return blocks


def request_blocks() -> list[float]:
    head = [(b":method", REQUEST.method), (b":scheme", b"https"), (b":authority", REQUEST.authority), (b":path", REQUEST.target)]
    blocks = fresh_blocks([*head, *REQUEST.headers], 10)
    _, server = pair()
    sent = b"".join(header_frames(2 * place + 1, block, end=True) for place, block in enumerate(blocks))
    start = perf_counter()
    assert len(server.receive(sent)) == 50
    return [perf_counter() - start]


def response_blocks() -> list[float]:
    blocks = fresh_blocks([(b":status", b"200"), *RESPONSE[:-1]], 1)
    client, _ = pair()
    streams = [client.open(REQUEST, True) for _ in range(50)]
    sent = b"".join(header_frames(stream, block, end=True) for stream, block in zip(streams, blocks, strict=True))
    start = perf_counter()
    assert len(client.receive(sent)) == 50
    return [perf_counter() - start]


def download() -> list[float]:
    client, server = pair()
    stream = client.open(REQUEST, True)
    server.receive(client.data_to_send())
    server.send_response(stream, 200, RESPONSE[:-1], False)
    client.receive(server.data_to_send())
    data, start = b"y" * 16384, perf_counter()
    for _ in range(50):
        server.send_data(stream, data)
        for event in client.receive(server.data_to_send()):
            if isinstance(event, DataReceived):
                client.consumed(stream, event.credit)
        server.receive(client.data_to_send())
    return [perf_counter() - start]


def main() -> None:
    client, server = pair()
    rounds(lambda: exchanges(client, server), STEPS)
    rounds(request_blocks, ("server: receive, one header new, the rest indexed",))
    rounds(response_blocks, ("client: receive, one header new, the rest indexed",))
    rounds(download, ("16 KiB of a download, both ends",))


if __name__ == "__main__":
    main()
