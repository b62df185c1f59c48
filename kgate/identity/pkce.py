"""Proof Key for Code Exchange (RFC 7636), S256 only: whoever redeems a code shows that it was theirs from the start.

Used both ways: towards identity providers the gate makes the verifier, towards ``kgate login`` it checks one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode

METHOD = "S256"
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def challenge_of(verifier: str) -> str:
    """The challenge that goes with ``verifier`` (section 4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def is_challenge(text: str) -> bool:
    """Whether it may be an S256 challenge."""
    return _CHALLENGE.fullmatch(text) is not None


def proves(verifier: str, challenge: str) -> bool:
    """Whether ``verifier`` is the one that ``challenge`` was made from (section 4.6)."""
    return _VERIFIER.fullmatch(verifier) is not None and hmac.compare_digest(challenge_of(verifier), challenge)
