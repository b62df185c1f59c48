"""Asking a forward proxy for a way to a server: HTTP CONNECT (RFC 9110 section 9.3.6) and SOCKS5 (RFC 1928), client role, sans-IO.

``begin()`` gives the first bytes; ``receive()`` is called with everything received so far that was not yet answered and gives what to do next.
A proxy that sends more than its answer before we spoke is refused: nothing that it says may be taken for the server's bytes.
"""

from __future__ import annotations

from base64 import b64encode
from typing import NamedTuple, Protocol

LONGEST_ANSWER = 8192


class Send(NamedTuple):
    """The proxy waits for these bytes; the ones received are used up."""

    data: bytes


class Opened(NamedTuple):
    """The way is open: the next byte is the server's."""


class Failed(NamedTuple):
    """The proxy refused; ``text`` says why."""

    text: str


Step = Send | Opened | Failed | None
"""None: more bytes are needed."""


class ForwardProxy(Protocol):
    """One negotiation."""

    def begin(self) -> bytes:
        """The first bytes to send."""

    def receive(self, data: bytes) -> Step:
        """What the proxy's ``data`` leads to."""


class HttpConnect:
    """CONNECT to ``host``:``port``, with Basic credentials where ``user`` is not empty."""

    def __init__(self, host: str, port: int, user: str = "", password: str = "") -> None:
        self._authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._credentials = f"{user}:{password}" if user else ""

    def begin(self) -> bytes:
        """The request's head."""
        lines = [f"CONNECT {self._authority} HTTP/1.1", f"Host: {self._authority}"]
        if self._credentials:
            lines.append("Proxy-Authorization: Basic " + b64encode(self._credentials.encode()).decode())
        return "\r\n".join([*lines, "", ""]).encode()

    def receive(self, data: bytes) -> Step:
        """Wait for the head's end; only a 200 opens."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return Failed("the proxy's answer is too long") if len(data) > LONGEST_ANSWER else None
        first = data[:end].split(b"\r\n", 1)[0].split(b" ", 2)
        if len(first) < 2 or not first[0].startswith(b"HTTP/1.") or first[1] != b"200":
            return Failed("the proxy answered " + data[:end].split(b"\r\n", 1)[0].decode("ascii", "replace")[:100])
        return Opened() if len(data) == end + 4 else Failed("the proxy sent bytes after its answer")


_SOCKS_ERRORS = {
    1: "general failure",
    2: "not allowed",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
}
_ADDRESS_LENGTHS = {1: 4, 4: 16}


class Socks5:
    """SOCKS5 CONNECT without authentication; the name is resolved by the proxy."""

    def __init__(self, host: str, port: int) -> None:
        name = host.encode("idna") if not host.isascii() else host.encode()
        self._request = b"\x05\x01\x00\x03" + bytes([len(name)]) + name + port.to_bytes(2, "big")
        self._greeted = False

    def begin(self) -> bytes:
        """Version 5, one method: none."""
        return b"\x05\x01\x00"

    def receive(self, data: bytes) -> Step:
        """The method's choice, then the reply."""
        if not self._greeted:
            if len(data) < 2:
                return None
            if data != b"\x05\x00":
                return Failed("the SOCKS proxy wants authentication, or is not version 5")
            self._greeted = True
            return Send(self._request)
        return self._reply(data)

    @staticmethod
    def _reply(data: bytes) -> Step:
        if len(data) < 5:
            return None
        if data[0] != 5 or data[1]:
            return Failed("the SOCKS proxy answered: " + _SOCKS_ERRORS.get(data[1], f"error {data[1]}"))
        length = 4 + (1 + data[4] if data[3] == 3 else _ADDRESS_LENGTHS.get(data[3], 0)) + 2
        if len(data) < length:
            return None
        return Opened() if len(data) == length else Failed("the SOCKS proxy sent bytes after its answer")
