"""Two ends of a SPDY connection joined in memory."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgate.wire import spdy
from kgate.wire.errors import LocalProtocolError
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


@settings(max_examples=60, deadline=None)
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
