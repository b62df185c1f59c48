"""Two ends of a WebSocket connection: our own pair, and each of ours against wsproto's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection as Oracle
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from kgate.wire.errors import LocalProtocolError
from kgate.wire.websocket import BINARY, CONTINUATION, TEXT, encode_frame
from kgate.wire.websocket_endpoint import Assembler, Closed, Connection, Failed, MessageData, Pinged, Ponged

KEY = b"\x01\x02\x03\x04"


def client() -> Connection:
    return Connection(mask=lambda: KEY)


def test_a_conversation() -> None:
    left, right = client(), Connection()
    left.send_message(b"hello")
    left.send_message(b"hi", text=True)
    left.send_message(b"")
    left.send_ping(b"there?")
    assert right.receive(left.data_to_send()) == [
        MessageData(b"hello", False, True, True),
        MessageData(b"hi", True, True, True),
        MessageData(b"", False, True, True),
        Pinged(b"there?"),
    ]
    right.send_message(b"x" * 70000)
    assert left.receive(right.data_to_send()) == [Ponged(b"there?"), MessageData(b"x" * 70000, False, True, True)]
    right.close(1000, "bye")
    assert left.receive(right.data_to_send()) == [Closed(1000, "bye")]
    assert right.receive(left.data_to_send()) == [Closed(1000, "")]
    assert left.ended
    assert right.ended
    assert left.receive(b"anything") == []


def test_fragments_are_pieces_of_one_message() -> None:
    data = (
        encode_frame(BINARY, b"", KEY, fin=False)
        + encode_frame(CONTINUATION, b"ab", KEY, fin=False)
        + encode_frame(CONTINUATION, b"", KEY, fin=True)
        + encode_frame(TEXT, b"c", KEY)
    )
    assert Connection().receive(data) == [
        MessageData(b"ab", False, True, False),
        MessageData(b"", False, False, True),
        MessageData(b"c", True, True, True),
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 7))
def test_messages_come_together_again_however_they_arrive(messages: list[bytes], size: int) -> None:
    left, right, assembler = client(), Connection(), Assembler()
    for message in messages:
        left.send_message(message)
    data, got = left.data_to_send(), []
    for at in range(0, len(data), size):
        for event in right.receive(data[at : at + size]):
            assert isinstance(event, MessageData)
            whole = assembler.add(event)
            if whole is not None:
                got.append(whole)
    assert got == messages


def test_an_assembler_holds_no_more_than_its_limit() -> None:
    assembler = Assembler(limit=3)
    assert assembler.add(MessageData(b"ab", False, True, False)) is None
    assert assembler.add(MessageData(b"cd", False, False, True)) == b"abc"
    assert assembler.overflowed
    assert assembler.add(MessageData(b"x", False, True, True)) == b"x"
    assert not assembler.overflowed


def test_a_mistake_is_answered_with_1002() -> None:
    right = Connection()
    (failed,) = right.receive(encode_frame(BINARY, b"unmasked"))
    assert isinstance(failed, Failed)
    assert right.ended
    assert right.data_to_send()[:4] == b"\x88" + bytes([2 + len(failed.text)]) + (1002).to_bytes(2, "big")


def test_nothing_is_sent_behind_our_own_close() -> None:
    left = client()
    left.close()
    with pytest.raises(LocalProtocolError):
        left.send_message(b"late")
    left.close()
    assert len(left.data_to_send()) == 8


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=200), st.text(max_size=50)), max_size=5), st.booleans())
def test_wsproto_understands_us_and_we_it(messages: list[bytes | str], ours_is_client: bool) -> None:
    ours = client() if ours_is_client else Connection()
    theirs = Oracle(ConnectionType.SERVER if ours_is_client else ConnectionType.CLIENT)
    for message in messages:
        ours.send_message(message.encode() if isinstance(message, str) else message, text=isinstance(message, str))
        event = TextMessage(data=message) if isinstance(message, str) else BytesMessage(data=message)
        (piece,) = ours.receive(theirs.send(event))
        assert piece == MessageData(message.encode() if isinstance(message, str) else message, isinstance(message, str), True, True)
    ours.send_ping(b"p")
    ours.close(3000, "done")
    theirs.receive_data(ours.data_to_send())
    seen = list(theirs.events())
    assert [event.data for event in seen if isinstance(event, TextMessage | BytesMessage)] == messages
    assert [event.payload for event in seen if isinstance(event, Ping)] == [b"p"]
    assert [(event.code, event.reason) for event in seen if isinstance(event, CloseConnection)] == [(3000, "done")]
    assert not any(isinstance(event, Pong) for event in seen)
