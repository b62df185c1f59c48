"""The SPDY follower against a slow model that reads whole frames, split at every byte, and against what must be refused."""

from __future__ import annotations

import zlib
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.wire import spdy
from kgate.wire.spdy_follow import (
    Data,
    DataStarted,
    Follower,
    SpdyEvent,
)
from kgate.wire.spdy_headers import Compressor, dictionary, encode_pairs, parse_pairs

Pairs = list[tuple[bytes, bytes]]


class Read(NamedTuple):
    passed: bytes
    events: list[tuple[object, ...]]
    data: dict[int, bytes]
    failure: str


def follow(chunks: list[bytes], opens: bool, whole: frozenset[int] = frozenset()) -> Read:
    events: list[tuple[object, ...]] = []
    data: dict[int, bytes] = {}

    def told(event: SpdyEvent) -> None:
        if isinstance(event, Data):
            assert len(event.raw) == event.size
            data[event.stream] = data.get(event.stream, b"") + bytes(event.raw)
            if event.left:
                return
            events.append(("data", event.stream, event.fin))
        elif not isinstance(event, DataStarted):
            events.append((type(event).__name__, *event))
        elif not event.length:
            events.append(("data", event.stream, event.fin))

    follower = Follower(opens, told, whole)
    passed, failure = b"", ""
    for chunk in chunks:
        passage = follower.feed(chunk)
        passed, failure = passed + passage.data, failure or passage.failure
    return Read(passed, events, data, failure)


def model(stream: bytes) -> Read:
    """Reads frames one by one from a whole stream, as the layout says and with zlib alone."""
    inflate = zlib.decompressobj(zdict=dictionary())
    events: list[tuple[object, ...]] = []
    data: dict[int, bytes] = {}
    at = 0
    while at < len(stream):
        control, flags = stream[at] >> 7, stream[at + 4]
        length = int.from_bytes(stream[at + 5 : at + 8], "big")
        payload = stream[at + 8 : at + 8 + length]
        sid = int.from_bytes(payload[:4], "big")
        word = int.from_bytes(payload[4:8], "big")
        if not control:
            sid = int.from_bytes(stream[at : at + 4], "big")
            if payload:
                data[sid] = data.get(sid, b"") + payload
            events.append(("data", sid, bool(flags & 1)))
        else:
            match int.from_bytes(stream[at + 2 : at + 4], "big"):
                case 1:
                    events.append(("StreamOpened", sid, parse_pairs(inflate.decompress(payload[10:])), bool(flags & 1), bool(flags & 2)))
                case 2 | 8 as kind:
                    events.append(("StreamReplied", sid, parse_pairs(inflate.decompress(payload[4:])), bool(flags & 1), kind == 8))
                case 3:
                    events.append(("StreamReset", sid, word))
                case 6:
                    events.append(("Pinged", sid))
                case 7:
                    events.append(("GoneAway", sid, word))
                case kind:
                    events.append(("Ignored", kind))
        at += 8 + length
    return Read(stream, events, data, "")


pairs = st.lists(
    st.tuples(st.sampled_from([b"streamtype", b"port", b"requestid", b"x"]), st.binary(max_size=30)),
    max_size=4,
    unique_by=lambda pair: pair[0],
)
words = st.integers(1, 2**31 - 1)
frames = st.one_of(
    st.tuples(st.just("open"), pairs, st.integers(0, 3)),
    st.tuples(st.just("reply"), pairs, st.integers(0, 1)),
    st.tuples(st.just("data"), words, st.binary(max_size=50), st.booleans()),
    st.tuples(st.just("reset"), words, words),
    st.tuples(st.just("ping"), words),
    st.tuples(st.just("goaway"), words, words),
    st.tuples(st.just("window"), words, words),
    st.tuples(st.just("settings"), st.integers(0, 3)),
)


def syn_stream(stream: int, block: bytes, flags: int = 0) -> bytes:
    return spdy.control_frame(spdy.SYN_STREAM, stream.to_bytes(4, "big") + bytes(6) + block, flags)


def wire_of(written: list[tuple[object, ...]], opens: bool) -> bytes:
    compressor, next_stream, parts = Compressor(), 1, []
    for frame in written:
        match frame:
            case ("open", list() as headers, int() as flags) if opens:
                parts.append(syn_stream(next_stream, compressor.write(headers), flags))
                next_stream += 2
            case ("open" | "reply", list() as headers, int() as flags):
                kind = spdy.HEADERS if opens else spdy.SYN_REPLY
                parts.append(spdy.control_frame(kind, (1).to_bytes(4, "big") + compressor.write(headers), flags & 1))
            case ("data", int() as stream, bytes() as payload, bool() as fin):
                parts.append(spdy.data_frame(stream, payload, fin=fin))
            case ("reset", int() as stream, int() as status):
                parts.append(spdy.rst_stream(stream, status))
            case ("ping", int() as identifier):
                parts.append(spdy.ping(identifier))
            case ("goaway", int() as stream, int() as status):
                parts.append(spdy.goaway(stream, status))
            case ("window", int() as stream, int() as delta):
                parts.append(spdy.control_frame(spdy.WINDOW_UPDATE, spdy.WORDS.pack(stream, delta)))
            case ("settings", int() as count):
                parts.append(spdy.control_frame(spdy.SETTINGS, count.to_bytes(4, "big") + bytes(8 * count)))
    return b"".join(parts)


