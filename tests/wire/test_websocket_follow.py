"""The follower against wsproto (what it reads is what an endpoint reads), against itself split at every byte, and against what must be refused."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection as Oracle
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage
from wsproto.utilities import RemoteProtocolError

from kgate.wire.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Head, apply_mask, encode_close, encode_frame, read_head
from kgate.wire.websocket_follow import Control, Follower, FrameEnded, FrameEvent, FrameStarted, Payload, Standing

KEY = b"\x12\x34\xfe\x00"


class Fragment(NamedTuple):
    payload: bytes
    ping_before: bytes | None


def wire_of(messages: list[tuple[bool, list[Fragment]]], key: bytes) -> bytes:
    """Messages as frames, with a Ping before some of the fragments."""
    parts = []
    for text, fragments in messages:
        for index, fragment in enumerate(fragments):
            if fragment.ping_before is not None:
                parts.append(encode_frame(PING, fragment.ping_before, key))
            opcode = CONTINUATION if index else TEXT if text else BINARY
            parts.append(encode_frame(opcode, fragment.payload, key, fin=index == len(fragments) - 1))
    return b"".join(parts)


fragments = st.builds(
    Fragment,
    st.one_of(st.binary(max_size=8), st.sampled_from([b"x" * 125, b"y" * 126, b"z" * 65535, b"w" * 65536])).map(
        lambda raw: bytes(b & 0x7F for b in raw)
    ),
    st.none() | st.binary(max_size=125),
)
conversations = st.lists(st.tuples(st.booleans(), st.lists(fragments, min_size=1, max_size=3)), max_size=4)


class Read(NamedTuple):
    """What a follower made of a stream."""

    passed: bytes
    messages: list[tuple[bool, bytes]]
    controls: list[tuple[int, bytes]]
    failure: str


def follow(chunks: list[bytes], masked: bool, **more: frozenset[int]) -> Read:
    events: list[FrameEvent] = []
    clear: dict[int, bytes] = {}

    def told(event: FrameEvent) -> None:
        clear[len(events)] = bytes(event.clear()) if isinstance(event, Payload) else b""
        events.append(event)

    follower = Follower(masked, told, **more)
    passed, failure = b"", ""
    for chunk in chunks:
        passage = follower.feed(chunk)
        passed, failure = passed + passage.data, failure or passage.failure
    messages: list[tuple[bool, bytes]] = []
    controls = []
    text, payload = False, b""
    for index, event in enumerate(events):
        if isinstance(event, FrameStarted):
            if event.first:
                text, payload = event.head.opcode == TEXT, b""
        elif isinstance(event, Payload):
            payload += clear[index]
        elif isinstance(event, FrameEnded):
            if event.message:
                messages.append((text, payload))
        else:
            controls.append((event.opcode, event.payload))
    return Read(passed, messages, controls, failure)


def oracle(data: bytes, masked: bool) -> Read:
    end = Oracle(ConnectionType.SERVER if masked else ConnectionType.CLIENT)
    messages: list[tuple[bool, bytes]] = []
    controls: list[tuple[int, bytes]] = []
    text, payload = False, b""
    try:
        end.receive_data(data)
        for event in end.events():
            match event:
                case TextMessage(data=piece):
                    text, payload = True, payload + piece.encode()
                case BytesMessage(data=piece):
                    text, payload = False, payload + bytes(piece)
                case Ping(payload=piece):
                    controls.append((PING, bytes(piece)))
                case Pong(payload=piece):
                    controls.append((PONG, bytes(piece)))
                case CloseConnection(code=code) if end.state is ConnectionState.OPEN:  # its own verdict, not the peer's frame
                    return Read(b"", messages, controls, "not UTF-8" if code == 1007 else "wrong")
                case CloseConnection():
                    controls.append((CLOSE, b""))
            if isinstance(event, Message) and event.message_finished:
                messages.append((text, payload))
                payload = b""
    except RemoteProtocolError as wrong:
        return Read(b"", messages, controls, f"wrong: {wrong}")
    return Read(data, messages, controls, "")


@settings(max_examples=100)
@given(conversations, st.booleans())
def test_it_reads_what_wsproto_reads(messages: list[tuple[bool, list[Fragment]]], masked: bool) -> None:
    data = wire_of(messages, KEY if masked else b"")
    read = follow([data], masked)
    assert read == oracle(data, masked)
    assert read.passed == data


@settings(max_examples=100)
@given(conversations, st.booleans(), st.lists(st.integers(1, 200), min_size=1))
def test_chunks_make_no_difference(messages: list[tuple[bool, list[Fragment]]], masked: bool, sizes: list[int]) -> None:
    data = wire_of(messages, KEY if masked else b"")[:3000]
    chunks, at = [], 0
    while at < len(data):
        chunks.append(data[at : at + sizes[len(chunks) % len(sizes)]])
        at += len(chunks[-1])
    whole, split = follow([data], masked), follow(chunks, masked)
    assert split == whole
    assert split == follow([bytes([byte]) for byte in data], masked)


@settings(max_examples=200)
@given(conversations, st.booleans(), st.integers(0, 400), st.integers(1, 255))
def test_of_damaged_streams_it_passes_only_what_wsproto_reads_alike(
    messages: list[tuple[bool, list[Fragment]]], masked: bool, where: int, flip: int
) -> None:
    data = bytearray(wire_of(messages, KEY if masked else b""))
    if where < len(data):
        data[where] ^= flip
    read = follow([bytes(data)], masked)
    seen = oracle(read.passed, masked)
    if seen.failure != "not UTF-8":  # text is not ours to check: its endpoint does
        assert seen == read._replace(failure="", controls=[(code, b"" if code == CLOSE else payload) for code, payload in read.controls])


@pytest.mark.parametrize(
    ("masked", "data", "sentence"),
    [
        (False, b"\xc2\x01a", "a WebSocket frame has a reserved bit set, but no extension was agreed on"),
        (False, b"\x83\x00", "a WebSocket frame has the unknown opcode 3"),
        (False, b"\x8b\x00", "a WebSocket frame has the unknown opcode 11"),
        (False, encode_frame(BINARY, b"x", KEY), "a WebSocket frame of the server's is masked"),
        (True, encode_frame(BINARY, b"x"), "a WebSocket frame of the client's is not masked"),
        (False, b"\x89\x7e\x00\x7e" + b"x" * 126, "a WebSocket control frame is fragmented or longer than 125 bytes"),
        (False, b"\x09\x00", "a WebSocket control frame is fragmented or longer than 125 bytes"),
        (False, b"\x82\x7e\x00\x7d" + b"x" * 125, "a WebSocket length is not in its shortest form"),
        (False, b"\x82\x7f" + (65535).to_bytes(8, "big"), "a WebSocket length is not in its shortest form"),
        (False, b"\x82\x7f" + (1 << 63).to_bytes(8, "big"), "a WebSocket frame of 9223372036854775808 bytes, more than 16777216"),
        (False, b"\x80\x01x", "a WebSocket message begins with a continuation"),
        (False, b"\x02\x01x\x82\x01x", "a WebSocket message begins inside another"),
        (False, encode_close(1000) + b"\x82\x01x", "a WebSocket frame follows a Close"),
        (False, b"\x88\x01x", "a WebSocket Close has no valid code or reason"),
        (False, b"\x88\x02" + (1005).to_bytes(2, "big"), "a WebSocket Close has no valid code or reason"),
        (False, b"\x88\x03\x03\xe8\xff", "a WebSocket Close has no valid code or reason"),
        (False, b"\x02\x00" + b"\x00\x00" * 64, "more than 64 empty WebSocket fragments in a row"),
    ],
)
@pytest.mark.threat("18")
def test_refused(masked: bool, data: bytes, sentence: str) -> None:
    good = encode_frame(BINARY, b"before", KEY if masked else b"")
    read = follow([good + data], masked)
    assert read.failure == sentence
    assert read.passed.startswith(good)
    assert follow([bytes([byte]) for byte in good + data], masked) == read


@pytest.mark.threat("18")
@pytest.mark.parametrize("masked", [False, True])
def test_of_all_first_two_bytes_of_a_head_those_pass_that_rfc_6455_allows(masked: bool) -> None:
    for first, second in product(range(256), repeat=2):
        length = second & 127
        more = {126: (126).to_bytes(2, "big"), 127: (65536).to_bytes(8, "big")}.get(length, b"")
        head = read_head(bytes([first, second]) + more + KEY, 0, masked)
        control = first in {0x88, 0x89, 0x8A} and length <= 125
        allowed = (second >= 128) == masked and (control or first in {0x00, 0x01, 0x02, 0x80, 0x81, 0x82})
        assert isinstance(head, Head) is allowed
        if isinstance(head, Head):
            assert (head.opcode, head.fin, head.mask) == (first & 15, first >= 128, KEY if masked else b"")


@pytest.mark.threat("18")
def test_nothing_passes_behind_a_mistake() -> None:
    follower = Follower(False, lambda event: None)
    assert follower.feed(b"\x83\x00").failure
    assert follower.feed(encode_frame(BINARY, b"x")).data == b""


def test_a_head_waits_for_its_first_payload_byte_and_a_control_frame_for_its_last() -> None:
    follower = Follower(False, lambda event: None)
    assert follower.feed(b"\x82\x03").data == b""
    assert follower.feed(b"\x01").data == b"\x82\x03\x01"
    assert follower.standing == Standing(left=2, unfinished=False)
    assert follower.feed(b"ab" + b"\x89\x03ab").data == b"ab"
    assert follower.at_boundary
    assert follower.feed(b"c").data == b"\x89\x03abc"


def test_a_message_of_a_whole_channel_waits_for_its_last_byte() -> None:
    follower = Follower(False, lambda event: None, whole={3})
    assert follower.feed(b"\x82\x05\x03{").data == b""
    assert follower.feed(b"..").data == b""
    assert follower.feed(b"}").data == b"\x82\x05\x03{..}"


def test_where_a_direction_stands() -> None:
    follower = Follower(False, lambda event: None)
    follower.feed(b"\x02\x03ab")
    assert (follower.standing, follower.at_boundary) == (Standing(1, True), False)
    follower.feed(b"c")
    assert (follower.standing, follower.at_boundary) == (Standing(0, True), False)
    follower.feed(b"\x80\x02a")
    assert (follower.standing, follower.at_boundary) == (Standing(1, False), False)
    follower.feed(b"b")
    assert (follower.standing, follower.at_boundary) == (Standing(0, False), True)


@pytest.mark.parametrize(("length", "waits"), [(64 * 1024, True), (64 * 1024 + 1, False)])
def test_so_much_of_a_whole_channel_waits(length: int, waits: bool) -> None:
    """A Status is small; what is longer passes as it comes, or it would lie here."""
    frame = encode_frame(BINARY, b"\x03" + bytes(length - 1))
    follower = Follower(False, lambda event: None, whole={3})
    assert (follower.feed(frame[:-1]).data == b"") is waits
    fragment = Follower(False, lambda event: None, whole={3})
    begun = encode_frame(BINARY, b"\x03ab", fin=False)
    assert fragment.feed(begun[:-1]).data == begun[:-1]  # a fragment never waits: nobody knows how much is to follow
    assert fragment.feed(begun[-1:] + encode_frame(CONTINUATION, b"\x03ab")[:-1]).data != b""


def test_empty_messages_are_no_flood() -> None:
    """An API server begins with one, and may send one for each channel; only fragments of one message say nothing for ever."""
    follower = Follower(False, lambda event: None)
    messages = encode_frame(BINARY, b"") * 1000
    passage = follower.feed(messages)
    assert (passage.data, passage.failure) == (messages, "")
    half = encode_frame(BINARY, b"", fin=False) + encode_frame(CONTINUATION, b"", fin=False) * 63
    assert follower.feed((half + encode_frame(CONTINUATION, b"x", fin=False)) + half[2:]).failure == ""
    assert follower.feed(encode_frame(CONTINUATION, b"", fin=False) * 2).failure == "more than 64 empty WebSocket fragments in a row"


def test_a_sink_refuses_a_frame_before_any_of_it_passes() -> None:
    def told(event: FrameEvent) -> str | None:
        return "no text here" if isinstance(event, FrameStarted) and event.head.opcode == TEXT else None

    follower = Follower(False, told)
    good = encode_frame(BINARY, b"good")
    passage = follower.feed(good + encode_frame(TEXT, b"bad"))
    assert (passage.data, passage.failure) == (good, "no text here")
    assert follower.at_boundary


def test_a_refused_close_is_not_a_close() -> None:
    follower = Follower(False, lambda event: "stay" if isinstance(event, Control) else None)
    passage = follower.feed(encode_close(1000))
    assert (passage.data, passage.failure) == (b"", "stay")
    assert not follower.closed


@settings(max_examples=100)
@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4), st.integers(0, 9))
def test_masks_are_laid_byte_by_byte(data: bytes, key: bytes, offset: int) -> None:
    assert apply_mask(data, key, offset) == bytes(byte ^ key[(index + offset) % 4] for index, byte in enumerate(data))
