"""The notations of durations, sizes, instants, networks and addresses: one each, the same in every file.

Each function takes the text that a person wrote and gives the value, or raises ``Unacceptable`` with the rest of the sentence that begins with
the key: ``is not a duration``, and how to write one.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime
from typing import NamedTuple, NewType
from urllib.parse import unquote, urlsplit

Duration = NewType("Duration", float)
"""Seconds, from ``1h 15m``."""
Size = NewType("Size", int)
"""Bytes, from ``1GiB``."""
Instant = NewType("Instant", float)
"""Unix seconds, from RFC 3339."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SIZE = re.compile(r"([0-9]{1,9}) ?(B|KiB|MiB|GiB|TiB)")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[-+]\d\d:\d\d)", re.ASCII)
_FACT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_PROXY = re.compile(r"(http|https|socks5)://([^@/\s]+@)?(\[[0-9A-Fa-f:.]+\]|[^@/\s:\[\]]+)(:[0-9]{1,5})?/?")
_SOCKS_MOST = 255
"""Bytes that a user or password of SOCKS5 may have (RFC 1929)."""
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")


class Unacceptable(ValueError):
    """A value that is wrong: what about it, and how to write it instead. ``at`` is where, below the value that refuses it."""

    def __init__(self, text: str, hint: str = "", at: tuple[str | int, ...] = ()) -> None:
        super().__init__(text)
        self.text, self.hint, self.at = text, hint, at


def accept(*faults: Unacceptable | None) -> None:
    """Raise every fault there is, at once. Constructors call it, so that no wrong value exists and no mistake hides another."""
    found = [fault for fault in faults if fault is not None]
    if found:
        raise ExceptionGroup("unacceptable", found)


class Address(NamedTuple):
    """Where to listen. An IPv6 host has no brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def duration(text: str) -> Duration:
    """Seconds of ``90s``, ``1h 15m``, ``250ms``; more than nothing, at most ten years."""
    parts = [_PART.fullmatch(part) for part in text.split()]
    if not parts or not all(parts):
        raise Unacceptable(f'"{text}" is not a duration', "write it as 30s, 15m, 1h 15m or 7d")
    seconds = sum(int(part[1]) * _SECONDS[part[2]] for part in parts if part)
    if not 0 < seconds <= 3652 * 86400:
        raise Unacceptable(f'"{text}" is out of range', "a duration is longer than nothing and at most ten years")
    return Duration(seconds)


def size(text: str) -> Size:
    """Bytes of ``512KiB``, ``1GiB``; at least one."""
    match = _SIZE.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise Unacceptable(f'"{text}" is not a size', "write it as 64KiB, 10MiB or 1GiB")
    return Size(int(match[1]) * _BYTES[match[2]])


def instant(text: str) -> Instant:
    """Unix seconds of ``2027-01-01T00:00:00Z`` (RFC 3339; the offset is part of it)."""
    try:
        if _INSTANT.fullmatch(text):
            return Instant(datetime.fromisoformat(text.upper()).timestamp())
    except ValueError:
        pass
    raise Unacceptable(f'"{text}" is not an instant', "write it as 2027-01-01T00:00:00Z, with Z or an offset")


def network(text: str) -> Network:
    """A CIDR network, or one address. Host bits must be zero: ``10.0.0.1/8`` is more likely a slip than a wish."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Unacceptable(f'"{text}" is not a network', "write it as 10.0.0.0/8, 2001:db8::/32 or one address") from None
    raise Unacceptable(f'"{text}" has bits set after its prefix', f"did you mean {meant}?")


def address(text: str) -> Address:
    """``0.0.0.0:8443`` or ``[::]:8443``: an IP address and a port; port 0 is any free one."""
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port):
        raise Unacceptable(f'"{text}" is not an address with a port', "write it as 0.0.0.0:8443 or [::]:8443")
    if int(port) > 65535:
        raise Unacceptable(f"port {port} is out of range", "ports go from 1 to 65535")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        parsed = ipaddress.ip_address(bare)
    except ValueError:
        raise Unacceptable(f'"{host}" is not an IP address', "write the address of an interface, or 0.0.0.0 for all of them") from None
    if (parsed.version == 6) != host.startswith("["):
        raise Unacceptable(f'"{text}" is not an address with a port', "an IPv6 address stands in brackets: [::1]:8443")
    return Address(str(parsed), int(port))


def fact_name(text: str) -> str:
    """A name for a fact, so that an expression can say ``facts.NAME``."""
    if not _FACT.fullmatch(text):
        raise Unacceptable(f'"{text[:40]}" is not a name for a fact', "use letters, digits and underscore, at most 63")
    return text


def host_name(text: str) -> str:
    """A DNS name in lower case."""
    if not _HOST.fullmatch(text):
        raise Unacceptable(f'"{text}" is not a host name', "write it in lower case without scheme, port or path: kube.example.com")
    return text


_SPACES = dict.fromkeys((0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000))
"""Unicode's other spaces (category Zs), which nobody takes for a line's end."""


def is_plain(text: str) -> bool:
    """Whether text stays one for whoever reads it: without control and invisible characters and line ends. The spaces of other scripts are letters to them."""
    return text.isprintable() or text.translate(_SPACES).isprintable()


def certified_name(text: str) -> str:
    """A server's name or address, as TLS can ask for it."""
    try:
        known = bool(text.encode("idna")) and not text.startswith(".") and not any(map(str.isspace, text))
    except UnicodeError:
        known = False
    if not known:
        raise Unacceptable(f'"{text[:64]}" is not a name that a certificate could be for', "each part of it has 1 to 63 characters")
    return text


def origin(url: str) -> str:
    """An ``https://`` URL's origin as browsers write it (RFC 6454 section 6.2): the host in lower case, no port where it is 443. Raises ValueError."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"https://{host}" + (f":{parts.port}" if parts.port not in (None, 443) else "")


def https_url(text: str, *, path: bool = True) -> str:
    """An ``https://`` URL without user, query or fragment, and where ``path`` is false without a path; a closing slash is taken off."""
    wrong = Unacceptable(f'"{text}" is not an https:// URL', "write it as https://kube.example.com:8443")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme != "https" or not parts.hostname or port == 0 or not re.fullmatch(r"[!-~]+", text):
        raise wrong
    if parts.username is not None or parts.password is not None or "?" in text or "#" in text:
        raise Unacceptable(f'"{text}" has a user, a query or a fragment', "leave it out")
    if not path and parts.path not in ("", "/"):
        raise Unacceptable(f'"{text}" has a path', "leave it out")
    return text.rstrip("/")


def forward_proxy(text: str) -> str:
    """The URL of a forward proxy: ``http://[user:password@]host[:port]``, or ``socks5://``; an IPv6 address stands in brackets."""
    wrong = Unacceptable("is not the URL of a forward proxy", "write it as http://proxy.example.com:3128")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise wrong from None
    if port == 0 or not _PROXY.fullmatch(text):
        raise wrong
    if parts.scheme == "https":
        raise Unacceptable("of https:// is not carried", "use http:// or socks5://")
    if parts.scheme == "socks5" and any(len(unquote(each or "").encode()) > _SOCKS_MOST for each in (parts.username, parts.password)):
        raise Unacceptable("has a user or password that SOCKS5 cannot carry", f"each has at most {_SOCKS_MOST} bytes")
    return text
