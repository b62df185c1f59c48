"""What a request shows of its sender, and the answer where that is not enough."""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256

from attrs import frozen


@frozen
class Credentials:
    """``bearer`` is the token of the Authorization header (or of a WebSocket's subprotocol), ``certificate`` the client's leaf certificate in DER,
    verified by the listener's TLS; ``address`` is the client's. ``held_since`` (Unix seconds) is when a live request was admitted with them; None where
    they are shown for the first time."""

    bearer: str | None = None
    certificate: bytes | None = None
    address: str = ""
    held_since: float | None = None

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the token, under which what is known of tokens is kept: of nothing, where there is none."""
        return sha256((self.bearer or "").encode()).digest()


@frozen
class Rejected:
    """A 401. ``text`` says what is wrong, ``hint`` what to do; neither holds anything of the credential itself. ``ended``: it was good, and somebody, not
    time, took it away."""

    text: str
    hint: str = ""
    ended: bool = False

    def __str__(self) -> str:
        return f"{self.text}; {self.hint}" if self.hint else self.text
