"""Our server: a client by hand sends frames, and here is what each of them comes to."""

from __future__ import annotations

import pytest
from http2_scene import GET, POST, SETTINGS, SETTINGS_ACK, ServerScene, data, headers, indexed, literal, other, rst, setting, window
from twisted.internet.task import Clock

from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import (
    ConnectionFailed,
    DataReceived,
    GoawayReceived,
    RequestHead,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from kgate.wire.http2 import ErrorCode, Http2Limits, ServerConnection
from kgate.wire.http2_frames import END_HEADERS, END_STREAM, PADDED, PREFACE, PRIORITY, FrameType, Setting, frame

HEAD = RequestHead(b"GET", b"/api/v1/pods", b"gate.example", [])


def failed(events: list[object]) -> ErrorCode:
    """The code of the connection's failure, which is the last event."""
    assert isinstance(events[-1], ConnectionFailed), events
    return ErrorCode(events[-1].code)


def reset_code(scene: ServerScene, stream: int = 1) -> ErrorCode:
    """The code with which the one frame that was sent resets the stream."""
    (sent,) = scene.sent()
    assert (sent.kind, sent.stream) == (FrameType.RST_STREAM, stream)
    return ErrorCode(sent.number)


def test_the_server_greets_at_once() -> None:
    http = ServerConnection(Http2Limits(streams=7, connection_window=100000), Clock().seconds)
    sent = http.data_to_send()
    announced = {int.from_bytes(sent[at : at + 2], "big"): int.from_bytes(sent[at + 2 : at + 6], "big") for at in range(9, 27, 6)}
    assert announced == {Setting.MAX_CONCURRENT_STREAMS: 7, Setting.INITIAL_WINDOW_SIZE: 65536, Setting.MAX_HEADER_LIST_SIZE: 65536}
    assert sent[27:] == window(0, 100000 - 65535)
    assert Setting.ENABLE_CONNECT_PROTOCOL not in announced


def test_a_get_and_its_answer() -> None:
    scene = ServerScene()
    assert scene.receive(headers(1, GET)) == [RequestReceived(1, HEAD, True)]
    scene.http.send_response(1, 200, [(b"content-type", b"text/plain")], False)
    assert scene.http.send_data(1, b"hello", True) == 0
    head, body = scene.sent()
    assert (head.kind, head.flags, head.stream) == (FrameType.HEADERS, END_HEADERS, 1)
    assert (body.kind, body.flags, body.payload) == (FrameType.DATA, END_STREAM, b"hello")
    assert scene.http.idle and scene.http.open_streams == 0 and not scene.http.closing


def test_a_post_with_a_body_and_trailers() -> None:
    scene = ServerScene()
    events = scene.receive(headers(1, POST, end=False), data(1, b"ab"), data(1, b"c"), headers(1, [(b"checksum", b"1")]))
    assert events == [
        RequestReceived(1, other(HEAD, method=b"POST"), False),
        DataReceived(1, b"ab", 2),
        DataReceived(1, b"c", 1),
        TrailersReceived(1, [(b"checksum", b"1")]),
        StreamEnded(1),
    ]


def test_information_response_and_trailers_go_out_in_order() -> None:
    scene = ServerScene()
    scene.receive(headers(1, GET))
    scene.http.send_information(1, 103, [(b"link", b"</style.css>")])
    scene.http.send_response(1, 200, [], False)
    scene.http.send_data(1, b"x")
    scene.http.send_trailers(1, [(b"grpc-status", b"0")])
    assert [(sent.kind, sent.flags & END_STREAM) for sent in scene.sent()] == [
        (FrameType.HEADERS, 0),
        (FrameType.HEADERS, 0),
        (FrameType.DATA, 0),
        (FrameType.HEADERS, END_STREAM),
    ]
    assert scene.http.idle


def test_same_request_again_is_a_value_of_its_own() -> None:
    """The head is remembered, but whoever gets it may change it."""
    scene = ServerScene()
    asked = literal([*GET, (b"accept", b"*/*")])
    (first,) = scene.receive(frame(FrameType.HEADERS, 5, 1, asked))
    first.head.headers.append((b"impersonate-user", b"admin"))
    (second,) = scene.receive(frame(FrameType.HEADERS, 5, 3, asked))
    assert second.head.headers == [(b"accept", b"*/*")]


def test_what_a_block_meant_is_forgotten_when_the_table_changes() -> None:
    """The same byte means another header once something else is the table's newest."""
    scene = ServerScene()
    start = literal(GET)
    first = start + b"\x40\x01a\x01b"
    assert scene.receive(frame(FrameType.HEADERS, 5, 1, first))[0].head.headers == [(b"a", b"b")]
    for stream in (3, 5):
        assert scene.receive(frame(FrameType.HEADERS, 5, stream, start + b"\xbe"))[0].head.headers == [(b"a", b"b")]
    assert scene.receive(frame(FrameType.HEADERS, 5, 7, start + b"\x40\x01c\x01d"))[0].head.headers == [(b"c", b"d")]
    assert scene.receive(frame(FrameType.HEADERS, 5, 9, start + b"\xbe"))[0].head.headers == [(b"c", b"d")]


def test_a_block_that_adds_to_the_table_adds_each_time_that_it_comes() -> None:
    """It means the same, and yet is not remembered: what follows counts from the table's newest."""
    scene = ServerScene()
    start = literal(GET)
    adds = start + b"\x40\x01a\x01b"
    for stream in (1, 3):
        assert scene.receive(frame(FrameType.HEADERS, 5, stream, adds))[0].head.headers == [(b"a", b"b")]
    (event,) = scene.receive(frame(FrameType.HEADERS, 5, 5, start + b"\xbe\xbf"))
    assert event.head.headers == [(b"a", b"b"), (b"a", b"b")]


def test_a_table_changed_by_trailers_of_a_stream_that_is_over_counts_too() -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False))
    scene.http.reset(1, ErrorCode.CANCEL)
    assert scene.receive(frame(FrameType.HEADERS, 5, 1, b"\x40\x01a\x01b")) == []
    (event,) = scene.receive(frame(FrameType.HEADERS, 5, 3, literal(GET) + b"\xbe"))
    assert event.head.headers == [(b"a", b"b")]


