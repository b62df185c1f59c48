"""What one HTTP/1.1 connection may make us hold (threat class 16)."""

from __future__ import annotations

from attrs import frozen


@frozen
class Http1Limits:
    """Bounds on what a peer may make us hold. Bytes, but ``headers``: lines."""

    head: int = 65536
    headers: int = 200
    unconsumed: int = 65536
    early: int = 65536
