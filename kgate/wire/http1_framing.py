"""What a request's fields say about its framing and its connection (RFC 9112, sections 6, 7 and 9): read in one pass, judged once.

Two readers of a request must not see two different ends of it (request smuggling, class 06): whatever could be read in two ways is a fault.
"""

from __future__ import annotations

from typing import Final

from kgate.wire.events import Headers
from kgate.wire.http1_grammar import Invalid, parse_chunked, parse_length, valid_authority


class Framing:
    """``kept`` are the fields without Host and Transfer-Encoding. Where ``fault`` is there, nothing else of it counts."""

    def __init__(self, fields: Headers, is_11: bool) -> None:
        self.kept: Final[Headers] = []
        self._hosts: list[bytes] = []
        self._lengths: list[bytes] = []
        self._codings: list[bytes] = []
        self._upgrades: list[bytes] = []
        self._connection = self._expect = b""
        self._read(fields)
        self.authority = self.upgrade = b""
        self.length = 0
        self.chunked = False
        self.fault: Final = self._host_fault(is_11) or self._body_fault(is_11) or self._wish_fault(is_11)

    @property
    def has_body(self) -> bool:
        """Whether anything follows the head."""
        return self.chunked or self.length > 0

    @property
    def expects(self) -> bool:
        """Whether the client waits for 100 (Continue)."""
        return bool(self._expect)

    @property
    def closes(self) -> bool:
        """Whether the client asks for the connection's end."""
        return b"close" in self._connection

    def _read(self, fields: Headers) -> None:
        for field in fields:
            name = field[0]
            if name == b"host":
                self._hosts.append(field[1])
                continue
            if name == b"transfer-encoding":
                self._codings.append(field[1])
                continue
            if name == b"content-length":
                self._lengths.append(field[1])
            elif name == b"connection":
                self._connection += b"," + field[1].lower()
            elif name == b"upgrade":
                self._upgrades.append(field[1].lower())
            elif name == b"expect":
                self._expect = field[1].lower()
            self.kept.append(field)

    def _host_fault(self, is_11: bool) -> Invalid | None:
        hosts = self._hosts
        if (len(hosts) != 1 and (is_11 or hosts)) or (hosts and not valid_authority(hosts[0])):
            return Invalid(400, "not exactly one valid Host")
        self.authority = hosts[0] if hosts else b""
        return None

    def _body_fault(self, is_11: bool) -> Invalid | None:
        length, chunked = parse_length(self._lengths), parse_chunked(self._codings)
        if isinstance(length, Invalid):
            return length
        if isinstance(chunked, Invalid):
            return chunked
        if chunked and (length is not None or not is_11):
            return Invalid(400, "Transfer-Encoding beside Content-Length, or on HTTP/1.0")
        self.length, self.chunked = length or 0, chunked
        return None

    def _wish_fault(self, is_11: bool) -> Invalid | None:
        """The API server takes any Connection value that contains ``upgrade`` for an upgrade: so do we, and then want no doubt left."""
        if self._expect and self._expect != b"100-continue":
            return Invalid(417, "an expectation other than 100-continue")
        if b"upgrade" not in self._connection:
            return None
        if len(self._upgrades) != 1 or not self._upgrades[0] or not is_11:
            return Invalid(400, "Connection asks for an upgrade and there is not exactly one Upgrade")
        if self.has_body:
            return Invalid(400, "an upgrade request with a body")
        self.upgrade = self._upgrades[0]
        return None
