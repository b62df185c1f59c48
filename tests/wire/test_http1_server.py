"""HTTP/1.1 as a server, told as conversations."""

from __future__ import annotations

import pytest

from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import ConnectionFailed, DataReceived, RequestHead, RequestReceived, StreamEnded, StreamReset, TrailersReceived
from kgate.wire.http1 import Http1Limits, ServerConnection

GET = b"GET /pods?watch=true HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /pods HTTP/1.1\r\nHost: a\r\n"
EXEC = b"GET /exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"


@pytest.fixture
def server() -> ServerConnection:
    return ServerConnection()


def test_a_request_and_its_answer_and_the_next(server: ServerConnection) -> None:
    assert server.receive(GET) == [RequestReceived(1, RequestHead(b"GET", b"/pods?watch=true", b"a", []), True)]
    server.send_response(1, 200, [(b"content-type", b"text/plain"), (b"content-length", b"2")], False)
    server.send_data(1, b"ok", True)
    assert server.data_to_send() == b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
    assert server.idle and not server.closing
    (second,) = server.receive(GET)
    assert isinstance(second, RequestReceived) and second.stream == 2


def test_a_body_by_length_comes_in_pieces(server: ServerConnection) -> None:
    (request,) = server.receive(POST + b"Content-Length: 5\r\n\r\n")
    assert isinstance(request, RequestReceived) and not request.ended
    assert server.receive(b"he") == [DataReceived(1, b"he", 2)]
    assert server.receive(b"llo") == [DataReceived(1, b"llo", 3), StreamEnded(1)]


