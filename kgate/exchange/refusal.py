"""An answer of the gate's own to a request that goes nowhere: a ``Status`` that kubectl prints well, and what it prints instead where it drops that."""

from __future__ import annotations

from typing import Final

from kgate.exchange.legs import ClientLeg
from kgate.exchange.ports import Loss
from kgate.kube.discovery import is_dropped, text_is_shown, warning
from kgate.kube.status import one_line, status_body
from kgate.wire.events import Headers, RequestHead, RequestReceived

MOST_SKIPPED = 1024 * 1024
"""Bytes of a refused request's body that are read and dropped before its stream is reset."""
_JSON: Final = (b"content-type", b"application/json")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")


def refuse(
    leg: ClientLeg,
    request: RequestReceived,
    status: int,
    message: str | bytes,
    content_type: bytes = b"application/json",
    id_: str = "",
    retry_after: int = 0,
) -> None:
    """Answer with ``message`` (text: a Status; bytes: as they are) and skip what is still to come of the request's body."""
    stream, head = request.stream, request.head
    if isinstance(message, str):
        answer_status(leg, stream, head, status, message, id_, retry_after)
    else:
        answer_whole(leg, stream, head.method, status, [(b"content-type", content_type)], message)
    if not request.ended:
        leg.responders[stream] = skip = Skip(leg, stream)
        leg.skips = [*leg.skips, skip]


def answer_status(leg: ClientLeg, stream: int, head: RequestHead, status: int, message: str, id_: str, retry_after: int = 0) -> None:
    """Answer with a ``Status``, under the request's id where that is on record. ``retry_after`` (seconds) has client-go ask again by itself."""
    headers = [(b"retry-after", b"%d" % retry_after)] if retry_after else []
    if id_:
        headers.append((b"audit-id", id_.encode()))
    message, dropped = one_line(message), is_dropped(head.method, head.target)
    if dropped and text_is_shown(status, head.headers):
        answer_whole(leg, stream, head.method, status, [_TEXT, *headers], message.encode())
        return
    warned = (b"warning", warning(message)) if dropped else None
    answer_whole(leg, stream, head.method, status, [_JSON, *headers], status_body(status, message, retry_after), warned)


def answer_whole(
    leg: ClientLeg, stream: int, method: bytes, status: int, headers: Headers, body: bytes, besides: tuple[bytes, bytes] | None = None
) -> None:
    """An answer of the gate's own, with its content-length and date, and what is said ``besides`` where the client takes so long a head. To HEAD, what it
    says of a body is all that there is of it (RFC 9110 section 9.3.2)."""
    bare = not body or method == b"HEAD"
    whole = [*headers, (b"content-length", b"%d" % len(body)), *leg.wire.date()]
    if besides is not None and leg.wire.takes([*whole, besides]):
        whole.append(besides)
    leg.wire.send_response(stream, status, whole, bare)
    if not bare:
        leg.wire.send_data(stream, body, True)
    leg.touch()


class Skip:
    """Takes the rest of a body that nobody wants: a client that is still sending reads the answer only then. But not for ever: a stranger whose request never
    ends would keep the connection by it (class 16)."""

    def __init__(self, leg: ClientLeg, stream: int) -> None:
        self._leg, self._stream, self._skipped = leg, stream, 0
        self._since = leg.heard_at

    def look(self, now: float, seconds: float) -> bool:
        """Called a few times a second: whether there may still be something to take. It has so many seconds for all of it."""
        if self._leg.responders.get(self._stream) is not self:
            return False
        if now - self._since <= seconds:
            return True
        self._enough()
        return False

    def _enough(self) -> None:
        """RFC 9113 section 8.1: the answer is whole, and nobody takes the rest of the request."""
        self._leg.wire.reset(self._stream, 0)
        self._leg.finished(self._stream)

    def client_data(self, data: bytes, credit: int) -> None:
        """Drop it."""
        self._skipped += len(data)
        if self._skipped > MOST_SKIPPED:
            self._enough()
        else:
            self._leg.wire.consumed(self._stream, credit)
            self._leg.touch()

    def client_trailers(self, headers: Headers) -> None:
        """Drop them."""

    def client_ended(self) -> None:
        """That was all."""
        self._leg.finished(self._stream)

    def client_writable(self) -> None:
        """The answer is small."""

    def client_lost(self, loss: Loss) -> None:
        """Then not."""
        self._leg.finished(self._stream)
