"""Threat class 15: what one connection can make the server do, at once, paced, and late. Time is a Clock's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from http2_scene import GET, POST, SETTINGS, ServerScene, data, headers, literal, rst, setting, window

from kgate.wire.events import ConnectionFailed, Event, RequestReceived, StreamReset
from kgate.wire.http2 import ErrorCode, Http2Limits
from kgate.wire.http2_frames import END_HEADERS, FrameType, frame

pytestmark = pytest.mark.threat("15")

CALM = ErrorCode.ENHANCE_YOUR_CALM


def requests(events: list[Event]) -> int:
    return sum(isinstance(event, RequestReceived) for event in events)


def failure(events: list[Event]) -> int | None:
    """The code of the failure, if the connection failed."""
    return events[-1].code if events and isinstance(events[-1], ConnectionFailed) else None


def odd(count: int) -> Iterator[int]:
    return iter(range(1, 2 * count, 2))


def test_rapid_reset_in_one_burst_lets_200_through() -> None:
    scene = ServerScene()
    events = scene.receive(*(headers(stream, GET) + rst(stream) for stream in odd(10000)))
    assert requests(events) == 200 and failure(events) == CALM
    assert scene.receive(headers(20001, GET)) == []


def test_rapid_reset_in_many_reads_lets_200_through() -> None:
    scene, seen = ServerScene(), 0
    for stream in odd(10000):
        seen += requests(scene.receive(headers(stream, GET), rst(stream)))
    assert seen == 200 and scene.http.closing


@pytest.mark.parametrize("at_once", [1, 7, 60, 90, 100])
def test_late_resets_let_200_through(at_once: int) -> None:
    """Streams that are reset 20 ms after they opened, so many at a time."""
    scene, seen, streams = ServerScene(), 0, odd(3000)
    for _ in range(1500 // at_once):
        wave = [next(streams) for _ in range(at_once)]
        seen += requests(scene.receive(*(headers(stream, GET) for stream in wave)))
        scene.clock.advance(0.02)
        scene.receive(*map(rst, wave))
    assert seen <= 200


def test_paced_resets_are_bounded_in_any_thirty_seconds() -> None:
    """Ten resets a second, for ever: 200 of them, and it is over."""
    scene, seen = ServerScene(), 0
    for stream in odd(2000):
        scene.clock.advance(0.1)
        seen += requests(scene.receive(headers(stream, GET), rst(stream)))
    assert seen == 200 and scene.http.closing


def test_cancelling_as_people_do_goes_on_for_ever() -> None:
    """Six a second is 180 in thirty seconds."""
    scene = ServerScene()
    for stream in odd(2000):
        scene.clock.advance(1 / 6)
        assert requests(scene.receive(headers(stream, GET), rst(stream))) == 1
    assert not scene.http.closing


def test_streams_are_refused_where_their_reset_could_not_be_afforded() -> None:
    scene = ServerScene()
    for stream in odd(180):
        scene.receive(headers(stream, GET), rst(stream))
    scene.sent()
    assert requests(scene.receive(*(headers(stream, GET) for stream in range(361, 461, 2)))) == 20
    refused = scene.sent()
    assert len(refused) == 30 and {sent.number for sent in refused} == {ErrorCode.REFUSED_STREAM}
    scene.clock.advance(31)
    assert requests(scene.receive(headers(501, GET))) == 1


MADE_TO_RESET = {
    "a window update of nothing": lambda stream: window(stream, 0),
    "a window that overflows": lambda stream: window(stream, 2**31 - 1),
    "a priority of a wrong length": lambda stream: frame(FrameType.PRIORITY, 0, stream, bytes(4)),
    "a stream that depends on itself": lambda stream: frame(FrameType.PRIORITY, 0, stream, stream.to_bytes(4, "big") + b"\0"),
    "data after the end": lambda stream: data(stream, b"", True) + data(stream, b"x"),
    "headers after the end": lambda stream: data(stream, b"", True) + headers(stream, [(b"a", b"b")]),
    "trailers that do not end": lambda stream: headers(stream, [(b"a", b"b")], end=False),
    "more than content-length": lambda stream: data(stream, b"xx"),
    "more than the window": lambda stream: data(stream, bytes(16384)) * 5,
}


@pytest.mark.parametrize("how", MADE_TO_RESET)
def test_made_you_reset_is_a_reset(how: str) -> None:
    """CVE-2025-8671: the server is brought to reset the stream itself."""
    scene, seen = ServerScene(), 0
    head = [*POST, (b"content-length", b"1")] if "content-length" in how else POST
    for stream in odd(1000):
        scene.clock.advance(0.02)
        events = scene.receive(headers(stream, head, end=False), MADE_TO_RESET[how](stream))
        seen += requests(events)
        assert scene.http.closing or StreamReset(stream, events[-1].code, by_peer=False) == events[-1]
    assert seen == 200 and scene.http.closing


def test_malformed_requests_count_as_resets() -> None:
    scene = ServerScene()
    events = scene.receive(*(headers(stream, GET[1:]) for stream in odd(1000)))
    assert requests(events) == 0 and failure(events) == CALM
    assert len(scene.sent()) == 201


FLOODS = {
    "PING": frame(FrameType.PING, 0, 0, bytes(8)),
    "PING answers": frame(FrameType.PING, 1, 0, bytes(8)),
    "SETTINGS": SETTINGS,
    "SETTINGS with a window": setting(4, 65535),
    "SETTINGS acknowledged": frame(FrameType.SETTINGS, 1, 0, b""),
    "PRIORITY": frame(FrameType.PRIORITY, 0, 9, bytes(5)),
    "empty DATA": data(1, b""),
    "empty DATA with padding": frame(FrameType.DATA, 8, 1, b"\x01\0"),
    "WINDOW_UPDATE": window(0, 1),
    "WINDOW_UPDATE of a stream": window(1, 1),
    "unknown frames": b"\0\0\0\x42\0\0\0\0\0",
    "GOAWAY": frame(FrameType.GOAWAY, 0, 0, bytes(8)),
}


@pytest.mark.parametrize("what", FLOODS)
def test_frames_that_move_nothing_are_bounded(what: str) -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False))
    for _ in range(900):
        assert failure(scene.receive(FLOODS[what])) is None
        scene.http.data_to_send()
    assert failure(scene.receive(FLOODS[what] * 200)) == CALM
    assert scene.http.closing


@pytest.mark.parametrize("what", FLOODS)
def test_frames_that_move_nothing_are_free_at_a_humane_pace(what: str) -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False))
    for _ in range(3000):
        scene.clock.advance(0.011)
        assert failure(scene.receive(FLOODS[what])) is None
        scene.http.data_to_send()


def test_resets_of_streams_that_are_over_are_noise() -> None:
    scene = ServerScene()
    scene.receive(headers(1, POST, end=False), rst(1))
    assert failure(scene.receive(rst(1) * 1100)) == CALM


def test_refused_streams_are_noise() -> None:
    scene = ServerScene(Http2Limits(streams=1))
    scene.receive(headers(1, GET))
    assert failure(scene.receive(*(headers(stream, GET) for stream in range(3, 3000, 2)))) == CALM


@pytest.mark.parametrize("fields", [[(b":method", b"BREW"), *GET[1:]], [*GET, (b"a", b"x" * 1000)]])
def test_requests_that_are_answered_here_are_noise(fields: list[tuple[bytes, bytes]]) -> None:
    scene = ServerScene(Http2Limits(header_list=1000))
    assert failure(scene.receive(*(headers(stream, fields) for stream in odd(300)))) == CALM


def test_window_updates_that_answer_a_download_are_no_noise() -> None:
    """Go's client sends two for each 4096 bytes that it reads: 51,200 of them for 100 MiB, in no time at all."""
    scene = ServerScene()
    scene.receive(headers(1, GET))
    scene.http.send_response(1, 200, [], False)
    chunk = bytes(4096)
    for _ in range(100 * 256):
        assert scene.http.send_data(1, chunk) == 0
        scene.http.data_to_send()
        assert scene.receive(window(0, 4096), window(1, 4096)) == []
    assert not scene.http.closing


