"""One direction of a WebSocket connection, followed as it passes and never changed.

``feed`` gives what may go on; ``sink`` is told what it means, piece by piece, before it goes on, and may refuse a frame where it begins. Whoever
only counts overrides ``began``, ``passed``, ``ended`` and ``controlled`` instead: then nothing is made for a frame that nobody keeps.
Everything fed goes on, in order and byte for byte, only some of it later:

* a data frame's head goes on together with the first byte of its payload, so that nobody ever has to invent a channel byte;
* a control frame goes on whole, and so does a message whose first byte is in ``whole`` (error channels);
* payload goes on as it arrives.

So whoever has to break in finds the direction either between two frames or inside a data frame's payload, with ``left`` bytes to come.

    between messages ──TEXT, BINARY──▶ in payload ──FIN──▶ between messages ──Close──▶ closed
                                        │    ▲ no FIN
                                        ▼    │ CONTINUATION
                                      between fragments        (control frames: between any two frames)
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Final, NamedTuple

from kgate.wire.passage import Passage
from kgate.wire.websocket import CLOSE, CONTINUATION, FRAME_MAX, Head, apply_mask, read_close, read_head

HELD_MAX: Final = 64 * 1024
"""A message of ``whole`` that is longer than this passes as it comes."""
EMPTY_FRAGMENTS_MAX: Final = 64
"""In a row: a flood of them costs us work and says nothing (class 18)."""


class FrameStarted:
    """A data frame's head. ``first``: it begins a message. ``lead`` is its first payload byte, unmasked; -1 where it has none.

    Every ``at`` here counts from the first byte that had not gone on before this ``feed``.
    """

    __slots__ = ("at", "first", "head", "lead")

    def __init__(self, at: int, head: Head, first: bool, lead: int) -> None:
        self.at: Final = at
        self.head: Final = head
        self.first: Final = first
        self.lead: Final = lead


class Payload:
    """Some of a data frame's payload as it is on the wire, beginning with byte ``offset`` of the frame's payload."""

    __slots__ = ("at", "mask", "offset", "raw")

    def __init__(self, at: int, raw: memoryview, mask: bytes, offset: int) -> None:
        self.at, self.raw, self.mask, self.offset = at, raw, mask, offset

    def clear(self) -> bytes | memoryview:
        """The payload without its mask."""
        return apply_mask(self.raw, self.mask, self.offset) if self.mask else self.raw


class FrameEnded:
    """The data frame is complete, and its message too where ``message`` is true."""

    __slots__ = ("at", "message")

    def __init__(self, at: int, message: bool) -> None:
        self.at: Final = at
        self.message: Final = message


class Control:
    """A whole Ping, Pong or Close; ``payload`` is unmasked."""

    __slots__ = ("at", "opcode", "payload")

    def __init__(self, at: int, opcode: int, payload: bytes) -> None:
        self.at: Final = at
        self.opcode: Final = opcode
        self.payload: Final = payload


FrameEvent = FrameStarted | Payload | FrameEnded | Control


Sink = Callable[[FrameEvent], str | None]
"""Is told each event; a sentence that comes back refuses what begins with it (``FrameStarted`` and ``Control`` only)."""


class Standing(NamedTuple):
    """Where a direction stands after what went on: ``left`` payload bytes of a frame are to come, and behind them the message is ``unfinished``."""

    left: int
    unfinished: bool


class Follower:
    """See the module. ``masked``: follows the client's direction. ``whole``: first payload bytes of messages that pass only whole."""

    __slots__ = (
        "_empty",
        "_failure",
        "_frame_max",
        "_head",
        "_held",
        "_masked",
        "_offset",
        "_sink",
        "_whole",
        "closed",
        "in_message",
        "left",
    )

    def __init__(self, masked: bool, sink: Sink, whole: Container[int] = (), frame_max: int = FRAME_MAX) -> None:
        self._masked, self._sink, self._whole, self._frame_max = masked, sink, whole, frame_max
        self._held = b""
        self._failure = ""
        self._head = Head(CONTINUATION, True, 0, b"", 0)
        self._offset = 0
        self._empty = 0
        self.left = 0
        """Payload bytes of the current data frame that have yet to pass."""
        self.in_message = False
        """A message has begun and its last frame has not ended."""
        self.closed = False
        """A Close passed: nothing may follow."""

    @property
    def at_boundary(self) -> bool:
        """Between frames and between messages."""
        return not self.left and not self.in_message

    @property
    def standing(self) -> Standing:
        """After what went on."""
        return Standing(self.left, not self._head.fin if self.left else self.in_message)

    def end(self) -> None:
        """Nothing follows: let go of the sink, which mostly is whose this is."""
        self._sink = nobody

    def began(self, at: int, head: Head, first: bool, lead: int) -> str | None:
        """A data frame does: see ``FrameStarted``."""
        return self._sink(FrameStarted(at, head, first, lead))

    def passed(self, at: int, data: bytes, size: int, offset: int) -> None:
        """So much of ``data`` from ``at`` on is payload of the data frame: see ``Payload``."""
        self._sink(self._payload(at, data, size, offset))

    def ended(self, at: int) -> None:
        """The data frame did: see ``FrameEnded``."""
        self._sink(FrameEnded(at, self._head.fin))

    def controlled(self, at: int, opcode: int, payload: bytes) -> str | None:
        """A control frame came whole: see ``Control``."""
        return self._sink(Control(at, opcode, payload))

    def _payload(self, at: int, data: bytes, size: int, offset: int) -> Payload:
        return Payload(at, memoryview(data)[at : at + size], self._head.mask, offset)

    def feed(self, data: bytes) -> Passage:
        """Follow ``data``."""
        if self._failure:
            return Passage(b"", self._failure)
        if self._held:
            data, self._held = self._held + data, b""
        at, end = 0, len(data)
        while at < end:
            if self.left:
                at += self._pass_payload(data, at, end)
                continue
            head = read_head(data, at, self._masked, self._frame_max)
            if head is None or (isinstance(head, Head) and self._must_wait(data, at, end, head)):
                break
            problem = head if isinstance(head, str) else self._begin(data, at, head)
            if problem is not None or isinstance(head, str):
                self._failure = problem or ""
                return Passage(data[:at], self._failure)
            at += head.size + (0 if head.opcode < CLOSE else head.length)
        if at == end:
            return Passage(data)
        self._held = data[at:]
        return Passage(data[:at])

    def _pass_payload(self, data: bytes, at: int, end: int) -> int:
        size, offset = min(self.left, end - at), self._offset
        self.left -= size
        self._offset = offset + size
        self.passed(at, data, size, offset)
        if not self.left:
            self._end_frame(at + size)
        return size

    def _must_wait(self, data: bytes, at: int, end: int, head: Head) -> bool:
        """Whether the frame at ``at`` has to stay here until more of it arrived."""
        payload = at + head.size
        if end >= payload + head.length:
            return False
        if head.opcode >= CLOSE or end == payload:
            return True
        whole = head.opcode != CONTINUATION and head.fin and head.length <= HELD_MAX
        return whole and _lead(data, payload, head) in self._whole

    def _begin(self, data: bytes, at: int, head: Head) -> str | None:
        """A frame's head passes, or it is told what is wrong with it at this place."""
        if self.closed:
            return "a WebSocket frame follows a Close"
        if head.opcode >= CLOSE:
            return self._control(data, at, head)
        if (head.opcode == CONTINUATION) is not self.in_message:
            return "a WebSocket message begins inside another" if self.in_message else "a WebSocket message begins with a continuation"
        self._empty = 0 if head.length or head.fin else self._empty + 1
        if self._empty > EMPTY_FRAGMENTS_MAX:
            return f"more than {EMPTY_FRAGMENTS_MAX} empty WebSocket fragments in a row"
        refused = self.began(at, head, not self.in_message, _lead(data, at + head.size, head) if head.length else -1)
        if refused is not None:
            return refused
        self._head, self.left, self._offset, self.in_message = head, head.length, 0, True
        if not self.left:
            self._end_frame(at + head.size)
        return None

    def _control(self, data: bytes, at: int, head: Head) -> str | None:
        raw = data[at + head.size : at + head.size + head.length]
        payload = apply_mask(raw, head.mask) if head.mask else raw
        if head.opcode == CLOSE and read_close(payload) is None:
            return "a WebSocket Close has no valid code or reason"
        refused = self.controlled(at, head.opcode, payload)
        self.closed = head.opcode == CLOSE and refused is None
        return refused

    def _end_frame(self, at: int) -> None:
        self.in_message = not self._head.fin
        self.ended(at)


def _lead(data: bytes, payload: int, head: Head) -> int:
    """The first payload byte, unmasked."""
    return data[payload] ^ head.mask[0] if head.mask else data[payload]


def nobody(event: FrameEvent) -> str | None:
    """A sink that wants to know nothing."""
    return None
