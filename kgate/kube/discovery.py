"""How a refusal of discovery reaches whoever runs kubectl.

client-go drops the ``Status`` of what it asks first of all and takes apart by itself (``/api`` and ``/apis``, ``/version``, ``/openapi``): all that is left is
``Error from server (Forbidden): unknown``, or that credentials are asked for. kubectl remembers discovery for hours, so this is the first thing that somebody
reads who was never let in, and the last of somebody who is shut out with a new cache. What it does show there, since 1.19, is a ``Warning`` header
(RFC 7234 section 5.5, in Kubernetes' use of it: KEP-1693), for any status; and of a 403 or 502 the body, where that is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_DROPPED = re.compile(rb"(?:/clusters/[^/?]*)?/(?:apis?|version|openapi/v2|openapi/v3(?:/[^?]*)?)/?(?:\?.*)?")
_AGGREGATED = b"as=APIGroupDiscoveryList"
"""In the ``Accept`` of client-go's discovery since 1.26."""
_ANYTHING = b"application/json, */*"
"""The ``Accept`` of client-go where it names no type, as for ``/version``. Other libraries, which read a ``Status``, ask for just JSON."""
_TEXT_IS_SHOWN = frozenset({403, 502})
_ESCAPED = re.compile(r'(["\\])')


def is_dropped(method: bytes, target: bytes) -> bool:
    """Whether client-go would not read the ``Status`` that refuses this."""
    return method == b"GET" and _DROPPED.fullmatch(target) is not None


def text_is_shown(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether whoever asks with these ``headers`` for what ``is_dropped`` shows a body of ``status`` that is plain text."""
    return status in _TEXT_IS_SHOWN and any(name == b"accept" and (_AGGREGATED in value or value == _ANYTHING) for name, value in headers)


def warning(message: str) -> bytes:
    """The value of a ``Warning`` header. Without the request's id, by which kubectl would take each of its tries for another warning."""
    text = message.rpartition(" (request ")[0] or message
    return b'299 kgate "' + _ESCAPED.sub(r"\\\1", text).encode() + b'"'
