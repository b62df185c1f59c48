"""Peers that vanished with something of ours under way to them: a lid that was closed on ``logs -f``, a network that is gone.

The kernel asks of a connection that is at rest whether its peer lives (``dial.tune``). One with data that nobody acknowledged is not at rest: Linux sends
that again for a quarter of an hour. What it offers against that (TCP_USER_TIMEOUT) would end whoever reads nothing for a while, too, and says so to
each of its probes, as ``kubectl logs -f | less`` does. So it is asked what it knows of the peer's last word.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

SILENT_SECONDS: Final = 60.0
"""As long as a connection at rest takes to be found dead."""
_TCP_INFO: Final = getattr(socket, "TCP_INFO", None)
_FIELDS: Final = struct.Struct("=24xI28xI")
"""Of Linux's ``struct tcp_info``: segments that are not acknowledged, and milliseconds since the last acknowledgement came."""


def has_vanished(sock: socket.socket) -> bool:
    """Whether the peer has acknowledged nothing for long, though it was sent something. Never where the system does not tell."""
    if _TCP_INFO is None:
        return False
    try:
        return is_silent(sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _FIELDS.size))
    except OSError:
        return False


def is_silent(info: bytes) -> bool:
    """The same, of what the kernel says."""
    if len(info) < _FIELDS.size:
        return False
    unacknowledged, heard = _FIELDS.unpack(info)
    return bool(unacknowledged) and heard >= SILENT_SECONDS * 1000
