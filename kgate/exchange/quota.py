"""How many requests a second one person may make, and one address in nobody's name, and how much is recorded of somebody in a day (security.md class 19):
a token bucket for each.

A bucket holds some seconds of the rate and is refilled by it. It is kept as the instant at which it will be full again, by which a request is one
addition (the generic cell rate algorithm, ITU-T I.371); one that is full need not be remembered.

Instants are monotonic seconds. If such a clock went back all the same, nobody would wait for longer than an empty bucket takes to fill (class 28).
"""

from __future__ import annotations

from math import ceil
from typing import Final

BURST_SECONDS: Final = 5.0
"""Of the rate, at once: what ``kubectl get --all-namespaces``, helm or a controller's start asks for in one go."""
MOST_KEPT: Final = 16_384
QUIET_SECONDS: Final = 10.0
"""Of what one is refused, one is on record in so long: a flood is not to fill the disk."""
UNRECORDED: Final = -1
_ROUNDING: Final = 1e-6


class _Bucket:
    """One's own. ``full`` is the instant at which nothing of it is used any more."""

    __slots__ = ("full", "issuer", "missing", "quiet_until")

    def __init__(self, issuer: str, full: float, quiet_until: float) -> None:
        self.issuer: Final = issuer
        self.full = full
        self.quiet_until = quiet_until
        self.missing = 0
        """Refusals since the last one on record."""


class Quota:
    """``rate`` a second for each, and so many ``seconds`` of it at once; 0: as many as they like. Who somebody is: a name, and who vouches for it."""

    __slots__ = ("_buckets", "_most", "_seconds", "_step", "rate")

    def __init__(self, rate: float, seconds: float = BURST_SECONDS, *, lends: bool = False) -> None:
        self._seconds: Final = seconds
        self._most: Final = 2 * seconds if lends else seconds
        """What a bucket may be behind: where it ``lends``, a whole one is owed besides."""
        self._buckets: dict[object, _Bucket] = {}
        """By the name alone for whoever came first by it: looking up a pair for each request would cost as much as all the rest."""
        self.use(rate)

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._buckets)

    def use(self, rate: float) -> None:
        """Another rate from here on; what was used stays used."""
        self.rate = rate
        self._step = 1.0 / rate if rate else 0.0

    def spend(self, name: str, issuer: str, at: float, much: int = 1) -> float:
        """One request (or ``much``) at ``at``. 0.0: it may be made; otherwise it may not, and after so many seconds another may."""
        step = self._step * much
        if step == 0.0:
            return 0.0
        seconds = self._seconds
        bucket = self._buckets.get(name)
        if bucket is None or bucket.issuer != issuer:
            bucket = self._other(name, issuer, at)
        used = bucket.full - at
        if used < 0.0:
            used = 0.0
        if used + step > seconds + _ROUNDING:
            if used > self._most:  # the clock went back
                bucket.full = at + self._most
                used = self._most
            return used + step - seconds
        bucket.full = at + used + step
        return 0.0

    def charge(self, name: str, issuer: str, at: float, much: int) -> bool:
        """``much`` that was used before anybody was asked: it counts, though it is more than there is. Whether it was not: what is owed is made up for
        before anything is spent again."""
        step = self._step * much
        if step == 0.0:
            return True
        bucket = self._found(name, issuer) or self._other(name, issuer, at)
        used = max(0.0, bucket.full - at) + step
        bucket.full = at + min(used, self._most)
        return used <= self._seconds + _ROUNDING

    def give_back(self, name: str, issuer: str) -> None:
        """The request was not looked at yet: it is spent again once it is."""
        bucket = self._found(name, issuer)
        if bucket is not None:
            bucket.full -= self._step

    def refused(self, name: str, issuer: str, at: float) -> int:
        """Note that one was refused: how many before it are not on record, where it is to be; UNRECORDED where it is not."""
        bucket = self._found(name, issuer)
        if bucket is None:
            return 0
        if bucket.quiet_until - QUIET_SECONDS <= at < bucket.quiet_until:
            bucket.missing += 1
            return UNRECORDED
        bucket.quiet_until = at + QUIET_SECONDS
        missing, bucket.missing = bucket.missing, 0
        return missing

    def _found(self, name: str, issuer: str) -> _Bucket | None:
        bucket = self._buckets.get(name)
        return bucket if bucket is not None and bucket.issuer == issuer else self._buckets.get((issuer, name))

    def _other(self, name: str, issuer: str, at: float) -> _Bucket:
        """The bucket of somebody who is not the first by that name, or of whom nothing is remembered."""
        bucket = self._buckets.get((issuer, name))
        if bucket is None:
            if len(self._buckets) >= MOST_KEPT:
                self._forget(at)
            bucket = _Bucket(issuer, at, at)
            self._buckets[(issuer, name) if name in self._buckets else name] = bucket
        return bucket

    def _forget(self, at: float) -> None:
        """Those that are full; where hardly any is, the half that has been there the longest."""
        kept = {who: bucket for who, bucket in self._buckets.items() if bucket.full > at}
        if len(kept) > MOST_KEPT // 2:
            kept = dict(list(kept.items())[len(kept) - MOST_KEPT // 2 :])
        self._buckets = kept


def whole_seconds(wait: float) -> int:
    """What ``Retry-After`` says (RFC 9110 section 10.2.3)."""
    return max(1, ceil(wait))
