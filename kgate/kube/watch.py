"""Answers without an end (watch, logs -f): where their events end, and the last one that tells why the gate ended them.

| answer | an event ends | farewell |
|---|---|---|
| watch, JSON | with a newline | an ``ERROR`` event with a ``Status``, then the answer's proper end |
| watch, protobuf | after its 4-byte length says so | the same, encoded by hand |
| watch, CBOR sequence | with its last data item | the same |
| log | anywhere | a line of text, then an abort, so that kubectl does not exit 0; with ``timestamps`` it has that of the last line |

A watch in gzip is spoken into by a member of our own, between two of the API server's. A log that has a content coding, and whatever says how long it
is, cannot be spoken into, nor can the middle of an event: the stream is then ended without a word, by an abort that nobody can take for a complete answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Final, NamedTuple

import orjson

from kgate.kube.cbor import CborEnds, encode_cbor
from kgate.kube.gzip_members import GzipMembers, gzip_member
from kgate.kube.query import parse_query, truth
from kgate.kube.refusal import Refusal
from kgate.model import Action, Operation


class Farewell(NamedTuple):
    """The last bytes of an answer. ``complete``: the answer ends properly behind them; otherwise it has to be aborted."""

    data: bytes
    complete: bool


class Form(Enum):
    """What an answer is made of. The values of the watches are their media types."""

    JSON = "application/json"
    PROTOBUF = "application/vnd.kubernetes.protobuf"
    CBOR = "application/cbor-seq"
    LOG = "log"


class WatchFollower:
    """Follows one answer's body, decoded from its transfer coding."""

    __slots__ = ("_cbor", "_fed", "_head", "_last", "_left", "_line", "_members", "form")

    def __init__(self, form: Form, *, stamped: bool = False, compressed: bool = False) -> None:
        self.form = form
        self._members = GzipMembers() if compressed else None
        self._fed = False
        self._last = b""
        self._head = b""
        self._left = 0
        self._cbor = CborEnds()
        self._line: bytes | None = b"" if stamped else None
        """The beginning of a log's last line, where lines have timestamps."""

    @classmethod
    def of(cls, action: Action, headers: Iterable[tuple[bytes, bytes]]) -> WatchFollower | None:
        """The follower for an answer with these headers (names in lower case), or None where no farewell can be said in it."""
        found = dict(headers)
        coding = found.get(b"content-encoding", b"identity")
        if coding not in _CODINGS or b"content-length" in found:
            return None
        if action.operation is Operation.LOGS:
            return cls(Form.LOG, stamped=asks_for_times(action.target)) if coding == b"identity" else None
        media = found.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
        watched = next((form for form in _WATCHES if form.value == media), None)
        return cls(watched, compressed=coding == b"gzip") if action.verb == "watch" and watched is not None else None

    def feed(self, data: bytes) -> None:
        """These bytes went to the client."""
        if self._members is None:
            self._follow(data)
            return
        for piece in self._members.inside(data):
            self._follow(piece)

    def _follow(self, data: bytes) -> None:
        if not data:
            return
        self._fed = True
        if self.form is Form.PROTOBUF:
            self._measure(data)
        elif self.form is Form.CBOR:
            self._cbor.feed(data)
        else:
            if self._line is not None:
                self._line = self._last_line(self._line, data)
            self._last = data[-2:] if len(data) > 1 else self._last[-1:] + data

    @property
    def at_boundary(self) -> bool:
        """Whether an event of ours may follow here."""
        if self._members is not None and not self._members.at_boundary:
            return False
        match self.form:
            case Form.LOG:
                return True
            case Form.JSON:
                # The API server writes each event as one line, and JSON has no newline inside a string.
                return not self._fed or self._last == b"}\n"
            case Form.PROTOBUF:
                return not self._left and not self._head
            case Form.CBOR:
                return self._cbor.at_boundary

    def farewell(self, sentence: str) -> Farewell | None:
        """What to send so that the person reads ``sentence``; None where it cannot be said here."""
        if self.form is Form.LOG:
            newline = b"\n" if self._fed and self._last[-1:] != b"\n" else b""
            # Not the time of the end: whoever goes on from there (stern, k9s) misses no line.
            stamp = _TIMESTAMP.match(self._line) if self._line is not None else None
            return Farewell(newline + (stamp[0] if stamp is not None else b"") + sentence.encode() + b"\n", complete=False)
        if not self.at_boundary:
            return None
        event = _EVENTS[self.form](sentence)
        return Farewell(event if self._members is None else gzip_member(event), complete=True)

    def _last_line(self, line: bytes, data: bytes) -> bytes:
        """The beginning of the last line that has begun, ``line`` before ``data``."""
        begins = data.rfind(b"\n", 0, len(data) - 1) + 1
        if begins or not self._last or self._last[-1:] == b"\n":
            return data[begins : begins + _LONGEST]
        return line + data[: _LONGEST - len(line)]

    def _measure(self, data: bytes) -> None:
        """Walk over u32 lengths and what they announce."""
        at, end = 0, len(data)
        while at < end:
            if self._left:
                step = min(self._left, end - at)
                self._left -= step
            else:
                step = min(4 - len(self._head), end - at)
                self._head += data[at : at + step]
                if len(self._head) == 4:
                    self._left, self._head = int.from_bytes(self._head, "big"), b""
            at += step


def asks_for_times(target: str) -> bool:
    """Whether each line of this log begins with its time: k9s and stern ask for that, and take away the first word of each line."""
    query = parse_query(target.partition("?")[2], plain=False)
    return not isinstance(query, Refusal) and truth(query, "timestamps")


def error_event(sentence: str) -> bytes:
    """A watch event in JSON, one line: ``kubectl get -w`` shows its message, informers ask anew and are told at the door."""
    return orjson.dumps({"type": "ERROR", "object": _status(sentence)}) + b"\n"


def protobuf_error_event(sentence: str) -> bytes:
    """The same with its length, as ``application/vnd.kubernetes.protobuf;stream=watch`` (apimachinery's generated.proto, by field number).

    WatchEvent {1 type, 2 RawExtension {1 raw}}; raw is ``k8s\\0`` and Unknown {1 TypeMeta {1 apiVersion, 2 kind}, 2 raw};
    Status {1 metadata, 2 status, 3 message, 4 reason, 6 code}.
    """
    status = _field(1, b"") + _field(2, b"Failure") + _field(3, sentence.encode()) + _field(4, b"Forbidden") + b"\x30" + _varint(403)
    unknown = _field(1, _field(1, b"v1") + _field(2, b"Status")) + _field(2, status) + _field(3, b"") + _field(4, b"")
    event = _field(1, b"ERROR") + _field(2, _field(1, b"k8s\x00" + unknown))
    return len(event).to_bytes(4, "big") + event


def cbor_error_event(sentence: str) -> bytes:
    """The same as one item of a CBOR sequence."""
    return encode_cbor({"type": "ERROR", "object": _status(sentence)})


def _status(sentence: str) -> dict[str, object]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": sentence,
        "reason": "Forbidden",
        "code": 403,
    }


def _field(number: int, value: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_TIMESTAMP: Final = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}(?:Z|[-+][0-9]{2}:[0-9]{2}) ")
_LONGEST: Final = 40
"""Bytes, of a timestamp as the kubelet writes it (RFC 3339, to the nanosecond)."""
_CODINGS: Final = (b"identity", b"gzip")
_WATCHES: Final = (Form.JSON, Form.PROTOBUF, Form.CBOR)
_EVENTS: Final = {Form.JSON: error_event, Form.PROTOBUF: protobuf_error_event, Form.CBOR: cbor_error_event}
