"""What a request shows of its sender, and the answer where that is not enough."""

from __future__ import annotations

from hashlib import sha256
from typing import ClassVar, Final

from attrs import frozen

from kgate.model.value import Parts, Value

MAX_TOKEN: Final = 16 * 1024


class Credentials(Value):
    """``bearer`` is the token of the Authorization header (or of a WebSocket's subprotocol), ``certificate`` the client's leaf certificate in DER,
    verified by the listener's TLS; ``address`` is the client's. ``held_since`` (Unix seconds) is when a live request was admitted with them; None where
    they are shown for the first time."""

    PARTS: ClassVar = Parts("bearer", "certificate", "address", "held_since")

    def __init__(
        self, bearer: str | None = None, certificate: bytes | None = None, address: str = "", held_since: float | None = None
    ) -> None:
        self.bearer: Final = bearer
        self.certificate: Final = certificate
        self.address: Final = address
        self.held_since: Final = held_since
        self.well_formed: Final = bearer is not None and _is_well_formed(bearer)
        """Whether the token is one that anybody could have given out."""
        self._digest: bytes | None = None

    def held(self, since: float) -> Credentials:
        """The same, of a request that goes on."""
        return Credentials(self.bearer, self.certificate, self.address, since)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the token, under which what is known of tokens is kept: of nothing, where there is none. Made once."""
        digest = self._digest
        if digest is None:
            digest = self._digest = sha256((self.bearer or "").encode()).digest()
        return digest


def _is_well_formed(bearer: str) -> bool:
    return bool(bearer) and len(bearer) <= MAX_TOKEN and bearer.isascii() and bearer.isprintable() and " " not in bearer


@frozen
class Rejected:
    """A 401. ``text`` says what is wrong, ``hint`` what to do; neither holds anything of the credential itself. ``ended``: it was good, and somebody, not
    time, took it away. ``unsure``: whether it is good could not be found out, and may be a moment later."""

    text: str
    hint: str = ""
    ended: bool = False
    unsure: bool = False

    def __str__(self) -> str:
        return f"{self.text}; {self.hint}" if self.hint else self.text
