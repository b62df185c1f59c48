"""What one connection may cost (threat class 15): fixed bounds, and how large the allowances of http2_allowances are."""

from __future__ import annotations

from attrs import Factory, field, frozen, validators

from kgate.wire.http2_frames import FIRST_WINDOW, LARGEST_WINDOW

_window = field(default=65536, validator=[validators.ge(FIRST_WINDOW), validators.le(LARGEST_WINDOW)])


@frozen
class Http2Limits:
    """Sizes in bytes, periods in seconds. Windows are what the peer may send before credit comes back; never below HTTP/2's own 65535."""

    streams: int = 100
    """At once. As a server the next is answered REFUSED_STREAM; as a client no more are opened even where the peer allows it."""
    header_list: int = 65536
    """As HTTP/2 counts it: names, values and 32 for each field. A server answers 431 past it."""
    initial_window: int = _window
    connection_window: int = field(default=1 << 20, validator=[validators.ge(FIRST_WINDOW), validators.le(LARGEST_WINDOW)])
    information: int = 8
    """1xx answers before the final one."""
    continuations: int = 32
    """CONTINUATION frames of one block; its bytes are bounded by four times ``header_list``."""
    resets: int = field(default=Factory(lambda self: max(200, 2 * self.streams), takes_self=True))
    """In any ``reset_period``. More than ``streams``: only as many are admitted as may still be reset."""
    reset_period: float = 30.0
    noise: int = 1000
    noise_rate: float = 100.0
    """What comes back of ``noise`` each second."""
    unsent: int = 65536
    """Answers that the peer's frames provoked while it does not read."""
    turn: int = 262144
    """DATA that goes out in one go, after which the transport has to have drained."""
