"""What HTTP/1.1 remembers of one head for the next changes nothing about what the next is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import ConnectionFailed, DataReceived, Event, RequestHead, RequestReceived, SharedFields
from kgate.wire.http1 import ClientConnection, ServerConnection
from kgate.wire.http1_grammar import Invalid, parse_fields
from kgate.wire.http1_writing import encode_fields
from kgate.wire.http2 import ClientConnection as Http2Client
from kgate.wire.http2 import Http2Limits

LINES = st.sampled_from(
    [
        b"Host: a.example", b"host: b.example", b"Accept: */*", b"Authorization: Bearer one", b"Authorization: Bearer two", b"Connection: close",
        b"Connection: keep-alive", b"Content-Length: 0", b"Content-Length: 3", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"X-A:  b  ",
        b"Connection: Upgrade", b"Upgrade: websocket", b"no colon", b"X_A: b", b"Date: today", b"bad name: x",
    ]
)  # fmt: skip
STARTS = st.sampled_from(
    [b"GET /a HTTP/1.1", b"GET /b HTTP/1.1", b"HEAD /a HTTP/1.1", b"GET /a HTTP/1.0", b"POST /a HTTP/1.1", b"GET a HTTP/1.1"]
)
BLOCKS = st.lists(LINES, max_size=4).map(lambda lines: b"\r\n".join([b"Host: a.example", *lines]))


def first(connection: ServerConnection, request: bytes) -> Event | None:
    return next(iter(connection.receive(request)), None)


@given(st.lists(st.tuples(STARTS, BLOCKS), min_size=1, max_size=6), st.booleans())
def test_requests_of_one_connection_are_read_as_each_alone(requests: list[tuple[bytes, bytes]], repeat: bool) -> None:
    connection = ServerConnection()
    for start, block in [each for each in requests for _ in range(1 + repeat)]:
        request = start + b"\r\n" + block + b"\r\n\r\n"
        here, alone = first(connection, request), first(ServerConnection(), request)
        if isinstance(alone, ConnectionFailed):
            assert isinstance(here, ConnectionFailed) and here.text == alone.text
            return
        assert isinstance(here, RequestReceived) and isinstance(alone, RequestReceived)
        assert (here.head, here.ended, here.upgrade) == (alone.head, alone.ended, alone.upgrade)
        if not here.ended or here.upgrade:
            return
        connection.send_response(here.stream, 200, [(b"content-length", b"0")], True)
        fresh = ServerConnection()
        first(fresh, request)
        fresh.send_response(1, 200, [(b"content-length", b"0")], True)
        assert connection.data_to_send() == fresh.data_to_send()
        assert connection.closing == fresh.closing
        if connection.closing:
            return


@given(st.lists(LINES, min_size=1, max_size=6), st.lists(LINES, max_size=6))
def test_a_line_means_the_same_whatever_came_before(lines: list[bytes], others: list[bytes]) -> None:
    def alone(line: bytes) -> tuple[bytes, bytes] | None:
        name, colon, value = line.partition(b":")
        return (name.lower(), value.strip()) if colon and b" " not in name and b"_" not in name else None

    parse_fields(b"\r\n".join(others))
    expected = [alone(line) for line in lines]
    found = parse_fields(b"\r\n".join(lines))
    assert isinstance(found, Invalid) if None in expected else found == expected


FIELDS = st.tuples(
    st.sampled_from([b"accept", b"authorization", b"date", b"x-a"]),
    st.sampled_from([b"", b"a", b"a:b", b"a\r", b"a\nb: c", b"a\0", b"a" * 300]),
)


@given(st.lists(FIELDS, max_size=6), st.lists(FIELDS, max_size=6))
def test_fields_are_written_the_same_whatever_was_written_before(
    before: list[tuple[bytes, bytes]], fields: list[tuple[bytes, bytes]]
) -> None:
    for field in before:
        written([field])
    sound = not any(bad in value for _, value in fields for bad in (b"\r", b"\n", b"\0"))
    assert written(fields) == (b"".join(b"%b: %b\r\n" % field for field in fields) + b"\r\n" if sound else None)


def written(fields: list[tuple[bytes, bytes]]) -> bytes | None:
    try:
        return encode_fields(fields)
    except LocalProtocolError:
        return None


SOUND = FIELDS.filter(lambda field: field[1].isalpha() or not field[1])


@given(st.lists(SOUND, max_size=4), st.lists(SOUND, max_size=3), st.booleans(), st.sampled_from([b"GET", b"POST"]))
def test_a_request_that_shares_its_fields_is_written_as_one_that_does_not(
    common: list[tuple[bytes, bytes]], own: list[tuple[bytes, bytes]], over_http2_first: bool, method: bytes
) -> None:
    shared = SharedFields(common)
    if over_http2_first:  # what that remembers with the fields is not ours
        Http2Client(Http2Limits(), lambda: 0.0).open(RequestHead(method, b"/", b"a", [*common, *own], shared), True)
    for _ in range(2):
        sharing, alone = ClientConnection(), ClientConnection()
        sharing.open(RequestHead(method, b"/a", b"b.example", [*common, *own], shared), True)
        alone.open(RequestHead(method, b"/a", b"b.example", [*common, *own]), True)
        assert sharing.data_to_send() == alone.data_to_send()


ANSWERS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
    ]
)  # fmt: skip


@given(ANSWERS, st.sampled_from([b"GET", b"HEAD", b"POST"]), st.integers(1, 4))
def test_an_answer_that_comes_whole_is_read_as_one_that_comes_in_two(answer: bytes, method: bytes, cut: int) -> None:
    whole, halved = ClientConnection(), ClientConnection()
    for connection in (whole, halved):
        connection.open(RequestHead(method, b"/a", b"b.example", []), method != b"POST")
    events, others = whole.receive(answer), [*halved.receive(answer[:-cut]), *halved.receive(answer[-cut:])]
    assert joined(events) == joined(others)
    if not answer.endswith(b"abcd"):  # whether a byte too many has come yet is what differs there
        assert (whole.capacity, whole.closing, whole.paused) == (halved.capacity, halved.closing, halved.paused)


def joined(events: list[Event]) -> tuple[list[Event], bytes]:
    """The events but for DATA, and all DATA as one."""
    data = b"".join(event.data for event in events if isinstance(event, DataReceived))
    return [event for event in events if not isinstance(event, DataReceived)], data
