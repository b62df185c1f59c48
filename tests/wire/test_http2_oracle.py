"""HTTP/2 against the h2 library, frame by frame: whatever our server takes, the library takes too and reads alike.

Where the library takes what ours refuses, that is on purpose and stands in the list of docs/wire.md: see test_strictness.py.
"""

from __future__ import annotations

from typing import NamedTuple

import h2.events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from hpack import Encoder
from http2_scene import frame
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from kgate.wire.events import ConnectionFailed, DataReceived, Event, RequestReceived, StreamEnded, StreamReset, TrailersReceived
from kgate.wire.http2 import Http2Limits, ServerConnection
from kgate.wire.http2_frames import PREFACE, FrameType

GREETING = PREFACE + frame(FrameType.SETTINGS, 0, 0, b"")
_GOAWAY, _RST_STREAM, _HEADERS = 7, 3, 1


class Said(NamedTuple):
    """One thing that a frame told, in one shape for both."""

    what: str
    stream: int
    content: object = None


class Ours:
    """Our server. ``refused``: it answered the peer's frame by a reset, a GOAWAY or a status of its own."""

    def __init__(self) -> None:
        self.http = ServerConnection(Http2Limits(), Clock().seconds)
        self.http.receive(GREETING)
        self.http.data_to_send()

    def read(self, data: bytes) -> tuple[list[Said], bool]:
        events = self.http.receive(data)
        sent, kinds = self.http.data_to_send(), set()
        while sent:
            kinds.add(sent[3])
            sent = sent[9 + int.from_bytes(sent[:3], "big") :]
        refused = bool(kinds & {_GOAWAY, _RST_STREAM, _HEADERS})
        return [said for event in events for said in self._said(event)], refused

    def _said(self, event: Event) -> list[Said]:
        match event:
            case RequestReceived(stream, head, ended):
                fields = {b":method": head.method, b":path": head.target, b":authority": head.authority}
                return [Said("request", stream, (fields, head.headers)), *([Said("end", stream)] if ended else [])]
            case DataReceived(stream, data):
                return [Said("data", stream, data)]
            case TrailersReceived(stream, headers):
                return [Said("trailers", stream, headers)]
            case StreamEnded(stream):
                return [Said("end", stream)]
            case StreamReset(stream, code, by_peer) if by_peer:
                return [Said("reset", stream, code)]
            case ConnectionFailed() | StreamReset():
                return []
        return [Said(type(event).__name__, 0)]


class Theirs:
    """The library's server."""

    def __init__(self) -> None:
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.http.initiate_connection()
        self.http.receive_data(GREETING)

    def read(self, data: bytes) -> tuple[list[Said], bool]:
        try:
            events = self.http.receive_data(data)
        except ProtocolError:
            return [], True
        refused = any(isinstance(event, h2.events.StreamReset) and not event.remote_reset for event in events)
        return [said for event in events for said in self._said(event)], refused

    def _said(self, event: h2.events.Event) -> list[Said]:
        match event:
            case h2.events.RequestReceived():
                fields = {name: value for name, value in event.headers if name[:1] == b":" and name != b":scheme"}
                plain = [(bytes(name), bytes(value)) for name, value in event.headers if name[:1] != b":"]
                return [Said("request", event.stream_id, (fields, plain))]
            case h2.events.DataReceived():
                return [Said("data", event.stream_id, event.data)] if event.data else []
            case h2.events.TrailersReceived():
                return [Said("trailers", event.stream_id, [(bytes(name), bytes(value)) for name, value in event.headers])]
            case h2.events.StreamEnded():
                return [Said("end", event.stream_id)]
            case h2.events.StreamReset():
                return [Said("reset", event.stream_id, int(event.error_code))]
        return []


HEAD = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/x")]
_more = st.sampled_from(
    [
        (b"accept", b"*/*"),
        (b"x-a", b"b"),
        (b"x-a", b""),
        (b"X-A", b"b"),
        (b"content-length", b"3"),
        (b"content-length", b"0"),
        (b"content-length", b"-1"),
        (b"connection", b"close"),
        (b"te", b"trailers"),
        (b"te", b"gzip"),
        (b":path", b"/y"),
        (b":status", b"200"),
        (b"x-a", b"a\r\nb"),
        (b"x-a", b" b"),
        (b"", b"x"),
        (b"a b", b"x"),
        (b"transfer-encoding", b"chunked"),
    ]
)


@st.composite
def header_lists(draw: st.DrawFn) -> list[tuple[bytes, bytes]]:
    """A request's or a trailer section's fields, most of them right."""
    listed = list(HEAD) if draw(st.booleans()) else []
    if listed and not draw(st.integers(0, 5)):
        del listed[draw(st.integers(0, 3))]
    listed += draw(st.lists(_more, max_size=2))
    return listed if draw(st.integers(0, 5)) else listed[::-1]


_streams = st.sampled_from([1, 1, 1, 3, 3, 5, 0, 2, 7])
_blocks = header_lists().map(lambda listed: Encoder().encode(listed))
_frames = st.one_of(
    st.builds(lambda stream, block, end: frame(FrameType.HEADERS, 4 | end, stream, block), _streams, _blocks, st.integers(0, 1)),
    st.builds(
        lambda stream, block, end, at: (
            frame(FrameType.HEADERS, end, stream, block[:at]) + frame(FrameType.CONTINUATION, 4, stream, block[at:])
        ),
        _streams,
        _blocks,
        st.integers(0, 1),
        st.integers(0, 20),
    ),
    st.builds(
        lambda stream, data, end: frame(FrameType.DATA, end, stream, data),
        _streams,
        st.sampled_from([b"", b"abc", b"a"]),
        st.integers(0, 1),
    ),
    st.builds(lambda stream, pad: frame(FrameType.DATA, 8, stream, bytes([pad]) + b"abc"), _streams, st.integers(0, 5)),
    st.builds(
        lambda stream, by: frame(FrameType.WINDOW_UPDATE, 0, stream, by.to_bytes(4, "big")), _streams, st.sampled_from([1, 2**31 - 1])
    ),
    st.builds(lambda stream: frame(FrameType.RST_STREAM, 0, stream, b"\0\0\0\x08"), _streams),
    st.builds(
        lambda stream, on: frame(FrameType.PRIORITY, 0, stream, on.to_bytes(4, "big") + b"\x10"), _streams, st.sampled_from([0, 1, 3])
    ),
    st.builds(lambda ack: frame(FrameType.PING, ack, 0, b"12345678"), st.integers(0, 1)),
    st.builds(
        lambda pairs: frame(FrameType.SETTINGS, 0, 0, pairs),
        st.sampled_from([b"", b"\0\2\0\0\0\2", b"\0\4\0\0\0\0", b"\0\4\x80\0\0\0", b"\0\5\0\0\0\1", b"\x77\0\0\0\0\1", b"\0"]),
    ),
    st.builds(lambda kind, stream: frame(kind, 0, stream, b"xxxx"), st.sampled_from([5, 9, 77]), _streams),
)


@settings(max_examples=400)
@given(st.lists(_frames, min_size=1, max_size=8))
def test_what_our_server_takes_the_library_takes_and_reads_alike(script: list[bytes]) -> None:
    ours, theirs = Ours(), Theirs()
    for each in script:
        we, we_refused = ours.read(each)
        if we_refused:
            return
        they, they_refused = theirs.read(each)
        assert not they_refused, f"the library refuses {each!r}"
        assert we == they
