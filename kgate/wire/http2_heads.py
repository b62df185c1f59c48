"""Header blocks of one connection, and the messages' heads that they are.

A block is decoded whatever becomes of its stream, for the compression's state lasts (RFC 7541 section 2.2). What a block meant as a head is remembered as
long as the table stays the same: a peer that says the same again and again is read once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

from kgate.memory import remember
from kgate.wire.events import Headers
from kgate.wire.hpack import Decoder, HpackError
from kgate.wire.http2_fields import Refusal, Request, Response
from kgate.wire.http2_frames import ConnectionFault, ErrorCode

H = TypeVar("H", Request, Response)

_REMEMBERED: Final = 16
_LONGEST_REMEMBERED: Final = 2048


class Heads(Generic[H]):
    """See the module. ``longest``: bytes of a header list (RFC 9113, 6.5.2). ``parse`` gives the head that decoded fields are."""

    __slots__ = ("_decoder", "_parse", "_remembered")

    def __init__(self, longest: int, parse: Callable[[Headers], H | Refusal]) -> None:
        self._decoder = Decoder(longest)
        self._parse: Callable[[Headers], H | Refusal] = parse
        self._remembered: dict[bytes, H | Refusal | None] = {}

    def decode(self, block: bytes) -> Headers | None:
        """The block's fields, or None where they are too many; the compression is in step afterwards. Raises ConnectionFault."""
        decoder, generation = self._decoder, self._decoder.generation
        try:
            listed = decoder.decode(block)
        except HpackError as error:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, str(error)) from None
        if decoder.generation != generation:
            self._remembered.clear()
        return listed

    def read(self, block: bytes) -> H | Refusal | None:
        """The head that the block is; None where it is too long. Raises ConnectionFault."""
        if block in self._remembered:
            return self._remembered[block]
        generation = self._decoder.generation
        listed = self.decode(block)
        head = None if listed is None else self._parse(listed)
        if self._decoder.generation == generation and len(block) <= _LONGEST_REMEMBERED:
            remember(self._remembered, block, head, _REMEMBERED)
        return head

    def forget(self) -> None:
        """The connection is over: nothing more is read."""
        self._remembered.clear()