def test_a_table_changed_by_trailers_counts_too() -> None:
    scene = ServerScene()
    start = literal(POST)
    scene.receive(frame(FrameType.HEADERS, 5, 1, start + b"\x40\x01a\x01b"))
    assert scene.receive(frame(FrameType.HEADERS, 4, 3, start + b"\xbe"))[0].head.headers == [(b"a", b"b")]
    scene.receive(frame(FrameType.HEADERS, 5, 3, b"\x40\x01c\x01d"))
    assert scene.receive(frame(FrameType.HEADERS, 5, 5, start + b"\xbe"))[0].head.headers == [(b"c", b"d")]


def test_a_header_block_in_pieces_with_padding_and_priority() -> None:
    scene = ServerScene()
    block = literal(GET)
    start = b"\x03" + b"\x00\x00\x00\x00\x10" + block[:10] + b"\0\0\0"
    events = scene.receive(
        frame(FrameType.HEADERS, END_STREAM | PADDED | PRIORITY, 1, start),
        frame(FrameType.CONTINUATION, 0, 1, block[10:20]),
        frame(FrameType.CONTINUATION, END_HEADERS, 1, block[20:]),
    )
    assert events == [RequestReceived(1, HEAD, True)]


@pytest.mark.threat("15")
@pytest.mark.parametrize(
    "between",
    [
        data(1, b"x"), headers(1, [(b"a", b"b")]), headers(3, GET), rst(1), window(1, 1), frame(FrameType.PING, 0, 0, bytes(8)), SETTINGS,
        frame(FrameType.CONTINUATION, END_HEADERS, 3, b""), b"\0\0\0\x42\0\0\0\0\x01",
    ],
    ids=lambda frame: FrameType(frame[3]).name if frame[3] in list(FrameType) else "unknown",
)  # fmt: skip
def test_a_header_block_has_nothing_within_it(between: bytes) -> None:
    scene = ServerScene()
    assert failed(scene.receive(frame(FrameType.HEADERS, END_STREAM, 1, literal(GET)[:5]), between)) is ErrorCode.PROTOCOL_ERROR


def test_priorities_are_five_bytes() -> None:
    scene = ServerScene()
    dependent = b"\0\0\0\0\x10"
    (event,) = scene.receive(frame(FrameType.HEADERS, END_STREAM | END_HEADERS | PRIORITY, 1, dependent + literal(GET)))
    assert event == RequestReceived(1, HEAD, True)
    assert (
        failed(scene.receive(frame(FrameType.HEADERS, END_STREAM | END_HEADERS | PRIORITY, 3, dependent[:4]))) is ErrorCode.FRAME_SIZE_ERROR
    )


def test_a_connection_is_idle_where_nothing_is_live_or_half_received() -> None:
    scene = ServerScene()
    assert scene.http.idle
    begun = frame(FrameType.HEADERS, END_STREAM, 1, literal(GET))
    for piece in (begun[:3], begun[3:], frame(FrameType.CONTINUATION, END_HEADERS, 1, b"")):
        scene.receive(piece)
        assert not scene.http.idle
    scene.http.send_response(1, 204, [], True)
    assert scene.http.idle


def test_frames_are_the_same_however_they_were_cut() -> None:
    whole = headers(1, POST, end=False) + data(1, b"abc") + frame(FrameType.PING, 0, 0, bytes(8)) + data(1, b"d", True) + headers(3, GET)
    told = ServerScene().receive(whole)
    assert len(told) == 5
    for at in range(len(whole)):
        scene = ServerScene()
        assert scene.receive(whole[:at]) + scene.receive(whole[at:]) == told
        assert [sent.kind for sent in scene.sent()] == [FrameType.PING]


