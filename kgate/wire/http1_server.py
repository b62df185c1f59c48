"""HTTP/1.1 as a server: requests in, responses out, one at a time on a connection (RFC 9112).

    HEAD ──request──▶ BODY ──end──▶ WAITING ──response complete──▶ HEAD
      │ upgrade request                │
      └──────────▶ UPGRADING ──101 (switch)──▶ finished: raw bytes are somebody else's

A pipelined request waits unread until the answer before it is complete. Bytes behind an upgrade request are held and never read as a request:
they belong to the tunnel if there will be one, and to nobody otherwise (security.md class 07). Every refusal closes the connection, after an answer
that says why where no answer had begun.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from kgate.wire.dates import Date, no_date
from kgate.wire.errors import LocalProtocolError
from kgate.wire.events import ConnectionFailed, Event, Headers, RequestHead, RequestReceived, StreamReset
from kgate.wire.http1_body import BodyReader, ChunkReader, LengthReader, tell
from kgate.wire.http1_framing import Framing
from kgate.wire.http1_grammar import Invalid, hopeless, parse_fields, parse_request_line
from kgate.wire.http1_limits import Http1Limits
from kgate.wire.http1_writing import BodyWriter, write_head


class _In(Enum):
    HEAD = "head"
    BODY = "body"
    WAITING = "waiting"
    UPGRADING = "upgrading"
    OVER = "over"


class _Before(NamedTuple):
    """A request of HTTP/1.1 without a body or any wish: ``end`` is what stood behind its request line, a Host at least; ``head`` what it meant."""

    end: bytes
    head: RequestHead


class ServerConnection:
    """See the module."""

    def __init__(self, limits: Http1Limits | None = None, date: Date = no_date) -> None:
        self.date = date
        limits = limits or Http1Limits()  # an interpreted class, each look into which costs
        self._most_head, self._most_fields = limits.head, limits.headers
        self._most_unconsumed, self._most_early = limits.unconsumed, limits.early
        self._in = _In.HEAD
        self._buffer = b""
        self._out: list[bytes] = []
        self._stream = 0
        self._body: BodyReader | None = None
        self._writer: BodyWriter | None = None
        self._method = b""
        self._is_11 = True
        self._expects = False
        self._keep = True
        self._unconsumed = 0
        self._before: _Before | None = None
        self.closing = False

    # --- what the owner asks

    @property
    def idle(self) -> bool:
        """Between requests with nothing half received."""
        return self._in is _In.HEAD and not self._buffer

    @property
    def paused(self) -> bool:
        """The transport should not read: the last bytes have not gone on, or a pipelined request waits."""
        return self._unconsumed > self._most_unconsumed or (self._in is _In.WAITING and len(self._buffer) > 0)

    @property
    def has_more(self) -> bool:
        """Whether ``receive(b"")`` would find something."""
        return self._in is _In.HEAD and bool(self._buffer)

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

    # --- receiving

    def receive(self, data: bytes) -> list[Event]:
        """Bytes in, facts out."""
        if self._in is _In.OVER:
            return []
        if data:
            self._buffer = self._buffer + data if self._buffer else data
        events: list[Event] = []
        while self._buffer and self._step(events):
            pass
        return events

    def receive_eof(self) -> list[Event]:
        """The client sends no more. Between requests that is its good-bye; in mid-request the request will never be whole."""
        if self._in is _In.HEAD and not self._buffer:
            self.closing = True
            return []
        if self._in in (_In.HEAD, _In.BODY):
            events: list[Event] = []
            self._refuse(events, Invalid(400, "the connection ended in the middle of a request"))
            return events
        stream, self._in, self.closing = self._stream, _In.OVER, True
        return [StreamReset(stream, 8, True)] if self._writer is None or not self._writer.complete else []

    def _step(self, events: list[Event]) -> bool:
        """Take what is next in the buffer; False where more bytes, or the answer, must come first."""
        if self._in is _In.HEAD:
            return self._head(events)
        if self._in is _In.BODY:
            return self._some_body(events)
        if self._in is _In.UPGRADING and len(self._buffer) > self._most_early:
            self._refuse(events, Invalid(400, "too many bytes before the upgrade was answered"))
        return False

    def _head(self, events: list[Event]) -> bool:
        again = self._as_before()
        if again is not None:
            events.append(again)
            return True
        most = self._most_head
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end or len(head) > most:
            problem = hopeless(self._buffer, most)
            if problem is not None:
                self._refuse(events, problem)
            return False
        self._buffer = rest
        line, _, block = head.partition(b"\r\n")
        request = self._request(line, block)
        if isinstance(request, Invalid):
            self._refuse(events, hopeless(head or b"\r", most) or request)
            return False
        events.append(request)
        return True

    def _request(self, line: bytes, block: bytes) -> RequestReceived | Invalid:
        start = parse_request_line(line)
        if isinstance(start, Invalid):
            return start
        method, target, is_11 = start
        fields = parse_fields(block)
        if isinstance(fields, Invalid):
            return fields
        if len(fields) > self._most_fields:
            return Invalid(431, "more header lines than this gate takes")
        request = self._framed(method, target, is_11, fields)
        simple = isinstance(request, RequestReceived) and request.ended and self._keep and not self._expects
        self._before = _Before(b"\r\n%b\r\n\r\n" % block, request.head) if simple and isinstance(request, RequestReceived) else None
        return request

    def _as_before(self) -> RequestReceived | None:
        """The request in the buffer, where its request line is all that is new. With nothing but that in front of them, no head ends before the
        fields do."""
        before, buffer = self._before, self._buffer
        if before is None or not buffer.endswith(before.end) or len(buffer) > self._most_head + 4:
            return None
        start = parse_request_line(buffer[: len(buffer) - len(before.end)])
        if isinstance(start, Invalid) or not start[2]:
            return None
        method, target, _ = start
        self._buffer = b""
        self._stream += 1
        self._method, self._is_11, self._expects = method, True, False
        self._writer, self._unconsumed, self._in = None, 0, _In.WAITING
        return RequestReceived(self._stream, RequestHead(method, target, before.head.authority, before.head.headers), True)

    def _framed(self, method: bytes, target: bytes, is_11: bool, fields: Headers) -> RequestReceived | Invalid:
        """The request, and what comes after its head; Host and Transfer-Encoding are used up here."""
        framing = Framing(fields, is_11)
        if framing.fault is not None:
            return framing.fault
        self._stream += 1
        self._method, self._is_11, self._expects = method, is_11, framing.expects
        self._keep = self._keep and is_11 and not framing.closes
        self._writer, self._unconsumed = None, 0
        if framing.upgrade:
            self._in, self._keep = _In.UPGRADING, False
        elif framing.has_body:
            self._in = _In.BODY
            self._body = ChunkReader(self._most_head) if framing.chunked else LengthReader(framing.length)
        else:
            self._in = _In.WAITING
        head = RequestHead(method, target, framing.authority, framing.kept)
        return RequestReceived(self._stream, head, not framing.has_body, framing.upgrade)

    def _some_body(self, events: list[Event]) -> bool:
        body = self._body
        if body is None:
            raise LocalProtocolError("a body without its reader")
        fed = body.feed(self._buffer)
        self._buffer = fed.rest
        self._unconsumed += tell(fed, self._stream, events)
        if fed.invalid is not None:
            self._refuse(events, fed.invalid)
        if not fed.done:
            return False
        self._body = None
        self._in = _In.WAITING
        if self._writer is not None and self._writer.complete:
            self._next()
        return True

    def _refuse(self, events: list[Event], invalid: Invalid) -> None:
        """Answer, where no answer has begun, and close."""
        if self._writer is None:
            text = f"kgate: {invalid.text}\n".encode()
            headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text)), (b"connection", b"close"), *self.date()]
            write_head(invalid.status, headers, self._out)
            self._out.append(text)
        self._in, self.closing, self._buffer = _In.OVER, True, b""
        events.append(ConnectionFailed(invalid.status, 1, invalid.text))

    # --- sending

    def consumed(self, stream: int, credit: int) -> None:
        """Request body bytes went on."""
        if stream == self._stream:
            self._unconsumed -= credit

    def send_information(self, stream: int, status: int, headers: Headers) -> None:
        """A 1xx answer; 100 only where the client waits for it, none to HTTP/1.0."""
        if stream != self._stream or not self._is_11 or self._writer is not None or self.closing or (status == 100 and not self._expects):
            return
        self._expects = self._expects and status != 100
        write_head(status, headers, self._out)

    def takes(self, headers: Headers) -> bool:
        """HTTP/1.1 has no word for it, and one answer at a time."""
        return True

    def send_response(self, stream: int, status: int, headers: Headers, end: bool) -> None:
        """The answer's head. Its framing is chosen here: a Content-Length in ``headers``, else chunks, else (HTTP/1.0) the connection's end."""
        if stream != self._stream or self.closing:
            return
        if self._writer is not None:
            raise LocalProtocolError("a second response")
        bodiless = self._method == b"HEAD" or status in (204, 304)
        self._writer = writer = BodyWriter.choose(headers, end, bodiless=bodiless, chunks=self._is_11)
        if writer.until_close:
            self._keep = False
        framing = writer.framing
        if not self._keep:
            framing = [*framing, (b"connection", b"close")]
        write_head(status, [*headers, *framing] if framing else headers, self._out)
        if end:
            self._complete()

    def send_data(self, stream: int, data: bytes, end: bool = False) -> int:
        """Body bytes; nothing of them ever waits here."""
        writer = self._writer
        if stream != self._stream or writer is None or writer.complete or self.closing:
            return 0
        writer.write(data, self._out)
        if end:
            writer.end(self._out)
            self._complete()
        return 0

    def send_trailers(self, stream: int, headers: Headers) -> None:
        """End the answer, with trailers where chunks have a place for them."""
        writer = self._writer
        if stream == self._stream and writer is not None and not writer.complete and not self.closing:
            writer.end(self._out, headers)
            self._complete()

    def reset(self, stream: int, code: int) -> None:
        """HTTP/1.1 has only the connection to end: no last chunk, no rest of a length, so that nobody takes the answer for whole."""
        if stream == self._stream and self._in is not _In.HEAD:
            self._in, self.closing = _In.OVER, True

    def switch(self, stream: int, headers: Headers) -> bytes:
        """Answer 101; gives the bytes that came behind the request. The connection is a tunnel's from here on."""
        if stream != self._stream or self._in is not _In.UPGRADING:
            raise LocalProtocolError("101 to a request that asked for no upgrade")
        write_head(101, headers, self._out)
        early, self._buffer, self._in = self._buffer, b"", _In.OVER
        return early

    def shutdown(self) -> None:
        """Take no further request; close now where nothing is under way."""
        self._keep = False
        if self.idle:
            self._in, self.closing = _In.OVER, True

    def _complete(self) -> None:
        """The answer is whole."""
        writer = self._writer
        if writer is not None:
            writer.complete = True
        if self._in is _In.WAITING:
            self._next()
        else:
            # An upgrade that was not accepted, or an answer before the request's end: what follows cannot be told from a request.
            self._in, self.closing = _In.OVER, True

    def _next(self) -> None:
        if self._keep:
            self._in = _In.HEAD
        else:
            self._in, self.closing, self._buffer = _In.OVER, True, b""
