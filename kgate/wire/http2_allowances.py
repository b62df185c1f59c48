"""Two allowances of a connection that are used up by what only attackers do much of; ``Http2Limits`` says how large they are.

**Noise** is every frame that moves nothing: PING, SETTINGS, PRIORITY, unknown types, DATA without data, RST_STREAM, WINDOW_UPDATE, and requests
that are answered without anyone asking. Each takes one from a bucket that time fills again; the bytes that we send fill it too, since every
honest client answers those with WINDOW_UPDATEs. The clock is asked only when the bucket is empty, so a quiet connection never pays for it.

**Resets** are counted over a sliding window of time, whoever sends the RST_STREAM: the client (rapid reset, CVE-2023-44487), or we because the
client's frame forced us (MadeYouReset, CVE-2025-8671). A stream that is open may be reset at any time, so only as many streams are
admitted as resets are left: ``resets`` is then a bound on the requests that reach anyone and come to nothing, in whatever rhythm.
"""

from __future__ import annotations

from collections.abc import Callable

Seconds = Callable[[], float]
"""Gives monotonic seconds."""


class Noise:
    """A bucket of tokens. ``most`` tokens at the start and at the most; ``rate`` come back each second."""

    __slots__ = ("_at", "_most", "_now", "_rate", "_tokens")

    def __init__(self, most: int, rate: float, now: Seconds) -> None:
        self._tokens = float(most)
        self._most = most
        self._rate = rate
        self._now = now
        self._at = now()

    def take(self, tokens: int = 1) -> bool:
        """Whether there were as many left."""
        self._tokens -= tokens
        return self._tokens >= 0 or self._refilled()

    def give(self, tokens: int) -> None:
        """For work done that makes an honest peer answer."""
        self._tokens = min(self._most, self._tokens + tokens)

    def _refilled(self) -> bool:
        now = self._now()
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return self._tokens >= 0


class Resets:
    """When streams were reset lately."""

    __slots__ = ("_most", "_now", "_period", "_times")

    def __init__(self, most: int, period: float, now: Seconds) -> None:
        self._times: list[float] = []
        self._most = most
        self._period = period
        self._now = now

    def count(self) -> bool:
        """One more; whether that is still below the bound."""
        self._times.append(self._now())
        return self.left > 0

    @property
    def left(self) -> int:
        """How many more may be reset now before the connection ends."""
        times = self._times
        if times:
            since = self._now() - self._period
            while times and times[0] <= since:
                times.pop(0)
        return self._most - len(times)
