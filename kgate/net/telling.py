"""Telling several, one after the other, what they wait for, or that it is time to look."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

log = Logger()


def tell(then: Callable[..., object], *what: object) -> None:
    """Call ``then``. A bug in what it goes on with is logged, and holds up none of those who are told after it."""
    try:
        then(*what)
    except Exception:  # noqa: BLE001  whatever it is
        log.failure("whoever waited, or was to look, could not go on")
