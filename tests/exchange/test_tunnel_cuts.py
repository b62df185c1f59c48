"""A tunnel passes what came, to the byte, however it came; and wherever it is cut, what the client reads is whole, and tells why.

Conversations of a cluster are cut off after any byte, in pieces of any size. Then our own endpoints play the client: they read what passed and the
farewell behind it as one stream, in which nothing may be wrong.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from itertools import pairwise
from typing import NamedTuple

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.exchange.tunnel import Failure, Kind, Tunnel
from kgate.model import Cause, Ending
from kgate.wire.spdy_session import Failed, Farewell, Received, Session
from kgate.wire.websocket import BINARY, CONTINUATION, PING, TEXT, encode_close, encode_frame
from kgate.wire.websocket_endpoint import Assembler, Closed, Connection, MessageData

SENTENCE = "kgate: closed by policy: no rule allows it any more (request 01K)"
CAUSE = Cause(Ending.POLICY, SENTENCE)
KEY = b"\1\2\3\4"


def fed(tunnel: Tunnel, data: bytes, sizes: list[int]) -> bytes:
    """What of the cluster's ``data`` passes, which comes in pieces of these sizes, again and again."""
    passed, at, turn = b"", 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        went = tunnel.from_upstream(data[at : at + size])
        assert not isinstance(went, Failure), went
        passed, at, turn = passed + went, at + size, turn + 1
    assert data.startswith(passed)
    return passed


class Message(NamedTuple):
    """One of the cluster's, on stdout or stderr; in so many fragments, and perhaps behind a Ping."""

    channel: int
    payload: bytes
    fragments: int
    ping: bool


messages = st.lists(st.builds(Message, st.sampled_from([1, 2]), st.binary(max_size=200), st.integers(1, 3), st.booleans()), max_size=5)
sizes = st.lists(st.integers(1, 90), min_size=1, max_size=4)


