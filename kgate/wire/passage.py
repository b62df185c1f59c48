"""What somebody who follows a direction of a tunnel lets go on."""

from __future__ import annotations

from typing import Final


class Passage:
    """What may go on now, and what is wrong with what came after it (then nothing more ever passes)."""

    __slots__ = ("data", "failure")

    def __init__(self, data: bytes, failure: str = "") -> None:
        self.data: Final = data
        self.failure: Final = failure
