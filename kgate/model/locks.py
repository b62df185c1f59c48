"""Who is shut out, whatever the policy says."""

from __future__ import annotations

from attrs import frozen


@frozen(cache_hash=True)
class Lock:
    """All that is named must fit whoever asks, and where; at least one thing is. Times are Unix seconds."""

    name: str
    user: str = ""
    group: str = ""
    robot: str = ""
    device: str = ""
    cluster: str = ""
    """Empty is every cluster, and the gate's own pages."""
    reason: str = ""
    """For those who lock and the audit: whoever is shut out does not read it."""
    by: str = ""
    begins: float = 0.0
    until: float | None = None
    """From this instant on it is over; None is until somebody removes it."""
