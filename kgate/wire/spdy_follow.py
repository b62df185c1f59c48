"""One direction of a SPDY connection, followed as it passes and never changed.

``feed`` gives what may go on; ``sink`` is told what it means, piece by piece, before it goes on, and may refuse a frame where it begins.
Everything fed goes on, in order and byte for byte: a control frame once it is whole and checked, a DATA frame's payload as it arrives, except on
streams in ``whole`` (error streams), whose DATA frames also go on whole. So whoever has to break in finds the direction either between two
frames or inside a DATA frame's payload, with ``left`` bytes to come. Only a SYN_STREAM that the sink withholds is changed, into as many bytes that
open nothing.

Control frames must have exactly the length that their type says: Go's framer does not check that of all of them, so a longer one would make
the far side read frames where we read payload (class 17).
"""

from __future__ import annotations

from collections.abc import Callable, Container
from enum import Enum
from typing import Final, NamedTuple

from kgate.wire.passage import Passage
from kgate.wire.spdy import (
    FIN,
    GOAWAY,
    HEAD,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    SYN_REPLY,
    SYN_STREAM,
    UNIDIRECTIONAL,
    WINDOW_UPDATE,
    WORDS,
    withheld,
)
from kgate.wire.spdy_headers import Decompressor, HeaderPairs

HELD_MAX: Final = 64 * 1024
"""The longest control frame, and the longest DATA frame that is held back until it is whole."""
_ID: Final = 0x7FFF_FFFF
_LENGTHS: Final = {RST_STREAM: 8, PING: 4, GOAWAY: 8, WINDOW_UPDATE: 8}
_NOTHING: Final = memoryview(b"")


class StreamOpened(NamedTuple):
    """SYN_STREAM. ``fin``: its sender's half is closed; ``unidirectional``: the receiver's is."""

    stream: int
    headers: HeaderPairs
    fin: bool
    unidirectional: bool


class StreamReplied(NamedTuple):
    """SYN_REPLY, or HEADERS where ``late``."""

    stream: int
    headers: HeaderPairs
    fin: bool
    late: bool


class StreamReset(NamedTuple):
    """RST_STREAM."""

    stream: int
    status: int


class Pinged(NamedTuple):
    """PING: whose identifier is odd for the client's own."""

    identifier: int


class GoneAway(NamedTuple):
    """GOAWAY: no stream above ``last_good`` was taken."""

    last_good: int
    status: int


class Ignored(NamedTuple):
    """SETTINGS or WINDOW_UPDATE, which mean nothing here."""

    kind: int


class DataStarted(NamedTuple):
    """A DATA frame's head; one of ``length`` 0 is complete with it. ``fin`` counts when the frame is complete."""

    stream: int
    length: int
    fin: bool


class Data(NamedTuple):
    """``size`` bytes of a DATA frame's payload; ``left`` of it is to come. ``fin`` counts once ``left`` is 0. ``raw`` is empty after ``skip``."""

    stream: int
    raw: memoryview
    size: int
    left: int
    fin: bool


SpdyEvent = StreamOpened | StreamReplied | StreamReset | Pinged | GoneAway | Ignored | DataStarted | Data


class Answer(Enum):
    """What a sink may say of a ``StreamOpened`` besides a sentence."""

    WITHHELD = "withheld"
    """The stream must not be opened; everything else goes on."""


Sink = Callable[[SpdyEvent], str | Answer | None]
"""Is told each event; a sentence that comes back refuses the frame (not ``Data``, whose frame was taken with ``DataStarted``)."""


class Change(NamedTuple):
    """Bytes that go on otherwise than they came: where in the direction they begin, and what is XORed into them (so that a mask may stay)."""

    at: int
    delta: bytes


