"""HTTP/1.1 as a client, told as conversations. The server is not trusted."""

from __future__ import annotations

import pytest

from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import (
    ConnectionFailed,
    DataReceived,
    Event,
    InformationReceived,
    RequestHead,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    UpgradeAccepted,
)
from kgate.wire.http1 import ClientConnection, Http1Limits

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWERED = [ResponseReceived(1, 200, [(b"content-length", b"2")], False), DataReceived(1, b"ok", 2), StreamEnded(1)]


def head(method: bytes = b"GET", *headers: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(method, b"/pods", b"cluster:6443", list(headers))


def asked(method: bytes = b"GET", limits: Http1Limits | None = None) -> ClientConnection:
    client = ClientConnection(limits)
    client.open(head(method), True)
    client.data_to_send()
    return client


def test_a_request_and_its_answer_and_the_next() -> None:
    client = ClientConnection()
    assert client.capacity == 1
    assert client.open(head(b"GET", (b"accept", b"*/*")), True) == 1
    assert client.data_to_send() == b"GET /pods HTTP/1.1\r\nhost: cluster:6443\r\naccept: */*\r\n\r\n"
    assert client.capacity == 0
    assert client.receive(OK) == ANSWERED
    assert client.capacity == 1 and client.open(head(), True) == 2


@pytest.mark.parametrize(
    ("headers", "end", "sent"),
    [
        ([(b"content-length", b"2")], False, b"host: cluster:6443\r\ncontent-length: 2\r\n\r\nhi"),
        ([], False, b"host: cluster:6443\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
        ([], True, b"host: cluster:6443\r\ncontent-length: 0\r\n\r\n"),
    ],
)
def test_the_framing_of_a_request_follows_its_headers(headers: list[tuple[bytes, bytes]], end: bool, sent: bytes) -> None:
    client = ClientConnection()
    client.open(head(b"POST", *headers), end)
    client.send_data(1, b"hi", True)
    assert client.data_to_send() == b"POST /pods HTTP/1.1\r\n" + sent


def test_what_informs_comes_before_the_answer() -> None:
    assert asked().receive(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 \r\nLink: x\r\n\r\n" + OK) == [
        InformationReceived(1, 100, []),
        InformationReceived(1, 103, [(b"link", b"x")]),
        *ANSWERED,
    ]


def test_a_watch_in_chunks_ends_with_trailers() -> None:
    client = asked()
    assert client.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n") == [
        ResponseReceived(1, 200, [], False),
        DataReceived(1, b"{}\n", 3),
    ]
    assert client.receive(b"0\r\nX-Sum: 1\r\n\r\n") == [TrailersReceived(1, [(b"x-sum", b"1")]), StreamEnded(1)]
    assert client.capacity == 1


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", b"200 OK"), (b"GET", b"204 No Content"), (b"GET", b"304 Not Modified")])
def test_answers_that_have_no_body_whatever_they_say(method: bytes, status: bytes) -> None:
    client = asked(method)
    (answer,) = client.receive(b"HTTP/1.1 " + status + b"\r\nContent-Length: 10\r\n\r\n")
    assert isinstance(answer, ResponseReceived) and answer.ended
    assert client.capacity == 1


def test_an_answer_without_a_length_lasts_until_the_close_and_the_connection_is_not_used_again() -> None:
    client = asked()
    assert client.receive(b"HTTP/1.1 200 OK\r\n\r\nall") == [ResponseReceived(1, 200, [], False), DataReceived(1, b"all", 3)]
    assert client.receive_eof() == [StreamEnded(1)]
    assert client.capacity == 0 and client.closing


@pytest.mark.parametrize(
    "so_far", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"]
)
def test_a_server_that_goes_in_mid_answer(so_far: bytes) -> None:
    client = asked()
    client.receive(so_far)
    assert client.receive_eof() == [StreamReset(1, 2, True)]


@pytest.mark.parametrize(
    "said", [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"]
)
def test_a_connection_that_is_asked_to_close_is_not_used_again(said: bytes) -> None:
    client = asked()
    assert client.receive(said)[-1] == StreamEnded(1)
    assert client.capacity == 0 and client.closing


@pytest.mark.threat("08")
def test_bytes_behind_an_answer_are_nobodys_answer() -> None:
    client = asked()
    assert client.receive(OK + OK) == ANSWERED
    assert client.capacity == 0 and client.closing
    later = asked()
    later.receive(OK)
    assert later.receive(OK) == [] and later.closing
    unasked = ClientConnection()
    assert unasked.receive(OK) == [] and unasked.closing


@pytest.mark.threat("08")
def test_an_answer_before_the_requests_end_spoils_the_connection() -> None:
    client = ClientConnection()
    client.open(head(b"POST", (b"content-length", b"10")), False)
    assert client.receive(OK) == ANSWERED
    assert client.capacity == 0 and client.closing


@pytest.mark.threat("08")
@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 99 x\r\n\r\n",
        b"HTTP/1.1 20 x\r\n\r\n",
        b"HTTP/1.1 2000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 201 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    ],
)
def test_an_answer_that_could_be_read_in_two_ways_is_a_502(said: bytes) -> None:
    client = asked()
    failed = client.receive(said)[-1]
    assert isinstance(failed, ConnectionFailed) and failed.status == 502
    assert client.closing and client.receive(OK) == []


def test_an_upgrade_is_accepted_by_a_101_alone() -> None:
    client = ClientConnection()
    client.open(head(), True, b"SPDY/3.1")
    assert client.data_to_send().endswith(b"connection: Upgrade\r\nupgrade: SPDY/3.1\r\n\r\n")
    switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n"
    assert client.receive(switched + b"\x80\x03") == [UpgradeAccepted(1, [(b"upgrade", b"SPDY/3.1")], b"\x80\x03")]
    refused = ClientConnection()
    refused.open(head(), True, b"SPDY/3.1")
    assert refused.receive(OK) == ANSWERED
    assert refused.capacity == 0 and refused.closing


def test_a_body_that_does_not_go_on_pauses_the_connection() -> None:
    client = asked(limits=Http1Limits(unconsumed=1))
    client.receive(OK)
    assert client.paused
    client.consumed(1, 2)
    assert not client.paused


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_a_connection_that_had_been_idle_and_ends_without_a_word_leaves_its_request_to_be_asked_again(method: bytes) -> None:
    """RFC 9112 section 9.5; 7 is HTTP/2's REFUSED_STREAM, 2 an answer that broke off."""

    def second(method: bytes, said: bytes = b"") -> list[Event]:
        client = asked()
        client.receive(OK)
        client.open(head(method), True)
        client.receive(said)
        return client.receive_eof()

    assert second(method) == [StreamReset(2, 7, True)]
    for so_far in (b"H", b"HTTP/1.1 100 Continue\r\n\r\n"):
        assert second(method, so_far) == [StreamReset(2, 2, True)]
    assert second(b"POST") == [StreamReset(2, 2, True)]  # it may have been done
    assert asked(method).receive_eof() == [StreamReset(1, 2, True)]  # a first request is no race
    idle = asked()
    idle.receive(OK)
    assert idle.idle and idle.receive_eof() == [] and not idle.idle and idle.capacity == 0


@pytest.mark.parametrize(
    ("method", "headers", "sent"),
    [
        (b"POST", [], b"content-length: 0\r\n"),
        (b"PUT", [], b"content-length: 0\r\n"),
        (b"PATCH", [], b"content-length: 0\r\n"),
        (b"DELETE", [], b""),
        (b"POST", [(b"content-length", b"0")], b"content-length: 0\r\n"),
    ],
)
def test_a_request_without_a_body_says_so_where_one_is_usual(method: bytes, headers: list[tuple[bytes, bytes]], sent: bytes) -> None:
    client = ClientConnection()
    client.open(head(method, *headers), True)
    assert client.data_to_send() == method + b" /pods HTTP/1.1\r\nhost: cluster:6443\r\n" + sent + b"\r\n"
    client.send_data(1, b"", True)
    client.send_trailers(1, [(b"a", b"b")])
    assert client.data_to_send() == b""


def test_trailers_of_a_request_end_it() -> None:
    client = ClientConnection()
    client.open(head(b"POST"), False)
    client.send_data(1, b"hi")
    client.send_trailers(1, [(b"x-sum", b"2")])
    client.send_trailers(1, [(b"x-sum", b"3")])
    client.send_data(1, b"no more", True)
    assert client.data_to_send().endswith(b"\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 2\r\n\r\n")
    assert client.receive(OK) == ANSWERED and client.capacity == 1


def test_a_reset_ends_the_connection_of_its_own_request_alone() -> None:
    client = asked()
    client.reset(2, 8)
    assert client.receive(OK) == ANSWERED
    client.reset(1, 8)
    assert client.capacity == 1
    client.open(head(), True)
    client.reset(2, 8)
    assert client.closing and client.receive(OK) == [] and client.capacity == 0


@pytest.mark.threat("08")
@pytest.mark.parametrize("framing", [b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize("status", [b"100 Continue", b"103 Hints", b"101 Switching Protocols"])
def test_what_comes_before_an_answer_has_no_body_and_speaks_of_none(status: bytes, framing: bytes) -> None:
    client = ClientConnection()
    client.open(head(), True, b"SPDY/3.1")
    (failed,) = client.receive(b"HTTP/1.1 " + status + b"\r\n" + framing + b"\r\n")
    assert isinstance(failed, ConnectionFailed) and failed.status == 502 and client.closing


def test_an_answer_of_no_bytes_has_ended() -> None:
    assert asked().receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") == [ResponseReceived(1, 200, [(b"content-length", b"0")], True)]


def test_connection_tells_its_end_in_any_case_and_beside_others() -> None:
    client = asked()
    client.receive(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: x, Close\r\nX: close\r\nContent-Length: 0\r\n\r\n")
    assert client.capacity == 0 and client.closing
    kept = asked()
    kept.receive(b"HTTP/1.1 200 OK\r\nX: close\r\nContent-Length: 0\r\n\r\n")
    assert kept.capacity == 1


def test_bytes_count_until_they_went_on() -> None:
    client = asked()
    client.receive(b"HTTP/1.1 200 OK\r\n\r\n")
    client.receive(bytes(65536))
    assert not client.paused
    client.receive(b"x")
    assert client.paused
    client.consumed(1, 1)
    assert not client.paused


def test_shutdown_waits_for_the_answer_under_way() -> None:
    client = asked()
    client.shutdown()
    assert not client.closing
    client.receive(OK)
    assert client.closing
    idle = ClientConnection()
    idle.shutdown()
    assert idle.closing and idle.capacity == 0


def test_a_second_request_at_once_is_a_mistake_of_ours() -> None:
    with pytest.raises(LocalProtocolError):
        asked().open(head(), True)
