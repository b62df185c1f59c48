"""port-forward: how connections, ports and error texts are told apart inside its stream.

SPDY (bare, or as bytes inside WebSocket messages): for each local connection kubectl opens an ``error`` stream and then a ``data`` stream, both
with the headers ``port`` and ``requestid``. The port is nowhere else, so policy on ports means reading these. Old clients send no ``requestid``:
there the data stream of error stream N is N+2. The kubelet dials the port of the *data* stream, so both have to be asked about.

Legacy WebSocket: the ports are in the URL; port *i* has channel 2i for data and 2i+1 for errors, and the first message of each channel is the
port as 16 bits, little-endian.

A text on the error stream is shown to the person as ``an error occurred forwarding L -> R: <text>``.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

PROTOCOL: Final = b"portforward.k8s.io"
"""``X-Stream-Protocol-Version`` over SPDY."""
TUNNELLED: Final = b"SPDY/3.1+portforward.k8s.io"
"""``Sec-WebSocket-Protocol`` where WebSocket carries SPDY (KEP-4006)."""
LEGACY: Final[dict[bytes, bool]] = {b"": False, b"v4.channel.k8s.io": False, b"v4.base64.channel.k8s.io": True}
"""``Sec-WebSocket-Protocol`` of the old form, and whether it is base64."""

MOST_PORTS: Final = 100
"""Of one port-forward: each is held against the policy at every change, and in the old form the channels of 104 can be told apart in base64."""


class StreamType(Enum):
    """The values of ``streamtype``."""

    ERROR = "error"
    DATA = "data"


class Forwarded(NamedTuple):
    """What a stream's headers say. ``connection`` is the ``requestid``, or empty where the client sends none."""

    type: StreamType
    port: int
    connection: str


def read_port(text: bytes) -> int | None:
    """A port from 1 to 65535 in plain decimal: a form that no reader could take for another number."""
    if not text.isdigit() or len(text) > 5 or text.startswith(b"0"):
        return None
    port = int(text)
    return port if port <= 65535 else None


def read_stream(headers: list[tuple[bytes, bytes]]) -> Forwarded | str:
    """A stream by its headers, whose names are lower-case and single; or the sentence that says what is wrong with them."""
    found = dict(headers)
    port = read_port(found.get(b"port", b""))
    if port is None:
        return "a port-forward stream does not name its port in plain decimal"
    connection = found.get(b"requestid", b"")
    if len(connection) > 20 or not (connection.isdigit() or not connection):
        return "a port-forward stream has a request id that is no number"
    for kind in StreamType:
        if found.get(b"streamtype") == kind.value.encode():
            return Forwarded(kind, port, connection.decode())
    return "a port-forward stream is neither of data nor of errors"


def legacy_channel(channel: int, ports: tuple[int, ...]) -> Forwarded | None:
    """What a channel of the legacy form is, the ports in the URL's order; None where there is no such channel."""
    index, errors = divmod(channel, 2)
    return Forwarded(StreamType.ERROR if errors else StreamType.DATA, ports[index], "") if 0 <= index < len(ports) else None


def legacy_announcement(port: int) -> bytes:
    """The first message of each channel."""
    return port.to_bytes(2, "little")
