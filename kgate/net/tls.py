"""TLS by stdlib ``ssl`` memory BIOs over a ``StreamSocket``; the bytes inside go to a protocol, the bytes outside to the socket.

OpenSSL is asked for what it decrypted once for each record that is whole (``net/records.py``), and not once more to hear that there is no more. Mostly
what comes is one record and nothing else, which is given on without anything being put together.

A BIO keeps the memory that it once grew to for as long as the connection lives, so ciphertext goes into it, and comes out of it, by the record. What
goes straight out again (``pass_through``) goes by the record altogether, for the processor's caches hold one on its way, and the socket gathers what
then goes to the kernel at once.

Session tickets are off (contexts are made in ``net/contexts.py``).
"""

from __future__ import annotations

import ssl
from typing import Final, Protocol

from kgate.net.records import RECORD, Records
from kgate.net.sockets import StreamSocket

TAKEN: Final = RECORD + 256
"""What goes into a BIO at once: a long record of TLS 1.3 (RFC 8446 section 5.2), or several short ones."""
PROVOKED: Final = 64 * 1024
"""Bytes that a peer who does not read may make TLS itself answer: each KeyUpdate may ask for one (RFC 8446 section 4.6.3)."""
_SHORT: Final = 4096
"""What is not worth gathering."""
_ALL: Final = 1 << 30
"""More bytes, and more records, than one read brings."""

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

    __slots__ = ("_carried", "_finished", "_incoming", "_opening", "_outgoing", "_provoked", "_records", "_through", "_tls", "socket")

    socket: StreamSocket

    def __init__(self, context: ssl.SSLContext, opening: Opening, *, server_side: bool, server_hostname: str | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname)
        self._opening = opening
        self._carried: Carried | None = None
        self._finished = False
        self._records = Records()
        self._through = False
        self._provoked = 0

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

    @property
    def unsent(self) -> bool:
        """Whether bytes are on their way that the peer has not got yet."""
        return self.socket.unsent

    # --- what the protocol calls

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        if data and self._carried is not None:
            try:
                if len(data) > RECORD:
                    self._gather(memoryview(data))
                    return
                _ENCRYPT(self._tls, data)
                if self._through and len(data) > _SHORT:
                    self.socket.gather(_TAKE(self._outgoing))
                else:
                    self.socket.write(_TAKE(self._outgoing))
            except ssl.SSLError:
                self.socket.abort()

    def _gather(self, data: memoryview) -> None:
        for start in range(0, len(data), RECORD):
            _ENCRYPT(self._tls, data[start : start + RECORD])
            self.socket.gather(_TAKE(self._outgoing))

    def pause_reading(self) -> None:
        """Let the peer's bytes wait in the kernel."""
        self.socket.pause_reading()

    def resume_reading(self) -> None:
        """Let bytes come (again)."""
        self.socket.resume_reading()

    def pass_through(self) -> None:
        """What comes goes straight out again from here on, and what is to be sent has come just now: by the record."""
        self._through = True

    def close(self, patient: bool = False) -> None:
        """Say close_notify (RFC 8446 section 6.1), flush and end."""
        if self._carried is not None:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass  # wants the peer's close_notify, which we do not wait for
        self.socket.write(self._outgoing.read())
        self.socket.close(patient)

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
            self._received_early(data)
        elif self._finished:
            self.socket.pause_reading()
        elif self._records.alone(data):
            self._received_one(data, carried)
        else:
            self._received_some(data)

    def _received_early(self, data: memoryview) -> None:
        """``received`` of the handshake, and of what comes with its end."""
        self._records.follow(data, 0, _ALL)
        _PUT(self._incoming, data)
        if self._shake_hands() is not None:
            plain: list[bytes] = []
            if self._decrypt(plain, _ALL):
                self._give_on(plain)

    def _received_one(self, data: memoryview, carried: Carried) -> None:
        """``received`` of one record."""
        _PUT(self._incoming, data)
        try:
            plain = _DECRYPT(self._tls, min(len(data), RECORD))  # 16 KB for a ping cost more than its bytes
        except ssl.SSLWantReadError:  # it carries no data
            self._give_on([])
        except ssl.SSLError as error:
            self._fail(error)
        else:
            if plain:
                carried.received(plain)
            else:
                self._finished = True
                self._give_on([])

    def _received_some(self, data: memoryview) -> None:
        """``received`` of anything: records, the rest of one, the beginning of one."""
        plain: list[bytes] = []
        start, size = 0, len(data)
        while start < size:
            end, ended = self._records.follow(data, start, TAKEN)
            _PUT(self._incoming, data[start:end])
            start = end
            if not self._decrypt(plain, ended) or (self._through and plain and not self._give_on(plain)):
                return
        self._give_on(plain)

    def _give_on(self, plain: list[bytes]) -> bool:
        """What was decrypted; whether more may follow. ``_finished``: a close_notify ends it."""
        carried = self._carried
        assert carried is not None  # the handshake is complete, else nothing was decrypted
        if self._outgoing.pending and not self._reply():
            return False
        if plain:
            carried.received(plain[0] if len(plain) == 1 else b"".join(plain))
            plain.clear()
        if self._finished:
            self.socket.pause_reading()
            carried.ended()
        return not self._finished and self.socket.open

    def _reply(self) -> bool:
        """Send what TLS itself has to say; false where that has become too much for a peer that does not read."""
        reply = self._outgoing.read()
        self._provoked = self._provoked + len(reply) if self.socket.congested else 0
        if self._provoked > PROVOKED:
            self.socket.abort()
            return False
        self.socket.write(reply)
        return True

    def _decrypt(self, plain: list[bytes], records: int) -> bool:
        """Add to ``plain`` what the next ``records`` carry, or as many as there are; false where that is no TLS."""
        tls = self._tls
        try:
            for _ in range(records):
                data = _DECRYPT(tls, RECORD)
                if not data:
                    self._finished = True
                    break
                plain.append(data)
        except ssl.SSLWantReadError:
            pass  # some carried no data
        except ssl.SSLError as error:
            self._fail(error)
            return False
        return True

    def ended(self) -> None:
        """TCP ended. Without a close_notify it may be a truncation; HTTP's own framing tells. After one it was told."""
        if self._carried is None:
            self.socket.abort()
        elif not self._finished:
            self._finished = True
            self._carried.ended()

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
        opening, self._opening = self._opening, _NOBODY
        self._carried = opening.connected(self)
        return self._carried

    def _fail(self, error: ssl.SSLError | ssl.CertificateError) -> None:
        """Send the alert that OpenSSL queued and end. Whoever waits learns why by ``lost``."""
        self.socket.write(self._outgoing.read())
        self.lost(describe(error))
        self.socket.close()


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
