"""What of an exec or attach is recorded: the tunnel's pieces of payload become the lines of a cast, and whatever stands in the way of that its end.

    NAMED ──open──▶ OPENING ──on the disk──▶ READY ──follow──▶ RUNNING ──end──▶ OVER
                       │ not in time             └───────────────│ cannot go on
                       ▼ 503                                     ▼ cut, or BROKEN: best effort goes on without

The file is there, header and all, before anything is sent to the cluster, and a piece is given to it before it goes on. What was given and cannot be
written ends the stream at once. So what passed unrecorded is no more than a reel may be behind (``kgate.net.reels``). A stream that is faster than the disk is
read no further until that has caught up.

A recording cannot begin in the middle: a live stream of which more is to be recorded than is (another rule counts now, or says otherwise) is cut, and
the next one is recorded from its beginning. One of which less is to be recorded goes on as it began.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple, Protocol

from kgate.audit.recording.cast import Cast, Kind
from kgate.exchange.tally import Direction
from kgate.exchange.tunnel import Kind as TunnelKind
from kgate.exchange.tunnel import Tunnel
from kgate.kube.remotecommand import WEBSOCKET, Channel
from kgate.model import RECORDED, Action, Cause, Decision, Ending, Ground, Reason, Recording

_ORDER: Final = (Recording.NONE, Recording.STDOUT, Recording.FULL)
_SHOWN: Final = frozenset({Channel.STDOUT.value, Channel.STDERR.value})


def wanted(action: Action, decision: Decision) -> Recording:
    """How much of it is to be recorded."""
    return decision.record if action.operation in RECORDED and decision.allowed else Recording.NONE


def as_recorded(decision: Decision, action: Action, is_recorded: Recording) -> Decision:
    """``decision`` on a stream that lives: a no where more of it would have to be recorded than is."""
    if _ORDER.index(wanted(action, decision)) <= _ORDER.index(is_recorded):
        return decision
    text = f'rule "{decision.rule}" wants it recorded, which cannot begin in the middle; run the command again'
    return decision.but(allowed=False, reasons=(Reason(Ground.RECORDING, text=text),))


class Written(NamedTuple):
    """A recording that is complete: its size and hash, and why it does not hold everything, where it does not. None: nobody knows, the disk hangs."""

    size: int | None = None
    sha256: str = ""
    problem: str = ""


class Reel(Protocol):
    """The file of one recording, written elsewhere."""

    caught_up: Callable[[], None]
    """Called when it is behind no more."""

    @property
    def is_behind(self) -> bool:
        """Whether so much is to be written that it had better be given no more for now."""

    def write(self, data: bytes) -> None:
        """Append, soon."""

    def close(self, then: Callable[[Written], None]) -> None:
        """Nothing more comes; ``then`` is told what there is, in any case and within some seconds."""

    def drop(self) -> None:
        """Nothing was to be recorded: there is to be no file."""


Opened = Callable[[str], None]
"""Told why it cannot be; empty: it is on the disk."""
OpenReel = Callable[[str, bytes, Opened, Callable[[str], None]], Reel]
"""Name, header; told whether it is open, and later once if it cannot go on."""


LEAST: Final = 4096
"""Bytes of a disk that a file takes, though hardly anything stands in it."""


def _spend(_: int) -> bool:
    return True


class Terms(NamedTuple):
    """``most`` bytes of one recording; ``strict``: nothing passes unrecorded; ``spend(bytes)``: whether that may still be recorded of whoever it is, in
    whatever mode: what they fill up is everybody's disk (security.md class 19); ``charge(bytes)``: the same of what was, so it counts in any case."""

    most: int
    strict: bool = True
    spend: Callable[[int], bool] = _spend
    charge: Callable[[int], bool] = _spend
    spent: str = "no more is recorded of you today"
    """The sentence where it may not."""


class _State(Enum):
    """See the module."""

    NAMED = "named"
    OPENING = "opening"
    READY = "ready"
    RUNNING = "running"
    BROKEN = "broken"
    OVER = "over"


