"""Tokens that only somebody else can judge: opaque ones by their issuer's introspection (RFC 7662), Kubernetes service accounts' by a cluster's TokenReview.

Whoever is asked answers a ``Judged``: what the token is worth, and until when it may be believed. The answer is kept under the token's digest for the
time that the configuration states, which is how long a token goes on that was revoked meanwhile; a no is kept too, briefly. What cannot be asked is
refused: nothing here lets anybody in on an old answer.

Anybody can make up tokens and have them asked about, so only so many questions about tokens that were never good are under way at once.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from attrs import field, frozen

from kgate.identity.credentials import Credentials, Rejected
from kgate.memory import remember
from kgate.model import Identity, Pending

KEPT = 8192
NO_SECONDS = 10.0
UNASKED_SECONDS = 2.0
MOST_AT_ONCE = 64
QUESTION_SECONDS = 10.0
"""A question that nobody answered for so long is no longer under way."""
_AGAIN = "try again, and ask whoever runs this gate if it stays so"


@frozen(cache_hash=True)
class JudgementWanted:
    """``source`` is to be asked about a token."""

    source: str
    token: str = field(repr=False)


@frozen
class Judged:
    """An answer. ``rejected`` without ``final`` means that nobody could be asked."""

    found: Identity | Rejected
    final: bool = True


@frozen(eq=False)
class _Known:
    """``until`` is monotonic: the answer is asked for again then. ``ends`` is when the token itself expires, by the same clock."""

    judged: Judged
    until: float
    ends: float


class AskedTokens:
    """One who is asked. ``concerns(token)`` says which tokens; ``seconds`` is how long a yes holds; ``monotonic`` is a clock that no one sets."""

    def __init__(self, name: str, concerns: Callable[[str], bool], seconds: float, monotonic: Callable[[], float]) -> None:
        self.name = name
        self._concerns, self._seconds, self._monotonic = concerns, seconds, monotonic
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._asked: dict[bytes, float] = {}
        self._others: dict[bytes, None] = {}
        """Tokens that are not this one's to judge: to read one is a good part of a request's cost."""

    def authenticate(self, credentials: Credentials, now: float) -> Identity | Rejected | Pending | None:
        """Whose token it is; None where it is not this one's to judge."""
        bearer = credentials.bearer
        if bearer is None:
            return None
        digest, instant = credentials.digest, self._monotonic()
        if digest in self._others:
            return None
        known = self._known.get(digest)
        if known is None and not self._concerns(bearer):
            remember(self._others, digest, None, KEPT)
            return None
        if known is None or known.until <= instant:
            trusted = credentials.held_since is not None or (known is not None and isinstance(known.judged.found, Identity))
            return self._ask(bearer, digest, instant, trusted)
        found = known.judged.found
        if isinstance(found, Identity) and (known.ends <= instant or (found.expires is not None and found.expires <= now)):
            return Rejected("the token has expired", "sign in again")
        return found

    def learned(self, token: str, judged: Judged, now: float) -> None:
        """The answer about a token, given at ``now`` (Unix seconds)."""
        digest, instant = hashlib.sha256(token.encode()).digest(), self._monotonic()
        self._asked.pop(digest, None)
        found = judged.found
        if isinstance(found, Identity):
            ends = instant + (found.expires - now) if found.expires is not None else float("inf")
            self._known[digest] = _Known(judged, instant + self._seconds, ends)
        else:
            self._known[digest] = _Known(judged, instant + (NO_SECONDS if judged.final else UNASKED_SECONDS), float("inf"))
        self._known.move_to_end(digest)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)

    def _ask(self, bearer: str, digest: bytes, instant: float, trusted: bool) -> Pending | Rejected:
        if digest not in self._asked and not trusted:
            if len(self._asked) >= MOST_AT_ONCE:
                self._asked = {each: since for each, since in self._asked.items() if instant - since < QUESTION_SECONDS}
            if len(self._asked) >= MOST_AT_ONCE:
                return Rejected("too many tokens are being looked up at this moment", _AGAIN)
            self._asked[digest] = instant
        return Pending(JudgementWanted(self.name, bearer))


def is_opaque(token: str, prefix: str = "") -> bool:
    """Whether a token that begins with ``prefix`` says nothing else by itself: it is no JWT, and none of this gate's own static ones either."""
    return token.startswith(prefix) and token.count(".") != 2
