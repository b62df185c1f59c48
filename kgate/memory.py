"""What is remembered of one request for the next, whoever sends it. Bounded, whatever a peer sends: what is full forgets all."""

from __future__ import annotations

from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST: Final = 4096


def remember(known: dict[K, V], key: K, value: V, most: int = MOST) -> V:
    """Put ``value``, which is given back, into ``known``, which forgets all first where it has ``most``."""
    if len(known) >= most:
        known.clear()
    known[key] = value
    return value
