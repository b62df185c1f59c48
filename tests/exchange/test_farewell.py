"""The last bytes of a tunnel, put together by hand: what was begun is filled up, and what is said behind it is whole."""

from __future__ import annotations

import pytest
from test_tunnel_cuts import KEY

from kgate.exchange.farewell import LastWord, spdy_words, tunnelled_words
from kgate.wire.spdy import goaway
from kgate.wire.spdy_session import Failed, Farewell, Received, Replied, Session
from kgate.wire.websocket import BINARY, encode_close, encode_frame
from kgate.wire.websocket_endpoint import Closed, Connection, MessageData
from kgate.wire.websocket_follow import Standing

OPENED = [[(b"streamtype", each), (b"port", b"80"), (b"requestid", b"0")] for each in (b"error", b"data")]


def listening() -> tuple[Session, list[int]]:
    """A client with two open streams, and their numbers."""
    client = Session(client=True)
    return client, [client.open(headers) for headers in OPENED]


def test_each_stream_is_answered_once_told_and_ended() -> None:
    client, (error, data) = listening()
    words = spdy_words(0, [LastWord(error, replied=False, text=b"no"), LastWord(data, replied=False)], goaway(data), begun=False)
    *events, last = client.receive(words)
    assert [type(event) for event in events] == [Replied, Received, Replied, Received] and isinstance(last, Farewell)
    assert [(event.stream, event.data, event.ended) for event in events if isinstance(event, Received)] == [
        (error, b"no", True),
        (data, b"", True),
    ]


@pytest.mark.parametrize("begun", [0, 1, 7, 8, 9, 30, 200, 5000])
@pytest.mark.parametrize("unfinished", [False, True])
@pytest.mark.parametrize("closes", [False, True])
def test_what_a_message_has_announced_takes_as_much_of_the_words_as_it_can(begun: int, unfinished: bool, closes: bool) -> None:
    """``begun`` bytes of a frame are still to come: SPDY's last words go into them, and the rest of them is for nobody."""
    client, (error, _) = listening()
    words = spdy_words(0, [LastWord(error, replied=False, text=b"no longer")], b"", begun=False)
    ending = encode_close(1000) if closes else b""
    head = encode_frame(BINARY, bytes(begun), fin=not unfinished)[: -begun or None]
    peer = Connection(mask=lambda: KEY)
    events = peer.receive(head + tunnelled_words(Standing(begun, unfinished), words, ending))
    assert any(isinstance(event, Closed) for event in events) is closes
    inside = b"".join(event.data for event in events if isinstance(event, MessageData))
    assert inside.startswith(words) and len(inside) == max(begun, len(words))
    heard = client.receive(inside)
    assert not [event for event in heard if isinstance(event, Failed)]
    assert [(event.stream, event.data) for event in heard if isinstance(event, Received) and event.stream == error] == [
        (error, b"no longer")
    ]
    after = peer.receive(b"" if closes else encode_frame(BINARY, b"next"))
    assert closes or [event for event in after if isinstance(event, MessageData)]
