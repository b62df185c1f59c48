"""Whole connections against the h2 library in either role, by Hypothesis' choice of what happens next: what one side says is what the other hears."""

from __future__ import annotations

from collections import defaultdict

import h2.events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from twisted.internet.task import Clock

from kgate.wire.events import (
    DataReceived,
    InformationReceived,
    RequestHead,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from kgate.wire.http2 import ClientConnection, Http2Limits, ServerConnection

sizes = st.sampled_from([0, 1, 100, 16384, 16385, 40000, 100000])
field_lists = st.lists(
    st.tuples(
        st.from_regex(rb"x-[a-z0-9-]{1,12}", fullmatch=True),
        st.from_regex(rb"[!-~\x80-\xff]([ -~\x80-\xff\t]{0,30}[!-~\x80-\xff])?|", fullmatch=True),
    ),
    max_size=6,
)
LIMITS = Http2Limits(resets=100000, noise=10**6)
FEW = settings(max_examples=40, stateful_step_count=40)


class Peers(RuleBasedStateMachine):
    """What both machines count: the bodies that were sent and that arrived, by stream."""

    library: H2Connection

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[int, int] = defaultdict(int)
        self.heard: dict[int, int] = defaultdict(int)
        self.ended: set[int] = set()
        self.full = False

    @initialize()
    def start(self) -> None:
        self.flush()

    def acceptable(self, stream: int, size: int) -> int:
        """An empty last frame needs no window (RFC 9113 section 6.9.1), but h2 refuses it where SETTINGS made the window negative: not empty then."""
        return 1 if not size and self.library.remote_flow_control_window(stream) < 0 else size

    def flush(self) -> None:
        raise NotImplementedError

    @invariant()
    def nothing_is_heard_that_was_not_said(self) -> None:
        for stream, count in self.heard.items():
            assert count <= self.said[stream]


class OurServer(Peers):
    """h2's client asks our server. Bodies go down, with windows and a transport that fills."""

    def __init__(self) -> None:
        super().__init__()
        self.ours = ServerConnection(LIMITS, Clock().seconds)
        self.library = H2Connection(H2Configuration(header_encoding=None, validate_outbound_headers=False))
        self.library.initiate_connection()
        self.asked: dict[int, list[tuple[bytes, bytes]]] = {}
        self.uploads: list[int] = []
        self.answering: list[int] = []
        self.up: dict[int, int] = defaultdict(int)

    def flush(self) -> None:
        up, down = self.library.data_to_send(), self.ours.data_to_send()
        while up or down:
            for event in self.ours.receive(up):
                match event:
                    case RequestReceived(stream, head):
                        assert head.headers == self.asked[stream]
                        self.ours.send_response(stream, 200, [(b"x-stream", b"%d" % stream)], False)
                        self.answering.append(stream)
                    case DataReceived(stream, data, credit):
                        self.up[stream] -= len(data)
                        self.ours.consumed(stream, credit)
                    case StreamEnded(stream):
                        assert self.up[stream] == 0
                    case StreamReset(stream):
                        self.answering.remove(stream)
            down += self.ours.data_to_send()
            for event in self.library.receive_data(down):
                match event:
                    case h2.events.DataReceived():
                        self.heard[event.stream_id] += len(event.data)
                        self.library.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    case h2.events.StreamEnded():
                        self.ended.add(event.stream_id)
            up, down = self.library.data_to_send(), self.ours.data_to_send()

    @precondition(lambda self: self.library.open_outbound_streams < 100)
    @rule(fields=field_lists, end=st.booleans())
    def ask(self, fields: list[tuple[bytes, bytes]], end: bool) -> None:
        stream = self.library.get_next_available_stream_id()
        self.asked[stream] = fields
        head = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")]
        self.library.send_headers(stream, [*head, *fields], end_stream=end)
        if not end:
            self.uploads.append(stream)
        self.flush()

    @precondition(lambda self: self.uploads)
    @rule(pick=st.randoms(use_true_random=False), size=st.integers(0, 20000), end=st.booleans())
    def upload(self, pick: object, size: int, end: bool) -> None:
        stream = self.uploads[pick.randrange(len(self.uploads))]
        size = min(size, self.library.local_flow_control_window(stream), 16384)
        self.library.send_data(stream, bytes(size), end_stream=end, pad_length=size % 7 if size > 20 and size < 16000 else None)
        self.up[stream] += size
        if end:
            self.uploads.remove(stream)
        self.flush()

    @precondition(lambda self: self.answering)
    @rule(pick=st.randoms(use_true_random=False), size=sizes, end=st.booleans(), trailers=st.booleans())
    def answer(self, pick: object, size: int, end: bool, trailers: bool) -> None:
        stream = self.answering[pick.randrange(len(self.answering))]
        size = self.acceptable(stream, size)
        self.ours.send_data(stream, bytes(size), end and not trailers)
        self.said[stream] += size
        if end:
            self.answering.remove(stream)
            if trailers:
                self.ours.send_trailers(stream, [(b"x-size", b"%d" % self.said[stream])])
        self.flush()

    @precondition(lambda self: self.uploads)
    @rule(pick=st.randoms(use_true_random=False))
    def give_up(self, pick: object) -> None:
        stream = self.uploads.pop(pick.randrange(len(self.uploads)))
        if stream in self.answering:
            self.library.reset_stream(stream)
        else:
            self.library.end_stream(stream)
        self.flush()

    @rule(size=st.sampled_from([0, 10, 65535, 200000]))
    def change_window(self, size: int) -> None:
        self.library.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})
        self.flush()

    @rule()
    def fill_or_drain(self) -> None:
        if self.full:
            self.ours.resume_sending()
            while self.ours.backlog:
                self.flush()
                self.ours.resume_sending()
        else:
            self.ours.pause_sending()
        self.full = not self.full
        self.flush()

    def teardown(self) -> None:
        """All that was said arrives once nothing is in its way."""
        self.library.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20})
        self.library.increment_flow_control_window(1 << 24)
        self.flush()
        for _ in range(1000):
            self.ours.resume_sending()
            self.flush()
            if not self.ours.backlog:
                break
        for stream in self.answering:
            assert self.heard[stream] == self.said[stream]
        for stream in self.ended:
            assert self.heard[stream] == self.said[stream]
        assert not self.ours.closing