def test_padding_is_part_of_the_credit() -> None:
    scene = ServerScene()
    events = scene.receive(headers(1, POST, end=False), frame(FrameType.DATA, PADDED, 1, b"\x04ab" + b"\0" * 4))
    assert events[1] == DataReceived(1, b"ab", 7)


def test_host_that_agrees_is_dropped_and_may_stand_in_for_authority() -> None:
    scene = ServerScene()
    (both,) = scene.receive(headers(1, [*GET, (b"host", b"GATE.example")]))
    assert both.head == HEAD
    (alone,) = scene.receive(headers(3, [*GET[:2], GET[3], (b"host", b"other.example:8443")]))
    assert alone.head == other(HEAD, authority=b"other.example:8443")


def test_cookie_crumbs_are_joined_where_the_first_was() -> None:
    scene = ServerScene()
    (request,) = scene.receive(headers(1, [*GET, (b"a", b"1"), (b"cookie", b"x=1"), (b"b", b"2"), (b"cookie", b"y=2")]))
    assert request.head.headers == [(b"a", b"1"), (b"cookie", b"x=1; y=2"), (b"b", b"2")]


# Malformed requests: the stream is reset, and nobody above hears of it

REGULAR = [
    [(b"Accept", b"x")],
    [(b"", b"x")],
    [(b"x-remote_user", b"x")],
    [(b"impersonate_user", b"admin")],
    [(b"a b", b"x")],
    [(b"a:b", b"x")],
    [(b"a\0", b"x")],
    [(b"\xc3\xa9", b"x")],
    [(b"a", b"x\r\nimpersonate-user: admin")],
    [(b"a", b"x\ny")],
    [(b"a", b"x\x0by")],
    [(b"a", b"x\0y")],
    [(b"a", b"x\x7f")],
    [(b"a", b" x")],
    [(b"a", b"x\t")],
    [(b"connection", b"impersonate-user")],
    [(b"keep-alive", b"1")],
    [(b"proxy-connection", b"close")],
    [(b"transfer-encoding", b"chunked")],
    [(b"upgrade", b"websocket")],
    [(b"te", b"gzip")],
    [(b"te", b"trailers, gzip")],
    [(b"host", b"other.example")],
    [(b"host", b"gate.example"), (b"host", b"gate.example")],
    [(b"content-length", b"1"), (b"content-length", b"1")],
    [(b"content-length", b"+1")],
    [(b"content-length", b"1, 1")],
    [(b"content-length", b"")],
    [(b"content-length", b"9" * 30)],
    [(b"content-length", b"5")],  # the request has ended
    [(b":path", b"/again")],
    [(b"a", b"x"), (b":status", b"200")],
]
PSEUDO = [
    [(b":method", b"GET"), *GET],
    [*GET, (b":authority", b"gate.example")],
    GET[1:],
    [GET[0], *GET[2:]],
    GET[:3],
    [*GET[:2], GET[3]],
    [*GET, (b":status", b"200")],
    [*GET, (b":protocol", b"websocket")],
    [*GET, (b":", b"")],
    *([(b":method", method), *GET[1:]] for method in (b"", b"GET /evil", b"GET\r\n", b"get ", b"CONNECT", b"G\xc3\x89T")),
    *([GET[0], (b":scheme", scheme), *GET[2:]] for scheme in (b"", b"ftp", b"HTTPS", b"https://evil/")),
    *(
        [*GET[:3], (b":path", path)]
        for path in (b"", b"*", b"v1", b"/a b", b"/v HTTP/1.1", b"/a#b", b"/a\r\nx: y", b"/\x7f", b"/\xc3\xa9", b"https://evil/x", b"/a\0")
    ),
    *(
        [*GET[:2], (b":authority", authority), GET[3]]
        for authority in (
            b"",
            b"admin@gate.example",
            b"gate.example/x",
            b"a b",
            b"gate:port",
            b"a\r\nb",
            b"a:1:2",
            b"[::1",
            b"a,b",
            b"\xc3\xa9",
        )
    ),
    [(b":method", b"CONNECT"), GET[2]],
    [(b":method", b"CONNECT"), *GET[1:], (b":protocol", b"websocket")],
]


@pytest.mark.threat("06")
@pytest.mark.parametrize("fields", [[*GET, *more] for more in REGULAR] + PSEUDO, ids=repr)
def test_malformed_requests_are_reset_and_cost_nobody_else_anything(fields: list[tuple[bytes, bytes]]) -> None:
    scene = ServerScene()
    assert scene.receive(headers(1, fields)) == []
    assert reset_code(scene) is ErrorCode.PROTOCOL_ERROR
    assert scene.receive(headers(3, GET)) == [RequestReceived(3, HEAD, True)]


