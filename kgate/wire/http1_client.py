"""HTTP/1.1 as a client: requests out, responses in, one at a time on a connection (RFC 9112). The server is not trusted.

A connection is used again only where its last answer left no doubt at all: HTTP/1.1, framed by a length or by chunks, nothing behind it, not asked to
close. Bytes that answer nothing end it (security.md class 08).
"""

from __future__ import annotations

from enum import Enum
from typing import Final, cast

from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import (
    ConnectionFailed,
    DataReceived,
    Event,
    Headers,
    InformationReceived,
    RequestHead,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    UpgradeAccepted,
)
from kgate.wire.http1_body import BodyReader, ChunkReader, CloseReader, LengthReader, tell
from kgate.wire.http1_grammar import NOT_HTTP_1, Invalid, fields_of, hopeless, parse_chunked, parse_length, parse_status_line
from kgate.wire.http1_limits import Http1Limits
from kgate.wire.http1_writing import CHUNKED, BodyWriter, encode_fields, encode_lines

MOST_INFORMATION: Final = 8
_BAD_GATEWAY: Final = 502
_REPEATABLE: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})
"""What may be asked twice (RFC 9110 section 9.2.2), and is by whoever reads."""
_BROKEN: Final = 2
_REFUSED: Final = 7
"""As RFC 9113 section 7 counts: what was not processed may be tried again."""


class _In(Enum):
    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    OVER = "over"


