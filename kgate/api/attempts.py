"""How often one address may begin to sign in, or guess a device's code (security.md class 19, RFC 8628 section 5.1)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from kgate.net.addresses import whose

WINDOW_SECONDS = 60.0
MOST_ADDRESSES = 65_536


class Attempts:
    """Counts by address, a minute at a time. ``most()`` in a minute is allowed, as of when it is asked."""

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def may(self, address: str, now: float) -> bool:
        """Count one more; whether it is still allowed. A clock that was set back begins a new minute."""
        person = whose(address)
        since, count = self._counts.pop(person, (now, 0))
        if not 0 <= now - since < WINDOW_SECONDS:
            since, count = now, 0
        self._counts[person] = (since, count + 1)
        if len(self._counts) > MOST_ADDRESSES:
            self._counts.popitem(last=False)
        return count < self._most()