@pytest.mark.parametrize("authority", [b"gate.example", b"gate.example:443", b"10.0.0.1:6443", b"[fe80::1]:6443", b"[::1]", b"a_b.example"])
def test_authorities_that_are_hosts(authority: bytes) -> None:
    scene = ServerScene()
    (event,) = scene.receive(headers(1, [*GET[:2], (b":authority", authority), GET[3]]))
    assert isinstance(event, RequestReceived) and event.head.authority == authority


def test_both_schemes_of_http_are_taken() -> None:
    """What stands before the gate may have taken TLS off."""
    (event,) = ServerScene().receive(headers(1, [GET[0], (b":scheme", b"http"), *GET[2:]]))
    assert event == RequestReceived(1, HEAD, True)


@pytest.mark.parametrize("method", [b"TRACE", b"get", b"PROPFIND"])
def test_a_method_that_is_not_served_is_answered_501_here(method: bytes) -> None:
    scene = ServerScene()
    assert scene.receive(headers(1, [(b":method", method), *GET[1:]])) == []
    (answer,) = scene.sent()
    assert answer.kind is FrameType.HEADERS and answer.flags & END_STREAM and b"501" in answer.payload


@pytest.mark.threat("16")
def test_a_header_list_that_is_too_large_is_answered_431_and_the_connection_goes_on() -> None:
    scene = ServerScene(Http2Limits(header_list=1000))
    scene.receive(headers(1, GET, end=False))
    assert scene.receive(headers(3, [*GET, (b"a", b"x" * 1000)], end=False)) == []
    answer, end = scene.sent()
    assert (answer.kind, answer.stream) == (FrameType.HEADERS, 3) and answer.flags & END_STREAM and b"431" in answer.payload
    assert (end.kind, end.stream, end.number) == (FrameType.RST_STREAM, 3, ErrorCode.NO_ERROR)
    assert scene.receive(data(3, b"more"), data(1, b"x")) == [DataReceived(1, b"x", 1)]


def test_the_compression_is_in_step_after_a_list_that_was_too_large() -> None:
    scene = ServerScene(Http2Limits(header_list=1000))
    scene.receive(frame(FrameType.HEADERS, 5, 1, literal([*GET, (b"a", b"x" * 1000)]) + b"\x40\x01c\x01d"))
    (event,) = scene.receive(frame(FrameType.HEADERS, 5, 3, literal(GET) + b"\xbe"))
    assert event == RequestReceived(3, other(HEAD, headers=[(b"c", b"d")]), True)


# content-length


@pytest.mark.threat("06")
@pytest.mark.parametrize("bodies", [[b"abc", b"d"], [b"ab"], [b""], [b"abcd"]])
def test_a_body_other_than_content_length_resets_the_stream(bodies: list[bytes]) -> None:
    scene = ServerScene()
    scene.receive(headers(1, [*POST, (b"content-length", b"3")], end=False))
    last = len(bodies) - 1
    events = scene.receive(*(data(1, body, end=place == last) for place, body in enumerate(bodies)))
    assert events[-1] == StreamReset(1, ErrorCode.PROTOCOL_ERROR, by_peer=False)
    assert StreamEnded(1) not in events
    assert scene.http.idle


def test_trailers_count_against_content_length() -> None:
    scene = ServerScene()
    scene.receive(headers(1, [*POST, (b"content-length", b"3")], end=False))
    assert scene.receive(headers(1, [(b"a", b"b")])) == [StreamReset(1, ErrorCode.PROTOCOL_ERROR, by_peer=False)]


# Trailers


@pytest.mark.threat("02")
@pytest.mark.parametrize(
    "name",
    [
        *(b":path", b":status", b"host", b"content-length", b"transfer-encoding", b"connection", b"te", b"authorization", b"cookie"),
        *(b"expect", b"range", b"content-type", b"content-encoding", b"set-cookie", b"keep-alive", b"trailer", b"upgrade"),
        *(b"proxy-authorization", b"proxy-authenticate", b"impersonate-user", b"impersonate-extra-x", b"x-remote-group"),
        *(b"x-forwarded-for", b"Upper", b"under_score", b""),
    ],
)
def test_trailers_name_no_identity_and_no_framing(name: bytes) -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False))
    assert scene.receive(headers(1, [(name, b"1")])) == [StreamReset(1, ErrorCode.PROTOCOL_ERROR, by_peer=False)]
    assert reset_code(scene) is ErrorCode.PROTOCOL_ERROR


def test_trailers_have_to_end_the_stream() -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False))
    assert scene.receive(headers(1, [(b"a", b"b")], end=False)) == [StreamReset(1, ErrorCode.PROTOCOL_ERROR, by_peer=False)]


# Streams


@pytest.mark.parametrize("streams", [100, 300])
def test_as_many_streams_are_taken_as_were_announced(streams: int) -> None:
    """Also where the operator allows more of them than resets are allowed otherwise: Go's client would ask for what is refused again and again."""
    scene = ServerScene(Http2Limits(streams=streams))
    assert len(scene.receive(*(headers(2 * place + 1, GET) for place in range(streams)))) == streams


