"""A request that cannot be decided yet: a key set, an introspection or another authorizer's answer has to come first.

Nothing of it is registered, recorded or sent: it does not exist for anybody but its client. Body bytes are held without credit, so at most a window's
worth. When what was wanted has come (or could not be had), the whole admission is asked again, as if the request had just arrived; so every decision
falls on the revision of the moment after the last wait (security.md class 13).
"""

from __future__ import annotations

from collections.abc import Callable

from kgate.exchange.admission import Admitted, Refused
from kgate.exchange.gate import Fetch
from kgate.exchange.legs import ClientLeg
from kgate.exchange.ports import Loss
from kgate.model import Pending
from kgate.wire.events import Headers, RequestReceived

PATIENCE = 10.0
"""Seconds until a request is refused whose question nobody answers; each fetch has a shorter limit of its own."""
MOST_ROUNDS = 8
"""A question that is asked again and again is a mistake somewhere: refuse, rather than ask for ever."""
TOO_LATE = Refused(503, "what the decision depends on did not come in time; try again, and ask whoever runs this gate if it stays so")

Admit = Callable[[], "Admitted | Refused | Pending"]
Decided = Callable[["Admitted | Refused"], None]


class Waiting:
    """One such request. ``admit`` asks again, ``decided`` takes the answer over; ``gone`` is called when this is done with, in any way."""

    def __init__(
        self,
        leg: ClientLeg,
        request: RequestReceived,
        now: float,
        admit: Admit,
        fetch: Fetch,
        decided: Decided,
        gone: Callable[[Waiting], None],
    ) -> None:
        self._leg, self._stream, self._since = leg, request.stream, now
        self._admit, self._fetch, self._decided, self._gone = admit, fetch, decided, gone
        self._held: list[tuple[bytes, int]] = []
        self._ended = self._done = False
        self._rounds = 0

    def wait(self, pending: Pending) -> None:
        """Ask once what is wanted is there."""
        self._leg.responders[self._stream] = self
        self._rounds += 1
        self._fetch(pending.wanted, self._fetched)

    def look(self, now: float) -> None:
        """Called a few times a second."""
        if not self._done and now - self._since > PATIENCE:
            self._take_over(TOO_LATE)

    def _fetched(self) -> None:
        if self._done:
            return
        answer = self._admit()
        if not isinstance(answer, Pending):
            self._take_over(answer)
        elif self._rounds < MOST_ROUNDS:
            self.wait(answer)
        else:
            self._take_over(TOO_LATE)

    def _take_over(self, answer: Admitted | Refused) -> None:
        """Whoever answers now is told what came meanwhile."""
        self._finish()
        self._decided(answer)
        responder = self._leg.responders.get(self._stream)
        if responder is not None:
            for data, credit in self._held:
                responder.client_data(data, credit)
            if self._ended:
                responder.client_ended()
        self._leg.touch()

    def _finish(self) -> None:
        self._done = True
        self._leg.responders.pop(self._stream, None)
        self._gone(self)

    def client_data(self, data: bytes, credit: int) -> None:
        """Keep it; without credit no more than a window comes."""
        self._held.append((data, credit))

    def client_trailers(self, headers: Headers) -> None:
        """Trailers of a request mean nothing to an API server."""

    def client_ended(self) -> None:
        """The request is complete."""
        self._ended = True

    def client_writable(self) -> None:
        """Nothing was sent."""

    def client_lost(self, loss: Loss) -> None:
        """The client went away: there is nothing left to decide."""
        self._finish()
        self._leg.finished(self._stream)