@settings(max_examples=150)
@given(st.lists(frames, max_size=8), st.booleans(), st.lists(st.integers(1, 40), min_size=1), st.frozensets(words, max_size=2))
def test_it_reads_what_the_model_reads_however_it_arrives(
    written: list[tuple[object, ...]], opens: bool, sizes: list[int], whole: frozenset[int]
) -> None:
    stream = wire_of(written, opens)
    chunks, at = [], 0
    while at < len(stream):
        chunks.append(stream[at : at + sizes[len(chunks) % len(sizes)]])
        at += len(chunks[-1])
    expected = model(stream)
    assert follow([stream], opens, whole) == expected
    assert follow(chunks, opens, whole) == expected
    assert follow([bytes([byte]) for byte in stream], opens, whole) == expected


def test_kubectls_own_first_frames() -> None:
    """SYN_STREAM of the error stream, as kubectl 1.32 sent it for ``kubectl exec``, flate level and all."""
    compressor = zlib.compressobj(9, zdict=dictionary())
    block = compressor.compress(encode_pairs([(b"streamtype", b"error")])) + compressor.flush(zlib.Z_SYNC_FLUSH)
    read = follow([syn_stream(1, block)], True)
    assert read.events == [("StreamOpened", 1, [(b"streamtype", b"error")], False, False)]


def test_control_frames_pass_whole_and_payload_as_it_arrives() -> None:
    follower = Follower(False, lambda event: None)
    ping = spdy.ping(2)
    assert follower.feed(ping[:-1]).data == b""
    assert follower.feed(ping[-1:]).data == ping
    data = spdy.data_frame(3, b"abcdef", fin=True)
    assert follower.feed(data[:10]).data == data[:10]
    assert (follower.left, follower.stream, follower.fin, follower.at_boundary) == (4, 3, True, False)
    follower.skip(3)
    assert follower.feed(b"f").data == b"f"
    assert follower.at_boundary


def test_error_streams_pass_whole() -> None:
    follower = Follower(False, lambda event: None, whole={1})
    frame = spdy.data_frame(1, b"{...}")
    assert follower.feed(frame[:-1]).data == b""
    assert follower.feed(frame[-1:]).data == frame


def test_a_sink_refuses_a_frame_before_any_of_it_passes() -> None:
    follower = Follower(False, lambda event: "not on 5" if isinstance(event, DataStarted) and event.stream == 5 else None)
    good = spdy.data_frame(3, b"good")
    passage = follower.feed(good + spdy.data_frame(5, b"bad"))
    assert (passage.data, passage.failure) == (good, "not on 5")
    assert follower.at_boundary


def block(*headers: tuple[bytes, bytes]) -> bytes:
    return Compressor().write(list(headers))


@pytest.mark.threat("17")
@pytest.mark.parametrize(
    ("opens", "frame", "sentence"),
    [
        (True, b"\x80\x02" + syn_stream(1, block())[2:], "not of version 3"),
        (True, b"\x80\x03\x00\x01\x00\x01\x00\x01", "more than 65536"),
        (True, b"\x80\x03\x00\x01\x00\xff\xff\xff", "more than 65536"),
        (True, spdy.control_frame(spdy.SYN_STREAM, bytes(9)), "too short"),
        (True, syn_stream(1, block(), 4), "unknown flag"),
        (True, syn_stream(2, block()), "even"),
        (True, syn_stream(0, block()), "even"),
        (True, syn_stream(0x80000001, block()), "even, or not above"),
        (True, spdy.control_frame(spdy.SYN_REPLY, bytes(3) + b"\1" + block()), "wrong side"),
        (False, syn_stream(2, block()), "a cluster opened"),
        (False, spdy.control_frame(spdy.SYN_REPLY, bytes(3)), "too short"),
        (False, spdy.control_frame(spdy.SYN_REPLY, bytes(4) + block()), "names no stream"),
        (False, spdy.control_frame(spdy.RST_STREAM, bytes(3) + b"\1" + bytes(4) + spdy.ping(2)), "wrong length"),
        (False, spdy.control_frame(spdy.RST_STREAM, bytes(8)), "names no stream"),
        (False, spdy.control_frame(spdy.PING, bytes(8)), "wrong length"),
        (False, spdy.control_frame(spdy.PING, bytes(4), 1), "wrong length or flag"),
        (False, spdy.control_frame(spdy.GOAWAY, bytes(4)), "wrong length"),
        (False, spdy.control_frame(spdy.SETTINGS, b"\xff\xff\xff\xff" + bytes(8)), "length of its entries"),
        (False, spdy.control_frame(spdy.SETTINGS, b""), "length of its entries"),
        (False, spdy.control_frame(5, b""), "type is unknown"),
        (False, spdy.control_frame(10, bytes(8)), "type is unknown"),
        (False, spdy.data_frame(0, b"x"), "no stream"),
        (False, b"\0\0\0\1\2\0\0\0", "unknown flag"),
    ],
)
def test_refused(opens: bool, frame: bytes, sentence: str) -> None:
    good = spdy.ping(3)
    read = follow([good + frame], opens)
    assert sentence in read.failure
    assert read.passed == good
    assert follow([bytes([byte]) for byte in good + frame], opens) == read


@pytest.mark.threat("17")
def test_stream_identifiers_rise() -> None:
    compressor = Compressor()
    first, again = syn_stream(5, compressor.write([])), syn_stream(5, compressor.write([]))
    read = follow([first + again], True)
    assert read.passed == first
    assert "not above the one before" in read.failure


@settings(max_examples=200)
@given(st.binary(max_size=60), st.booleans())
def test_noise_passes_or_is_refused_but_never_raises(noise: bytes, opens: bool) -> None:
    read = follow([noise], opens)
    assert noise.startswith(read.passed)
    assert follow([bytes([byte]) for byte in noise], opens).passed == read.passed
