"""What ``Messages`` counts as frames pass, against the same frames followed event by event."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.exchange.tally import Direction
from kgate.exchange.tunnel import Failure, Kind, Tunnel
from kgate.wire.websocket import BINARY, CONTINUATION, PING, encode_frame
from kgate.wire.websocket_follow import Follower, FrameEvent, FrameStarted, Payload

FROM_CLUSTER = {1: "stdout", 2: "stderr"}

parts = st.tuples(
    st.sampled_from(sorted(FROM_CLUSTER)),
    st.lists(st.binary(max_size=9) | st.sampled_from([b"z" * 125, b"z" * 2000]), min_size=1, max_size=3),
)
chunkings = st.lists(st.integers(1, 200) | st.just(10_000), min_size=1, max_size=5)


class Counted(NamedTuple):
    """What went on, and what of it was whose."""

    passed: bytes
    bytes: dict[str, int]
    shown: dict[str, bytes]


def wire_of(messages: list[tuple[int, list[bytes]]]) -> bytes:
    """Messages as frames, each with a Ping behind its first."""
    found = []
    for lead, fragments in messages:
        for index, payload in enumerate([bytes([lead]) + fragments[0], *fragments[1:]]):
            found.append(encode_frame(CONTINUATION if index else BINARY, payload, fin=index == len(fragments) - 1))
            found.extend([] if index else [encode_frame(PING, b"?")])
    return b"".join(found)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    chunks, at = [], 0
    while at < len(data):
        chunks.append(data[at : at + sizes[len(chunks) % len(sizes)]])
        at += len(chunks[-1])
    return chunks


def by_events(chunks: list[bytes]) -> Counted:
    """The plain way: every event is made and looked at."""
    shown: dict[str, bytes] = defaultdict(bytes)
    channel, skip = "", 0

    def told(event: FrameEvent) -> None:
        nonlocal channel, skip
        if isinstance(event, FrameStarted) and event.first:
            channel, skip = FROM_CLUSTER[event.lead], 1
        elif isinstance(event, Payload):
            shown[channel] += bytes(event.clear())[skip:]
            skip = 0

    follower = Follower(False, told)
    passed = b"".join(follower.feed(chunk).data for chunk in chunks)
    return Counted(passed, {name: len(data) for name, data in shown.items()}, shown)


def by_tunnel(chunks: list[bytes], observed: bool) -> Counted:
    tunnel, shown = Tunnel(Kind.COMMAND_WEBSOCKET, b"v5.channel.k8s.io"), defaultdict[str, bytes](bytes)

    def observe(direction: Direction, channel: str, data: bytes) -> None:
        assert direction is Direction.FROM_CLUSTER
        shown[channel] += data

    tunnel.observe = observe if observed else None
    passed = b""
    for chunk in chunks:
        going = tunnel.from_upstream(chunk)
        assert not isinstance(going, Failure)
        passed += going
    return Counted(passed, {count.channel: count.bytes for count in tunnel.tally}, shown)


@settings(max_examples=60)
@given(st.lists(parts, max_size=4), chunkings)
def test_it_counts_and_shows_what_the_events_say(messages: list[tuple[int, list[bytes]]], sizes: list[int]) -> None:
    chunks = cut(wire_of(messages), sizes)
    plain = by_events(chunks)
    assert by_tunnel(chunks, observed=True) == plain
    assert by_tunnel(chunks, observed=False) == plain._replace(shown={})
