"""Asking a forward proxy for a way to a server: HTTP CONNECT (RFC 9110 section 9.3.6) and SOCKS5 (RFC 1928, 1929), client role, sans-IO.

``begin()`` gives the first bytes; ``receive()`` is called with everything received so far that was not yet answered and gives what to do next.
A proxy that sends more than its answer before we spoke is refused: nothing that it says may be taken for the server's bytes.
"""

from __future__ import annotations

import ipaddress
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
        first = data[:end].partition(b"\r\n")[0]
        version, _, rest = first.partition(b" ")
        if not version.startswith(b"HTTP/1.") or rest.partition(b" ")[0] != b"200":
            return Failed("the proxy answered " + first[:100].decode("ascii", "replace"))
        return Opened() if len(data) == end + 4 else Failed("the proxy sent bytes after its answer")


_SOCKS_ERRORS = {
    1: "general failure",
    2: "not allowed",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
}
_NOBODY, _USER, _AS_USER = b"\x05\x00", b"\x05\x02", b"\x01\x00"
"""A proxy's choices of a method, and its yes to a user and password."""
_REPLY_LENGTHS = {1: 10, 4: 22}
"""Of a reply with an address; one with a name says how long that is."""


class Socks5:
    """SOCKS5 CONNECT, as nobody or with a user and password where ``user`` is not empty; a name is resolved by the proxy."""

    def __init__(self, host: str, port: int, user: str = "", password: str = "") -> None:
        self._request = b"\x05\x01\x00" + _address(host) + port.to_bytes(2, "big")
        self._person = b"\x01" + _counted(user.encode()) + _counted(password.encode()) if user else b""
        self._proving = self._asked = False

    def begin(self) -> bytes:
        """Version 5, and the methods that we have."""
        return b"\x05\x02\x00\x02" if self._person else b"\x05\x01\x00"

    def receive(self, data: bytes) -> Step:
        """The method's choice, what is said to a user and password, then the reply."""
        if self._asked:
            return self._reply(data)
        if len(data) < 2:
            return None
        return self._proven(data) if self._proving else self._chosen(data)

    def _chosen(self, data: bytes) -> Step:
        if data == _USER and self._person:
            self._proving = True
            return Send(self._person)
        if data == _NOBODY:
            return self._ask()
        if self._person and data == b"\x05\xff":
            return Failed("the SOCKS proxy takes neither nobody nor a user and password")
        return Failed("the SOCKS proxy wants authentication, or is not version 5")

    def _proven(self, data: bytes) -> Step:
        return self._ask() if data == _AS_USER else Failed("the SOCKS proxy does not accept the user and password")

    def _ask(self) -> Send:
        self._asked = True
        return Send(self._request)

    @staticmethod
    def _reply(data: bytes) -> Step:
        if len(data) < 5:
            return None
        if data[0] != 5 or data[1]:
            return Failed("the SOCKS proxy answered: " + _SOCKS_ERRORS.get(data[1], f"error {data[1]}"))
        length = 7 + data[4] if data[3] == 3 else _REPLY_LENGTHS.get(data[3])
        if length is None:
            return Failed(f"the SOCKS proxy answered with an address of kind {data[3]}, which there is not")
        if len(data) < length:
            return None
        return Opened() if len(data) == length else Failed("the SOCKS proxy sent bytes after its answer")


def _address(host: str) -> bytes:
    """Type and value: each kind in its own form, for a proxy may ask the DNS for what is written as a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return b"\x03" + _counted(host.encode("idna") if not host.isascii() else host.encode())
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


def _counted(text: bytes) -> bytes:
    return bytes([len(text)]) + text
