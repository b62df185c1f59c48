"""Our server: a client by hand sends frames, and here is what each of them comes to."""

from __future__ import annotations

import pytest
from http2_scene import (
    ASK,
    GET,
    POST,
    SETTINGS,
    ServerScene,
    data,
    failed,
    headers,
    indexed,
    literal,
    other,
    reset_code,
    rst,
    setting,
    window,
)
from twisted.internet.task import Clock

from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import ConnectionFailed, DataReceived, GoawayReceived, RequestReceived, StreamEnded, StreamReset, TrailersReceived
from kgate.wire.http2 import ErrorCode, Http2Limits, ServerConnection
from kgate.wire.http2_frames import END_HEADERS, END_STREAM, PADDED, PRIORITY, FrameType, Setting, frame


def test_the_server_greets_at_once() -> None:
    http = ServerConnection(Http2Limits(streams=7, connection_window=100000), Clock().seconds)
    sent = http.data_to_send()
    announced = {int.from_bytes(sent[at : at + 2], "big"): int.from_bytes(sent[at + 2 : at + 6], "big") for at in range(9, 27, 6)}
    assert announced == {Setting.MAX_CONCURRENT_STREAMS: 7, Setting.INITIAL_WINDOW_SIZE: 65536, Setting.MAX_HEADER_LIST_SIZE: 65536}
    assert sent[27:] == window(0, 100000 - 65535)
    assert Setting.ENABLE_CONNECT_PROTOCOL not in announced


def test_a_get_and_its_answer() -> None:
    scene = ServerScene()
    assert scene.receive(headers(1, GET)) == [RequestReceived(1, ASK, True)]
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
        RequestReceived(1, other(ASK, method=b"POST"), False),
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
    assert events == [RequestReceived(1, ASK, True)]


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
    assert event == RequestReceived(1, ASK, True)
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
    assert both.head == ASK
    (alone,) = scene.receive(headers(3, [*GET[:2], GET[3], (b"host", b"other.example:8443")]))
    assert alone.head == other(ASK, authority=b"other.example:8443")


def test_cookie_crumbs_are_joined_where_the_first_was() -> None:
    scene = ServerScene()
    (request,) = scene.receive(headers(1, [*GET, (b"a", b"1"), (b"cookie", b"x=1"), (b"b", b"2"), (b"cookie", b"y=2")]))
    assert request.head.headers == [(b"a", b"1"), (b"cookie", b"x=1; y=2"), (b"b", b"2")]


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