def test_continuations_are_bounded_in_number() -> None:
    scene = ServerScene()
    events = scene.receive(frame(FrameType.HEADERS, 0, 1, b""), frame(FrameType.CONTINUATION, 0, 1, b"") * 100)
    assert failure(events) == CALM


def test_continuations_are_bounded_in_bytes() -> None:
    scene = ServerScene(Http2Limits(header_list=16384))
    filler = literal([(b"a", b"x" * 16000)])
    events = scene.receive(frame(FrameType.HEADERS, 0, 1, literal(GET)), frame(FrameType.CONTINUATION, 0, 1, filler) * 5)
    assert failure(events) == CALM
    assert scene.http._partial is None, "nothing of it is kept"


def test_a_block_in_as_many_continuations_as_are_allowed_is_read() -> None:
    scene = ServerScene()
    block = literal(GET)
    pieces = [block[place : place + 3] for place in range(3, len(block), 3)]
    assert len(pieces) <= 32
    frames = [frame(FrameType.CONTINUATION, END_HEADERS if place == len(pieces) - 1 else 0, 1, piece) for place, piece in enumerate(pieces)]
    assert requests(scene.receive(frame(FrameType.HEADERS, 1, 1, block[:3]), *frames)) == 1


def test_a_peer_that_makes_us_answer_and_never_reads_is_left() -> None:
    scene, events = ServerScene(), []
    scene.http.pause_sending()
    for _ in range(10000):
        scene.clock.advance(0.1)
        events = scene.receive(frame(FrameType.PING, 0, 0, bytes(8)))
        scene.http.data_to_send()
        if events:
            break
    assert failure(events) == CALM