class Follower:
    """See the module. ``opens``: follows the direction of the client, which alone opens streams, with rising odd identifiers."""

    __slots__ = (
        "_failure", "_held", "_opens", "_sink", "_whole", "begun", "blocks", "changes", "fin", "last_opened", "left", "passed", "stream",
    )  # fmt: skip

    def __init__(self, opens: bool, sink: Sink, whole: Container[int] = ()) -> None:
        self._opens, self._sink, self._whole = opens, sink, whole
        self._held = b""
        self._failure = ""
        self.blocks = Decompressor()
        self.begun = False
        """A header block went on, so the far side's zlib stream has begun. One that was read and refused does not count."""
        self.last_opened = 0
        self.stream = 0
        """The stream of the DATA frame that passes or passed last."""
        self.fin = False
        """Whether that frame is its sender's last on the stream."""
        self.left = 0
        """Payload bytes of that frame which have yet to pass."""
        self.passed = 0
        """Bytes that went on so far."""
        self.changes: list[Change] = []
        """Of what the last ``feed`` gave."""

    @property
    def at_boundary(self) -> bool:
        """Between frames, with nothing held back."""
        return not self.left and not self._held

    def skip(self, size: int) -> None:
        """``size`` payload bytes of the current DATA frame, at most ``left``, pass without being looked at: the sink is told their number only."""
        self.left -= size
        self.passed += size
        self._sink(Data(self.stream, _NOTHING, size, self.left, self.fin))

    def end(self) -> None:
        """Nothing follows: let go of the sink, which mostly is whose this is."""
        self._sink = _nobody

    def feed(self, data: bytes) -> Passage:
        """Follow ``data``."""
        self.changes.clear()
        if self._failure:
            return Passage(b"", self._failure)
        if self._held:
            data, self._held = self._held + data, b""
        at, end, view = 0, len(data), memoryview(data)
        while at < end:
            if self.left:
                size = min(self.left, end - at)
                self.left -= size
                self._sink(Data(self.stream, view[at : at + size], size, self.left, self.fin))
                at += size
                continue
            taken, problem = self._frame(data, at, end - at - HEAD)
            if problem is not None:
                self._failure = problem
                return Passage(self._going(data[:at]), problem)
            if not taken:
                break
            at += taken
        self._held = data[at:]
        return Passage(self._going(data if at == end else data[:at]))

    def _going(self, data: bytes) -> bytes:
        """What goes on, with the changes in it."""
        if self.changes:
            changed = bytearray(data)
            for at, delta in self.changes:
                for index, byte in enumerate(delta, at - self.passed):
                    changed[index] ^= byte
            data = bytes(changed)
        self.passed += len(data)
        return data

    def _frame(self, data: bytes, at: int, here: int) -> tuple[int, str | None]:
        """The frame at ``at``, with ``here`` bytes behind its head: how much of it passes now (0: nothing yet), and what is wrong with it."""
        if here < 0:
            return 0, None
        first, second = WORDS.unpack_from(data, at)
        length, flags = second & 0xFFFFFF, second >> 24
        if first <= _ID:
            if here < length <= HELD_MAX and first in self._whole:
                return 0, None
            return HEAD, self._data(first, flags, length)
        if length > HELD_MAX:
            return 0, f"a SPDY control frame of {length} bytes, more than {HELD_MAX}"
        if here < length:
            return 0, None
        event = self._control(first, flags, data[at + HEAD : at + HEAD + length])
        problem = event if isinstance(event, str) else self._sink(event)
        if isinstance(problem, Answer):
            problem = self._withhold(data[at : at + HEAD + length], self.passed + at)
        if problem is None and isinstance(event, StreamOpened | StreamReplied):
            self.begun = True
        return HEAD + length, problem

    def _withhold(self, frame: bytes, at: int) -> str | None:
        instead = withheld(frame, begun=self.begun)
        if instead is None:
            return "a SPDY header block does not end with a flush, so its stream cannot be withheld"
        self.changes.append(Change(at, bytes(one ^ other for one, other in zip(frame, instead, strict=True))))
        return None

    def _data(self, stream: int, flags: int, length: int) -> str | None:
        """A DATA frame's head passes, or it is told what is wrong with it."""
        if not stream or flags & ~FIN:
            return "a SPDY DATA frame has no stream or an unknown flag"
        refused = self._sink(DataStarted(stream, length, flags == FIN))
        if isinstance(refused, str):
            return refused
        self.stream, self.left, self.fin = stream, length, flags == FIN
        return None

    def _control(self, first: int, flags: int, payload: bytes) -> SpdyEvent | str:
        """A whole control frame."""
        kind = first & 0xFFFF
        if (first >> 16) & 0x7FFF != 3:
            return "a SPDY control frame is not of version 3"
        if kind == SYN_STREAM:
            return self._syn_stream(flags, payload)
        if kind in (SYN_REPLY, HEADERS):
            return self._reply(kind, flags, payload)
        if kind == SETTINGS:
            fits = len(payload) >= 4 and len(payload) == 4 + 8 * int.from_bytes(payload[:4], "big")
            return Ignored(kind) if fits and not flags & ~0x01 else "a SPDY SETTINGS frame does not have the length of its entries"
        if len(payload) != _LENGTHS.get(kind, -1) or flags:
            return f"a SPDY control frame of type {kind} has a wrong length or flag, or its type is unknown"
        if kind == PING:
            return Pinged(int.from_bytes(payload, "big"))
        one, two = WORDS.unpack(payload)
        if kind == RST_STREAM:
            return StreamReset(one, two) if 0 < one <= _ID else "a SPDY RST_STREAM names no stream"
        return GoneAway(one & _ID, two) if kind == GOAWAY else Ignored(kind)

    def _syn_stream(self, flags: int, payload: bytes) -> StreamOpened | str:
        if not self._opens:
            return "a cluster opened a SPDY stream"
        if len(payload) < 10 or flags & ~(FIN | UNIDIRECTIONAL):
            return "a SPDY SYN_STREAM is too short or has an unknown flag"
        stream = int.from_bytes(payload[:4], "big")
        if not self.last_opened < stream <= _ID or not stream & 1:
            return "a SPDY stream identifier is even, or not above the one before"
        self.last_opened = stream
        headers = self.blocks.read(payload[10:])
        return headers if isinstance(headers, str) else StreamOpened(stream, headers, bool(flags & FIN), bool(flags & UNIDIRECTIONAL))

    def _reply(self, kind: int, flags: int, payload: bytes) -> StreamReplied | str:
        stream = int.from_bytes(payload[:4], "big")
        if len(payload) < 4 or not 0 < stream <= _ID or flags & ~FIN or (self._opens and kind == SYN_REPLY):
            return "a SPDY SYN_REPLY or HEADERS frame is too short, names no stream, or comes from the wrong side"
        headers = self.blocks.read(payload[4:])
        return headers if isinstance(headers, str) else StreamReplied(stream, headers, bool(flags & FIN), kind == HEADERS)


def _nobody(event: SpdyEvent) -> str | Answer | None:
    return None
