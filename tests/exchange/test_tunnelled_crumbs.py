"""A SPDY control frame in WebSocket messages of one byte: held until it is whole, up to a bound that does not depend on how it arrives."""

from __future__ import annotations

import pytest

from kgate.exchange.tunnel import Failure, Kind, Tunnel
from kgate.model import Ending
from kgate.wire import spdy
from kgate.wire.websocket import BINARY, encode_frame

READS = pytest.mark.parametrize("read", [997, 65_536, 262_144 - 400, 1_000_000])


def in_crumbs(settings: int) -> bytes:
    frame = spdy.control_frame(spdy.SETTINGS, settings.to_bytes(4, "big") + bytes(settings * 8))
    return b"".join(encode_frame(BINARY, frame[at : at + 1], b"\1\2\3\4") for at in range(len(frame)))


def carried(sent: bytes, read: int) -> tuple[bytes, Failure | None]:
    """What went on of ``sent``, and why it ended."""
    tunnel, went = Tunnel(Kind.FORWARD_TUNNELLED), b""
    for at in range(0, len(sent), read):
        passed = tunnel.from_client(sent[at : at + read])
        if isinstance(passed, Failure):
            return went, passed
        went += passed
    return went, None


@pytest.mark.threat("18")
@READS
def test_one_that_is_spread_over_more_than_is_held_ends_the_tunnel(read: int) -> None:
    went, failure = carried(in_crumbs(7499), read)
    assert went == b"" and failure is not None
    assert failure.cause.ending is Ending.PROTOCOL and "spread over more than 262144 bytes" in failure.text


@READS
def test_one_within_that_goes_on_as_it_came(read: int) -> None:
    sent = in_crumbs(4000)
    assert carried(sent, read) == (sent, None)
