"""TLS by stdlib ``ssl`` memory BIOs over a ``StreamSocket``; the bytes inside go to a protocol, the bytes outside to the socket.

One ``received`` may hold many records: they are decrypted until the incoming BIO is empty and given on in one piece. OpenSSL reads a record's
header and body separately and never ahead, so ``pending == 0`` means that nothing is left, and no WantRead exception is paid on the way out.
Mostly it holds one record, which is given on without even that being asked (``_received_little``).

A BIO keeps the memory that it once grew to for as long as the connection lives, so ciphertext goes into it by ``TAKEN`` bytes, and comes out of it by
the record. What goes straight out again would leave the processor's caches on its way, too: 256 KiB decrypted before any of it is encrypted again cost
half as much again as four records, so these are ``TOGETHER`` then (``give_at_once``).

Session tickets are off (contexts are made in ``net/contexts.py``).
"""

from __future__ import annotations

import ssl
from typing import Final, Protocol

from kgate.net.sockets import StreamSocket

RECORD: Final = 16384
"""The longest (RFC 8446 section 5.1)."""
_BESIDE_1_3: Final = 22
"""Bytes of a TLS 1.3 record besides what it carries where it is not padded: head, type and a tag of 16 (RFC 8446 section 5.2)."""
_BESIDE_GCM: Final = 29
"""Of a TLS 1.2 record: head, nonce and tag (RFC 5288 section 3)."""
_BESIDE_CHACHA20: Final = 21
"""Of a TLS 1.2 record: head and tag (RFC 7905 section 2)."""
TAKEN: Final = 32768
TOGETHER: Final = 4
"""Records after which what goes straight out again is given on."""
_ALL: Final = 1 << 30
"""More records than one read brings."""

# The functions themselves: looking a method up by its name costs as much as half of what follows from it.
_ENCRYPT: Final = ssl.SSLObject.write
_DECRYPT: Final = ssl.SSLObject.read
_PUT: Final = ssl.MemoryBIO.write
_TAKE: Final = ssl.MemoryBIO.read


class Carried(Protocol):
    """What is carried inside once the handshake is complete."""

    def received(self, data: bytes) -> None:
        """Plain bytes arrived."""

    def ended(self) -> None:
        """The peer sends no more."""

    def lost(self, reason: str) -> None:
        """The connection is gone; called exactly once."""

    def drained(self) -> None:
        """``congested`` fell."""


class Opening(Protocol):
    """Who waits for the handshake: one of the two is called, once."""

    def connected(self, transport: TlsTransport) -> Carried:
        """The handshake is complete; gives what is carried from here on."""

    def lost(self, reason: str) -> None:
        """It failed, or the connection went before it was complete."""


