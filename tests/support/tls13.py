"""Records of a TLS 1.3 client made by hand (RFC 8446), for what the ``ssl`` module never sends."""

from __future__ import annotations

from pathlib import Path

from attrs import define, field
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_ALERT, _HANDSHAKE, _DATA = 21, 22, 23
_CLOSE_NOTIFY = b"\x01\x00"


def _expand(secret: bytes, label: bytes, length: int, digest: hashes.HashAlgorithm) -> bytes:
    """HKDF-Expand-Label with an empty context (section 7.1)."""
    name = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return HKDFExpand(digest, length, info).derive(secret)


@define
class Speaker:
    """Goes on for a client whose handshake is over, from its secret and the suite that was agreed on."""

    secret: bytes
    suite: str
    _sent: int = field(default=0, init=False)

    @classmethod
    def from_log(cls, keys: Path, suite: str) -> Speaker:
        """The client that wrote its secrets there (SSLKEYLOGFILE)."""
        lines = (line.split() for line in keys.read_text().splitlines())
        return cls(next(bytes.fromhex(words[2]) for words in lines if words[0] == "CLIENT_TRAFFIC_SECRET_0"), suite)

    @property
    def _digest(self) -> hashes.HashAlgorithm:
        return hashes.SHA384() if "384" in self.suite else hashes.SHA256()

    def _record(self, kind: int, content: bytes, padding: int = 0) -> bytes:
        aead = (AESGCM if "GCM" in self.suite else ChaCha20Poly1305)(
            _expand(self.secret, b"key", 16 if "AES_128" in self.suite else 32, self._digest)
        )
        inner = content + bytes([kind]) + bytes(padding)
        head = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        iv = int.from_bytes(_expand(self.secret, b"iv", 12, self._digest), "big")
        nonce = (iv ^ self._sent).to_bytes(12, "big")
        self._sent += 1
        return head + aead.encrypt(nonce, inner, head)

    def data(self, content: bytes, padding: int = 0) -> bytes:
        """Application data, which may be empty and padded (section 5.4)."""
        return self._record(_DATA, content, padding)

    def close_notify(self) -> bytes:
        """Nothing follows (section 6.1)."""
        return self._record(_ALERT, _CLOSE_NOTIFY)

    def key_update(self, *, answer: bool) -> bytes:
        """New keys from here on (section 4.6.3). ``answer``: the other side is to do the same."""
        record = self._record(_HANDSHAKE, b"\x18\0\0\x01" + bytes([answer]))
        self.secret, self._sent = _expand(self.secret, b"traffic upd", len(self.secret), self._digest), 0
        return record
