"""Windows, queues, turns and a transport that is full."""

from __future__ import annotations

from struct import Struct

import pytest
from http2_scene import GET, POST, ServerScene, data, headers, rst, setting, window
from hypothesis import example, given
from hypothesis import strategies as st

from kgate.wire.events import DataReceived, StreamWritable
from kgate.wire.http2 import Http2Limits
from kgate.wire.http2_frames import END_STREAM, LARGEST_STREAM, LONGEST_FRAME, FrameType, Setting, read_head, sent_head

WINDOW = 65535


def answering(*streams: int, limits: Http2Limits | None = None) -> ServerScene:
    """A server that has begun to answer on each of the streams."""
    scene = ServerScene(limits)
    for stream in streams:
        scene.receive(headers(stream, GET))
        scene.http.send_response(stream, 200, [], False)
    scene.sent()
    return scene


def sizes(scene: ServerScene) -> list[tuple[int, int]]:
    """Stream and size of each DATA frame that was sent."""
    return [(sent.stream, len(sent.payload)) for sent in scene.sent() if sent.kind is FrameType.DATA]


def test_data_goes_out_in_frames_as_far_as_the_window_reaches() -> None:
    scene = answering(1)
    assert scene.http.send_data(1, b"x" * 70000) == 70000 - WINDOW
    assert sizes(scene) == [(1, 16384), (1, 16384), (1, 16384), (1, 16383)]
    assert scene.http.queued(1) == 70000 - WINDOW and not scene.http.backlog
    assert scene.receive(window(0, 10)) == [] and sizes(scene) == []
    assert scene.receive(window(1, 20)) == [] and sizes(scene) == [(1, 10)]
    assert scene.receive(window(0, 100000), window(1, 100000)) == [StreamWritable(1)]
    assert scene.http.queued(1) == 0


def test_an_end_goes_out_on_the_last_frame_and_needs_no_window() -> None:
    scene = answering(1, 3)
    scene.http.send_data(1, b"x" * WINDOW)
    scene.sent()
    assert scene.http.send_data(1, b"", True) == 0
    (end,) = scene.sent()
    assert (end.stream, end.flags, end.payload) == (1, END_STREAM, b"")
    assert scene.http.send_data(3, b"y", True) == 1
    assert scene.http.send_data(3, b"") if False else scene.http.queued(3) == 1
    scene.receive(window(0, 1))
    (last,) = scene.sent()
    assert (last.stream, last.flags, last.payload) == (3, END_STREAM, b"y")
    assert scene.http.idle


def test_an_end_after_queued_data_waits_for_it() -> None:
    scene = answering(1)
    scene.http.send_data(1, b"x" * (WINDOW + 1))
    scene.sent()
    assert scene.http.send_data(1, b"", True) == 1
    assert scene.sent() == []
    assert scene.receive(window(0, 9), window(1, 9)) == [StreamWritable(1)]
    (last,) = scene.sent()
    assert (last.flags, last.payload) == (END_STREAM, b"x")


def test_trailers_wait_for_what_is_queued() -> None:
    scene = answering(1)
    scene.http.send_data(1, b"x" * (WINDOW + 1))
    scene.http.send_trailers(1, [(b"a", b"b")])
    assert all(sent.kind is FrameType.DATA for sent in scene.sent())
    scene.receive(window(0, 9), window(1, 9))
    body, trailers = scene.sent()
    assert (body.kind, body.flags, trailers.kind, trailers.flags & END_STREAM) == (FrameType.DATA, 0, FrameType.HEADERS, END_STREAM)
    assert scene.http.idle


def test_a_window_that_was_made_smaller_may_be_negative() -> None:
    scene = answering(1)
    scene.http.send_data(1, b"x" * 50000)
    scene.receive(setting(Setting.INITIAL_WINDOW_SIZE, 100))
    scene.sent()
    assert scene.http.send_data(1, b"y" * 10) == 10
    assert scene.receive(window(1, 49900)) == []
    assert scene.receive(window(1, 4)) == [] and sizes(scene) == [(1, 4)]
    assert scene.receive(setting(Setting.INITIAL_WINDOW_SIZE, 106)) == [StreamWritable(1)]


def test_streams_take_turns() -> None:
    scene = answering(1, 3, 5)
    scene.http.send_data(1, b"x" * WINDOW)
    scene.sent()
    for stream in (1, 3, 5):
        assert scene.http.send_data(stream, b"y" * 40000) == 40000
    scene.receive(window(1, 40000))
    scene.receive(window(0, 120000))
    assert sizes(scene) == [
        *[(3, 16384), (5, 16384), (1, 16384)],
        *[(3, 16384), (5, 16384), (1, 16384)],
        *[(3, 7232), (5, 7232), (1, 7232)],
    ]


def test_a_full_transport_holds_data_and_nothing_else() -> None:
    scene = answering(1, 3)
    scene.http.pause_sending()
    assert scene.http.send_data(1, b"x" * 10) == 10
    assert scene.http.send_data(3, b"", True) == 0, "an end without data is no data"
    scene.receive(headers(5, GET), b"\0\0\x08\x06\0\0\0\0\0pingpong")
    scene.http.send_response(5, 200, [], False)
    assert [sent.kind for sent in scene.sent()] == [FrameType.DATA, FrameType.PING, FrameType.HEADERS]
    assert scene.receive(window(0, 5), window(1, 5)) == [] and scene.sent() == []
    assert scene.http.backlog
    assert scene.http.resume_sending() == [StreamWritable(1)]
    assert sizes(scene) == [(1, 10)] and not scene.http.backlog


