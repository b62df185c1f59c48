"""Our client: a server by hand answers, well or badly; the upstream is not trusted either."""

from __future__ import annotations

import pytest
from http2_scene import ASK, GET, OK, SEND, ClientScene, cut, data, headers, literal, other, rst, setting, window
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import (
    ConnectionFailed,
    DataReceived,
    GoawayReceived,
    InformationReceived,
    RequestHead,
    ResponseReceived,
    SharedFields,
    StreamEnded,
    StreamReset,
    StreamWritable,
    TrailersReceived,
)
from kgate.wire.hpack import FIRST_BLOCK, Decoder
from kgate.wire.http2 import ClientConnection, ErrorCode, Http2Limits
from kgate.wire.http2_fields import coded
from kgate.wire.http2_frames import END_HEADERS, END_STREAM, PREFACE, FrameType, Setting, frame


@pytest.mark.parametrize(("connection_window", "increments"), [(65535, []), (65536, [1]), (1 << 20, [(1 << 20) - 65535])])
def test_the_client_opens_its_window_as_far_as_it_is_told(connection_window: int, increments: list[int]) -> None:
    sent = ClientConnection(Http2Limits(connection_window=connection_window), Clock().seconds).data_to_send()
    assert [each.number for each in cut(sent[len(PREFACE) :]) if each.kind is FrameType.WINDOW_UPDATE] == increments


def test_the_client_greets_at_once_and_takes_no_pushes() -> None:
    http = ClientConnection(Http2Limits(initial_window=100000), Clock().seconds)
    sent = http.data_to_send()
    assert sent.startswith(PREFACE)
    first, second = cut(sent[len(PREFACE) :])
    pairs = [
        (int.from_bytes(first.payload[at : at + 2], "big"), int.from_bytes(first.payload[at + 2 : at + 6], "big")) for at in range(0, 18, 6)
    ]
    assert pairs == [(Setting.ENABLE_PUSH, 0), (Setting.INITIAL_WINDOW_SIZE, 100000), (Setting.MAX_HEADER_LIST_SIZE, 65536)]
    assert (second.kind, second.stream) == (FrameType.WINDOW_UPDATE, 0)


def test_a_request_and_its_response() -> None:
    scene = ClientScene()
    assert scene.http.open(other(ASK, headers=[(b"accept", b"x"), (b"impersonate-user", b"alice")]), True) == 1
    (sent,) = scene.sent()
    assert (sent.kind, sent.flags) == (FrameType.HEADERS, END_HEADERS | END_STREAM)
    assert Decoder(65536).decode(sent.payload) == [*GET, (b"accept", b"x"), (b"impersonate-user", b"alice")]
    assert b"\x10\x10impersonate-user" in sent.payload, "never indexed"
    events = scene.receive(headers(1, [*OK, (b"content-length", b"2")], end=False), data(1, b"hi", end=True))
    assert events == [ResponseReceived(1, 200, [(b"content-length", b"2")], False), DataReceived(1, b"hi", 2), StreamEnded(1)]
    assert scene.http.idle


HEADS = st.builds(
    lambda method, target, authority, headers, shared: RequestHead(
        method, target, authority, [*(shared.fields if shared else []), *headers], shared
    ),
    st.sampled_from([b"", b"GET", b"POST", b"\x00"]),
    st.sampled_from([b"/", b"/a", b"", b"/\n"]),
    st.sampled_from([b"", b"a.example", b"b.example:1", b"\r"]),
    st.lists(st.sampled_from([(b"audit-id", b"1"), (b"accept", b"x"), (b"connection", b"x"), (b"x", b"\x00")]), max_size=2),
    st.one_of(st.none(), st.lists(st.sampled_from([(b"accept", b"y"), (b"impersonate-user", b"u")])).map(SharedFields)),
)


@given(st.lists(HEADS, max_size=6))
def test_each_request_of_a_connection_is_written_as_if_it_were_its_first(heads: list[RequestHead]) -> None:
    scene = ClientScene()
    for head in heads:
        pseudo = [(b":method", head.method), (b":scheme", b"https"), (b":authority", head.authority), (b":path", head.target)]
        try:
            plain = b"".join([coded(*field) for field in [*pseudo, *head.headers]])
        except LocalProtocolError:
            with pytest.raises(LocalProtocolError):
                scene.http.open(head, True)
            continue
        scene.http.open(head, True)
        (sent,) = scene.sent()
        assert sent.payload.removeprefix(FIRST_BLOCK) == plain


