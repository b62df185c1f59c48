"""The keys of one issuer as this process knows them: fetched by net/, kept here, and trusted for a stated time.

* They are fetched anew every ``REFRESH`` seconds in the background, so that a key that the issuer withdrew is gone soon, and a new one is there before
  the first token that it signed in most cases.
* A token that names a key which is not here is a reason to look at once; the request waits, and none fails because its issuer rotated. Anybody can write such
  a token, so looking is rationed: ``BURST`` at once, one more every ``PACE`` seconds, and a key that was not there when we looked is not looked for again
  within ``PACE`` (security.md class 21). Whoever waits for a look that is under way costs nothing.
* An issuer that does not answer leaves its last keys in force for ``KEEP``, and shows in /readyz. After that nobody can say whether they still hold: the
  tokens are refused.

Times are monotonic seconds, so that no jump of the wall clock makes old keys young (class 28).
"""

from __future__ import annotations

from attrs import define, field, frozen

from kgate.identity.jose import KeySet

REFRESH = 300.0
RETRY = 15.0
KEEP = 6 * 3600.0
BURST = 5.0
PACE = 10.0
MAX_ABSENT = 256


@frozen
class KeysWanted:
    """The keys of ``issuer`` are to be fetched; ``kid`` names the one that is missing."""

    issuer: str
    kid: str = ""


@define
class KeyRing:
    """See the module."""

    issuer: str
    keys: KeySet | None = None
    problem: str = ""
    """Why the last fetch failed; empty where it did not."""
    _fetched: float = 0.0
    _tried: float = float("-inf")
    _document: bytes = b""
    _tokens: float = BURST
    _counted: float = 0.0
    _absent: dict[str, float] = field(factory=dict)
    _looking: dict[str, float] = field(factory=dict)
    """The names that are looked for, since when."""

    def current(self, now: float) -> KeySet | None:
        """The keys in force, None where there are none (any more)."""
        return self.keys if now - self._fetched < KEEP else None

    def may_look(self, kid: str, now: float) -> bool:
        """Whether a fetch for ``kid`` is worth it now, or under way; one that is not counts."""
        if self._is_looking(kid, now):
            return True
        if self.lacks(kid, now) or (self.problem and now - self._tried < PACE):
            return False
        self._tokens = min(BURST, self._tokens + (now - self._counted) / PACE)
        self._counted = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        self._looking[kid] = now
        return True

    def _is_looking(self, kid: str, now: float) -> bool:
        """Whether a fetch for it is under way. While there are no keys at all, everybody waits for the same one."""
        since = self._looking.get(kid)
        if since is None and self.current(now) is None:
            since = max(self._looking.values(), default=None)
            if since is not None and len(self._looking) < MAX_ABSENT:
                self._looking[kid] = since
        return since is not None and now - since < PACE

    def lacks(self, kid: str, now: float) -> bool:
        """Whether we looked a moment ago and it was not there."""
        return now - self._absent.get(kid, float("-inf")) < PACE

    def due(self, now: float) -> bool:
        """Whether it is time for the background's fetch."""
        return now - self._tried >= (RETRY if self.problem or self.keys is None else REFRESH)

    def began(self, now: float) -> None:
        """A fetch is under way."""
        self._tried = now

    def learned(self, keys: KeySet, document: bytes, kid: str, now: float) -> None:
        """What the issuer publishes at ``now``. The same document as before is the same set: what was verified by it stays so."""
        self.problem, self._fetched = "", now
        looked = [kid] if kid else ["", *self._looking]
        self._looking = {name: since for name, since in self._looking.items() if name not in looked}
        if self.keys is None or document != self._document:
            self.keys, self._document = keys, document
        self._absent = {name: at for name, at in self._absent.items() if now - at < PACE}
        here = {key.kid for key in keys.keys}  # of which those without a name are no reason to look again at once
        for name in looked:
            if (not name or name not in here) and len(self._absent) < MAX_ABSENT:
                self._absent[name] = now

    def failed(self, why: str) -> None:
        """It could not be fetched."""
        self.problem = why
        self._looking.clear()

    def words(self, now: float) -> str | None:
        """For /readyz: what is wrong, and what that means; None where nothing is."""
        if not self.problem:
            return None
        left = KEEP - (now - self._fetched) if self.keys is not None else 0.0
        return f"{self.problem}; " + (f"its last keys hold for {int(left // 60)} min more" if left > 0 else "its tokens are refused")
