"""exec and attach: channels, subprotocols, and what is said on the error channel. What carries it (SPDY, WebSocket) is elsewhere.

Over SPDY a channel is a stream whose header ``streamtype`` names it. Over WebSocket it is the first byte of each message, a digit where the
subprotocol is base64. From v4 on the error channel carries one ``Status`` in JSON when the command ended, before v4 plain text where it
failed. From v5 on the client can close a channel (KEP-4006): ``FF <channel>``.

A command that is cut without a ``Status`` exits 0 in silence, so the farewell of every protocol is built on ``failure``.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

import orjson


class Channel(Enum):
    """The values are the ``streamtype`` of SPDY."""

    STDIN = "stdin"
    STDOUT = "stdout"
    STDERR = "stderr"
    ERROR = "error"
    RESIZE = "resize"


BY_NUMBER: Final = (Channel.STDIN, Channel.STDOUT, Channel.STDERR, Channel.ERROR, Channel.RESIZE)
"""WebSocket's channel numbers."""
CLOSE_CHANNEL: Final = 255
"""v5: the next byte names the channel that its sender closes."""
FROM_CLIENT: Final = frozenset({Channel.STDIN, Channel.RESIZE})
FROM_CLUSTER: Final = frozenset({Channel.STDOUT, Channel.STDERR, Channel.ERROR})


class Dialect(NamedTuple):
    """What a subprotocol is like. ``status``: the error channel speaks JSON; ``closes``: channels can be closed; ``base64``: of text."""

    status: bool = False
    closes: bool = False
    base64: bool = False

    def channel(self, lead: int) -> Channel | None:
        """The channel that a message's first byte names."""
        number = lead - 0x30 if self.base64 else lead
        return BY_NUMBER[number] if 0 <= number < len(BY_NUMBER) else None

    def lead(self, channel: Channel) -> bytes:
        """The first byte of the channel's messages."""
        return bytes([BY_NUMBER.index(channel) + (0x30 if self.base64 else 0)])

    def error(self, sentence: str) -> bytes:
        """What to say on the error channel so that the client shows ``sentence`` and does not exit 0 (before base64)."""
        return failure(sentence) if self.status else sentence.encode()


WEBSOCKET: Final[dict[bytes, Dialect]] = {
    b"v5.channel.k8s.io": Dialect(status=True, closes=True),
    b"v4.channel.k8s.io": Dialect(status=True),
    b"v4.base64.channel.k8s.io": Dialect(status=True, base64=True),
    b"channel.k8s.io": Dialect(),
    b"base64.channel.k8s.io": Dialect(base64=True),
    b"": Dialect(),
}
"""By ``Sec-WebSocket-Protocol``; the empty one is none."""

SPDY: Final[dict[bytes, Dialect]] = {
    b"v5.channel.k8s.io": Dialect(status=True, closes=True),
    b"v4.channel.k8s.io": Dialect(status=True),
    b"v3.channel.k8s.io": Dialect(),
    b"v2.channel.k8s.io": Dialect(),
    b"channel.k8s.io": Dialect(),
}
"""By ``X-Stream-Protocol-Version``."""


LOST: Final = 255


def success() -> bytes:
    """The Status of a command that exited with 0."""
    return b'{"metadata":{},"status":"Success"}'


def exit_status(code: int) -> bytes:
    """The Status of a command that exited with ``code``, 1 to 255: kubectl exits with it."""
    return orjson.dumps(
        {
            "metadata": {},
            "status": "Failure",
            "message": f"command terminated with non-zero exit code: exit status {code}",
            "reason": "NonZeroExitCode",
            "details": _exited(code),
        }
    )


def failure(sentence: str) -> bytes:
    """The Status that makes kubectl print ``error: <sentence>`` and exit with 1.

    The exit code beside it, ssh's for a connection that broke, is for Kubernetes' client for Python and Ansible, which take the first cause for one
    whatever the reason is, and failed with a KeyError where there was none.
    """
    details = _exited(LOST)
    return orjson.dumps({"metadata": {}, "status": "Failure", "message": sentence, "reason": "Forbidden", "details": details, "code": 403})


def _exited(code: int) -> dict[str, object]:
    return {"causes": [{"reason": "ExitCode", "message": str(code)}]}


def exit_code(status: bytes) -> int | None:
    """The exit code that a Status on the error channel tells: 0 for success, None for a failure that was no exit of the command."""
    try:
        document = orjson.loads(status)
    except orjson.JSONDecodeError:
        return None
    match document:
        case {"status": "Success"}:
            return 0
        case {"reason": "NonZeroExitCode", "details": {"causes": [*causes]}}:
            return next((code for cause in causes if (code := _code(cause)) is not None), None)
    return None


def _code(cause: object) -> int | None:
    match cause:
        case {"reason": "ExitCode", "message": str(text)} if text.isascii() and text.isdigit() and len(text) <= 3:
            return int(text) if int(text) <= 255 else None
    return None
