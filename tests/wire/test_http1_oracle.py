"""HTTP/1.1 in either role against h11: what ours takes h11 takes, and reads alike; and against itself, cut at every byte.

Where h11 takes what ours refuses, that is on purpose and stands in the list of docs/wire.md: see test_strictness.py.
"""

from __future__ import annotations

import pytest
from http1_reading import client_events, h11_client, h11_server, joined, our_client, our_server, pieces, server_events
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.wire.events import ConnectionFailed, RequestReceived
from kgate.wire.http1 import Http1Limits

names = st.sampled_from([b"Accept", b"x-a", b"X-Stream-Protocol-Version", b"user-agent", b"Content-Type"])
values = st.from_regex(rb"[!-~\x80-\xff]([ -~\x80-\xff\t]{0,20}[!-~\x80-\xff])?|", fullmatch=True)
fields = st.lists(
    st.tuples(names, st.sampled_from([b": ", b":", b":\t ", b":  "]), values, st.sampled_from([b"", b" ", b"\t"])), max_size=4
)
bodies = st.lists(st.binary(min_size=1, max_size=30), max_size=4)
targets = st.from_regex(rb"/[a-z0-9/%?=&.:-]{0,30}", fullmatch=True)


def lines(listed: list[tuple[bytes, bytes, bytes, bytes]]) -> bytes:
    return b"".join(b"".join(parts) + b"\r\n" for parts in listed)


@st.composite
def framed(draw: st.DrawFn) -> bytes:
    """Framing headers, the empty line and a body: none, a length, or chunks with trailers."""
    kind, body = draw(st.sampled_from(["none", "length", "chunks"])), draw(bodies)
    if kind == "none":
        return b"\r\n"
    if kind == "length":
        whole = b"".join(body)
        return b"Content-Length: %d\r\n\r\n%b" % (len(whole), whole)
    size = draw(st.sampled_from([b"%x", b"%X", b"00%x"]))
    chunks = b"".join(size % len(piece) + b"\r\n" + piece + b"\r\n" for piece in body)
    trailers = b"".join(b"x-t%d: %d\r\n" % (number, number) for number in range(draw(st.integers(0, 2))))
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n" + trailers + b"\r\n"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A few requests, one behind another."""
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"PATCH"])) + b" " + draw(targets) + b" HTTP/1.1\r\nHost: a\r\n"
        parts.append(start + lines(draw(fields)) + draw(framed()))
    return b"".join(parts)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """One answer, perhaps behind one that only informs."""
    before = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 \r\nLink: x\r\n\r\n"]))
    status = draw(st.sampled_from([b"200 OK", b"404 Not Found", b"500 ", b"503", b"204 No Content", b"304 Not Modified"]))
    body = b"\r\n" if status[:3] in (b"204", b"304") else draw(framed().filter(lambda text: text != b"\r\n"))
    return before + b"HTTP/1.1 " + status + b"\r\n" + lines(draw(fields)) + body


def spoil(data: bytes, where: int, how: bytes | None) -> bytes:
    """A byte taken out, or bytes put in."""
    at = where % (len(data) + 1)
    return data[:at] + data[at + 1 :] if how is None else data[:at] + how + data[at:]


damages = st.one_of(
    st.none(),
    st.sampled_from([b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b",", b"_", b"0", b"1", b";", b"\x0b", b"\x7f", b"\x80", b"chunked"]),
)


@settings(max_examples=150)
@given(requests())
def test_good_requests_are_read_as_h11_reads_them(data: bytes) -> None:
    assert our_server(data) == h11_server(data)


@settings(max_examples=150)
@given(answers())
def test_so_are_good_answers(data: bytes) -> None:
    assert our_client(data) == h11_client(data)


@settings(max_examples=400)
@given(requests(), st.integers(0, 2000), damages)
def test_of_damaged_requests_ours_takes_nothing_that_h11_reads_otherwise(data: bytes, where: int, how: bytes | None) -> None:
    data = spoil(data, where, how)
    ours, theirs = our_server(data), h11_server(data)
    assert ours.messages == theirs.messages[: len(ours.messages)]


@settings(max_examples=400)
@given(answers(), st.integers(0, 2000), damages)
def test_nor_of_damaged_answers(data: bytes, where: int, how: bytes | None) -> None:
    data = spoil(data, where, how)
    ours, theirs = our_client(data), h11_client(data)
    assert ours.messages == theirs.messages[: len(ours.messages)]


cuts = st.sets(st.integers(1, 400), max_size=8)
SMALL = Http1Limits(head=120, headers=4, early=40)
"""Bounds that generated messages run into."""


@settings(max_examples=300)
@given(requests(), st.integers(0, 2000), damages, cuts, st.booleans())
def test_any_split_of_requests_gives_the_same_events(data: bytes, where: int, how: bytes | None, at: set[int], small: bool) -> None:
    data, limits = spoil(data, where, how), SMALL if small else None
    whole = server_events([data], limits)
    assert server_events(pieces(data, at), limits) == whole
    assert server_events(pieces(data, set(range(len(data)))), limits) == whole


@settings(max_examples=300)
@given(answers(), st.integers(0, 2000), damages, cuts, st.booleans())
def test_any_split_of_answers_gives_the_same_events(data: bytes, where: int, how: bytes | None, at: set[int], small: bool) -> None:
    data, limits = spoil(data, where, how), SMALL if small else None
    whole = client_events([data], limits=limits, eof=True)
    assert client_events(pieces(data, at), limits=limits, eof=True) == whole
    assert client_events(pieces(data, set(range(len(data)))), limits=limits, eof=True) == whole


@settings(max_examples=200)
@given(st.binary(max_size=60), cuts)
def test_any_bytes_at_all_give_the_same_events(data: bytes, at: set[int]) -> None:
    assert server_events(pieces(data, at)) == server_events([data])
    assert client_events(pieces(data, at), eof=True) == client_events([data], eof=True)


@pytest.mark.parametrize("beyond", range(-3, 6))
def test_the_largest_head_is_as_large_however_it_arrives(beyond: int) -> None:
    """Its last bytes are the line end itself, of which a reader may have seen any part."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    data = head + b"y" * (100 - len(head) + beyond) + b"\r\n\r\n"
    limits = Http1Limits(head=100)
    whole = server_events([data], limits)
    assert isinstance(whole[0], RequestReceived if beyond <= 0 else ConnectionFailed)
    for at in range(len(data)):
        assert server_events(pieces(data, {at}), limits) == whole
    assert joined(server_events(pieces(data, set(range(len(data)))), limits)) == whole