class TlsTransport:
    """One TLS connection. Attach the socket by ``start``; bytes before the handshake's end never reach the protocol."""

    __slots__ = ("_beside", "_carried", "_finished", "_incoming", "_opening", "_outgoing", "_tls", "_together", "_whole", "socket")

    socket: StreamSocket

    def __init__(self, context: ssl.SSLContext, opening: Opening, *, server_side: bool, server_hostname: str | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname)
        self._opening = opening
        self._carried: Carried | None = None
        self._finished = False
        self._whole = False
        """Neither OpenSSL nor the incoming BIO holds a part of a record."""
        self._beside = 0
        """Bytes that each record has besides what it carries, at least; 0: not known, so nothing is concluded from it."""
        self._together = _ALL

    def start(self, socket: StreamSocket) -> None:
        """Begin the handshake over ``socket``."""
        self.socket = socket
        socket.resume_reading()
        self._shake_hands()

    @property
    def ready(self) -> bool:
        """Whether the handshake is complete."""
        return self._carried is not None

    @property
    def alpn(self) -> str | None:
        """The protocol agreed on by ALPN (RFC 7301), None where the client sent no ALPN."""
        return self._tls.selected_alpn_protocol()

    @property
    def peer_certificate(self) -> bytes | None:
        """The peer's leaf certificate in DER, verified by the context, or None."""
        return self._tls.getpeercert(binary_form=True)

    @property
    def congested(self) -> bool:
        """Whether more is buffered than the high-water mark allows."""
        return self.socket.congested

    # --- what the protocol calls

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        if data and self._carried is not None:
            try:
                if len(data) <= RECORD:
                    _ENCRYPT(self._tls, data)
                    self.socket.write(_TAKE(self._outgoing))
                else:
                    self.socket.write_all(self._encrypt(memoryview(data)))
            except ssl.SSLError:
                self.socket.abort()

    def _encrypt(self, data: memoryview) -> list[bytes]:
        """The records that ``data`` makes."""
        records: list[bytes] = []
        for start in range(0, len(data), RECORD):
            _ENCRYPT(self._tls, data[start : start + RECORD])
            records.append(_TAKE(self._outgoing))
        return records

    def pause_reading(self) -> None:
        """Let the peer's bytes wait in the kernel."""
        self.socket.pause_reading()

    def resume_reading(self) -> None:
        """Let bytes come (again)."""
        self.socket.resume_reading()

    def give_at_once(self) -> None:
        """Give on what comes by a few records: it goes straight out again."""
        self._together = TOGETHER

    def close(self) -> None:
        """Say close_notify (RFC 8446 section 6.1), flush and end."""
        if self._carried is not None:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass  # wants the peer's close_notify, which we do not wait for
        self.socket.write(self._outgoing.read())
        self.socket.close()

    def part(self) -> None:
        """Leave the end to the peer: what it still sends is given on, and ``close`` comes by itself if it does not go soon."""
        self.socket.part(self.close)

    def abort(self) -> None:
        """End at once."""
        self.socket.abort()

    # --- what the socket calls

    def received(self, data: memoryview) -> None:
        """Ciphertext arrived."""
        carried = self._carried
        if carried is None:
            _PUT(self._incoming, data)
            if self._shake_hands() is not None:
                self._received_much(_NOTHING)
        elif len(data) <= TAKEN:
            self._received_little(data, carried)
        else:
            self._received_much(data)

    def _received_little(self, data: memoryview, carried: Carried) -> None:
        """``received`` of what goes into the BIO at once: mostly one record and nothing else, which its length shows."""
        _PUT(self._incoming, data)
        alone, first, size = False, b"", len(data)
        try:
            first = _DECRYPT(self._tls, size if self._whole and size < RECORD else RECORD)  # 16 KB for a ping cost more than its bytes
            alone = self._whole and size - len(first) == self._beside
            self._whole, self._finished = True, not first
        except ssl.SSLWantReadError:
            self._whole = False
        except ssl.SSLError as error:
            self._fail(error)
            return
        if alone and first:
            carried.received(first)
            return
        plain = [first] if first else []
        if self._finished or self._decrypt(plain):
            self._give_on(plain)

    def _received_much(self, data: memoryview) -> None:
        """``received`` of anything: also of nothing, where the BIO holds what came with the handshake's end."""
        plain: list[bytes] = []
        for start in range(0, len(data) or 1, TAKEN):
            _PUT(self._incoming, data[start : start + TAKEN])
            if not self._decrypt(plain) or (len(plain) >= self._together and not self._give_on(plain)):
                return
        self._give_on(plain)

    def _give_on(self, plain: list[bytes]) -> bool:
        """What was decrypted; whether more may follow. ``_finished``: a close_notify ends it."""
        carried = self._carried
        assert carried is not None  # the handshake is complete, else nothing was decrypted
        if self._outgoing.pending:
            self.socket.write(self._outgoing.read())
        if plain:
            carried.received(plain[0] if len(plain) == 1 else b"".join(plain))
            plain.clear()
        if self._finished:
            self.socket.pause_reading()
            carried.ended()
        return not self._finished and self.socket.open

    def _decrypt(self, plain: list[bytes]) -> bool:
        """Add to ``plain`` what the incoming BIO holds; false where that is no TLS."""
        tls, incoming = self._tls, self._incoming
        try:
            while incoming.pending:
                data = _DECRYPT(tls, RECORD)  # never only what is pending: OpenSSL may hold the record's beginning already
                if not data:
                    self._finished = True
                    break
                plain.append(data)
                self._whole = True
        except ssl.SSLWantReadError:
            self._whole = False  # the last record is incomplete, or was no data
        except ssl.SSLError as error:
            self._fail(error)
            return False
        return True

    def ended(self) -> None:
        """TCP ended. Without a close_notify it may be a truncation; HTTP's own framing tells."""
        if self._carried is not None:
            self._carried.ended()
        else:
            self.socket.abort()

    def lost(self, reason: str) -> None:
        """The socket is gone."""
        told = self._carried or self._opening
        self._carried = self._opening = _NOBODY
        told.lost(reason)

    def drained(self) -> None:
        """The socket's buffer fell."""
        if self._carried is not None:
            self._carried.drained()

    def _shake_hands(self) -> Carried | None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self.socket.write(self._outgoing.read())
            return None
        except (ssl.SSLError, ssl.CertificateError) as error:
            self._fail(error)
            return None
        self.socket.write(self._outgoing.read())
        self._beside = _beside(self._tls.cipher())
        opening, self._opening = self._opening, _NOBODY
        self._carried = opening.connected(self)
        return self._carried

    def _fail(self, error: ssl.SSLError | ssl.CertificateError) -> None:
        """Send the alert that OpenSSL queued and end. Whoever waits learns why by ``lost``."""
        self.socket.write(self._outgoing.read())
        self.lost(describe(error))
        self.socket.close()


_NOTHING: Final = memoryview(b"")


def _beside(cipher: tuple[str, str, int] | None) -> int:
    """What a record of ``cipher`` has besides what it carries; 0 where that is not known."""
    name, version, _ = cipher or ("", "", 0)
    if version == "TLSv1.3":  # its CCM_8, which the system's configuration may allow, has a tag of half the size
        return _BESIDE_1_3 if "_GCM_" in name or "_CHACHA20_" in name else 0
    return _BESIDE_GCM if "-GCM-" in name else _BESIDE_CHACHA20 if "-CHACHA20-" in name else 0


_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})
"""What OpenSSL makes of a peer whose first bytes are no TLS record."""


def describe(error: ssl.SSLError | ssl.CertificateError) -> str:
    """OpenSSL's words for ``error`` without its source lines: ``certificate verify failed: certificate has expired``."""
    verify = getattr(error, "verify_message", "")
    if verify:
        return f"certificate verify failed: {verify.rstrip('.')}"
    reason = getattr(error, "reason", None)
    if reason in _NO_TLS:
        return "it does not speak TLS there"
    return str(reason).replace("_", " ").lower() if reason else str(error)


class _Nobody:
    """Whoever waits for a connection that failed already: it was told."""

    def connected(self, transport: TlsTransport) -> Carried:
        """Never: the handshake failed."""
        return self

    def received(self, data: bytes) -> None:
        """Nobody listens."""

    def ended(self) -> None:
        """Nobody listens."""

    def lost(self, reason: str) -> None:
        """It was told already."""

    def drained(self) -> None:
        """Nobody listens."""


_NOBODY: Final = _Nobody()
