"""port-forward as kubectl 1.31 and later does it: SPDY as a stream of bytes inside binary WebSocket messages (KEP-4006).

Message and frame edges have nothing to do with each other: one SPDY frame arrives as many messages, and one message may hold the end of one
frame and the beginning of the next. What may go on is decided by SPDY (a control frame only whole and checked), and then has to be found in the
WebSocket bytes that carry it. So each piece of payload leaves a ``Piece`` behind: where it lies in both streams.

    WebSocket   |head|··········payload··········|head|·······payload·······|
    SPDY             ···DATA···|SYN_STREAM, first        half|second half···
                     goes on ─▶│ kept back, WebSocket's next head too

Where SPDY keeps bytes back in the middle of a message, the client has been promised the rest of that message; a farewell uses it.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from kgate.exchange.farewell import tunnelled_words
from kgate.exchange.spdy_inside import ForwardTake, Streams
from kgate.exchange.tally import Tally
from kgate.model import Cause
from kgate.wire import spdy_follow, websocket_follow
from kgate.wire.passage import Passage
from kgate.wire.websocket import BINARY, CLOSE, NORMAL, encode_close, encode_frame
from kgate.wire.websocket_follow import Control, FrameEvent, FrameStarted, Payload, Standing

BUFFER_MAX: Final = 256 * 1024
"""kubectl's control frames have 300 bytes, which even in messages of one byte are 2 KB."""
_SPREAD: Final = f"a SPDY frame is spread over more than {BUFFER_MAX} bytes of WebSocket messages"
_BITE: Final = 4096


class Piece(NamedTuple):
    """``size`` bytes of payload that SPDY has not passed whole, by where they end in both streams, and their frame as it stands behind them."""

    size: int
    spdy_end: int
    end: int
    behind: Standing
    head: int
    """Where the frame's head begins, if this is the frame's first payload; otherwise -1."""
    continues: bool
    """The frame continues a message."""

    def cut(self, passed: int) -> tuple[int, Standing]:
        """Where what may go on ends, the first ``passed`` bytes of SPDY being what may, and how the direction stands there."""
        kept = self.spdy_end - passed
        if kept >= self.size and self.head >= 0:
            return self.head, Standing(0, self.continues)
        return self.end - kept, Standing(self.behind.left + kept, self.behind.unfinished)