def test_information_comes_before_the_response_and_trailers_after() -> None:
    scene = ClientScene()
    scene.http.open(ASK, True)
    events = scene.receive(
        headers(1, [(b":status", b"103"), (b"link", b"<x>")], end=False),
        headers(1, OK, end=False),
        headers(1, [(b"grpc-status", b"0")]),
    )
    assert events == [
        InformationReceived(1, 103, [(b"link", b"<x>")]),
        ResponseReceived(1, 200, [], False),
        TrailersReceived(1, [(b"grpc-status", b"0")]),
        StreamEnded(1),
    ]


def test_the_response_may_end_before_the_request() -> None:
    scene = ClientScene()
    scene.http.open(SEND, False)
    assert scene.receive(headers(1, [(b":status", b"413")]), rst(1, 0)) == [
        ResponseReceived(1, 413, [], True),
        StreamReset(1, ErrorCode.NO_ERROR, by_peer=True),
    ]
    assert scene.http.send_data(1, b"x") == 0


@pytest.mark.parametrize(
    ("method", "status", "length"), [(b"HEAD", b"200", b"5"), (b"GET", b"304", b"5"), (b"GET", b"204", b"0"), (b"HEAD", b"404", b"77")]
)
def test_content_length_without_content(method: bytes, status: bytes, length: bytes) -> None:
    scene = ClientScene()
    scene.http.open(other(ASK, method=method), True)
    scene.http.open(other(ASK, method=method), True)
    fields = [(b":status", status), (b"content-length", length)]
    assert scene.receive(headers(1, fields)) == [ResponseReceived(1, int(status), fields[1:], True)]
    assert scene.receive(headers(3, fields, end=False), data(3, b"x"))[-1] == StreamReset(3, ErrorCode.PROTOCOL_ERROR, by_peer=False)


@pytest.mark.threat("08")
@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b":status", b"20")],
        [(b":status", b"2000")],
        [(b":status", b"abc")],
        [(b":status", b"099")],
        [(b":status", b"600")],
        [(b":status", b"+20")],
        [(b":status", b"101")],
        [*OK, *OK],
        [*OK, (b":path", b"/")],
        [(b"a", b"b"), *OK],
        [*OK, (b"Upper", b"x")],
        [*OK, (b"a", b"x\r\nset-cookie: y")],
        [*OK, (b"a", b"x\0")],
        [*OK, (b"a", b" x")],
        [*OK, (b"connection", b"close")],
        [*OK, (b"transfer-encoding", b"chunked")],
        [*OK, (b"upgrade", b"h2c")],
        [*OK, (b"content-length", b"1"), (b"content-length", b"2")],
        [*OK, (b"content-length", b"-1")],
        [*OK, (b"content-length", b"7")],  # and the response has ended
        [(b":status", b"100")],  # and the response has ended
    ],
    ids=repr,
)
def test_malformed_responses_reset_their_stream_alone(fields: list[tuple[bytes, bytes]]) -> None:
    scene = ClientScene()
    scene.http.open(ASK, True)
    scene.http.open(ASK, True)
    scene.sent()
    assert scene.receive(headers(1, fields)) == [StreamReset(1, ErrorCode.PROTOCOL_ERROR, by_peer=False)]
    (sent,) = scene.sent()
    assert (sent.kind, sent.stream, sent.number) == (FrameType.RST_STREAM, 1, ErrorCode.PROTOCOL_ERROR)
    assert scene.receive(headers(3, OK)) == [ResponseReceived(3, 200, [], True)]


@pytest.mark.threat("08")
@pytest.mark.parametrize("bodies", [[b"abcd"], [b"ab"], [b"ab", b"cd"], [b""]])
def test_a_body_other_than_content_length_resets_the_stream(bodies: list[bytes]) -> None:
    scene = ClientScene()
    scene.http.open(ASK, True)
    scene.receive(headers(1, [*OK, (b"content-length", b"3")], end=False))
    frames = [data(1, body, end=place == len(bodies) - 1) for place, body in enumerate(bodies)]
    assert scene.receive(*frames)[-1] == StreamReset(1, ErrorCode.PROTOCOL_ERROR, by_peer=False)


