"""What HTTP/1.1 remembers of one head for the next changes nothing about what the next is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kgate.wire.events import ConnectionFailed, Event, RequestReceived
from kgate.wire.http1 import ServerConnection
from kgate.wire.http1_grammar import Invalid, parse_fields

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
        assert here[1:] == alone[1:]
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
