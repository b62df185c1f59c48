"""Requests over HTTP/2 that are malformed: the stream is reset, and nobody above hears of it."""

from __future__ import annotations

import pytest
from http2_scene import ASK, GET, POST, ServerScene, data, headers, literal, other, reset_code

from kgate.wire.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from kgate.wire.http2 import ErrorCode, Http2Limits
from kgate.wire.http2_frames import END_STREAM, FrameType, frame

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
    assert scene.receive(headers(3, GET)) == [RequestReceived(3, ASK, True)]


@pytest.mark.parametrize("authority", [b"gate.example", b"gate.example:443", b"10.0.0.1:6443", b"[fe80::1]:6443", b"[::1]", b"a_b.example"])
def test_authorities_that_are_hosts(authority: bytes) -> None:
    scene = ServerScene()
    (event,) = scene.receive(headers(1, [*GET[:2], (b":authority", authority), GET[3]]))
    assert isinstance(event, RequestReceived) and event.head.authority == authority


def test_both_schemes_of_http_are_taken() -> None:
    """What stands before the gate may have taken TLS off."""
    (event,) = ServerScene().receive(headers(1, [GET[0], (b":scheme", b"http"), *GET[2:]]))
    assert event == RequestReceived(1, ASK, True)


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
    assert event == RequestReceived(3, other(ASK, headers=[(b"c", b"d")]), True)


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
