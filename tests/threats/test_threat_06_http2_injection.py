"""Class 06: bytes in HTTP/2 fields that become something else in HTTP/1.1, lengths that lie, CONNECT."""

from __future__ import annotations

import pytest
from arena import Arena
from live_gate import TOKENS

pytestmark = pytest.mark.threat("06")

BEARER = (b"authorization", b"Bearer " + TOKENS["alice"].encode())
GOOD = {b":method": b"GET", b":scheme": b"https", b":authority": b"localhost", b":path": b"/clusters/lab/api/v1/pods"}


def head(*more: tuple[bytes, bytes], **changed: bytes) -> list[tuple[bytes, bytes]]:
    pseudo = {**GOOD, **{b":" + name.encode(): value for name, value in changed.items()}}
    return [*pseudo.items(), BEARER, *more]


CASES = {
    "a request in :method": head(method=b"GET /evil HTTP/1.1\r\nX: y"),
    "a space in :method": head(method=b"GET /evil"),
    "an unknown method": head(method=b"BREW"),
    "a lower-case method": head(method=b"get"),
    "a version in :path": head(path=b"/clusters/lab/api/v1/pods HTTP/1.1"),
    "a line end in :path": head(path=b"/clusters/lab/api/v1/pods\r\nImpersonate-User: root"),
    "an absolute :path": head(path=b"https://evil/api/v1/pods"),
    "a fragment in :path": head(path=b"/clusters/lab/api/v1/pods#x"),
    "another scheme": head(scheme=b"gopher"),
    "user information in :authority": head(authority=b"root@localhost"),
    "a line end in :authority": head(authority=b"localhost\r\nX: y"),
    "another host header": head((b"host", b"other.example.com")),
    "a line end in a value": head((b"x-a", b"b\r\nImpersonate-User: root")),
    "a NUL in a value": head((b"x-a", b"b\x00c")),
    "an upper-case name": head((b"X-A", b"b")),
    "an underscore name": head((b"impersonate_user", b"root")),
    "a connection header": head((b"connection", b"impersonate-user")),
    "transfer-encoding": head((b"transfer-encoding", b"chunked")),
    "te other than trailers": head((b"te", b"gzip")),
    "upgrade": head((b"upgrade", b"h2c")),
    "a pseudo header after others": [*head(), (b":path", b"/evil")],
    "an unknown pseudo header": [(b":evil", b"x"), *head()],
    "two paths": [(b":path", b"/evil"), *head()],
    "no path": [pair for pair in head() if pair[0] != b":path"],
    "CONNECT": [(b":method", b"CONNECT"), (b":authority", b"localhost:22"), BEARER],
    "extended CONNECT": head((b":protocol", b"websocket"), method=b"CONNECT"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_and_nothing_reaches_the_cluster(arena: Arena, name: str) -> None:
    with arena.http2() as client:
        outcome = client.outcome(client.get(CASES[name]))
    assert outcome in ("reset", "closed", 400, 405, 421, 501), outcome
    assert arena.cluster.heads == []


@pytest.mark.parametrize("length", [b"1", b"3", b"-2", b"2, 2", b"+2"])
def test_a_content_length_that_lies_is_a_reset(arena: Arena, length: bytes) -> None:
    arena.cluster.answer = lambda connection, _head: None  # an answer that came before the body would end the exchange rightly
    with arena.http2() as client:
        stream = client.get(head((b"content-length", length), (b"content-type", b"application/json"), method=b"POST"), end=False)
        client.raw(b"\x00\x00\x02\x00\x01" + stream.to_bytes(4, "big") + b"{}")
        assert client.outcome(stream) in ("reset", "closed", 400)


def test_the_same_request_without_mischief_passes(arena: Arena) -> None:
    with arena.http2() as client:
        assert client.outcome(client.get(head())) == 200