class ClientConnection:
    """See the module."""

    def __init__(self, limits: Http1Limits | None = None) -> None:
        limits = limits or Http1Limits()  # an interpreted class, each look into which costs
        self._most_head, self._most_fields, self._most_unconsumed = limits.head, limits.headers, limits.unconsumed
        self._in = _In.IDLE
        self._buffer = b""
        self._out: list[bytes] = []
        self._stream = 0
        self._body: BodyReader | None = None
        self._writer = BodyWriter(0, [], chunks=False)
        self._method = b""
        self._upgrade = b""
        self._informed = 0
        self._unconsumed = 0
        self.reusable = True
        self.closing = False

    # --- what the owner asks

    @property
    def capacity(self) -> int:
        """1 between answers of a connection that may be used again."""
        return 1 if self._in is _In.IDLE else 0

    @property
    def idle(self) -> bool:
        """Nothing is under way."""
        return self._in is _In.IDLE

    @property
    def paused(self) -> bool:
        """The transport should not read: the last bytes have not gone on."""
        return self._unconsumed > self._most_unconsumed

    @property
    def unheard(self) -> bool:
        """Whether nothing came back for a request that may be asked again, on a connection that was idle before: the server may have been ending it just
        then (RFC 9112 section 9.5)."""
        return self._in is _In.HEAD and self._stream > 1 and not (self._buffer or self._informed) and self._method in _REPEATABLE

    def queued(self, stream: int) -> int:
        """HTTP/1.1 has no windows: nothing waits here."""
        return 0

    def data_to_send(self) -> bytes:
        """Drain what is to be sent."""
        if not self._out:
            return b""
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return data

    # --- sending

    def open(self, head: RequestHead, end: bool, upgrade: bytes = b"") -> int:
        """Send a request's head; gives its stream. With ``upgrade`` a 101 is expected, and the connection never used again."""
        if not self.capacity:
            raise LocalProtocolError("a request on a connection that takes none")
        self._stream += 1
        self._method, self._upgrade, self._informed, self._unconsumed = head.method, upgrade, 0, 0
        self._in = _In.HEAD
        known = _says_length(head.headers)
        self._writer = writer = BodyWriter.choose(head.headers, end, bodiless=end and not known, chunks=True)
        framing: Headers = []
        if end and head.method in (b"POST", b"PUT", b"PATCH") and not known:
            framing.append((b"content-length", b"0"))
        framing += writer.framing if writer.framing is CHUNKED else []
        if upgrade:
            self.reusable = False
            framing += [(b"connection", b"Upgrade"), (b"upgrade", upgrade)]
        start = b"%b %b HTTP/1.1\r\n" % (head.method, head.target)
        self._out += (start, encode_lines([(b"host", head.authority)]), _lines(head), encode_fields(framing))
        writer.complete = end
        return self._stream

    def send_data(self, stream: int, data: bytes, end: bool = False) -> int:
        """Body bytes; nothing of them ever waits here."""
        writer = self._writer
        if stream != self._stream or writer.complete or self.closing:
            return 0
        writer.write(data, self._out)
        if end:
            writer.end(self._out)
            writer.complete = True
        return 0

    def send_trailers(self, stream: int, headers: Headers) -> None:
        """End the request with trailers."""
        if stream == self._stream and not self._writer.complete and not self.closing:
            self._writer.end(self._out, headers)
            self._writer.complete = True

    def reset(self, stream: int, code: int) -> None:
        """HTTP/1.1 has only the connection to end."""
        if stream == self._stream and self._in is not _In.IDLE:
            self._end()

    def consumed(self, stream: int, credit: int) -> None:
        """Response body bytes went on."""
        if stream == self._stream:
            self._unconsumed -= credit

    def shutdown(self) -> None:
        """Take no further request; close now where nothing is under way."""
        self.reusable = False
        if self._in is _In.IDLE:
            self._end()

    # --- receiving

    def receive(self, data: bytes) -> list[Event]:
        """Bytes in, facts out."""
        if self._in is _In.OVER:
            return []
        events: list[Event] = []
        if self._in is _In.IDLE:
            if data:  # they answer nothing
                self._fail_quietly()
            return events
        self._buffer = self._buffer + data if self._buffer else data
        while self._buffer and self._step(events):
            pass
        return events

    def receive_eof(self) -> list[Event]:
        """The server closed: the end of an answer that lasts until then, the loss of any other."""
        was, code, events = self._in, _REFUSED if self.unheard else _BROKEN, list[Event]()
        self._end()
        if was is _In.BODY and self._body is not None:
            events.append(StreamEnded(self._stream) if self._body.end() is None else StreamReset(self._stream, _BROKEN, True))
        elif was is _In.HEAD:
            events.append(StreamReset(self._stream, code, True))
        return events

    def _step(self, events: list[Event]) -> bool:
        if self._in is _In.HEAD:
            return self._head(events)
        if self._in is _In.BODY:
            return self._some_body(events)
        if self._in is _In.IDLE:
            self._fail_quietly()
        return False

    def _head(self, events: list[Event]) -> bool:
        most = self._most_head
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end or len(head) > most:
            hope = hopeless(self._buffer, most)
            if not b"HTTP/1.".startswith(self._buffer[:7]):
                self._fail(events, NOT_HTTP_1)
            elif hope is not None:
                self._fail(events, hope)
            return False
        self._buffer = rest
        lines = head.split(b"\r\n")
        status = parse_status_line(lines[0])
        fields = fields_of(lines[1:])
        problem: Invalid | None
        if isinstance(status, Invalid):
            problem = status
        elif isinstance(fields, Invalid):
            problem = fields
        elif len(fields) > self._most_fields:
            problem = Invalid(502, "more header lines than this gate takes")
        else:
            problem = self._answer(events, status[0], status[1], fields)
        if problem is not None:
            self._fail(events, problem if problem is NOT_HTTP_1 else hopeless(head, most) or problem)
            return False
        return True

    def _answer(self, events: list[Event], status: int, is_11: bool, fields: Headers) -> Invalid | None:
        lengths: list[bytes] = []
        codings: list[bytes] = []
        connection = b""
        for name, value in fields:
            if name == b"content-length":
                lengths.append(value)
            elif name == b"transfer-encoding":
                codings.append(value)
            elif name == b"connection" and value != b"keep-alive":  # as it always is, where it is said at all
                connection += b"," + value.lower()
        length, chunked = parse_length(lengths), parse_chunked(codings)
        if isinstance(length, Invalid) or isinstance(chunked, Invalid) or (chunked and (length is not None or not is_11)):
            return Invalid(502, "an answer whose end could be read in two ways")
        if status < 200:
            return self._information(events, status, fields, framed=bool(lengths or chunked))
        if not is_11 or (connection and b"close" in connection):
            self.reusable = False
        bodiless = self._method == b"HEAD" or status in (204, 304)
        kept = [field for field in fields if field[0] != b"transfer-encoding"] if chunked else fields
        ended = bodiless or length == 0
        events.append(ResponseReceived(self._stream, status, kept, ended))
        if ended:
            self._complete()
            return None
        body = self._buffer
        if length is not None and len(body) == length:  # it came with its head, as small ones do: nothing has to look for its end
            self._buffer, self._unconsumed = b"", length
            events += (DataReceived(self._stream, body, length), StreamEnded(self._stream))
            self._complete()
            return None
        self._in = _In.BODY
        if chunked:
            self._body = ChunkReader(self._most_head)
        elif length is not None:
            self._body = LengthReader(length)
        else:
            self._body, self.reusable = CloseReader(), False
        return None

    def _information(self, events: list[Event], status: int, fields: Headers, *, framed: bool) -> Invalid | None:
        if status == 101:
            if not self._upgrade or framed:
                return Invalid(502, "101 to a request that asked for no upgrade, or with a body")
            rest, self._buffer, self._in = self._buffer, b"", _In.OVER
            events.append(UpgradeAccepted(self._stream, fields, rest))
            return None
        self._informed += 1
        if framed or self._informed > MOST_INFORMATION:
            return Invalid(502, "too many interim answers, or one with a body")
        events.append(InformationReceived(self._stream, status, fields))
        return None

    def _some_body(self, events: list[Event]) -> bool:
        body = self._body
        if body is None:
            raise LocalProtocolError("a body without its reader")
        fed = body.feed(self._buffer)
        self._buffer = fed.rest
        self._unconsumed += tell(fed, self._stream, events)
        if fed.invalid is not None:
            self._fail(events, fed.invalid)
        elif fed.done:
            self._complete()
        return False

    def _complete(self) -> None:
        """The answer is whole. Whatever stands behind it, or a request still on its way, spoils the connection."""
        self._body = None
        self._in = _In.IDLE
        if self._buffer or not self._writer.complete or not self.reusable:
            self._fail_quietly()

    def _fail_quietly(self) -> None:
        self.reusable = False
        self._end()

    def _fail(self, events: list[Event], invalid: Invalid) -> None:
        self._end()
        events.append(ConnectionFailed(_BAD_GATEWAY, 1, invalid.text))

    def _end(self) -> None:
        self._in, self.closing, self.reusable, self._buffer = _In.OVER, True, False, b""


def _says_length(headers: Headers) -> bool:
    return any(field[0] == b"content-length" for field in cast("list[tuple[bytes, ...]]", headers))


def _lines(head: RequestHead) -> bytes:
    """The lines of the head's fields; those that it shares with others are coded once."""
    shared = head.shared
    if shared is None:
        return encode_lines(head.headers)
    lines = shared.lines
    if lines is None:
        lines = shared.lines = encode_lines(shared.fields)
    return lines + encode_lines(head.headers[len(shared.fields) :])
