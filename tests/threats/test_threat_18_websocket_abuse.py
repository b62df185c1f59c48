"""Class 18: WebSocket extensions, fragment floods, and frames that an endpoint and a middle could read differently."""

from __future__ import annotations

import pytest
from arena import Arena
from tunnels import exec_over_websocket, forward_in_websocket

from kgate.wire import spdy
from kgate.wire.websocket import BINARY, CLOSE, CONTINUATION, PING, TEXT, encode_close, encode_frame
from kgate.wire.websocket_endpoint import Closed, Connection, MessageData

pytestmark = pytest.mark.threat("18")

KEY = b"\x11\x22\x33\x44"
TYPED = encode_frame(BINARY, b"\0typed", KEY)
SHOWN = encode_frame(BINARY, b"\1shown")


def long_head(length: int, *, masked: bool) -> bytes:
    """The head of a binary frame of that length, 64 bits of it."""
    return b"\x82" + (b"\xff" if masked else b"\x7f") + length.to_bytes(8, "big") + (KEY if masked else b"")


def head_and(second: int, payload: bytes, first: int = 0x82) -> bytes:
    """A client's frame whose first two bytes are these; a payload of 0x11 is channel 0 under the mask."""
    return bytes([first, second]) + KEY + payload


FROM_THE_CLIENT = {
    "not masked": encode_frame(BINARY, b"\0x"),
    "compressed (RSV1)": head_and(0x82, b"\x11x", 0xC2),
    "RSV2": head_and(0x82, b"\x11x", 0xA2),
    "an unknown opcode": head_and(0x80, b"", 0x83),
    "an unknown control opcode": head_and(0x80, b"", 0x8B),
    "a Ping of 126 bytes": b"\x89\xfe\x00\x7e" + KEY + bytes(126),
    "a Ping in fragments": encode_frame(PING, b"x", KEY, fin=False),
    "a Close in fragments": encode_frame(CLOSE, b"", KEY, fin=False),
    "a Close of one byte": encode_frame(CLOSE, b"x", KEY),
    "a Close of a code that may not be sent": encode_frame(CLOSE, b"\x03\xed", KEY),
    "a length that is longer than it has to be": b"\x82\xfe\x00\x05" + KEY + b"xxxxx",
    "a length of 2^63": long_head(1 << 63, masked=True),
    "a frame of 17 MB": long_head(17 << 20, masked=True),
    "a continuation of nothing": encode_frame(CONTINUATION, b"x", KEY),
    "a message inside another": encode_frame(BINARY, b"\0x", KEY, fin=False) + TYPED,
    "65 empty fragments": encode_frame(BINARY, b"", KEY, fin=False) + encode_frame(CONTINUATION, b"", KEY, fin=False) * 65,
    "a frame behind Close": encode_close(1000, key=KEY) + TYPED,
    "a channel that does not exist": encode_frame(BINARY, b"\x07x", KEY),
    "a channel of the cluster's": encode_frame(BINARY, b"\x03{}", KEY),
}


@pytest.mark.parametrize("name", FROM_THE_CLIENT)
def test_a_client_that_does_it_loses_its_tunnel(arena: Arena, name: str) -> None:
    bad = FROM_THE_CLIENT[name]
    with exec_over_websocket(arena) as tunnel:
        tunnel.client.send(TYPED)
        assert tunnel.far.hears(len(TYPED)) == TYPED
        tunnel.client.send(bad)
        said = tunnel.said_at_the_end()
        assert bytes(tunnel.far.heard) == TYPED, "nothing of it goes on, and nothing that came with it"
        assert tunnel.ending()["closed_by"] == "protocol"
    *told, closed = Connection(mask=lambda: KEY).receive(said)
    assert isinstance(closed, Closed) and closed.code == 1000  # with a Status: see protocol.md, what the user sees
    assert any(isinstance(event, MessageData) and event.data.startswith(b"\3") and b"kgate: closed: " in event.data for event in told)


FROM_THE_CLUSTER = {
    "masked": encode_frame(BINARY, b"\1x", KEY),
    "compressed (RSV1)": b"\xc2\x02\1x",
    "a Ping of 126 bytes": b"\x89\x7e\x00\x7e" + bytes(126),
    "a frame of 17 MB": long_head(17 << 20, masked=False),
    "65 empty fragments": encode_frame(BINARY, b"", fin=False) + encode_frame(CONTINUATION, b"", fin=False) * 65,
    "a channel of the client's": encode_frame(BINARY, b"\0x"),
}


@pytest.mark.parametrize("name", FROM_THE_CLUSTER)
def test_a_cluster_that_does_it_is_cut_off_and_the_person_reads_why(arena: Arena, name: str) -> None:
    with exec_over_websocket(arena) as tunnel:
        tunnel.far.say(SHOWN + FROM_THE_CLUSTER[name])
        said = tunnel.said_at_the_end()
        assert tunnel.ending()["closed_by"] == "protocol"
    assert said.startswith(SHOWN)
    *told, closed = Connection(mask=lambda: KEY).receive(said)
    assert isinstance(closed, Closed) and closed.code == 1000
    assert any(isinstance(event, MessageData) and b"kgate: closed: " in event.data for event in told)


def test_permessage_deflate_is_not_offered_to_the_cluster_nor_agreed_on(arena: Arena) -> None:
    with exec_over_websocket(arena, b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits") as tunnel:
        assert b"extensions" not in tunnel.far.head.lower()
        assert b"extensions" not in tunnel.head.lower()


def test_fragments_of_one_byte_pass_as_they_are_and_cost_no_memory(arena: Arena) -> None:
    """Legal, if unkind: they go on byte for byte, and nothing is put together here."""
    fragments = encode_frame(BINARY, b"\0", KEY, fin=False) + encode_frame(CONTINUATION, b"x", KEY, fin=False) * 100_000
    with exec_over_websocket(arena) as tunnel:
        tunnel.client.send(fragments)
        assert tunnel.far.hears(len(fragments)) == fragments


def test_a_tunnelled_frame_in_crumbs_is_bounded(arena: Arena) -> None:
    """A SPDY control frame may not go on before it is whole, so what it is spread over has to be held: 256 KiB at most."""
    frame = spdy.control_frame(spdy.SETTINGS, (7499).to_bytes(4, "big") + bytes(7499 * 8))
    crumbs = b"".join(encode_frame(BINARY, frame[at : at + 1], KEY) for at in range(len(frame)))
    with forward_in_websocket(arena) as tunnel:
        tunnel.client.send(crumbs)
        tunnel.said_at_the_end()
        assert bytes(tunnel.far.heard) == b""
        assert tunnel.ending()["closed_by"] == "protocol"


def test_a_tunnelled_port_forward_is_binary(arena: Arena) -> None:
    with forward_in_websocket(arena) as tunnel:
        tunnel.client.send(encode_frame(TEXT, spdy.ping(1), KEY))
        tunnel.said_at_the_end()
        assert bytes(tunnel.far.heard) == b""
        assert tunnel.ending()["closed_by"] == "protocol"
