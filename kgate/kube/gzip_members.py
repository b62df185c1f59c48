"""A body of gzip members, one behind the other (RFC 1952 section 2.2): what is inside, and where a member ends.

So the API server compresses a watch that begins with all there is (``sendInitialEvents``, which client-go asks for; ``WatchListCompression``, on by
default since 1.37): each flush ends a member, and it flushes behind whole events. Between two members nothing is kept, so a watch at rest costs no window.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

STEP: Final = 4096
"""Bytes that are looked at in one go: what is behind a member's end is copied, and must not be much."""
MOST_INFLATED: Final = 16 * 1024 * 1024
"""What one piece of a body may come to; a read is at most 512 KiB. A cluster must not be able to keep the gate busy with a thousandfold of what it sends."""
MEMBER_COSTS: Final = 1024
"""As what a member counts beside what is in it: 20 bytes make an empty one."""
_WITH_HEADER: Final = 31


def gzip_member(data: bytes) -> bytes:
    """A whole member with ``data`` in it."""
    return zlib.compress(data, wbits=_WITH_HEADER)


class _Member:
    """One that has begun."""

    __slots__ = ("inflating",)

    def __init__(self) -> None:
        self.inflating = zlib.decompressobj(_WITH_HEADER)


class GzipMembers:
    """Follows such a body. What is damaged, or too much, has no boundary any more."""

    __slots__ = ("_lost", "_member")

    def __init__(self) -> None:
        self._member: _Member | None = None
        self._lost = False

    @property
    def at_boundary(self) -> bool:
        """Between two members."""
        return self._member is None and not self._lost

    def inside(self, data: bytes) -> Iterator[bytes]:
        """The body goes on with ``data``: what that inflates to."""
        left = MOST_INFLATED
        for at in range(0, len(data), STEP):
            rest = data[at : at + STEP]
            while rest and not self._lost:
                member = self._member or _Member()
                try:
                    inflated = member.inflating.decompress(rest)
                except zlib.error:
                    self._lost, self._member = True, None
                    return
                ended = member.inflating.eof
                self._member, rest = (None, member.inflating.unused_data) if ended else (member, b"")
                left -= len(inflated) + (MEMBER_COSTS if ended else 0)
                if left < 0:
                    self._lost, self._member = True, None
                    return
                yield inflated
