"""A signed message that tells facts: ``kgate-signature: t=1790000000,sha256=HEX`` over ``t.BODY``, by a key that both sides hold.

HMAC-SHA-256 (RFC 2104). The time is under the signature: the facts' age counts from it, a message that is older than the one before is refused, and
so is one from another hour, so that whoever records a message cannot make its facts hold any longer (RFC 9421 section 7.2.2 names the same
two defences).
"""

from __future__ import annotations

import hashlib
import hmac
import re

from attrs import frozen

HEADER = "kgate-signature"
LEAST_KEY = 32
"""Bytes."""
MOST_SKEW = 300.0
"""Seconds between the sender's clock and ours."""
_WRITTEN = re.compile(r"t=([0-9]{1,12}(?:\.[0-9]{1,6})?),sha256=([0-9a-f]{64})")


class Wrong(str):
    """Why a message is not believed: a sentence for its sender. It says nothing of the key."""

    __slots__ = ()


@frozen
class Signed:
    """A message that is believed, and when it was signed (Unix seconds)."""

    at: float


def sign(key: bytes, body: bytes, at: str) -> str:
    """The header for ``body`` signed at ``at``, a number as it stands in the header."""
    return f"t={at},sha256={_digest(key, body, at)}"


def verified(key: bytes, header: str, body: bytes, now: float, latest: float) -> Signed | Wrong:
    """Whether ``header`` signs ``body``; ``latest`` is when the last believed message was signed."""
    found = _WRITTEN.fullmatch(header)
    if found is None:
        return Wrong(f"the message has no signature; send {HEADER}: t=UNIX-TIME,sha256=HEX of the HMAC over TIME.BODY")
    if not hmac.compare_digest(_digest(key, body, found[1]), found[2]):
        return Wrong("the signature does not fit the message and this source's key")
    at = float(found[1])
    if abs(at - now) > MOST_SKEW:
        return Wrong(f"the message was signed at another time than now; the clocks differ by {abs(at - now):.0f} s")
    if at <= latest:
        return Wrong("a message that was signed at the same time or later came before")
    return Signed(at)


def _digest(key: bytes, body: bytes, at: str) -> str:
    return hmac.new(key, at.encode("ascii") + b"." + body, hashlib.sha256).hexdigest()
