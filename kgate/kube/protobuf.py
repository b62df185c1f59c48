"""As much of protobuf's wire format as reviews need: fields of a message by number, and Kubernetes' envelope around one.

``k8s\\0`` and then ``runtime.Unknown`` {1: TypeMeta {1: apiVersion, 2: kind}, 2: raw}. Strict where a lenient reader could see something else: a field that
stands twice is refused, though protobuf would let the last one win.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

MAGIC = b"k8s\x00"
_VARINT, _SIXTY_FOUR, _BYTES, _THIRTY_TWO = 0, 1, 2, 5


class Malformed(ValueError):
    """The bytes are no such message. ``str()`` says where, without quoting them."""


@frozen
class Message:
    """The length-delimited fields of a message; numbers of other kinds are passed over."""

    fields: dict[int, bytes]

    def has(self, number: int) -> bool:
        """Whether it is there."""
        return number in self.fields

    def text(self, number: int) -> str:
        """A string; empty where it is not there. Raises Malformed where it is not UTF-8."""
        try:
            return self.fields.get(number, b"").decode()
        except UnicodeDecodeError:
            raise Malformed(f"field {number} is not UTF-8") from None

    def message(self, number: int) -> Message:
        """A message inside; one without fields where it is not there. Raises Malformed."""
        return read_message(self.fields.get(number, b""))


def read_unknown(body: bytes, kind: str) -> Message:
    """The object of ``kind`` in Kubernetes' envelope. Raises Malformed."""
    if not body.startswith(MAGIC):
        raise Malformed("it does not begin with k8s")
    envelope = read_message(body[len(MAGIC) :])
    if envelope.message(1).text(2) != kind:
        raise Malformed(f"it is no {kind}")
    return envelope.message(2)


def read_message(data: bytes, repeated: int = 0) -> Message:
    """The fields of one message, but for the one that may be ``repeated``. Raises Malformed."""
    fields: dict[int, bytes] = {}
    for number, kind, value in _fields(data):
        if number in fields:
            raise Malformed(f"field {number} stands twice")
        if kind == _BYTES and number != repeated:
            fields[number] = value
    return Message(fields)


def read_repeated(data: bytes, number: int) -> list[bytes]:
    """Each of a message's fields of this number, in their order. Raises Malformed."""
    return [value for each, kind, value in _fields(data) if each == number and kind == _BYTES]


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Number, wire type and value of each."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        value, at = _value(data, at, key & 7)
        yield key >> 3, key & 7, value


def _value(data: bytes, at: int, kind: int) -> tuple[bytes, int]:
    if kind == _VARINT:
        return b"", _varint(data, at)[1]
    if kind not in (_SIXTY_FOUR, _BYTES, _THIRTY_TWO):
        raise Malformed(f"wire type {kind} is not known")
    length, at = _varint(data, at) if kind == _BYTES else (8 if kind == _SIXTY_FOUR else 4, at)
    if at + length > len(data):
        raise Malformed("it is cut short")
    return data[at : at + length], at + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            raise Malformed("it is cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise Malformed("a number is too long")