@pytest.mark.threat("15")
def test_the_stream_after_the_hundredth_is_refused_and_no_other_suffers() -> None:
    scene = ServerScene()
    assert len(scene.receive(*(headers(2 * place + 1, GET) for place in range(100)))) == 100
    refused = frame(FrameType.HEADERS, 5, 201, literal(GET) + b"\x40\x01a\x01b")
    assert scene.receive(refused) == []
    assert reset_code(scene, 201) is ErrorCode.REFUSED_STREAM
    scene.http.send_response(1, 204, [], True)
    (event,) = scene.receive(frame(FrameType.HEADERS, 5, 203, literal(GET) + b"\xbe"))
    assert event.head.headers == [(b"a", b"b")], "the refused request's headers went into the table all the same"


def test_frames_that_are_late_on_a_stream_that_was_refused_are_ignored() -> None:
    """A client may have sent them before it read the refusal."""
    scene = ServerScene(Http2Limits(streams=1))
    scene.receive(headers(1, POST, end=False), headers(3, POST, end=False))
    scene.sent()
    assert scene.receive(data(3, b"x"), window(3, 5), headers(3, [(b"a", b"b")]), rst(3)) == []
    assert scene.sent() == [] and not scene.http.closing
    answered = ServerScene(Http2Limits(header_list=1000))
    answered.receive(headers(1, [*GET, (b"a", b"x" * 1000)], end=False))
    answered.sent()
    assert answered.receive(data(1, b"x"), headers(1, [(b"a", b"b")])) == []
    assert answered.sent() == [] and not answered.http.closing


def test_frames_on_a_stream_whose_request_was_answered_here_and_had_ended() -> None:
    scene = ServerScene(Http2Limits(header_list=1000))
    scene.receive(headers(1, [*GET, (b"a", b"x" * 1000)]))
    assert failed(scene.receive(data(1, b"x"))) is ErrorCode.STREAM_CLOSED


def test_an_answer_is_no_longer_than_the_client_takes() -> None:
    """As HTTP/2 counts it: 42 for the status, and 32 beside name and value of each other field."""
    scene = ServerScene()
    assert scene.http.takes([(b"a", b"x" * 500_000)])
    scene.receive(setting(Setting.MAX_HEADER_LIST_SIZE, 100))
    assert scene.http.takes([(b"a", b"x" * 25)]) and not scene.http.takes([(b"a", b"x" * 26)])
    assert scene.http.takes([]) and not scene.http.takes([(b"a", b""), (b"b", b"")])
    scene.receive(setting(Setting.MAX_HEADER_LIST_SIZE, 131_071))
    assert not scene.http.takes([(b"a", b"x" * 500_000)])
    scene.receive(setting(Setting.MAX_HEADER_LIST_SIZE, 131_072))  # as good as any: nobody's answer is as long
    assert scene.http.takes([(b"a", b"x" * 500_000)])


def test_statuses_go_where_they_belong() -> None:
    scene = ServerScene()
    scene.receive(headers(1, GET), headers(3, GET))
    for wrong in (200, 101, 99):
        with pytest.raises(LocalProtocolError):
            scene.http.send_information(1, wrong, [])
    for wrong in (199, 600, 101):
        with pytest.raises(LocalProtocolError):
            scene.http.send_response(1, wrong, [], True)
    assert scene.sent() == []
    scene.http.send_information(1, 199, [])
    scene.http.send_response(1, 599, [], True)
    scene.http.send_response(3, 200, [], True)
    assert [sent.stream for sent in scene.sent()] == [1, 1, 3]


def test_frames_that_are_late_on_a_stream_that_we_reset_are_ignored_and_their_credit_goes_back() -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False))
    scene.http.reset(1, ErrorCode.CANCEL)
    assert reset_code(scene) is ErrorCode.CANCEL
    late = [data(1, b"x" * 16384)] * 32
    assert scene.receive(*late, window(1, 5), headers(1, [(b"a", b"b")]), rst(1)) == []
    (credit,) = scene.sent()
    assert (credit.kind, credit.stream, credit.number) == (FrameType.WINDOW_UPDATE, 0, 32 * 16384)


def test_a_reset_tells_the_layer_above_and_what_it_sends_afterwards_goes_nowhere() -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False))
    assert scene.receive(rst(1)) == [StreamReset(1, ErrorCode.CANCEL, by_peer=True)]
    scene.http.send_information(1, 103, [])
    scene.http.send_response(1, 200, [], False)
    assert scene.http.send_data(1, b"x") == 0
    scene.http.send_trailers(1, [])
    scene.http.reset(1, 0)
    scene.http.consumed(1, 5)
    assert scene.http.queued(1) == 0 and scene.sent() == []


def test_the_response_may_end_before_the_request() -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False))
    scene.http.send_response(1, 413, [], True)
    assert scene.http.open_streams == 1
    assert scene.receive(data(1, b"x", end=True)) == [DataReceived(1, b"x", 1), StreamEnded(1)]
    assert scene.http.idle


