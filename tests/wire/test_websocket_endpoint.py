"""Two ends of a WebSocket connection: our own pair, and each of ours against wsproto's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection as Oracle
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from kgate.wire.errors import LocalProtocolError
from kgate.wire.websocket import BINARY, CLOSE, CONTINUATION, TEXT, encode_close, encode_frame, read_close
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


@settings(max_examples=100)
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


@pytest.mark.parametrize(
    ("length", "head"),
    [
        (0, "8200"), (125, "827d"), (126, "827e007e"), (65535, "827effff"), (65536, "827f0000000000010000"),
    ],
)  # fmt: skip
def test_each_length_has_one_form(length: int, head: str) -> None:
    """RFC 6455 section 5.2: the least number of bytes."""
    assert encode_frame(BINARY, bytes(length)) == bytes.fromhex(head) + bytes(length)
    masked = encode_frame(BINARY, bytes(length), KEY)
    assert masked[1] == int(head[2:4], 16) | 0x80 and len(masked) == len(head) // 2 + 4 + length
    assert Connection().receive(masked) == [MessageData(bytes(length), False, True, True)]


@pytest.mark.parametrize(
    ("payload", "read"),
    [
        (b"", (1005, "")),
        *(
            (code.to_bytes(2, "big"), (code, ""))
            for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999)
        ),
        *((code.to_bytes(2, "big"), None) for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535)),
        (b"\x03\xe8done \xc3\xa9", (1000, "done é")),
        (b"\x03\xe8\xff", None),
        (b"\x03", None),
    ],
)
def test_what_a_close_says(payload: bytes, read: tuple[int, str] | None) -> None:
    """RFC 6455 section 7.4: codes that nobody may send, and those that are not given out, are no answer."""
    assert read_close(payload) == read
    server = Connection()
    events, sent = server.receive(encode_frame(CLOSE, payload, KEY)), server.data_to_send()
    assert server.ended
    if read is None:
        assert events == [Failed("a WebSocket Close has no valid code or reason")] and sent[2:4] == (1002).to_bytes(2, "big")
    else:
        assert events == [Closed(*read)] and sent == encode_close(1000 if read[0] == 1005 else read[0])


def test_a_reason_is_cut_where_it_does_not_fit_at_a_characters_edge() -> None:
    for reason, kept in (("x" * 123, 123), ("x" * 124, 123), ("x" * 122 + "é", 122), ("é" * 62, 122)):
        frame = encode_close(1008, reason)
        assert frame[1] == 2 + kept and read_close(frame[2:]) == (1008, reason.encode()[:kept].decode())


@settings(max_examples=60)
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