class OurClient(Peers):
    """Our client asks h2's server."""

    def __init__(self) -> None:
        super().__init__()
        self.ours = ClientConnection(LIMITS, Clock().seconds)
        self.library = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.library.initiate_connection()
        self.asked: dict[int, RequestHead] = {}
        self.uploads: list[int] = []
        self.answered: dict[int, list[tuple[bytes, bytes]]] = {}
        self.answering: list[int] = []
        self.down: dict[int, int] = defaultdict(int)

    def flush(self) -> None:
        up, down = self.ours.data_to_send(), self.library.data_to_send()
        while up or down:
            for event in self.library.receive_data(up):
                match event:
                    case h2.events.RequestReceived():
                        head = self.asked[event.stream_id]
                        pseudo = [
                            (b":method", head.method),
                            (b":scheme", b"https"),
                            (b":authority", head.authority),
                            (b":path", head.target),
                        ]
                        assert [tuple(field) for field in event.headers] == [*pseudo, *head.headers]
                    case h2.events.DataReceived():
                        self.heard[event.stream_id] += len(event.data)
                        self.library.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    case h2.events.StreamEnded():
                        assert self.heard[event.stream_id] == self.said[event.stream_id]
                        self.ended.add(event.stream_id)
            down += self.library.data_to_send()
            for event in self.ours.receive(down):
                match event:
                    case ResponseReceived(stream, 200, headers) | TrailersReceived(stream, headers):
                        assert headers == self.answered[stream]
                    case InformationReceived(stream, 103, headers):
                        assert headers == self.answered[stream]
                    case DataReceived(stream, data, credit):
                        self.down[stream] -= len(data)
                        self.ours.consumed(stream, credit)
                    case StreamEnded(stream):
                        assert self.down[stream] == 0
            up, down = self.ours.data_to_send(), self.library.data_to_send()

    @precondition(lambda self: self.ours.capacity)
    @rule(fields=field_lists, end=st.booleans())
    def ask(self, fields: list[tuple[bytes, bytes]], end: bool) -> None:
        head = RequestHead(b"PUT", b"/%d" % len(self.asked), b"upstream:6443", fields)
        stream = self.ours.open(head, end)
        self.asked[stream] = head
        if not end:
            self.uploads.append(stream)
        self.flush()
        self.answering.append(stream)

    @precondition(lambda self: self.uploads)
    @rule(pick=st.randoms(use_true_random=False), size=sizes, end=st.booleans())
    def upload(self, pick: object, size: int, end: bool) -> None:
        stream = self.uploads[pick.randrange(len(self.uploads))]
        size = self.acceptable(stream, size)
        self.said[stream] += size
        self.ours.send_data(stream, bytes(size), end)
        if end:
            self.uploads.remove(stream)
        self.flush()

    @precondition(lambda self: self.answering)
    @rule(
        pick=st.randoms(use_true_random=False),
        fields=field_lists,
        sizes=st.lists(st.integers(0, 20000), max_size=3),
        trailers=st.booleans(),
    )
    def answer(self, pick: object, fields: list[tuple[bytes, bytes]], sizes: list[int], trailers: bool) -> None:
        stream = self.answering.pop(pick.randrange(len(self.answering)))
        self.answered[stream] = fields
        self.library.send_headers(stream, [(b":status", b"103"), *fields])
        self.library.send_headers(stream, [(b":status", b"200"), *fields])
        for size in sizes:
            size = min(size, self.library.local_flow_control_window(stream), 16384)
            self.down[stream] += size
            self.library.send_data(stream, bytes(size))
            self.flush()
        if trailers and fields:
            self.library.send_headers(stream, fields, end_stream=True)
        else:
            self.library.end_stream(stream)
        self.flush()

    @precondition(lambda self: self.uploads)
    @rule(pick=st.randoms(use_true_random=False))
    def give_up(self, pick: object) -> None:
        stream = self.uploads.pop(pick.randrange(len(self.uploads)))
        if stream in self.answering:
            self.answering.remove(stream)
            self.ours.reset(stream, 8)
            self.flush()

    @rule(size=st.sampled_from([0, 10, 65535, 200000]), streams=st.integers(0, 200))
    def change_settings(self, size: int, streams: int) -> None:
        self.library.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size, SettingCodes.MAX_CONCURRENT_STREAMS: streams})
        self.flush()

    def teardown(self) -> None:
        assert not self.ours.closing


