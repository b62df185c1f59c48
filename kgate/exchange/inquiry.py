"""A question of the gate's own to a cluster, or to another server with a kubeconfig: one small request, its whole answer, one deadline.

It goes over the same strict wires and pooled connections as everybody's requests. What comes back is a status and a body, or a sentence about why there is
none; whoever asked is called exactly once.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from kgate.exchange.legs import UpstreamLeg
from kgate.exchange.ports import Loss
from kgate.exchange.upstream import NoConnection, Upstream
from kgate.kube.impersonation import identity_headers
from kgate.model import Impersonation
from kgate.wire.events import Headers, RequestHead

MOST_ASKED = 6
"""How often a question is sent that is not looked at."""
MOST_ANSWER = 4 * 1024 * 1024
"""Bytes."""
CANCEL = 8
"""RFC 9113 section 7."""
JSON = b"application/json"


@frozen
class Reply:
    """A whole answer."""

    status: int
    body: bytes
    headers: Headers = field(factory=list)


@frozen
class NoReply:
    """Why there is none: the rest of a sentence that begins with who was asked."""

    text: str


Then = Callable[["Reply | NoReply"], None]


class Inquiry:
    """One such request (a ``Requester``): a POST of ``body``, or a GET where that is empty. ``deadline`` is the owner's to watch: it calls ``give_up``."""

    def __init__(self, upstream: Upstream, target: bytes, body: bytes, impersonate: Impersonation | None, then: Then) -> None:
        self._upstream, self._target, self._request, self._impersonate = upstream, target, body, impersonate
        self._headers: Headers = []
        self._then: Then | None = then
        self._leg: UpstreamLeg | None = None
        self._stream = self._status = self._times_asked = 0
        self._body = bytearray()

    def begin(self) -> None:
        """Ask."""
        self._upstream.acquire(self._connected)

    def give_up(self, text: str) -> None:
        """It took too long."""
        self._drop()
        self._end(NoReply(text))

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._then = None
        self._drop()

    def _connected(self, leg: UpstreamLeg | NoConnection) -> None:
        if not isinstance(leg, UpstreamLeg):
            self._end(NoReply(f"cannot be reached: {leg.text}"))
            return
        if self._then is None:
            self._upstream.spare(leg)
            return
        self._leg = leg
        self._times_asked += 1
        bare = not self._request
        self._stream = leg.request(self, self._head(), bare)
        if not bare:
            leg.wire.send_data(self._stream, self._request, True)
        leg.touch()

    def _head(self) -> RequestHead:
        upstream = self._upstream
        headers = [(b"accept", JSON)]
        if self._request:
            headers += [(b"content-type", JSON), (b"content-length", b"%d" % len(self._request))]
        if self._impersonate is not None:
            headers += identity_headers(self._impersonate, upstream.bearer)
        elif upstream.bearer is not None:
            headers.append((b"authorization", b"Bearer " + upstream.bearer))
        return RequestHead(b"POST" if self._request else b"GET", upstream.base_path + self._target, upstream.authority, headers)

    # --- the answer

    def upstream_information(self, status: int, headers: Headers) -> None:
        """Nothing depends on it."""

    def upstream_response(self, status: int, headers: Headers, ended: bool) -> None:
        """The answer's head."""
        self._status, self._headers = status, headers
        if status == 401:
            self._upstream.refused()
        if ended:
            self.upstream_ended()

    def upstream_upgraded(self, headers: Headers, rest: bytes) -> None:
        """Nobody asked for it."""
        self.give_up("switched protocols without being asked")

    def upstream_data(self, data: bytes, credit: int) -> None:
        """More of the body."""
        self._body += data
        if len(self._body) > MOST_ANSWER:
            self.give_up(f"answered with more than {MOST_ANSWER} bytes")
        elif self._leg is not None:
            self._leg.wire.consumed(self._stream, credit)
            self._leg.touch()

    def upstream_trailers(self, headers: Headers) -> None:
        """They end the answer."""
        self.upstream_ended()

    def upstream_ended(self) -> None:
        """That was all."""
        leg, self._leg = self._leg, None
        if leg is not None:
            leg.finished(self._stream)
        self._end(Reply(self._status, bytes(self._body), self._headers))

    def upstream_writable(self) -> None:
        """The request is small and went out whole."""

    def upstream_lost(self, loss: Loss) -> None:
        """No answer; asked again where the server says that it never looked at the question."""
        leg, self._leg, stream = self._leg, None, self._stream
        if loss.unprocessed and self._then is not None and self._times_asked < MOST_ASKED:
            self.begin()
        else:
            self._end(NoReply(f"did not answer: {loss.text}"))
        if leg is not None:
            leg.finished(stream)

    def _drop(self) -> None:
        leg, self._leg = self._leg, None
        if leg is not None:
            leg.wire.reset(self._stream, CANCEL)
            leg.touch()
            leg.finished(self._stream)

    def _end(self, reply: Reply | NoReply) -> None:
        then, self._then = self._then, None
        if then is not None:
            then(reply)