class Side:
    """One direction."""

    def __init__(self, masked: bool, spdy: spdy_follow.Follower, tally: Tally) -> None:
        self._spdy, self._tally = spdy, tally
        self._websocket = websocket_follow.Follower(masked, self._told)
        self._pieces: deque[Piece] = deque()
        self._buffer = b""
        self._base = 0
        """Where ``_buffer`` begins in the direction's bytes."""
        self._fed = self._passed = 0
        """SPDY bytes that came, and that may go on."""
        self._problem = self._spdy_problem = ""
        self._changes: deque[tuple[int, int]] = deque()
        """Bytes that go on otherwise: where, and what is XORed into them."""
        self._frame: FrameStarted | None = None
        self.standing = Standing(0, False)
        """After what went on."""
        self.saw_close = False

    @property
    def closed(self) -> bool:
        """A Close went on."""
        return self.saw_close and not self._buffer

    @property
    def between_messages(self) -> bool:
        """Nothing is kept back, and no message is begun."""
        return not self._buffer and self.standing == Standing(0, False)

    def feed(self, data: bytes) -> Passage:
        """Follow ``data``."""
        if self._problem:
            return Passage(b"", self._problem)
        passage = self._websocket.feed(data)
        data = self._buffer + passage.data if self._buffer else passage.data
        problem = self._problem = self._spdy_problem or passage.failure
        self._forget_passed()
        if self._pieces:
            end, self.standing = self._pieces[0].cut(self._passed)
            size = end - self._base
        else:
            size, self.standing = len(data), self._websocket.standing
        going = data[:size]
        if self._changes:
            going = self._changed(going)
        self._base += size
        self._buffer = data[size:]
        if len(self._buffer) > BUFFER_MAX:
            problem = self._problem = _SPREAD
        return Passage(going, problem)

    def end(self) -> None:
        """See ``Inside``."""
        self._websocket.end()

    def _changed(self, going: bytes) -> bytes:
        """What goes on, with the changes that are due in it."""
        made = bytearray(going)
        while self._changes and self._changes[0][0] < self._base + len(going):
            at, byte = self._changes.popleft()
            made[at - self._base] ^= byte
        return bytes(made)

    def _told(self, event: FrameEvent) -> str | None:
        if isinstance(event, Payload):
            if not self._spdy_problem:
                self._payload(event)
        elif isinstance(event, FrameStarted):
            if event.first and event.head.opcode != BINARY:
                return "a message of a tunnelled port-forward is not binary"
            self._frame = event
        elif isinstance(event, Control) and event.opcode == CLOSE:
            self.saw_close = True
        return None

    def _payload(self, event: Payload) -> None:
        """Give the payload to SPDY in bites: what it only counts, it does not have to see unmasked."""
        spdy, at, size = self._spdy, 0, len(event.raw)
        self._fed += size
        while at < size and not self._spdy_problem:
            if spdy.left and self._tally.observe is None:
                step = min(spdy.left, size - at)
                spdy.skip(step)
                self._passed += step
            else:
                step = min(_BITE, size - at)
                bite = Payload(event.at, event.raw[at : at + step], event.mask, event.offset + at)
                passage = spdy.feed(bytes(bite.clear()))
                self._passed += len(passage.data)
                self._spdy_problem = passage.failure
                if spdy.changes:
                    self._change(event, size)
            at += step
        if self._passed < self._fed:
            self._hold(self._piece(event, size))

    def _hold(self, piece: Piece) -> None:
        """Keep ``piece`` back, within the bound: also where one read brings all that is too much, and the frame's end with it."""
        self._pieces.append(piece)
        self._forget_passed()
        first = self._pieces[0]
        if piece.end - (first.end - first.size) > BUFFER_MAX:
            self._spdy_problem = self._spdy_problem or _SPREAD

    def _forget_passed(self) -> None:
        pieces = self._pieces
        while pieces and pieces[0].spdy_end <= self._passed:
            pieces.popleft()

    def _change(self, event: Payload, size: int) -> None:
        """Find the bytes of SPDY's changes in the messages that carry them. A mask may stay: what is XORed under it is XORed."""
        start = self._base + len(self._buffer) + event.at
        for change in self._spdy.changes:
            for at, byte in enumerate(change.delta, change.at):
                here = at - (self._fed - size)
                self._changes.append((start + here if here >= 0 else self._place(at), byte))

    def _place(self, at: int) -> int:
        """Where SPDY's byte ``at``, which is kept back, lies in the direction."""
        piece = next(piece for piece in self._pieces if at < piece.spdy_end)
        return piece.end - (piece.spdy_end - at)

    def _piece(self, event: Payload, size: int) -> Piece:
        frame = self._frame
        assert frame is not None  # payload follows its frame's head
        start = self._base + len(self._buffer) + event.at
        behind = Standing(frame.head.length - event.offset - size, not frame.head.fin)
        head = self._base + len(self._buffer) + frame.at if event.offset == 0 else -1
        return Piece(size, self._fed, start + size, behind, head, not frame.first)


class ForwardTunnelled:
    """See the module."""

    def __init__(self, tally: Tally) -> None:
        self.take = ForwardTake(tally)
        self._streams = Streams(self.take, tally)
        self._up = Side(True, self._streams.client, tally)
        self._down = Side(False, self._streams.cluster, tally)

    @property
    def cause(self) -> Cause | None:
        """See ``Inside``."""
        return None

    def to_client(self) -> bytes:
        """What the client is to be told now besides what the cluster says: that a stream was refused."""
        down = self._down
        if down.saw_close or not down.between_messages or not self._streams.cluster.at_boundary:
            return b""
        told = self._streams.refusals()
        return encode_frame(BINARY, told) if told else b""

    @property
    def complete(self) -> bool:
        """See ``Inside``."""
        streams = self._streams
        return self._up.saw_close or self._down.closed or streams.gone_away or streams.client_leaves or not streams.live

    def from_client(self, data: bytes) -> Passage:
        """See ``Inside``."""
        return self._up.feed(data)

    def from_cluster(self, data: bytes) -> Passage:
        """See ``Inside``."""
        return self._down.feed(data)

    def farewell(self, sentence: str) -> bytes:
        """See ``Inside``."""
        down, streams = self._down, self._streams
        if down.closed:
            return b""
        if streams.heard:
            return tunnelled_words(down.standing, streams.last_words(sentence.encode(), b""), b"")
        return tunnelled_words(down.standing, streams.last_words(b"", streams.goaway), encode_close(NORMAL))

    def end(self) -> None:
        """See ``Inside``."""
        self._up.end()
        self._down.end()
        self._streams.end()