def test_our_server_and_the_librarys_client() -> None:
    run_state_machine_as_test(OurServer, settings=FEW)


def test_our_client_and_the_librarys_server() -> None:
    run_state_machine_as_test(OurClient, settings=FEW)


def scripts() -> list[bytes]:
    """What h2's client sends in a few connections, and what is wrong in all sorts of ways after it."""
    client = H2Connection(H2Configuration(header_encoding=None))
    client.initiate_connection()
    head = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")]
    for stream in (1, 3, 5):
        client.send_headers(stream, [*head, (b"user-agent", b"kubectl"), (b"x-n", b"%d" % stream)], priority_weight=7)
        client.send_data(stream, b"x" * 50 * stream, pad_length=9)
        client.ping(b"12345678")
    client.end_stream(1)
    client.send_headers(3, [(b"x-trailer", b"1")], end_stream=True)
    client.reset_stream(5)
    good = client.data_to_send()
    return [
        good,
        good + b"\0\0\x04\x08\0\0\0\0\0\0\0\0\0",
        good + b"\0\0\1\1\5\0\0\0\x07\x80" + good,
        b"PRI * HTTP/2.0\r\n\r\nSN",
        good[:-3],
    ]


@given(st.sampled_from(scripts()), st.data())
@settings(max_examples=60)
def test_any_split_of_a_connection_gives_the_same_events(script: bytes, data: st.DataObject) -> None:
    whole, split = (ServerConnection(Http2Limits(), Clock().seconds) for _ in range(2))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(script)), max_size=12)))
    events = [event for start, end in zip([0, *cuts], [*cuts, len(script)], strict=True) for event in split.receive(script[start:end])]
    assert events == whole.receive(script)
    assert split.data_to_send() == whole.data_to_send()


def test_every_byte_on_its_own_gives_the_same_events() -> None:
    for script in scripts():
        whole, split = (ServerConnection(Http2Limits(), Clock().seconds) for _ in range(2))
        assert [event for byte in script for event in split.receive(bytes((byte,)))] == whole.receive(script)
        assert split.data_to_send() == whole.data_to_send()


frames = st.builds(
    lambda kind, flags, stream, payload: len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload,
    st.integers(0, 10),
    st.sampled_from([0, 1, 4, 5, 8, 12, 13, 32, 37, 45]),
    st.sampled_from([0, 1, 2, 3, 5, 2**31 - 1, 2**31 + 1]),
    st.one_of(st.binary(max_size=12), st.just(b"\x82\x86\x84\x41\x01a"), st.just(b"\x83\x87\x84\x41\x01a\x5c\x01\x33"), st.just(bytes(8))),
)


@given(st.lists(frames, max_size=25), st.booleans())
@settings(max_examples=300)
def test_no_row_of_frames_raises_and_splits_make_no_difference(row: list[bytes], client: bool) -> None:
    def fresh() -> ServerConnection | ClientConnection:
        if not client:
            server = ServerConnection(Http2Limits(), Clock().seconds)
            server.receive(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            return server
        made = ClientConnection(Http2Limits(), Clock().seconds)
        made.receive(b"\0\0\0\4\0\0\0\0\0")
        for _ in range(3):
            made.open(RequestHead(b"GET", b"/", b"a", []), False)
        return made

    whole, split = fresh(), fresh()
    script = b"".join(row)
    assert [event for byte in script for event in split.receive(bytes((byte,)))] == whole.receive(script)
    assert split.data_to_send() == whole.data_to_send()
    assert (split.open_streams, split.closing) == (whole.open_streams, whole.closing)