# What ends the connection


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([headers(2, GET)], ErrorCode.PROTOCOL_ERROR),
        ([headers(0, GET)], ErrorCode.PROTOCOL_ERROR),
        ([headers(5, GET), headers(3, GET)], ErrorCode.PROTOCOL_ERROR),
        ([data(0, b"x")], ErrorCode.PROTOCOL_ERROR),
        ([data(1, b"x")], ErrorCode.PROTOCOL_ERROR),
        ([rst(1)], ErrorCode.PROTOCOL_ERROR),
        ([window(1, 1)], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.DATA, PADDED, 1, b"")], ErrorCode.PROTOCOL_ERROR),
        ([headers(1, POST, False), frame(FrameType.DATA, PADDED, 1, b"\x03ab")], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.HEADERS, PADDED | 4, 1, b"\xff")], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.HEADERS, PRIORITY | 4, 1, b"\0\0\0")], ErrorCode.FRAME_SIZE_ERROR),
        ([frame(FrameType.PRIORITY, 0, 0, b"\0\0\0\x03\0")], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.PRIORITY, 0, 9, bytes(4))], ErrorCode.FRAME_SIZE_ERROR),
        ([frame(FrameType.PRIORITY, 0, 9, b"\0\0\0\x09\0")], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.RST_STREAM, 0, 0, bytes(4))], ErrorCode.PROTOCOL_ERROR),
        ([headers(1, GET), frame(FrameType.RST_STREAM, 0, 1, bytes(3))], ErrorCode.FRAME_SIZE_ERROR),
        ([frame(FrameType.SETTINGS, 0, 1, b"")], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.SETTINGS, 1, 0, bytes(6))], ErrorCode.FRAME_SIZE_ERROR),
        ([frame(FrameType.SETTINGS, 0, 0, bytes(5))], ErrorCode.FRAME_SIZE_ERROR),
        ([setting(2, 2)], ErrorCode.PROTOCOL_ERROR),
        ([setting(4, 2**31)], ErrorCode.FLOW_CONTROL_ERROR),
        ([setting(5, 16383)], ErrorCode.PROTOCOL_ERROR),
        ([setting(5, 2**24)], ErrorCode.PROTOCOL_ERROR),
        ([setting(8, 2)], ErrorCode.PROTOCOL_ERROR),
        ([setting(9, 2)], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.PUSH_PROMISE, 4, 1, bytes(4))], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.PING, 0, 1, bytes(8))], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.PING, 0, 0, bytes(7))], ErrorCode.FRAME_SIZE_ERROR),
        ([frame(FrameType.GOAWAY, 0, 1, bytes(8))], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.GOAWAY, 0, 0, bytes(7))], ErrorCode.FRAME_SIZE_ERROR),
        ([window(0, 0)], ErrorCode.PROTOCOL_ERROR),
        ([window(0, 2**31 - 1)], ErrorCode.FLOW_CONTROL_ERROR),
        ([frame(FrameType.WINDOW_UPDATE, 0, 0, bytes(3))], ErrorCode.FRAME_SIZE_ERROR),
        ([headers(1, GET), window(1, 1), setting(4, 2**31 - 1)], ErrorCode.FLOW_CONTROL_ERROR),
        ([frame(FrameType.CONTINUATION, 4, 1, b"")], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.HEADERS, 0, 1, b""), frame(FrameType.CONTINUATION, 4, 3, b"")], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.HEADERS, 0, 1, b""), SETTINGS], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.HEADERS, 0, 1, b""), b"\0\0\0\x63\0\0\0\0\0"], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.HEADERS, 5, 1, b"\x80")], ErrorCode.COMPRESSION_ERROR),
        ([b"\x00\x40\x01\x00\x00\x00\x00\x00\x01"], ErrorCode.FRAME_SIZE_ERROR),
        ([headers(1, POST, False), data(1, bytes(16384)) * 65], ErrorCode.FLOW_CONTROL_ERROR),
    ],
)
def test_faults_of_the_connection(frames: list[bytes], code: ErrorCode) -> None:
    limits = Http2Limits(initial_window=2**31 - 1)
    scene = ServerScene(limits)
    assert failed(scene.receive(*frames)) is code
    goaway = scene.sent()[-1]
    assert (goaway.kind, goaway.number) == (FrameType.GOAWAY, code)
    assert scene.http.closing and scene.http.idle
    assert scene.receive(headers(9, GET)) == [] and scene.sent() == []


