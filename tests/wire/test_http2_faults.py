"""What of a client ends the HTTP/2 connection, what resets a stream, and what is ignored."""

from __future__ import annotations

import pytest
from http2_scene import (
    ASK,
    GET,
    POST,
    SETTINGS,
    SETTINGS_ACK,
    ServerScene,
    data,
    failed,
    headers,
    literal,
    reset_code,
    rst,
    setting,
    window,
)
from twisted.internet.task import Clock

from kgate.wire.events import ConnectionFailed, RequestReceived, StreamReset
from kgate.wire.http2 import ErrorCode, Http2Limits, ServerConnection
from kgate.wire.http2_frames import PADDED, PREFACE, PRIORITY, FrameType, frame


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
        RequestReceived(1, ASK, True)
    ]
    assert [sent.kind for sent in scene.sent()] == [FrameType.SETTINGS]
