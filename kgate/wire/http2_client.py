"""The client's role: requests go out, responses come in. The server is as little trusted as a client is."""

from __future__ import annotations

from typing import Final

from kgate.wire import http2_fields as fields
from kgate.wire import http2_frames as frames
from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import InformationReceived, RequestHead, ResponseReceived, StreamReset
from kgate.wire.http2_allowances import Seconds
from kgate.wire.http2_connection import Http2Connection
from kgate.wire.http2_fields import Response
from kgate.wire.http2_frames import FIRST_WINDOW, LARGEST_STREAM, ConnectionFault, ErrorCode, FrameType, Setting, StreamFault
from kgate.wire.http2_framing import Phase
from kgate.wire.http2_heads import Heads
from kgate.wire.http2_limits import Http2Limits
from kgate.wire.http2_streams import Incoming, Outgoing, State, Stream

_ASSUMED_STREAMS: Final = 100
"""What a server that has said nothing yet will take (RFC 9113, 6.5.2, asks for no less)."""
_WITHOUT_CONTENT: Final = frozenset({204, 304})
_OVER: Final = Phase.OVER
_OPEN: Final = State.OPEN
_AWAITS_HEAD: Final = Incoming.HEAD
_AWAITS_BODY: Final = Incoming.BODY
_BODY: Final = Outgoing.BODY
_NOTHING: Final = Outgoing.NOTHING


class ClientConnection(Http2Connection[Response]):
    """One connection to a server. ``now`` gives monotonic seconds, and only the bounds on floods ask it. ``scheme``: ``https`` or ``http``.

    ``data_to_send()`` has preface and SETTINGS from the start, and requests may go out with them. After GoawayReceived no stream can be
    opened; each open one that the server did not take follows as ``StreamReset(stream, REFUSED_STREAM, by_peer=True)``, and may be tried
    again elsewhere, as after any REFUSED_STREAM.
    """

    __slots__ = ("_authority", "_began", "_method", "_next", "_peer_streams", "_scheme")
    _FAILED_STATUS = 502

    def __init__(self, limits: Http2Limits, now: Seconds, scheme: bytes = b"https") -> None:
        super().__init__(limits, now, Phase.SETTINGS, Heads(limits.header_list, fields.response))
        self._scheme = scheme
        self._method = self._authority = self._began = b""
        """Of the last request, and how they are coded: most requests of a connection begin like it."""
        self._next = 1
        self._peer_streams = _ASSUMED_STREAMS
        announced = {
            Setting.ENABLE_PUSH: 0,
            Setting.INITIAL_WINDOW_SIZE: limits.initial_window,
            Setting.MAX_HEADER_LIST_SIZE: limits.header_list,
        }
        self._out += (frames.PREFACE, frames.settings(announced))
        if limits.connection_window > FIRST_WINDOW:
            self._out.append(frames.window_update(0, limits.connection_window - FIRST_WINDOW))

    @property
    def capacity(self) -> int:
        """How many streams may be opened now; 0 for good once the server or we said that this connection ends."""
        if self._leaving or self._phase is _OVER or self._next > LARGEST_STREAM:
            return 0
        return max(0, min(self._peer_streams, self._limits.streams) - len(self._streams))

    def open(self, head: RequestHead, end: bool) -> int:
        """Send a request's head; the stream it is on. ``end``: no body follows. Raises LocalProtocolError without ``capacity``."""
        if not self.capacity:
            raise LocalProtocolError("no stream can be opened on this connection now")
        number = self._next
        self._next += 2
        self._highest = number
        stream = Stream(number, _OPEN, _AWAITS_HEAD, self._peer_window, self._limits.initial_window)
        stream.bodyless = head.method == b"HEAD"
        self._out.append(frames.header_frames(number, self._request_block(head), end=end))
        self._streams[number] = stream
        stream.outgoing = _NOTHING if end else _BODY
        if end:
            self._our_half_ended(stream)
        return number

    def _request_block(self, head: RequestHead) -> bytes:
        if not self._began or head.method != self._method or head.authority != self._authority:
            self._began = fields.block([(b":method", head.method), (b":scheme", self._scheme), (b":authority", head.authority)])
            self._method, self._authority = head.method, head.authority
        pseudo, shared = self._began + fields.coded(b":path", head.target), head.shared
        if shared is None:
            return self._block(head.headers, pseudo)
        if shared.coded is None:
            shared.coded = fields.block(shared.fields)
        return self._block(head.headers[len(shared.fields) :], pseudo + shared.coded)

    @property
    def _last_of_peer(self) -> int:
        return 0

    def _block_without_stream(self, number: int, block: bytes, ended: bool, depends_on_itself: bool) -> None:
        self._heads.decode(block)
        self._judge(number, None, FrameType.HEADERS)

    def _head_received(self, stream: Stream, block: bytes, ended: bool) -> None:
        number = stream.number
        response = self._heads.read(block)
        if not isinstance(response, Response):
            code = ErrorCode.PROTOCOL_ERROR if response else ErrorCode.ENHANCE_YOUR_CALM
            raise StreamFault(number, code, response.text if response else "the response's header list is too long")
        status = response.status
        if status < 200:
            self._information_received(stream, response, ended)
            return
        stream.incoming = _AWAITS_BODY
        stream.remaining = 0 if stream.bodyless or status in _WITHOUT_CONTENT else response.length
        if ended:
            self._their_half_ended(stream)
        self._events.append(ResponseReceived(number, status, response.headers.copy(), ended))

    def _information_received(self, stream: Stream, response: Response, ended: bool) -> None:
        stream.information += 1
        if ended or stream.information > self._limits.information:
            raise StreamFault(stream.number, ErrorCode.PROTOCOL_ERROR, "1xx that ends the stream, or one too many")
        self._events.append(InformationReceived(stream.number, response.status, response.headers.copy()))

    def _setting_received(self, setting: int, value: int) -> None:
        if setting == Setting.MAX_CONCURRENT_STREAMS:
            self._peer_streams = value
        elif setting == Setting.ENABLE_PUSH and value:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a server that offers to take pushes")

    def _goaway_received(self, last: int) -> None:
        self._leaving = True
        for number in [number for number in self._streams if number > last]:
            self._forget(self._streams[number])
            self._past.reset(number, State.RESET_THERE)
            self._events.append(StreamReset(number, ErrorCode.REFUSED_STREAM, by_peer=True))
