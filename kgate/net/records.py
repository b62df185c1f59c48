"""Where TLS records end in the bytes of a connection: each says its length in a head of five bytes (RFC 8446 section 5.1, RFC 5246 section 6.2.1).

OpenSSL is then asked for what it decrypted once for each record that is whole. Asked once more, it says that there is no more by an exception, which
costs as much as decrypting some kilobytes.
"""

from __future__ import annotations

from typing import Final

RECORD: Final = 16384
"""What a record may carry."""
_HEAD: Final = 5
_LENGTHS: Final = RECORD + 2048
"""No length is greater: TLS 1.2 allows 2,048 bytes besides what is carried, 1.3 allows 256."""
_UNKNOWN: Final = -1


class Records:
    """Follows the bytes that come in, from the connection's first on, and keeps none of them but the beginning of a head."""

    __slots__ = ("_head", "_left")

    def __init__(self) -> None:
        self._left = 0
        """Bytes that a record whose head is known still lacks."""
        self._head = b""
        """What there is of a head that was cut."""

    def alone(self, data: memoryview) -> bool:
        """Whether ``data`` is one record and nothing else. It changes nothing then, so it need not be followed."""
        if self._left or self._head or len(data) < _HEAD:
            return False
        return len(data) - _HEAD == data[3] << 8 | data[4]

    def follow(self, data: memoryview, start: int, most: int) -> tuple[int, int]:
        """Follow ``data`` from ``start`` to its end, or to the end of the last record within ``most`` bytes (at least one). Gives where it stopped,
        and how many records ended on the way."""
        at, ended, size = start, 0, len(data)
        while at < size:
            end = at + self._left if self._left else self._end(data, at)
            if end == _UNKNOWN:
                return size, ended
            if ended and end - start > most:
                return at, ended
            if end > size:
                self._left = end - size
                return size, ended
            at, self._left, ended = end, 0, ended + 1
        return at, ended

    def _end(self, data: memoryview, start: int) -> int:
        """Where the record ends whose head is at ``start``, or whose head's rest is; ``_UNKNOWN`` where ``data`` ends before the head does."""
        if self._head or len(data) - start < _HEAD:
            return self._end_of_cut(data, start)
        return _end(data, start, data[start + 3] << 8 | data[start + 4])

    def _end_of_cut(self, data: memoryview, start: int) -> int:
        rest = _HEAD - len(self._head)
        head = self._head + data[start : start + rest]
        if len(head) < _HEAD:
            self._head = head
            return _UNKNOWN
        self._head = b""
        return _end(data, start + rest - _HEAD, head[3] << 8 | head[4])


def _end(data: memoryview, start: int, length: int) -> int:
    """Of a record that says ``length``. No record is longer than ``_LENGTHS``: whoever decrypts this one is to find out at once."""
    return start + _HEAD + length if length <= _LENGTHS else len(data)