def test_a_body_in_chunks_may_have_trailers(server: ServerConnection) -> None:
    _, *body = server.receive(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 5\r\n\r\n")
    assert body == [
        DataReceived(1, b"he", 2),
        DataReceived(1, b"llo", 3),
        TrailersReceived(1, [(b"x-sum", b"5")]),
        StreamEnded(1),
    ]


@pytest.mark.parametrize("trailers", [b"", b"X-Sum: 5\r\n"])
def test_what_stands_behind_the_last_chunk_is_the_next_request(server: ServerConnection, trailers: bytes) -> None:
    *_, ended = server.receive(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + trailers + b"\r\n" + GET)
    assert ended == StreamEnded(1)
    server.send_response(1, 204, [], True)
    (second,) = server.receive(b"")
    assert second == RequestReceived(2, RequestHead(b"GET", b"/pods?watch=true", b"a", []), True)


@pytest.mark.threat("16")
@pytest.mark.parametrize("at_once", [True, False])
def test_trailers_are_no_longer_than_a_head(at_once: bool) -> None:
    for length, status in ((65536, None), (65537, 431)):
        server = ServerConnection()
        server.receive(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
        section = b"X: " + b"y" * (length - 3) + b"\r\n\r\n"
        events = (
            server.receive(section)
            if at_once
            else [event for place in (0, 1) for event in server.receive(section[place * 65540 :][:65540])]
        )
        failed = events[-1]
        assert (failed.status if isinstance(failed, ConnectionFailed) else None) == status


def test_a_pipelined_request_waits_for_the_answer_before_it(server: ServerConnection) -> None:
    assert len(server.receive(GET + GET)) == 1
    assert server.paused
    assert server.receive(b"") == []
    server.send_response(1, 204, [], True)
    assert server.has_more
    assert len(server.receive(b"")) == 1
    assert not server.paused


def test_a_body_that_does_not_go_on_pauses_the_connection(server: ServerConnection) -> None:
    server = ServerConnection(Http1Limits(unconsumed=10))
    server.receive(POST + b"Content-Length: 100\r\n\r\n" + bytes(11))
    assert server.paused
    server.consumed(1, 11)
    assert not server.paused


@pytest.mark.parametrize(
    ("status", "headers", "method", "sent"),
    [
        (200, [], b"GET", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        (200, [(b"content-length", b"2")], b"GET", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"),
        (299, [(b"content-length", b"2")], b"GET", b"HTTP/1.1 299 \r\ncontent-length: 2\r\n\r\nok"),
    ],
)
def test_the_framing_of_an_answer_follows_its_headers(
    server: ServerConnection, status: int, headers: list[tuple[bytes, bytes]], method: bytes, sent: bytes
) -> None:
    server.receive(GET.replace(b"GET", method))
    server.send_response(1, status, headers, False)
    server.send_data(1, b"ok")
    server.send_data(1, b"", True)
    assert server.data_to_send() == sent
    assert not server.closing


def test_answers_without_a_body(server: ServerConnection) -> None:
    server.receive(GET)
    server.send_response(1, 304, [(b"etag", b'"a"')], True)
    server.receive(GET.replace(b"GET", b"HEAD"))
    server.send_response(2, 200, [(b"content-length", b"1000")], True)
    server.receive(GET)
    server.send_response(3, 403, [], True)
    assert server.data_to_send() == (
        b'HTTP/1.1 304 Not Modified\r\netag: "a"\r\n\r\n'
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"
        b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"
    )


@pytest.mark.parametrize(("request_", "status"), [(GET.replace(b"GET", b"HEAD"), 200), (GET, 204), (GET, 304)])
def test_what_has_no_body_gets_none(server: ServerConnection, request_: bytes, status: int) -> None:
    server.receive(request_)
    server.send_response(1, status, [], False)
    with pytest.raises(LocalProtocolError):
        server.send_data(1, b"not for the wire")
    server.send_trailers(1, [(b"x-sum", b"1")])
    head, end, rest = server.data_to_send().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status) and end and rest == b""
    assert len(server.receive(GET)) == 1


def test_http_1_0_is_one_request_and_its_answer(server: ServerConnection) -> None:
    assert len(server.receive(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + GET)) == 1
    server.send_response(1, 200, [(b"content-length", b"0")], True)
    assert server.data_to_send() == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    assert server.closing and server.receive(b"") == []


def test_an_answer_that_comes_too_late_or_to_another_request_goes_nowhere(server: ServerConnection) -> None:
    server.receive(GET)
    server.send_response(1, 204, [], True)
    server.receive(GET)
    server.data_to_send()
    server.send_response(1, 200, [], True)
    server.send_information(1, 103, [])
    server.send_data(1, b"x", True)
    server.send_trailers(1, [(b"a", b"b")])
    server.reset(1, 8)
    assert server.data_to_send() == b"" and not server.closing
    server.send_response(2, 200, [], False)
    server.send_data(2, b"x", True)
    assert server.data_to_send().endswith(b"\r\n\r\n1\r\nx\r\n0\r\n\r\n")


def test_nothing_is_said_behind_the_answer_to_a_mistake(server: ServerConnection) -> None:
    server.receive(POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n")
    assert server.data_to_send().startswith(b"HTTP/1.1 400 ")
    server.send_information(1, 103, [])
    server.send_response(1, 200, [], False)
    server.send_data(1, b"x", True)
    server.send_trailers(1, [])
    assert server.data_to_send() == b""


def test_to_http_1_0_a_body_without_a_length_lasts_until_the_close(server: ServerConnection) -> None:
    server.receive(b"GET / HTTP/1.0\r\n\r\n")
    server.send_information(1, 103, [])
    server.send_response(1, 200, [], False)
    server.send_data(1, b"ok", True)
    assert server.data_to_send() == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok"
    assert server.closing


def test_trailers_end_an_answer_in_chunks(server: ServerConnection) -> None:
    server.receive(GET)
    server.send_response(1, 200, [], False)
    server.send_data(1, b"ok")
    server.send_trailers(1, [(b"x-sum", b"2")])
    assert server.data_to_send().endswith(b"\r\n\r\n2\r\nok\r\n0\r\nx-sum: 2\r\n\r\n")


def test_connection_close_is_kept_to_and_said(server: ServerConnection) -> None:
    server.receive(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    server.send_response(1, 200, [], True)
    assert b"\r\nconnection: close\r\n" in server.data_to_send()
    assert server.closing
    assert server.receive(GET) == []


def test_100_is_said_once_to_whom_waits_for_it(server: ServerConnection) -> None:
    server.receive(POST + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")
    server.send_information(1, 100, [])
    server.send_information(1, 100, [])
    assert server.data_to_send() == b"HTTP/1.1 100 Continue\r\n\r\n"
    server.receive(b"x")
    server.send_response(1, 200, [], True)
    server.receive(POST + b"Content-Length: 1\r\n\r\n")
    server.data_to_send()
    server.send_information(2, 100, [])
    assert server.data_to_send() == b""


def test_an_answer_before_the_requests_end_closes(server: ServerConnection) -> None:
    """What follows could be the rest of the body or another request: nobody can tell (RFC 9112, 9.6)."""
    server.receive(POST + b"Content-Length: 100\r\n\r\nx")
    server.send_response(1, 413, [], True)
    assert server.closing


def test_an_upgrade_gives_the_bytes_behind_it_to_the_tunnel(server: ServerConnection) -> None:
    (request,) = server.receive(EXEC + b"early")
    assert isinstance(request, RequestReceived) and request.upgrade == b"websocket"
    assert server.receive(b"er") == []
    assert server.switch(1, [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")]) == b"earlyer"
    assert server.data_to_send() == b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n"
    assert server.receive(GET) == []


@pytest.mark.threat("07")
def test_an_upgrade_that_is_not_accepted_closes_and_the_bytes_behind_it_are_nobodys(server: ServerConnection) -> None:
    assert len(server.receive(EXEC + GET)) == 1
    server.send_response(1, 403, [], True)
    assert server.closing
    assert not server.has_more and server.receive(b"") == []


@pytest.mark.threat("07")
def test_only_so_much_may_come_before_the_101(server: ServerConnection) -> None:
    assert len(server.receive(EXEC + bytes(65536))) == 1
    (failed,) = server.receive(b"x")
    assert isinstance(failed, ConnectionFailed) and failed.status == 400


REFUSED = [
    (400, "the request line", [b"GET /x", b"GET  /x HTTP/1.1", b"GET /x HTTP/1.1 x", b"GET /a b HTTP/1.1"]),
    (400, "an HTTP version", [b"GET /x FTP/1.1", b"GET /x http/1.1"]),
    (505, "an HTTP version", [b"GET /x HTTP/1.2", b"GET /x HTTP/2.0"]),
    (501, "a method", [b"get /x HTTP/1.1", b"BREW /x HTTP/1.1", b"CONNECT /x HTTP/1.1", b"TRACE /x HTTP/1.1"]),
    (400, "a target", [b"GET x HTTP/1.1", b"GET * HTTP/1.1", b"GET http://a/x HTTP/1.1", b"GET /x#y HTTP/1.1", b"GET /\xe9 HTTP/1.1"]),
    (
        400,
        "not exactly one valid Host",
        [
            b"GET /x HTTP/1.1\r\nX: y",
            b"GET /x HTTP/1.1\r\nHost: a\r\nHost: a",
            b"GET /x HTTP/1.0\r\nHost: a\r\nHost: a",
            b"GET /x HTTP/1.1\r\nHost:",
            b"GET /x HTTP/1.1\r\nHost: u@a",
            b"GET /x HTTP/1.1\r\nHost: a:123456",
            b"GET /x HTTP/1.1\r\nHost: a/b",
        ],
    ),
    (400, "a header line", [b"GET /x HTTP/1.1\r\nHost", b"GET /x HTTP/1.1\r\n: a", b"GET /x HTTP/1.1\r\nA b: c"]),
    (400, "a control character", [b"GET /x HTTP/1.1\r\nHost: a\x00", b"GET /x HTTP/1.1\r\nno field\r\nX: \x7f"]),
    (400, "Content-Length", [POST + b"Content-Length: " + value for value in (b"+1", b"0x1", b"1 1", b"-1", b"/", b"1:", b"", b"\xb2")]),
    (400, "Content-Length", [POST + b"Content-Length: 1\r\nContent-Length: 1"]),
    (501, "a Transfer-Encoding", [POST + b"Transfer-Encoding: " + value for value in (b"gzip", b"identity", b"gzip, chunked", b"")]),
    (501, "a Transfer-Encoding", [POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"]),
    (
        400,
        "Transfer-Encoding beside",
        [
            POST + b"Content-Length: 0\r\nTransfer-Encoding: chunked",
            b"POST /x HTTP/1.0\r\nTransfer-Encoding: chunked",
        ],
    ),
    (417, "an expectation", [POST + b"Content-Length: 1\r\nExpect: 200-ok"]),
    (
        400,
        "Connection asks for an upgrade",
        [
            b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade",
            b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade:",
            b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: xupgradex\r\nUpgrade: a\r\nUpgrade: a",
            b"GET /x HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket",
        ],
    ),
    (
        400,
        "an upgrade request with a body",
        [
            POST + b"Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 1",
            POST + b"Connection: Upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked",
        ],
    ),
    (400, "white space before the head", [b" GET /x HTTP/1.1", b"\nGET /x HTTP/1.1", b"GET /x HTTP/1.1\nHost: a"]),
    (431, "the head is larger", [POST + b"X: " + b"y" * 65536]),
]


@pytest.mark.threat("05")
@pytest.mark.parametrize(("status", "text", "head"), [(status, text, head) for status, text, heads in REFUSED for head in heads])
def test_what_a_head_is_refused_with(server: ServerConnection, status: int, text: str, head: bytes) -> None:
    (failed,) = server.receive(head + b"\r\n\r\n")
    assert isinstance(failed, ConnectionFailed) and failed.status == status and failed.text.startswith(text)
    assert server.data_to_send().startswith(b"HTTP/1.1 %d " % status) and server.closing


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"])
def test_what_kubernetes_does_is_taken_with_or_without_a_host_of_1_0(server: ServerConnection, method: bytes) -> None:
    (request,) = server.receive(method + b" /x HTTP/1.0\r\nExpect: 100-Continue\r\n\r\n")
    assert request == RequestReceived(1, RequestHead(method, b"/x", b"", [(b"expect", b"100-Continue")]), True)


@pytest.mark.threat("05")
@pytest.mark.parametrize(
    ("name", "passes"),
    [
        *((name, False) for name in (
            b"Authorization", b"Content-Length", b"Transfer-Encoding", b"Host", b"Connection", b"TE", b"Trailer", b"Upgrade", b"Cookie",
            b"Expect", b"Range", b"Content-Type", b"Content-Encoding", b"Set-Cookie", b"Keep-Alive", b"X-Forwarded-For", b"Impersonate-User",
            b"Impersonate-Extra-x", b"X-Remote-Group", b"Proxy-Authorization",
        )),
        *((name, True) for name in (b"X-Sum", b"Digest", b"Author", b"Proxy", b"Remote-User")),
    ],
)  # fmt: skip
def test_a_trailer_frames_routes_and_authenticates_nothing(server: ServerConnection, name: bytes, passes: bool) -> None:
    *_, last = server.receive(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + name + b": x\r\n\r\n")
    assert last == (StreamEnded(1) if passes else ConnectionFailed(400, 1, "a trailer that may not be one"))


def test_a_mistake_is_answered_and_the_connection_over(server: ServerConnection) -> None:
    assert server.receive(b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n" + GET) == [
        ConnectionFailed(501, 1, "a method that Kubernetes does not know")
    ]
    text = b"kgate: a method that Kubernetes does not know\n"
    assert server.data_to_send() == (
        b"HTTP/1.1 501 Not Implemented\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(text), text)
    )
    assert server.closing and server.receive(GET) == []


def test_a_mistake_in_the_body_behind_an_answer_that_began_just_ends_it(server: ServerConnection) -> None:
    server.receive(POST + b"Transfer-Encoding: chunked\r\n\r\n")
    server.send_response(1, 200, [], False)
    server.data_to_send()
    (failed,) = server.receive(b"zz\r\n")
    assert isinstance(failed, ConnectionFailed)
    assert server.data_to_send() == b"" and server.closing


def test_a_client_that_goes(server: ServerConnection) -> None:
    assert server.receive_eof() == [] and server.closing
    waiting = ServerConnection()
    waiting.receive(GET)
    assert waiting.receive_eof() == [StreamReset(1, 8, True)]
    for half in (GET[:20], POST + b"Content-Length: 5\r\n\r\nx"):
        cut = ServerConnection()
        cut.receive(half)
        (failed,) = cut.receive_eof()
        assert isinstance(failed, ConnectionFailed)


def test_a_reset_leaves_an_answer_that_nobody_takes_for_whole(server: ServerConnection) -> None:
    server.receive(GET)
    server.send_response(1, 200, [], False)
    server.send_data(1, b"half")
    server.reset(1, 8)
    assert not server.data_to_send().endswith(b"0\r\n\r\n")
    assert server.closing
    assert server.send_data(1, b"late") == 0 and server.data_to_send() == b""


def test_shutdown_waits_for_the_answer_under_way(server: ServerConnection) -> None:
    server.receive(GET)
    server.shutdown()
    assert not server.closing
    server.send_response(1, 200, [], True)
    assert server.closing
    between = ServerConnection()
    between.shutdown()
    assert between.closing


def test_what_would_be_a_mistake_of_ours(server: ServerConnection) -> None:
    server.receive(GET)
    with pytest.raises(LocalProtocolError):
        server.switch(1, [])
    with pytest.raises(LocalProtocolError):
        server.send_response(1, 200, [(b"x", b"a\r\nSet-Cookie: b")], True)
    server = ServerConnection()
    server.receive(GET)
    server.send_response(1, 200, [(b"content-length", b"1")], False)
    with pytest.raises(LocalProtocolError):
        server.send_response(1, 200, [], True)
    with pytest.raises(LocalProtocolError):
        server.send_data(1, b"xx")
    with pytest.raises(LocalProtocolError):
        server.send_data(1, b"", True)