def test_nothing_that_comes_after_a_fault_in_the_same_read_is_looked_at() -> None:
    scene = ServerScene()
    events = scene.receive(headers(1, GET), window(0, 0), headers(3, GET))
    assert [type(event) for event in events] == [RequestReceived, ConnectionFailed]
    assert scene.sent()[-1].payload[:4] == b"\0\0\0\x01", "stream 1 is the last that was processed"


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([window(1, 0)], ErrorCode.PROTOCOL_ERROR),
        ([window(1, 2**31 - 1)], ErrorCode.FLOW_CONTROL_ERROR),
        ([frame(FrameType.PRIORITY, 0, 1, bytes(4))], ErrorCode.FRAME_SIZE_ERROR),
        ([frame(FrameType.PRIORITY, 0, 1, b"\0\0\0\x01\0")], ErrorCode.PROTOCOL_ERROR),
        ([frame(FrameType.HEADERS, 5 | PRIORITY, 1, b"\0\0\0\x01\0")], ErrorCode.PROTOCOL_ERROR),
        ([data(1, b"", end=True), data(1, b"x")], ErrorCode.STREAM_CLOSED),
        ([data(1, b"", end=True), headers(1, [(b"a", b"b")])], ErrorCode.STREAM_CLOSED),
        ([data(1, bytes(16384))] * 5, ErrorCode.FLOW_CONTROL_ERROR),
    ],
)
def test_faults_of_a_stream(frames: list[bytes], code: ErrorCode) -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False), headers(3, GET))
    assert scene.receive(*frames)[-1] == StreamReset(1, code, by_peer=False)
    assert scene.sent()[-1].number == code
    assert scene.http.open_streams == 1, "the other stream goes on"


def test_a_request_that_depends_on_itself_is_reset() -> None:
    scene = ServerScene()
    assert scene.receive(frame(FrameType.HEADERS, 5 | PRIORITY, 1, b"\0\0\0\x01\0" + literal(GET))) == []
    assert reset_code(scene) is ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize("late", [data(1, b"x"), headers(1, [(b"a", b"b")])])
def test_frames_on_a_stream_that_ended_end_the_connection(late: bytes) -> None:
    scene = ServerScene()
    scene.receive(headers(1, GET))
    scene.http.send_response(1, 204, [], True)
    assert scene.receive(window(1, 5), rst(1), frame(FrameType.PRIORITY, 0, 1, bytes(5))) == []
    assert failed(scene.receive(late)) is ErrorCode.STREAM_CLOSED


@pytest.mark.parametrize("late", [data(1, b"x"), headers(1, [(b"a", b"b")])])
def test_frames_on_a_stream_that_the_client_reset_are_answered_stream_closed(late: bytes) -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False), rst(1))
    assert scene.receive(rst(1), window(1, 1)) == []
    assert scene.receive(late) == []
    assert reset_code(scene) is ErrorCode.STREAM_CLOSED


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", b"\x16\x03\x01"])
def test_what_is_no_preface_fails_at_its_first_wrong_byte(start: bytes) -> None:
    http = ServerConnection(Http2Limits(), Clock().seconds)
    assert failed(http.receive(start)) is ErrorCode.PROTOCOL_ERROR


@pytest.mark.parametrize("first", [SETTINGS_ACK, headers(1, GET), window(0, 1)])
def test_the_first_frame_is_settings(first: bytes) -> None:
    http = ServerConnection(Http2Limits(), Clock().seconds)
    assert failed(http.receive(PREFACE + first)) is ErrorCode.PROTOCOL_ERROR


def test_unknown_frames_and_settings_are_ignored() -> None:
    scene = ServerScene()
    assert scene.receive(b"\0\0\x03\x42\xff\0\0\0\x07abc", setting(0x42, 7), SETTINGS_ACK, headers(1, GET)) == [
        RequestReceived(1, HEAD, True)
    ]
    assert [sent.kind for sent in scene.sent()] == [FrameType.SETTINGS]


# Ends and pings


def test_ping_is_answered_with_its_own_payload_and_ours_is_remembered() -> None:
    scene = ServerScene()
    scene.receive(frame(FrameType.PING, 0, 0, b"abcdefgh"))
    (pong,) = scene.sent()
    assert (pong.kind, pong.flags, pong.payload) == (FrameType.PING, 1, b"abcdefgh")
    scene.http.ping(b"12345678")
    assert scene.http.last_pong == b""
    scene.receive(frame(FrameType.PING, 1, 0, b"12345678"))
    assert scene.http.last_pong == b"12345678" and len(scene.sent()) == 1


def test_shutdown_lets_the_open_streams_end_and_refuses_new_ones() -> None:
    scene = ServerScene()
    scene.receive(headers(1, GET))
    scene.http.shutdown()
    scene.http.shutdown()
    (goaway,) = scene.sent()
    assert (goaway.kind, goaway.number, goaway.payload[:4]) == (FrameType.GOAWAY, 0, b"\0\0\0\x01")
    assert scene.receive(headers(3, GET)) == []
    assert reset_code(scene, 3) is ErrorCode.REFUSED_STREAM
    assert not scene.http.closing
    scene.http.send_response(1, 204, [], True)
    assert scene.http.closing


def test_shutdown_of_an_idle_connection_closes_at_once() -> None:
    scene = ServerScene()
    scene.http.shutdown()
    assert scene.http.closing