def test_zero_windows_hold_what_was_queued_and_no_more() -> None:
    """A hundred streams with nowhere to send to: the engine holds what it was given by reference, and says how much that is."""
    scene = ServerScene()
    scene.receive(setting(4, 0), *(headers(stream, GET) for stream in odd(100)))
    body = bytes(4 << 20)
    for stream in odd(100):
        scene.http.send_response(stream, 200, [], False)
        assert scene.http.send_data(stream, body) == len(body) == scene.http.queued(stream)
    assert all(sent.kind is not FrameType.DATA for sent in scene.sent())


def test_a_byte_at_a_time_is_read_like_any_other_request() -> None:
    scene, events = ServerScene(), []
    for byte in headers(1, GET):
        events += scene.receive(bytes((byte,)))
    assert requests(events) == 1


@pytest.mark.parametrize("empty", [False, True])
def test_answers_without_a_body_do_not_pile_up_for_a_client_that_reads_none_of_them(empty: bool) -> None:
    scene, answered = ServerScene(), 0
    scene.http.pause_sending()
    for stream in odd(10000):
        events = scene.receive(headers(stream, [(b":method", b"HEAD"), *GET[1:]]))
        if failure(events) == CALM:
            break
        scene.http.send_response(stream, 200, [(b"content-type", b"application/json")], not empty)
        if empty:
            scene.http.send_data(stream, b"", True)
        scene.http.data_to_send()
        answered += 1
    assert 200 < answered < 300


# The bounds themselves, each with the most that is taken and one more


def test_noise_comes_back_by_a_hundred_a_second() -> None:
    scene = ServerScene()
    ping = frame(FrameType.PING, 0, 0, bytes(8))
    assert failure(scene.receive(ping * 999)) is None  # and the SETTINGS of the greeting
    scene.clock.advance(1)
    assert failure(scene.receive(ping * 100)) is None
    assert failure(scene.receive(ping)) == CALM


def test_resets_are_forgotten_after_thirty_seconds() -> None:
    scene = ServerScene()
    for stream in odd(199):
        scene.receive(headers(stream, GET), rst(stream))
    scene.receive(headers(399, GET))
    scene.clock.advance(29.9)
    assert requests(scene.receive(headers(401, GET))) == 0
    scene.clock.advance(0.1)
    assert requests(scene.receive(headers(403, GET))) == 1


def test_a_hundred_streams_at_once() -> None:
    scene = ServerScene()
    assert requests(scene.receive(*(headers(stream, GET) for stream in odd(101)))) == 100
    (refused,) = scene.sent()
    assert (refused.stream, refused.number) == (201, ErrorCode.REFUSED_STREAM)


def test_a_header_list_of_64_kib() -> None:
    """As HTTP/2 counts it (RFC 9113 section 6.5.2): names, values and 32 for each field."""
    fields = [*GET, *[(b"a", b"x" * 16000)] * 4]
    room = 65536 - sum(len(name) + len(value) + 32 for name, value in fields) - 32 - 1
    scene = ServerScene()
    assert requests(scene.receive(*in_frames(1, [*fields, (b"b", b"x" * room)]))) == 1
    assert requests(scene.receive(*in_frames(3, [*fields, (b"b", b"x" * (room + 1))]))) == 0
    answer, *_ = scene.sent()
    assert (answer.kind, answer.stream) == (FrameType.HEADERS, 3) and b"431" in answer.payload


def in_frames(stream: int, fields: list[tuple[bytes, bytes]]) -> list[bytes]:
    """A request whose block is longer than a frame."""
    block = literal(fields)
    pieces = [block[at : at + 16384] for at in range(0, len(block), 16384)]
    kinds = [FrameType.HEADERS, *[FrameType.CONTINUATION] * (len(pieces) - 1)]
    flags = [1, *[0] * (len(pieces) - 2), END_HEADERS]
    return [frame(kind, flag, stream, piece) for kind, flag, piece in zip(kinds, flags, pieces, strict=True)]


def test_answers_that_nobody_reads_are_64_kib() -> None:
    """3855 answers to PINGs, 17 bytes each, are 65,535."""
    scene, answered = ServerScene(), 0
    scene.http.pause_sending()
    scene.http.data_to_send()
    while failure(scene.receive(frame(FrameType.PING, 0, 0, bytes(8)))) is None:
        answered += 1
        scene.clock.advance(0.1)
    assert answered == 3855
