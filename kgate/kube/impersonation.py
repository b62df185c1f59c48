"""In whose name a request goes upstream, and in whose name a client asks to act (``kubectl --as``).

The API server reads ``Impersonate-User`` (the first value), every ``Impersonate-Group`` line, ``Impersonate-Uid`` and
``Impersonate-Extra-<key>``, the key percent-decoded. Two traps decide this module. An empty user is *no impersonation*: the request would run as
the gate itself. And whatever re-splits a value on its way (a comma, a control character that somebody takes for a line's end) makes two groups
of one (k/k#66754, CVE-2026-44546). So nothing is joined, and a value that is not plainly one value is an error, not something to repair.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from attrs import frozen

from kgate.documents.values import is_plain
from kgate.kube.refusal import Headers, Refusal
from kgate.model import Impersonation

MAX_GROUPS = 1000
MAX_EXTRA = 128
MAX_BYTES = 64 * 1024
"""Of all values and keys together; an API server takes 1 MiB of headers."""

Extra = tuple[tuple[str, tuple[str, ...]], ...]

_KEY_OCTETS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-.")
"""What stands for itself in the name of an extra's header. Capitals would be folded, ``_`` is dropped by some balancers: both are encoded."""
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_PREFIX = b"impersonate-"
_EXTRA = b"impersonate-extra-"


@frozen(cache_hash=True)
class ImpersonationRequest:
    """Whom a client asks to act as. Allowing it takes a rule that grants ``impersonate`` on exactly this."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Extra = ()


# --- what goes upstream


def impersonation_error(impersonate: Impersonation) -> str | None:
    """Why this must not be sent, as the rest of a sentence; None where it may."""
    values = [("user", impersonate.user), *(("group", group) for group in impersonate.groups)]
    values += [("extra", text) for key, texts in impersonate.extra for text in (key, *texts)]
    if impersonate.uid:
        values.append(("uid", impersonate.uid))
    for what, value in values:
        error = _value_error(value)
        if error:
            return f"the {what} {error}"
    if len(impersonate.groups) > MAX_GROUPS:
        return f"there are {len(impersonate.groups)} groups, more than {MAX_GROUPS}"
    if sum(len(texts) for _, texts in impersonate.extra) > MAX_EXTRA:
        return f"there are more than {MAX_EXTRA} extra values"
    if sum(len(value.encode()) for _, value in values) > MAX_BYTES:
        return f"the names together have more than {MAX_BYTES} bytes"
    return None


def _value_error(value: str) -> str | None:
    """One header value must stay one, whoever reads it: Unicode's line ends, controls and unpaired surrogates are unprintable too."""
    if not value:
        return "is empty"
    if value != value.strip():
        return "has white space at an end"
    return None if is_plain(value) else "has a control character"


def extra_name(key: str) -> bytes:
    """The header of an extra. Escapes have lower-case digits, since HTTP/2 has no capitals in names."""
    return _EXTRA + b"".join(b"%c" % octet if octet in _KEY_OCTETS else b"%%%02x" % octet for octet in key.encode())


@lru_cache(maxsize=4096)
def identity_headers(impersonate: Impersonation, bearer: bytes | None) -> tuple[tuple[bytes, bytes], ...]:
    """Who asks, and the gate's own right to say so; ``bearer`` is None where that is a client certificate.

    Raises ValueError where ``impersonation_error`` has something to say: by then it is a bug, and nothing may go upstream.
    """
    error = impersonation_error(impersonate)
    if error:
        raise ValueError(error)
    headers = [(b"impersonate-user", impersonate.user.encode())]
    headers += [(b"impersonate-group", group.encode()) for group in impersonate.groups]
    if impersonate.uid:
        headers.append((b"impersonate-uid", impersonate.uid.encode()))
    headers += [(extra_name(key), value.encode()) for key, values in impersonate.extra for value in values]
    if bearer is not None:
        headers.append((b"authorization", b"Bearer " + bearer))
    return tuple(headers)


# --- what a client asks for


def impersonation_request(headers: Headers) -> ImpersonationRequest | Refusal | None:
    """What the ``Impersonate-*`` lines of a client's request ask for; None where there are none."""
    lines = [(name, value) for name, value in headers if name.startswith(_PREFIX)]
    return _requested(lines) if lines else None


def _requested(lines: Sequence[tuple[bytes, bytes]]) -> ImpersonationRequest | Refusal:
    single: dict[bytes, str] = {}
    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    for name, raw in lines:
        value, key = _text(raw), _text(_unescaped(name[len(_EXTRA) :])) if name.startswith(_EXTRA) else ""
        if value is None or key is None:
            return Refusal(400, "an Impersonate header is empty or has a control character, white space at an end or a broken escape")
        if key:
            extra.setdefault(key, []).append(value)
        elif name == b"impersonate-group":
            groups.append(value)
        elif name not in (b"impersonate-user", b"impersonate-uid") or name in single:
            return Refusal(
                400, "an Impersonate header is unknown or stands twice: send User and Uid once, Group and Extra-… as often as needed"
            )
        else:
            single[name] = value
    if b"impersonate-user" not in single:
        return Refusal(400, "a group, uid or extra cannot be impersonated without a user: add --as")
    if len(groups) > MAX_GROUPS or sum(map(len, extra.values())) > MAX_EXTRA:
        return Refusal(400, f"more than {MAX_GROUPS} groups or {MAX_EXTRA} extra values cannot be impersonated")
    sorted_extra = tuple(sorted((key, tuple(values)) for key, values in extra.items()))
    return ImpersonationRequest(single[b"impersonate-user"], tuple(groups), single.get(b"impersonate-uid", ""), sorted_extra)


def _unescaped(raw: bytes) -> bytes:
    """Percent-decoded; empty, and so refused, where an escape is broken. The API server would take the key as it stands."""
    return b"" if _BAD_ESCAPE.search(raw) else unquote_to_bytes(raw)


def _text(raw: bytes) -> str | None:
    try:
        value = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if _value_error(value) else value
