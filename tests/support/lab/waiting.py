"""The one place where the end-to-end suite waits: polling with a bound, since it watches other processes through files and exit codes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class TookTooLong(AssertionError):
    """Something that should have happened did not, within its bound."""


def eventually(what: str, look: Callable[[], T], seconds: float = 60.0, every: float = 0.02) -> T:
    """The first truthy value that ``look`` gives; after ``seconds`` it raises TookTooLong, which names ``what``."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise TookTooLong(f"{what}: not within {seconds:g} s")
        time.sleep(every)
