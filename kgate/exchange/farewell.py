"""Farewells: what is put together, by protocol, so that kubectl shows one sentence and does not exit 0 (the table in docs of the wire).

Each begins where the direction to the client stands. A frame that was begun is filled up: its length was announced, so the client reads that
many bytes as payload whatever they are. Then the last words follow as frames of their own, and the protocol's own ending.

| protocol | last words | ending | kubectl |
|---|---|---|---|
| exec, attach over WebSocket | error channel: ``Status`` (before v4: text) | Close 1000 | ``error: <sentence>``, 1 |
| exec, attach over SPDY | error stream: the same, with FIN; FIN on the others | GOAWAY | ``error: <sentence>``, 1 |
| port-forward | each connection's error stream: text with FIN; FIN on its data stream | — | ``an error occurred forwarding …``, 1 |
| port-forward without a connection | — | GOAWAY, Close 1000 | ``error: lost connection to pod``, 1 |
| port-forward, legacy WebSocket | each port's error channel: text | Close 1000 | (old clients) |
| watch over WebSocket | an ERROR event | Close 1000 | as for a watch over HTTP |
| log over WebSocket | a line of text | Close 1008 | (other clients) |
| any other WebSocket | — | Close 1008 with the sentence | |

kubectl port-forward ends by itself once it has read such a text, but where an ending of ours comes with it, it hears of that one first and says
only that it lost the connection. Nothing can be told to one that has no connection open.

Close 1000 is right where an error was said: with another code kubectl reports the code and loses the error. After it the connection has to be
closed in order, not aborted: a lost Close makes kubectl lose the error, too.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import NamedTuple

from kgate.wire.spdy import HEAD, LENGTH_MAX, NOBODY, SYN_REPLY, control_frame, data_frame
from kgate.wire.spdy_headers import last_block
from kgate.wire.websocket import BINARY, CONTINUATION, NORMAL, TEXT, encode_close, encode_frame
from kgate.wire.websocket_follow import Standing


def message(payload: bytes, *, base64: bool = False, lead: bytes = b"") -> bytes:
    """A whole message of a server's: ``lead`` (a channel) and payload, as text where the subprotocol is base64."""
    return encode_frame(TEXT, lead + b64encode(payload)) if base64 else encode_frame(BINARY, lead + payload)


def filled(standing: Standing, filler: bytes, tail: bytes = b"") -> bytes:
    """What ends the message that was begun: ``filler`` up to the frame's length, and an empty last fragment (or ``tail``) where one is due."""
    rest = filler * standing.left
    return rest + encode_frame(CONTINUATION, tail) if standing.unfinished else rest


def websocket_words(standing: Standing, words: Iterable[bytes], *, filler: bytes = b"\0", tail: bytes = b"", code: int = NORMAL) -> bytes:
    """Finish what was begun, say ``words`` (whole messages), close."""
    return filled(standing, filler, tail) + b"".join(words) + encode_close(code)


class LastWord(NamedTuple):
    """What a SPDY stream is still owed: a SYN_REPLY where it has none yet, ``text`` and a FIN."""

    stream: int
    replied: bool
    text: bytes = b""


def spdy_words(left: int, words: Iterable[LastWord], ending: bytes, *, begun: bool) -> bytes:
    """Fill the DATA frame that was begun with ``left`` zero bytes, end each stream, then the connection by ``ending`` (a GOAWAY, or nothing).

    spdystream drops data on a stream that was not replied to, so the replies come first. ``begun``: the cluster sent a header block before.
    """
    parts = [bytes(left)]
    for word in words:
        if not word.replied:
            parts.append(control_frame(SYN_REPLY, word.stream.to_bytes(4, "big") + last_block([], begun=begun)))
            begun = True
        parts.append(data_frame(word.stream, word.text, fin=True))
    return b"".join((*parts, ending))


def tunnelled_words(standing: Standing, spdy: bytes, ending: bytes) -> bytes:
    """SPDY's last bytes inside WebSocket messages, then ``ending`` (a Close, or nothing).

    The begun message takes as many of them as its length allows. What it has too much is filled by DATA for nobody.
    """
    inside, rest = spdy[: standing.left], spdy[standing.left :]
    parts = [inside, _for_nobody(standing.left - len(inside))]
    if standing.unfinished:
        parts.append(encode_frame(CONTINUATION, rest))
    elif rest:
        parts.append(encode_frame(BINARY, rest))
    return b"".join((*parts, ending))


def _for_nobody(size: int) -> bytes:
    """``size`` bytes that change nothing: DATA on a stream that is not there, which spdystream drops, or the beginning of a frame that never comes."""
    payload = min(size - HEAD, LENGTH_MAX)
    return (data_frame(NOBODY, bytes(payload)) if payload >= 0 else b"").ljust(size, b"\0")
