"""The gate's own sessions as this process knows them: who signed in here, and which sign-ins are over.

They are in memory whole, so that every request is held against them without asking anybody. What the store says of them comes by its change feed; a
session that this process has never heard of (it was opened at another gate a moment ago) is fetched once. An ended session stays known, so that whoever
still holds a token of it reads why.
"""

from __future__ import annotations

from collections import OrderedDict

from attrs import frozen

from kgate.model import Identity

KEPT_ENDED = 100_000
"""How many ended ones are remembered; the oldest are forgotten, and fetched again if somebody asks."""


@frozen(cache_hash=True)
class GateSession:
    """One sign-in. ``identity`` is as the identity provider last confirmed it; its ``expires`` is the session's end."""

    id: str
    identity: Identity
    ended: str = ""
    """Why it is over; reads well behind "your session ended: "."""
    mapping: str = ""
    """By which rules the identity was made of the provider's claims."""
    asked: bool = False
    """Whether its provider is asked again and again whether it still stands by it."""


@frozen
class WantedSession:
    """Nothing is known of the session ``id``, or not by the rules in force: what a ``Pending`` wants."""

    id: str


class GateSessions:
    """All that are known."""

    def __init__(self) -> None:
        self._live: dict[str, GateSession] = {}
        self._ended: OrderedDict[str, GateSession] = OrderedDict()
        self.unconfirmed = False
        """Whether providers could not be asked for too long, whatever each session says."""

    def __len__(self) -> int:
        return len(self._live)

    def live(self) -> list[GateSession]:
        """Those that live, as far as is known."""
        return list(self._live.values())

    def find(self, id_: str) -> GateSession | None:
        """Alive or ended; None where it has to be fetched."""
        return self._live.get(id_) or self._ended.get(id_)

    def put(self, session: GateSession) -> None:
        """What is true of it now."""
        if not session.ended:
            self._live[session.id] = session
            return
        self._live.pop(session.id, None)
        self._ended[session.id] = session
        if len(self._ended) > KEPT_ENDED:
            self._ended.popitem(last=False)

    def replace(self, live: list[GateSession]) -> None:
        """The live ones are these and no others: whatever else was believed to live is over."""
        before, self._live = self._live, {session.id: session for session in live}
        gone = [session for id_, session in before.items() if id_ not in self._live]
        for session in gone:
            self.put(GateSession(session.id, session.identity, "it is over"))

    def forget_expired(self, now: float) -> None:
        """Let go of what would have ended by itself by now: a token of it is refused by its own expiry."""
        for known in (self._live, self._ended):
            over = [id_ for id_, session in known.items() if session.identity.expires is not None and session.identity.expires <= now]
            for id_ in over:
                del known[id_]
