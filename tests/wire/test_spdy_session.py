"""Two ends of a SPDY connection joined in memory."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.wire import spdy
from kgate.wire.errors import LocalProtocolError
from kgate.wire.spdy_headers import dictionary, parse_pairs
from kgate.wire.spdy_session import Failed, Farewell, Opened, Ponged, Received, Replied, Reset, Session, SessionEvent

ERROR = [(b"streamtype", b"error")]
STDOUT = [(b"streamtype", b"stdout")]


def test_an_exec() -> None:
    client, server = Session(client=True), Session()
    error, stdout = client.open(ERROR), client.open(STDOUT, fin=True)
    assert server.receive(client.data_to_send()) == [Opened(1, ERROR, False), Opened(3, STDOUT, True)]
    server.reply(error)
    server.reply(stdout, [(b"a", b"b")])
    server.send(stdout, b"x" * 40000)
    server.send(stdout, b"", fin=True)
    server.send(error, b"{}", fin=True)
    server.goaway()
    assert client.receive(server.data_to_send()) == [
        Replied(1, False),
        Replied(3, False),
        Received(3, b"x" * 32768, False),
        Received(3, b"x" * 7232, False),
        Received(3, b"", True),
        Received(1, b"{}", True),
        Farewell(3),
    ]


@pytest.mark.parametrize(
    ("length", "pieces"), [(0, [(0, True)]), (1, [(1, True)]), (32768, [(32768, True)]), (32769, [(32768, False), (1, True)])]
)
def test_what_is_long_goes_in_frames_of_which_the_last_one_ends(length: int, pieces: list[tuple[int, bool]]) -> None:
    client, server = Session(client=True), Session()
    stream = client.open(STDOUT)
    client.send(stream, bytes(length), fin=True)
    _, *received = server.receive(client.data_to_send())
    assert [(len(each.data), each.ended) for each in received if isinstance(each, Received)] == pieces


def test_the_end_of_a_stream_comes_with_the_last_byte_of_its_frame() -> None:
    client, server = Session(client=True), Session()
    client.send(client.open(STDOUT), b"abc", fin=True)
    sent = client.data_to_send()
    assert server.receive(sent[:-1])[1:] == [Received(1, b"ab", False)]
    assert server.receive(sent[-1:]) == [Received(1, b"c", True)]


def test_a_block_that_is_withheld_opens_nothing_and_is_read_all_the_same() -> None:
    """Later blocks refer back to it: in a HEADERS frame of the same length it goes through the same zlib stream."""
    for begun in (False, True):
        client, inflate = Session(client=True), zlib.decompressobj(zdict=dictionary())
        if begun:
            client.open(ERROR)
            assert parse_pairs(inflate.decompress(client.data_to_send()[18:])) == ERROR
        client.open(STDOUT)
        syn_stream = client.data_to_send()
        instead = spdy.withheld(syn_stream, begun=begun)
        assert instead is not None and len(instead) == len(syn_stream) and instead[2:4] == b"\0\x08"
        assert parse_pairs(inflate.decompress(instead[12:])) == STDOUT
    assert spdy.withheld(syn_stream[:-1] + b"x", begun=True) is None


def test_pings_of_either_side_are_echoed() -> None:
    client, server = Session(client=True), Session()
    assert (client.ping(), client.ping(), server.ping()) == (1, 3, 2)
    assert server.receive(client.data_to_send()) == []
    assert client.receive(server.data_to_send()) == [Ponged(1), Ponged(3)]
    assert server.receive(client.data_to_send()) == [Ponged(2)]


def test_a_reset() -> None:
    client, server = Session(client=True), Session()
    client.reset(client.open(ERROR), spdy.CANCEL)
    assert server.receive(client.data_to_send()) == [Opened(1, ERROR, False), Reset(1, spdy.CANCEL)]


def test_a_mistake_is_the_last_event() -> None:
    server = Session()
    (failed,) = server.receive(spdy.data_frame(0, b"x"))
    assert isinstance(failed, Failed)
    assert server.receive(spdy.ping(1)) == []


def test_a_server_opens_nothing() -> None:
    with pytest.raises(LocalProtocolError):
        Session().open(ERROR)


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=30), max_size=6), st.integers(1, 9))
def test_it_arrives_however_it_is_cut(payloads: list[bytes], size: int) -> None:
    client, server = Session(client=True), Session()
    stream = client.open(STDOUT)
    for payload in payloads:
        client.send(stream, payload)
    client.send(stream, b"", fin=True)
    data = client.data_to_send()
    seen: list[SessionEvent] = [event for at in range(0, len(data), size) for event in server.receive(data[at : at + size])]
    assert seen[0] == Opened(1, STDOUT, False)
    received = [event for event in seen[1:] if isinstance(event, Received)]
    assert b"".join(event.data for event in received) == b"".join(payloads)
    assert [event.ended for event in received][-1:] == [True]
