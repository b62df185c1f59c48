"""Decodes what kubectl sends as ``application/vnd.kubernetes.protobuf``: create by flags, access reviews, token requests.

The body is ``k8s\\0`` and then an ``Unknown`` message: {1: TypeMeta {1: apiVersion, 2: kind}, 2: raw}. Kubernetes' encoder writes the zero
values of fields that are not pointers too; JSON leaves them out, and so does this. Answers go out as JSON, which every client accepts.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, datetime

from kgate.demo.schema import MESSAGES, Field, Message, Object, Shape

MAGIC = b"k8s\x00"
_POINTERS = frozenset({"replicas", "revisionHistoryLimit", "gracePeriodSeconds", "runAsUser", "automountServiceAccountToken"})
"""Fields whose zero is a value of its own."""

Value = int | bytes


class ProtobufInvalid(ValueError):
    """The bytes are not a message of the type that they claim to be."""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ProtobufInvalid("a number is cut off")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def _records(data: bytes) -> Iterator[tuple[int, Value]]:
    """Field numbers and raw values of one message."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            number, at = _varint(data, at)
            yield tag >> 3, number
            continue
        size = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            size, at = _varint(data, at)
        if size is None or at + size > len(data):
            raise ProtobufInvalid("a field is cut off or of an unknown kind")
        yield tag >> 3, data[at : at + size]
        at += size


def unwrap(body: bytes) -> tuple[str, str, bytes]:
    """apiVersion, kind and the object's own bytes. Raises ProtobufInvalid."""
    if not body.startswith(MAGIC):
        raise ProtobufInvalid("the body does not begin with k8s")
    outer = dict(_records(body[4:]))
    meta = dict(_records(_bytes(outer.get(1, b""))))
    return _bytes(meta.get(1, b"")).decode(), _bytes(meta.get(2, b"")).decode(), _bytes(outer.get(2, b""))


def decode(body: bytes) -> Object:
    """The object of an enveloped body as JSON would have it. Raises ProtobufInvalid."""
    version, kind, raw = unwrap(body)
    if kind not in MESSAGES:
        raise ProtobufInvalid(f"the demo cluster does not know the kind {kind!r}")
    return {"apiVersion": version, "kind": kind, **decode_message(MESSAGES[kind], raw)}


def decode_message(message: Message, data: bytes) -> Object:
    """One message's fields by their JSON names, without those of no fixed type (managedFields). Raises ProtobufInvalid."""
    result: Object = {}
    for number, raw in _records(data):
        item = message.by_number.get(number)
        if item is not None and item.of != "any":
            _put(result, item, raw)
    return {name: value for name, value in result.items() if _meant(message.by_name[name], value)}


def _put(result: Object, item: Field, raw: Value) -> None:
    if item.shape is Shape.INLINE:
        result.update(decode_message(MESSAGES[item.of], _bytes(raw)))
    elif item.shape is Shape.LIST:
        result.setdefault(item.name, []).append(_value(item.of, raw))
    elif item.shape is Shape.MAP:
        entry = dict(_records(_bytes(raw)))
        key = _bytes(entry.get(1, b"")).decode()
        result.setdefault(item.name, {})[key] = _value(item.of, entry.get(2, b""))
    else:
        result[item.name] = _value(item.of, raw)


def _meant(item: Field, value: object) -> bool:
    """Whether JSON would have the field: not an empty one, save where being there is what it says."""
    return bool(value) or item.required or item.name in _POINTERS or item.of.endswith("VolumeSource")


def _bytes(raw: Value) -> bytes:
    if isinstance(raw, int):
        raise ProtobufInvalid("a number stands where bytes should")
    return raw


def _value(of: str, raw: Value) -> object:
    if of in MESSAGES:
        return decode_message(MESSAGES[of], _bytes(raw))
    if of == "int":
        return _signed(raw)
    if of == "bool":
        return bool(raw)
    if of == "number":
        return struct.unpack("<d", _bytes(raw))[0]
    if of == "bytes":
        return base64.b64encode(_bytes(raw)).decode()
    return _TEXTS.get(of, _text)(_bytes(raw))


def _signed(raw: Value) -> int:
    if not isinstance(raw, int):
        raise ProtobufInvalid("bytes stand where a number should")
    return raw - (1 << 64) if raw >> 63 else raw


def _text(raw: bytes) -> object:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ProtobufInvalid("a text is not UTF-8") from error


def _time(raw: bytes) -> object:
    """{1: seconds, 2: nanoseconds}; nothing for the zero time."""
    seconds = dict(_records(raw)).get(1, 0)
    if not isinstance(seconds, int) or not seconds:
        return None
    return datetime.fromtimestamp(_signed(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _int_or_string(raw: bytes) -> object:
    """{1: kind, 2: number, 3: text}."""
    parts = dict(_records(raw))
    return _text(_bytes(parts.get(3, b""))) if parts.get(1) else _signed(parts.get(2, 0))


def _quantity(raw: bytes) -> object:
    return _text(_bytes(dict(_records(raw)).get(1, b"")))


def _strings(raw: bytes) -> object:
    """A list of texts in a message of its own: {1: text …}."""
    return [_text(_bytes(value)) for number, value in _records(raw) if number == 1]


_TEXTS = {"Time": _time, "MicroTime": _time, "IntOrString": _int_or_string, "Quantity": _quantity, "[string]": _strings}