@pytest.mark.threat("08")
def test_information_without_end_is_bounded() -> None:
    scene = ClientScene()
    scene.http.open(ASK, True)
    one = headers(1, [(b":status", b"102")], end=False)
    assert len(scene.receive(*[one] * 8)) == 8
    assert scene.receive(one) == [StreamReset(1, ErrorCode.PROTOCOL_ERROR, by_peer=False)]


@pytest.mark.threat("08")
@pytest.mark.parametrize(
    "unasked",
    [
        headers(1, OK),
        headers(2, OK),
        data(1, b"x"),
        rst(1),
        window(1, 1),
        frame(FrameType.PUSH_PROMISE, 4, 1, b"\0\0\0\x02" + literal(GET)),
        setting(Setting.ENABLE_PUSH, 1),
    ],
)
def test_what_nobody_asked_for_ends_the_connection(unasked: bytes) -> None:
    scene = ClientScene()
    (failure,) = scene.receive(unasked)
    assert isinstance(failure, ConnectionFailed) and failure.status == 502 and failure.code == ErrorCode.PROTOCOL_ERROR
    assert scene.http.closing and scene.http.capacity == 0


def test_data_before_the_head_resets_the_stream() -> None:
    scene = ClientScene()
    scene.http.open(ASK, True)
    assert scene.receive(data(1, b"x")) == [StreamReset(1, ErrorCode.PROTOCOL_ERROR, by_peer=False)]


def test_a_header_list_that_is_too_large_resets_the_stream() -> None:
    scene = ClientScene(Http2Limits(header_list=1000))
    scene.http.open(ASK, True)
    assert scene.receive(headers(1, [*OK, (b"a", b"x" * 1000)])) == [StreamReset(1, ErrorCode.ENHANCE_YOUR_CALM, by_peer=False)]


@pytest.mark.threat("08")
@pytest.mark.parametrize("status", [b"200", b"204", b"304", b"599"])
def test_every_status_that_there_is(status: bytes) -> None:
    scene = ClientScene()
    scene.http.open(ASK, True)
    said = [(b":status", status), (b"content-length", b"7" if status in (b"204", b"304") else b"0")]
    assert scene.receive(headers(1, said)) == [ResponseReceived(1, int(status), said[1:], True)]


@pytest.mark.threat("08")
def test_an_answer_that_has_no_content_has_no_data_either() -> None:
    for status in (b"204", b"304"):
        scene = ClientScene()
        scene.http.open(ASK, True)
        events = scene.receive(headers(1, [(b":status", status), (b"content-length", b"1")], end=False), data(1, b"x"))
        assert events[-1] == StreamReset(1, ErrorCode.PROTOCOL_ERROR, by_peer=False)


def test_information_has_each_status_below_200_but_101() -> None:
    scene = ClientScene()
    scene.http.open(ASK, True)
    for status in (b"100", b"102", b"199"):
        assert scene.receive(headers(1, [(b":status", status)], end=False)) == [InformationReceived(1, int(status), [])]


def test_a_table_changed_by_the_answer_to_a_stream_that_we_reset_counts_too() -> None:
    scene = ClientScene()
    scene.http.open(ASK, True)
    scene.http.open(ASK, True)
    scene.http.reset(1, ErrorCode.CANCEL)
    assert scene.receive(frame(FrameType.HEADERS, 5, 1, literal(OK) + b"\x40\x01a\x01b")) == []
    assert scene.receive(frame(FrameType.HEADERS, 5, 3, literal(OK) + b"\xbe")) == [ResponseReceived(3, 200, [(b"a", b"b")], True)]


def test_a_server_may_say_that_it_takes_no_pushes_and_nothing_else_of_them() -> None:
    scene = ClientScene()
    assert scene.receive(setting(Setting.ENABLE_PUSH, 0)) == []
    (failed,) = scene.receive(setting(Setting.ENABLE_PUSH, 1))
    assert isinstance(failed, ConnectionFailed) and failed.code == ErrorCode.PROTOCOL_ERROR