class Tape:
    """See the module. ``id_`` is the request's; ``now`` is monotonic; ``cut`` ends the stream, ``lost`` says that it goes on unrecorded, and why."""

    def __init__(
        self,
        id_: str,
        name: str,
        record: Recording,
        header: bytes,
        terms: Terms,
        open_reel: OpenReel,
        now: Callable[[], float],
        cut: Callable[[Cause], None],
        lost: Callable[[str], None],
    ) -> None:
        self.name, self.record = name, record
        self._id, self._header, self._terms, self._open, self._now = id_, header, terms, open_reel, now
        self._cut, self._lost = cut, lost
        self._state = _State.NAMED
        self._reel: Reel | None = None
        self._cast = Cast()
        self._began = 0.0
        self._size = len(header)
        self._base64: dict[str, Base64] | None = None
        self._problem = ""
        self._cause: Cause | None = None
        self._caught_up: Callable[[], None] = _nobody

    def open(self, then: Opened) -> None:
        """Make the file; ``then`` is told why the stream may not begin, or nothing. Best effort lets it begin in any case."""
        self._state, self._began = _State.OPENING, self._now()

        def opened(problem: str) -> None:
            if self._state is not _State.OPENING:
                return
            self._state, self._problem = (_State.BROKEN if problem else _State.READY), problem
            if problem and not self._terms.strict:
                self._lost(problem)
            then(problem if self._terms.strict else "")

        if self._terms.spend(max(self._size, LEAST)):
            self._reel = self._open(self.name, self._header, opened, self._failed)
        else:
            then(self._terms.spent)

    def follow(self, tunnel: Tunnel, caught_up: Callable[[], None]) -> None:
        """The stream begins. What waits because the recording ``is_behind`` goes on when it has ``caught_up``."""
        if self._state is _State.READY and self._reel is not None:
            self._state, self._reel.caught_up, self._caught_up = _State.RUNNING, caught_up, caught_up
            if tunnel.kind is TunnelKind.COMMAND_WEBSOCKET and WEBSOCKET[tunnel.subprotocol].base64:
                self._base64 = {}
            tunnel.observe = self._observe

    @property
    def is_behind(self) -> bool:
        """Whether no more had better pass for now."""
        return self._state is _State.RUNNING and self._reel is not None and self._reel.is_behind

    def look(self) -> Cause | None:
        """Asked after something passed: why the stream has to end, where it has."""
        return self._cause

    def end(self, closed_by: Cause | None, then: Callable[[Written | None], None]) -> None:
        """It is over; ``then`` is told what was recorded, None where there was nothing to record."""
        state, self._state = self._state, _State.OVER
        reel, self._reel = self._reel, None
        self._cut, self._lost, self._caught_up = _nothing, _nothing, _nobody  # they refer back
        if reel is not None:
            reel.caught_up = _nobody
        if reel is None or state in (_State.NAMED, _State.OPENING, _State.READY):
            if reel is not None:
                reel.drop()
            then(None)
            return
        if state is _State.RUNNING:
            at = self._at()
            reel.write(self._cast.ended(at) + (self._cast.marked(at, closed_by.text) if closed_by is not None else b""))
        problem = self._problem
        reel.close(lambda written: then(written._replace(problem=problem or written.problem)))

    # --- what passes

    def _observe(self, direction: Direction, channel: str, data: bytes) -> None:
        """See ``Observer``."""
        if self._state is not _State.RUNNING or self._reel is None:
            return
        if self._base64 is not None:
            clear = self._base64.setdefault(channel, Base64()).feed(data)
            if clear is None:
                self._end_by("what is said to be base64 is not, so it cannot be recorded")
                return
            data = clear
        line = self._line(direction, channel, data)
        if line:
            self._size += len(line)
            self._reel.write(line)
            if not self._terms.charge(len(line)):
                self._end_by(self._terms.spent)
            elif self._size >= self._terms.most:
                self._end_by(f"its recording has the {self._terms.most:,} bytes that audit.recordings.bytes allows; run the command again")

    def _line(self, direction: Direction, channel: str, data: bytes) -> bytes:
        if direction is Direction.FROM_CLUSTER:
            return self._cast.piece(self._at(), Kind.OUTPUT, channel, data) if channel in _SHOWN else b""
        if channel == Channel.RESIZE.value:
            return self._cast.resized(self._at(), data)
        if channel == Channel.STDIN.value and self.record is Recording.FULL:
            return self._cast.piece(self._at(), Kind.INPUT, channel, data)
        return b""

    def _at(self) -> float:
        return max(0.0, self._now() - self._began)

    # --- what goes wrong

    def _end_by(self, why: str) -> None:
        """Once what is passing has passed: the tunnel is in the midst of it."""
        if self._cause is None:
            self._cause = Cause(Ending.RECORDING, f"kgate: closed: {why} (request {self._id})")

    def _failed(self, problem: str) -> None:
        """The reel takes no more."""
        if self._state not in (_State.READY, _State.RUNNING):
            return
        self._state, self._problem = _State.BROKEN, problem
        if self._terms.strict:
            text = (
                f"kgate: closed: it is to be recorded and cannot be any more: {problem}; tell whoever runs this gate (request {self._id})"
            )
            self._cut(Cause(Ending.RECORDING, text))
        else:
            self._lost(problem)
            self._caught_up()


def _nothing(_: object) -> None:
    """It is over."""


def _nobody() -> None:
    """Nobody waits."""


class Base64:
    """Decodes a channel's messages, each of which is padded to whole groups of four, however they are cut. Line ends among them are passed over, as Go does."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes | None:
        """What is complete now; None where it is none."""
        data = self._rest + data.translate(None, b"\r\n")
        whole = len(data) // 4 * 4
        self._rest = data[whole:]
        try:
            return b"".join(map(_decoded, _messages(data[:whole])))
        except binascii.Error:
            return None


def _messages(data: bytes) -> list[bytes]:
    """Cut behind each padding: there a message ended."""
    found, begin = [], 0
    while (padding := data.find(b"=", begin)) >= 0:
        end = padding // 4 * 4 + 4
        found.append(data[begin:end])
        begin = end
    return [*found, data[begin:]]


def _decoded(data: bytes) -> bytes:
    return b64decode(data, validate=True)
