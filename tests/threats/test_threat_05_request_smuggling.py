"""Class 05: messages whose end two readers see in two places."""

from __future__ import annotations

import pytest
from arena import HEAD, Arena

pytestmark = pytest.mark.threat("05")

POST = b"POST /clusters/lab/api/v1/namespaces/a/pods HTTP/1.1\r\n" + HEAD
SMUGGLED = b"GET /clusters/lab/api/v1/namespaces/smuggled/secrets HTTP/1.1\r\n" + HEAD + b"\r\n"

CASES = {
    "CL.TE": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE.TE": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE list": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE with a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE with a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "obs-fold": POST + b"Content-Length: 2\r\nX-A: b\r\n Transfer-Encoding: chunked\r\n\r\n{}",
    "bare LF": POST.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n" + SMUGGLED,
    "bare CR": POST + b"X-A: b\rContent-Length: 50\r\nContent-Length: 0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + SMUGGLED,
    "the same length twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "a signed length": POST + b"Content-Length: +2\r\n\r\n{}",
    "a hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "a length of forty digits": POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
    "a chunk extension": POST + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n",
    "a chunk size that overflows": POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n{}",
    "a signed chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
    "a chunk without its end": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n" + SMUGGLED,
    "an unknown expectation": POST + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.0 with chunks": POST.replace(b"HTTP/1.1", b"HTTP/1.0", 1) + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a NUL in a value": POST + b"X-A: b\x00c\r\nContent-Length: 0\r\n\r\n",
    "no Host": POST.replace(b"Host: localhost\r\n", b"") + b"Content-Length: 0\r\n\r\n",
    "two Hosts": POST + b"Host: localhost\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_and_the_connection_closed(arena: Arena, name: str) -> None:
    with arena.client() as client:
        client.send(CASES[name])
        status = client.status()
        rest = client.rest()
    assert 400 <= status <= 505, name
    assert b"HTTP/1.1" not in rest, "a second answer: the rest was read as a request"
    assert all(b"smuggled" not in head for head in arena.cluster.heads)


def test_a_good_request_of_the_same_shape_passes(arena: Arena) -> None:
    assert arena.ask(POST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n") == 200