def test_no_more_than_a_measure_goes_out_in_one_go() -> None:
    scene = answering(1, 3, limits=Http2Limits(turn=50000))
    scene.receive(window(0, 1 << 20), window(1, 1 << 20), window(3, 1 << 20))
    assert scene.http.send_data(1, b"x" * 200000) > 0
    assert sum(size for _, size in sizes(scene)) == 4 * 16384
    assert scene.http.backlog
    assert scene.http.send_data(3, b"y" * 10) == 10, "the rest is held until the transport has drained"
    events, total = [], 0
    while scene.http.backlog:
        events += scene.http.resume_sending()
        sent = sum(size for _, size in sizes(scene))
        assert sent < 4 * 16384 + 16384, "a turn ends with the frame that fills it"
        total += sent
    assert total == 200010 - 4 * 16384 and events == [StreamWritable(3), StreamWritable(1)]


def test_what_is_queued_is_held_by_reference() -> None:
    scene = answering(1)
    body = b"x" * 1_000_000
    scene.http.send_data(1, body)
    (rest,) = scene.http._streams[1].queue or ()
    assert isinstance(rest, memoryview) and rest.obj is body


def test_a_reset_drops_what_was_queued() -> None:
    scene = answering(1, 3)
    scene.http.pause_sending()
    scene.http.send_data(1, b"x" * 100)
    scene.http.send_data(3, b"y" * 100)
    scene.receive(rst(1))
    scene.http.reset(3, 8)
    assert scene.http.queued(1) == scene.http.queued(3) == 0
    assert scene.http.resume_sending() == [] and sizes(scene) == []


# Credit that we give


def test_credit_goes_back_when_it_was_consumed_half_a_window_at_a_time() -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False))
    events = scene.receive(data(1, b"x" * 16384), data(1, b"x" * 16384))
    assert scene.sent() == []
    scene.http.consumed(1, events[0].credit)
    assert scene.sent() == []
    scene.http.consumed(1, events[1].credit)
    (credit,) = scene.sent()
    assert (credit.kind, credit.stream, credit.number) == (FrameType.WINDOW_UPDATE, 1, 32768)
    assert len(scene.receive(*[data(1, b"x" * 16384)] * 4)) == 4


def test_the_connections_credit_comes_back_too() -> None:
    scene = ServerScene(Http2Limits(connection_window=65535))
    scene.receive(headers(1, POST, end=False))
    for event in scene.receive(*[data(1, b"x" * 16384)] * 2):
        scene.http.consumed(1, event.credit)
    assert [(sent.stream, sent.number) for sent in scene.sent()] == [(0, 32768), (1, 32768)]


def test_no_credit_for_the_stream_after_its_end() -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False))
    for event in scene.receive(*[data(1, b"x" * 16384)] * 3, data(1, b"x", end=True)):
        if isinstance(event, DataReceived):
            scene.http.consumed(1, event.credit)
    assert [sent.stream for sent in scene.sent()] == []


@pytest.mark.parametrize("ending", ["peer", "ours", "fault"])
def test_a_stream_that_is_reset_leaks_no_credit(ending: str) -> None:
    scene = ServerScene(Http2Limits(connection_window=65535))
    for stream in range(1, 400, 2):
        scene.receive(headers(stream, POST, end=False), data(stream, b"x" * 16384))
        if ending == "peer":
            scene.clock.advance(1)
            scene.receive(rst(stream))
        elif ending == "ours":
            scene.http.reset(stream, 8)
        else:
            scene.clock.advance(1)
            scene.receive(window(stream, 0))
        scene.http.consumed(stream, 16384)
    assert not scene.http.closing
    assert scene.http._receive_window + scene.http._owed == 65535


def test_padding_and_empty_frames_are_credited_by_themselves() -> None:
    scene = ServerScene(Http2Limits(connection_window=65535))
    scene.receive(headers(1, POST, end=False))
    padded = b"\0\x01\0\0\x08\0\0\0\x01\xff" + bytes(255)
    assert scene.receive(*[padded] * 200) == []
    assert not scene.http.closing
    assert sum(sent.number for sent in scene.sent() if sent.stream == 0) >= 32768


def test_a_window_that_turns_negative_while_a_stream_waits_its_turn_holds_it_back_and_loses_nothing() -> None:
    scene = answering(1)
    body = bytes(range(256)) * 4
    scene.http.send_data(1, body[:500])
    scene.http.pause_sending()
    scene.http.send_data(1, body[500:], True)  # in the row, behind a full transport
    scene.receive(setting(Setting.INITIAL_WINDOW_SIZE, 100))  # 500 went out, so the window is -400 now
    scene.sent()
    assert scene.http.resume_sending() == [] and sizes(scene) == []
    scene.receive(window(1, 401))
    (one,) = scene.sent()
    assert (one.payload, one.flags) == (body[500:501], 0)
    scene.receive(window(1, 1000))
    (rest,) = scene.sent()
    assert (rest.payload, rest.flags) == (body[501:], END_STREAM)


@given(st.integers(0, LONGEST_FRAME), st.sampled_from(FrameType), st.integers(0, 255), st.integers(0, LARGEST_STREAM))
@example(LONGEST_FRAME, FrameType.CONTINUATION, 255, LARGEST_STREAM)
def test_the_head_that_is_sent_is_the_one_that_is_read(length: int, kind: FrameType, flags: int, stream: int) -> None:
    head = sent_head(length, kind, flags, stream)
    assert head == Struct(">xHBBL").pack(length, kind, flags, stream)
    assert read_head(head, 0) == (length, kind, flags, stream)
