"""The server's role: requests come in, responses go out.

A request that is malformed is reset, and nobody above hears of it; one that is too long is answered 431, one with a method that is not
served 501, both here, for there is no request to give to anyone. One stream too many is answered REFUSED_STREAM, which tells a client
that it may try again, and never costs the other streams their connection.
"""

from __future__ import annotations

from typing import Final

from kgate.wire import http2_fields as fields
from kgate.wire import http2_frames as frames
from kgate.wire.dates import Date, no_date
from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import Headers, RequestHead, RequestReceived
from kgate.wire.http2_allowances import Resets, Seconds
from kgate.wire.http2_connection import Http2Connection
from kgate.wire.http2_fields import Request
from kgate.wire.http2_frames import FIRST_WINDOW, ConnectionFault, ErrorCode, FrameType, Setting, StreamFault
from kgate.wire.http2_framing import Phase
from kgate.wire.http2_heads import Heads
from kgate.wire.http2_limits import Http2Limits
from kgate.wire.http2_streams import Incoming, Outgoing, State, Stream

_HEADER_LIST_TOO_LARGE: Final = 431
_PRICE_OF_AN_ANSWER: Final = 5
"""What a request that is answered here takes of the noise that is allowed."""

_LONG_ENOUGH: Final = 131072
"""Nobody's answer is as long: HTTP/1.1 servers may say 64 KiB in 200 lines, HTTP/2 servers 64 KiB (net/cluster.py)."""
_OF_STATUS: Final = 42

_HEAD: Final = Outgoing.HEAD
_BODY: Final = Outgoing.BODY
_NOTHING: Final = Outgoing.NOTHING
_OPEN: Final = State.OPEN
_HALF_CLOSED_REMOTE: Final = State.HALF_CLOSED_REMOTE
_AWAITS_BODY: Final = Incoming.BODY


class ServerConnection(Http2Connection[Request]):
    """One connection of a client's. ``now`` gives monotonic seconds, and only the bounds on floods ask it.

    ``data_to_send()`` has our SETTINGS from the start. Requests come as RequestReceived; send_* on a stream that the client has reset
    meanwhile does nothing. A response that ends before its request does leaves the stream open until the client ends it too, or
    ``reset(stream, ErrorCode.NO_ERROR)`` says that the rest is not wanted.
    """

    __slots__ = ("_longest", "_resets", "date")

    def __init__(self, limits: Http2Limits, now: Seconds, date: Date = no_date) -> None:
        self.date = date
        super().__init__(limits, now, Phase.PREFACE, Heads(limits.header_list, fields.RequestBefore().request))
        self._resets = Resets(limits.resets, limits.reset_period, now)
        self._longest = _LONG_ENOUGH
        """The header list that the client takes, where it is worth a look."""
        announced = {
            Setting.MAX_CONCURRENT_STREAMS: limits.streams,
            Setting.INITIAL_WINDOW_SIZE: limits.initial_window,
            Setting.MAX_HEADER_LIST_SIZE: limits.header_list,
        }
        self._out.append(frames.settings(announced))
        if limits.connection_window > FIRST_WINDOW:
            self._out.append(frames.window_update(0, limits.connection_window - FIRST_WINDOW))

    def takes(self, headers: Headers) -> bool:
        """Whether that is no more than the client announced (RFC 9113 section 6.5.2): more could cost it the connection (section 10.5.1)."""
        if self._longest >= _LONG_ENOUGH:
            return True
        return _OF_STATUS + sum(len(name) + len(value) + 32 for name, value in headers) <= self._longest

    def _setting_received(self, setting: int, value: int) -> None:
        if setting == Setting.MAX_HEADER_LIST_SIZE:
            self._longest = value

    def send_information(self, stream: int, status: int, headers: Headers) -> None:
        """A 1xx answer other than 101, before the response."""
        known = self._before_response(stream)
        if known is not None:
            if status >= 200:
                raise LocalProtocolError(f"{status} is not a status of information")
            self._out.append(frames.header_frames(stream, self._block(headers, fields.status(status)), end=False))

    def send_response(self, stream: int, status: int, headers: Headers, end: bool) -> None:
        """The response's head. ``end``: no body follows."""
        known = self._before_response(stream)
        if known is not None:
            if status < 200:
                raise LocalProtocolError(f"{status} is not the status of a response")
            self._out.append(frames.header_frames(stream, self._block(headers, fields.status(status)), end=end))
            known.outgoing = _NOTHING if end else _BODY
            if end:
                self._our_half_ended(known)

    def _before_response(self, number: int) -> Stream | None:
        stream = self._streams.get(number)
        if stream is not None and stream.outgoing is not _HEAD:
            raise LocalProtocolError(f"stream {number} has its response already")
        return stream

    @property
    def _last_of_peer(self) -> int:
        return self._highest

    def _block_without_stream(self, number: int, block: bytes, ended: bool, depends_on_itself: bool) -> None:
        if number <= self._highest:
            self._heads.decode(block)
            self._judge(number, None, FrameType.HEADERS)
            return
        if not number & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client's stream has an even number")
        self._highest = number
        request = self._heads.read(block)
        if depends_on_itself:
            raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, "a stream that depends on itself")
        if self._leaving or len(self._streams) >= min(self._limits.streams, self._resets.left):
            self._refuse(number)
        elif isinstance(request, Request):
            self._open(number, request, ended)
        elif request is None or request.status:
            self._answer_itself(number, request.status if request else _HEADER_LIST_TOO_LARGE, ended)
        else:
            raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, request.text)

    def _open(self, number: int, request: Request, ended: bool) -> None:
        head, length = request.head, request.length
        if ended and length:
            raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, "less DATA than content-length")
        state = _HALF_CLOSED_REMOTE if ended else _OPEN
        stream = Stream(number, state, _AWAITS_BODY, self._peer_window, self._limits.initial_window)
        stream.remaining = length
        self._streams[number] = stream
        own = RequestHead(head.method, head.target, head.authority, head.headers.copy())
        self._events.append(RequestReceived(number, own, ended))

    def _refuse(self, number: int) -> None:
        self._make_noise("requests beyond the number of streams")
        self._answer(frames.rst_stream(number, ErrorCode.REFUSED_STREAM))
        self._past.reset(number, State.RESET_HERE)

    def _answer_itself(self, number: int, status: int, ended: bool) -> None:
        self._make_noise("requests that cannot be served", _PRICE_OF_AN_ANSWER)
        self._answer(frames.header_frames(number, self._block([(b"content-length", b"0"), *self.date()], fields.status(status)), end=True))
        if ended:
            self._past.end(number)
        else:
            self._answer(frames.rst_stream(number, ErrorCode.NO_ERROR))
            self._past.reset(number, State.RESET_HERE)

    def _head_received(self, stream: Stream, block: bytes, ended: bool) -> None:
        raise AssertionError(f"a server's stream {stream.number} awaits no head: it begins with one")

    def _count_reset(self) -> None:
        if not self._resets.count():
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many streams that come to nothing")