def test_what_comes_for_a_stream_that_goaway_gave_back_breaks_nothing_but_its_rules() -> None:
    scene = ClientScene()
    scene.http.open(ASK, True)
    scene.http.open(ASK, True)
    scene.receive(frame(FrameType.GOAWAY, 0, 0, b"\0\0\0\x01" + bytes(4)))
    assert scene.receive(rst(3), window(3, 1)) == []
    assert scene.receive(headers(1, OK)) == [ResponseReceived(1, 200, [], True)]


def test_capacity_is_what_the_server_and_we_allow() -> None:
    scene = ClientScene(Http2Limits(streams=150))
    assert scene.http.capacity == 100
    scene.receive(setting(Setting.MAX_CONCURRENT_STREAMS, 1000))
    assert scene.http.capacity == 150
    scene.receive(setting(Setting.MAX_CONCURRENT_STREAMS, 2))
    scene.http.open(ASK, True)
    scene.http.open(ASK, True)
    assert scene.http.capacity == 0
    with pytest.raises(LocalProtocolError):
        scene.http.open(ASK, True)
    scene.receive(setting(Setting.MAX_CONCURRENT_STREAMS, 1))
    assert scene.http.capacity == 0
    scene.receive(headers(1, OK), headers(3, OK))
    assert scene.http.capacity == 1


def test_goaway_gives_back_the_streams_that_were_not_taken() -> None:
    scene = ClientScene()
    assert [scene.http.open(ASK, True) for _ in range(3)] == [1, 3, 5]
    assert scene.receive(frame(FrameType.GOAWAY, 0, 0, b"\0\0\0\x01" + bytes(4))) == [
        GoawayReceived(1, 0),
        StreamReset(3, ErrorCode.REFUSED_STREAM, by_peer=True),
        StreamReset(5, ErrorCode.REFUSED_STREAM, by_peer=True),
    ]
    assert scene.http.capacity == 0 and not scene.http.closing
    assert scene.receive(headers(1, OK)) == [ResponseReceived(1, 200, [], True)]
    assert scene.http.closing


def test_a_first_goaway_that_only_warns_takes_nothing_away() -> None:
    scene = ClientScene()
    scene.http.open(ASK, True)
    assert scene.receive(frame(FrameType.GOAWAY, 0, 0, b"\x7f\xff\xff\xff" + bytes(4))) == [GoawayReceived(2**31 - 1, 0)]
    assert scene.http.open_streams == 1 and scene.http.capacity == 0


def test_a_refused_stream_is_told_as_such() -> None:
    scene = ClientScene()
    scene.http.open(ASK, True)
    assert scene.receive(rst(1, ErrorCode.REFUSED_STREAM)) == [StreamReset(1, ErrorCode.REFUSED_STREAM, by_peer=True)]


def test_shutdown_ends_with_the_last_stream() -> None:
    scene = ClientScene()
    scene.http.open(ASK, True)
    scene.http.shutdown()
    assert scene.http.capacity == 0 and not scene.http.closing
    scene.receive(headers(1, OK))
    assert scene.http.closing


def test_a_body_goes_out_as_the_server_lets_it() -> None:
    scene = ClientScene()
    scene.http.open(SEND, False)
    assert scene.http.send_data(1, b"x" * 70000, True) == 70000 - 65535
    assert scene.receive(window(0, 100000)) == []
    assert scene.receive(window(1, 100000)) == [StreamWritable(1)]
    assert scene.sent()[-1].flags == END_STREAM


def test_other_end_of_numbers() -> None:
    scene = ClientScene()
    scene.http._next = 2**31 - 1
    assert scene.http.open(ASK, True) == 2**31 - 1
    assert scene.http.capacity == 0


def test_cancelled_downloads_that_are_still_on_their_way_do_no_harm() -> None:
    scene = ClientScene()
    for stream in range(1, 201, 2):
        scene.http.open(ASK, True)
        scene.receive(headers(stream, OK, end=False))
        scene.http.reset(stream, ErrorCode.CANCEL)
    for stream in range(1, 201, 2):
        assert scene.receive(*[data(stream, b"one log line\n")] * 50) == []
    assert scene.http.capacity == 100
