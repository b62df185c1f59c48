"""Secrets at rest.

What the gate only has to recognise (refresh secrets, one-time codes, browser cookies) is stored as its SHA-256: each has 256 random bits, so a slow or
salted hash would add nothing. What the gate must use again (an identity provider's refresh token, its own signing key) is encrypted with a key of the
configuration's: AES-128-CBC with HMAC-SHA-256 (Fernet), which also notices a value that was changed or moved here from elsewhere in time.

The key file holds one key a line. The first one seals, all of them open: to rotate, put a new one in front, and take the old one out when everything
was written anew (a session's length later). What lasts longer, the signing keys, is sealed anew within minutes.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from kgate.documents.values import Unacceptable

MAKE_ONE = "make one: openssl rand -base64 32 > FILE"


def digest(secret: str) -> str:
    """What is stored of a secret that only has to be recognised."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Sealer:
    """Encrypts what must be used again."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.replace(keys)

    def replace(self, keys: Sequence[bytes]) -> None:
        """From now on these; the first one seals."""
        each = [Fernet(urlsafe_b64encode(key)) for key in keys]
        self._newest, self._keys = each[0], MultiFernet(each)

    def seal(self, secret: str) -> str:
        """``secret``, encrypted by the first key."""
        return self._keys.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str | None:
        """The secret; None where no key opens it."""
        try:
            return self._keys.decrypt(sealed).decode()
        except InvalidToken:
            return None

    def is_by_the_newest(self, sealed: str) -> bool:
        """Whether the first key opens it, so that the others may go."""
        try:
            return bool(self._newest.decrypt(sealed))
        except InvalidToken:
            return False


def read_keys(raw: bytes) -> tuple[bytes, ...]:
    """The keys of a key file: 32 bytes each, Base64, one a line. Raises Unacceptable."""
    lines = [line.strip() for line in raw.splitlines() if line.strip() and not line.startswith(b"#")]
    if not lines:
        raise Unacceptable("holds no key", MAKE_ONE)
    return tuple(_key(line) for line in lines)


def _key(line: bytes) -> bytes:
    try:
        key = b64decode(line.replace(b"-", b"+").replace(b"_", b"/"), validate=True)
    except Error:
        key = b""
    if len(key) != 32:
        raise Unacceptable("has a line that is not 32 bytes in Base64", MAKE_ONE)
    return key