def frames(said: list[Message]) -> bytes:
    """The messages on the wire."""
    parts = []
    for message in said:
        if message.ping:
            parts.append(encode_frame(PING, b"there?"))
        content = bytes([message.channel]) + message.payload
        cuts = [0, *sorted(len(content) * number // message.fragments for number in range(1, message.fragments)), len(content)]
        for index, (start, end) in enumerate(pairwise(cuts)):
            parts.append(
                encode_frame(
                    CONTINUATION if index else BINARY, content[start:end], fin=end == len(content) and index == message.fragments - 1
                )
            )
    return b"".join(parts)


def read(data: bytes) -> tuple[list[bytes], Closed]:
    """A client's messages, and the Close that has to be their end."""
    assembler, found = Assembler(), []
    *events, closed = Connection(mask=lambda: KEY).receive(data)
    assert isinstance(closed, Closed), closed
    for event in events:
        if isinstance(event, MessageData) and (whole := assembler.add(event)) is not None:
            found.append(whole)
    return found, closed


@settings(max_examples=150)
@given(messages, st.floats(0, 1), sizes)
def test_exec_over_websocket(said: list[Message], share: float, pieces: list[int]) -> None:
    data = frames(said)
    tunnel = Tunnel(Kind.COMMAND_WEBSOCKET, b"v5.channel.k8s.io")
    passed = fed(tunnel, data[: int(len(data) * share)], pieces)
    *shown, verdict = (received := read(passed + tunnel.cut(CAUSE)))[0]
    assert received[1].code == 1000
    assert verdict[:1] == b"\3" and orjson.loads(verdict[1:])["message"] == SENTENCE
    for message, content in zip(said, shown, strict=False):
        whole = bytes([message.channel]) + message.payload
        assert content == whole or (content is shown[-1] and whole.startswith(content.rstrip(b"\0").rstrip(b"\1")))


@settings(max_examples=60)
@given(st.lists(st.binary(min_size=1, max_size=60), max_size=4), st.floats(0, 1), sizes)
def test_exec_over_websocket_in_base64(said: list[bytes], share: float, pieces: list[int]) -> None:
    data = b"".join(encode_frame(TEXT, b"1" + b64encode(payload)) for payload in said)
    tunnel = Tunnel(Kind.COMMAND_WEBSOCKET, b"v4.base64.channel.k8s.io")
    passed = fed(tunnel, data[: int(len(data) * share)], pieces)
    verdict = read(passed + tunnel.cut(CAUSE))[0][-1]
    assert verdict[:1] == b"3" and orjson.loads(b64decode(verdict[1:]))["message"] == SENTENCE


def test_a_verdict_that_passed_is_the_last_word() -> None:
    status = b'\3{"metadata":{},"status":"Success"}'
    tunnel = Tunnel(Kind.COMMAND_WEBSOCKET, b"v5.channel.k8s.io")
    passed = fed(tunnel, encode_frame(BINARY, status), [1000])
    assert tunnel.complete and tunnel.exit_code == 0
    assert read(passed + tunnel.cut(CAUSE))[0] == [status]


def test_a_cluster_that_closes_without_a_verdict_does_not_make_kubectl_exit_0() -> None:
    tunnel = Tunnel(Kind.COMMAND_WEBSOCKET, b"v5.channel.k8s.io")
    failed = tunnel.from_upstream(encode_frame(BINARY, b"\1half") + encode_close(1000))
    assert isinstance(failed, Failure) and failed.cause.ending is Ending.CLUSTER_GONE
    shown, verdict = read(tunnel.cut(failed.cause))[0]
    assert shown == b"\1half"
    assert "the cluster closed the connection before the command ended" in orjson.loads(verdict[1:])["message"]


class Spdy:
    """kubectl and the API server with a tunnel between them that has not passed the cluster's bytes yet."""

    def __init__(self, kind: Kind, subprotocol: bytes, streams: list[list[tuple[bytes, bytes]]]) -> None:
        self.tunnel = Tunnel(kind, subprotocol)
        self.kubectl, self.cluster = Session(client=True), Session()
        self.streams = [self.kubectl.open(headers) for headers in streams]
        up = self.kubectl.data_to_send()
        assert self.tunnel.from_client(up) == up
        self.cluster.receive(up)


COMMAND = [[(b"streamtype", name)] for name in (b"error", b"stdin", b"stdout")]


@settings(max_examples=150)
@given(st.lists(st.binary(max_size=300), max_size=5), st.sets(st.integers(0, 2)), st.floats(0, 1), sizes)
def test_exec_over_spdy(said: list[bytes], replied: set[int], share: float, pieces: list[int]) -> None:
    world = Spdy(Kind.COMMAND_SPDY, b"v4.channel.k8s.io", COMMAND)
    error, _, stdout = world.streams
    for index in replied:
        world.cluster.reply(world.streams[index])
    for payload in said:
        world.cluster.send(stdout, payload)
    data = world.cluster.data_to_send()
    passed = fed(world.tunnel, data[: int(len(data) * share)], pieces)
    events = world.kubectl.receive(passed + world.tunnel.cut(CAUSE))
    assert not [event for event in events if isinstance(event, Failed)]
    told = b"".join(event.data for event in events if isinstance(event, Received) and event.stream == error)
    assert orjson.loads(told)["message"] == SENTENCE
    assert {event.stream for event in events if isinstance(event, Received) and event.ended} == set(world.streams)
    assert isinstance(events[-1], Farewell)
    shown = b"".join(event.data for event in events if isinstance(event, Received) and event.stream == stdout)
    assert b"".join(said).startswith(shown.rstrip(b"\0")) or shown.startswith(b"".join(said))


@pytest.mark.parametrize("kind", Kind)
def test_nothing_goes_on_behind_a_cut(kind: Kind) -> None:
    subprotocol = {Kind.COMMAND_WEBSOCKET: b"v5.channel.k8s.io", Kind.COMMAND_SPDY: b"v4.channel.k8s.io"}.get(kind, b"")
    tunnel = Tunnel(kind, subprotocol, ports=(80,))
    tunnel.cut(CAUSE)
    assert tunnel.cut(CAUSE) == b""
    assert tunnel.from_client(b"anything") == b"" and tunnel.from_upstream(b"anything") == b""
