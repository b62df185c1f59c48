"""What HTTP/1.1 remembers of one head for the next changes nothing about what the next is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import ConnectionFailed, DataReceived, Event, RequestHead, RequestReceived, SharedFields
from kgate.wire.http1 import ClientConnection, Http1Limits, ServerConnection
from kgate.wire.http1_grammar import Invalid, origin_form, parse_fields, parse_length
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


SIMPLE = st.sampled_from(
    [b"Host: a.example", b"Host: a.example\r\nAccept: */*", b"Accept: */*\r\nHost: a.example\r\nConnection: keep-alive"]
)
# Between a start and the fields, and behind them: mostly what belongs there.
BETWEEN = st.sampled_from([b"\r\n"] * 6 + [b"\r\n\r\n", b"\n", b"\n\n", b"\n\r", b"\r\nHost: a.example\r\n", b"\r\nX-A: b\r\n\r\n", b""])
BEHIND = st.sampled_from([b"\r\n\r\n"] * 6 + [b"\r\n", b"\n\n", b"\r\n\r\n\r\n", b"\r\n\r\nGET /c HTTP/1.1\r\n", b"\r\nX-A: b\r\n\r\n"])


LONG_STARTS = STARTS | st.just(b"GET /%b HTTP/1.1" % (b"a" * 20))


@given(SIMPLE, st.lists(st.tuples(LONG_STARTS, BETWEEN, BEHIND), min_size=1, max_size=2), st.integers(-2, 2), st.booleans())
def test_a_connection_that_knows_the_fields_reads_every_byte_as_one_that_does_not(
    block: bytes, parts: list[tuple[bytes, bytes, bytes]], room: int, tight: bool
) -> None:
    data = b"".join(start + between + block + behind for start, between, behind in parts)
    limits = Http1Limits(head=max(len(data) - 4 + room, len(block) + 17)) if tight else Http1Limits()
    for cut in range(len(data) + 1):
        knows, does_not = after_a_request(block, limits), after_a_request(b"Host: b.example", limits)
        assert told(knows, data[:cut]) == told(does_not, data[:cut])
        assert told(knows, data[cut:]) == told(does_not, data[cut:])
        for connection in (knows, does_not):
            connection.send_response(2, 200, [(b"content-length", b"0")], True)
        assert told(knows, b"") == told(does_not, b"")


@pytest.mark.parametrize("room", [-2, -1, 0, 1])
def test_a_head_of_known_fields_is_not_let_be_larger_than_another(room: int) -> None:
    head = b"GET /%b HTTP/1.1\r\nHost: a.example" % (b"a" * 20)
    connection = after_a_request(b"Host: a.example", Http1Limits(head=len(head) + room))
    (event,) = connection.receive(head + b"\r\n\r\n")
    assert (event.status if isinstance(event, ConnectionFailed) else None) == (431 if room < 0 else None)


def after_a_request(block: bytes, limits: Http1Limits) -> ServerConnection:
    """A connection that answered a request with these fields."""
    connection = ServerConnection(limits)
    connection.receive(b"GET /a HTTP/1.1\r\n" + block + b"\r\n\r\n")
    connection.send_response(1, 200, [(b"content-length", b"0")], True)
    connection.data_to_send()
    return connection


def told(connection: ServerConnection, data: bytes) -> object:
    """All that can be seen of a connection after ``data``."""
    return connection.receive(data), connection.data_to_send(), connection.closing, connection.idle, connection.paused, connection.has_more


CONTROLS = bytes({*range(32), 127} - {9})
PIECES = st.lists(
    st.sampled_from([b"Host: a", b"X-A", b":", b"b", b" ", b"\t", b"\r\n", b"\r\n", b"\r", b"\n", b"\0", b"\x7f", b"\x80", b"_", b"Accept: */*"]), max_size=9
).map(b"".join)  # fmt: skip


@given(PIECES, PIECES)
def test_a_block_is_read_and_refused_as_it_would_be_all_at_once(before: bytes, block: bytes) -> None:
    parse_fields(before)
    for _ in range(2):
        assert parse_fields(block) == all_at_once(block)


def all_at_once(block: bytes) -> list[tuple[bytes, bytes]] | Invalid:
    if not block:
        return []
    if set(block.replace(b"\r\n", b"")) & set(CONTROLS):
        return Invalid(400, "a control character, or a line end other than CRLF, in the head")
    found = [re.fullmatch(rb"([!#$%&'*+\-.^`|~0-9A-Za-z]+):(.*)", line, re.DOTALL) for line in block.split(b"\r\n")]
    fields = [(match[1].lower(), match[2].strip(b" \t")) for match in found if match]
    return fields if len(fields) == len(found) else Invalid(400, "a header line that is not name: value")


def test_each_byte_may_stand_in_a_target_and_a_line_or_not() -> None:
    for byte in range(256):
        assert origin_form(b"/a%bb" % bytes([byte])) == (33 <= byte < 127 and byte != ord("#"))
        assert isinstance(parse_fields(b"X-A: a%bb" % bytes([byte])), Invalid) == (byte in CONTROLS)
        ends = byte in b"\r\n\0"
        assert written([(b"x-a", b"a%bb" % bytes([byte]))]) == (None if ends else b"x-a: a%bb\r\n\r\n" % bytes([byte]))
        assert (written([(b"a%bb" % bytes([byte]), b"b")]) is None) == ends


@given(st.text("0123456789+- _a٣", max_size=20).map(str.encode))
def test_a_length_is_at_most_eighteen_digits_and_nothing_else(value: bytes) -> None:
    assert parse_length([value]) == (
        int(value) if re.fullmatch(rb"[0-9]{1,18}", value) else Invalid(400, "Content-Length is not one plain number")
    )


def test_a_head_that_cannot_be_written_is_not_written_in_part() -> None:
    connection = after_a_request(b"Host: a.example", Http1Limits())
    connection.receive(b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n")
    with pytest.raises(LocalProtocolError):
        connection.send_response(2, 200, [(b"content-length", b"0"), (b"x-a", b"a\r\nb: c")], True)
    assert connection.data_to_send() == b""


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


@given(ANSWERS, st.integers(-3, 3))
def test_an_answer_is_read_and_refused_alike_wherever_it_is_cut(answer: bytes, room: int) -> None:
    limits = Http1Limits(head=answer.index(b"\r\n\r\n") + room)
    whole = ClientConnection(limits)
    whole.open(RequestHead(b"GET", b"/a", b"b.example", []), True)
    expected = joined(whole.receive(answer))
    for cut in range(1, len(answer)):
        halved = ClientConnection(limits)
        halved.open(RequestHead(b"GET", b"/a", b"b.example", []), True)
        assert joined([*halved.receive(answer[:cut]), *halved.receive(answer[cut:])]) == expected


@pytest.mark.parametrize(
    ("connection", "again"),
    [(b"keep-alive", 1), (b"Keep-Alive", 1), (b"close", 0), (b"keep-alive, close", 0), (b"keep-alive\r\nConnection: Close", 0), (b"x", 1)],
)
def test_a_connection_is_used_again_unless_the_answer_says_close(connection: bytes, again: int) -> None:
    client = ClientConnection()
    client.open(RequestHead(b"GET", b"/a", b"b.example", []), True)
    client.receive(b"HTTP/1.1 200 OK\r\nConnection: " + connection + b"\r\nContent-Length: 0\r\n\r\n")
    assert client.capacity == again


def joined(events: list[Event]) -> tuple[list[Event], bytes]:
    """The events but for DATA, and all DATA as one."""
    data = b"".join(event.data for event in events if isinstance(event, DataReceived))
    return [event for event in events if not isinstance(event, DataReceived)], data