def test_goaway_ends_everything_now() -> None:
    scene = ServerScene()
    scene.receive(headers(1, GET))
    scene.http.goaway(ErrorCode.ENHANCE_YOUR_CALM, "one request is enough")
    (goaway,) = scene.sent()
    assert goaway.number == ErrorCode.ENHANCE_YOUR_CALM and goaway.payload.endswith(b"one request is enough")
    assert scene.http.closing and scene.receive(headers(3, GET)) == []
    scene.http.goaway()
    assert scene.sent() == []


def test_a_client_that_goes_away_may_still_get_its_answers() -> None:
    scene = ServerScene()
    scene.receive(headers(1, GET))
    assert scene.receive(frame(FrameType.GOAWAY, 0, 0, bytes(8) + b"bye")) == [GoawayReceived(0, 0)]
    scene.http.send_response(1, 204, [], True)
    assert len(scene.sent()) == 1


def test_end_of_file_in_the_middle_of_something_is_a_failure() -> None:
    quiet, busy, torn = ServerScene(), ServerScene(), ServerScene()
    assert quiet.http.receive_eof() == [] and quiet.http.closing and quiet.http.receive_eof() == []
    busy.receive(headers(1, GET))
    assert isinstance(busy.http.receive_eof()[0], ConnectionFailed) and busy.http.idle
    torn.receive(b"\0\0")
    assert isinstance(torn.http.receive_eof()[0], ConnectionFailed)


# Our own bugs raise


def test_misuse_raises() -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False), headers(3, GET))
    http = scene.http
    for misuse in (
        lambda: http.send_data(1, b"x"),
        lambda: http.send_trailers(1, []),
        lambda: http.send_response(1, 101, [], False),
        lambda: http.send_response(1, 199, [], False),
        lambda: http.send_information(1, 200, []),
        lambda: http.send_response(1, 200, [(b"a", b"x\r\ny")], False),
        lambda: http.send_response(1, 200, [(b"Upper", b"x")], False),
        lambda: http.send_response(1, 200, [(b"", b"x")], False),
        lambda: http.consumed(1, 1),
        lambda: http.ping(b"1"),
    ):
        with pytest.raises(LocalProtocolError):
            misuse()
    http.send_response(3, 200, [], True)
    http.send_response(1, 200, [], True)
    with pytest.raises(LocalProtocolError):
        http.send_response(1, 200, [], True)
    with pytest.raises(LocalProtocolError):
        http.send_data(1, b"x")


def test_what_only_http_1_can_say_is_not_sent() -> None:
    scene = ServerScene()
    scene.receive(headers(1, GET))
    scene.http.send_response(1, 200, [(b"connection", b"close"), (b"transfer-encoding", b"chunked"), (b"a", b" b ")], True)
    (sent,) = scene.sent()
    assert sent.payload == b"\x20\x88" + literal([(b"a", b"b")])


def test_a_head_that_is_longer_than_a_frame_goes_out_with_continuations() -> None:
    scene = ServerScene()
    scene.receive(headers(1, GET))
    scene.http.send_response(1, 200, [(b"a", b"x" * 40000)], True)
    sent = scene.sent()
    assert [(item.kind, item.flags) for item in sent] == [
        (FrameType.HEADERS, END_STREAM),
        (FrameType.CONTINUATION, 0),
        (FrameType.CONTINUATION, 4),
    ]
    assert len(b"".join(item.payload for item in sent)) > 40000


def test_requests_coded_with_a_table_are_read() -> None:
    scene = ServerScene()
    (event,) = scene.receive(frame(FrameType.HEADERS, 5, 1, indexed([*GET, (b"user-agent", b"kubectl/v1.32.4")])))
    assert event.head.headers == [(b"user-agent", b"kubectl/v1.32.4")]


# The connection's own frames, and the edges of its windows


def test_answers_to_the_connections_frames_are_the_connections() -> None:
    scene = ServerScene()
    scene.receive(SETTINGS, frame(FrameType.PING, 0, 0, b"12345678"))
    assert [(sent.kind, sent.stream) for sent in scene.sent()] == [(FrameType.SETTINGS, 0), (FrameType.PING, 0)]


def test_a_window_is_no_larger_than_2_to_31_less_one() -> None:
    scene = ServerScene()
    assert scene.receive(window(0, 2**31 - 1 - 65535)) == []
    assert failed(scene.receive(window(0, 1))) is ErrorCode.FLOW_CONTROL_ERROR


def test_what_a_client_may_send_is_used_up_to_its_last_byte() -> None:
    def sent(more: bytes) -> list[object]:
        scene = ServerScene(Http2Limits(initial_window=65536, connection_window=65536))
        scene.receive(headers(1, POST, end=False), headers(3, POST, end=False))
        return [*scene.receive(*[data(1, bytes(16384))] * 4), *scene.receive(more)]

    assert len(sent(b"")) == 4
    assert failed(sent(data(3, b"x"))) is ErrorCode.FLOW_CONTROL_ERROR
